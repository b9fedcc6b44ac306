//! Slots, lots and stock. Every change of stock figures repeats the figures it was computed from,
//! so that no update is lost.

pub mod check;
pub mod near;
pub mod recall;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{lot, slot, slot_stock},
    sql_types::At,
};
use domain::{ids::CabinetId, stock::SlotClosedReason, time::Timestamp};

/// A place in a cabinet as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = slot)]
pub struct SlotRow {
    pub cabinet_id: CabinetId,
    /// Number in the cabinet, from 1.
    pub slot_no: i32,
    /// Packs that fit.
    pub capacity: i32,
    /// `None` when never filled.
    pub product_code: Option<String>,
    pub lot_no: Option<String>,
    pub closed_reason: Option<SlotClosedReason>,
    pub closed_at: Option<Timestamp>,
}

/// A manufacturer's batch as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = lot)]
pub struct LotRow {
    pub product_code: String,
    pub lot_no: String,
    /// Last day on which it may be used.
    pub expires_on: NaiveDate,
    pub recalled_at: Option<Timestamp>,
}

/// One lot in one slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StockKey {
    pub cabinet: CabinetId,
    pub slot_no: i32,
    pub product_code: String,
    pub lot_no: String,
}

/// The figures of one lot in one slot: received, on hand, reserved, in doubt,
/// dispensed, discarded.
pub type Figures = [i64; 6];

const FIGURES: (
    slot_stock::received,
    slot_stock::on_hand,
    slot_stock::reserved,
    slot_stock::in_doubt,
    slot_stock::dispensed,
    slot_stock::discarded,
) = (
    slot_stock::received,
    slot_stock::on_hand,
    slot_stock::reserved,
    slot_stock::in_doubt,
    slot_stock::dispensed,
    slot_stock::discarded,
);

/// A slot and the lot in it.
#[derive(Debug, Clone)]
pub struct FilledSlot {
    pub row: SlotRow,
    /// None for a slot that was never filled.
    pub lot: Option<LotRow>,
}

/// A slot, the lot in it, and the figures of that lot there.
#[derive(Debug, Clone)]
pub struct StockedSlot {
    pub row: SlotRow,
    pub lot: Option<LotRow>,
    /// All zero for a slot that was never filled.
    pub figures: Figures,
}

type FigureColumns = (i64, i64, i64, i64, i64, i64);

/// Reads slots with their lots and figures in one statement, cabinet by cabinet in the order of their
/// numbers.
macro_rules! stocked_slots {
    ($conn:expr, $which:expr) => {{
        let of_lot = lot::table.on(lot::product_code
            .nullable()
            .eq(slot::product_code)
            .and(lot::lot_no.nullable().eq(slot::lot_no)));
        let stock = slot_stock::table.on(slot_stock::cabinet_id
            .eq(slot::cabinet_id)
            .and(slot_stock::slot_no.eq(slot::slot_no))
            .and(slot_stock::product_code.nullable().eq(slot::product_code))
            .and(slot_stock::lot_no.nullable().eq(slot::lot_no)));
        let rows: Vec<(SlotRow, Option<LotRow>, Option<FigureColumns>)> = on_backend!($conn, c => slot::table
            .left_join(of_lot)
            .left_join(stock)
            .filter($which)
            .order((slot::cabinet_id, slot::slot_no))
            .select((SlotRow::as_select(), Option::<LotRow>::as_select(), FIGURES.nullable()))
            .prepared()
            .load(c))?;
        let stocked = |(row, lot, figures): (SlotRow, Option<LotRow>, Option<FigureColumns>)| StockedSlot {
            row,
            lot,
            figures: figures.map_or([0; 6], Figures::from),
        };
        Ok(rows.into_iter().map(stocked).collect())
    }};
}
use stocked_slots;

/// The slots of these cabinets.
pub fn slots_stocked(conn: &mut Conn, cabinets: &[CabinetId]) -> QueryResult<Vec<StockedSlot>> {
    match cabinets {
        // PostgreSQL plans for ten of a list, and then reads all lots.
        [one] => stocked_slots!(conn, slot::cabinet_id.eq(one)),
        all => stocked_slots!(conn, slot::cabinet_id.eq_any(padded(all))),
    }
}

/// The slots of a cabinet with these numbers.
pub fn slots_numbered(conn: &mut Conn, cabinet: CabinetId, numbers: &[i32]) -> QueryResult<Vec<StockedSlot>> {
    stocked_slots!(conn, slot::cabinet_id.eq(cabinet).and(slot::slot_no.eq_any(padded(numbers))))
}

/// The slots of a cabinet that hold one of these products.
pub fn slots_with_products(
    conn: &mut Conn,
    cabinet: CabinetId,
    products: &[&str],
) -> QueryResult<Vec<StockedSlot>> {
    let holds = slot::product_code.eq_any(padded(products)).assume_not_null();
    stocked_slots!(conn, slot::cabinet_id.eq(cabinet).and(holds))
}

/// A slot with its lot and figures.
pub fn slot_fetch(conn: &mut Conn, cabinet: CabinetId, slot_no: i32) -> QueryResult<Option<StockedSlot>> {
    Ok(slots_numbered(conn, cabinet, &[slot_no])?.pop())
}

/// Writes why and since when a slot is closed, if it is still closed for `from`.
pub fn slot_replace(conn: &mut Conn, from: Option<SlotClosedReason>, row: &SlotRow) -> QueryResult<bool> {
    let place = slot::table.find((row.cabinet_id, row.slot_no));
    let closed = (slot::closed_reason.eq(row.closed_reason), slot::closed_at.eq(row.closed_at.map(At)));
    let rows = match from {
        None => {
            diesel::update(place.filter(slot::closed_reason.is_null())).set(closed).prepared().execute(conn)
        }
        Some(from) => diesel::update(place.filter(slot::closed_reason.eq(Some(from))))
            .set(closed)
            .prepared()
            .execute(conn),
    };
    rows.map(|rows| rows == 1)
}

/// Sets the lot of a slot.
pub fn slot_assign(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
    product_code: &str,
    lot_no: &str,
) -> QueryResult<()> {
    diesel::update(slot::table.find((cabinet, slot_no)))
        .set((slot::product_code.eq(Some(product_code)), slot::lot_no.eq(Some(lot_no))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

pub fn lot_fetch(conn: &mut Conn, product_code: &str, lot_no: &str) -> QueryResult<Option<LotRow>> {
    on_backend!(conn, c => lot::table.find((product_code, lot_no)).select(LotRow::as_select()).first(c))
        .optional()
}

/// Adds a lot at its first scan; `false` when it exists.
pub fn lot_add(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
    expires_on: NaiveDate,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(lot::table)
        .values((lot::product_code.eq(product_code), lot::lot_no.eq(lot_no), lot::expires_on.eq(expires_on)))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Recalls a lot; `false` when it was recalled before.
pub fn lot_recall(
    conn: &mut Conn,
    product_code: &str,
    lot_no: &str,
    reason: &str,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(lot::table.find((product_code, lot_no)))
        .filter(lot::recalled_at.is_null())
        .set((lot::recalled_at.eq(Some(At(now))), lot::recall_reason.eq(Some(reason))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The slots, anywhere, that hold a lot.
pub fn slots_with_lot(conn: &mut Conn, product_code: &str, lot_no: &str) -> QueryResult<Vec<SlotRow>> {
    on_backend!(conn, c => slot::table
        .filter(slot::product_code.eq(Some(product_code)))
        .filter(slot::lot_no.eq(Some(lot_no)))
        .order((slot::cabinet_id, slot::slot_no))
        .select(SlotRow::as_select())
        .load(c))
}

/// Adds zero figures for a lot that is new to a slot.
pub fn stock_begin(conn: &mut Conn, key: &StockKey) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(slot_stock::table)
        .values((
            slot_stock::cabinet_id.eq(key.cabinet),
            slot_stock::slot_no.eq(key.slot_no),
            slot_stock::product_code.eq(key.product_code.as_str()),
            slot_stock::lot_no.eq(key.lot_no.as_str()),
            slot_stock::received.eq(0_i64),
            slot_stock::on_hand.eq(0_i64),
            slot_stock::reserved.eq(0_i64),
            slot_stock::in_doubt.eq(0_i64),
            slot_stock::dispensed.eq(0_i64),
            slot_stock::discarded.eq(0_i64),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|_| ())
}

/// Adds `changes` to the figures; `false`, and nothing is changed, if there are too few packs.
pub fn stock_move(conn: &mut Conn, key: &StockKey, changes: Figures) -> QueryResult<bool> {
    let [received, on_hand, reserved, in_doubt, dispensed, discarded] = changes;
    diesel::update(slot_stock::table.find((
        key.cabinet,
        key.slot_no,
        key.product_code.as_str(),
        key.lot_no.as_str(),
    )))
    .filter(slot_stock::on_hand.ge(-on_hand))
    .filter(slot_stock::reserved.ge(-reserved))
    .filter(slot_stock::in_doubt.ge(-in_doubt))
    .set((
        slot_stock::received.eq(slot_stock::received + received),
        slot_stock::on_hand.eq(slot_stock::on_hand + on_hand),
        slot_stock::reserved.eq(slot_stock::reserved + reserved),
        slot_stock::in_doubt.eq(slot_stock::in_doubt + in_doubt),
        slot_stock::dispensed.eq(slot_stock::dispensed + dispensed),
        slot_stock::discarded.eq(slot_stock::discarded + discarded),
    ))
    .prepared()
    .execute(conn)
    .map(|rows| rows == 1)
}

/// All stock figures, for the audit.
pub fn stock_all(conn: &mut Conn) -> QueryResult<Vec<(StockKey, Figures)>> {
    let key = (slot_stock::cabinet_id, slot_stock::slot_no, slot_stock::product_code, slot_stock::lot_no);
    let rows = on_backend!(conn, c => slot_stock::table
        .select((key, FIGURES))
        .load::<((CabinetId, i32, String, String), FigureColumns)>(c))?;
    let place =
        |(cabinet, slot_no, product_code, lot_no)| StockKey { cabinet, slot_no, product_code, lot_no };
    Ok(rows.into_iter().map(|(key, figures)| (place(key), figures.into())).collect())
}

/// Every open slot, for the audit.
pub fn slots_open(conn: &mut Conn) -> QueryResult<Vec<(CabinetId, i32)>> {
    on_backend!(conn, c => slot::table
        .filter(slot::closed_reason.is_null())
        .select((slot::cabinet_id, slot::slot_no))
        .load(c))
}

/// All lots, for the audit.
pub fn lots_all(conn: &mut Conn) -> QueryResult<Vec<LotRow>> {
    on_backend!(conn, c => lot::table.select(LotRow::as_select()).load(c))
}
