//! Orders and their packs. A state changes only from the state that was read.

pub mod station_sales;

use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{order_unit, orders},
    sql_types::At,
};
use domain::{
    ids::{CabinetId, CheckInId, OrderId, OrderUnitId, PrescriptionId, StationId, WorkerId},
    money::Fen,
    order::{OrderState, UnitState},
    time::Timestamp,
};

/// An order as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub struct OrderRow {
    pub id: OrderId,
    pub worker_id: WorkerId,
    pub check_in_id: CheckInId,
    pub station_id: StationId,
    pub cabinet_id: CabinetId,
    /// `None` for a sale over the counter.
    pub prescription_id: Option<PrescriptionId>,
    pub state: OrderState,
    pub total_fen: Fen,
    /// The sealed pickup code, once paid.
    pub pickup_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// Stock is reserved until then; afterwards the order may be expired.
    pub expires_at: Timestamp,
    pub paid_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// What the safety check found over the counter, sealed.
    pub safety_sealed: Option<Vec<u8>>,
}

/// An order to be inserted; it begins in `reserved`.
#[derive(Debug, Clone)]
pub struct NewOrder {
    pub id: OrderId,
    pub worker_id: WorkerId,
    pub check_in_id: CheckInId,
    pub station_id: StationId,
    pub cabinet_id: CabinetId,
    pub prescription_id: Option<PrescriptionId>,
    pub total_fen: Fen,
    pub created_at: Timestamp,
    /// Stock is reserved until then.
    pub expires_at: Timestamp,
    /// What the safety check found over the counter, sealed.
    pub safety_sealed: Option<Vec<u8>>,
}

/// One pack of an order.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = order_unit, treat_none_as_default_value = false)]
pub struct UnitRow {
    pub id: OrderUnitId,
    pub order_id: OrderId,
    pub worker_id: WorkerId,
    pub prescription_id: Option<PrescriptionId>,
    pub line_no: Option<i32>,
    pub product_code: String,
    pub cabinet_id: CabinetId,
    pub slot_no: i32,
    pub lot_no: String,
    pub price_fen: Fen,
    /// Thousandths of a unit taken in a day.
    pub daily_units_thousandths: i64,
    pub days: i32,
    pub state: UnitState,
}

/// Adds an order; `false` when its prescription has a live one already.
pub fn order_add(conn: &mut Conn, new: &NewOrder) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(orders::table)
        .values((
            orders::id.eq(new.id),
            orders::worker_id.eq(new.worker_id),
            orders::check_in_id.eq(new.check_in_id),
            orders::station_id.eq(new.station_id),
            orders::cabinet_id.eq(new.cabinet_id),
            orders::prescription_id.eq(new.prescription_id),
            orders::state.eq(OrderState::Reserved),
            orders::total_fen.eq(new.total_fen),
            orders::pickup_failures.eq(0),
            orders::created_at.eq(At(new.created_at)),
            orders::expires_at.eq(At(new.expires_at)),
            orders::safety_sealed.eq(&new.safety_sealed),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Adds the packs of an order.
pub fn units_add(conn: &mut Conn, rows: &[UnitRow]) -> QueryResult<()> {
    insert_few!(conn, order_unit::table, rows).map(|_| ())
}

pub fn order_fetch(conn: &mut Conn, id: OrderId) -> QueryResult<Option<OrderRow>> {
    on_backend!(conn, c => orders::table.find(id).select(OrderRow::as_select()).first(c)).optional()
}

/// An order, with its row locked for update.
pub fn order_lock(conn: &mut Conn, id: OrderId) -> QueryResult<Option<OrderRow>> {
    on_backend!(conn, c => orders::table.find(id).select(OrderRow::as_select()).lock_for_no_key_update().get_result(c)).optional()
}

/// A worker's orders, oldest first.
pub fn orders_of_worker(
    conn: &mut Conn,
    worker: WorkerId,
    after: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<OrderRow>> {
    on_backend!(conn, c => {
        let base = orders::table
            .filter(orders::worker_id.eq(worker))
            .order(orders::id)
            .limit(limit)
            .select(OrderRow::as_select());
        match after {
            Some(after) => base.filter(orders::id.gt(after)).load(c),
            None => base.load(c),
        }
    })
}

/// The packs of an order.
pub fn units_of_order(conn: &mut Conn, order: OrderId) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::order_id.eq(order))
        .order(order_unit::id)
        .select(UnitRow::as_select())
        .load(c))
}

/// The packs of several orders, each order's oldest first.
pub fn units_of_orders(conn: &mut Conn, orders: &[OrderId]) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::order_id.eq_any(padded(orders)))
        .order(order_unit::id)
        .select(UnitRow::as_select())
        .prepared()
        .load(c))
}

/// The packs reserved in one slot.
pub fn units_reserved_in_slot(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table
        .inner_join(orders::table)
        .filter(orders::state.eq_any_code(OrderState::LIVE))
        .filter(order_unit::cabinet_id.eq(cabinet))
        .filter(order_unit::slot_no.eq(slot_no))
        .filter(order_unit::state.eq_any_code(&[UnitState::Reserved, UnitState::Authorised]))
        .order(order_unit::id.desc())
        .select(UnitRow::as_select())
        .load(c))
}

/// Workers who were ever given a pack of a lot, and those whose pack of it is authorised or in
/// doubt.
pub fn workers_served_with(conn: &mut Conn, product_code: &str, lot_no: &str) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::product_code.eq(product_code))
        .filter(order_unit::lot_no.eq(lot_no))
        .filter(order_unit::state.eq_any_code(&[
            UnitState::Authorised,
            UnitState::InDoubt,
            UnitState::Dispensed,
        ]))
        .order(order_unit::worker_id)
        .select(order_unit::worker_id)
        .distinct()
        .load(c))
}

/// Unpaid orders that reserve packs of a lot.
pub fn orders_reserving_lot(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    on_backend!(conn, c => order_unit::table
        .inner_join(orders::table)
        .filter(order_unit::product_code.eq(product_code))
        .filter(order_unit::lot_no.eq(lot_no))
        .filter(orders::state.eq_code(OrderState::Reserved))
        .order((orders::cabinet_id, orders::id))
        .select((orders::cabinet_id, orders::id))
        .distinct()
        .load(c))
}

/// Marks an order as paid, if it is still reserved and has not expired.
pub fn order_pay(
    conn: &mut Conn,
    id: OrderId,
    pickup_sealed: &[u8],
    expires_at: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_code(OrderState::Reserved))
        .filter(orders::expires_at.gt(At(now)))
        .set((
            orders::state.eq(OrderState::Paid),
            orders::paid_at.eq(Some(At(now))),
            orders::pickup_sealed.eq(Some(pickup_sealed)),
            orders::expires_at.eq(At(expires_at)),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Ends a live order. Deletes its pickup code, which is void now.
pub fn order_end(conn: &mut Conn, id: OrderId, to: OrderState, now: Timestamp) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_any_code(OrderState::LIVE))
        .set((
            orders::state.eq(to),
            orders::ended_at.eq(Some(At(now))),
            orders::pickup_sealed.eq(None::<Vec<u8>>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Extends a paid order for a later authorization.
pub fn order_extend(conn: &mut Conn, id: OrderId, expires_at: Timestamp) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_code(OrderState::Paid))
        .set(orders::expires_at.eq(At(expires_at)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Changes the state of a pack, if it is still `from`.
pub fn unit_move(
    conn: &mut Conn,
    id: OrderUnitId,
    from: UnitState,
    to: UnitState,
    now: Timestamp,
) -> QueryResult<bool> {
    let ended_at = UnitState::ENDED.contains(&to).then_some(At(now));
    diesel::update(order_unit::table.find(id))
        .filter(order_unit::state.eq_code(from))
        .set((order_unit::state.eq(to), order_unit::ended_at.eq(ended_at)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Moves a reserved pack to another slot.
pub fn unit_relocate(conn: &mut Conn, id: OrderUnitId, slot_no: i32, lot_no: &str) -> QueryResult<bool> {
    diesel::update(order_unit::table.find(id))
        .filter(order_unit::state.eq_code(UnitState::Reserved))
        .set((order_unit::slot_no.eq(slot_no), order_unit::lot_no.eq(lot_no)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Unpaid orders that have expired, sorted by cabinet.
pub fn orders_overdue(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    let mut due = on_backend!(conn, c => orders::table
        // The partial index covers live orders only.
        .filter(orders::state.eq_any_code(OrderState::LIVE))
        .filter(orders::state.eq_code(OrderState::Reserved))
        .filter(orders::expires_at.le(At(now)))
        .order(orders::expires_at)
        .limit(limit)
        .select((orders::cabinet_id, orders::id))
        .load::<(CabinetId, OrderId)>(c))?;
    // Every periodic job locks rows in this order.
    due.sort_unstable();
    Ok(due)
}

/// All orders, for the audit.
pub fn orders_all(conn: &mut Conn) -> QueryResult<Vec<OrderRow>> {
    on_backend!(conn, c => orders::table.select(OrderRow::as_select()).load(c))
}

/// All packs, for the audit.
pub fn units_all(conn: &mut Conn) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table.select(UnitRow::as_select()).load(c))
}
