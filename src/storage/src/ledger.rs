//! The ledger: accounts, transfers and their postings. One conditional UPDATE changes a balance and
//! cannot make it negative.

use diesel::prelude::*;

use super::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{insert_few, on_backend},
    prepared::PreparedDsl,
    schema::{account, posting, transfer},
    sql_types::At,
};
use domain::{
    ids::{AccountId, TransferId, WorkerId},
    ledger::{AccountKind, AccountOwnerId, AccountRef, TransferReason},
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

/// Adds a transfer; `false` when the same reason and reference were booked before.
pub fn transfer_add(
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
pub fn postings_add(conn: &mut Conn, transfer: TransferId, sides: &[(AccountId, Fen)]) -> QueryResult<()> {
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
    on_backend!(conn, c => posting::table
        .inner_join(transfer::table)
        .inner_join(account::table)
        .filter(account::kind.eq(AccountKind::WorkerSubsidy))
        .filter(account::owner_id.eq_any(owners))
        .filter(transfer::reason.eq(TransferReason::AllowanceGranted))
        .select((account::owner_id.assume_not_null(), transfer::reference, posting::amount_fen))
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
    let own = account::table
        .left_join(posting::table.inner_join(transfer::table))
        .filter(account::kind.eq(which.kind()))
        .filter(account::owner_id.eq(which.owner()))
        .filter(live)
        .order(posting::transfer_id.desc())
        .limit(limit)
        .select((
            account::balance_fen,
            (transfer::id, transfer::reason, posting::amount_fen, transfer::at).nullable(),
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
