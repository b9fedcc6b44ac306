//! What orders have taken from a prescription, read by those who take, withdraw or end it.

use diesel::prelude::*;

use super::{LineRow, PrescriptionRow};
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    schema::{order_unit, orders, prescription, prescription_line},
};
use domain::{
    ids::{OrderId, PrescriptionId},
    order::{OrderState, UnitState},
};

/// Packs in these states are taken from a prescription.
const TAKEN: &[UnitState] =
    &[UnitState::Reserved, UnitState::Authorised, UnitState::InDoubt, UnitState::Dispensed];

/// A prescription, and its lines with the packs that are taken of each.
pub type WithTaken = (PrescriptionRow, Vec<(LineRow, i64)>);

/// A prescription with its row locked for update, and its lines in their order, each with its packs
/// that are dispensed, in doubt or reserved.
///
/// Where the statement waits for the lock, it counts the packs of the moment before. Who takes more
/// packs has locked the worker's row first, as the caller has; what others do meanwhile only frees
/// packs.
pub fn prescription_lock_with_taken(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<WithTaken>> {
    let taken = order_unit::table
        .filter(order_unit::prescription_id.eq(prescription_line::prescription_id.nullable()))
        .filter(order_unit::line_no.eq(prescription_line::line_no.nullable()))
        .filter(order_unit::state.eq_any_code(TAKEN));
    let rows: Vec<(PrescriptionRow, LineRow, Option<i64>)> = on_backend!(conn, c => prescription::table
        .inner_join(prescription_line::table)
        .filter(prescription::id.eq(id))
        .order(prescription_line::line_no)
        .select((PrescriptionRow::as_select(), LineRow::as_select(), taken.count().single_value()))
        .lock_prescription()
        .load(c))?;
    let (mut whole, mut lines) = (None, Vec::with_capacity(rows.len()));
    for (row, line, taken) in rows {
        whole = Some(row);
        lines.push((line, taken.unwrap_or(0)));
    }
    Ok(whole.map(|row| (row, lines)))
}

/// A prescription with its row locked for update, and the packs dispensed on it. Only
/// one order of it is live, and the caller has locked that one's cabinet: nothing else is vended on
/// it meanwhile.
pub fn prescription_lock_with_fulfilment(
    conn: &mut Conn,
    id: PrescriptionId,
) -> QueryResult<Option<(PrescriptionRow, i64)>> {
    let dispensed = order_unit::table
        .filter(order_unit::prescription_id.eq(prescription::id.nullable()))
        .filter(order_unit::state.eq_code(UnitState::Dispensed));
    let found: Option<(PrescriptionRow, Option<i64>)> = on_backend!(conn, c => prescription::table
        .find(id)
        .select((
            PrescriptionRow::as_select(),
            dispensed.count().single_value(),
        ))
        .lock_for_no_key_update()
        .get_result(c))
    .optional()?;
    Ok(found.map(|(row, dispensed)| (row, dispensed.unwrap_or(0))))
}

/// The live order of a prescription.
pub fn order_live_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<(OrderId, OrderState)>> {
    on_backend!(conn, c => orders::table
        .filter(orders::prescription_id.eq(Some(id)))
        .filter(orders::state.of_code(OrderState::is_live))
        .select((orders::id, orders::state))
        .first(c))
    .optional()
}

/// The states of all packs that were ever reserved for a prescription.
pub fn units_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Vec<UnitState>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::prescription_id.eq(Some(id)))
        .select(order_unit::state)
        .load(c))
}
