//! Doors, counts, restocking and temperature, as the journal reports them. What does not match is
//! recorded and quarantined, never corrected silently.

use chrono::NaiveDate;
use serde_json::json;

use super::{move_packs, packs};
use crate::{
    Failure, Recipients, Tx,
    order::write::command,
    vend::{
        closing::{apply, close_slot, reclose_slot},
        domain_attempt, incident, reconcile, slot_no,
    },
};
use domain::{
    event::cabinet::CabinetEvent,
    ids::{CabinetId, OrderUnitId},
    order::{self, UnitState},
    stock::{Movement, SlotClosedReason, SlotStock, is_lot_no, lot_key},
    time::civil_day,
    vend::{
        AttemptState, Command,
        attempt::VoidReason,
        decide,
        event::IncidentKind,
        journal::{Body, JournalEntry, SlotCount, uncounted},
    },
};
use storage::{
    stock::{SlotRow, StockKey},
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
            book_stock_count(tx, cabinet.id, slot.get(), *n)
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
    let filled: Vec<SlotRow> = storage::stock::slots_of(tx.conn, cabinet.id)?;
    let filled = filled.iter().filter(|slot| slot.product_code.is_some()).map(|slot| slot_no(slot.slot_no));
    for slot in uncounted(&filled.collect::<Result<Vec<_>, _>>()?, &counts) {
        close_slot(tx, cabinet.id, slot.get(), SlotClosedReason::Uncounted)?;
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
    let Some(row) = storage::stock::slot_fetch(tx.conn, cabinet, slot)? else {
        return quarantine(tx, cabinet, slot, load, "no_such_slot");
    };
    if let Some(why) = mismatch(tx, &row, load)? {
        return quarantine(tx, cabinet, slot, load, why);
    }
    if storage::stock::lot_add(tx.conn, load.product_code, load.lot_no, load.expires_on)? {
        recall_if_noticed(tx, load.product_code, load.lot_no)?;
    }
    storage::stock::slot_assign(tx.conn, cabinet, slot, load.product_code, load.lot_no)?;
    let key = key(cabinet, slot, load.product_code, load.lot_no);
    storage::stock::stock_begin(tx.conn, &key)?;
    move_packs(tx, &key, Movement::Receive(load.packs))?;
    let event = CabinetEvent::Restocked {
        slot: slot_no(slot)?,
        product_code: load.product_code.to_owned(),
        lot_no: load.lot_no.to_owned(),
        packs: load.packs,
    };
    note(tx, cabinet, event)?;
    reconcile::slot_scanned(tx, cabinet, slot)?;
    match lot_fault(tx, load.product_code, load.lot_no)? {
        Some(reason) => close_slot(tx, cabinet, slot, reason),
        None => await_count(tx, &row),
    }
}

/// Why a load must not be booked: a slot contains one lot at a time, and a lot has one expiry day.
fn mismatch(tx: &mut Tx<'_>, slot: &SlotRow, load: &Load<'_>) -> Result<Option<&'static str>, Failure> {
    if !is_lot_no(load.lot_no) {
        return Ok(Some("unreadable_label"));
    }
    if load.packs > MOST_PACKS {
        return Ok(Some("too_many_packs"));
    }
    if storage::stock::product_sale(tx.conn, load.product_code)?.is_none() {
        return Ok(Some("unknown_product"));
    }
    let known = storage::stock::lot_fetch(tx.conn, load.product_code, load.lot_no)?;
    if known.is_some_and(|lot| lot.expires_on != load.expires_on) {
        return Ok(Some("other_expiry"));
    }
    let (Some(product), Some(lot)) = (&slot.product_code, &slot.lot_no) else { return Ok(None) };
    if product == load.product_code && lot == load.lot_no {
        return Ok(None);
    }
    let present = packs(tx, &key(slot.cabinet_id, slot.slot_no, product, lot))?;
    Ok((present.expected_count() + present.in_doubt() > 0).then_some("other_lot_inside"))
}

/// Recalls a new lot for which a recall notice exists already.
fn recall_if_noticed(tx: &mut Tx<'_>, product_code: &str, lot_no: &str) -> Result<(), Failure> {
    storage::stock::recall::product_lock(tx.conn, product_code)?;
    if let Some(reason) = storage::stock::recall::notice_of(tx.conn, product_code, &lot_key(lot_no))? {
        storage::stock::lot_recall(tx.conn, product_code, lot_no, &reason, tx.now)?;
    }
    Ok(())
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

/// A slot that was closed because of its former contents opens with the next count.
fn await_count(tx: &mut Tx<'_>, row: &SlotRow) -> Result<(), Failure> {
    let Some(from) = row.closed_reason else { return Ok(()) };
    let other_lot_before =
        matches!(from, SlotClosedReason::WrongSlot | SlotClosedReason::Expired | SlotClosedReason::Recalled);
    if other_lot_before {
        reclose_slot(tx, row.cabinet_id, row.slot_no, (from, SlotClosedReason::Uncounted))?;
    }
    Ok(())
}

fn lot_fault(tx: &mut Tx<'_>, product_code: &str, lot_no: &str) -> Result<Option<SlotClosedReason>, Failure> {
    let Some(lot) = storage::stock::lot_fetch(tx.conn, product_code, lot_no)? else { return Ok(None) };
    Ok(match (lot.recalled_at, lot.expires_on < civil_day(tx.now)) {
        (Some(_), _) => Some(SlotClosedReason::Recalled),
        (None, true) => Some(SlotClosedReason::Expired),
        (None, false) => None,
    })
}

fn key(cabinet: CabinetId, slot_no: i32, product_code: &str, lot_no: &str) -> StockKey {
    StockKey { cabinet, slot_no, product_code: product_code.to_owned(), lot_no: lot_no.to_owned() }
}

/// Books a stock count, which was blind: the stock record is set to the counted number, a difference is an incident, and a
/// slot that only waited for a count opens. It does not resolve attempts.
pub fn book_stock_count(tx: &mut Tx<'_>, cabinet: CabinetId, slot: i32, n: u32) -> Result<(), Failure> {
    let Some(row) = storage::stock::slot_fetch(tx.conn, cabinet, slot)? else { return Ok(()) };
    let (Some(product), Some(lot)) = (&row.product_code, &row.lot_no) else { return Ok(()) };
    let key = key(cabinet, slot, product, lot);
    let before = packs(tx, &key)?;
    if before.in_doubt() > 0 {
        // Which pack is missing is unknown until the doubt is resolved.
        return Ok(());
    }
    if n > MOST_PACKS {
        let detail = json!({"expected": before.expected_count(), "counted": n});
        incident::open(tx, cabinet, IncidentKind::CountDiffers, Some(slot), None, detail)?;
        return close_slot(tx, cabinet, slot, SlotClosedReason::Uncounted);
    }
    if before.compare(n).differs() {
        let detail = json!({"expected": before.expected_count(), "counted": n});
        incident::open(tx, cabinet, IncidentKind::CountDiffers, Some(slot), None, detail)?;
        if n < before.reserved() {
            close_slot(tx, cabinet, slot, SlotClosedReason::Uncounted)?;
            free_reserved(tx, cabinet, slot, before.reserved() - n)?;
        }
    }
    let now = packs(tx, &key)?;
    if settles_stock(now, n) {
        move_packs(tx, &key, Movement::Count(n))?;
        reopen(tx, &row)?;
    }
    Ok(())
}

/// Whether a count can set the stock record. With fewer packs than are reserved, the slot stays
/// closed until a person resolves it.
fn settles_stock(stock: SlotStock, n: u32) -> bool {
    stock.in_doubt() == 0 && stock.reserved() <= n
}

/// Withdraws the newest reservations of packs that are missing.
fn free_reserved(tx: &mut Tx<'_>, cabinet: CabinetId, slot: i32, missing: u32) -> Result<(), Failure> {
    let units = storage::order::units_reserved_in_slot(tx.conn, cabinet, slot)?;
    let mut freed: u32 = 0;
    for unit in units {
        if freed >= missing {
            break;
        }
        // An earlier round may have withdrawn the whole order.
        let state = storage::order::units_of_order(tx.conn, unit.order_id)?
            .into_iter()
            .find(|other| other.id == unit.id)
            .map(|other| other.state);
        let gone = match state {
            Some(UnitState::Reserved) => {
                command(tx, unit.order_id, order::Command::Cancel)?;
                true
            }
            Some(UnitState::Authorised) => void_issued(tx, unit.id, unit.order_id)?,
            _ => true,
        };
        freed += u32::from(gone);
    }
    Ok(())
}

/// Withdraws a pack's attempt, unless it was started.
fn void_issued(tx: &mut Tx<'_>, unit: OrderUnitId, order: domain::ids::OrderId) -> Result<bool, Failure> {
    let all = storage::vend::attempt::attempts_of_order(tx.conn, order)?;
    let issued = all
        .into_iter()
        .find(|attempt| attempt.order_unit_id == unit && attempt.state == AttemptState::Issued);
    let Some(row) = issued else { return Ok(false) };
    let events = decide(&domain_attempt(&row)?, Command::Void { reason: VoidReason::Declined }, tx.now)?;
    apply(tx, &row, &events)?;
    Ok(true)
}

fn reopen(tx: &mut Tx<'_>, row: &SlotRow) -> Result<(), Failure> {
    let current = storage::stock::slot_fetch(tx.conn, row.cabinet_id, row.slot_no)?;
    let Some(reason) = current.and_then(|slot| slot.closed_reason) else { return Ok(()) };
    let ends_with_a_count = match reason {
        SlotClosedReason::InDoubt
        | SlotClosedReason::Jam
        | SlotClosedReason::Empty
        | SlotClosedReason::Uncounted => true,
        SlotClosedReason::Expired
        | SlotClosedReason::Recalled
        | SlotClosedReason::WrongSlot
        | SlotClosedReason::Incident
        | SlotClosedReason::Operator => false,
    };
    let (Some(product), Some(lot)) = (&row.product_code, &row.lot_no) else { return Ok(()) };
    if !ends_with_a_count {
        return Ok(());
    }
    match lot_fault(tx, product, lot)? {
        Some(fault) => {
            reclose_slot(tx, row.cabinet_id, row.slot_no, (reason, fault))?;
        }
        None => {
            storage::stock::slot_open(tx.conn, row.cabinet_id, row.slot_no, reason)?;
            note(tx, row.cabinet_id, CabinetEvent::SlotOpened { slot: slot_no(row.slot_no)?, was: reason })?;
        }
    }
    Ok(())
}
