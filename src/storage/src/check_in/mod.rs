//! Check-ins: who stands at which screen.

pub mod card_tries;
pub mod phone_code;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{attempt, check_in, consultation, orders},
    sql_types::At,
    words::WordDsl,
};
use domain::{
    consultation::ConsultationState,
    ids::{CheckInId, ConsultationId, StationId, WorkerId},
    time::Timestamp,
    triage::TriageLevel,
    vend::AttemptState,
};

/// A check-in as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = check_in)]
pub struct CheckInRow {
    /// Which check-in.
    pub id: CheckInId,
    /// Who.
    pub worker_id: WorkerId,
    /// Where.
    pub station_id: StationId,
    /// Since when.
    pub started_at: Timestamp,
    /// When the worker last did something.
    pub active_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// Opens a check-in. The station and the worker must have no other.
pub fn check_in_open(
    conn: &mut Conn,
    id: CheckInId,
    worker: WorkerId,
    opened_as: WorkerId,
    station: StationId,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(check_in::table)
        .values((
            check_in::id.eq(id),
            check_in::worker_id.eq(worker),
            check_in::station_id.eq(station),
            check_in::started_at.eq(At(now)),
            check_in::active_at.eq(At(now)),
            check_in::opened_as.eq(Some(opened_as)),
        ))
        .execute(c))
    .map(|_| ())
}

/// A check-in by id.
pub fn check_in_fetch(conn: &mut Conn, id: CheckInId) -> QueryResult<Option<CheckInRow>> {
    on_backend!(conn, c => check_in::table.find(id).select(CheckInRow::as_select()).first(c)).optional()
}

/// The open check-ins at a station's screen.
pub fn check_ins_at(conn: &mut Conn, station: StationId) -> QueryResult<Vec<CheckInRow>> {
    on_backend!(conn, c => check_in::table
        .filter(check_in::ended_at.is_null())
        .filter(check_in::station_id.eq(station))
        .select(CheckInRow::as_select())
        .load(c))
}

/// The open check-ins that a new one would push out.
pub fn check_ins_in_the_way(
    conn: &mut Conn,
    worker: WorkerId,
    station: StationId,
) -> QueryResult<Vec<CheckInRow>> {
    on_backend!(conn, c => check_in::table
        .filter(check_in::ended_at.is_null())
        .filter(check_in::worker_id.eq(worker).or(check_in::station_id.eq(station)))
        .select(CheckInRow::as_select())
        .load(c))
}

/// The open check-ins of a worker: one at most.
pub fn check_ins_open(conn: &mut Conn, worker: WorkerId) -> QueryResult<Vec<CheckInId>> {
    on_backend!(conn, c => check_in::table
        .filter(check_in::ended_at.is_null())
        .filter(check_in::worker_id.eq(worker))
        .select(check_in::id)
        .load(c))
}

/// Ends a check-in; `false` when it has ended already.
pub fn check_in_end(conn: &mut Conn, id: CheckInId, reason: &str, now: Timestamp) -> QueryResult<bool> {
    diesel::update(check_in::table.find(id))
        .filter(check_in::ended_at.is_null())
        .set((check_in::ended_at.eq(Some(At(now))), check_in::end_reason.eq(Some(reason))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// What keeps a check-in alive while its worker does nothing: a doctor who has
/// them, an emergency that waits for one, a pack on its way; and the same for a
/// while after any of these has ended.
macro_rules! silent_and_alone {
    ($before:expr) => {{
        let before = $before;
        let attended = consultation::table.filter(consultation::worker_id.eq(check_in::worker_id)).filter(
            consultation::state
                .eq_word(ConsultationState::Active)
                .or(consultation::ended_at.ge(Some(At(before))))
                .or(consultation::requeued_at.ge(Some(At(before))))
                .or(consultation::triage
                    .eq_word(TriageLevel::Emergency)
                    .and(consultation::state.eq_any_word(ConsultationState::LIVE))),
        );
        let vending = orders::table
            .inner_join(attempt::table)
            .filter(orders::worker_id.eq(check_in::worker_id))
            .filter(attempt::state.eq_word(AttemptState::Started).or(attempt::ended_at.ge(Some(At(before)))));
        check_in::table
            .filter(check_in::ended_at.is_null())
            .filter(check_in::active_at.lt(At(before)))
            .filter(diesel::dsl::not(diesel::dsl::exists(attended)))
            .filter(diesel::dsl::not(diesel::dsl::exists(vending)))
    }};
}

/// Open check-ins that were silent since `before` and have nothing under way.
pub fn check_ins_idle(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<Vec<CheckInRow>> {
    on_backend!(conn, c => silent_and_alone!(before)
        .order(check_in::active_at)
        .limit(limit)
        .select(CheckInRow::as_select())
        .load(c))
}

/// Whether this one is such a check-in.
pub fn check_in_is_idle(conn: &mut Conn, id: CheckInId, before: Timestamp) -> QueryResult<bool> {
    let found = on_backend!(conn, c => silent_and_alone!(before)
        .filter(check_in::id.eq(id))
        .select(check_in::id)
        .first::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Emergencies that wait for a doctor while their check-in is silent since
/// `before`: the consultation, its check-in and since when.
pub fn emergencies_silent(
    conn: &mut Conn,
    before: Timestamp,
    limit: i64,
) -> QueryResult<Vec<(ConsultationId, StationId, Timestamp)>> {
    on_backend!(conn, c => consultation::table
        .inner_join(check_in::table.on(check_in::worker_id.eq(consultation::worker_id)))
        .filter(consultation::state.eq_any_word(&[ConsultationState::Waiting, ConsultationState::Offered]))
        .filter(consultation::triage.eq_word(TriageLevel::Emergency))
        .filter(check_in::ended_at.is_null())
        .filter(check_in::active_at.lt(At(before)))
        .limit(limit)
        .select((consultation::id, check_in::station_id, check_in::active_at))
        .load(c))
}

/// The open check-in of a worker, if any.
pub fn check_in_open_of(conn: &mut Conn, worker: WorkerId) -> QueryResult<Option<CheckInRow>> {
    on_backend!(conn, c => check_in::table
        .filter(check_in::worker_id.eq(worker))
        .filter(check_in::ended_at.is_null())
        .select(CheckInRow::as_select())
        .first(c))
    .optional()
}
