//! Which field-sealing keys are live. The keys themselves are not stored: each is derived from the
//! master secret by its number.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::seal_key, sql_types::At};
use domain::time::Timestamp;

/// One key's number, and its times.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = seal_key)]
pub struct SealKeyRow {
    /// Each is higher than all before it.
    pub id: i64,
    /// From then on values are sealed with it, until the next key.
    pub seals_from: Timestamp,
    pub created_at: Timestamp,
    /// From then on it opens nothing.
    pub retired_at: Option<Timestamp>,
}

/// All keys, the retired ones too, in the order of their numbers.
pub fn seal_keys(conn: &mut Conn) -> QueryResult<Vec<SealKeyRow>> {
    on_backend!(conn, c => seal_key::table.order(seal_key::id).select(SealKeyRow::as_select()).load(c))
}

/// Adds a key; an existing one stays as it is.
pub fn seal_key_add(conn: &mut Conn, id: i64, seals_from: Timestamp, now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(seal_key::table)
        .values((
            seal_key::id.eq(id),
            seal_key::seals_from.eq(At(seals_from)),
            seal_key::created_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|_| ())
}

/// Retires a key: nothing that it sealed can be opened any more.
pub fn seal_key_retire(conn: &mut Conn, id: i64, now: Timestamp) -> QueryResult<bool> {
    diesel::update(seal_key::table.find(id))
        .filter(seal_key::retired_at.is_null())
        .set(seal_key::retired_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
