//! Where a cabinet and the books differ in a way that must be reconciled: found
//! at hello, kept in the database, and looked at by START and before money is
//! taken. It ends when the cabinet and the books say the same again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{events::raise_alarm, incident};
use crate::{Failure, Hearers, Tx};
use domain::{
    ids::CabinetId,
    refusal::{Code, Refusal},
    vend::{
        JournalHash,
        event::IncidentKind,
        journal::JournalHead,
        messages::SlotReport,
        reconcile::{DiscrepancyKind, compare_journals, holds_another},
    },
};
use storage::{
    Conn,
    stock::SlotRow,
    vend::{
        incident::incident_stands,
        journal::CabinetRow,
        reconcile::{self as store, DiscrepancyRow},
    },
};

/// A difference that stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DiscrepancyView {
    /// In what.
    pub kind: DiscrepancyKind,
    /// At which slot; none for the cabinet as a whole.
    pub slot_no: Option<i32>,
    /// What the cabinet had said.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The end of a journal that the cabinet named.
#[derive(Serialize, Deserialize)]
struct Named {
    seq: i64,
    hash: JournalHash,
}

/// What stands between a cabinet and the books.
pub fn standing(conn: &mut Conn, cabinet: CabinetId) -> Result<Vec<DiscrepancyView>, Failure> {
    let view = |row: DiscrepancyRow| -> Result<DiscrepancyView, Failure> {
        Ok(DiscrepancyView {
            kind: row.kind,
            slot_no: (row.slot_no > 0).then_some(row.slot_no),
            detail: serde_json::from_str(&row.detail)?,
            since: row.since,
        })
    };
    store::discrepancies_of(conn, cabinet)?.into_iter().map(view).collect()
}

/// Whether nothing stands between them.
pub fn is_reconciled(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<bool, Failure> {
    Ok(store::discrepancies_of(tx.conn, cabinet)?.is_empty())
}

/// Whether packs of this cabinet may be promised for money: no alarm stands, and
/// nothing that only a person can reconcile.
///
/// # Errors
/// `CabinetTampered`; `CabinetNotReconciled`, with what stands.
pub fn ensure_may_issue(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    if storage::vend::journal::cabinet_fetch(tx.conn, cabinet)?.is_some_and(|row| row.tampered) {
        return Err(Code::CabinetTampered.into());
    }
    let lasting = store::discrepancies_of(tx.conn, cabinet)?.into_iter().find(|row| !row.kind.passes());
    match lasting {
        Some(row) => Err(Refusal::new(Code::CabinetNotReconciled).in_state(row.kind).into()),
        None => Ok(()),
    }
}

/// Compares what a hello says with the books and keeps what differs; tells how
/// far the journal has arrived, and whether anything differs.
pub fn at_hello(
    tx: &mut Tx<'_>,
    cabinet: &CabinetRow,
    told: JournalHead,
    slots: &[SlotReport],
    books: &[SlotRow],
) -> Result<(i64, bool), Failure> {
    let arrived = arrived(tx, cabinet)?;
    let mut found = Vec::new();
    if let Some(kind) = compare_journals(told, arrived, kept_at(tx, cabinet, told.seq)?) {
        found.push((kind, 0, json!(Named { seq: told.seq, hash: told.hash })));
        let detail = json!({"seq": told.seq, "arrived": arrived.seq});
        match kind {
            DiscrepancyKind::JournalForked => raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, detail)?,
            DiscrepancyKind::JournalLost => look_at(tx, cabinet.id, IncidentKind::JournalLost, None, detail)?,
            DiscrepancyKind::JournalBehind | DiscrepancyKind::OtherProduct => {}
        }
    }
    for report in slots {
        let row = books.iter().find(|row| row.slot_no == report.slot.get());
        let kept = row.and_then(|row| row.product_code.as_deref().zip(row.lot_no.as_deref()));
        if holds_another(report, kept) {
            let label =
                |text: &Option<String>| text.as_ref().map(|text| text.chars().take(64).collect::<String>());
            let detail = json!({
                "product_code": label(&report.product_code), "lot_no": label(&report.lot_no), "count": report.count,
            });
            found.push((DiscrepancyKind::OtherProduct, report.slot.get(), detail));
        }
    }
    for (kind, slot, detail) in &found {
        note(tx, cabinet.id, *kind, *slot, detail)?;
    }
    let mut stands = false;
    for row in store::discrepancies_of(tx.conn, cabinet.id)? {
        let again = found.iter().any(|(kind, slot, _)| (*kind, *slot) == (row.kind, row.slot_no));
        // A slot of which nothing was said is as it was.
        let spoken_of = row.slot_no == 0 || slots.iter().any(|report| report.slot.get() == row.slot_no);
        if again || !spoken_of {
            stands = true;
        } else {
            settle(tx, cabinet.id, row.kind, row.slot_no)?;
        }
    }
    Ok((arrived.seq, stands))
}

fn note(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    kind: DiscrepancyKind,
    slot: i32,
    detail: &Value,
) -> Result<(), Failure> {
    if !store::discrepancy_note(tx.conn, cabinet, kind, slot, &detail.to_string(), tx.now)? {
        return Ok(());
    }
    let payload = json!({"kind": kind, "slot": slot});
    tx.record("cabinet", cabinet, "cabinet.differs", payload, Hearers::nobody())?;
    if kind == DiscrepancyKind::OtherProduct {
        let detail = json!({"why": "hello", "told": detail});
        incident::open(tx, cabinet, IncidentKind::WrongSlot, Some(slot), None, detail)?;
    }
    Ok(())
}

fn settle(tx: &mut Tx<'_>, cabinet: CabinetId, kind: DiscrepancyKind, slot: i32) -> Result<(), Failure> {
    if store::discrepancy_settle(tx.conn, cabinet, kind, slot)? {
        let payload = json!({"kind": kind, "slot": slot});
        tx.record("cabinet", cabinet, "cabinet.reconciled", payload, Hearers::nobody())?;
    }
    Ok(())
}

/// An incident for a person, with one open of its kind at a time.
fn look_at(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    kind: IncidentKind,
    slot: Option<i32>,
    detail: Value,
) -> Result<(), Failure> {
    if incident_stands(tx.conn, cabinet, &[kind])? {
        return Ok(());
    }
    incident::open(tx, cabinet, kind, slot, None, detail)
}

fn arrived(tx: &mut Tx<'_>, cabinet: &CabinetRow) -> Result<JournalHead, Failure> {
    match storage::vend::journal::journal_head(tx.conn, cabinet.id, cabinet.epoch)? {
        Some((seq, hash)) => Ok(JournalHead { seq, hash: super::events::parse_hash(&hash)? }),
        None => Ok(JournalHead::EMPTY),
    }
}

fn kept_at(tx: &mut Tx<'_>, cabinet: &CabinetRow, seq: i64) -> Result<Option<JournalHash>, Failure> {
    let rows = storage::vend::journal::journal_hashes(tx.conn, cabinet.id, cabinet.epoch, seq, seq)?;
    rows.first().map(|(_, hash)| super::events::parse_hash(hash)).transpose()
}

/// Entries have arrived that go on from what had arrived: the cabinet holds the
/// same journal, and has lost nothing of it. What it had named as its end must
/// be there by now, under the hash that it had named.
pub fn journal_arrived(tx: &mut Tx<'_>, cabinet: &CabinetRow, head: JournalHead) -> Result<(), Failure> {
    for row in store::discrepancies_of(tx.conn, cabinet.id)? {
        match row.kind {
            DiscrepancyKind::JournalLost => settle(tx, cabinet.id, row.kind, 0)?,
            DiscrepancyKind::JournalBehind => {
                let named: Named = serde_json::from_str(&row.detail)?;
                if named.seq > head.seq {
                    continue;
                }
                settle(tx, cabinet.id, row.kind, 0)?;
                if kept_at(tx, cabinet, named.seq)? != Some(named.hash) {
                    let detail = json!({"seq": named.seq});
                    raise_alarm(tx, cabinet.id, IncidentKind::JournalFork, detail)?;
                    journal_forked(tx, cabinet.id, named.seq)?;
                }
            }
            DiscrepancyKind::JournalForked | DiscrepancyKind::OtherProduct => {}
        }
    }
    Ok(())
}

/// The journal was rewritten: closing the incident ends the alarm, but the
/// cabinet must show the journal that has arrived before anything starts.
pub fn journal_forked(tx: &mut Tx<'_>, cabinet: CabinetId, seq: i64) -> Result<(), Failure> {
    note(tx, cabinet, DiscrepancyKind::JournalForked, 0, &json!({"seq": seq}))
}

/// A slot was scanned and filled, and the books follow that.
pub fn slot_scanned(tx: &mut Tx<'_>, cabinet: CabinetId, slot: i32) -> Result<(), Failure> {
    settle(tx, cabinet, DiscrepancyKind::OtherProduct, slot)
}

/// The cabinet was replaced or enrolled again: it begins a new journal, and its
/// first hello says what lies in it.
pub fn begin_anew(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    for row in store::discrepancies_of(tx.conn, cabinet)? {
        settle(tx, cabinet, row.kind, row.slot_no)?;
    }
    Ok(())
}
