//! Discrepancies between a cabinet and the stock records or the stored journal: found at hello,
//! stored in the database, and checked by START and before payment. A discrepancy ends when both
//! agree again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{incident, journal::raise_alarm};
use crate::{Failure, Recipients, Tx};
use domain::{
    event::cabinet::CabinetEvent,
    ids::CabinetId,
    refusal::{Code, Refusal},
    vend::{
        JournalHash,
        event::IncidentKind,
        journal::JournalHead,
        messages::SlotReport,
        reconcile::{DiscrepancyKind, compare_journals, holds_other_product},
    },
};
use storage::{
    stock::StockedSlot,
    vend::{
        incident::incident_is_open,
        journal::{CabinetRow, CabinetStanding},
        reconcile::{self as store, DiscrepancyRow},
    },
};

/// An open discrepancy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DiscrepancyView {
    /// In what.
    pub kind: DiscrepancyKind,
    /// At which slot; none for the cabinet as a whole.
    pub slot_no: Option<i32>,
    /// What the cabinet reported.
    #[schema(value_type = Object)]
    pub detail: Value,
    pub since: DateTime<Utc>,
}

/// The end of its journal that the cabinet reported.
#[derive(Serialize, Deserialize)]
struct ReportedEnd {
    seq: i64,
    hash: JournalHash,
}

pub(crate) fn discrepancy_view(row: &DiscrepancyRow) -> Result<DiscrepancyView, Failure> {
    Ok(DiscrepancyView {
        kind: row.kind,
        slot_no: (row.slot_no > 0).then_some(row.slot_no),
        detail: serde_json::from_str(&row.detail)?,
        since: row.since,
    })
}

/// Checks that packs of this cabinet may be sold: no alarm is active, and no discrepancy is open
/// that only a person can reconcile.
///
/// # Errors
/// `CabinetTampered`; `CabinetNotReconciled`, with the discrepancy.
pub(crate) fn ensure_may_issue(standing: &CabinetStanding) -> Result<(), Refusal> {
    if standing.tampered {
        return Err(Refusal::new(Code::CabinetTampered));
    }
    match standing.discrepancies.iter().find(|row| !row.kind.passes()) {
        Some(row) => Err(Refusal::new(Code::CabinetNotReconciled).in_state(row.kind)),
        None => Ok(()),
    }
}

/// Compares a hello with the stored journal and stock records and stores the discrepancies; returns
/// the last stored seq of the journal, and whether anything differs. `open` are those until now.
pub(crate) fn compare_hello(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    reported: JournalHead,
    slots: &[SlotReport],
    stocked: &[StockedSlot],
    open: &[DiscrepancyRow],
) -> Result<(i64, bool), Failure> {
    let arrived = arrived(tx, cabinet)?;
    let mut found = Vec::new();
    let stored = match reported.seq {
        none if none < 1 || none > arrived.seq => None,
        last if last == arrived.seq => Some(arrived.hash),
        earlier => stored_hash_at(tx, cabinet, earlier)?,
    };
    if let Some(kind) = compare_journals(reported, arrived, stored) {
        found.push((kind, 0, json!(ReportedEnd { seq: reported.seq, hash: reported.hash })));
        let detail = json!({"seq": reported.seq, "arrived": arrived.seq});
        match kind {
            DiscrepancyKind::JournalForked => raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, detail)?,
            DiscrepancyKind::JournalLost => {
                open_once(tx, cabinet.id, IncidentKind::JournalLost, None, detail)?
            }
            DiscrepancyKind::JournalBehind | DiscrepancyKind::OtherProduct => {}
        }
    }
    for report in slots {
        let row = stocked.iter().map(|slot| &slot.row).find(|row| row.slot_no == report.slot.get());
        let stored = row.and_then(|row| row.product_code.as_deref().zip(row.lot_no.as_deref()));
        if holds_other_product(report, stored) {
            let label =
                |text: &Option<String>| text.as_ref().map(|text| text.chars().take(64).collect::<String>());
            let detail = json!({
                "product_code": label(&report.product_code), "lot_no": label(&report.lot_no), "count": report.count,
            });
            found.push((DiscrepancyKind::OtherProduct, report.slot.get(), detail));
        }
    }
    for (kind, slot, detail) in &found {
        record_discrepancy(tx, cabinet.id, *kind, *slot, detail)?;
    }
    let mut differs = !found.is_empty();
    for row in open {
        let again = found.iter().any(|(kind, slot, _)| (*kind, *slot) == (row.kind, row.slot_no));
        // A slot that the hello does not mention is unchanged.
        let mentioned = row.slot_no == 0 || slots.iter().any(|report| report.slot.get() == row.slot_no);
        if again || !mentioned {
            differs = true;
        } else {
            settle(tx, cabinet.id, row.kind, row.slot_no)?;
        }
    }
    Ok((arrived.seq, differs))
}

fn record_discrepancy(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    kind: DiscrepancyKind,
    slot: i32,
    detail: &Value,
) -> Result<(), Failure> {
    if !store::discrepancy_note(tx.conn, cabinet, kind, slot, &detail.to_string(), tx.now)? {
        return Ok(());
    }
    tx.record(cabinet, CabinetEvent::Differs { kind, slot }, Recipients::nobody())?;
    if kind == DiscrepancyKind::OtherProduct {
        let detail = json!({"why": "hello", "told": detail});
        incident::open(tx, cabinet, IncidentKind::WrongSlot, Some(slot), None, detail)?;
    }
    Ok(())
}

fn settle(tx: &mut Tx<'_>, cabinet: CabinetId, kind: DiscrepancyKind, slot: i32) -> Result<(), Failure> {
    if store::discrepancy_settle(tx.conn, cabinet, kind, slot)? {
        tx.record(cabinet, CabinetEvent::Reconciled { kind, slot }, Recipients::nobody())?;
    }
    Ok(())
}

/// Opens an incident for a person, at most one of its kind at a time.
fn open_once(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    kind: IncidentKind,
    slot: Option<i32>,
    detail: Value,
) -> Result<(), Failure> {
    if incident_is_open(tx.conn, cabinet, &[kind])? {
        return Ok(());
    }
    incident::open(tx, cabinet, kind, slot, None, detail)
}

fn arrived(tx: &mut Tx<'_>, cabinet: &CabinetRow) -> Result<JournalHead, Failure> {
    if cabinet.acked_seq == 0 {
        return Ok(JournalHead::EMPTY);
    }
    let last = storage::vend::journal::journal_last(tx.conn, cabinet.id, cabinet.epoch)?;
    super::journal::head_of(last.as_ref())
}

fn stored_hash_at(tx: &mut Tx<'_>, cabinet: &CabinetRow, seq: i64) -> Result<Option<JournalHash>, Failure> {
    let rows = storage::vend::journal::journal_hashes(tx.conn, cabinet.id, cabinet.epoch, seq, seq)?;
    rows.first().map(|(_, hash)| super::journal::parse_hash(hash)).transpose()
}

/// New entries continue the stored journal: the cabinet has the same journal and has lost nothing
/// of it. The entry that it had reported as its end must be stored by now, with the reported hash.
/// `open` are the cabinet's open discrepancies.
pub(crate) fn journal_arrived(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    head: JournalHead,
    open: &[DiscrepancyRow],
) -> Result<(), Failure> {
    for row in open {
        match row.kind {
            DiscrepancyKind::JournalLost => settle(tx, cabinet.id, row.kind, 0)?,
            DiscrepancyKind::JournalBehind => {
                let reported: ReportedEnd = serde_json::from_str(&row.detail)?;
                if reported.seq > head.seq {
                    continue;
                }
                settle(tx, cabinet.id, row.kind, 0)?;
                if stored_hash_at(tx, cabinet, reported.seq)? != Some(reported.hash) {
                    let detail = json!({"seq": reported.seq});
                    raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, detail)?;
                    journal_forked(tx, cabinet.id, reported.seq)?;
                }
            }
            DiscrepancyKind::JournalForked | DiscrepancyKind::OtherProduct => {}
        }
    }
    Ok(())
}

/// The journal was rewritten: closing the incident ends the alarm, but the cabinet must report the
/// stored journal before anything starts.
pub fn journal_forked(tx: &mut Tx<'_>, cabinet: CabinetId, seq: i64) -> Result<(), Failure> {
    record_discrepancy(tx, cabinet, DiscrepancyKind::JournalForked, 0, &json!({"seq": seq}))
}

/// A slot was scanned and filled, and the stock record was set to it.
pub(crate) fn slot_scanned(tx: &mut Tx<'_>, cabinet: CabinetId, slot: i32) -> Result<(), Failure> {
    settle(tx, cabinet, DiscrepancyKind::OtherProduct, slot)
}

/// The cabinet was replaced or enrolled again: it starts a new journal, and its first hello reports
/// its contents. `open` are the discrepancies until then.
pub(crate) fn reset_for_new_epoch(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    open: &[DiscrepancyRow],
) -> Result<(), Failure> {
    for row in open {
        settle(tx, cabinet, row.kind, row.slot_no)?;
    }
    Ok(())
}
