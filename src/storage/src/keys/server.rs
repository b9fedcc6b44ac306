//! Keys that rotate on their own, sealed under the master secret.

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
    /// Its id, as tokens name it.
    pub kid: String,
    /// The sealed private key.
    pub private_sealed: Vec<u8>,
    /// Since when it may sign.
    pub created_at: Timestamp,
}

/// Lets one transaction at a time look for keys in order to make one.
pub fn server_keys_hold(conn: &mut Conn) -> QueryResult<()> {
    dialect::stand_in_line(conn, dialect::Line::ServerKeys)
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

/// Adds a key; one that is there already stays.
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

/// Retires a key: tokens that it signed are no longer believed.
pub fn server_key_retire(conn: &mut Conn, kid: &str, now: Timestamp) -> QueryResult<bool> {
    diesel::update(server_key::table.find(kid))
        .filter(server_key::retired_at.is_null())
        .set(server_key::retired_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
