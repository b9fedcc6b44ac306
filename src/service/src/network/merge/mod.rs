//! Merges two records of one person: one record is merged into the other, and the more careful
//! value of each field is kept (`domain/network/merge.rs`). Nothing is merged while either worker
//! is in care, and a merge can be undone (`undo.rs`).
//!
//! Permission: one operator, if nobody can open the merged record by themselves. A record with a
//! card, a proved phone or a checked document has a proved owner: merging it gives it to whoever
//! opens the other record, so a second operator must approve (`worker_change.rs`). Operators see
//! which fields differ and contradict each other, never the contents of a profile (`preview.rs`).
//!
//! If the card of the remaining record was stopped and the other card works, the working card is
//! moved (`card.rs`).
//!
//! Signed prescriptions keep the worker id of the time of signing: it is part of the signed bytes,
//! and a row that differs would look tampered with. A worker's list of prescriptions includes
//! those of all workers merged into them. All of these have ended, so orders and safety checks
//! need not handle them.
//!
//! Consents are given by a person at a screen and are not copied; a consent withdrawn on either
//! record is withdrawn. One person gets one allowance a month, and what either record used counts.

pub(crate) mod card;
pub(crate) mod facts;
pub(crate) mod preview;
pub(crate) mod undo;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

pub use preview::{Contradiction, MergePreview, MergeQuery, merge_preview};
pub use undo::worker_unmerge;

use super::{identity, people::WorkerSummary, unknown, worker_fetch};
use crate::{Failure, Recipients, Tx, ledger};
use domain::{
    event::worker::WorkerEvent,
    ids::{MergeId, WorkerId},
    ledger as domain_ledger,
    money::Fen,
    network::Identified,
    refusal::{Code, Refusal},
    words::Bilingual,
};
use storage::{
    ledger as ledger_store,
    network::{
        merge::{self as store, MergeRow},
        worker::WorkerRow,
    },
};

/// The target of a merge.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeInput {
    /// The worker into whom the record is merged: with a card or a checked document.
    pub into: WorkerId,
    /// The contradictions that the operator has seen and considers mistakes.
    #[serde(default)]
    #[schema(max_items = 4)]
    pub accept: Vec<Contradiction>,
}

/// Merges a record that nobody can open by themselves into another one. Idempotent.
///
/// # Errors
/// As [`merge`]; `ApprovalNeeded` for a record that somebody can open.
pub fn worker_merge(tx: &mut Tx<'_>, from: WorkerId, input: &MergeInput) -> Result<WorkerSummary, Failure> {
    merge(tx, from, input, false)
}

/// Merges `from` into `input.into`.
///
/// # Errors
/// `NotFound`; a bad `into`; an `accept` that leaves a contradiction out;
/// `StateMovedOn` for one who was merged already, and while something is running.
pub(crate) fn merge(
    tx: &mut Tx<'_>,
    from: WorkerId,
    input: &MergeInput,
    approved: bool,
) -> Result<WorkerSummary, Failure> {
    let into = input.into;
    if from == into {
        let message = Bilingual::fixed("不能并入自身", "nobody is merged into themselves");
        return Err(Refusal::field("into", "same_worker", message).into());
    }
    // The locks serialize this with anything that starts for either worker. Lock in id order, so that
    // two merges cannot deadlock.
    let (first, second) = if from < into { (from, into) } else { (into, from) };
    let first = storage::network::worker::worker_lock_for_update(tx.conn, first)?;
    let second = storage::network::worker::worker_lock_for_update(tx.conn, second)?;
    let (source, target) = if from < into { (first, second) } else { (second, first) };
    let source = source.ok_or(Code::NotFound)?;
    match source.merged_into {
        Some(known) if known == into => return worker_fetch(tx, from),
        Some(_) => return Err(Refusal::moved_on("merged").into()),
        None => {}
    }
    let target = target.ok_or_else(|| unknown("into"))?;
    check_target(tx, &source, &target)?;
    if !approved && identity::standing(tx.conn, &source)? != Identified::Unchecked {
        return Err(Code::ApprovalNeeded.into());
    }
    preview::check_accepted(tx, &source, &target, &input.accept)?;
    if store::checked_in(tx.conn, from)? {
        return Err(Refusal::moved_on("checked_in").into());
    }
    for who in [from, into] {
        if let Some(state) = store::running(tx.conn, who)? {
            return Err(Refusal::moved_on(state).with_data(json!({"worker_id": who})).into());
        }
    }
    carry_out(tx, &source, &target)?;
    worker_fetch(tx, from)
}

fn check_target(tx: &mut Tx<'_>, source: &WorkerRow, target: &WorkerRow) -> Result<(), Failure> {
    let known = identity::standing(tx.conn, target)?;
    if target.merged_into.is_some() || !known.is_verified_person() {
        let message = Bilingual::fixed(
            "只能并入持卡或已核验证件的工人",
            "must be a worker with a card or a checked document",
        );
        return Err(Refusal::field("into", "no_card", message).into());
    }
    if source.card_index.is_some() && target.card_index.is_none() {
        let message = Bilingual::fixed(
            "持卡人只能并入另一持卡人",
            "whoever has a card is merged only into somebody who has one",
        );
        return Err(Refusal::field("into", "no_card", message).into());
    }
    Ok(())
}

fn carry_out(tx: &mut Tx<'_>, source: &WorkerRow, target: &WorkerRow) -> Result<(), Failure> {
    let (from, into, id) = (source.id, target.id, MergeId::generate());
    let balance = ledger::balance(tx, from)?;
    let returned =
        domain_ledger::merged_return(balance, ledger::balance(tx, into)?, granted_twice(tx, from, into)?);
    let before = facts::merge(tx, source, target)?;
    let row = MergeRow {
        id,
        from_id: from,
        into_id: into,
        before_sealed: tx.app.seal("worker_merge", "before_sealed", id, &serde_json::to_string(&before)?)?,
        balance_fen: balance,
        returned_fen: returned,
        merged_at: tx.now,
    };
    store::merge_add(tx.conn, &row)?;
    store::worker_merged_set(tx.conn, from, Some(into))?;
    store::records_move(tx.conn, id, from, into)?;
    if let Some(transfer) = domain_ledger::merge_worker(from, into, &id.to_string(), balance, returned)? {
        ledger::book(tx, &transfer, into)?;
    }
    let event = WorkerEvent::Merged { into, merge: Some(id), fields: Some(before.fields_merged()) };
    tx.record(from, event, Recipients::worker(into))?;
    Ok(())
}

/// The allowances granted to both for the same months, of which one is returned.
fn granted_twice(tx: &mut Tx<'_>, from: WorkerId, into: WorkerId) -> Result<Fen, Failure> {
    let mut of = |who| -> Result<Vec<(String, i64)>, Failure> {
        let everyone = storage::network::worker::worker_with_merged(tx.conn, who)?;
        let granted = ledger_store::allowances_of(tx.conn, &everyone)?;
        let month =
            |reference: &str| domain_ledger::allowance_month(reference).unwrap_or_default().to_owned();
        Ok(granted.into_iter().map(|(_, reference, amount)| (month(&reference), amount.0)).collect())
    };
    let (theirs, own) = (of(from)?, of(into)?);
    let twice = theirs.iter().filter_map(|(month, amount)| {
        own.iter().find(|(other, _)| other == month).map(|(_, other)| (*amount).min(*other))
    });
    Ok(Fen(twice.sum()))
}
