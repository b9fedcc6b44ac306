//! Orders and their packs. A state changes only from the state that was read.

pub mod prescribed;
pub mod station_sales;

use diesel::prelude::*;

use super::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{change_both, insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{attempt, order_unit, orders},
    sql_types::At,
    vend::attempt::AttemptRow,
};
use domain::{
    ids::{AttemptId, CabinetId, CheckInId, OrderId, OrderUnitId, PrescriptionId, StationId, WorkerId},
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
pub fn order_add(conn: &mut Conn, row: &OrderRow) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(orders::table)
        .values((
            orders::id.eq(row.id),
            orders::worker_id.eq(row.worker_id),
            orders::check_in_id.eq(row.check_in_id),
            orders::station_id.eq(row.station_id),
            orders::cabinet_id.eq(row.cabinet_id),
            orders::prescription_id.eq(row.prescription_id),
            orders::state.eq(row.state),
            orders::total_fen.eq(row.total_fen),
            orders::pickup_failures.eq(0),
            orders::created_at.eq(At(row.created_at)),
            orders::expires_at.eq(At(row.expires_at)),
            orders::safety_sealed.eq(&row.safety_sealed),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Adds the packs of an order.
pub fn units_add(conn: &mut Conn, rows: &[UnitRow]) -> QueryResult<()> {
    insert_few!(conn, order_unit::table, rows).map(|_| ())
}

/// An order with its packs and their attempts, each oldest first.
#[derive(Debug, Clone)]
pub struct WholeOrder {
    pub row: OrderRow,
    pub units: Vec<UnitRow>,
    pub attempts: Vec<AttemptRow>,
}

/// Reads whole orders in one statement, oldest first.
macro_rules! whole_orders {
    ($conn:expr, $which:expr) => {{
        let of_unit =
            attempt::order_id.eq(order_unit::order_id).and(attempt::order_unit_id.eq(order_unit::id));
        let rows: Vec<(OrderRow, UnitRow, Option<AttemptRow>)> = on_backend!($conn, c => orders::table
            .inner_join(order_unit::table)
            .left_join(attempt::table.on(of_unit))
            .filter($which)
            .order((orders::id, order_unit::id, attempt::id))
            .select((OrderRow::as_select(), UnitRow::as_select(), Option::<AttemptRow>::as_select()))
            .prepared()
            .load(c))?;
        Ok(grouped(rows))
    }};
}

fn grouped(rows: Vec<(OrderRow, UnitRow, Option<AttemptRow>)>) -> Vec<WholeOrder> {
    let mut all: Vec<WholeOrder> = Vec::new();
    for (row, unit, attempt) in rows {
        if all.last().is_none_or(|last| last.row.id != row.id) {
            all.push(WholeOrder { row, units: Vec::new(), attempts: Vec::new() });
        }
        let Some(order) = all.last_mut() else { continue };
        if order.units.last().is_none_or(|last| last.id != unit.id) {
            order.units.push(unit);
        }
        order.attempts.extend(attempt);
    }
    for order in &mut all {
        order.attempts.sort_by_key(|attempt| attempt.id);
        order.attempts.dedup_by_key(|attempt| attempt.id);
    }
    all
}

/// An order.
pub fn order_whole(conn: &mut Conn, id: OrderId) -> QueryResult<Option<WholeOrder>> {
    let found: QueryResult<Vec<WholeOrder>> = whole_orders!(conn, orders::id.eq(id));
    Ok(found?.pop())
}

/// As [`order_whole`], an order of this worker; none once an authority has ended.
pub fn order_of_worker(
    conn: &mut Conn,
    live: Live,
    worker: WorkerId,
    id: OrderId,
) -> QueryResult<Option<WholeOrder>> {
    let own = orders::id.eq(id).and(orders::worker_id.eq(worker)).and(live);
    let found: QueryResult<Vec<WholeOrder>> = whole_orders!(conn, own);
    Ok(found?.pop())
}

/// The orders of these attempts.
pub fn orders_of_attempts(conn: &mut Conn, attempts: &[AttemptId]) -> QueryResult<Vec<WholeOrder>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let tried = diesel::alias!(attempt as tried);
    let ids = tried
        .filter(tried.field(attempt::id).eq_any(padded(attempts)))
        .select(tried.field(attempt::order_id));
    whole_orders!(conn, orders::id.eq_any(ids))
}

/// A worker's orders, oldest first.
pub fn orders_of_worker(
    conn: &mut Conn,
    worker: WorkerId,
    after: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<WholeOrder>> {
    let page = diesel::alias!(orders as page);
    let after = after.unwrap_or(OrderId::from_uuid(uuid::Uuid::nil()));
    let ids = page
        .filter(page.field(orders::worker_id).eq(worker))
        .filter(page.field(orders::id).gt(after))
        .order(page.field(orders::id))
        .limit(limit)
        .select(page.field(orders::id));
    whole_orders!(conn, orders::id.eq_any(ids))
}

/// The packs reserved in one slot.
pub fn units_reserved_in_slot(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
) -> QueryResult<Vec<UnitRow>> {
    on_backend!(conn, c => order_unit::table
        .inner_join(orders::table)
        .filter(orders::state.of_code(OrderState::is_live))
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
        .filter(order_unit::state.of_code(UnitState::may_be_out))
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

/// Writes what may change of an order, if its state is `$from`.
macro_rules! replaced_order {
    ($from:expr, $row:expr) => {
        diesel::update(orders::table.find($row.id)).filter(orders::state.eq_code($from)).set((
            orders::state.eq($row.state),
            orders::expires_at.eq(At($row.expires_at)),
            orders::paid_at.eq($row.paid_at.map(At)),
            orders::ended_at.eq($row.ended_at.map(At)),
            orders::pickup_sealed.eq(&$row.pickup_sealed),
        ))
    };
}

/// Changes the state of packs, of those that are `$from`.
macro_rules! moved_units {
    ($moved:expr, $now:expr) => {{
        let ended_at = (!$moved.to.is_open()).then_some(At($now));
        diesel::update(order_unit::table.filter(order_unit::id.eq_any(padded($moved.ids))))
            .filter(order_unit::state.eq_code($moved.from))
            .set((order_unit::state.eq($moved.to), order_unit::ended_at.eq(ended_at)))
    }};
}

/// Packs that change their state alike.
#[derive(Debug, Clone, Copy)]
pub struct MovedUnits<'a> {
    pub ids: &'a [OrderUnitId],
    pub from: UnitState,
    pub to: UnitState,
}

/// Writes what may change of an order, if its state is still `from`.
pub fn order_replace(conn: &mut Conn, from: OrderState, row: &OrderRow) -> QueryResult<bool> {
    replaced_order!(from, row).prepared().execute(conn).map(|rows| rows == 1)
}

/// Changes the state of packs; `false` unless all of them are still what they were.
pub fn units_move(conn: &mut Conn, moved: MovedUnits<'_>, now: Timestamp) -> QueryResult<bool> {
    moved_units!(moved, now).prepared().execute(conn).map(|rows| rows == moved.ids.len())
}

/// [`order_replace`] and [`units_move`] at once. The caller has locked the order's cabinet.
pub fn order_replace_with_units(
    conn: &mut Conn,
    (from, row): (OrderState, &OrderRow),
    moved: MovedUnits<'_>,
    now: Timestamp,
) -> QueryResult<bool> {
    change_both(conn, replaced_order!(from, row), moved_units!(moved, now))
        .map(|rows| rows == (1, moved.ids.len()))
}

/// Moves a pack to another slot, if its state is still `from`.
pub fn unit_relocate(
    conn: &mut Conn,
    id: OrderUnitId,
    from: UnitState,
    slot_no: i32,
    lot_no: &str,
) -> QueryResult<bool> {
    diesel::update(order_unit::table.find(id))
        .filter(order_unit::state.eq_code(from))
        .set((order_unit::slot_no.eq(slot_no), order_unit::lot_no.eq(lot_no)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Unpaid orders behind `after` that have expired, sorted by cabinet.
pub fn orders_overdue(
    conn: &mut Conn,
    now: Timestamp,
    after: OrderId,
    limit: i64,
) -> QueryResult<Vec<(CabinetId, OrderId)>> {
    let mut due = on_backend!(conn, c => orders::table
        // The partial index covers live orders only.
        .filter(orders::state.of_code(OrderState::is_live))
        .filter(orders::state.eq_code(OrderState::Reserved))
        .filter(orders::expires_at.le(At(now)))
        .filter(orders::id.gt(after))
        .order(orders::id)
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
