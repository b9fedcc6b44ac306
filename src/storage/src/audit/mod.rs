//! Seals of the audit chain, and the events that they cover, with all columns.

pub mod health_read;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{self, EventHorizon, on_backend},
    events::AnyId,
    schema::{audit_seal, event},
    sql_types::At,
};
use domain::{
    ids::{StaffId, WorkerId},
    time::Timestamp,
};

/// One seal: the chain's head at a position.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit_seal)]
pub struct SealRow {
    /// The last event that it covers.
    pub position: i64,
    /// Head of the chain, hex.
    pub hash: String,
    /// Detached signature over all other columns.
    pub signature: String,
    pub sealed_at: Timestamp,
    /// Which columns of events, and which parts of the seal, it covers.
    pub version: i32,
    /// Number of events up to here; `None` in version 1.
    pub events: Option<i64>,
}

/// An event with every column.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = event)]
pub struct WholeEvent {
    /// Position in the global log.
    pub position: i64,
    /// Kind of entity that changed.
    pub stream: String,
    pub stream_id: AnyId,
    /// Its number within the stream, from 1.
    pub version: i64,
    pub kind: String,
    /// Ids, codes, digests, as JSON text.
    pub payload: String,
    /// The role that acted.
    pub actor_role: String,
    pub actor_id: Option<AnyId>,
    /// The worker who is notified.
    pub worker_id: Option<WorkerId>,
    /// The member of staff who is notified.
    pub staff_id: Option<StaffId>,
    pub at: Timestamp,
    /// The transaction that wrote it; 0 where the database has none.
    pub writer_xid: i64,
}

pub fn seal_add(conn: &mut Conn, seal: &SealRow) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(audit_seal::table)
        .values((
            audit_seal::position.eq(seal.position),
            audit_seal::hash.eq(&seal.hash),
            audit_seal::signature.eq(&seal.signature),
            audit_seal::sealed_at.eq(At(seal.sealed_at)),
            audit_seal::version.eq(seal.version),
            audit_seal::events.eq(seal.events),
        ))
        .execute(c))
    .map(|_| ())
}

/// The newest seal.
pub fn seal_last(conn: &mut Conn) -> QueryResult<Option<SealRow>> {
    on_backend!(conn, c => audit_seal::table
        .order(audit_seal::position.desc())
        .select(SealRow::as_select())
        .first(c))
    .optional()
}

/// The newest seal at or before a position.
pub fn seal_before(conn: &mut Conn, position: i64) -> QueryResult<Option<SealRow>> {
    on_backend!(conn, c => audit_seal::table
        .filter(audit_seal::position.le(position))
        .order(audit_seal::position.desc())
        .select(SealRow::as_select())
        .first(c))
    .optional()
}

/// The position of the seal `back` seals before the newest; 0 where there are fewer.
pub fn seal_position_back(conn: &mut Conn, back: i64) -> QueryResult<i64> {
    on_backend!(conn, c => audit_seal::table
        .order(audit_seal::position.desc())
        .select(audit_seal::position)
        .offset(back)
        .first(c))
    .optional()
    .map(|found| found.unwrap_or(0))
}

/// Seals after a position, oldest first. A database that is not migrated to this version yet has
/// seals of version 1 only.
pub fn seals_after(conn: &mut Conn, position: i64, limit: i64) -> QueryResult<Vec<SealRow>> {
    let found = on_backend!(conn, c => audit_seal::table
        .filter(audit_seal::position.gt(position))
        .order(audit_seal::position)
        .limit(limit)
        .select(SealRow::as_select())
        .load(c));
    found.or_else(|_| {
        type First = (i64, String, String, Timestamp);
        let rows: Vec<First> = on_backend!(conn, c => audit_seal::table
            .filter(audit_seal::position.gt(position))
            .order(audit_seal::position)
            .limit(limit)
            .select((audit_seal::position, audit_seal::hash, audit_seal::signature, audit_seal::sealed_at))
            .load(c))?;
        let row = |(position, hash, signature, sealed_at)| SealRow {
            position,
            hash,
            signature,
            sealed_at,
            version: 1,
            events: None,
        };
        Ok(rows.into_iter().map(row).collect())
    })
}

/// Events after `after` up to `to`, oldest first, including those that are not visible to readers
/// yet: sealed events are visible to all.
pub fn events_between(conn: &mut Conn, after: i64, to: i64, limit: i64) -> QueryResult<Vec<WholeEvent>> {
    on_backend!(conn, c => event::table
        .filter(event::position.gt(after))
        .filter(event::position.le(to))
        .order(event::position)
        .limit(limit)
        .select(WholeEvent::as_select())
        .load(c))
}

/// Events after `after` that every reader may see: they can be sealed.
pub fn events_settled(conn: &mut Conn, after: i64, limit: i64) -> QueryResult<Vec<WholeEvent>> {
    let found: Vec<(WholeEvent, i64)> = on_backend!(conn, c => event::table
        .filter(event::position.gt(after))
        .order(event::position)
        .limit(limit)
        .select((WholeEvent::as_select(), EventHorizon))
        .load(c))?;
    let settled = found.into_iter().take_while(|(event, horizon)| event.writer_xid < *horizon);
    Ok(settled.map(|(event, _)| event).collect())
}

/// Transactions from this id on may still write: events with such an id are hidden from readers.
pub fn writers_end(conn: &mut Conn) -> QueryResult<i64> {
    match on_backend!(conn, c => diesel::select(EventHorizon).get_result::<i64>(c))? {
        // Events on SQLite have no transaction id.
        i64::MAX => Ok(1),
        horizon => Ok(horizon),
    }
}

const INTEGER: &str = "'integer'";
const TEXT: &str = "'text'";
const BYTES: &str = "'blob'";
const NULLABLE_BYTES: &str = "'blob', 'null'";

/// Events after a position with a value that is stored as another type than it was written: it
/// reads the same, but no comparison matches it.
pub fn events_retyped(conn: &mut Conn, after: i64, limit: i64) -> QueryResult<Vec<i64>> {
    let types = [
        ("position", INTEGER),
        ("stream", TEXT),
        ("stream_id", BYTES),
        ("version", INTEGER),
        ("kind", TEXT),
        ("payload", TEXT),
        ("actor_role", TEXT),
        ("actor_id", NULLABLE_BYTES),
        ("worker_id", NULLABLE_BYTES),
        ("staff_id", NULLABLE_BYTES),
        ("at", INTEGER),
        ("writer_xid", INTEGER),
    ];
    retyped(conn, "event", &types, after, limit)
}

/// As [`events_retyped`], for seals. A database that is not migrated to this version yet lacks some
/// of the columns.
pub fn seals_retyped(conn: &mut Conn, after: i64, limit: i64) -> QueryResult<Vec<i64>> {
    let first = [("position", INTEGER), ("hash", TEXT), ("signature", TEXT), ("sealed_at", INTEGER)];
    let whole = [&first[..], &[("version", INTEGER), ("events", "'integer', 'null'")]].concat();
    retyped(conn, "audit_seal", &whole, after, limit)
        .or_else(|_| retyped(conn, "audit_seal", &first, after, limit))
}

/// Positions in `table` with a value of none of its column's `types`, in SQLite's names: SQLite
/// stores any value in any column. None on PostgreSQL.
fn retyped(
    conn: &mut Conn,
    table: &str,
    types: &[(&str, &str)],
    after: i64,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let odd: Vec<String> =
        types.iter().map(|(column, kinds)| format!("typeof({column}) NOT IN ({kinds})")).collect();
    let text = format!(
        "SELECT CAST(position AS INTEGER) AS horizon FROM {table} \
         WHERE (position > ? OR typeof(position) <> 'integer') AND ({}) ORDER BY position LIMIT ?",
        odd.join(" OR ")
    );
    dialect::positions_on_sqlite(conn, &text, after, limit)
}
