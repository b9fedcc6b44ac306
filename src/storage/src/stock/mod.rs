//! Slots, lots and stock. Every change of stock figures repeats the figures it was computed from,
//! so that no update is lost.

pub mod check;
pub mod recall;

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{lot, product, slot, slot_stock},
    sql_types::At,
};
use domain::{ids::CabinetId, money::Fen, stock::SlotClosedReason, time::Timestamp};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockKey {
    pub cabinet: CabinetId,
    pub slot_no: i32,
    pub product_code: String,
    pub lot_no: String,
}

/// The figures of one lot in one slot: received, on hand, reserved, in doubt,
/// dispensed, discarded.
pub type Figures = [i64; 6];

/// A slot with a product, and what a choice depends on.
#[derive(Debug, Clone, Queryable)]
pub struct CandidateRow {
    pub slot_no: i32,
    pub lot_no: String,
    /// Last day on which the lot may be used.
    pub expires_on: NaiveDate,
    /// Free packs.
    pub on_hand: i64,
    pub closed_reason: Option<SlotClosedReason>,
    pub recalled_at: Option<Timestamp>,
}

/// What selling a product depends on.
#[derive(Debug, Clone, Queryable)]
pub struct SaleRow {
    pub code: String,
    /// Sale class code of the catalogue.
    pub class: String,
    pub in_formulary: bool,
    /// Price of one pack.
    pub price: Fen,
}

/// A product's class and price.
pub fn product_sale(conn: &mut Conn, code: &str) -> QueryResult<Option<SaleRow>> {
    on_backend!(conn, c => product::table
        .find(code)
        .select((product::code, product::class, product::in_formulary, product::price_fen))
        .first(c))
    .optional()
}

/// The slots of a cabinet that hold `product_code`.
pub fn slot_candidates(
    conn: &mut Conn,
    cabinet: CabinetId,
    product_code: &str,
) -> QueryResult<Vec<CandidateRow>> {
    let current_stock = slot_stock::table.on(slot_stock::cabinet_id
        .eq(slot::cabinet_id)
        .and(slot_stock::slot_no.eq(slot::slot_no))
        .and(slot_stock::product_code.nullable().eq(slot::product_code))
        .and(slot_stock::lot_no.nullable().eq(slot::lot_no)));
    let of_lot =
        lot::table.on(lot::product_code.eq(slot_stock::product_code).and(lot::lot_no.eq(slot_stock::lot_no)));
    on_backend!(conn, c => slot::table
        .inner_join(current_stock)
        .inner_join(of_lot)
        .filter(slot::cabinet_id.eq(cabinet))
        .filter(slot::product_code.eq(Some(product_code)))
        .order(slot::slot_no)
        .select((
            slot::slot_no,
            lot::lot_no,
            lot::expires_on,
            slot_stock::on_hand,
            slot::closed_reason,
            lot::recalled_at,
        ))
        .load(c))
}

/// The slots of a cabinet.
pub fn slots_of(conn: &mut Conn, cabinet: CabinetId) -> QueryResult<Vec<SlotRow>> {
    on_backend!(conn, c => slot::table
        .filter(slot::cabinet_id.eq(cabinet))
        .order(slot::slot_no)
        .select(SlotRow::as_select())
        .load(c))
}

/// A slot with the expiry and the figures of the lot in it: on hand, reserved, in doubt.
pub type StockedSlot = (SlotRow, Option<NaiveDate>, Option<(i64, i64, i64)>);

/// The slots of several cabinets, with what is in them.
pub fn stocked_slots(conn: &mut Conn, cabinets: &[CabinetId]) -> QueryResult<Vec<StockedSlot>> {
    let in_it = lot::table
        .on(lot::product_code.nullable().eq(slot::product_code).and(lot::lot_no.nullable().eq(slot::lot_no)));
    let figures = slot_stock::table.on(slot_stock::cabinet_id
        .eq(slot::cabinet_id)
        .and(slot_stock::slot_no.eq(slot::slot_no))
        .and(slot_stock::product_code.nullable().eq(slot::product_code))
        .and(slot_stock::lot_no.nullable().eq(slot::lot_no)));
    on_backend!(conn, c => slot::table
        .left_join(in_it)
        .left_join(figures)
        .filter(slot::cabinet_id.eq_any(padded(cabinets)))
        .order((slot::cabinet_id, slot::slot_no))
        .select((
            SlotRow::as_select(),
            lot::expires_on.nullable(),
            (slot_stock::on_hand, slot_stock::reserved, slot_stock::in_doubt).nullable(),
        ))
        .prepared()
        .load(c))
}

pub fn slot_fetch(conn: &mut Conn, cabinet: CabinetId, slot_no: i32) -> QueryResult<Option<SlotRow>> {
    on_backend!(conn, c => slot::table.find((cabinet, slot_no)).select(SlotRow::as_select()).first(c))
        .optional()
}

/// Closes a slot; `false` when it is closed already (the first reason stays).
pub fn slot_close(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
    reason: SlotClosedReason,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(slot::table.find((cabinet, slot_no)))
        .filter(slot::closed_reason.is_null())
        .set((slot::closed_reason.eq(Some(reason)), slot::closed_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Changes the reason of a closed slot, if it is still `from`.
pub fn slot_reclose(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
    from: SlotClosedReason,
    to: SlotClosedReason,
) -> QueryResult<bool> {
    diesel::update(slot::table.find((cabinet, slot_no)))
        .filter(slot::closed_reason.eq(Some(from)))
        .set(slot::closed_reason.eq(Some(to)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Opens a slot again, if it was closed for `reason`.
pub fn slot_open(
    conn: &mut Conn,
    cabinet: CabinetId,
    slot_no: i32,
    reason: SlotClosedReason,
) -> QueryResult<bool> {
    diesel::update(slot::table.find((cabinet, slot_no)))
        .filter(slot::closed_reason.eq(Some(reason)))
        .set((slot::closed_reason.eq(None::<SlotClosedReason>), slot::closed_at.eq(None::<At>)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
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

/// The recalled lots in a cabinet.
pub fn lots_recalled_in(conn: &mut Conn, cabinet: CabinetId) -> QueryResult<Vec<(String, String)>> {
    on_backend!(conn, c => slot::table
        .inner_join(lot::table.on(
            lot::product_code.nullable().eq(slot::product_code).and(lot::lot_no.nullable().eq(slot::lot_no)),
        ))
        .filter(slot::cabinet_id.eq(cabinet))
        .filter(lot::recalled_at.is_not_null())
        .order((lot::product_code, lot::lot_no))
        .select((lot::product_code, lot::lot_no))
        .distinct()
        .load(c))
}

/// The figures of one lot in one slot.
pub fn stock_figures(conn: &mut Conn, key: &StockKey) -> QueryResult<Option<Figures>> {
    let found = on_backend!(conn, c => slot_stock::table
        .find((key.cabinet, key.slot_no, key.product_code.as_str(), key.lot_no.as_str()))
        .select((
            slot_stock::received,
            slot_stock::on_hand,
            slot_stock::reserved,
            slot_stock::in_doubt,
            slot_stock::dispensed,
            slot_stock::discarded,
        ))
        .first::<(i64, i64, i64, i64, i64, i64)>(c))
    .optional()?;
    Ok(found.map(|(a, b, c, d, e, f)| [a, b, c, d, e, f]))
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

/// Replaces the figures, if they are still `from`; `false` when another transaction changed them
/// first.
pub fn stock_replace(conn: &mut Conn, key: &StockKey, from: Figures, to: Figures) -> QueryResult<bool> {
    diesel::update(slot_stock::table.find((
        key.cabinet,
        key.slot_no,
        key.product_code.as_str(),
        key.lot_no.as_str(),
    )))
    .filter(slot_stock::received.eq(from[0]))
    .filter(slot_stock::on_hand.eq(from[1]))
    .filter(slot_stock::reserved.eq(from[2]))
    .filter(slot_stock::in_doubt.eq(from[3]))
    .filter(slot_stock::dispensed.eq(from[4]))
    .filter(slot_stock::discarded.eq(from[5]))
    .set((
        slot_stock::received.eq(to[0]),
        slot_stock::on_hand.eq(to[1]),
        slot_stock::reserved.eq(to[2]),
        slot_stock::in_doubt.eq(to[3]),
        slot_stock::dispensed.eq(to[4]),
        slot_stock::discarded.eq(to[5]),
    ))
    .prepared()
    .execute(conn)
    .map(|rows| rows == 1)
}

/// All stock figures, for the audit.
pub fn stock_all(conn: &mut Conn) -> QueryResult<Vec<(StockKey, Figures)>> {
    let rows = on_backend!(conn, c => slot_stock::table
        .select((
            (slot_stock::cabinet_id, slot_stock::slot_no, slot_stock::product_code, slot_stock::lot_no),
            (
                slot_stock::received,
                slot_stock::on_hand,
                slot_stock::reserved,
                slot_stock::in_doubt,
                slot_stock::dispensed,
                slot_stock::discarded,
            ),
        ))
        .load::<((CabinetId, i32, String, String), (i64, i64, i64, i64, i64, i64))>(c))?;
    Ok(rows
        .into_iter()
        .map(|((cabinet, slot_no, product_code, lot_no), (a, b, c, d, e, f))| {
            (StockKey { cabinet, slot_no, product_code, lot_no }, [a, b, c, d, e, f])
        })
        .collect())
}

/// All lots, for the audit.
pub fn lots_all(conn: &mut Conn) -> QueryResult<Vec<LotRow>> {
    on_backend!(conn, c => lot::table.select(LotRow::as_select()).load(c))
}
