//! Undoes a merge and separates the two records again. What happened since stays with the worker
//! as whom the check-in was opened.

use serde_json::json;

use super::{facts, worker_fetch};
use crate::{Failure, Recipients, Tx, check_in, ledger, network::WorkerSummary};
use domain::{
    event::worker::WorkerEvent,
    ids::WorkerId,
    ledger as domain_ledger,
    refusal::{Code, Refusal},
};
use storage::network::merge as store;

/// Undoes the merge of this worker.
///
/// # Errors
/// `NotFound`; `StateMovedOn` for a worker who was not merged, who was merged before merges could
/// be undone, whose target was itself merged since, and while the target is in care.
pub fn worker_unmerge(tx: &mut Tx<'_>, from: WorkerId) -> Result<WorkerSummary, Failure> {
    let seen = storage::network::worker::worker_fetch(tx.conn, from)?.ok_or(Code::NotFound)?;
    let Some(into) = seen.merged_into else { return Err(Refusal::moved_on("not_merged").into()) };
    let (first, second) = if from < into { (from, into) } else { (into, from) };
    let first = storage::network::worker::worker_lock_for_update(tx.conn, first)?.ok_or(Code::NotFound)?;
    let second = storage::network::worker::worker_lock_for_update(tx.conn, second)?.ok_or(Code::NotFound)?;
    let (source, target) = if from < into { (first, second) } else { (second, first) };
    if source.merged_into != Some(into) {
        return Err(Refusal::moved_on("not_merged").into());
    }
    if target.merged_into.is_some() {
        // The later merge is undone first.
        return Err(Refusal::moved_on("merged_on").into());
    }
    let Some(merge) = store::merge_live(tx.conn, from)? else {
        return Err(Refusal::moved_on("merged_for_good").into());
    };
    if let Some(state) = store::running(tx.conn, into)? {
        return Err(Refusal::moved_on(state).with_data(json!({"worker_id": into})).into());
    }
    // A screen that is open for one worker must not go on showing the other's data.
    check_in::end_of_worker(tx, into)?;
    let before = tx.app.open("worker_merge", "before_sealed", merge.id, &merge.before_sealed)?;
    facts::undo(tx, from, &target, serde_json::from_str(&before)?)?;
    let known_as = storage::network::worker::worker_with_merged(tx.conn, from)?;
    store::records_return(tx.conn, merge.id, from)?;
    store::records_since_return(tx.conn, into, from, &known_as, merge.merged_at)?;
    store::worker_merged_set(tx.conn, from, None)?;
    store::merge_undone(tx.conn, merge.id, tx.now)?;
    let own_balance = ledger::balance(tx, into)?;
    let (id, balance, returned) = (merge.id.to_string(), merge.balance_fen, merge.returned_fen);
    if let Some(transfer) = domain_ledger::unmerge_worker(from, into, &id, balance, returned, own_balance)? {
        ledger::book(tx, &transfer, into)?;
    }
    tx.record(from, WorkerEvent::Unmerged { into, merge: merge.id }, Recipients::worker(into))?;
    worker_fetch(tx, from)
}
