//! The consequences of an attempt's state change: its own row, its slot, an incident, and then its
//! pack. A pack that was not dispensed is tried once more from another slot, or paid back.

use serde_json::json;

use super::{
    domain_attempt, incident,
    issue::{authorization_end, candidate, issue},
    reconcile, slot_no,
};
use crate::{
    Failure, Recipients, Tx,
    order::write::{command, key_of},
    prescription::dispense,
    stock::move_packs,
};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    event::cabinet::CabinetEvent,
    ids::{CabinetId, OrderId, OrderUnitId},
    order::{self, OrderEvent, OrderState, UnitState},
    refusal::Refusal,
    stock::{Movement, SlotClosedReason, choose_slots},
    time::civil_day,
    vend::{
        AttemptEvent, AttemptState, Command, Outcome,
        attempt::{DoubtCause, VoidReason},
        decide,
        event::{IncidentKind, Proof},
    },
};
use storage::{
    order::{OrderRow, UnitRow},
    stock::{self as store, StockKey},
    vend::{attempt::AttemptRow, incident::incident_over},
};

/// The maximum number of attempts for one pack.
const ATTEMPTS_PER_UNIT: usize = 2;

/// Writes the events decided for an attempt. The caller has locked the cabinet.
///
/// # Errors
/// `StateMovedOn` when the attempt changed after the decision.
pub fn apply(tx: &mut Tx<'_>, row: &AttemptRow, events: &[AttemptEvent]) -> Result<(), Failure> {
    let worker = storage::vend::attempt::attempt_worker(tx.conn, row.id)?;
    let recipients = worker.map_or_else(Recipients::nobody, Recipients::worker);
    for event in events {
        write(tx, row, event)?;
        tx.record(row.id, *event, recipients)?;
        count(tx, event);
    }
    // A slot that the same decision closes must not be chosen again.
    for event in events {
        apply_to_order(tx, row, event)?;
    }
    Ok(())
}

/// Counts an event in the metrics.
fn count(tx: &mut Tx<'_>, event: &AttemptEvent) {
    let vend = |outcome, reason| Fact::Vend { outcome, reason };
    match event {
        AttemptEvent::Dispensed { .. } => tx.count(vend("dispensed", "")),
        AttemptEvent::NotDispensed { reason, .. } => tx.count(vend("not_dispensed", reason.as_str())),
        AttemptEvent::Doubted { cause } => tx.count(vend("in_doubt", cause.as_str())),
        AttemptEvent::Voided { reason } => tx.count(vend("voided", reason.as_str())),
        AttemptEvent::Issued { .. }
        | AttemptEvent::Started { .. }
        | AttemptEvent::IncidentOpened { .. }
        | AttemptEvent::SlotClosed { .. } => {}
    }
}

fn write(tx: &mut Tx<'_>, row: &AttemptRow, event: &AttemptEvent) -> Result<(), Failure> {
    let moved = match event {
        AttemptEvent::Issued { .. } => true,
        AttemptEvent::Started { boot, .. } => {
            storage::vend::attempt::attempt_start(tx.conn, row.id, &boot.to_string(), tx.now)?
        }
        AttemptEvent::Voided { .. } => {
            tx.wake(Topic::Cabinet(row.cabinet_id));
            storage::vend::attempt::attempt_void(tx.conn, row.id, tx.now)?
        }
        AttemptEvent::Doubted { cause: DoubtCause::SameBoot } => {
            storage::vend::attempt::attempt_doubt_and_clear_boot(tx.conn, row.id, tx.now)?
        }
        AttemptEvent::Doubted { .. } => storage::vend::attempt::attempt_doubt(tx.conn, row.id, tx.now)?,
        AttemptEvent::Dispensed { .. } => {
            let to = AttemptState::Dispensed;
            storage::vend::attempt::attempt_close(tx.conn, row.id, to, Outcome::Dispensed, tx.now)?
        }
        AttemptEvent::NotDispensed { reason, .. } => {
            let to = AttemptState::NotDispensed;
            storage::vend::attempt::attempt_close(tx.conn, row.id, to, (*reason).into(), tx.now)?
        }
        AttemptEvent::IncidentOpened { kind, slot } => {
            let detail = json!({"attempt_state": row.state});
            incident::open(tx, row.cabinet_id, *kind, Some(slot.get()), Some(row.id), detail)?;
            true
        }
        AttemptEvent::SlotClosed { slot, reason } => {
            // The first reason stays: it is the cause.
            store::slot_close(tx.conn, row.cabinet_id, slot.get(), *reason, tx.now)?;
            true
        }
    };
    if moved { Ok(()) } else { Err(Refusal::moved_on(row.state).into()) }
}

fn apply_to_order(tx: &mut Tx<'_>, row: &AttemptRow, event: &AttemptEvent) -> Result<(), Failure> {
    let (order, unit) = (row.order_id, row.order_unit_id);
    match event {
        AttemptEvent::Issued { .. } | AttemptEvent::Started { .. } | AttemptEvent::IncidentOpened { .. } => {
            Ok(())
        }
        AttemptEvent::SlotClosed { slot, .. } => free_issued(tx, row, slot.get()),
        AttemptEvent::Doubted { .. } => command(tx, order, order::Command::UnitInDoubt(unit)).map(|_| ()),
        AttemptEvent::Dispensed { .. } => command(tx, order, order::Command::UnitDispensed(unit)).map(|_| ()),
        AttemptEvent::Voided { reason } => {
            command(tx, order, order::Command::UnitFreed(unit))?;
            match reason {
                // The operations that void for these reasons settle the packs themselves.
                VoidReason::Expired | VoidReason::Cancelled | VoidReason::Unsafe => Ok(()),
                VoidReason::Replaced => give_up(tx, order, unit),
                VoidReason::Recalled | VoidReason::Declined | VoidReason::SlotClosed => {
                    retry_from_another_slot(tx, row)
                }
            }
        }
        AttemptEvent::NotDispensed { proof, .. } => {
            command(tx, order, order::Command::UnitFreed(unit))?;
            match proof {
                Proof::Journal => retry_from_another_slot(tx, row),
                // By the time a person has counted, the worker has left.
                Proof::HumanCount => give_up(tx, order, unit),
            }
        }
    }
}

/// A slot that closed because of an attempt vends nothing until somebody has counted it, and by
/// then its workers have left. So issued attempts from there that have not started are moved to
/// another slot, or paid back at once.
///
/// This excludes the attempt `over` because of which the slot closed. If it has not started, the
/// cabinet has reported a pack that was dispensed without START: it may have been this worker's,
/// and no second one must follow. It is paid back when it expires, and a person handles the
/// incident.
fn free_issued(tx: &mut Tx<'_>, over: &AttemptRow, slot: i32) -> Result<(), Failure> {
    for row in storage::vend::attempt::attempts_issued_of_slot(tx.conn, over.cabinet_id, slot)? {
        if row.id == over.id {
            continue;
        }
        let void = Command::Void { reason: VoidReason::SlotClosed };
        let events = decide(&domain_attempt(&row)?, void, tx.now)?;
        apply(tx, &row, &events)?;
    }
    Ok(())
}

/// Pays back a pack that waits.
pub fn give_up(tx: &mut Tx<'_>, order: OrderId, unit: OrderUnitId) -> Result<(), Failure> {
    command(tx, order, order::Command::UnitNotDispensed(unit)).map(|_| ())
}

/// Moves a waiting pack to another open slot, once, or pays it back.
fn retry_from_another_slot(tx: &mut Tx<'_>, row: &AttemptRow) -> Result<(), Failure> {
    let order = storage::order::order_fetch(tx.conn, row.order_id)?;
    let units = storage::order::units_of_order(tx.conn, row.order_id)?;
    let unit = units.into_iter().find(|unit| unit.id == row.order_unit_id);
    let (Some(order), Some(unit)) = (order, unit) else { return Ok(()) };
    // The cabinet reported it as dispensed without START: no second pack must follow, whatever the
    // reason of the withdrawal.
    if incident_over(tx.conn, row.cabinet_id, row.id, IncidentKind::VendWithoutStart)? {
        return give_up(tx, order.id, unit.id);
    }
    match another_slot(tx, &order, &unit)? {
        Some(key) => relocate(tx, &order, unit, &key),
        None => give_up(tx, order.id, unit.id),
    }
}

fn another_slot(tx: &mut Tx<'_>, order: &OrderRow, unit: &UnitRow) -> Result<Option<StockKey>, Failure> {
    let waiting = order.state == OrderState::Paid && unit.state == UnitState::Reserved;
    if !waiting || tx.now >= order.expires_at {
        return Ok(None);
    }
    let tried = storage::vend::attempt::attempts_of_order(tx.conn, order.id)?;
    let tries = tried.iter().filter(|attempt| attempt.order_unit_id == unit.id).count();
    if tries >= ATTEMPTS_PER_UNIT
        || storage::vend::journal::cabinet_device(tx.conn, order.cabinet_id)?.is_none()
    {
        return Ok(None);
    }
    match reconcile::ensure_may_issue(tx, order.cabinet_id) {
        Ok(()) => {}
        Err(Failure::Refused(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    }
    if let Some(prescription) = order.prescription_id
        && !dispense::verify_for_start(tx.conn, tx.app, prescription, tx.now)?
    {
        return Ok(None);
    }
    let rows = store::slot_candidates(tx.conn, order.cabinet_id, &unit.product_code)?;
    let others = rows.iter().filter(|row| row.slot_no != unit.slot_no).map(candidate);
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let chosen = choose_slots(&others, 1, civil_day(tx.now)).and_then(|slots| slots.first().copied());
    let found = chosen.and_then(|slot| others.into_iter().find(|other| other.slot == slot));
    Ok(found.map(|other| StockKey {
        cabinet: order.cabinet_id,
        slot_no: other.slot.get(),
        product_code: unit.product_code.clone(),
        lot_no: other.lot_no,
    }))
}

fn relocate(tx: &mut Tx<'_>, order: &OrderRow, mut unit: UnitRow, to: &StockKey) -> Result<(), Failure> {
    move_packs(tx, &key_of(&unit), Movement::Release(1))?;
    move_packs(tx, to, Movement::Reserve(1))?;
    if !storage::order::unit_relocate(tx.conn, unit.id, to.slot_no, &to.lot_no)? {
        return Err(Refusal::moved_on(unit.state).into());
    }
    let event =
        OrderEvent::UnitRelocated { unit: unit.id, from: slot_no(unit.slot_no)?, to: slot_no(to.slot_no)? };
    tx.record(order.id, event, Recipients::worker(order.worker_id))?;
    unit.slot_no = to.slot_no;
    unit.lot_no.clone_from(&to.lot_no);
    let end = authorization_end(tx);
    storage::order::order_extend(tx.conn, order.id, end)?;
    issue(tx, order, &[unit])
}

/// Closes a slot for a reason of the cabinet itself, not of an attempt.
pub(crate) fn close_slot(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    slot: i32,
    reason: SlotClosedReason,
) -> Result<(), Failure> {
    let slot = slot_no(slot)?;
    if store::slot_close(tx.conn, cabinet, slot.get(), reason, tx.now)? {
        tx.record(cabinet, CabinetEvent::SlotClosed { slot, reason }, Recipients::nobody())?;
    }
    Ok(())
}

/// Changes the reason of a closed slot, if it is still `from`.
pub(crate) fn reclose_slot(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    slot: i32,
    (from, to): (SlotClosedReason, SlotClosedReason),
) -> Result<(), Failure> {
    let slot = slot_no(slot)?;
    if store::slot_reclose(tx.conn, cabinet, slot.get(), from, to)? {
        tx.record(cabinet, CabinetEvent::SlotReclosed { slot, was: from, reason: to }, Recipients::nobody())?;
    }
    Ok(())
}
