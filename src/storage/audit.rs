//! Seals of the audit chain.

use diesel::prelude::*;

use super::{conn::Conn, dialect::each, schema::audit_seal, sql_types::At};
use crate::domain::time::Timestamp;

/// One seal: the chain's head at a position.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = audit_seal)]
pub struct SealRow {
    /// The last event that it covers.
    pub position: i64,
    /// The chain's head, hex.
    pub hash: String,
    /// Detached signature over position and head.
    pub signature: String,
}

/// Adds a seal.
pub fn seal_add(
    conn: &mut Conn,
    position: i64,
    hash: &str,
    signature: &str,
    now: Timestamp,
) -> QueryResult<()> {
    each!(conn, c => diesel::insert_into(audit_seal::table)
        .values((
            audit_seal::position.eq(position),
            audit_seal::hash.eq(hash),
            audit_seal::signature.eq(signature),
            audit_seal::sealed_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// The newest seal.
pub fn seal_last(conn: &mut Conn) -> QueryResult<Option<SealRow>> {
    each!(conn, c => audit_seal::table
        .order(audit_seal::position.desc())
        .select(SealRow::as_select())
        .first(c))
    .optional()
}

/// All seals, oldest first.
pub fn seals(conn: &mut Conn) -> QueryResult<Vec<SealRow>> {
    each!(conn, c => audit_seal::table.order(audit_seal::position).select(SealRow::as_select()).load(c))
}
