//! Attempts: this is where vending is exactly-once. Each change repeats the state that it moves
//! from; the partial unique index is the last safeguard.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{attempt, orders},
    sql_types::At,
};
use domain::{
    ids::{AttemptId, CabinetId, OrderId, OrderUnitId, WorkerId},
    time::Timestamp,
    vend::{AttemptState, Outcome},
};

/// An attempt as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = attempt)]
pub struct AttemptRow {
    pub id: AttemptId,
    pub order_unit_id: OrderUnitId,
    pub order_id: OrderId,
    pub cabinet_id: CabinetId,
    pub epoch: i64,
    pub slot_no: i32,
    pub product_code: String,
    pub lot_no: String,
    pub state: AttemptState,
    /// The signed permission of the cabinet to vend.
    pub vend_authorization: String,
    /// Until then the cabinet may ask for START.
    pub expires_at: Timestamp,
    /// When START was committed.
    pub started_at: Option<Timestamp>,
    /// The boot of the cabinet to which it was granted.
    pub boot_id: Option<String>,
    /// When it became doubtful.
    pub doubted_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<Outcome>,
}

/// An attempt to be inserted; it begins in `issued`.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = attempt)]
pub struct NewAttempt {
    pub id: AttemptId,
    pub order_unit_id: OrderUnitId,
    pub order_id: OrderId,
    pub cabinet_id: CabinetId,
    pub epoch: i64,
    pub slot_no: i32,
    pub product_code: String,
    pub lot_no: String,
    /// `issued`.
    pub state: AttemptState,
    /// The signed permission of the cabinet to vend.
    pub vend_authorization: String,
    pub issued_at: At,
    /// Until then the cabinet may ask for START.
    pub expires_at: At,
}

pub fn attempts_add(conn: &mut Conn, rows: &[NewAttempt]) -> QueryResult<()> {
    insert_few!(conn, attempt::table, rows).map(|_| ())
}

pub fn attempt_fetch(conn: &mut Conn, id: AttemptId) -> QueryResult<Option<AttemptRow>> {
    on_backend!(conn, c => attempt::table.find(id).select(AttemptRow::as_select()).first(c)).optional()
}

/// The worker of the order.
pub fn attempt_worker(conn: &mut Conn, id: AttemptId) -> QueryResult<Option<WorkerId>> {
    on_backend!(conn, c => attempt::table
        .inner_join(orders::table)
        .filter(attempt::id.eq(id))
        .select(orders::worker_id)
        .first(c))
    .optional()
}

/// The attempts of an order, oldest first.
pub fn attempts_of_order(conn: &mut Conn, order: OrderId) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::order_id.eq(order))
        .order(attempt::id)
        .select(AttemptRow::as_select())
        .load(c))
}

/// The attempts of several orders, oldest first.
pub fn attempts_of_orders(conn: &mut Conn, orders: &[OrderId]) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::order_id.eq_any(padded(orders)))
        .order(attempt::id)
        .select(AttemptRow::as_select())
        .prepared()
        .load(c))
}

/// The attempts of a cabinet that are in one of `states`.
pub fn attempts_of_cabinet(
    conn: &mut Conn,
    cabinet: CabinetId,
    states: &'static [AttemptState],
) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::cabinet_id.eq(cabinet))
        .filter(attempt::state.eq_any_code(AttemptState::LIVE))
        .filter(attempt::state.eq_any_code(states))
        .order(attempt::id)
        .select(AttemptRow::as_select())
        .load(c))
}

/// Attempts of a cabinet that were withdrawn since `since`, newest first.
pub fn attempts_voided_since(
    conn: &mut Conn,
    cabinet: CabinetId,
    since: Timestamp,
    limit: i64,
) -> QueryResult<Vec<AttemptId>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::cabinet_id.eq(cabinet))
        .filter(attempt::state.eq_code(AttemptState::Voided))
        .filter(attempt::ended_at.gt(Some(At(since))))
        .order(attempt::ended_at.desc())
        .limit(limit)
        .select(attempt::id)
        .load(c))
}

/// START: the one commit after which only evidence closes the attempt.
pub fn attempt_start(conn: &mut Conn, id: AttemptId, boot: &str, now: Timestamp) -> QueryResult<bool> {
    diesel::update(attempt::table.find(id))
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::expires_at.gt(At(now)))
        .set((
            attempt::state.eq(AttemptState::Started),
            attempt::started_at.eq(Some(At(now))),
            attempt::boot_id.eq(Some(boot)),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Withdraws an attempt that has not started.
pub fn attempt_void(conn: &mut Conn, id: AttemptId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(attempt::table.find(id))
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .set((attempt::state.eq(AttemptState::Voided), attempt::ended_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Puts a started attempt in doubt.
pub fn attempt_doubt(conn: &mut Conn, id: AttemptId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(attempt::table.find(id))
        .filter(attempt::state.eq_code(AttemptState::Started))
        .set((attempt::state.eq(AttemptState::InDoubt), attempt::doubted_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// As [`attempt_doubt`], also for an attempt in doubt already, and no boot has its GRANT any more.
pub fn attempt_doubt_and_clear_boot(conn: &mut Conn, id: AttemptId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(attempt::table.find(id))
        .filter(attempt::state.eq_any_code(&[AttemptState::Started, AttemptState::InDoubt]))
        .set((
            attempt::state.eq(AttemptState::InDoubt),
            attempt::doubted_at.eq(Some(At(now))),
            attempt::boot_id.eq(None::<String>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records the lot that was dispensed, where it was not the one that was authorised.
pub fn attempt_other_lot(conn: &mut Conn, id: AttemptId, lot_no: &str) -> QueryResult<()> {
    diesel::update(attempt::table.find(id))
        .set(attempt::other_lot_no.eq(Some(lot_no)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Workers who were given a pack of this lot although another was authorised.
pub fn workers_with_other_lot(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => attempt::table
        .inner_join(orders::table)
        .filter(attempt::product_code.eq(product_code))
        .filter(attempt::other_lot_no.eq(Some(lot_no)))
        .select(orders::worker_id)
        .load(c))
}

/// Closes an attempt that was started or is in doubt, on evidence.
pub fn attempt_close(
    conn: &mut Conn,
    id: AttemptId,
    to: AttemptState,
    outcome: Outcome,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(attempt::table.find(id))
        .filter(attempt::state.eq_any_code(&[AttemptState::Started, AttemptState::InDoubt]))
        .set((attempt::state.eq(to), attempt::outcome.eq(Some(outcome)), attempt::ended_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Orders with an authorization that expired unused, cabinet by cabinet.
pub fn attempts_overdue(
    conn: &mut Conn,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    let mut due = on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::expires_at.le(At(now)))
        .order(attempt::expires_at)
        .limit(limit)
        .select((attempt::cabinet_id, attempt::order_id))
        .load::<(CabinetId, OrderId)>(c))?;
    due.sort_unstable();
    due.dedup();
    Ok(due)
}

/// Attempts that were started before `before` and have no outcome.
pub fn attempts_silent(
    conn: &mut Conn,
    before: Timestamp,
    limit: i64,
) -> QueryResult<Vec<(CabinetId, AttemptId)>> {
    let mut silent = on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Started))
        .filter(attempt::started_at.le(Some(At(before))))
        .order(attempt::started_at)
        .limit(limit)
        .select((attempt::cabinet_id, attempt::id))
        .load::<(CabinetId, AttemptId)>(c))?;
    silent.sort_unstable();
    Ok(silent)
}

/// Attempts of a lot that have not started, cabinet by cabinet.
pub fn attempts_issued_of_lot(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
) -> QueryResult<Vec<(CabinetId, AttemptId)>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::product_code.eq(product_code))
        .filter(attempt::lot_no.eq(lot_no))
        .order((attempt::cabinet_id, attempt::id))
        .select((attempt::cabinet_id, attempt::id))
        .load(c))
}

/// Attempts of a slot that have not started.
pub fn attempts_issued_of_slot(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::cabinet_id.eq(cabinet))
        .filter(attempt::slot_no.eq(slot_no))
        .order(attempt::id)
        .select(AttemptRow::as_select())
        .load(c))
}

/// All attempts, for the audit.
pub fn attempts_all(conn: &mut Conn) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table.order(attempt::id).select(AttemptRow::as_select()).load(c))
}
