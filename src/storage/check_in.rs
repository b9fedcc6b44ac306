//! Check-ins: who stands at which screen.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    prepared::PreparedDsl,
    schema::{attempt, check_in, consultation, orders},
    sql_types::At,
    words::WordDsl,
};
use crate::domain::{
    consultation::ConsultationState,
    ids::{CheckInId, StationId, WorkerId},
    time::Timestamp,
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
    each!(conn, c => diesel::insert_into(check_in::table)
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
    each!(conn, c => check_in::table.find(id).select(CheckInRow::as_select()).first(c)).optional()
}

/// The open check-ins at a station's screen.
pub fn check_ins_at(conn: &mut Conn, station: StationId) -> QueryResult<Vec<CheckInRow>> {
    each!(conn, c => check_in::table
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
    each!(conn, c => check_in::table
        .filter(check_in::ended_at.is_null())
        .filter(check_in::worker_id.eq(worker).or(check_in::station_id.eq(station)))
        .select(CheckInRow::as_select())
        .load(c))
}

/// The open check-ins of a worker: one at most.
pub fn check_ins_open(conn: &mut Conn, worker: WorkerId) -> QueryResult<Vec<CheckInId>> {
    each!(conn, c => check_in::table
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

/// Ends a check-in that is still silent since `before`; `false` when it is not.
pub fn check_in_end_idle(
    conn: &mut Conn,
    id: CheckInId,
    before: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(check_in::table.find(id))
        .filter(check_in::ended_at.is_null())
        .filter(check_in::active_at.lt(At(before)))
        .set((check_in::ended_at.eq(Some(At(now))), check_in::end_reason.eq(Some("idle"))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Open check-ins that were silent since `before` and have nothing under way:
/// no live consultation, and no order that is still being vended.
pub fn check_ins_idle(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<Vec<CheckInRow>> {
    let consulting = consultation::table
        .filter(consultation::worker_id.eq(check_in::worker_id))
        .filter(consultation::state.eq_any_word(ConsultationState::LIVE));
    let vending = orders::table
        .inner_join(attempt::table)
        .filter(orders::worker_id.eq(check_in::worker_id))
        .filter(attempt::state.eq_word(AttemptState::Started));
    each!(conn, c => check_in::table
        .filter(check_in::ended_at.is_null())
        .filter(check_in::active_at.lt(At(before)))
        .filter(diesel::dsl::not(diesel::dsl::exists(consulting)))
        .filter(diesel::dsl::not(diesel::dsl::exists(vending)))
        .order(check_in::active_at)
        .limit(limit)
        .select(CheckInRow::as_select())
        .load(c))
}
