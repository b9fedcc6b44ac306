//! Attempts: this is where vending is exactly-once. Each change repeats the state that it moves
//! from; the partial unique index is the last safeguard.

use std::collections::BTreeSet;

use diesel::{dsl::exists, prelude::*};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{insert_few, on_backend},
    prepared::PreparedDsl,
    schema::{attempt, cabinet, cabinet_discrepancy, device, lot, orders, slot},
    sql_types::At,
    vend::reconcile::DiscrepancyRow,
};
use domain::{
    ids::{AttemptId, CabinetId, DeviceId, OrderId, OrderUnitId, WorkerId},
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

pub fn attempts_add(conn: &mut Conn, rows: &[&AttemptRow], issued_at: Timestamp) -> QueryResult<()> {
    let new = |row: &&AttemptRow| {
        (
            attempt::id.eq(row.id),
            attempt::order_unit_id.eq(row.order_unit_id),
            attempt::order_id.eq(row.order_id),
            attempt::cabinet_id.eq(row.cabinet_id),
            attempt::epoch.eq(row.epoch),
            attempt::slot_no.eq(row.slot_no),
            attempt::product_code.eq(row.product_code.clone()),
            attempt::lot_no.eq(row.lot_no.clone()),
            attempt::state.eq(row.state),
            attempt::vend_authorization.eq(row.vend_authorization.clone()),
            attempt::issued_at.eq(At(issued_at)),
            attempt::expires_at.eq(At(row.expires_at)),
        )
    };
    let new: Vec<_> = rows.iter().map(new).collect();
    insert_few!(conn, attempt::table, &new).map(drop)
}

pub fn attempt_fetch(conn: &mut Conn, id: AttemptId) -> QueryResult<Option<AttemptRow>> {
    on_backend!(conn, c => attempt::table.find(id).select(AttemptRow::as_select()).first(c)).optional()
}

/// An attempt and its state.
pub type AttemptNow = (AttemptId, AttemptState);

/// The attempts of a cabinet that are in one of `states`, all of them live, and their states.
pub fn attempts_of_cabinet(
    conn: &mut Conn,
    cabinet: CabinetId,
    states: &[AttemptState],
) -> QueryResult<Vec<AttemptNow>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::cabinet_id.eq(cabinet))
        // The partial index covers live attempts only.
        .filter(attempt::state.of_code(AttemptState::is_live))
        .filter(attempt::state.eq_any_code(states))
        .order(attempt::id)
        .select((attempt::id, attempt::state))
        .load(c))
}

/// As [`attempts_of_cabinet`], and the open discrepancies of the cabinet.
pub fn attempts_and_discrepancies(
    conn: &mut Conn,
    cabinet: CabinetId,
    states: &[AttemptState],
) -> QueryResult<(Vec<AttemptNow>, Vec<DiscrepancyRow>)> {
    let in_states = attempt::cabinet_id
        .eq(cabinet::id)
        // The partial index covers live attempts only.
        .and(attempt::state.of_code(AttemptState::is_live))
        .and(attempt::state.eq_any_code(states));
    let differing = cabinet_discrepancy::cabinet_id.eq(cabinet::id);
    let rows: Vec<(Option<AttemptNow>, Option<DiscrepancyRow>)> = on_backend!(conn, c => cabinet::table
            .left_join(attempt::table.on(in_states))
            .left_join(cabinet_discrepancy::table.on(differing))
            .filter(cabinet::id.eq(cabinet))
            .order((attempt::id, cabinet_discrepancy::slot_no, cabinet_discrepancy::kind))
            .select(((attempt::id, attempt::state).nullable(), Option::<DiscrepancyRow>::as_select()))
            .load(c))?;
    let (mut attempts, mut discrepancies): (Vec<_>, Vec<DiscrepancyRow>) = (Vec::new(), Vec::new());
    for (attempt, discrepancy) in rows {
        attempts.extend(attempt);
        // Each comes with each attempt.
        discrepancies.extend(discrepancy.filter(|one| !discrepancies.contains(one)));
    }
    attempts.dedup();
    Ok((attempts, discrepancies))
}

/// An attempt on the work list of its cabinet.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = attempt)]
pub struct WorkRow {
    pub id: AttemptId,
    pub state: AttemptState,
    pub epoch: i64,
    pub vend_authorization: String,
    pub expires_at: Timestamp,
}

/// What a cabinet has to be told.
#[derive(Debug, Default)]
pub struct Work {
    /// The recalled lots in it: product and lot.
    pub recalled: BTreeSet<(String, String)>,
    /// The attempts that wait for START, and those that were withdrawn lately, of these the newest
    /// first.
    pub attempts: Vec<WorkRow>,
}

/// What a cabinet has to be told, with the attempts that were withdrawn since `since`; `None` when
/// `device` may not act with this epoch now. One statement, because cabinets poll.
pub fn work_of(
    conn: &mut Conn,
    (device, epoch): (DeviceId, i64),
    cabinet: CabinetId,
    since: Timestamp,
) -> QueryResult<Option<Work>> {
    let of_cabinet = || attempt::cabinet_id.eq(cabinet);
    let issued = of_cabinet()
        // The partial index covers live attempts only.
        .and(attempt::state.of_code(AttemptState::is_live))
        .and(attempt::state.eq_code(AttemptState::Issued));
    let voided = of_cabinet()
        .and(attempt::state.eq_code(AttemptState::Voided))
        .and(attempt::ended_at.gt(Some(At(since))).assume_not_null());
    let recalled = lot::table
        .filter(lot::product_code.nullable().eq(slot::product_code))
        .filter(lot::lot_no.nullable().eq(slot::lot_no))
        .filter(lot::recalled_at.is_not_null());
    type Row = (Option<String>, Option<String>, Option<WorkRow>);
    // There is hardly ever more than one recalled lot, so the rows are hardly ever repeated.
    let rows: Vec<Row> = on_backend!(conn, c => device::table
        .left_join(slot::table.on(slot::cabinet_id.eq(cabinet).and(exists(recalled))))
        .left_join(attempt::table.on(issued.or(voided)))
        .filter(device::id.eq(device))
        .filter(device::revoked_at.is_null())
        .filter(device::epoch.eq(epoch))
        .order((attempt::ended_at.desc(), attempt::id))
        .select((
            slot::product_code.nullable(),
            slot::lot_no.nullable(),
            Option::<WorkRow>::as_select(),
        ))
        .load(c))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut work = Work::default();
    for (product_code, lot_no, row) in rows {
        work.recalled.extend(product_code.zip(lot_no));
        work.attempts.extend(row);
    }
    work.attempts.dedup_by_key(|row| row.id);
    Ok(Some(work))
}

/// Writes what may change of an attempt, if its state is still `from`.
pub fn attempt_replace(conn: &mut Conn, from: AttemptState, row: &AttemptRow) -> QueryResult<bool> {
    diesel::update(attempt::table.find(row.id))
        .filter(attempt::state.eq_code(from))
        .set((
            attempt::state.eq(row.state),
            attempt::started_at.eq(row.started_at.map(At)),
            attempt::boot_id.eq(&row.boot_id),
            attempt::doubted_at.eq(row.doubted_at.map(At)),
            attempt::ended_at.eq(row.ended_at.map(At)),
            attempt::outcome.eq(row.outcome),
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

/// Orders behind `after` with an authorization that expired unused, cabinet by cabinet.
pub fn attempts_overdue(
    conn: &mut Conn,
    now: Timestamp,
    after: OrderId,
    limit: i64,
) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    let mut due = on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::expires_at.le(At(now)))
        .filter(attempt::order_id.gt(after))
        .order(attempt::order_id)
        .limit(limit)
        .select((attempt::cabinet_id, attempt::order_id))
        .distinct()
        .load::<(CabinetId, OrderId)>(c))?;
    due.sort_unstable();
    Ok(due)
}

/// Attempts behind `after` that were started before `before` and have no outcome.
pub fn attempts_silent(
    conn: &mut Conn,
    before: Timestamp,
    after: AttemptId,
    limit: i64,
) -> QueryResult<Vec<(CabinetId, AttemptId)>> {
    let mut silent = on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Started))
        .filter(attempt::started_at.le(Some(At(before))))
        .filter(attempt::id.gt(after))
        .order(attempt::id)
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
) -> QueryResult<Vec<AttemptId>> {
    on_backend!(conn, c => attempt::table
        .filter(attempt::state.eq_code(AttemptState::Issued))
        .filter(attempt::cabinet_id.eq(cabinet))
        .filter(attempt::slot_no.eq(slot_no))
        .order(attempt::id)
        .select(attempt::id)
        .load(c))
}

/// All attempts, for the audit.
pub fn attempts_all(conn: &mut Conn) -> QueryResult<Vec<AttemptRow>> {
    on_backend!(conn, c => attempt::table.order(attempt::id).select(AttemptRow::as_select()).load(c))
}
