//! HELLO: the first message of a boot. Attempts that an earlier boot had started are in doubt from
//! now on.

use serde_json::json;

use super::{boots, journal::raise_alarm, lock_cabinet, reconcile};
use crate::{Failure, Recipients, Tx, caller::CabinetCaller, stock::packs};
use domain::{
    event::cabinet::CabinetEvent,
    refusal::Code,
    vend::{
        AttemptState,
        event::IncidentKind,
        messages::{HelloAnswer, HelloRequest, SlotReport},
    },
};
use storage::{
    stock::SlotRow,
    vend::journal::{self as store, CabinetRow},
};

/// Accepts the first message of a boot.
///
/// # Errors
/// `EpochRevoked`; `BootUnknown` for a boot that a later one has replaced.
pub fn hello(tx: &mut Tx<'_>, caller: CabinetCaller, request: &HelloRequest) -> Result<HelloAnswer, Failure> {
    let cabinet = lock_cabinet(tx, caller.cabinet)?;
    if request.epoch.0 != cabinet.epoch {
        return Err(Code::EpochRevoked.into());
    }
    boots::accept_boot(tx, caller, &cabinet, request.boot_id, request.mono_ms)?;
    store::cabinet_heard(tx.conn, cabinet.id, tx.now)?;
    if request.door_open && store::cabinet_door(tx.conn, cabinet.id, true)? {
        tx.record(cabinet.id, CabinetEvent::DoorOpened { who: None, seq: None }, Recipients::nobody())?;
    }
    if request.tampered {
        raise_alarm(tx, cabinet.id, IncidentKind::Tamper, json!({"sensor": "hello"}))?;
    }
    let slots = storage::stock::slots_of(tx.conn, cabinet.id)?;
    let (acked_seq, differs) =
        reconcile::compare_hello(tx, &cabinet, request.journal, &request.slots, &slots)?;
    let unresolved = [AttemptState::Started, AttemptState::InDoubt];
    let open = storage::vend::attempt::attempts_of_cabinet(tx.conn, cabinet.id, AttemptState::LIVE)?
        .iter()
        .any(|attempt| unresolved.contains(&attempt.state));
    let must_reconcile = open
        || differs
        || !request.open_intents.is_empty()
        || slots_differ(tx, &cabinet, slots, &request.slots)?;
    Ok(HelloAnswer { server_time: tx.now, acked_seq, must_reconcile })
}

fn slots_differ(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    slots: Vec<SlotRow>,
    reports: &[SlotReport],
) -> Result<bool, Failure> {
    for slot in slots {
        let Some(report) = reports.iter().find(|report| report.slot.get() == slot.slot_no) else {
            return Ok(true);
        };
        let (Some(product_code), Some(lot_no)) = (slot.product_code, slot.lot_no) else {
            if report.count > 0 {
                return Ok(true);
            }
            continue;
        };
        let same_lot =
            report.product_code.as_ref() == Some(&product_code) && report.lot_no.as_ref() == Some(&lot_no);
        let key =
            storage::stock::StockKey { cabinet: cabinet.id, slot_no: slot.slot_no, product_code, lot_no };
        if !same_lot || packs(tx, &key)?.expected_count() != report.count {
            return Ok(true);
        }
    }
    Ok(false)
}
