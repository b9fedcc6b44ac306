//! What follows from an attempt's change of state for its pack and for its slot. A pack that was
//! not dispensed is tried once more from another slot, or paid back.

use super::{
    issue::{self, Issuer, candidate},
    orders::Orders,
};
use crate::{Failure, Tx, prescription::dispense};
use domain::{
    ids::{AttemptId, CabinetId, OrderId, OrderUnitId},
    order,
    stock::{SlotCandidate, SlotNo, choose_slots},
    time::civil_day,
    vend::{
        AttemptEvent, Command,
        attempt::VoidReason,
        decide,
        event::{IncidentKind, Proof},
    },
};
use storage::{
    order::UnitRow,
    stock as store,
    vend::{attempt::attempts_issued_of_slot, incident::incident_over, journal::cabinet_standing},
};

/// Decides on an attempt and carries out everything that follows; `false` if it was done already.
/// The caller has locked the cabinet, and read the attempt.
///
/// # Errors
/// Refusals of the rules.
pub(crate) fn command(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    id: AttemptId,
    command: Command,
) -> Result<bool, Failure> {
    let attempt = orders.attempt(id)?;
    let events = decide(attempt.attempt(), command, tx.now)?;
    attempt.commit(tx, &events)?;
    let (order, unit) = (attempt.row.order_id, attempt.row.order_unit_id);
    // A slot that the same decision closed must not be chosen again, so it was closed first.
    for event in &events {
        match event {
            AttemptEvent::Issued { .. }
            | AttemptEvent::Started { .. }
            | AttemptEvent::IncidentOpened { .. } => {}
            AttemptEvent::SlotClosed { slot, .. } => free_issued(tx, orders, id, *slot)?,
            AttemptEvent::Doubted { .. } => {
                orders.order(order)?.command(tx, [order::Command::UnitInDoubt(unit)])?;
            }
            AttemptEvent::Dispensed { .. } => {
                orders.order(order)?.command(tx, [order::Command::UnitDispensed(unit)])?;
            }
            AttemptEvent::Voided { reason } => match reason {
                // `sweep::withdraw` settles the packs, all of an order together.
                VoidReason::Expired | VoidReason::Cancelled | VoidReason::Unsafe => {}
                VoidReason::Replaced => give_up(tx, orders, order, unit)?,
                VoidReason::Recalled | VoidReason::Declined | VoidReason::SlotClosed => {
                    retry_from_another_slot(tx, orders, id)?;
                }
            },
            AttemptEvent::NotDispensed { proof, .. } => match proof {
                Proof::Journal => retry_from_another_slot(tx, orders, id)?,
                // By the time a person has counted, the worker has left.
                Proof::HumanCount => give_up(tx, orders, order, unit)?,
            },
        }
    }
    Ok(!events.is_empty())
}

/// As [`command`], for each of these attempts.
///
/// # Errors
/// As there.
pub(crate) fn command_each(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    ids: &[AttemptId],
    what: Command,
) -> Result<(), Failure> {
    orders.read_attempts(tx, ids)?;
    for id in ids {
        command(tx, orders, *id, what)?;
    }
    Ok(())
}

/// A slot that closed because of an attempt vends nothing until somebody has counted it, and by
/// then its workers have left. So issued attempts from there that have not started are moved to
/// another slot, or paid back at once.
///
/// This excludes the attempt `over` because of which the slot closed. If it has not started, the
/// cabinet has reported a pack that was dispensed without START: it may have been this worker's,
/// and no second one must follow. It is paid back when it expires, and a person handles the
/// incident.
fn free_issued(tx: &mut Tx<'_>, orders: &mut Orders, over: AttemptId, slot: SlotNo) -> Result<(), Failure> {
    let cabinet = orders.attempt(over)?.row.cabinet_id;
    let mut issued = attempts_issued_of_slot(tx.conn, cabinet, slot.get())?;
    issued.retain(|id| *id != over);
    command_each(tx, orders, &issued, Command::Void { reason: VoidReason::SlotClosed })
}

/// Pays back a pack whose attempt has ended.
fn give_up(tx: &mut Tx<'_>, orders: &mut Orders, order: OrderId, unit: OrderUnitId) -> Result<(), Failure> {
    let settled = [order::Command::UnitFreed(unit), order::Command::UnitNotDispensed(unit)];
    orders.order(order)?.command(tx, settled)
}

/// Moves the pack of an attempt that has ended to another open slot, once, or pays it back.
fn retry_from_another_slot(tx: &mut Tx<'_>, orders: &mut Orders, ended: AttemptId) -> Result<(), Failure> {
    let row = &orders.attempt(ended)?.row;
    let (order, unit, cabinet) = (row.order_id, row.order_unit_id, row.cabinet_id);
    // The cabinet reported it as dispensed without START: no second pack must follow, whatever the
    // reason of the withdrawal.
    if incident_over(tx.conn, cabinet, ended, IncidentKind::VendWithoutStart)? {
        return give_up(tx, orders, order, unit);
    }
    let tries = orders.attempts_of(unit).count();
    let Some((to, issuer)) = another_slot(tx, orders, (order, unit), tries)? else {
        return give_up(tx, orders, order, unit);
    };
    let order = orders.order(order)?;
    order.given.lot_no = Some(to.lot_no);
    let moved = [
        order::Command::UnitFreed(unit),
        order::Command::RelocateUnit { unit, to: to.slot, tries },
        order::Command::UnitAuthorised(unit),
    ];
    order.command(tx, moved)?;
    let order = order.row.id;
    issue::issue(tx, orders, order, &[unit], issuer)
}

fn another_slot(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    (order, unit): (OrderId, OrderUnitId),
    tries: usize,
) -> Result<Option<(SlotCandidate, Issuer)>, Failure> {
    let order = orders.order(order)?;
    let mut freed = order.order().clone();
    freed.apply(&order::OrderEvent::UnitFreed { unit });
    if !freed.unit(unit).is_some_and(|unit| order::may_relocate(&freed, unit, tries, tx.now)) {
        return Ok(None);
    }
    let issuer = match Issuer::of(&cabinet_standing(tx.conn, order.row.cabinet_id)?) {
        Ok(issuer) => issuer,
        Err(Failure::Refused(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    if let Some(prescription) = order.row.prescription_id
        && !dispense::verify_for_start(tx.conn, tx.app, prescription, tx.now)?
    {
        return Ok(None);
    }
    let chosen = slot_besides(tx, order.row.cabinet_id, order.unit(unit)?)?;
    Ok(chosen.map(|slot| (slot, issuer)))
}

/// Another slot of the cabinet from which the pack may come.
fn slot_besides(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    unit: &UnitRow,
) -> Result<Option<SlotCandidate>, Failure> {
    let slots = store::slots_with_products(tx.conn, cabinet, &[unit.product_code.as_str()])?;
    let others = slots.iter().filter(|slot| slot.row.slot_no != unit.slot_no).map(candidate);
    let others: Vec<SlotCandidate> = others.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let chosen = choose_slots(&others, 1, civil_day(tx.now)).and_then(|slots| slots.first().copied());
    Ok(chosen.and_then(|slot| others.into_iter().find(|other| other.slot == slot)))
}
