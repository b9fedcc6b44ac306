//! Saved responses, one per principal, route and idempotency key.

use diesel::prelude::*;

use super::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::idempotency, sql_types::At};
use domain::time::Timestamp;

/// A claimed key and, once its work is done, the response.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = idempotency)]
pub struct KeyRow {
    /// SHA-256 of the body that came with the key.
    pub body_digest: Vec<u8>,
    pub answer_sealed: Option<Vec<u8>>,
}

/// Claims a key; `false` when it is claimed already.
pub fn key_claim(
    conn: &mut Conn,
    principal: &str,
    route: &str,
    key: &str,
    body_digest: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(idempotency::table)
        .values((
            idempotency::principal.eq(principal),
            idempotency::route.eq(route),
            idempotency::key.eq(key),
            idempotency::body_digest.eq(body_digest),
            idempotency::status.eq(0),
            idempotency::created_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// The row of a claimed key.
pub fn key_fetch(conn: &mut Conn, principal: &str, route: &str, key: &str) -> QueryResult<Option<KeyRow>> {
    on_backend!(conn, c => idempotency::table.find((principal, route, key)).select(KeyRow::as_select()).first(c))
        .optional()
}

/// Saves the response under its key.
pub fn answer_save(
    conn: &mut Conn,
    principal: &str,
    route: &str,
    key: &str,
    answer_sealed: &[u8],
) -> QueryResult<()> {
    diesel::update(idempotency::table.find((principal, route, key)))
        .set((idempotency::status.eq(1), idempotency::answer_sealed.eq(Some(answer_sealed))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Deletes keys made before `before`.
pub fn keys_forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    on_backend!(conn, c => diesel::delete(idempotency::table.filter(idempotency::created_at.lt(At(before))))
        .execute(c))
}

/// Releases a claimed key: its response is not final.
pub fn key_forget(conn: &mut Conn, principal: &str, route: &str, key: &str) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(idempotency::table.find((principal, route, key))).execute(c))
        .map(|_| ())
}
