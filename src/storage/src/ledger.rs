//! The ledger: accounts, transfers and their postings. A balance is changed under the condition that
//! it does not become negative.

use diesel::prelude::*;

use super::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{TransferInsert, insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{account, posting, transfer},
    sql_types::At,
};
use domain::{
    ids::{AccountId, TransferId, WorkerId},
    ledger::{AccountKind, AccountOwnerId, AccountRef, Transfer, TransferReason, transfer::Posting},
    money::Fen,
    time::Timestamp,
};

/// One posting of a transfer, for the account's owner.
#[derive(Debug, Clone, Queryable)]
pub struct EntryRow {
    pub transfer_id: TransferId,
    pub reason: TransferReason,
    /// Positive for a credit, negative for a debit.
    pub amount: Fen,
    pub at: Timestamp,
}

/// An account and its balance.
pub fn account_fetch(conn: &mut Conn, which: AccountRef) -> QueryResult<Option<(AccountId, Fen)>> {
    let base =
        account::table.filter(account::kind.eq(which.kind())).select((account::id, account::balance_fen));
    match which.owner() {
        Some(owner) => {
            on_backend!(conn, c => base.filter(account::owner_id.eq(Some(owner))).first(c)).optional()
        }
        None => on_backend!(conn, c => base.filter(account::owner_id.is_null()).first(c)).optional(),
    }
}

/// Opens an account with this balance; `None` when it exists.
pub fn account_open(conn: &mut Conn, which: AccountRef, balance: Fen) -> QueryResult<Option<AccountId>> {
    let id = AccountId::generate();
    let added = on_backend!(conn, c => diesel::insert_into(account::table)
        .values((
            account::id.eq(id),
            account::kind.eq(which.kind()),
            account::owner_id.eq(which.owner()),
            account::may_overdraw.eq(which.kind().may_overdraw()),
            account::balance_fen.eq(balance),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok((added == 1).then_some(id))
}

/// Changes the balance of an account; `None`, and nothing is changed, when there is no such account
/// or its balance does not suffice.
pub fn account_move(conn: &mut Conn, which: AccountRef, amount: Fen) -> QueryResult<Option<AccountId>> {
    let covered = account::may_overdraw.eq(true).or(account::balance_fen.ge(-amount));
    let moved = account::balance_fen.eq(account::balance_fen + amount);
    let of_kind = account::kind.eq_code(which.kind());
    match which.owner() {
        Some(owner) => {
            let own =
                diesel::update(account::table.filter(of_kind).filter(account::owner_id.eq(Some(owner))))
                    .filter(covered)
                    .set(moved)
                    .returning(account::id)
                    .prepared();
            on_backend!(conn, c => own.get_result(c)).optional()
        }
        None => {
            let single = diesel::update(account::table.filter(of_kind).filter(account::owner_id.is_null()))
                .filter(covered)
                .set(moved)
                .returning(account::id)
                .prepared();
            on_backend!(conn, c => single.get_result(c)).optional()
        }
    }
}

/// How a transfer was booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    /// Its balances are changed, and its postings added.
    Now,
    /// A transfer with its reason and reference was booked before; nothing is changed.
    Before,
    /// The balance of an account does not suffice: roll back.
    Uncovered,
}

/// Books a transfer once; accounts that do not exist yet are opened. One statement on PostgreSQL.
pub fn transfer_book(
    conn: &mut Conn,
    id: TransferId,
    transfer: &Transfer,
    now: Timestamp,
) -> QueryResult<Booked> {
    // All bookings lock accounts in the same order, so that they cannot deadlock.
    let mut sides = transfer.postings().to_vec();
    sides.sort_unstable_by_key(|side| side.account);
    if let Conn::Pg(conn) = conn {
        return TransferInsert::of(id, transfer, &sides, now).book(conn);
    }
    if !transfer_add(conn, id, transfer.reason(), transfer.reference(), now)? {
        return Ok(Booked::Before);
    }
    let mut moved = Vec::with_capacity(sides.len());
    for side in &sides {
        let Some(account) = balance_move(conn, side)? else { return Ok(Booked::Uncovered) };
        moved.push((account, side.amount));
    }
    postings_add(conn, id, &moved)?;
    Ok(Booked::Now)
}

/// Changes the balance of an account, which is opened if it does not exist yet; `None` when the
/// balance does not suffice.
fn balance_move(conn: &mut Conn, side: &Posting) -> QueryResult<Option<AccountId>> {
    let Posting { account, amount } = *side;
    // An order's account begins with its payment; nearly all others exist.
    if matches!(account, AccountRef::OrderClearing(_))
        && amount > Fen::ZERO
        && let Some(id) = account_open(conn, account, amount)?
    {
        return Ok(Some(id));
    }
    if let Some(id) = account_move(conn, account, amount)? {
        return Ok(Some(id));
    }
    if amount < Fen::ZERO && !account.kind().may_overdraw() {
        return Ok(None);
    }
    match account_open(conn, account, amount)? {
        Some(id) => Ok(Some(id)),
        // Another transaction has opened it meanwhile.
        None => account_move(conn, account, amount),
    }
}

/// Adds a transfer; `false` when the same reason and reference were booked before.
fn transfer_add(
    conn: &mut Conn,
    id: TransferId,
    reason: TransferReason,
    reference: &str,
    now: Timestamp,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(transfer::table)
        .values((
            transfer::id.eq(id),
            transfer::reason.eq(reason),
            transfer::reference.eq(reference),
            transfer::at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Adds the postings of a transfer, whose balances are changed already.
fn postings_add(conn: &mut Conn, transfer: TransferId, sides: &[(AccountId, Fen)]) -> QueryResult<()> {
    let row = |(account, amount): &(AccountId, Fen)| {
        (posting::transfer_id.eq(transfer), posting::account_id.eq(*account), posting::amount_fen.eq(*amount))
    };
    let rows: Vec<_> = sides.iter().map(row).collect();
    insert_few!(conn, posting::table, &rows).map(drop)
}

/// The allowances granted to these workers: owner, reference, amount.
pub fn allowances_of(
    conn: &mut Conn,
    workers: &[WorkerId],
) -> QueryResult<Vec<(AccountOwnerId, String, Fen)>> {
    let owners: Vec<Option<AccountOwnerId>> =
        workers.iter().map(|worker| AccountRef::WorkerSubsidy(*worker).owner()).collect();
    on_backend!(conn, c => account::table
        .inner_join(posting::table)
        .inner_join(transfer::table.on(transfer::id.eq(posting::transfer_id)))
        .filter(account::kind.eq(AccountKind::WorkerSubsidy))
        .filter(account::owner_id.eq_any(padded(&owners)))
        .filter(transfer::reason.eq(TransferReason::AllowanceGranted))
        .select((account::owner_id.assume_not_null(), transfer::reference, posting::amount_fen))
        .prepared()
        .load(c))
}

/// Whether this transfer was booked.
pub fn transfer_known(conn: &mut Conn, reason: TransferReason, reference: &str) -> QueryResult<bool> {
    let found = on_backend!(conn, c => transfer::table
        .filter(transfer::reason.eq(reason))
        .filter(transfer::reference.eq(reference))
        .select(transfer::id)
        .first::<TransferId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// The balance of an account and its newest entries, newest first; none without the account, once
/// an authority has ended, or unless the transfer with this reason and reference was booked.
pub fn account_entries(
    conn: &mut Conn,
    live: Live,
    which: AccountRef,
    booked: Option<(TransferReason, &str)>,
    limit: i64,
) -> QueryResult<Option<(Fen, Vec<EntryRow>)>> {
    let earlier = diesel::alias!(transfer as earlier);
    // One join after the other: SQLite would put a join within a join together whole.
    let own = account::table
        .left_join(posting::table)
        .left_join(transfer::table.on(transfer::id.eq(posting::transfer_id)))
        .filter(account::kind.eq(which.kind()))
        .filter(account::owner_id.eq(which.owner()))
        .filter(live)
        .order(posting::transfer_id.desc())
        .limit(limit)
        .select((
            account::balance_fen,
            (transfer::id, transfer::reason, posting::amount_fen.assume_not_null(), transfer::at).nullable(),
        ));
    let rows: Vec<(Fen, Option<EntryRow>)> = match booked {
        None => on_backend!(conn, c => own.load(c))?,
        Some((reason, reference)) => {
            let known = earlier
                .filter(earlier.field(transfer::reason).eq(reason))
                .filter(earlier.field(transfer::reference).eq(reference));
            on_backend!(conn, c => own.filter(diesel::dsl::exists(known)).load(c))?
        }
    };
    let Some((balance, _)) = rows.first() else { return Ok(None) };
    Ok(Some((*balance, rows.into_iter().filter_map(|(_, entry)| entry).collect())))
}

/// All accounts, for the audit: id, kind, may be overdrawn, balance.
pub fn accounts_all(conn: &mut Conn) -> QueryResult<Vec<(AccountId, AccountKind, bool, Fen)>> {
    on_backend!(conn, c => account::table
        .select((account::id, account::kind, account::may_overdraw, account::balance_fen))
        .load(c))
}

/// All postings, for the audit.
pub fn postings_all(conn: &mut Conn) -> QueryResult<Vec<(TransferId, AccountId, Fen)>> {
    on_backend!(conn, c => posting::table
        .select((posting::transfer_id, posting::account_id, posting::amount_fen))
        .load(c))
}
