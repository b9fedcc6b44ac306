//! A consultation with the rows that its verbs and views need, read by one statement: its last
//! offer, its doctor's name, where its worker is, and whether they consent to care.

use diesel::{prelude::*, sql_types::BigInt};

use super::{ConsultationRow, OfferRow, Queued};
use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    schema::{check_in, consent, consultation, offer, staff},
    sql_types::{At, Nullable, Uuid},
};
use domain::{
    consultation::{Consultation, ConsultationState, OfferState},
    ids::{CheckInId, ConsentId, ConsultationId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

/// A consultation and what belongs to it.
#[derive(Debug, Clone)]
pub struct FullConsultation {
    pub row: ConsultationRow,
    /// The last offer, in any state.
    pub offer: Option<OfferRow>,
    /// Names of the doctor who has it or to whom it was offered last: Chinese and English.
    pub doctor: Option<(String, String)>,
    /// The station of the worker's open check-in, and their last activity there.
    pub here: Option<(StationId, Timestamp)>,
    /// The worker's last activity in the check-in of the request.
    pub active_at: Timestamp,
    /// Whether the worker consents to care now.
    pub consents: bool,
    /// The number of waiting consultations before it: only while it waits, and only where a function
    /// says that it reads it.
    pub ahead: Option<i64>,
}

impl FullConsultation {
    /// What the domain decides on.
    pub fn snapshot(&self) -> Consultation {
        self.row.snapshot(self.offer.as_ref())
    }
}

type Row = (
    ConsultationRow,
    Option<OfferRow>,
    Option<(String, String)>,
    Option<(StationId, Timestamp)>,
    Timestamp,
    Option<ConsentId>,
    Option<i64>,
);

fn full(row: Row) -> FullConsultation {
    let (row, offer, doctor, here, active_at, consent, ahead) = row;
    FullConsultation { row, offer, doctor, here, active_at, consents: consent.is_some(), ahead }
}

diesel::alias!(check_in as open: Open, offer as asked: Asked, consultation as other: Other);
/// The type of a column with an id that may be missing.
type OptionalId = Nullable<Uuid>;
diesel::define_sql_function! { fn coalesce(first: OptionalId, second: OptionalId) -> OptionalId; }

/// Counts the waiting consultations of the same department before one, in the order of
/// `domain::matching::QueueKey`: emergencies, then those who have waited since `$overdue_since` or
/// longer, then the others. Those whose worker has left are in no queue.
macro_rules! queue_before {
    ($overdue_since:expr) => {{
        let emergency = TriageLevel::Emergency;
        let (since, rank) = (consultation::requested_at, consultation::ranked_since);
        let other_since = other.field(consultation::requested_at);
        let other_rank = other.field(consultation::ranked_since);
        let sooner = other_since
            .lt(since)
            .or(other_since.eq(since).and(other.field(consultation::id).lt(consultation::id)));
        let higher = other_rank.lt(rank).or(other_rank.eq(rank).and(sooner));
        let overdue = other_since.le(At($overdue_since));
        let other_is_first = other.field(consultation::triage).eq_code(emergency);
        let same_or_higher_class = overdue.or(since.gt(At($overdue_since)));
        other
            .filter(other.field(consultation::state).eq_code(ConsultationState::Waiting))
            .filter(other.field(consultation::left_at).is_null())
            .filter(other.field(consultation::department).eq(consultation::department))
            .filter(
                consultation::triage.eq_code(emergency).and(other_is_first.and(higher)).or(
                    consultation::triage.ne_code(emergency).and(
                        other_is_first
                            .or(since.gt(At($overdue_since)).and(overdue))
                            .or(same_or_higher_class.and(higher)),
                    ),
                ),
            )
            .count()
    }};
}

/// The statement, to be filtered. From an offer, the planner finds the consultation by its key. `$ahead`
/// is the number of those before it.
macro_rules! full_consultations {
    () => {
        full_consultations!(None::<i64>.into_sql::<Nullable<BigInt>>())
    };
    ($ahead:expr) => {
        consultation::table
            .inner_join(check_in::table.on(check_in::id.eq(consultation::check_in_id)))
            .left_join(
                offer::table.on(offer::consultation_id
                    .eq(consultation::id)
                    .and(consultation::offer_id.eq(offer::id.nullable()))),
            )
            .left_join(
                staff::table
                    .on(coalesce(consultation::doctor_id, offer::doctor_id.nullable())
                        .eq(staff::id.nullable())),
            )
            .left_join(
                open.on(open
                    .field(check_in::worker_id)
                    .eq(consultation::worker_id)
                    .and(open.field(check_in::ended_at).is_null())),
            )
            .left_join(consent_to_care!())
            .select((
                ConsultationRow::as_select(),
                Option::<OfferRow>::as_select(),
                (staff::name_zh, staff::name_en).nullable(),
                (open.field(check_in::station_id), open.field(check_in::active_at)).nullable(),
                check_in::active_at,
                consent::id.nullable(),
                $ahead,
            ))
    };
}

/// As [`full_consultations`], with the place in the queue of those that wait.
macro_rules! full_with_place {
    ($overdue_since:expr) => {
        full_consultations!(diesel::dsl::case_when(
            consultation::state.eq_code(ConsultationState::Waiting),
            queue_before!($overdue_since).single_value(),
        ))
    };
}

/// Columns of a new consultation in addition to its snapshot.
#[derive(Debug)]
pub struct NewConsultation {
    pub check_in: CheckInId,
    pub station: StationId,
    pub lane: EncounterLane,
    pub department: Department,
    /// What the worker speaks.
    pub language: Language,
    pub complaint_sealed: Vec<u8>,
    /// Symptom codes, as a JSON list.
    pub symptoms: String,
    pub queued: Queued,
    /// Codes of red flags, as a JSON list.
    pub red_flags: String,
}

/// Adds a consultation that waits; returns its row, and the number of waiting consultations before it.
/// Fails on a second live one of the same worker.
pub fn consultation_add(
    conn: &mut Conn,
    snapshot: &Consultation,
    new: NewConsultation,
    overdue_since: Timestamp,
) -> QueryResult<(ConsultationRow, Option<i64>)> {
    macro_rules! insert {
        () => {
            diesel::insert_into(consultation::table).values((
                (
                    consultation::id.eq(snapshot.id),
                    consultation::worker_id.eq(snapshot.worker),
                    consultation::check_in_id.eq(new.check_in),
                    consultation::station_id.eq(new.station),
                    consultation::lane.eq(new.lane),
                    consultation::department.eq(new.department),
                    consultation::language.eq(new.language),
                    consultation::state.eq(snapshot.state),
                ),
                (
                    consultation::complaint_sealed.eq(&new.complaint_sealed),
                    consultation::symptoms.eq(&new.symptoms),
                    consultation::triage.eq(snapshot.triage),
                    consultation::requested_at.eq(At(snapshot.waiting_since)),
                    consultation::ranked_since.eq(At(new.queued.ranked_since)),
                    consultation::queue.eq(&new.queued.queue),
                    consultation::fence.eq(snapshot.fence),
                    consultation::red_flags.eq(Some(new.red_flags.as_str())),
                    consultation::medium.eq(snapshot.medium),
                ),
            ))
        };
    }
    let before = || queue_before!(overdue_since).single_value();
    let ahead = match conn {
        Conn::Pg(c) => insert!().returning(before()).get_result(c)?,
        // The same count in its RETURNING is always 0.
        Conn::Sqlite(c) => {
            insert!().execute(c)?;
            consultation::table.find(snapshot.id).select(before()).first(c)?
        }
    };
    let row = ConsultationRow {
        id: snapshot.id,
        worker_id: snapshot.worker,
        check_in_id: new.check_in,
        station_id: new.station,
        lane: new.lane,
        department: new.department,
        language: new.language,
        state: snapshot.state,
        complaint_sealed: new.complaint_sealed,
        symptoms: new.symptoms,
        triage: snapshot.triage,
        requested_at: snapshot.waiting_since,
        ranked_since: new.queued.ranked_since,
        queue: new.queued.queue,
        requeued_at: None,
        fence: snapshot.fence,
        offer_id: None,
        doctor_id: None,
        hospital_id: None,
        accepted_at: None,
        ended_at: None,
        summary_sealed: None,
        diagnoses: None,
        rating: None,
        red_flags: Some(new.red_flags),
        left_at: None,
        cancel_reason: None,
        medium: snapshot.medium,
        transferred_at: None,
        left_station_id: None,
        called_at: None,
    };
    Ok((row, ahead))
}

/// Locks the row of the consultation that the filter finds.
macro_rules! locked {
    ($conn:expr, $filter:expr) => {{
        let found: Option<Row> = on_backend!($conn, c => full_consultations!()
            .filter($filter)
            .lock_consultation()
            .get_result(c))
        .optional()?;
        match found.map(full) {
            // The statement waited for the row: it then has the row as it is, and the other tables as
            // they were before.
            Some(known) if !known.snapshot().matches_offer() => full_fetch($conn, known.row.id),
            known => Ok(known),
        }
    }};
}

pub fn full_fetch(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<FullConsultation>> {
    let found: Option<Row> =
        on_backend!(conn, c => full_consultations!().filter(consultation::id.eq(id)).first(c)).optional()?;
    Ok(found.map(full))
}

/// As [`full_fetch`], with its place in the queue; none once an authority has ended.
pub fn full_fetch_with_place(
    conn: &mut Conn,
    live: Live,
    id: ConsultationId,
    overdue_since: Timestamp,
) -> QueryResult<Option<FullConsultation>> {
    let found: Option<Row> = on_backend!(conn, c => full_with_place!(overdue_since)
        .filter(consultation::id.eq(id))
        .filter(live)
        .first(c))
    .optional()?;
    Ok(found.map(full))
}

/// A consultation, with its row locked for update.
pub fn full_lock(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<FullConsultation>> {
    locked!(conn, consultation::id.eq(id))
}

/// The consultation that was put to this doctor by this offer, with its row locked for update.
pub fn full_lock_offered(
    conn: &mut Conn,
    id: OfferId,
    doctor: StaffId,
) -> QueryResult<Option<FullConsultation>> {
    let by_offer = || {
        asked
            .filter(asked.field(offer::id).eq(id))
            .filter(asked.field(offer::doctor_id).eq(doctor))
            .select(asked.field(offer::consultation_id))
    };
    locked!(conn, consultation::id.eq_any(by_offer()))
}

/// The worker's live consultation, with its row locked for update.
pub fn full_lock_live_of(conn: &mut Conn, worker: WorkerId) -> QueryResult<Option<FullConsultation>> {
    locked!(
        conn,
        consultation::worker_id.eq(worker).and(consultation::state.of_code(ConsultationState::is_live))
    )
}

/// A page of a worker's consultations, newest first, with the place in the queue of one that waits.
pub fn full_of_worker(
    conn: &mut Conn,
    live: Live,
    worker: WorkerId,
    (after, limit): (Option<ConsultationId>, i64),
    overdue_since: Timestamp,
) -> QueryResult<Vec<FullConsultation>> {
    let rows: Vec<Row> = on_backend!(conn, c => {
        let query = full_with_place!(overdue_since)
            .filter(consultation::worker_id.eq(worker))
            .filter(live)
            .order(consultation::id.desc())
            .limit(limit);
        match after {
            Some(after) => query.filter(consultation::id.lt(after)).load(c),
            None => query.load(c),
        }
    })?;
    Ok(rows.into_iter().map(full).collect())
}

/// A consultation, followed by the earlier ones of its worker, newest first: `limit` rows at most.
pub fn full_with_earlier(
    conn: &mut Conn,
    id: ConsultationId,
    limit: i64,
) -> QueryResult<Vec<FullConsultation>> {
    let worker = other
        .filter(other.field(consultation::id).eq(id))
        .select(other.field(consultation::worker_id))
        .single_value();
    let rows: Vec<Row> = on_backend!(conn, c => full_consultations!()
        .filter(consultation::worker_id.nullable().eq(worker))
        .filter(consultation::id.le(id))
        .order(consultation::id.desc())
        .limit(limit)
        .load(c))?;
    Ok(rows.into_iter().map(full).collect())
}

/// The active consultations of a doctor, oldest first.
pub fn full_of_doctor(conn: &mut Conn, live: Live, doctor: StaffId) -> QueryResult<Vec<FullConsultation>> {
    let rows: Vec<Row> = on_backend!(conn, c => full_consultations!()
        .filter(live)
        .filter(consultation::doctor_id.eq(Some(doctor)))
        .filter(consultation::state.eq_code(ConsultationState::Active))
        .order(consultation::id)
        .limit(100)
        .load(c))?;
    Ok(rows.into_iter().map(full).collect())
}

/// The consultations that are offered to a doctor now, the oldest offer first.
pub fn full_offered_to(conn: &mut Conn, live: Live, doctor: StaffId) -> QueryResult<Vec<FullConsultation>> {
    let rows: Vec<Row> = on_backend!(conn, c => full_consultations!()
        .filter(live)
        .filter(offer::doctor_id.eq(doctor))
        .filter(offer::state.eq_code(OfferState::Open))
        .order(offer::id)
        .limit(100)
        .load(c))?;
    Ok(rows.into_iter().map(full).collect())
}
