//! Receives the cabinet's journal: entries are checked as a hash chain, stored, and applied.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{boots, closing, incident, orders::Orders, reconcile};
use crate::{Failure, Recipients, Tx, caller::CabinetCaller, stock::restocking};
use domain::{
    event::cabinet::CabinetEvent,
    ids::{AttemptId, CabinetId},
    refusal::{Code, FieldProblem, Refusal},
    stock::is_lot_no,
    vend::{
        BootId, Command, Evidence, JournalHash,
        event::IncidentKind,
        journal::{BATCH_MAX, BatchVerdict, Body, JournalEntry, JournalHead, verify_batch},
        messages::{EventsAnswer, EventsRequest},
    },
    words::Bilingual,
};
use storage::{
    sql_types::At,
    vend::{
        incident as incident_store,
        journal::{self as store, CabinetRow, LastEntry, NewEntry},
        reconcile::boot_moved,
    },
};

/// Accepts a batch of journal entries.
///
/// # Errors
/// `JournalGap` with the expected seq (`expected_seq`); `CabinetTampered` for a rewritten journal,
/// after raising the alarm; `EpochRevoked` for an epoch below 1 or above the cabinet's.
pub fn accept(
    tx: &mut Tx<'_>,
    caller: CabinetCaller,
    request: &EventsRequest,
) -> Result<EventsAnswer, Failure> {
    let locked = store::cabinet_lock_with_journal(tx.conn, caller.cabinet)?.ok_or(Code::NotFound)?;
    let cabinet = locked.row;
    if request.epoch.0 < 1 || request.epoch.0 > cabinet.epoch {
        return Err(Code::EpochRevoked.into());
    }
    check_size(&request.entries)?;
    let stored_end = match request.epoch.0 == cabinet.epoch {
        true => locked.last,
        false => store::journal_last(tx.conn, cabinet.id, request.epoch.0)?,
    };
    let head = head_of(stored_end.as_ref())?;
    let stored = stored_hashes(tx, cabinet.id, request.epoch.0, head, &request.entries)?;
    match verify_batch(head, |seq| stored.get(&seq).copied(), &request.entries) {
        BatchVerdict::Accepted { known, head } => {
            let fresh = request.entries.get(known..).unwrap_or_default();
            store_entries(tx, &cabinet, request.epoch.0, fresh)?;
            if request.epoch.0 == cabinet.epoch && !fresh.is_empty() {
                reconcile::journal_arrived(tx, &cabinet, head, &locked.discrepancies)?;
            }
            let mut orders = Orders::default();
            let with_evidence = fresh.iter().filter(|entry| entry.body.evidence().is_some());
            let named: Vec<AttemptId> = with_evidence.filter_map(|entry| entry.body.attempt()).collect();
            orders.read_attempts(tx, &named)?;
            let mut last = stored_end.and_then(|end| Some((BootId::parse(&end.boot_id)?, end.mono_ms)));
            for entry in fresh {
                if last.is_some_and(|(boot, mono_ms)| boot == entry.boot_id && entry.mono_ms < mono_ms) {
                    let unresolved = boots::unresolved(tx, cabinet.id)?;
                    boots::restarted(tx, &mut orders, &cabinet, entry.boot_id, &unresolved)?;
                }
                last = Some((entry.boot_id, entry.mono_ms));
                apply_entry(tx, &mut orders, &cabinet, request.epoch.0, entry)?;
            }
            Ok(EventsAnswer { acked_seq: head.seq })
        }
        BatchVerdict::Gap { expected } => {
            Err(Refusal::new(Code::JournalGap).with_data(json!({"expected_seq": expected})).into())
        }
        BatchVerdict::Fork { seq } => {
            // The alarm must be committed although the batch is refused.
            tx.commit_on_refusal();
            store::cabinet_heard(tx.conn, cabinet.id, tx.now)?;
            let detail = json!({"epoch": request.epoch, "seq": seq});
            raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, detail)?;
            if request.epoch.0 == cabinet.epoch {
                reconcile::journal_forked(tx, cabinet.id, seq)?;
            }
            Err(Refusal::new(Code::CabinetTampered).with_data(json!({"forked_seq": seq})).into())
        }
    }
}

fn check_size(entries: &[JournalEntry]) -> Result<(), Refusal> {
    if entries.len() <= BATCH_MAX {
        return Ok(());
    }
    let message =
        Bilingual::made(format!("一次最多 {BATCH_MAX} 条"), format!("at most {BATCH_MAX} entries at once"));
    Err(Refusal::fields(vec![FieldProblem { field: "entries".into(), code: "too_many".into(), message }]))
}

pub(super) fn parse_hash(text: &str) -> Result<JournalHash, Failure> {
    JournalHash::parse(text).ok_or_else(|| Failure::inconsistent("a stored journal hash"))
}

/// The head of a journal that ends with this entry.
pub(super) fn head_of(last: Option<&LastEntry>) -> Result<JournalHead, Failure> {
    match last {
        Some(last) => Ok(JournalHead { seq: last.seq, hash: parse_hash(&last.hash)? }),
        None => Ok(JournalHead::EMPTY),
    }
}

fn stored_hashes(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    epoch: i64,
    head: JournalHead,
    batch: &[JournalEntry],
) -> Result<HashMap<i64, JournalHash>, Failure> {
    let known = batch.iter().map(|entry| entry.seq).filter(|seq| (1..=head.seq).contains(seq));
    let (Some(from), Some(to)) = (known.clone().min(), known.max()) else { return Ok(HashMap::new()) };
    // A batch has at most `BATCH_MAX` entries; a wider range of seqs contains a gap and is not a
    // chain.
    let to = to.min(from.saturating_add(BATCH_MAX as i64));
    let rows = store::journal_hashes(tx.conn, cabinet, epoch, from, to)?;
    rows.into_iter().map(|(seq, hash)| Ok((seq, parse_hash(&hash)?))).collect()
}

/// Stores new entries, and that the cabinet and the boot that wrote the last one were heard of.
fn store_entries(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    epoch: i64,
    fresh: &[JournalEntry],
) -> Result<(), Failure> {
    let rows: Vec<NewEntry> = fresh
        .iter()
        .map(|entry| NewEntry {
            cabinet_id: cabinet.id,
            epoch,
            seq: entry.seq,
            hash: entry.hash.to_string(),
            prev_hash: entry.prev_hash.to_string(),
            boot_id: entry.boot_id.to_string(),
            mono_ms: entry.mono_ms,
            wall: entry.wall.to_rfc3339(),
            kind: entry.body.kind().to_owned(),
            body: entry.body.fields().to_string(),
            received_at: At(tx.now),
        })
        .collect();
    store::journal_append(tx.conn, &rows)?;
    match rows.last() {
        Some(last) if epoch == cabinet.epoch => store::cabinet_acked(tx.conn, last, tx.now)?,
        Some(last) => {
            store::cabinet_heard(tx.conn, cabinet.id, tx.now)?;
            boot_moved(tx.conn, cabinet.id, &last.boot_id, last.mono_ms)?;
        }
        None => store::cabinet_heard(tx.conn, cabinet.id, tx.now)?,
    }
    Ok(())
}

/// Applies one new entry. A late journal of an old epoch is only evidence about attempts: its doors
/// and counts are outdated.
fn apply_entry(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: &CabinetRow,
    epoch: i64,
    entry: &JournalEntry,
) -> Result<(), Failure> {
    if let Some(evidence) = entry.body.evidence() {
        return apply_evidence(tx, orders, cabinet, epoch, entry, evidence);
    }
    if let Body::Tamper { sensor } = &entry.body {
        let detail = json!({"sensor": sensor.chars().take(40).collect::<String>(), "seq": entry.seq});
        return raise_alarm(tx, cabinet.id, IncidentKind::Tamper, detail);
    }
    if epoch != cabinet.epoch {
        return Ok(());
    }
    restocking::apply_entry(tx, orders, cabinet, entry)
}

fn apply_evidence(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    cabinet: &CabinetRow,
    epoch: i64,
    entry: &JournalEntry,
    evidence: Evidence,
) -> Result<(), Failure> {
    let Some(id) = entry.body.attempt() else { return Ok(()) };
    let known = orders.attempt(id).ok().filter(|attempt| attempt.row.cabinet_id == cabinet.id);
    let Some(row) = known.map(|attempt| &attempt.row) else {
        // It proves that a motor ran for an attempt that the server never issued.
        if matches!(evidence, Evidence::Dispensed | Evidence::Unknown) {
            let detail = json!({"unknown_attempt": id, "seq": entry.seq});
            incident::open(tx, cabinet.id, IncidentKind::VendWithoutStart, None, None, detail)?;
        }
        return Ok(());
    };
    if let Body::Dispensed { lot_no, .. } = &entry.body
        && *lot_no != row.lot_no
    {
        let detail = json!({"expected_lot": row.lot_no, "seq": entry.seq});
        incident::open(tx, cabinet.id, IncidentKind::WrongSlot, Some(row.slot_no), Some(id), detail)?;
        // A recall of that lot must find the worker who has the pack.
        if is_lot_no(lot_no) {
            storage::vend::attempt::attempt_other_lot(tx.conn, id, lot_no)?;
        }
    }
    let command =
        Command::JournalEvidence { boot: entry.boot_id, epoch: domain::vend::Epoch(epoch), evidence };
    closing::command(tx, orders, id, command).map(drop)
}

/// Raises the tamper alarm, with at most one open incident of the kind.
pub(crate) fn raise_alarm(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    kind: IncidentKind,
    detail: Value,
) -> Result<(), Failure> {
    if !incident_store::incident_is_open(tx.conn, cabinet, &[kind])? {
        incident::open(tx, cabinet, kind, None, None, detail)?;
    }
    if store::cabinet_tamper(tx.conn, cabinet, true)? {
        tx.record(cabinet, CabinetEvent::Tampered { kind }, Recipients::nobody())?;
    }
    Ok(())
}
