//! HELLO: the first message of a boot. Attempts that an earlier boot had started are in doubt from
//! now on.

use serde_json::json;

use super::{boots, journal::raise_alarm, orders::Orders, reconcile};
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
use storage::{stock::StockedSlot, vend::journal as store};

/// Accepts the first message of a boot.
///
/// # Errors
/// `EpochRevoked`; `BootUnknown` for a boot that a later one has replaced.
pub fn hello(tx: &mut Tx<'_>, caller: CabinetCaller, request: &HelloRequest) -> Result<HelloAnswer, Failure> {
    let cabinet = store::cabinet_lock_heard(tx.conn, caller.cabinet, tx.now)?.ok_or(Code::NotFound)?;
    if request.epoch.0 != cabinet.epoch {
        return Err(Code::EpochRevoked.into());
    }
    // A new boot puts started ones in doubt, so they stay unresolved.
    let (unresolved, open) = storage::vend::attempt::attempts_and_discrepancies(
        tx.conn,
        cabinet.id,
        &[AttemptState::Started, AttemptState::InDoubt],
    )?;
    boots::accept_boot(tx, &mut Orders::default(), caller, &cabinet, request, &unresolved)?;
    if request.door_open && store::cabinet_door(tx.conn, cabinet.id, true)? {
        tx.record(cabinet.id, CabinetEvent::DoorOpened { who: None, seq: None }, Recipients::nobody())?;
    }
    if request.tampered {
        raise_alarm(tx, cabinet.id, IncidentKind::Tamper, json!({"sensor": "hello"}))?;
    }
    let slots = storage::stock::slots_stocked(tx.conn, &[cabinet.id])?;
    let (acked_seq, differs) =
        reconcile::compare_hello(tx, &cabinet, request.journal, &request.slots, &slots, &open)?;
    let must_reconcile = differs
        || !request.open_intents.is_empty()
        || !unresolved.is_empty()
        || slots_differ(&slots, &request.slots)?;
    Ok(HelloAnswer { server_time: tx.now, acked_seq, must_reconcile })
}

fn slots_differ(slots: &[StockedSlot], reports: &[SlotReport]) -> Result<bool, Failure> {
    for slot in slots {
        let Some(report) = reports.iter().find(|report| report.slot.get() == slot.row.slot_no) else {
            return Ok(true);
        };
        let filled = slot.row.lot_no.is_some();
        let same_lot = report.product_code == slot.row.product_code && report.lot_no == slot.row.lot_no;
        if (filled && !same_lot) || packs(slot)?.expected_count() != report.count {
            return Ok(true);
        }
    }
    Ok(false)
}
