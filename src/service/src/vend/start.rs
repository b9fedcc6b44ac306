//! START: the point that makes vending exactly-once. Everything is checked and written in one
//! transaction that has locked the cabinet's row.

use super::{
    closing::apply, domain_attempt, issue::lot_may_vend, lock_cabinet, pickup, reconcile, sweep::withdraw,
};
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
    stock as store,
    vend::{attempt::AttemptRow, journal::CabinetRow},
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
    let cabinet = lock_cabinet(tx, caller.cabinet)?;
    let row = storage::vend::attempt::attempt_fetch(tx.conn, id)?
        .filter(|row| row.cabinet_id == cabinet.id)
        .ok_or(Code::NotFound)?;
    let order = storage::order::order_lock(tx.conn, row.order_id)?.ok_or(Code::NotFound)?;
    let gate = StartGate {
        pickup: pickup::check(tx, &order, &request.pickup_code)?,
        boot_is_current: cabinet.boot_id.as_deref() == Some(request.boot_id.to_string().as_str()),
        epoch_is_current: caller.epoch == cabinet.epoch,
        door_closed: !cabinet.door_open,
        tampered: cabinet.tampered,
        reconciled: reconcile::is_reconciled(tx, cabinet.id)?,
        slot_open: slot_open(tx, &row)?,
        lot_ok: lot_ok(tx, &cabinet, &order, &row)?,
        prescription_ok: paid_and_prescribed(tx, &order)?,
    };
    let asked = Command::Start { boot: request.boot_id, epoch: Epoch(caller.epoch), gate };
    match decide(&domain_attempt(&row)?, asked, tx.now) {
        Ok(events) => {
            // A repeated GRANT is not a new START: the pack may be moving already.
            if !events.is_empty()
                && let Some(refusal) = recheck::contraindication(tx, &order)?
            {
                // The withdrawal and refund are committed although START is refused.
                tx.commit_on_refusal();
                withdraw(tx, order.id, VoidReason::Unsafe)?;
                return Err(refusal.into());
            }
            apply(tx, &row, &events)?;
            storage::vend::journal::cabinet_heard(tx.conn, cabinet.id, tx.now)?;
            let ttl_ms = tx.app.policy.vending.grant_seconds.saturating_mul(1000);
            Ok(Grant { boot_id: request.boot_id, ttl_ms })
        }
        Err(refusal) => {
            if refusal.code == Code::PickupCodeWrong {
                pickup::count_wrong(tx, cabinet.id, &order, &request.pickup_code)?;
            }
            let left = match refusal.code {
                Code::PickupCodeLocked => pickup::pause_left(tx, cabinet.id, &request.pickup_code)?,
                _ => None,
            };
            Err(match left {
                Some(seconds) => refusal.retry_after(seconds).into(),
                None => refusal.into(),
            })
        }
    }
}

fn slot_open(tx: &mut Tx<'_>, row: &AttemptRow) -> Result<bool, Failure> {
    let slot = store::slot_fetch(tx.conn, row.cabinet_id, row.slot_no)?;
    Ok(slot.is_some_and(|slot| {
        slot.closed_reason.is_none()
            && slot.product_code.as_deref() == Some(row.product_code.as_str())
            && slot.lot_no.as_deref() == Some(row.lot_no.as_str())
    }))
}

fn lot_ok(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    order: &OrderRow,
    row: &AttemptRow,
) -> Result<bool, Failure> {
    let Some(product) = store::product_sale(tx.conn, &row.product_code)? else { return Ok(false) };
    let in_lane = lane_permits(cabinet.lane, &product.class, order.prescription_id.is_some());
    // An older order may contain a product that has left the catalogue since, or is on the
    // never-list by now.
    let formulary = tx.app.formulary();
    let known = formulary.find(&row.product_code).and_then(|known| formulary.standing(&known.code));
    let listed = known.is_some_and(|known| known.never.is_some());
    Ok(in_lane && product.in_formulary && !listed && lot_may_vend(tx, &row.product_code, &row.lot_no)?)
}

/// Whether a cabinet of this lane may vend this class, with or without a prescription.
pub(crate) fn lane_permits(lane: CabinetLane, class: &str, prescribed: bool) -> bool {
    match SaleClass::parse(class) {
        Some(class) if prescribed => may_vend(lane, class),
        Some(class) => may_sell_without_prescription(lane, class),
        None => false,
    }
}

fn paid_and_prescribed(tx: &mut Tx<'_>, order: &OrderRow) -> Result<bool, Failure> {
    if order.state != OrderState::Paid {
        return Ok(false);
    }
    match order.prescription_id {
        Some(prescription) => dispense::verify_for_start(tx.conn, tx.app, prescription, tx.now),
        None => Ok(true),
    }
}
