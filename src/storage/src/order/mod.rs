//! Orders and their packs. A state moves only from the state it was read in.

pub mod station_sales;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{PortableDsl, insert_few, on_backend},
    prepared::PreparedDsl,
    schema::{order_unit, orders},
    sql_types::At,
    words::WordDsl,
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
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub worker_id: WorkerId,
    /// In which check-in it was ordered.
    pub check_in_id: CheckInId,
    /// At which station.
    pub station_id: StationId,
    /// At which cabinet.
    pub cabinet_id: CabinetId,
    /// Against which prescription; none over the counter.
    pub prescription_id: Option<PrescriptionId>,
    /// Where it stands.
    pub state: OrderState,
    /// What it costs.
    pub total_fen: Fen,
    /// The sealed pickup code, once paid.
    pub pickup_sealed: Option<Vec<u8>>,
    /// Since when.
    pub created_at: Timestamp,
    /// From here on it may be expired.
    pub expires_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the safety check found over the counter, sealed.
    pub safety_sealed: Option<Vec<u8>>,
}

/// An order on its way in; it begins in `reserved`.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Which order.
    pub id: OrderId,
    /// Whose.
    pub worker_id: WorkerId,
    /// In which check-in.
    pub check_in_id: CheckInId,
    /// Where.
    pub station_id: StationId,
    /// At which cabinet.
    pub cabinet_id: CabinetId,
    /// Against which prescription.
    pub prescription_id: Option<PrescriptionId>,
    /// What it costs.
    pub total_fen: Fen,
    /// When.
    pub created_at: Timestamp,
    /// For how long its stock is kept.
    pub expires_at: Timestamp,
    /// What the safety check found over the counter, sealed.
    pub safety_sealed: Option<Vec<u8>>,
}

/// One pack of an order.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = order_unit, treat_none_as_default_value = false)]
pub struct UnitRow {
    /// Which pack.
    pub id: OrderUnitId,
    /// Of which order.
    pub order_id: OrderId,
    /// Whose.
    pub worker_id: WorkerId,
    /// Against which prescription.
    pub prescription_id: Option<PrescriptionId>,
    /// Against which of its lines.
    pub line_no: Option<i32>,
    /// What.
    pub product_code: String,
    /// From which cabinet.
    pub cabinet_id: CabinetId,
    /// From which slot.
    pub slot_no: i32,
    /// Of which lot.
    pub lot_no: String,
    /// What it costs.
    pub price_fen: Fen,
    /// Thousandths of a unit taken in a day.
    pub daily_units_thousandths: i64,
    /// For how many days.
    pub days: i32,
    /// Where it stands.
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

/// An order by id.
pub fn order_fetch(conn: &mut Conn, id: OrderId) -> QueryResult<Option<OrderRow>> {
    on_backend!(conn, c => orders::table.find(id).select(OrderRow::as_select()).first(c)).optional()
}

/// Takes an order's row for this transaction: whoever else decides about it
/// waits until this one has ended.
pub fn order_lock(conn: &mut Conn, id: OrderId) -> QueryResult<Option<OrderRow>> {
    on_backend!(conn, c => orders::table.find(id).select(OrderRow::as_select()).lock_for_update().get_result(c)).optional()
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

/// How far the packs of a prescription are: line and state of each.
pub fn units_of_prescription(
    conn: &mut Conn,
    prescription: PrescriptionId,
) -> QueryResult<Vec<(Option<i32>, UnitState)>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::prescription_id.eq(Some(prescription)))
        .select((order_unit::line_no, order_unit::state))
        .load(c))
}

/// The packs that lie set aside in one slot.
pub fn units_reserved_in_slot(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table
        .inner_join(orders::table)
        .filter(orders::state.eq_any_word(OrderState::LIVE))
        .filter(order_unit::cabinet_id.eq(cabinet))
        .filter(order_unit::slot_no.eq(slot_no))
        .filter(order_unit::state.eq_any_word(&[UnitState::Reserved, UnitState::Authorised]))
        .order(order_unit::id.desc())
        .select(UnitRow::as_select())
        .load(c))
}

/// Workers who were ever given a pack of a lot, and those whose pack of it is on
/// its way or in doubt.
pub fn workers_served_with(conn: &mut Conn, product_code: &str, lot_no: &str) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::product_code.eq(product_code))
        .filter(order_unit::lot_no.eq(lot_no))
        .filter(order_unit::state.eq_any_word(&[
            UnitState::Authorised,
            UnitState::InDoubt,
            UnitState::Dispensed,
        ]))
        .order(order_unit::worker_id)
        .select(order_unit::worker_id)
        .distinct()
        .load(c))
}

/// Unpaid orders whose packs of a lot are set aside.
pub fn orders_reserving_lot(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    on_backend!(conn, c => order_unit::table
        .inner_join(orders::table)
        .filter(order_unit::product_code.eq(product_code))
        .filter(order_unit::lot_no.eq(lot_no))
        .filter(orders::state.eq_word(OrderState::Reserved))
        .order((orders::cabinet_id, orders::id))
        .select((orders::cabinet_id, orders::id))
        .distinct()
        .load(c))
}

/// Marks an order as paid, if it is still reserved and not past its time.
pub fn order_pay(
    conn: &mut Conn,
    id: OrderId,
    pickup_sealed: &[u8],
    expires_at: Timestamp,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_word(OrderState::Reserved))
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

/// Ends a live order. Its pickup code is forgotten: it opens nothing any more.
pub fn order_end(conn: &mut Conn, id: OrderId, to: OrderState, now: Timestamp) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_any_word(OrderState::LIVE))
        .set((
            orders::state.eq(to),
            orders::ended_at.eq(Some(At(now))),
            orders::pickup_sealed.eq(None::<Vec<u8>>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Lets a paid order wait for a later authorization.
pub fn order_extend(conn: &mut Conn, id: OrderId, expires_at: Timestamp) -> QueryResult<bool> {
    diesel::update(orders::table.find(id))
        .filter(orders::state.eq_word(OrderState::Paid))
        .set(orders::expires_at.eq(At(expires_at)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Moves a pack on, if it is still in `from`.
pub fn unit_move(
    conn: &mut Conn,
    id: OrderUnitId,
    from: UnitState,
    to: UnitState,
    now: Timestamp,
) -> QueryResult<bool> {
    let ended_at = UnitState::ENDED.contains(&to).then_some(At(now));
    diesel::update(order_unit::table.find(id))
        .filter(order_unit::state.eq_word(from))
        .set((order_unit::state.eq(to), order_unit::ended_at.eq(ended_at)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Puts a waiting pack on another slot.
pub fn unit_relocate(conn: &mut Conn, id: OrderUnitId, slot_no: i32, lot_no: &str) -> QueryResult<bool> {
    diesel::update(order_unit::table.find(id))
        .filter(order_unit::state.eq_word(UnitState::Reserved))
        .set((order_unit::slot_no.eq(slot_no), order_unit::lot_no.eq(lot_no)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Unpaid orders whose time is up, cabinet by cabinet.
pub fn orders_overdue(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    let mut due = on_backend!(conn, c => orders::table
        // The index is of live orders.
        .filter(orders::state.eq_any_word(OrderState::LIVE))
        .filter(orders::state.eq_word(OrderState::Reserved))
        .filter(orders::expires_at.le(At(now)))
        .order(orders::expires_at)
        .limit(limit)
        .select((orders::cabinet_id, orders::id))
        .load::<(CabinetId, OrderId)>(c))?;
    // Rows are locked in this order, by every sweep.
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
