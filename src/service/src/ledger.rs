//! The worker's subsidy account and the ledger behind it.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Failure, Recipients, Tx};
use crate::network::identity;
use crypto::digest;
use domain::{
    ids::{TransferId, WorkerId},
    ledger::{self, AccountRef, Transfer, TransferReason},
    money::Fen,
    network::Identified,
    refusal::Code,
    time::{Timestamp, civil_day},
};
use storage::{
    Conn, Live,
    ledger::{self as store, Booked, EntryRow},
    network::worker::WorkerRow,
};

/// Entries shown of an account, the newest.
const ENTRIES_SHOWN: i64 = 100;

domain::text_enum! {
    /// Whether a worker received this month's allowance.
    pub enum Allowance {
        /// It was granted.
        Granted = "granted",
        /// Not granted: the network has not identified them. A card, or an identity document read
        /// by a reader, changes that.
        NotIdentified = "not_identified",
        /// Another record with the same phone received it.
        PhoneHadIt = "phone_had_it",
    }
}

/// A worker's subsidy account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// What may be spent now, in fen.
    pub balance_fen: Fen,
    /// Whether this month's allowance was granted.
    pub allowance: Allowance,
    /// The newest hundred entries, newest first.
    pub entries: Vec<EntryView>,
}

/// One entry of an account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    pub transfer_id: TransferId,
    /// Why money moved.
    pub reason: TransferReason,
    /// The amount in fen; negative for a payment.
    pub amount_fen: Fen,
    pub at: DateTime<Utc>,
}

/// A worker's account, with this month's allowance in it.
pub fn account(tx: &mut Tx<'_>, worker: WorkerId) -> Result<AccountView, Failure> {
    let allowance = allowance(tx, worker)?;
    let which = AccountRef::WorkerSubsidy(worker);
    let found = store::account_entries(tx.conn, Live::always(), which, None, ENTRIES_SHOWN)?;
    let Some(found) = found else {
        store::account_open(tx.conn, which, Fen::ZERO)?;
        return Ok(view(allowance, (Fen::ZERO, Vec::new())));
    };
    Ok(view(allowance, found))
}

/// The same of a worker who has received this month's allowance already, so that nothing is written;
/// none for others, and once an authority has ended.
pub fn account_with_allowance(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    worker: WorkerId,
) -> Result<Option<AccountView>, Failure> {
    let Some(own) = own_allowance(app, worker, app.now())? else { return Ok(None) };
    let (which, booked) = (AccountRef::WorkerSubsidy(worker), (own.reason(), own.reference()));
    let found = store::account_entries(conn, live, which, Some(booked), ENTRIES_SHOWN)?;
    Ok(found.map(|found| view(Allowance::Granted, found)))
}

fn view(allowance: Allowance, (balance_fen, entries): (Fen, Vec<EntryRow>)) -> AccountView {
    let entry = |row: EntryRow| EntryView {
        transfer_id: row.transfer_id,
        reason: row.reason,
        amount_fen: row.amount,
        at: row.at,
    };
    AccountView { balance_fen, allowance, entries: entries.into_iter().map(entry).collect() }
}

/// The transfer that grants the allowance of the civil month of `now`; none where there is none.
fn own_allowance(app: &AppState, worker: WorkerId, now: Timestamp) -> Result<Option<Transfer>, Failure> {
    Ok(ledger::grant_allowance(worker, &month_of(now), app.policy.vending.monthly_subsidy)?)
}

fn month_of(now: Timestamp) -> String {
    let today = civil_day(now);
    format!("{:04}-{:02}", today.year(), today.month())
}

/// Grants this civil month's allowance to a person whom the network has identified, if neither they
/// nor a record merged into theirs received it before.
///
/// A person with a card or a checked identity document receives it. A person identified only by a
/// verified phone receives it where the deployment allows that (`policy.vending.walk_in_subsidy`):
/// once per phone, however many records have that phone.
pub fn allowance(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Allowance, Failure> {
    let Some(own) = own_allowance(tx.app, worker, tx.now)? else { return Ok(Allowance::Granted) };
    let (month, amount) = (month_of(tx.now), tx.app.policy.vending.monthly_subsidy);
    if store::transfer_known(tx.conn, own.reason(), own.reference())? {
        return Ok(Allowance::Granted);
    }
    // Locked against a concurrent grant or merge.
    let row = storage::network::worker::worker_lock(tx.conn, worker)?.ok_or(Code::NotFound)?;
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

/// The keyed digest of the phone that was verified by a code: the worker's own, or that of a record
/// merged into theirs.
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

pub fn balance(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Fen, Failure> {
    let account = store::account_fetch(tx.conn, AccountRef::WorkerSubsidy(worker))?;
    Ok(account.map_or(Fen::ZERO, |(_, balance)| balance))
}

/// Books a transfer once; `false` when the same transfer was booked before.
///
/// # Errors
/// `BalanceTooLow` when the balance of an account is too low.
pub fn book(tx: &mut Tx<'_>, transfer: &Transfer, worker: WorkerId) -> Result<bool, Failure> {
    let id = TransferId::generate();
    match store::transfer_book(tx.conn, id, transfer, tx.now)? {
        Booked::Before => Ok(false),
        Booked::Uncovered => Err(Code::BalanceTooLow.into()),
        Booked::Now => {
            tx.record(id, transfer.event(), Recipients::worker(worker))?;
            Ok(true)
        }
    }
}
