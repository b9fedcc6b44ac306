//! The queues of the distributor and their fronts. No statement here reads more than the fronts,
//! however many wait behind them.

use diesel::{
    backend::Backend,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{HasSqlType, Text},
};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{consultation, department, offer},
    sql_types::{At, Timestamptz},
};
use domain::{
    consultation::{ConsultationState, OfferState},
    ids::{ConsultationId, StaffId},
    matching::{Department, PreviousDoctor, Request},
    time::Timestamp,
};

/// Whether a consultation waits and its worker is checked in.
macro_rules! in_queue {
    () => {
        consultation::state.eq_code(ConsultationState::Waiting).and(consultation::left_at.is_null())
    };
}

/// Whether a refusal still counts: a declined offer for a short time, a transfer for longer.
macro_rules! refused_since {
    ($since:expr) => {
        refusal.field(offer::answered_at).gt(Some(At($since.transferred))).and(
            refusal
                .field(offer::answered_at)
                .gt(Some(At($since.refused)))
                .or(refusal.field(offer::answered_at).eq(consultation::transferred_at)),
        )
    };
}

/// The departments for which anybody waits.
pub fn departments_waiting(conn: &mut Conn) -> QueryResult<Vec<Department>> {
    let waiting =
        || consultation::table.filter(consultation::department.eq(department::code)).filter(in_queue!());
    on_backend!(conn, c => department::table
        .filter(diesel::dsl::exists(waiting()))
        .select(department::code)
        .load(c))
}

/// Who waits: the name of their queue, since when, and what.
pub fn waiting_all(conn: &mut Conn) -> QueryResult<Vec<(String, Timestamp, ConsultationId)>> {
    on_backend!(conn, c => consultation::table
        .filter(in_queue!())
        .order(consultation::queue)
        .select((consultation::queue, consultation::requested_at, consultation::id))
        .load(c))
}

/// The doctors who are not asked to take a consultation: who refused it lately, or transferred it.
pub fn refused_by(conn: &mut Conn, id: ConsultationId, since: Since) -> QueryResult<Vec<StaffId>> {
    on_backend!(conn, c => refusal
        .inner_join(
            consultation::table.on(consultation::id.eq(refusal.field(offer::consultation_id))),
        )
        .filter(consultation::id.eq(id))
        .filter(refusal.field(offer::state).eq_any_code(&[OfferState::Declined, OfferState::Expired]))
        .filter(refused_since!(since))
        .select(refusal.field(offer::doctor_id))
        .load(c))
}

/// How many wait in each queue, by its name, and since when the oldest does. Read from the index of the
/// fronts alone.
pub fn waiting_by_queue(conn: &mut Conn) -> QueryResult<Vec<(String, i64, Option<Timestamp>)>> {
    on_backend!(conn, c => consultation::table
        .filter(in_queue!())
        .group_by((consultation::department, consultation::queue))
        .select((
            consultation::queue,
            diesel::dsl::count_star(),
            diesel::dsl::min(consultation::requested_at),
        ))
        .load(c))
}

/// The queues of these departments, each by its name and since when its oldest request waits.
pub fn queues(conn: &mut Conn, departments: &[Department]) -> QueryResult<Vec<(String, Timestamp)>> {
    let mut all = String::from(";");
    for department in departments {
        all.push_str(department.as_str());
        all.push(';');
    }
    let statement = Queues { departments: all };
    match conn {
        Conn::Pg(conn) => statement.prepared().load(conn),
        Conn::Sqlite(conn) => statement.prepared().load(conn),
    }
}

/// Goes from each queue's name to the next one in the index, so that its cost grows with the queues
/// and not with those who wait in them.
struct Queues {
    /// Codes, each between semicolons.
    departments: String,
}

const WAITS: &str = "c.state = 'waiting' AND c.left_at IS NULL";

impl<DB> QueryFragment<DB> for Queues
where
    DB: Backend + HasSqlType<Text>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE q (department, queue) AS (SELECT d.code, (SELECT min(c.queue) FROM consultation c WHERE c.department = d.code AND ");
        out.push_sql(WAITS);
        out.push_sql(") FROM department d WHERE ");
        out.push_bind_param::<Text, _>(&self.departments)?;
        out.push_sql(" LIKE '%;' || d.code || ';%' UNION ALL SELECT q.department, (SELECT min(c.queue) FROM consultation c WHERE c.department = q.department AND c.queue > q.queue AND ");
        out.push_sql(WAITS);
        out.push_sql(") FROM q WHERE q.queue IS NOT NULL) SELECT q.queue, (SELECT min(c.requested_at) FROM consultation c WHERE c.department = q.department AND c.queue = q.queue AND ");
        out.push_sql(WAITS);
        out.push_sql(") FROM q WHERE q.queue IS NOT NULL");
        Ok(())
    }
}
impl QueryId for Queues {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl diesel::query_builder::Query for Queues {
    type SqlType = (Text, Timestamptz);
}
impl<C> RunQueryDsl<C> for Queues {}

diesel::alias!(consultation as earlier: Earlier, offer as refusal: Refusal);

/// A column of the worker's last visit to a doctor since `$since`.
macro_rules! last_visit {
    ($column:expr, $since:expr) => {
        earlier
            .filter(earlier.field(consultation::worker_id).eq(consultation::worker_id))
            .filter(earlier.field(consultation::state).eq_code(ConsultationState::Completed))
            .filter(earlier.field(consultation::ended_at).gt(Some(At($since))))
            .filter(earlier.field(consultation::doctor_id).is_not_null())
            .order(earlier.field(consultation::id).desc())
            .limit(1)
            .select(earlier.field($column))
            .single_value()
    };
}

/// What the distributor reads of a consultation, with its last offer joined.
macro_rules! request_columns {
    ($since:expr) => {
        (
            (consultation::id, consultation::fence, consultation::requested_at),
            (consultation::requeued_at, consultation::transferred_at),
            (offer::doctor_id, offer::state, offer::answered_at).nullable(),
            last_visit!(consultation::doctor_id, $since),
            last_visit!(consultation::ended_at, $since),
        )
    };
}

type RequestRow = (
    (ConsultationId, i64, Timestamp),
    (Option<Timestamp>, Option<Timestamp>),
    Option<(StaffId, OfferState, Option<Timestamp>)>,
    Option<StaffId>,
    Option<Timestamp>,
);

/// The doctor who was lost has it again first; otherwise the one who saw the worker last. Who was lost
/// had accepted: their offer was withdrawn when the request went back to the queue.
fn request(row: RequestRow) -> Request {
    let ((consultation, fence, waiting_since), (requeued_at, transferred_at), last, visited, ended_at) = row;
    let lost = last
        .filter(|(_, state, answered_at)| {
            *state == OfferState::Withdrawn && requeued_at.is_some() && *answered_at == requeued_at
        })
        .map(|(doctor, ..)| doctor)
        .zip(requeued_at);
    let previous_doctor = lost.or(visited.zip(ended_at));
    Request {
        consultation,
        fence,
        waiting_since,
        in_department_since: transferred_at.map_or(waiting_since, |at| at.max(waiting_since)),
        previous_doctor: previous_doctor.map(|(doctor, seen_at)| PreviousDoctor { doctor, seen_at }),
    }
}

/// Since when refusals, transfers and earlier visits count.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    pub refused: Timestamp,
    /// Not after `refused`.
    pub transferred: Timestamp,
    pub visited: Timestamp,
}

/// The next requests of a queue behind `after`, oldest first; without those that a doctor refused
/// lately, or that one transferred.
pub fn front(
    conn: &mut Conn,
    (department, queue): (Department, &str),
    after: Option<(Timestamp, ConsultationId)>,
    since: Since,
    limit: i64,
) -> QueryResult<Vec<Request>> {
    let (time, id) = after.unwrap_or((Timestamp::UNIX_EPOCH, ConsultationId::from_uuid(uuid::Uuid::nil())));
    let refused = || {
        refusal
            .filter(refusal.field(offer::consultation_id).eq(consultation::id))
            .filter(refusal.field(offer::state).eq_any_code(&[OfferState::Declined, OfferState::Expired]))
            .filter(refusal.field(offer::answered_at).gt(Some(At(since.refused))))
    };
    let rows: Vec<RequestRow> = on_backend!(conn, c => consultation::table
        .left_join(offer::table.on(consultation::offer_id.eq(offer::id.nullable())))
        .filter(consultation::department.eq(department))
        .filter(consultation::queue.eq(queue))
        .filter(in_queue!())
        .filter(consultation::requested_at.ge(At(time)))
        .filter(consultation::requested_at.gt(At(time)).or(consultation::id.gt(id)))
        .filter(consultation::fence.eq(0).or(diesel::dsl::not(diesel::dsl::exists(refused()))))
        .filter(
            consultation::transferred_at
                .is_null()
                .or(consultation::transferred_at.le(Some(At(since.transferred)))),
        )
        .order((consultation::requested_at, consultation::id))
        .limit(limit)
        .select(request_columns!(since.visited))
        .load(c))?;
    Ok(rows.into_iter().map(request).collect())
}

/// The waiting requests that doctors refused lately or transferred, each by the name of its queue and
/// once for each of these doctors; neighbours are of one request.
pub fn refused_lately(conn: &mut Conn, since: Since) -> QueryResult<Vec<(String, Request, StaffId)>> {
    let rows: Vec<(String, RequestRow, StaffId)> = on_backend!(conn, c => refusal
        .inner_join(
            consultation::table.on(consultation::id.eq(refusal.field(offer::consultation_id))),
        )
        .left_join(offer::table.on(consultation::offer_id.eq(offer::id.nullable())))
        .filter(refusal.field(offer::state).eq_any_code(&[OfferState::Declined, OfferState::Expired]))
        .filter(refused_since!(since))
        .filter(in_queue!())
        .order(consultation::id)
        .select((consultation::queue, request_columns!(since.visited), refusal.field(offer::doctor_id)))
        .load(c))?;
    Ok(rows.into_iter().map(|(queue, row, doctor)| (queue, request(row), doctor)).collect())
}
