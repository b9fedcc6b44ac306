//! Which keys sign doctors' certificates and the head of the audit chain. The keys themselves are not
//! stored: each is derived from the master secret by its kind and number.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::signing_key, sql_types::At};
use domain::time::Timestamp;

/// One key's number, and its times.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = signing_key)]
pub struct SigningKeyRow {
    /// Number within its kind; each is higher than all before it.
    pub number: i64,
    /// From then on it signs, until the next key.
    pub signs_from: Timestamp,
    /// From then on it signs nothing.
    pub retired_at: Option<Timestamp>,
}

/// All keys of a kind, the retired ones too, in the order of their numbers.
pub fn signing_keys(conn: &mut Conn, kind: &str) -> QueryResult<Vec<SigningKeyRow>> {
    on_backend!(conn, c => signing_key::table
        .filter(signing_key::kind.eq(kind))
        .order(signing_key::number)
        .select(SigningKeyRow::as_select())
        .load(c))
}

/// Adds a key; an existing one stays as it is.
pub fn signing_key_add(
    conn: &mut Conn,
    kind: &str,
    number: i64,
    signs_from: Timestamp,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(signing_key::table)
        .values((
            signing_key::kind.eq(kind),
            signing_key::number.eq(number),
            signing_key::signs_from.eq(At(signs_from)),
            signing_key::created_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|_| ())
}

/// Retires a key.
pub fn signing_key_retire(conn: &mut Conn, kind: &str, number: i64, now: Timestamp) -> QueryResult<bool> {
    diesel::update(signing_key::table.find((kind, number)))
        .filter(signing_key::retired_at.is_null())
        .set(signing_key::retired_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
