//! A walk-in turns out to be a worker with a card: their records come together
//! under the card. Nothing is merged while anything of the walk-in is running.
//!
//! Signed prescriptions keep naming the walk-in: their signed bytes do, and a
//! row that says otherwise would look tampered with. A worker's shelf of
//! prescriptions holds those of everybody merged into them instead. All of
//! these have ended, so that no order and no safety check has to know.
//!
//! Consents are given by a person at a screen and are not copied. A profile
//! that the worker wrote stands; the walk-in's is taken over only where there
//! is none. One person gets one allowance a month: see [`move_balance`].

use chrono::Datelike;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{people::WorkerSummary, unknown, worker_fetch};
use crate::{
    domain::{
        ids::WorkerId,
        ledger::{MergedBalance, merge_worker},
        money::Fen,
        refusal::{Code, Refusal},
        time::civil_day,
        words::Bilingual,
    },
    service::{Failure, Hearers, Tx, ledger as books},
    storage::{directory, merge as store, profiles, workers},
};

/// Into whom a walk-in is merged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeInput {
    /// The worker with the card.
    pub into: WorkerId,
}

/// Merges a walk-in into a worker with a card. The same merge again is done already.
///
/// # Errors
/// `NotFound`; a bad `into`; `StateMovedOn` for a worker with a card, one who
/// was merged into another, and while something of theirs is running.
pub fn worker_merge(tx: &mut Tx<'_>, from: WorkerId, input: &MergeInput) -> Result<WorkerSummary, Failure> {
    let into = input.into;
    // Whoever starts something for this worker waits, or is waited for.
    let source = workers::worker_hold_alone(tx.conn, from)?.ok_or(Code::NotFound)?;
    match source.merged_into {
        Some(known) if known == into => return worker_fetch(tx, from),
        Some(_) => return Err(Refusal::moved_on("merged").into()),
        None => {}
    }
    if from == into {
        let words = Bilingual::fixed("不能并入自身", "nobody is merged into themselves");
        return Err(Refusal::field("into", "same_worker", words).into());
    }
    let target = workers::worker_fetch(tx.conn, into)?.ok_or_else(|| unknown("into"))?;
    if target.merged_into.is_some() || !directory::worker_standing(tx.conn, into)?.0 {
        let words = Bilingual::fixed("只能并入持卡工人", "must be a worker with a card");
        return Err(Refusal::field("into", "no_card", words).into());
    }
    if directory::worker_standing(tx.conn, from)?.0 {
        return Err(Refusal::moved_on("has_card").into());
    }
    if !store::worker_merge(tx.conn, from, into)? {
        return Err(Refusal::moved_on("merged").into());
    }
    if let Some(state) = store::running(tx.conn, from)? {
        return Err(Refusal::moved_on(state).into());
    }
    store::records_move(tx.conn, from, into)?;
    move_profile(tx, from, into)?;
    move_balance(tx, from, into)?;
    tx.record("worker", from, "worker.merged", json!({"into": into}), Hearers::worker(into))?;
    worker_fetch(tx, from)
}

fn move_profile(tx: &mut Tx<'_>, from: WorkerId, into: WorkerId) -> Result<(), Failure> {
    let Some(theirs) = profiles::profile_fetch(tx.conn, from)? else { return Ok(()) };
    if profiles::profile_fetch(tx.conn, into)?.is_some() {
        return Ok(());
    }
    let (table, column) = ("health_profile", "body_sealed");
    let body = tx.house.open(table, column, from, &theirs.body_sealed)?;
    let sealed = tx.house.seal(table, column, into, &body)?;
    // Somebody may just have written one: then that one stands.
    if profiles::profile_put(tx.conn, into, 0, &sealed, tx.now)? {
        store::profile_remove(tx.conn, from)?;
        let payload = json!({"version": 1, "merged_from": from});
        tx.record("health_profile", into, "profile.updated", payload, Hearers::worker(into))?;
    }
    Ok(())
}

/// Closes the walk-in's account. Where both were granted the allowance of one
/// month, the rest goes back to the fund. Else it moves; and where the walk-in
/// had this month's, the worker's own is booked as granted and taken back, so
/// that it is not granted a second time.
fn move_balance(tx: &mut Tx<'_>, from: WorkerId, into: WorkerId) -> Result<(), Failure> {
    let theirs = months(tx, from)?;
    let own = months(tx, into)?;
    let today = civil_day(tx.now);
    let month = format!("{:04}-{:02}", today.year(), today.month());
    let fate = if theirs.iter().any(|month| own.contains(month)) {
        MergedBalance::Returned
    } else if theirs.contains(&month) {
        let before = books::balance(tx, into)?;
        books::allowance(tx, into)?;
        let after = books::balance(tx, into)?;
        MergedBalance::Moved { taken_back: Fen(after.0 - before.0) }
    } else {
        MergedBalance::Moved { taken_back: Fen::ZERO }
    };
    let balance = books::balance(tx, from)?;
    if let Some(transfer) = merge_worker(from, into, balance, fate)? {
        books::book(tx, &transfer, into)?;
    }
    Ok(())
}

/// The civil months of which a worker was granted the allowance.
fn months(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Vec<String>, Failure> {
    let references = store::allowances_of(tx.conn, worker)?;
    Ok(references.iter().filter_map(|text| text.split_once('/')).map(|(_, month)| month.to_owned()).collect())
}
