//! One connection type for two databases, and how each is opened.

use std::time::{Duration, Instant};

use diesel::{
    connection::{AnsiTransactionManager, SimpleConnection, TransactionManager, TransactionManagerStatus},
    prelude::*,
    r2d2::{ManageConnection, R2D2Connection},
    result::Error,
};

use super::{statements::Statements, waits::Waits};
use crate::postgres::url::PostgresUrl;

/// A connection to either database. Statements run on the inner connection through
/// `dialect::on_backend`: written once, and prepared once per connection.
pub enum Conn {
    /// PostgreSQL: for scale.
    Pg(PgConnection),
    /// SQLite: the embedded default.
    Sqlite(SqliteConnection),
}

/// Which database a URL names. Decided by the scheme and never guessed: SQLite would accept any
/// text as a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `postgres://..` or `postgresql://..`
    Postgres(PostgresUrl),
    /// `sqlite:PATH`
    Sqlite(String),
}

impl DatabaseUrl {
    /// Parses the URL; an unknown scheme is refused, and so is an unprotected connection to another
    /// machine.
    ///
    /// # Errors
    /// Why it is refused; repeats no part of the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            PostgresUrl::parse(url).map(Self::Postgres)
        } else if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Ok(Self::Sqlite(path.to_owned()))
        } else {
            Err("the database URL must begin with sqlite: or postgres://".to_owned())
        }
    }
}

/// What a connection is used for; on SQLite a reader cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reads only.
    Read,
    /// Reads and writes.
    Write,
}

/// How long a connection to SQLite waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// Sets the journal mode, which a database keeps. While another process does the same with a new
/// database, SQLite fails at once instead of waiting.
fn use_wal(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", BUSY.as_millis()))?;
    let began = Instant::now();
    loop {
        match conn.batch_execute("PRAGMA journal_mode = WAL") {
            Err(Error::DatabaseError(_, why))
                if why.message().contains("locked") && began.elapsed() < BUSY =>
            {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

impl Conn {
    /// Opens one connection.
    pub fn open(url: &DatabaseUrl, purpose: Purpose) -> ConnectionResult<Self> {
        match url {
            DatabaseUrl::Postgres(url) => {
                let client_url = url.for_client().map_err(ConnectionError::BadConnection)?;
                PgConnection::establish(&client_url).map(Conn::Pg)
            }
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(path)?;
                use_wal(&mut conn).map_err(ConnectionError::CouldntSetupConfiguration)?;
                // FULL: what was answered must survive a power cut, not only a crash.
                conn.batch_execute(
                    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
                     PRAGMA cache_size = -4096;",
                )
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
                if purpose == Purpose::Read {
                    // The operating system's cache serves the file to all readers.
                    conn.batch_execute("PRAGMA query_only = ON; PRAGMA cache_size = -2048;")
                        .map_err(ConnectionError::CouldntSetupConfiguration)?;
                }
                Ok(Conn::Sqlite(conn))
            }
        }
    }

    /// Sets the timeouts of this connection, and counts its statements from then on.
    pub(super) fn prepare(mut self, waits: &Waits, statements: &Statements) -> ConnectionResult<Self> {
        let sql = match &self {
            Conn::Pg(_) => waits.for_postgres(),
            Conn::Sqlite(_) => waits.for_sqlite(),
        };
        self.batch_execute(&sql).map_err(ConnectionError::CouldntSetupConfiguration)?;
        statements.count_on(&mut self);
        Ok(self)
    }

    /// Begins a write transaction. SQLite takes its write lock at once, so the transaction can
    /// never fail later on upgrading a read lock.
    pub(super) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Conn::Pg(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN ISOLATION LEVEL READ COMMITTED")
            }
            Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE"),
        }
    }

    /// Commits the outermost transaction, and only that: with a savepoint left open, COMMIT would
    /// only release the savepoint and persist nothing.
    pub(super) fn commit_write(&mut self) -> QueryResult<()> {
        if self.depth() != Some(1) {
            return Err(Error::BrokenTransactionManager);
        }
        match self {
            Conn::Pg(conn) => AnsiTransactionManager::commit_transaction(conn),
            Conn::Sqlite(conn) => AnsiTransactionManager::commit_transaction(conn),
        }
    }

    /// Rolls back the innermost transaction or savepoint.
    pub(super) fn rollback_write(&mut self) -> QueryResult<()> {
        match self {
            Conn::Pg(conn) => AnsiTransactionManager::rollback_transaction(conn),
            Conn::Sqlite(conn) => AnsiTransactionManager::rollback_transaction(conn),
        }
    }

    /// Runs `work` in a read transaction: all its statements see the database as its first one does.
    /// PostgreSQL then refuses statements that lock rows or write.
    pub fn snapshot<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Conn::Pg(conn) => AnsiTransactionManager::begin_transaction_sql(
                conn,
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            )?,
            Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN DEFERRED")?,
        }
        let outcome = work(self);
        // It has nothing to commit. The pool discards a connection that cannot even roll back; the
        // caller needs the result that came before.
        let _rolled_back_on_close = self.rollback_write();
        outcome
    }

    /// Runs `work` in a savepoint: released on Ok, rolled back on Err and on a panic.
    pub fn savepoint<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Conn::Pg(conn) => AnsiTransactionManager::begin_transaction(conn)?,
            Conn::Sqlite(conn) => AnsiTransactionManager::begin_transaction(conn)?,
        }
        // Catches the panic inside the savepoint, so that the savepoint cannot stay open.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)));
        match outcome {
            Ok(Ok(value)) => {
                match self {
                    Conn::Pg(conn) => AnsiTransactionManager::commit_transaction(conn)?,
                    Conn::Sqlite(conn) => AnsiTransactionManager::commit_transaction(conn)?,
                }
                Ok(value)
            }
            Ok(Err(error)) => {
                self.rollback_write()?;
                Err(error)
            }
            Err(panic) => {
                // A failed rollback leaves the depth wrong, which COMMIT then refuses.
                let _ = self.rollback_write();
                std::panic::resume_unwind(panic)
            }
        }
    }

    /// Whether the connection is unusable: the server closed it, or its transaction state is
    /// unknown.
    pub(super) fn is_lost(&mut self) -> bool {
        self.depth().is_none()
    }

    /// How many transactions and savepoints are open; `None` when it is broken.
    pub(super) fn depth(&mut self) -> Option<u32> {
        let status = match self {
            Conn::Pg(conn) => {
                <AnsiTransactionManager as TransactionManager<PgConnection>>::transaction_manager_status_mut(conn)
            }
            Conn::Sqlite(conn) => {
                <AnsiTransactionManager as TransactionManager<SqliteConnection>>::transaction_manager_status_mut(
                    conn,
                )
            }
        };
        match status {
            TransactionManagerStatus::Valid(valid) => Some(valid.transaction_depth().map_or(0, u32::from)),
            TransactionManagerStatus::InError => None,
        }
    }
}

impl SimpleConnection for Conn {
    fn batch_execute(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Conn::Pg(conn) => conn.batch_execute(sql),
            Conn::Sqlite(conn) => conn.batch_execute(sql),
        }
    }
}

/// Makes connections for the pools.
pub(crate) struct Manager {
    pub(super) url: DatabaseUrl,
    pub(super) purpose: Purpose,
    pub(super) waits: Waits,
    pub(super) statements: Statements,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        Conn::open(&self.url, self.purpose)
            .and_then(|conn| conn.prepare(&self.waits, &self.statements))
            .map_err(diesel::r2d2::Error::ConnectionError)
    }
    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        match conn {
            Conn::Pg(conn) => conn.ping(),
            Conn::Sqlite(conn) => conn.ping(),
        }
        .map_err(diesel::r2d2::Error::QueryError)
    }
    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking()
            || match conn {
                Conn::Pg(conn) => conn.is_broken(),
                Conn::Sqlite(conn) => conn.is_broken(),
            }
    }
}
