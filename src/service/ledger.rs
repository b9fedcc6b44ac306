//! The worker's subsidy and the books behind it.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Hearers, Tx};
use crate::{
    domain::{
        ids::{AccountId, TransferId, WorkerId},
        ledger::{self, AccountRef, Transfer, TransferReason},
        money::Fen,
        refusal::Code,
        time::civil_day,
    },
    storage::ledger as store,
};

/// Entries shown of an account, the newest.
const ENTRIES_SHOWN: i64 = 100;

/// A worker's subsidy account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// What may be spent now, in fen.
    pub balance_fen: Fen,
    /// The newest hundred entries, newest first.
    pub entries: Vec<EntryView>,
}

/// One entry of an account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Which transfer.
    pub transfer_id: TransferId,
    /// Why money moved.
    pub reason: TransferReason,
    /// How much came in, in fen; negative went out.
    pub amount_fen: Fen,
    /// When.
    pub at: DateTime<Utc>,
}

/// A worker's account, with this month's allowance in it.
pub fn account(tx: &mut Tx<'_>, worker: WorkerId) -> Result<AccountView, Failure> {
    allowance(tx, worker)?;
    let which = AccountRef::WorkerSubsidy(worker);
    let (id, balance_fen) = opened(tx, which)?;
    let entries = store::entries_of(tx.conn, id, ENTRIES_SHOWN)?
        .into_iter()
        .map(|row| EntryView {
            transfer_id: row.transfer_id,
            reason: row.reason,
            amount_fen: row.amount,
            at: row.at,
        })
        .collect();
    Ok(AccountView { balance_fen, entries })
}

/// Grants this civil month's allowance, if it was not granted before.
pub fn allowance(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    let today = civil_day(tx.now);
    let month = format!("{:04}-{:02}", today.year(), today.month());
    match ledger::grant_allowance(worker, &month, tx.house.policy.vending.monthly_subsidy)? {
        Some(transfer) => book(tx, &transfer, worker).map(|_| ()),
        None => Ok(()),
    }
}

/// What a worker may spend.
pub fn balance(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Fen, Failure> {
    let account = store::account_fetch(tx.conn, AccountRef::WorkerSubsidy(worker))?;
    Ok(account.map_or(Fen::ZERO, |(_, balance)| balance))
}

/// Books a transfer once; `false` when the same thing was booked before.
///
/// # Errors
/// `BalanceTooLow` when an account does not hold enough.
pub fn book(tx: &mut Tx<'_>, transfer: &Transfer, worker: WorkerId) -> Result<bool, Failure> {
    let id = TransferId::generate();
    if !store::transfer_add(tx.conn, id, transfer.reason(), transfer.reference(), tx.now)? {
        return Ok(false);
    }
    // One order for everybody, so that two bookings never wait for each other.
    let mut postings = transfer.postings().to_vec();
    postings.sort_unstable_by_key(|posting| posting.account);
    for posting in postings {
        let (account, _) = opened(tx, posting.account)?;
        if !store::posting_add(tx.conn, id, account, posting.amount)? {
            return Err(Code::BalanceTooLow.into());
        }
    }
    tx.record("transfer", id, transfer.kind(), transfer.payload(), Hearers::worker(worker))?;
    Ok(true)
}

/// An account, opened if it is not there yet. Nearly all are.
fn opened(tx: &mut Tx<'_>, which: AccountRef) -> Result<(AccountId, Fen), Failure> {
    if let Some(found) = store::account_fetch(tx.conn, which)? {
        return Ok(found);
    }
    store::account_open(tx.conn, which)?;
    store::account_fetch(tx.conn, which)?.ok_or_else(|| no_account(which))
}

fn no_account(which: AccountRef) -> Failure {
    Failure::Fault(format!("an account of kind {} is not there", which.kind()))
}
