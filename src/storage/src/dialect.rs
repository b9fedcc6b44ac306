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
    conn::Conn,
    sql_types::{At, Timestamptz, Uuid},
};
use domain::{ids::Id, time::Timestamp};

/// Runs a statement on the connection inside, whichever it is. The body is
/// compiled for each; where it must name the backend, `c on Engine` does.
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

/// Inserts a few rows. SQLite takes them one by one with a statement that is
/// kept prepared; over a network one statement for all of them is cheaper.
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
pub(crate) use insert_few;

/// Statements in each backend's own dialect.
pub trait PortableDsl: Sized {
    /// Takes the rows for this transaction: whoever else would change them
    /// waits for its end, and then reads them as they have become. Nothing on
    /// SQLite, whose writers stand in line already.
    fn lock_for_update(self) -> Locked<Self, ForChange> {
        Locked(self, ForChange)
    }
    /// Keeps the rows as they are for this transaction: whoever would replace
    /// them waits for its end.
    fn lock_for_key_share(self) -> Locked<Self, ForReference> {
        Locked(self, ForReference)
    }
    /// Takes the rows so that nobody can even refer to them until the end of
    /// this transaction.
    fn lock_for_key_update(self) -> Locked<Self, ForReplacement> {
        Locked(self, ForReplacement)
    }
    /// Keeps the rows unchanged until the end of this transaction; several may.
    fn lock_for_share(self) -> Locked<Self, ForShare> {
        Locked(self, ForShare)
    }
    /// The same, but rows that somebody is changing at this moment are left out
    /// instead of waited for.
    fn lock_for_share_skip_locked(self) -> Locked<Self, ForShareIfFree> {
        Locked(self, ForShareIfFree)
    }
    /// Takes the rows as [`lock_for_update`](Self::held) does, but leaves out those that
    /// anybody else has locked.
    fn lock_for_update_skip_locked(self) -> Locked<Self, ForChangeIfFree> {
        Locked(self, ForChangeIfFree)
    }
}
impl<Q: QueryId> PortableDsl for Q {}

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
    )+};
}
locking! {
    /// Others may refer to the row, but not change it.
    ForChange = " FOR NO KEY UPDATE",
    /// Others may change the row, but not replace it.
    ForReference = " FOR KEY SHARE",
    /// Others may not even refer to the row.
    ForReplacement = " FOR UPDATE",
    /// Nobody changes the row.
    ForShare = " FOR SHARE",
    /// Nobody changes the row; one that is being changed is left out.
    ForShareIfFree = " FOR SHARE SKIP LOCKED",
    /// Others may not change the row; one that is locked is left out.
    ForChangeIfFree = " FOR NO KEY UPDATE SKIP LOCKED",
}

/// Whether two transactions can write at once. SQLite has one writer, so there
/// nothing changes between the first and the last statement of a write.
pub(super) fn writes_overlap(conn: &Conn) -> bool {
    matches!(conn, Conn::Pg(_))
}

/// Waits so long for each row that others hold, until the end of this
/// transaction. On SQLite nobody holds rows.
pub(super) fn wait_for_rows(conn: &mut Conn, patience: std::time::Duration) -> QueryResult<()> {
    match conn {
        Conn::Pg(conn) => {
            let millis = super::waits::millis(patience);
            diesel::connection::SimpleConnection::batch_execute(
                conn,
                &format!("SET LOCAL lock_timeout = {millis}"),
            )
        }
        Conn::Sqlite(_) => Ok(()),
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
/// SQLite's one writer counts positions itself. On PostgreSQL a counter would
/// give them out of order: a transaction that began first may take a later one,
/// be read, and leave behind an earlier one that is committed after it. There a
/// position is the transaction's number, shifted by 16 bits, and then the
/// event's number within it (65,535 at most): whoever has read up to a
/// transaction below the horizon has read all there will ever be before it.
pub(super) fn event_append<K, A, W, S>(conn: &mut Conn, row: &EventRow<'_, K, A, W, S>) -> QueryResult<()> {
    let insert = EventInsert { row, at: At(row.at) };
    on_backend!(conn, c => insert.execute(c)).map(|_| ())
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
    ($backend:ty, $begin:literal, $position:literal, $end:literal) => {
        impl<K, A, W, S> QueryFragment<$backend> for EventInsert<'_, '_, K, A, W, S> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                let row = self.row;
                out.push_sql(concat!(
                    "INSERT INTO event (stream_id, stream, kind, payload, actor_role, actor_id, worker_id, \
                     staff_id, at, version, position, writer_xid) ",
                    $begin
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
                out.push_sql(concat!("), ", $position, $end));
                Ok(())
            }
        }
    };
}
event_insert!(Sqlite, "VALUES (", "(SELECT coalesce(max(position), 0) + 1 FROM event), 0", ")");
event_insert!(
    Pg,
    "SELECT ",
    "coalesce((SELECT max(position) FROM event WHERE position >= place.first \
     AND position < place.first + 65536), place.first) + 1, place.xid",
    " FROM (SELECT own.xid, (own.xid + (SELECT xids FROM event_shift)) * 65536 AS first \
     FROM (SELECT pg_current_xact_id()::text::bigint AS xid OFFSET 0) AS own OFFSET 0) AS place"
);

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

/// Positions that a statement of SQLite's own finds after `after`: the column
/// `horizon` of its rows. PostgreSQL is not asked.
pub(super) fn positions_on_sqlite(
    conn: &mut Conn,
    text: &str,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let Conn::Sqlite(conn) = conn else { return Ok(Vec::new()) };
    let asked = diesel::sql_query(text).bind::<BigInt, _>(after).bind::<BigInt, _>(limit);
    Ok(asked.load::<Horizon>(conn)?.into_iter().map(|row| row.horizon).collect())
}

#[derive(QueryableByName)]
struct ServerTime {
    #[diesel(sql_type = Timestamptz)]
    at: Timestamp,
}

/// The database server's own time. SQLite has no clock but this process's.
pub(super) fn server_now(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    match conn {
        Conn::Sqlite(_) => Ok(None),
        Conn::Pg(conn) => diesel::sql_query("SELECT clock_timestamp() AS at")
            .get_result::<ServerTime>(conn)
            .map(|row| Some(row.at)),
    }
}

/// What only the embedded database can do.
fn embedded<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    match conn {
        Conn::Sqlite(conn) => work(conn),
        Conn::Pg(_) => {
            Err(diesel::result::Error::QueryBuilderError("only the embedded database can do that".into()))
        }
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Complaint {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

/// Bytes of the database, free pages left out.
pub(super) fn embedded_size(conn: &mut Conn) -> QueryResult<i64> {
    const SQL: &str = "SELECT (pages.page_count - free.freelist_count) * size.page_size AS number \
         FROM pragma_page_count() pages, pragma_freelist_count() free, pragma_page_size() size";
    embedded(conn, |conn| diesel::sql_query(SQL).get_result::<Number>(conn)).map(|row| row.number)
}

/// Copies the database into an empty file, as one consistent state.
pub(super) fn embedded_copy(conn: &mut Conn, to: &str) -> QueryResult<()> {
    embedded(conn, |conn| diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(conn)).map(|_| ())
}

/// Brings the write-ahead log into the database's one file.
pub(super) fn embedded_fold(conn: &mut Conn) -> QueryResult<()> {
    use diesel::connection::SimpleConnection;
    embedded(conn, |conn| {
        conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
    })
}

/// Opens a file by a URI that says how.
pub(super) fn embedded_at_rest(uri: &str) -> ConnectionResult<Conn> {
    SqliteConnection::establish(uri).map(Conn::Sqlite)
}

/// What the engine's own check of every page and index complains of.
pub(super) fn embedded_damage(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let rows: Vec<Complaint> =
        embedded(conn, |conn| diesel::sql_query("PRAGMA integrity_check(20)").load(conn))?;
    Ok(rows.into_iter().map(|row| row.integrity_check).filter(|text| text != "ok").collect())
}

/// How many rows point to rows that are not there.
pub(super) fn embedded_dangling(conn: &mut Conn) -> QueryResult<usize> {
    const SQL: &str = "SELECT count(*) AS number FROM pragma_foreign_key_check()";
    let row: Number = embedded(conn, |conn| diesel::sql_query(SQL).get_result(conn))?;
    Ok(usize::try_from(row.number).unwrap_or(usize::MAX))
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
