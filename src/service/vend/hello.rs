//! HELLO: the first word of a boot. Whatever an earlier boot had started is in
//! doubt from here on.

use serde_json::json;

use crate::{
    domain::{
        refusal::{Code, Refusal},
        vend::{
            AttemptState, Command,
            attempt_event::IncidentKind,
            decide,
            journal::JournalHead,
            messages::{HelloAnswer, HelloRequest, SlotReport},
        },
    },
    service::{Failure, Hearers, Tx, caller::CabinetCaller},
    storage::{
        attempts,
        journal::{self as store, CabinetRow},
        stock,
    },
};

use super::{closing::apply, domain_attempt, events::raise_alarm, lock_cabinet, stock::packs};

/// Takes a boot's first word.
///
/// # Errors
/// `EpochRevoked`; `BootUnknown` for a boot that another one has followed.
pub fn hello(tx: &mut Tx<'_>, caller: CabinetCaller, request: &HelloRequest) -> Result<HelloAnswer, Failure> {
    let cabinet = lock_cabinet(tx, caller.cabinet)?;
    if request.epoch.0 != cabinet.epoch {
        return Err(Code::EpochRevoked.into());
    }
    take_boot(tx, &cabinet, request)?;
    store::cabinet_heard(tx.conn, cabinet.id, tx.now)?;
    if request.door_open && store::cabinet_door(tx.conn, cabinet.id, true)? {
        tx.record("cabinet", cabinet.id, "cabinet.door_opened", json!({}), Hearers::nobody())?;
    }
    if request.tampered {
        raise_alarm(tx, cabinet.id, IncidentKind::Tamper, json!({"sensor": "hello"}))?;
    }
    let head = store::journal_head(tx.conn, cabinet.id, cabinet.epoch)?;
    let (acked_seq, same_end) = compare_heads(tx, &cabinet, request.journal, head)?;
    let unresolved = [AttemptState::Started, AttemptState::InDoubt];
    let open = attempts::attempts_of_cabinet(tx.conn, cabinet.id, AttemptState::LIVE)?
        .iter()
        .any(|attempt| unresolved.contains(&attempt.state));
    let must_reconcile =
        open || !same_end || !request.open_intents.is_empty() || slots_differ(tx, &cabinet, &request.slots)?;
    Ok(HelloAnswer { server_time: tx.now, acked_seq, must_reconcile })
}

/// A boot that was heard of before and is not the present one is an old
/// message, late on the line: it must not pass for a restart.
fn take_boot(tx: &mut Tx<'_>, cabinet: &CabinetRow, request: &HelloRequest) -> Result<(), Failure> {
    let boot = request.boot_id.to_string();
    if cabinet.boot_id.as_deref() == Some(boot.as_str()) {
        return Ok(());
    }
    if !store::boot_add(tx.conn, cabinet.id, &boot, tx.now)? {
        return Err(Refusal::new(Code::BootUnknown).into());
    }
    let payload = json!({"boot_id": boot, "epoch": cabinet.epoch});
    tx.record("cabinet", cabinet.id, "cabinet.booted", payload, Hearers::nobody())?;
    let started = attempts::attempts_of_cabinet(tx.conn, cabinet.id, &[AttemptState::Started])?;
    for row in started {
        let events = decide(&domain_attempt(&row)?, Command::NewBoot { boot: request.boot_id }, tx.now)?;
        apply(tx, &row, &events)?;
    }
    Ok(())
}

/// How far the journal has arrived, and whether both ends are the same. An end
/// that the server knows under another hash is a fork.
fn compare_heads(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    told: JournalHead,
    stored: Option<store::Head>,
) -> Result<(i64, bool), Failure> {
    let Some((seq, hash)) = stored else { return Ok((0, told.seq == 0)) };
    let told_hash = told.hash.to_string();
    if told.seq >= 1 && told.seq <= seq {
        let kept = store::journal_hashes(tx.conn, cabinet.id, cabinet.epoch, told.seq, told.seq)?;
        if kept.iter().any(|(_, kept)| *kept != told_hash) {
            raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, json!({"seq": told.seq}))?;
        }
    }
    Ok((seq, told.seq == seq && told_hash == hash))
}

fn slots_differ(tx: &mut Tx<'_>, cabinet: &CabinetRow, told: &[SlotReport]) -> Result<bool, Failure> {
    for slot in stock::slots_of(tx.conn, cabinet.id)? {
        let Some(report) = told.iter().find(|report| report.slot.get() == slot.slot_no) else {
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
        let key = stock::StockKey { cabinet: cabinet.id, slot_no: slot.slot_no, product_code, lot_no };
        if !same_lot || packs(tx, &key)?.expected_count() != report.count {
            return Ok(true);
        }
    }
    Ok(false)
}
