//! Everything that differs between the two databases. No other file of the
//! house knows which one it is on.

use diesel::{
    backend::Backend,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Integer, Nullable, Text},
    sqlite::Sqlite,
};

use super::{
    conn::{Conn, MultiBackend},
    sql_types::{At, Timestamptz, Uuid},
};
use crate::domain::{ids::Id, time::Timestamp};

/// Runs the same body once per backend, with the concrete connection at hand:
/// for batch inserts and raw statements, which the two-headed type cannot take.
macro_rules! each {
    ($conn:expr, $concrete:ident => $body:expr) => {
        match $conn {
            $crate::storage::conn::Conn::Pg($concrete) => $body,
            $crate::storage::conn::Conn::Sqlite($concrete) => $body,
        }
    };
}
pub(crate) use each;

/// Statements in each backend's own dialect.
pub trait PortableDsl: Sized {
    /// For syntax that both know but the derived backend cannot express.
    fn both(self) -> Both<Self> {
        Both(self)
    }
    /// Takes the rows for this transaction: whoever else would change them
    /// waits for its end, and then reads them as they have become. Nothing on
    /// SQLite, whose writers stand in line already.
    fn held(self) -> Locked<Self, ForChange> {
        Locked(self, ForChange)
    }
    /// Keeps the rows as they are for this transaction: whoever would replace
    /// them waits for its end.
    fn kept(self) -> Locked<Self, ForReference> {
        Locked(self, ForReference)
    }
    /// Takes the rows so that nobody can even refer to them until the end of
    /// this transaction.
    fn held_alone(self) -> Locked<Self, ForReplacement> {
        Locked(self, ForReplacement)
    }
}
impl<Q: QueryId> PortableDsl for Q {}

/// A statement rendered per backend.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Both<Q>(Q);

impl<Q: QueryFragment<Pg> + QueryFragment<Sqlite>> QueryFragment<MultiBackend> for Both<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(&self.0, out)
    }
}
impl<Q: Query> Query for Both<Q> {
    type SqlType = Q::SqlType;
}
impl<Q> RunQueryDsl<Conn> for Both<Q> {}

/// A query whose rows are locked for this transaction.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct Locked<Q, L>(Q, L);

impl<DB: Backend, Q: QueryFragment<DB>, L: QueryFragment<DB>> QueryFragment<DB> for Locked<Q, L> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        self.1.walk_ast(out)
    }
}
impl<Q: Query, L> Query for Locked<Q, L> {
    type SqlType = Q::SqlType;
}
impl<Q, L, C> RunQueryDsl<C> for Locked<Q, L> {}

/// The locking clauses: PostgreSQL's, and nothing on SQLite.
macro_rules! locking {
    ($($(#[$doc:meta])* $name:ident = $sql:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, QueryId)]
        pub struct $name;

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }
        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                Ok(())
            }
        }
        impl QueryFragment<MultiBackend> for $name {
            fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
                MultiBackend::walk_variant_ast(self, out)
            }
        }
    )+};
}
locking! {
    /// Others may refer to the row, but not change it.
    ForChange = " FOR NO KEY UPDATE",
    /// Others may change the row, but not replace it.
    ForReference = " FOR KEY SHARE",
    /// Others may not even refer to the row.
    ForReplacement = " FOR UPDATE",
}

/// One row of the event log, ready to be appended.
pub(super) struct EventRow<'a, K: 'static, A: 'static, W: 'static, S: 'static> {
    pub stream: &'a str,
    pub stream_id: Id<K>,
    pub kind: &'a str,
    pub payload: &'a str,
    pub actor_role: &'a str,
    pub actor_id: Option<Id<A>>,
    pub worker_id: Option<Id<W>>,
    pub staff_id: Option<Id<S>>,
    pub at: Timestamp,
}

/// Appends an event in one statement; its version is the stream's next.
///
/// SQLite's one writer counts positions itself. On PostgreSQL a counter would
/// give them out of order: a transaction that began first may take a later one,
/// be read, and leave behind an earlier one that is committed after it. There a
/// position is the transaction's number, shifted by 16 bits, and then the
/// event's number within it (65,535 at most): whoever has read up to a
/// transaction below the horizon has read all there will ever be before it.
pub(super) fn event_append<K, A, W, S>(conn: &mut Conn, row: &EventRow<'_, K, A, W, S>) -> QueryResult<()> {
    const SQLITE: &str = "INSERT INTO event (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
         staff_id, at, version, position, writer_xid) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
         (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream_id = $1), \
         (SELECT coalesce(max(position), 0) + 1 FROM event), 0)";
    const POSTGRES: &str = "INSERT INTO event (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
         staff_id, at, version, position, writer_xid) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, \
         (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream_id = $1), \
         coalesce((SELECT max(position) FROM event \
         WHERE position >= place.first AND position < place.first + 65536), place.first) + 1, place.xid \
         FROM (SELECT own.xid, (own.xid + (SELECT xids FROM event_shift)) * 65536 AS first \
         FROM (SELECT pg_current_xact_id()::text::bigint AS xid OFFSET 0) AS own OFFSET 0) AS place";
    let sql = match conn {
        Conn::Pg(_) => POSTGRES,
        Conn::Sqlite(_) => SQLITE,
    };
    each!(conn, c => diesel::sql_query(sql)
        .bind::<Uuid, _>(row.stream_id)
        .bind::<Text, _>(row.stream)
        .bind::<Text, _>(row.kind)
        .bind::<Text, _>(row.payload)
        .bind::<Text, _>(row.actor_role)
        .bind::<Nullable<Uuid>, _>(row.actor_id)
        .bind::<Nullable<Uuid>, _>(row.worker_id)
        .bind::<Nullable<Uuid>, _>(row.staff_id)
        .bind::<Timestamptz, _>(At(row.at))
        .execute(c))
    .map(|_| ())
}

#[derive(QueryableByName)]
struct Horizon {
    #[diesel(sql_type = BigInt)]
    horizon: i64,
}

/// The writer below which every event is visible: readers stop there. SQLite
/// commits in order of position, so there every event counts.
pub(super) fn event_horizon(conn: &mut Conn) -> QueryResult<i64> {
    match conn {
        Conn::Sqlite(_) => Ok(i64::MAX),
        Conn::Pg(conn) => {
            diesel::sql_query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon")
                .get_result::<Horizon>(conn)
                .map(|row| row.horizon)
        }
    }
}

/// Settles the event log of a database that was moved here from another
/// PostgreSQL server: its transactions had other numbers. Those that this server
/// has not reached yet would hide their events; and new events would be given
/// places before the old ones. Called under the lock of the migrations.
pub(super) fn settle_events(conn: &mut Conn) -> QueryResult<()> {
    // What this server itself committed is always below its snapshot's end.
    const END: &str = "pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let Conn::Pg(conn) = conn else { return Ok(()) };
    let newest = "SELECT writer_xid FROM event ORDER BY position DESC LIMIT 1";
    diesel::sql_query(format!(
        "UPDATE event SET writer_xid = 0 WHERE writer_xid >= {END} AND ({newest}) >= {END}"
    ))
    .execute(conn)?;
    diesel::sql_query(format!(
        "UPDATE event_shift SET xids = seen.last + 1 - {END} \
         FROM (SELECT coalesce(max(position), 0) / 65536 AS last FROM event) AS seen \
         WHERE seen.last >= {END} + xids"
    ))
    .execute(conn)
    .map(|_| ())
}

/// What only one of several processes may do at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    /// Migrate.
    Migrations,
    /// Make the first key of a kind.
    ServerKeys,
}

impl Line {
    /// The advisory lock's number.
    const fn lock(self) -> i64 {
        match self {
            Self::Migrations => 7_239_871_110,
            Self::ServerKeys => 7_239_871_111,
        }
    }
}

/// Waits until this transaction is the only one in `line`, up to its end.
pub(super) fn stand_in_line(conn: &mut Conn, line: Line) -> QueryResult<()> {
    match conn {
        // BEGIN IMMEDIATE stands in line already.
        Conn::Sqlite(_) => Ok(()),
        Conn::Pg(conn) => diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<BigInt, _>(line.lock())
            .execute(conn)
            .map(|_| ()),
    }
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Integer)]
    number: i32,
}

/// Refuses an SQLite whose write-ahead log is known to corrupt under load.
pub(super) fn check_engine(conn: &mut Conn) -> Result<String, String> {
    match conn {
        Conn::Sqlite(conn) => {
            let row: Version = diesel::sql_query("SELECT sqlite_version() AS version, 0 AS number")
                .get_result(conn)
                .map_err(|error| error.to_string())?;
            let parts: Vec<u32> = row.version.split('.').filter_map(|part| part.parse().ok()).collect();
            if parts.as_slice() < [3, 51, 3].as_slice() {
                return Err(format!("SQLite {} is older than 3.51.3, whose WAL code is safe", row.version));
            }
            Ok(format!("SQLite {}", row.version))
        }
        Conn::Pg(conn) => {
            let row: Version = diesel::sql_query(
                "SELECT current_setting('server_version') AS version, \
                 current_setting('server_version_num')::int AS number",
            )
            .get_result(conn)
            .map_err(|error| error.to_string())?;
            if row.number < 130_000 {
                return Err(format!("PostgreSQL {} is older than 13", row.version));
            }
            Ok(format!("PostgreSQL {}", row.version))
        }
    }
}
