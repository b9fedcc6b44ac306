//! Keys that the server rotates itself, sealed under the master secret.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{self, on_backend},
    prepared::PreparedDsl,
    schema::server_key,
    sql_types::At,
};
use domain::time::Timestamp;

/// A live key.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = server_key)]
pub struct ServerKeyRow {
    /// Key id in tokens.
    pub kid: String,
    pub private_sealed: Vec<u8>,
    /// From then on it may sign.
    pub created_at: Timestamp,
}

/// Advisory lock: one transaction at a time looks for a key and creates a missing one.
pub fn server_keys_lock(conn: &mut Conn) -> QueryResult<()> {
    dialect::take_advisory_lock(conn, dialect::AdvisoryLock::ServerKeys)
}

/// The live keys of one purpose, oldest first.
pub fn server_keys_live(conn: &mut Conn, purpose: &str) -> QueryResult<Vec<ServerKeyRow>> {
    on_backend!(conn, c => server_key::table
        .filter(server_key::purpose.eq(purpose))
        .filter(server_key::retired_at.is_null())
        .order(server_key::created_at)
        .select(ServerKeyRow::as_select())
        .load(c))
}

/// Adds a key; an existing one stays as it is.
pub fn server_key_add(
    conn: &mut Conn,
    kid: &str,
    purpose: &str,
    private_sealed: &[u8],
    created_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(server_key::table)
        .values((
            server_key::kid.eq(kid),
            server_key::purpose.eq(purpose),
            server_key::private_sealed.eq(private_sealed),
            server_key::created_at.eq(At(created_at)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|_| ())
}

/// Retires a key: tokens that it signed are not accepted any more.
pub fn server_key_retire(conn: &mut Conn, kid: &str, now: Timestamp) -> QueryResult<bool> {
    diesel::update(server_key::table.find(kid))
        .filter(server_key::retired_at.is_null())
        .set(server_key::retired_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
