//! Doors, counts, restocking and temperature, as the journal reports them. What does not match is
//! recorded and quarantined, never corrected silently.

use chrono::NaiveDate;
use serde_json::json;

use super::{LoadedSlot, close_slot, move_stock, packs};
use crate::{
    Failure, Recipients, Tx,
    vend::{closing, incident, orders::Orders, reconcile, slot_no},
};
use domain::{
    event::cabinet::CabinetEvent,
    ids::CabinetId,
    order::{self, UnitState},
    stock::{SlotClosedReason, SlotCommand, StockChange, is_lot_no, lot_key},
    time::civil_day,
    vend::{
        AttemptState, Command,
        attempt::VoidReason,
        event::IncidentKind,
        journal::{Body, JournalEntry, SlotCount, uncounted},
    },
};
use storage::{
    order::UnitRow,
    stock::{LotRow, StockKey, StockedSlot},
    vend::{
        incident as incident_store,
        journal::{self as store, CabinetRow},
    },
};

/// Drugs are kept between 0 and 30 degrees, in tenths: the widest range on the labels of the drugs
/// in a cabinet. Our default.
const TEMPERATURE: std::ops::RangeInclusive<i32> = 0..=300;
/// The maximum number of journal entries that are searched for counts: far more than a cabinet has
/// slots.
const COUNT_SEARCH_LIMIT: i64 = 1000;
/// No slot fits more packs: a larger number is an error of the scanner, and must not make the whole
/// journal unacceptable.
const MOST_PACKS: u32 = 1000;

/// Applies an entry that is not about an attempt.
pub(crate) fn apply_entry(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: &CabinetRow,
    entry: &JournalEntry,
) -> Result<(), Failure> {
    match &entry.body {
        Body::DoorOpen { who } => {
            store::cabinet_door(tx.conn, cabinet.id, true)?;
            note(tx, cabinet.id, CabinetEvent::DoorOpened { who: Some(*who), seq: Some(entry.seq) })
        }
        Body::DoorClose {} => close_door(tx, cabinet, entry.seq),
        Body::Restock { slot, product_code, lot_no, expires_on, packs } => {
            let load = Load { product_code, lot_no, expires_on: *expires_on, packs: *packs };
            restock(tx, cabinet.id, slot.get(), &load)
        }
        Body::Count { slot, n } => {
            note(tx, cabinet.id, CabinetEvent::Counted { slot: *slot, n: *n })?;
            book_stock_count(tx, orders, cabinet.id, slot.get(), *n)
        }
        Body::Temperature { tenths } => temperature(tx, cabinet.id, *tenths),
        Body::Intent { .. }
        | Body::Motor { .. }
        | Body::DropSensed { .. }
        | Body::Picked { .. }
        | Body::Dispensed { .. }
        | Body::NotDispensed { .. }
        | Body::Unknown { .. }
        | Body::Abandoned { .. }
        | Body::Tamper { .. } => Ok(()),
    }
}

fn note(tx: &mut Tx<'_>, cabinet: CabinetId, event: CabinetEvent) -> Result<(), Failure> {
    tx.record(cabinet, event, Recipients::nobody())
}

fn temperature(tx: &mut Tx<'_>, cabinet: CabinetId, tenths: i32) -> Result<(), Failure> {
    let kind = IncidentKind::Temperature;
    if TEMPERATURE.contains(&tenths) || incident_store::incident_is_open(tx.conn, cabinet, &[kind])? {
        return Ok(());
    }
    incident::open(tx, cabinet, kind, None, None, json!({"tenths": tenths}))
}

/// Closes each slot that was not counted while the door was open, until it is counted.
fn close_door(tx: &mut Tx<'_>, cabinet: &CabinetRow, seq: i64) -> Result<(), Failure> {
    let kinds = ["door_open", "count"];
    let recent = store::journal_recent(tx.conn, cabinet.id, cabinet.epoch, &kinds, COUNT_SEARCH_LIMIT)?;
    let mut counts = Vec::new();
    for (at, _, kind, body) in recent {
        if at > seq {
            continue;
        }
        if kind == "door_open" {
            break;
        }
        if let Ok(Body::Count { slot, n }) = Body::from_parts(&kind, serde_json::from_str(&body)?) {
            counts.push(SlotCount { slot, n });
        }
    }
    let slots = storage::stock::slots_stocked(tx.conn, &[cabinet.id])?;
    let filled = slots.iter().filter(|slot| slot.lot.is_some()).map(|slot| slot_no(slot.row.slot_no));
    let missed = uncounted(&filled.collect::<Result<Vec<_>, _>>()?, &counts);
    for slot in slots {
        if missed.contains(&slot_no(slot.row.slot_no)?) {
            let close = SlotCommand::Close(SlotClosedReason::Uncounted);
            LoadedSlot::new(tx, slot.row)?.command(tx, close)?;
        }
    }
    store::cabinet_door(tx.conn, cabinet.id, false)?;
    note(tx, cabinet.id, CabinetEvent::DoorClosed { seq })
}

/// The packs that were scanned and loaded.
struct Load<'a> {
    product_code: &'a str,
    lot_no: &'a str,
    expires_on: NaiveDate,
    packs: u32,
}

fn restock(tx: &mut Tx<'_>, cabinet: CabinetId, slot: i32, load: &Load<'_>) -> Result<(), Failure> {
    let Some(before) = storage::stock::slot_fetch(tx.conn, cabinet, slot)? else {
        return quarantine(tx, cabinet, slot, load, "no_such_slot");
    };
    let known = storage::stock::lot_fetch(tx.conn, load.product_code, load.lot_no)?;
    if let Some(why) = mismatch(tx, &before, known.as_ref(), load)? {
        return quarantine(tx, cabinet, slot, load, why);
    }
    let lot = match known {
        Some(lot) => lot,
        None => first_scan(tx, load)?,
    };
    storage::stock::slot_assign(tx.conn, cabinet, slot, load.product_code, load.lot_no)?;
    let key = key(cabinet, slot, load.product_code, load.lot_no);
    storage::stock::stock_begin(tx.conn, &key)?;
    move_stock(tx, [(key, StockChange::received(load.packs))])?;
    let event = CabinetEvent::Restocked {
        slot: slot_no(slot)?,
        product_code: load.product_code.to_owned(),
        lot_no: load.lot_no.to_owned(),
        packs: load.packs,
    };
    note(tx, cabinet, event)?;
    reconcile::slot_scanned(tx, cabinet, slot)?;
    // A slot that was closed because of its former contents opens with the next count.
    let command = lot_fault(tx, &lot).map_or(SlotCommand::Refilled, SlotCommand::Close);
    LoadedSlot::new(tx, before.row)?.command(tx, command)
}

/// Why a load must not be booked: a slot contains one lot at a time, and a lot has one expiry day.
fn mismatch(
    tx: &Tx<'_>,
    slot: &StockedSlot,
    known: Option<&LotRow>,
    load: &Load<'_>,
) -> Result<Option<&'static str>, Failure> {
    if !is_lot_no(load.lot_no) {
        return Ok(Some("unreadable_label"));
    }
    if load.packs > MOST_PACKS {
        return Ok(Some("too_many_packs"));
    }
    if tx.app.formulary().find(load.product_code).is_none() {
        return Ok(Some("unknown_product"));
    }
    if known.is_some_and(|lot| lot.expires_on != load.expires_on) {
        return Ok(Some("other_expiry"));
    }
    let Some(lot) = &slot.lot else { return Ok(None) };
    if lot.product_code == load.product_code && lot.lot_no == load.lot_no {
        return Ok(None);
    }
    let present = packs(slot)?;
    Ok((present.expected_count() + present.in_doubt() > 0).then_some("other_lot_inside"))
}

/// Adds a lot, which is recalled at once if a recall notice for it exists already.
fn first_scan(tx: &mut Tx<'_>, load: &Load<'_>) -> Result<LotRow, Failure> {
    let (product_code, lot_no) = (load.product_code, load.lot_no);
    if storage::stock::lot_add(tx.conn, product_code, lot_no, load.expires_on)? {
        storage::stock::recall::product_lock(tx.conn, product_code)?;
        if let Some(reason) = storage::stock::recall::notice_of(tx.conn, product_code, &lot_key(lot_no))? {
            storage::stock::lot_recall(tx.conn, product_code, lot_no, &reason, tx.now)?;
        }
    }
    // Another cabinet may have scanned it first.
    storage::stock::lot_fetch(tx.conn, product_code, lot_no)?
        .ok_or_else(|| Failure::inconsistent("a lot is not there"))
}

fn quarantine(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    slot: i32,
    load: &Load<'_>,
    why: &str,
) -> Result<(), Failure> {
    let detail = json!({
        "why": why, "product_code": load.product_code, "lot_no": load.lot_no, "packs": load.packs,
    });
    incident::open(tx, cabinet, IncidentKind::WrongSlot, Some(slot), None, detail)?;
    close_slot(tx, cabinet, slot, SlotClosedReason::WrongSlot)
}

fn lot_fault(tx: &Tx<'_>, lot: &LotRow) -> Option<SlotClosedReason> {
    match (lot.recalled_at, lot.expires_on < civil_day(tx.now)) {
        (Some(_), _) => Some(SlotClosedReason::Recalled),
        (None, true) => Some(SlotClosedReason::Expired),
        (None, false) => None,
    }
}

fn key(cabinet: CabinetId, slot_no: i32, product_code: &str, lot_no: &str) -> StockKey {
    StockKey { cabinet, slot_no, product_code: product_code.to_owned(), lot_no: lot_no.to_owned() }
}

/// Books a stock count, which was blind: the stock record is set to the counted number, a difference
/// is an incident, and a slot that only waited for a count opens. It does not resolve attempts.
pub(crate) fn book_stock_count(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: CabinetId,
    slot: i32,
    n: u32,
) -> Result<(), Failure> {
    let Some(mut stocked) = storage::stock::slot_fetch(tx.conn, cabinet, slot)? else { return Ok(()) };
    let Some(lot) = stocked.lot.clone() else { return Ok(()) };
    let before = packs(&stocked)?;
    if before.in_doubt() > 0 {
        // Which pack is missing is unknown until the doubt is resolved.
        return Ok(());
    }
    if n > MOST_PACKS || n != before.expected_count() {
        let detail = json!({"expected": before.expected_count(), "counted": n});
        incident::open(tx, cabinet, IncidentKind::CountDiffers, Some(slot), None, detail)?;
    }
    if n > MOST_PACKS {
        return close_slot(tx, cabinet, slot, SlotClosedReason::Uncounted);
    }
    if n < before.reserved() {
        close_slot(tx, cabinet, slot, SlotClosedReason::Uncounted)?;
        free_reserved(tx, orders, cabinet, slot, before.reserved() - n)?;
        let Some(left) = storage::stock::slot_fetch(tx.conn, cabinet, slot)? else { return Ok(()) };
        stocked = left;
    }
    // With fewer packs than are reserved, the slot stays closed until a person resolves it.
    let Some(change) = packs(&stocked)?.counted(n) else { return Ok(()) };
    move_stock(tx, [(key(cabinet, slot, &lot.product_code, &lot.lot_no), change)])?;
    let counted = SlotCommand::Counted { fault: lot_fault(tx, &lot) };
    LoadedSlot::new(tx, stocked.row)?.command(tx, counted)
}

/// Withdraws the newest reservations of packs that are missing.
fn free_reserved(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: CabinetId,
    slot: i32,
    missing: u32,
) -> Result<(), Failure> {
    let mut freed: u32 = 0;
    for unit in storage::order::units_reserved_in_slot(tx.conn, cabinet, slot)? {
        if freed >= missing {
            break;
        }
        freed += u32::from(free(tx, orders, &unit)?);
    }
    Ok(())
}

/// Withdraws the reservation of a pack; `false` if its attempt was started.
fn free(tx: &mut Tx<'_>, orders: &mut Orders, unit: &UnitRow) -> Result<bool, Failure> {
    let Some(order) = orders.read(tx, unit.order_id)? else { return Ok(true) };
    // An earlier round may have withdrawn the whole order.
    match order.unit(unit.id)?.state {
        UnitState::Reserved => order.command(tx, [order::Command::Cancel])?,
        UnitState::Authorised => {
            let issued = orders
                .attempts_of(unit.id)
                .find(|attempt| attempt.row.state == AttemptState::Issued)
                .map(|attempt| attempt.row.id);
            let Some(id) = issued else { return Ok(false) };
            closing::command(tx, orders, id, Command::Void { reason: VoidReason::Declined })?;
        }
        UnitState::InDoubt | UnitState::Dispensed | UnitState::Released | UnitState::Refunded => {}
    }
    Ok(true)
}
