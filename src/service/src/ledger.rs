//! The worker's subsidy and the books behind it.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Failure, Hearers, Tx};
use crate::network::identity;
use crypto::digest;
use domain::{
    ids::{AccountId, TransferId, WorkerId},
    ledger::{self, AccountRef, Transfer, TransferReason},
    money::Fen,
    network::Identified,
    refusal::Code,
    time::civil_day,
};
use storage::{ledger as store, network::worker::WorkerRow};

/// Entries shown of an account, the newest.
const ENTRIES_SHOWN: i64 = 100;

domain::text_enum! {
    /// Where a worker stands with this month's allowance.
    pub enum Allowance {
        /// They have had it.
        Granted = "granted",
        /// There is none for them: the network does not know who they are. A
        /// card, or an identity document that a reader read, changes that.
        NotIdentified = "not_identified",
        /// Somebody else with the same phone had it.
        PhoneHadIt = "phone_had_it",
    }
}

/// A worker's subsidy account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// What may be spent now, in fen.
    pub balance_fen: Fen,
    /// Where they stand with this month's allowance.
    pub allowance: Allowance,
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
    let allowance = allowance(tx, worker)?;
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
    Ok(AccountView { balance_fen, allowance, entries })
}

/// Grants this civil month's allowance to a person whom the network knows, if
/// neither they nor anybody merged into them was granted it before.
///
/// It belongs to who has a card or a checked identity document. Who is known
/// by a proved phone only has one where the deployment says so
/// (`policy.vending.walk_in_subsidy`): one for each phone, however many records
/// name it.
pub fn allowance(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Allowance, Failure> {
    let today = civil_day(tx.now);
    let month = format!("{:04}-{:02}", today.year(), today.month());
    let amount = tx.app.policy.vending.monthly_subsidy;
    let Some(own) = ledger::grant_allowance(worker, &month, amount)? else { return Ok(Allowance::Granted) };
    if store::transfer_known(tx.conn, own.reason(), own.reference())? {
        return Ok(Allowance::Granted);
    }
    // Taken, so that neither another grant nor a merge passes this one.
    let row = storage::network::worker::worker_hold(tx.conn, worker)?.ok_or(Code::NotFound)?;
    let everyone = storage::network::worker::worker_with_merged(tx.conn, worker)?;
    let granted = store::allowances_of(tx.conn, &everyone)?;
    if granted.iter().any(|(_, reference, _)| ledger::allowance_month(reference) == Some(&month)) {
        return Ok(Allowance::Granted);
    }
    let known = identity::standing(tx.conn, &row)?;
    if known.is_verified_person() {
        book(tx, &own, worker)?;
        return Ok(Allowance::Granted);
    }
    if known != Identified::Phone || !tx.app.policy.vending.walk_in_subsidy {
        return Ok(Allowance::NotIdentified);
    }
    let Some(phone) = proved_phone(tx, &row, &everyone)? else { return Ok(Allowance::NotIdentified) };
    match ledger::grant_phone_allowance(worker, &digest::hex(&phone), &month, amount)? {
        Some(transfer) if !book(tx, &transfer, worker)? => Ok(Allowance::PhoneHadIt),
        _ => Ok(Allowance::Granted),
    }
}

/// The keyed digest of the phone that a code proved: a worker's own, or that of
/// somebody merged into them.
fn proved_phone(tx: &mut Tx<'_>, row: &WorkerRow, everyone: &[WorkerId]) -> Result<Option<Vec<u8>>, Failure> {
    if row.phone_checked_at.is_some() {
        return Ok(Some(row.phone_index.clone()));
    }
    for one in everyone {
        let other = storage::network::worker::worker_fetch(tx.conn, *one)?
            .filter(|other| other.phone_checked_at.is_some());
        if let Some(other) = other {
            return Ok(Some(other.phone_index));
        }
    }
    Ok(None)
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
