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

/// Inserts a few rows. SQLite takes them one by one with a statement that is
/// kept prepared; over a network one statement for all of them is cheaper.
macro_rules! insert_few {
    ($conn:expr, $table:expr, $rows:expr) => {
        match $conn {
            $crate::storage::conn::Conn::Pg(conn) => diesel::insert_into($table).values($rows).execute(conn),
            $crate::storage::conn::Conn::Sqlite(conn) => $rows.iter().try_fold(0, |rows, row| {
                Ok::<usize, diesel::result::Error>(
                    rows + diesel::insert_into($table).values(row).execute(conn)?,
                )
            }),
        }
    };
}
pub(crate) use insert_few;

/// Statements in each backend's own dialect.
pub trait PortableDsl: Sized {
    /// For syntax that both know but the derived backend cannot express.
    fn both(self) -> Both<Self> {
        Both(self)
    }
    /// `FOR UPDATE SKIP LOCKED` on PostgreSQL; nothing on SQLite, whose
    /// writers already stand in line.
    fn skip_locked_rows(self) -> Locked<Self> {
        Locked(self, SkipLocked)
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
pub struct Locked<Q>(Q, SkipLocked);

/// The locking clause itself.
#[derive(Debug, Clone, Copy, QueryId)]
pub struct SkipLocked;

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Locked<Q>
where
    SkipLocked: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        self.1.walk_ast(out)
    }
}
impl<Q: Query> Query for Locked<Q> {
    type SqlType = Q::SqlType;
}
impl<Q, C> RunQueryDsl<C> for Locked<Q> {}

impl QueryFragment<Pg> for SkipLocked {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(" FOR UPDATE SKIP LOCKED");
        Ok(())
    }
}
impl QueryFragment<Sqlite> for SkipLocked {
    fn walk_ast<'b>(&'b self, _: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        Ok(())
    }
}
impl QueryFragment<MultiBackend> for SkipLocked {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, MultiBackend>) -> QueryResult<()> {
        MultiBackend::walk_variant_ast(self, out)
    }
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
/// SQLite's one writer counts positions itself. PostgreSQL's sequence hands
/// them out of order of commit, so the transaction's own id is kept beside.
pub(super) fn event_append<K, A, W, S>(conn: &mut Conn, row: &EventRow<'_, K, A, W, S>) -> QueryResult<()> {
    let insert = EventInsert { row, at: At(row.at) };
    each!(conn, c => insert.execute(c)).map(|_| ())
}

/// The statement behind [`event_append`]. Every change of the house runs it, so
/// it is prepared once: diesel keeps no statement that is only text.
struct EventInsert<'r, 't, K: 'static, A: 'static, W: 'static, S: 'static> {
    row: &'r EventRow<'t, K, A, W, S>,
    at: At,
}

/// Names the statement in the cache of prepared ones.
struct EventInsertId;
impl<K, A, W, S> QueryId for EventInsert<'_, '_, K, A, W, S> {
    type QueryId = EventInsertId;
    const HAS_STATIC_QUERY_ID: bool = true;
}
impl<C, K, A, W, S> RunQueryDsl<C> for EventInsert<'_, '_, K, A, W, S> {}

macro_rules! event_insert {
    ($backend:ty, $columns:literal, $values:literal) => {
        impl<K, A, W, S> QueryFragment<$backend> for EventInsert<'_, '_, K, A, W, S> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                let row = self.row;
                out.push_sql(concat!(
                    "INSERT INTO event (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
                     staff_id, at, version, ",
                    $columns,
                    ") VALUES ("
                ));
                out.push_bind_param::<Uuid, _>(&row.stream_id)?;
                for text in [&row.stream, &row.kind, &row.payload, &row.actor_role] {
                    out.push_sql(", ");
                    out.push_bind_param::<Text, _>(text)?;
                }
                out.push_sql(", ");
                out.push_bind_param::<Nullable<Uuid>, _>(&row.actor_id)?;
                out.push_sql(", ");
                out.push_bind_param::<Nullable<Uuid>, _>(&row.worker_id)?;
                out.push_sql(", ");
                out.push_bind_param::<Nullable<Uuid>, _>(&row.staff_id)?;
                out.push_sql(", ");
                out.push_bind_param::<Timestamptz, _>(&self.at)?;
                out.push_sql(", (SELECT coalesce(max(version), 0) + 1 FROM event WHERE stream_id = ");
                out.push_bind_param::<Uuid, _>(&row.stream_id)?;
                out.push_sql(concat!("), ", $values, ")"));
                Ok(())
            }
        }
    };
}
event_insert!(Sqlite, "position, writer_xid", "(SELECT coalesce(max(position), 0) + 1 FROM event), 0");
event_insert!(Pg, "writer_xid", "pg_current_xact_id()::text::bigint");

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

/// Whether a row must be written to be taken. SQLite's writers stand in line
/// already, so there the write would only cost.
pub(super) fn rows_are_locked(conn: &Conn) -> bool {
    match conn {
        Conn::Pg(_) => true,
        Conn::Sqlite(_) => false,
    }
}

/// Serialises the migrations of several processes that start at once.
pub(super) fn lock_migrations(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        // BEGIN IMMEDIATE already stands in line.
        Conn::Sqlite(_) => Ok(()),
        Conn::Pg(conn) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock(7239871110)").execute(conn).map(|_| ())
        }
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
