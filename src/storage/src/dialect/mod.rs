//! Everything that differs between the two databases. No other code depends on which one is in use.

mod both;
mod events_insert;
pub(crate) mod load_both;
mod row_lock;
mod transfer_insert;

use diesel::{
    expression::{AppearsOnTable, ValidGrouping, is_aggregate},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Integer, Text},
    sqlite::Sqlite,
};

use crate::{StoreError, conn::Conn, sql_types::Timestamptz};
use domain::time::Timestamp;

/// Runs a statement on the inner connection of either backend. The body is compiled for each; where
/// it must name the backend type, use `c on Engine`.
#[macro_export]
macro_rules! on_backend {
    ($conn:expr, $concrete:ident => $body:expr) => {
        match $conn {
            $crate::conn::Conn::Pg($concrete) => $body,
            $crate::conn::Conn::Sqlite($concrete) => $body,
        }
    };
    ($conn:expr, $concrete:ident on $engine:ident => $body:expr) => {
        match $conn {
            $crate::conn::Conn::Pg($concrete) => {
                type $engine = diesel::pg::Pg;
                $body
            }
            $crate::conn::Conn::Sqlite($concrete) => {
                type $engine = diesel::sqlite::Sqlite;
                $body
            }
        }
    };
}
pub use on_backend;

/// Inserts a few rows. SQLite inserts them one by one with a cached prepared statement; over a
/// network one statement for all of them is cheaper.
macro_rules! insert_few {
    ($conn:expr, $table:expr, $rows:expr) => {
        match $conn {
            $crate::conn::Conn::Pg(conn) => diesel::insert_into($table).values($rows).execute(conn),
            $crate::conn::Conn::Sqlite(conn) => $rows.iter().try_fold(0, |rows, row| {
                Ok::<usize, diesel::result::Error>(
                    rows + diesel::insert_into($table).values(row).execute(conn)?,
                )
            }),
        }
    };
}
pub(crate) use both::change_both;
pub(crate) use events_insert::EventsInsert;
pub use events_insert::events_append;
pub(crate) use insert_few;
pub(crate) use load_both::{columns, load_both};
pub(crate) use row_lock::RowLockDsl;
pub(crate) use transfer_insert::TransferInsert;

/// Sets the lock timeout until the end of this transaction. Does nothing on SQLite, which has no
/// row locks.
pub(super) fn set_lock_timeout(conn: &mut Conn, timeout: std::time::Duration) -> QueryResult<()> {
    match conn {
        Conn::Pg(conn) => {
            let millis = crate::waits::millis(timeout);
            diesel::connection::SimpleConnection::batch_execute(
                conn,
                &format!("SET LOCAL lock_timeout = {millis}"),
            )
        }
        Conn::Sqlite(_) => Ok(()),
    }
}

#[derive(QueryableByName)]
struct Horizon {
    #[diesel(sql_type = BigInt)]
    horizon: i64,
}

/// The transaction id below which every event is visible, in the snapshot of the statement that
/// selects it: readers stop there. SQLite commits in order of position, so there every event is
/// visible.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct EventHorizon;

impl Expression for EventHorizon {
    type SqlType = BigInt;
}
impl<G> ValidGrouping<G> for EventHorizon {
    type IsAggregate = is_aggregate::Never;
}
impl<S> AppearsOnTable<S> for EventHorizon {}
impl<S> SelectableExpression<S> for EventHorizon {}
impl QueryFragment<Pg> for EventHorizon {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
        Ok(())
    }
}
impl QueryFragment<Sqlite> for EventHorizon {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("9223372036854775807");
        Ok(())
    }
}

/// Positions after `after` that the SQLite statement `text` finds, in the column `horizon` of its
/// rows. Empty on PostgreSQL.
pub(super) fn positions_on_sqlite(
    conn: &mut Conn,
    text: &str,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let query = diesel::sql_query(text).bind::<BigInt, _>(after).bind::<BigInt, _>(limit);
    Ok(query.load::<Horizon>(conn)?.into_iter().map(|row| row.horizon).collect())
}

#[derive(QueryableByName)]
struct ServerTime {
    #[diesel(sql_type = Timestamptz)]
    at: Timestamp,
}

/// The database server's time; `None` on SQLite, which uses this process's clock.
pub(super) fn server_now(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    match conn {
        Conn::Sqlite(_) => Ok(None),
        Conn::Pg(conn) => diesel::sql_query("SELECT clock_timestamp() AS at")
            .get_result::<ServerTime>(conn)
            .map(|row| Some(row.at)),
    }
}

/// The tables that imports fill.
const IMPORTED: &[&str] = &[
    "account",
    "cabinet",
    "consent",
    "device",
    "doctor",
    "doctor_department",
    "employer",
    "hospital",
    "lot",
    "pharmacist",
    "product",
    "shift",
    "slot",
    "slot_stock",
    "staff",
    "station",
    "worker",
    "worker_identity",
];

/// Tells PostgreSQL's planner how large the imported tables have become, which it would notice by
/// itself only a minute later. An empty table is left to its assumptions: it will not stay empty.
/// Does nothing on SQLite, whose plans depend on the statements alone.
pub(crate) fn statistics_gather(conn: &mut Conn) -> QueryResult<()> {
    let Conn::Pg(conn) = conn else { return Ok(()) };
    let filled: Vec<Table> = diesel::sql_query(
        "SELECT name FROM unnest($1) AS imported (name) WHERE pg_relation_size(to_regclass(name)) > 0",
    )
    .bind::<Array<Text>, _>(IMPORTED)
    .load(conn)?;
    let names: Vec<&str> = filled.iter().map(|table| table.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    diesel::connection::SimpleConnection::batch_execute(conn, &format!("ANALYZE {}", names.join(", ")))
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

/// A server keeps its files to itself.
#[derive(Debug, thiserror::Error)]
#[error("only the embedded database can do that")]
struct EmbeddedOnly;

/// Runs `work` on SQLite; an error on PostgreSQL.
fn embedded<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    match conn {
        Conn::Sqlite(conn) => work(conn),
        Conn::Pg(_) => Err(diesel::result::Error::QueryBuilderError(Box::new(EmbeddedOnly))),
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct IntegrityProblem {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Bytes of the database, without free pages.
pub(super) fn embedded_size(conn: &mut Conn) -> QueryResult<i64> {
    const SQL: &str = "SELECT (pages.page_count - free.freelist_count) * size.page_size AS number \
         FROM pragma_page_count() pages, pragma_freelist_count() free, pragma_page_size() size";
    embedded(conn, |conn| diesel::sql_query(SQL).get_result::<Number>(conn)).map(|row| row.number)
}

/// Copies the database into an empty file, as one consistent state.
pub(super) fn embedded_copy(conn: &mut Conn, to: &str) -> QueryResult<()> {
    embedded(conn, |conn| diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(conn)).map(|_| ())
}

/// Moves the write-ahead log into the database file, and leaves that one file only.
pub(super) fn embedded_checkpoint(conn: &mut Conn) -> QueryResult<()> {
    use diesel::connection::SimpleConnection;
    embedded(conn, |conn| {
        conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
    })
}

/// Opens a file by an SQLite URI with its options.
pub(super) fn embedded_open_uri(uri: &str) -> ConnectionResult<Conn> {
    SqliteConnection::establish(uri).map(Conn::Sqlite)
}

/// Problems that SQLite's integrity check reports; 20 at most.
pub(super) fn embedded_damage(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let rows: Vec<IntegrityProblem> =
        embedded(conn, |conn| diesel::sql_query("PRAGMA integrity_check(20)").load(conn))?;
    Ok(rows.into_iter().map(|row| row.integrity_check).filter(|text| text != "ok").collect())
}

/// How many rows violate a foreign key.
pub(super) fn embedded_dangling(conn: &mut Conn) -> QueryResult<usize> {
    const SQL: &str = "SELECT count(*) AS number FROM pragma_foreign_key_check()";
    let row: Number = embedded(conn, |conn| diesel::sql_query(SQL).get_result(conn))?;
    Ok(usize::try_from(row.number).unwrap_or(usize::MAX))
}

/// Adapts the event log of a database that was moved here from another PostgreSQL server, whose
/// transaction ids were different. Events with ids that this server has not reached yet would stay
/// hidden; and new events would get positions before the old ones. Called under the advisory lock
/// of the migrations.
pub(super) fn rebase_events(conn: &mut Conn) -> QueryResult<()> {
    // A transaction committed on this server is always below its snapshot's end.
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
pub(super) enum AdvisoryLock {
    /// Running migrations.
    Migrations,
    /// Creating the first key of a purpose.
    ServerKeys,
}

impl AdvisoryLock {
    /// Number of the advisory lock in PostgreSQL.
    const fn number(self) -> i64 {
        match self {
            Self::Migrations => 7_239_871_110,
            Self::ServerKeys => 7_239_871_111,
        }
    }
}

/// Waits for `lock`, and has it until the end of this transaction.
pub(super) fn take_advisory_lock(conn: &mut Conn, lock: AdvisoryLock) -> QueryResult<()> {
    match conn {
        // BEGIN IMMEDIATE has taken the write lock already.
        Conn::Sqlite(_) => Ok(()),
        Conn::Pg(conn) => diesel::sql_query("SELECT pg_advisory_xact_lock($1)")
            .bind::<BigInt, _>(lock.number())
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

#[derive(QueryableByName)]
struct CompileOption {
    #[diesel(sql_type = Text)]
    compile_options: String,
}

/// The compile options of the embedded SQLite.
pub(super) fn compile_options(conn: &mut Conn) -> QueryResult<Option<Vec<String>>> {
    let Conn::Sqlite(conn) = conn else { return Ok(None) };
    let rows = diesel::sql_query("PRAGMA compile_options").load::<CompileOption>(conn)?;
    Ok(Some(rows.into_iter().map(|row| row.compile_options).collect()))
}

/// Refuses an SQLite whose write-ahead log is known to corrupt under load.
pub(super) fn check_engine(conn: &mut Conn) -> Result<String, StoreError> {
    match conn {
        Conn::Sqlite(conn) => {
            let row: Version =
                diesel::sql_query("SELECT sqlite_version() AS version, 0 AS number").get_result(conn)?;
            let parts: Vec<u32> = row.version.split('.').filter_map(|part| part.parse().ok()).collect();
            if parts.as_slice() < [3, 51, 3].as_slice() {
                let why = format!("SQLite {} is older than 3.51.3, whose WAL code is safe", row.version);
                return Err(StoreError::broken(why));
            }
            Ok(format!("SQLite {}", row.version))
        }
        Conn::Pg(conn) => {
            let row: Version = diesel::sql_query(
                "SELECT current_setting('server_version') AS version, \
                 current_setting('server_version_num')::int AS number",
            )
            .get_result(conn)?;
            if row.number < 130_000 {
                return Err(StoreError::broken(format!("PostgreSQL {} is older than 13", row.version)));
            }
            Ok(format!("PostgreSQL {}", row.version))
        }
    }
}
