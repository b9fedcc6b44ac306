//! Issuing an attempt: one signed permission for one pack.

use chrono::TimeDelta;

use super::{attempt::LoadedAttempt, orders::Orders, reconcile, slot_no};
use crate::{Failure, Tx};
use coordination::Topic;
use crypto::vend_auth::{self, OnePack, VendAuthorization};
use domain::{
    ids::{AttemptId, DeviceId, OrderId, OrderUnitId},
    refusal::{Code, Refusal},
    stock::SlotCandidate,
    time::{Timestamp, civil_day},
    vend::{AttemptState, attempt::may_issue},
};
use storage::{
    order::UnitRow,
    stock::{FilledSlot, LotRow, StockedSlot},
    vend::{attempt::AttemptRow, journal::CabinetStanding},
};

/// Who may carry out attempts that are issued now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issuer {
    device: DeviceId,
    epoch: i64,
}

impl Issuer {
    /// # Errors
    /// `CabinetTampered`; `CabinetNotReconciled`; `CabinetClosed` without a live device.
    pub fn of(standing: &CabinetStanding) -> Result<Self, Failure> {
        reconcile::ensure_may_issue(standing)?;
        let (device, epoch) = standing.device.ok_or(Code::CabinetClosed)?;
        Ok(Self { device, epoch })
    }
}

/// Checks that attempts may be issued for the packs of an order, which lie in these slots.
///
/// # Errors
/// `CabinetClosed` for a closed slot; `LotNotAllowed`; `StateMovedOn` and similar codes where
/// another attempt prevents it.
pub(crate) fn ensure_may_issue(
    now: Timestamp,
    orders: &Orders,
    units: &[UnitRow],
    slots: &[FilledSlot],
) -> Result<(), Failure> {
    for unit in units {
        may_issue(orders.attempts_of(unit.id).map(|attempt| attempt.row.state))?;
        slot_may_vend(now, slots.iter().find(|slot| slot.row.slot_no == unit.slot_no), unit)?;
    }
    Ok(())
}

/// Issues one attempt for each of `units`, which wait no longer: the order has authorised them.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn issue(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    order: OrderId,
    units: &[OrderUnitId],
    issuer: Issuer,
) -> Result<(), Failure> {
    let order = orders.order(order)?;
    let mut issued = Vec::with_capacity(units.len());
    for id in units {
        let row = authorised(tx, order.unit(*id)?, issuer)?;
        issued.push(LoadedAttempt::new(tx, row, order.row.worker_id)?);
    }
    let cabinet = order.row.cabinet_id;
    LoadedAttempt::issue(tx, &issued)?;
    orders.add(issued);
    tx.wake(Topic::Cabinet(cabinet));
    Ok(())
}

fn authorised(tx: &Tx<'_>, unit: &UnitRow, issuer: Issuer) -> Result<AttemptRow, Failure> {
    let id = AttemptId::generate();
    let expires_at = tx.now + TimeDelta::minutes(i64::from(tx.app.policy.vending.authorization_minutes));
    let authorization = VendAuthorization {
        issuer: tx.app.policy.network.clone(),
        device: issuer.device,
        attempt: id,
        epoch: issuer.epoch,
        order_unit: unit.id,
        slot: unit.slot_no.to_string(),
        product_code: unit.product_code.clone(),
        lot: unit.lot_no.clone(),
        quantity: OnePack,
        issued_at: tx.now,
        not_before: tx.now,
        expires_at,
    };
    Ok(AttemptRow {
        id,
        order_unit_id: unit.id,
        order_id: unit.order_id,
        cabinet_id: unit.cabinet_id,
        epoch: issuer.epoch,
        slot_no: unit.slot_no,
        product_code: unit.product_code.clone(),
        lot_no: unit.lot_no.clone(),
        state: AttemptState::Issued,
        vend_authorization: vend_auth::issue(&tx.app.keys.tokens, &authorization)?,
        expires_at,
        started_at: None,
        boot_id: None,
        doubted_at: None,
        ended_at: None,
        outcome: None,
    })
}

/// Checked at issue, and again at START.
fn slot_may_vend(now: Timestamp, slot: Option<&FilledSlot>, unit: &UnitRow) -> Result<(), Failure> {
    let slot = slot.ok_or(Code::CabinetClosed)?;
    let of_unit = |lot: &&LotRow| lot.product_code == unit.product_code && lot.lot_no == unit.lot_no;
    if !slot.lot.as_ref().filter(of_unit).is_some_and(|lot| lot_may_vend(lot, now)) {
        return Err(Code::LotNotAllowed.into());
    }
    match slot.row.closed_reason {
        None => Ok(()),
        Some(reason) => Err(Refusal::new(Code::CabinetClosed).in_state(reason).into()),
    }
}

/// Neither recalled nor past its expiry day in Asia/Shanghai.
pub(crate) fn lot_may_vend(lot: &LotRow, now: Timestamp) -> bool {
    lot.recalled_at.is_none() && lot.expires_on >= civil_day(now)
}

/// Converts a stored slot to the type that slots are chosen from; `None` for one that was never
/// filled.
pub(crate) fn candidate(slot: &StockedSlot) -> Result<Option<SlotCandidate>, Failure> {
    let Some(lot) = &slot.lot else { return Ok(None) };
    Ok(Some(SlotCandidate {
        slot: slot_no(slot.row.slot_no)?,
        lot_no: lot.lot_no.clone(),
        expires_on: lot.expires_on,
        on_hand: crate::stock::packs(slot)?.on_hand(),
        closed: slot.row.closed_reason.is_some(),
        recalled: lot.recalled_at.is_some(),
    }))
}
