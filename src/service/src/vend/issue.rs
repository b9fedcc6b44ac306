//! Issuing an attempt: one signed permission for one pack.

use chrono::TimeDelta;

use super::{reconcile, slot_no};
use crate::{Failure, Recipients, Tx, order::write::command};
use coordination::Topic;
use crypto::vend_auth::{self, OnePack, VendAuthorization};
use domain::{
    ids::{AttemptId, DeviceId},
    order::Command,
    refusal::{Code, Refusal},
    stock::SlotCandidate,
    time::{Timestamp, civil_day},
    vend::{AttemptEvent, AttemptState, Epoch, attempt::may_issue},
};
use storage::{
    order::{OrderRow, UnitRow},
    sql_types::At,
    stock::{self as store, CandidateRow},
    vend::attempt::NewAttempt,
};

/// Until when an attempt may start on an authorization issued now.
pub(crate) fn authorization_end(tx: &Tx<'_>) -> Timestamp {
    tx.now + TimeDelta::minutes(i64::from(tx.app.policy.vending.authorization_minutes))
}

/// Issues one attempt for each of `units`, which must be waiting, in slots that may vend now.
///
/// # Errors
/// `CabinetTampered`; `CabinetNotReconciled`; `CabinetClosed` without a live device or for a closed
/// slot; `LotNotAllowed`; `StateMovedOn` and similar codes where another attempt prevents it.
pub fn issue(tx: &mut Tx<'_>, order: &OrderRow, units: &[UnitRow]) -> Result<(), Failure> {
    reconcile::ensure_may_issue(tx, order.cabinet_id)?;
    let (device, epoch) =
        storage::vend::journal::cabinet_device(tx.conn, order.cabinet_id)?.ok_or(Code::CabinetClosed)?;
    let earlier = storage::vend::attempt::attempts_of_order(tx.conn, order.id)?;
    for unit in units {
        let of_unit = earlier.iter().filter(|attempt| attempt.order_unit_id == unit.id);
        may_issue(of_unit.map(|attempt| attempt.state))?;
        slot_may_vend(tx, unit)?;
        one(tx, order, unit, device, epoch)?;
    }
    tx.wake(Topic::Cabinet(order.cabinet_id));
    Ok(())
}

fn one(
    tx: &mut Tx<'_>,
    order: &OrderRow,
    unit: &UnitRow,
    device: DeviceId,
    epoch: i64,
) -> Result<(), Failure> {
    let (id, expires_at) = (AttemptId::generate(), authorization_end(tx));
    let authorization = VendAuthorization {
        issuer: tx.app.policy.network.clone(),
        device,
        attempt: id,
        epoch,
        order_unit: unit.id,
        slot: unit.slot_no.to_string(),
        product_code: unit.product_code.clone(),
        lot: unit.lot_no.clone(),
        quantity: OnePack,
        issued_at: tx.now,
        not_before: tx.now,
        expires_at,
    };
    let row = NewAttempt {
        id,
        order_unit_id: unit.id,
        order_id: order.id,
        cabinet_id: order.cabinet_id,
        epoch,
        slot_no: unit.slot_no,
        product_code: unit.product_code.clone(),
        lot_no: unit.lot_no.clone(),
        state: AttemptState::Issued,
        vend_authorization: vend_auth::issue(&tx.app.keys.tokens, &authorization)?,
        issued_at: At(tx.now),
        expires_at: At(expires_at),
    };
    storage::vend::attempt::attempts_add(tx.conn, &[row])?;
    let event = AttemptEvent::Issued {
        order_unit: unit.id,
        cabinet: order.cabinet_id,
        epoch: Epoch(epoch),
        slot: slot_no(unit.slot_no)?,
        expires_at,
    };
    tx.record(id, event, Recipients::worker(order.worker_id))?;
    command(tx, order.id, Command::UnitAuthorised(unit.id)).map(|_| ())
}

/// Checked at issue, and again at START.
fn slot_may_vend(tx: &mut Tx<'_>, unit: &UnitRow) -> Result<(), Failure> {
    let slot = store::slot_fetch(tx.conn, unit.cabinet_id, unit.slot_no)?.ok_or(Code::CabinetClosed)?;
    if !lot_may_vend(tx, &unit.product_code, &unit.lot_no)? {
        return Err(Code::LotNotAllowed.into());
    }
    match slot.closed_reason {
        None => Ok(()),
        Some(reason) => Err(Refusal::new(Code::CabinetClosed).in_state(reason).into()),
    }
}

/// Neither recalled nor past its expiry day in Asia/Shanghai.
pub(crate) fn lot_may_vend(tx: &mut Tx<'_>, product_code: &str, lot_no: &str) -> Result<bool, Failure> {
    let lot = store::lot_fetch(tx.conn, product_code, lot_no)?;
    let today = civil_day(tx.now);
    Ok(lot.is_some_and(|lot| lot.recalled_at.is_none() && lot.expires_on >= today))
}

/// Converts a stored slot to the type that slots are chosen from.
pub fn candidate(row: &CandidateRow) -> Result<SlotCandidate, Failure> {
    Ok(SlotCandidate {
        slot: slot_no(row.slot_no)?,
        lot_no: row.lot_no.clone(),
        expires_on: row.expires_on,
        on_hand: u32::try_from(row.on_hand).unwrap_or(0),
        closed: row.closed_reason.is_some(),
        recalled: row.recalled_at.is_some(),
    })
}
