//! START: the point that makes vending exactly-once. Everything is checked and written in one
//! transaction that has locked the cabinet's row.

use super::{closing, issue::lot_may_vend, orders::Orders, pickup, sweep::withdraw};
use crate::{Failure, Tx, caller::CabinetCaller, order::sale::recheck, prescription::dispense};
use domain::{
    formulary::SaleClass,
    ids::AttemptId,
    order::OrderState,
    prescription::{CabinetLane, may_sell_without_prescription, may_vend},
    refusal::Code,
    vend::{
        Command, Epoch, StartGate,
        attempt::VoidReason,
        decide,
        messages::{Grant, StartRequest},
    },
};
use storage::{
    order::OrderRow,
    stock::FilledSlot,
    vend::{
        attempt::AttemptRow,
        journal::{CabinetRow, cabinet_lock_heard, standing_with_slots},
    },
};

/// Grants one attempt to the requesting boot; a repeated request of the same boot gets the same
/// GRANT.
///
/// # Errors
/// `NotFound` for another cabinet's attempt; the refusals of [`StartGate`]; a contraindication in
/// the worker's record, and then the order is withdrawn and paid back. A wrong pickup code is
/// counted although START is refused.
pub fn start(
    tx: &mut Tx<'_>,
    caller: CabinetCaller,
    id: AttemptId,
    request: &StartRequest,
) -> Result<Grant, Failure> {
    let cabinet = cabinet_lock_heard(tx.conn, caller.cabinet, tx.now)?.ok_or(Code::NotFound)?;
    let mut orders = Orders::default();
    let prescription = orders.read_attempt_prescribed(tx, id)?;
    let attempt = orders.attempt(id)?.clone();
    if attempt.row.cabinet_id != cabinet.id {
        return Err(Code::NotFound.into());
    }
    let order = orders.order(attempt.row.order_id)?.clone();
    let (standing, mut slots) = standing_with_slots(tx.conn, cabinet.id, &[attempt.row.slot_no])?;
    let slot = slots.pop();
    let prescribed = match prescription.filter(|_| order.row.state == OrderState::Paid) {
        Some((row, lines)) => dispense::vendable(tx.conn, tx.app, &row, &lines, tx.now)?,
        None => None,
    };
    let pause = pickup::pause_left(tx, standing.hatch_try.as_ref(), &request.pickup_code);
    let gate = StartGate {
        pickup: pickup::check(tx, &order.row, &request.pickup_code, pause)?,
        boot_is_current: cabinet.boot_id.as_deref() == Some(request.boot_id.to_string().as_str()),
        epoch_is_current: caller.epoch == cabinet.epoch,
        door_closed: !cabinet.door_open,
        tampered: cabinet.tampered,
        reconciled: standing.discrepancies.is_empty(),
        slot_open: slot.as_ref().is_some_and(|slot| is_open_for(slot, &attempt.row)),
        lot_ok: lot_ok(tx, &cabinet, &order.row, slot.as_ref()),
        prescription_ok: order.row.state == OrderState::Paid
            && (prescribed.is_some() || order.row.prescription_id.is_none()),
    };
    let asked = Command::Start { boot: request.boot_id, epoch: Epoch(caller.epoch), gate };
    match decide(attempt.attempt(), asked, tx.now) {
        Ok(events) => {
            // A repeated GRANT is not a new START: the pack may be moving already.
            if !events.is_empty()
                && let Some(refusal) = recheck::contraindication(tx, &order, prescribed.as_ref())?
            {
                // The withdrawal and refund are committed although START is refused.
                tx.commit_on_refusal();
                withdraw(tx, &mut orders, order.row.id, VoidReason::Unsafe)?;
                return Err(refusal.into());
            }
            closing::command(tx, &mut orders, id, asked)?;
            let ttl_ms = tx.app.policy.vending.grant_seconds.saturating_mul(1000);
            Ok(Grant { boot_id: request.boot_id, ttl_ms })
        }
        Err(refusal) => {
            if refusal.code == Code::PickupCodeWrong {
                pickup::count_wrong(tx, standing.hatch_try, &order.row, &request.pickup_code)?;
            }
            Err(match pause.filter(|_| refusal.code == Code::PickupCodeLocked) {
                Some(seconds) => refusal.retry_after(seconds).into(),
                None => refusal.into(),
            })
        }
    }
}

fn is_open_for(slot: &FilledSlot, row: &AttemptRow) -> bool {
    slot.row.closed_reason.is_none()
        && slot.row.product_code.as_deref() == Some(row.product_code.as_str())
        && slot.row.lot_no.as_deref() == Some(row.lot_no.as_str())
}

/// About the lot in the slot: where it is not the attempt's, the slot is not open for it.
fn lot_ok(tx: &Tx<'_>, cabinet: &CabinetRow, order: &OrderRow, slot: Option<&FilledSlot>) -> bool {
    let Some(lot) = slot.and_then(|slot| slot.lot.as_ref()) else { return false };
    let formulary = tx.app.formulary();
    // An older order may contain a product that has left the catalogue since, or is on the
    // never-list by now.
    formulary.find(&lot.product_code).is_some_and(|product| {
        let listed = formulary.standing(&product.code).is_some_and(|known| known.never.is_some());
        product.in_formulary
            && !listed
            && lane_permits(cabinet.lane, product.class, order.prescription_id.is_some())
            && lot_may_vend(lot, tx.now)
    })
}

/// Whether a cabinet of this lane may vend this class, with or without a prescription.
pub(crate) fn lane_permits(lane: CabinetLane, class: SaleClass, prescribed: bool) -> bool {
    if prescribed { may_vend(lane, class) } else { may_sell_without_prescription(lane, class) }
}
