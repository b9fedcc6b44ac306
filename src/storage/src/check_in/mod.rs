//! Check-ins: which worker is at which station's screen.

pub mod card_tries;
pub mod phone_code;

use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::{attempt, check_in, consultation, orders},
    sql_types::At,
};
use domain::{
    check_in::{CheckIn, EndReason},
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
    pub id: CheckInId,
    pub worker_id: WorkerId,
    pub station_id: StationId,
    pub started_at: Timestamp,
    /// When the worker last did something.
    pub active_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<EndReason>,
}

impl CheckInRow {
    /// What the domain decides on.
    pub fn snapshot(&self) -> CheckIn {
        CheckIn { id: self.id, worker: self.worker_id, station: self.station_id, ended: self.end_reason }
    }
}

/// Opens a check-in. Neither the station nor the worker may have another open one.
pub fn check_in_open(
    conn: &mut Conn,
    new: &CheckIn,
    opened_as: WorkerId,
    now: Timestamp,
) -> QueryResult<CheckInRow> {
    on_backend!(conn, c => diesel::insert_into(check_in::table)
        .values((
            check_in::id.eq(new.id),
            check_in::worker_id.eq(new.worker),
            check_in::station_id.eq(new.station),
            check_in::started_at.eq(At(now)),
            check_in::active_at.eq(At(now)),
            check_in::opened_as.eq(Some(opened_as)),
        ))
        .execute(c))?;
    Ok(CheckInRow {
        id: new.id,
        worker_id: new.worker,
        station_id: new.station,
        started_at: now,
        active_at: now,
        ended_at: None,
        end_reason: None,
    })
}

pub fn check_in_fetch(conn: &mut Conn, id: CheckInId) -> QueryResult<Option<CheckInRow>> {
    on_backend!(conn, c => check_in::table.find(id).select(CheckInRow::as_select()).first(c)).optional()
}

/// A check-in, with its row locked for update.
pub fn check_in_lock(conn: &mut Conn, id: CheckInId) -> QueryResult<Option<CheckInRow>> {
    on_backend!(conn, c => check_in::table
        .find(id)
        .select(CheckInRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// The open check-ins that `$filter` finds, with their rows locked for update.
macro_rules! open_check_ins {
    ($conn:expr, $filter:expr) => {
        on_backend!($conn, c => check_in::table
            .filter(check_in::ended_at.is_null())
            .filter($filter)
            .select(CheckInRow::as_select())
            .lock_for_no_key_update()
            .get_results(c))
    };
}

/// The open check-ins at a station's screen, locked.
pub fn check_ins_lock_at(conn: &mut Conn, station: StationId) -> QueryResult<Vec<CheckInRow>> {
    open_check_ins!(conn, check_in::station_id.eq(station))
}

/// The open check-ins of a worker, locked: one at most.
pub fn check_ins_lock_of(conn: &mut Conn, worker: WorkerId) -> QueryResult<Vec<CheckInRow>> {
    open_check_ins!(conn, check_in::worker_id.eq(worker))
}

/// The open check-ins that a new one would end, locked.
pub fn check_ins_lock_in_the_way(
    conn: &mut Conn,
    worker: WorkerId,
    station: StationId,
) -> QueryResult<Vec<CheckInRow>> {
    open_check_ins!(conn, check_in::worker_id.eq(worker).or(check_in::station_id.eq(station)))
}

/// Writes `after`, if the row still has the end of `before`.
pub fn check_in_store(
    conn: &mut Conn,
    before: &CheckIn,
    after: &CheckIn,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(check_in::table.find(before.id))
        .filter(check_in::ended_at.is_null())
        .set((check_in::ended_at.eq(after.ended.map(|_| At(now))), check_in::end_reason.eq(after.ended)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Open check-ins that are idle since `$before`. Not idle: with an active consultation, a waiting
/// emergency, or a pack being vended; and for the same time after any of these has ended.
macro_rules! idle_check_ins {
    ($before:expr) => {{
        let before = $before;
        let attended = consultation::table.filter(consultation::worker_id.eq(check_in::worker_id)).filter(
            consultation::state
                .eq_code(ConsultationState::Active)
                .or(consultation::ended_at.ge(Some(At(before))))
                .or(consultation::requeued_at.ge(Some(At(before))))
                .or(consultation::triage
                    .eq_code(TriageLevel::Emergency)
                    .and(consultation::state.of_code(ConsultationState::is_live))),
        );
        let vending = orders::table
            .inner_join(attempt::table)
            .filter(orders::worker_id.eq(check_in::worker_id))
            .filter(attempt::state.eq_code(AttemptState::Started).or(attempt::ended_at.ge(Some(At(before)))));
        check_in::table
            .filter(check_in::ended_at.is_null())
            .filter(check_in::active_at.lt(At(before)))
            .filter(diesel::dsl::not(diesel::dsl::exists(attended)))
            .filter(diesel::dsl::not(diesel::dsl::exists(vending)))
    }};
}

/// Open check-ins behind `after` that are idle since `before`.
pub fn check_ins_idle(
    conn: &mut Conn,
    before: Timestamp,
    after: CheckInId,
    limit: i64,
) -> QueryResult<Vec<CheckInRow>> {
    on_backend!(conn, c => idle_check_ins!(before)
        .filter(check_in::id.gt(after))
        .order(check_in::id)
        .limit(limit)
        .select(CheckInRow::as_select())
        .load(c))
}

/// Whether this check-in is idle since `before`.
pub fn check_in_is_idle(conn: &mut Conn, id: CheckInId, before: Timestamp) -> QueryResult<bool> {
    let found = on_backend!(conn, c => idle_check_ins!(before)
        .filter(check_in::id.eq(id))
        .select(check_in::id)
        .first::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Emergencies behind `after` that wait for a doctor while their check-in had no activity since
/// `before`: the consultation, its station and the last activity.
pub fn emergencies_silent(
    conn: &mut Conn,
    before: Timestamp,
    after: ConsultationId,
    limit: i64,
) -> QueryResult<Vec<(ConsultationId, StationId, Timestamp)>> {
    on_backend!(conn, c => consultation::table
        .inner_join(check_in::table.on(check_in::worker_id.eq(consultation::worker_id)))
        .filter(consultation::state.eq_any_code(&[ConsultationState::Waiting, ConsultationState::Offered]))
        .filter(consultation::triage.eq_code(TriageLevel::Emergency))
        .filter(check_in::ended_at.is_null())
        .filter(check_in::active_at.lt(At(before)))
        .filter(consultation::id.gt(after))
        .order(consultation::id)
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
