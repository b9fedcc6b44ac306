//! Booking a transfer in one statement on PostgreSQL.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};

use crate::{
    ledger::Booked,
    sql_types::{At, Timestamptz, Uuid},
};
use domain::{
    ids::{AccountId, TransferId},
    ledger::{AccountOwnerId, Transfer, transfer::Posting},
    time::Timestamp,
};

/// A transfer and its sides, each as one value of every array. No side debits an account that exists
/// once, except the one that may be overdrawn.
pub(crate) struct TransferInsert<'a> {
    id: TransferId,
    reason: &'a str,
    reference: &'a str,
    at: At,
    /// For accounts that must be opened.
    new_ids: Vec<AccountId>,
    kinds: Vec<&'a str>,
    owners: Vec<Option<AccountOwnerId>>,
    may_overdraw: Vec<bool>,
    amounts: Vec<i64>,
}

impl<'a> TransferInsert<'a> {
    pub fn of(id: TransferId, transfer: &'a Transfer, sides: &[Posting], now: Timestamp) -> Self {
        Self {
            id,
            reason: transfer.reason().as_str(),
            reference: transfer.reference(),
            at: At(now),
            new_ids: sides.iter().map(|_| AccountId::generate()).collect(),
            kinds: sides.iter().map(|side| side.account.kind().as_str()).collect(),
            owners: sides.iter().map(|side| side.account.owner()).collect(),
            may_overdraw: sides.iter().map(|side| side.account.kind().may_overdraw()).collect(),
            amounts: sides.iter().map(|side| side.amount.0).collect(),
        }
    }

    pub fn book(self, conn: &mut PgConnection) -> QueryResult<Booked> {
        let sides = self.kinds.len();
        let (booked, moved): (i64, i64) = self.get_result(conn)?;
        Ok(match (booked, usize::try_from(moved)) {
            (0, _) => Booked::Before,
            (_, Ok(moved)) if moved == sides => Booked::Now,
            _ => Booked::Uncovered,
        })
    }
}

impl QueryFragment<Pg> for TransferInsert<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH side AS MATERIALIZED (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Uuid>, _>(&self.new_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.kinds)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Uuid>>, _>(&self.owners)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.may_overdraw)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.amounts)?;
        out.push_sql(
            ") AS side (new_id, kind, owner_id, may_overdraw, amount)), \
             booked AS (INSERT INTO transfer (id, reason, reference, at) VALUES (",
        );
        out.push_bind_param::<Uuid, _>(&self.id)?;
        for text in [self.reason, self.reference] {
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(text)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&self.at)?;
        // A debit is an UPDATE: an INSERT of a negative balance fails before it finds the account.
        out.push_sql(
            ") ON CONFLICT DO NOTHING RETURNING id), \
             single AS (INSERT INTO account (id, kind, owner_id, may_overdraw, balance_fen) \
             SELECT new_id, kind, NULL, may_overdraw, amount FROM side, booked WHERE owner_id IS NULL \
             ORDER BY kind ON CONFLICT (kind) WHERE owner_id IS NULL \
             DO UPDATE SET balance_fen = account.balance_fen + excluded.balance_fen \
             RETURNING id, kind, owner_id), \
             credited AS (INSERT INTO account (id, kind, owner_id, may_overdraw, balance_fen) \
             SELECT new_id, kind, owner_id, may_overdraw, amount FROM side, booked \
             WHERE owner_id IS NOT NULL AND amount >= 0 \
             ORDER BY kind, owner_id ON CONFLICT (kind, owner_id) WHERE owner_id IS NOT NULL \
             DO UPDATE SET balance_fen = account.balance_fen + excluded.balance_fen \
             RETURNING id, kind, owner_id), \
             debited AS (UPDATE account SET balance_fen = account.balance_fen + side.amount FROM side, booked \
             WHERE side.amount < 0 AND account.kind = side.kind AND account.owner_id = side.owner_id \
             AND account.balance_fen + side.amount >= 0 \
             RETURNING account.id, account.kind, account.owner_id), \
             moved AS (SELECT * FROM single UNION ALL SELECT * FROM credited UNION ALL SELECT * FROM debited), \
             posted AS (INSERT INTO posting (transfer_id, account_id, amount_fen) \
             SELECT booked.id, moved.id, side.amount FROM booked, moved JOIN side ON side.kind = moved.kind \
             AND side.owner_id IS NOT DISTINCT FROM moved.owner_id) \
             SELECT (SELECT count(*) FROM booked), (SELECT count(*) FROM moved)",
        );
        Ok(())
    }
}

/// diesel finds the prepared statement by its text.
impl QueryId for TransferInsert<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl Query for TransferInsert<'_> {
    type SqlType = (BigInt, BigInt);
}
impl RunQueryDsl<PgConnection> for TransferInsert<'_> {}
