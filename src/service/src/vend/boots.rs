//! Tracks which boot of a cabinet is the current one. Attempts that another boot had started are in
//! doubt.

use super::{closing, orders::Orders};
use crate::{Failure, Recipients, Tx, caller::CabinetCaller};
use domain::{
    event::cabinet::CabinetEvent,
    ids::{AttemptId, CabinetId},
    refusal::{Code, Refusal},
    vend::{
        AttemptState, BootId, Command,
        messages::HelloRequest,
        reconcile::{BootHello, BootVerdict, classify_boot},
    },
};
use storage::vend::{journal::CabinetRow, reconcile as store};

/// Accepts the boot that sends a hello; `unresolved` are its started
/// attempts whose outcome is not known.
///
/// # Errors
/// `BootUnknown` for a delayed message of an older boot: it must not count as a restart, nor lock
/// out the current boot.
pub(crate) fn accept_boot(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    caller: CabinetCaller,
    cabinet: &CabinetRow,
    hello: &HelloRequest,
    unresolved: &[(AttemptId, AttemptState)],
) -> Result<(), Failure> {
    let (boot_id, mono_ms) = (hello.boot_id, hello.mono_ms);
    let boot = boot_id.to_string();
    let known = store::boot_fetch(tx.conn, cabinet.id, &boot)?;
    let is_present = cabinet.boot_id.as_deref() == Some(boot.as_str());
    let present = match &cabinet.boot_id {
        Some(present) if !is_present => store::boot_fetch(tx.conn, cabinet.id, present)?,
        _ => known.clone(),
    };
    let observed = BootHello {
        is_present,
        known: known.as_ref().map(|row| row.mono_ms),
        mono_ms,
        token_at: caller.token_at,
        present_token_at: present.filter(|_| cabinet.boot_id.is_some()).and_then(|row| row.token_at),
    };
    let newest = known.as_ref().and_then(|row| row.token_at).max(Some(caller.token_at));
    match classify_boot(&observed) {
        BootVerdict::Present => {}
        BootVerdict::Restarted => restarted(tx, orders, cabinet, boot_id, unresolved)?,
        BootVerdict::Late => return Err(Refusal::new(Code::BootUnknown).into()),
        BootVerdict::Fresh => {
            if !store::boot_begin(tx.conn, cabinet.id, &boot, (mono_ms, newest), tx.now)? {
                return Err(Refusal::new(Code::BootUnknown).into());
            }
            let event = CabinetEvent::Booted { boot_id, epoch: cabinet.epoch, same_boot_id: false };
            tx.record(cabinet.id, event, Recipients::nobody())?;
            return doubt_started(tx, orders, unresolved, boot_id);
        }
        BootVerdict::Reinstated => {
            // It started when it was first seen: this is not a restart by a person.
            let began = known.as_ref().map_or(tx.now, |row| row.first_heard_at);
            store::boot_present(tx.conn, cabinet.id, &boot, began)?;
            let event = CabinetEvent::BootLives { boot_id, epoch: cabinet.epoch };
            tx.record(cabinet.id, event, Recipients::nobody())?;
            doubt_started(tx, orders, unresolved, boot_id)?;
        }
    }
    Ok(store::boot_heard(tx.conn, cabinet.id, &boot, mono_ms, newest)?)
}

/// The started attempts of a cabinet whose outcome is not known.
pub(crate) fn unresolved(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
) -> Result<Vec<(AttemptId, AttemptState)>, Failure> {
    let states = [AttemptState::Started, AttemptState::InDoubt];
    Ok(storage::vend::attempt::attempts_of_cabinet(tx.conn, cabinet, &states)?)
}

/// The clock of a boot has gone back: the cabinet has restarted and generated the same boot id
/// again.
pub(crate) fn restarted(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: &CabinetRow,
    boot_id: BootId,
    unresolved: &[(AttemptId, AttemptState)],
) -> Result<(), Failure> {
    let boot = boot_id.to_string();
    if cabinet.boot_id.as_deref() == Some(boot.as_str()) {
        store::boot_present(tx.conn, cabinet.id, &boot, tx.now)?;
    }
    let event = CabinetEvent::Booted { boot_id, epoch: cabinet.epoch, same_boot_id: true };
    tx.record(cabinet.id, event, Recipients::nobody())?;
    let ids: Vec<AttemptId> = unresolved.iter().map(|(id, _)| *id).collect();
    closing::command_each(tx, orders, &ids, Command::SameBoot { boot: boot_id })
}

fn doubt_started(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    unresolved: &[(AttemptId, AttemptState)],
    boot: BootId,
) -> Result<(), Failure> {
    let started = unresolved.iter().filter(|(_, state)| *state == AttemptState::Started);
    let ids: Vec<AttemptId> = started.map(|(id, _)| *id).collect();
    closing::command_each(tx, orders, &ids, Command::NewBoot { boot })
}
