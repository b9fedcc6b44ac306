//! SQL access to the database, and nothing else: no business rules. The same code runs on SQLite
//! (the embedded default) and on PostgreSQL (for scale). Function names begin with the noun:
//! `consultation_fetch`, `offer_end`. Functions take a connection, make no decisions, and repeat
//! the state that they rely on in their WHERE clause.

pub mod alert;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod check_in;
mod code_literals;
mod compile_options;
pub mod conn;
pub mod consultation;
pub mod devices;
mod dialect;
mod edition;
mod error;
pub mod events;
pub mod formulary;
pub mod housekeeping;
pub mod idempotency;
pub mod keys;
pub mod last_step;
pub mod ledger;
pub mod letter;
mod live;
pub mod matching;
mod migrating;
pub mod network;
pub mod operations;
pub mod order;
mod pool;
mod postgres;
mod prepared;
pub mod prescription;
pub mod profile;
pub mod review;
pub mod safety;
pub mod schema;
pub mod serving;
pub mod sql_types;
pub mod staff;
mod statements;
pub mod stock;
pub mod triage;
pub mod vend;
pub mod vitals;
mod waits;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

pub use conn::{Conn, DatabaseUrl};
use conn::{Manager, Purpose};
pub use error::{Retryable, StoreError};
pub use live::Live;
pub use migrating::{compile_option_differences, is_up_to_date, migrate};
use pool::metrics::PoolMetrics;
pub use statements::Statements;
pub use waits::Waits;
pub(crate) use writer::WriterMetrics;

use base::telemetry::metrics::Metrics;

/// An error that the database returned.
pub type QueryError = diesel::result::Error;

/// Writes that one job hands to the single writer at once. Our default.
const CONCURRENT_WRITES: usize = 50;

/// Handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    writer: WritePath,
    /// One permit per connection: no more blocking threads than connections.
    permits: Arc<Semaphore>,
    /// Limits how many connections may wait for a row lock with the long timeout.
    long_lock_timeout_permits: Arc<Semaphore>,
    waits: Waits,
    connections: u32,
    pool: Arc<PoolMetrics>,
    engine: String,
    /// Keeps the embedded database marked as in use.
    _in_use: Option<Arc<backup::InUse>>,
    statements: Statements,
    /// Connections taken from the pool so far.
    taken: Arc<AtomicU64>,
}

#[derive(Clone)]
enum WritePath {
    /// SQLite: one thread commits many closures at once.
    Grouped(writer::Writer),
    /// PostgreSQL: the pool itself.
    Pooled,
}

impl Store {
    /// Opens the database that `url` names, checks its version and migrates it.
    ///
    /// # Errors
    /// The database error; an engine that is too old.
    pub fn open(url: &DatabaseUrl, connections: u32) -> Result<Self, StoreError> {
        Self::open_with(url, connections, Waits::default())
    }

    /// As [`Self::open`], with its own timeouts.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(url: &DatabaseUrl, connections: u32, waits: Waits) -> Result<Self, StoreError> {
        let in_use = url.file().map(backup::InUse::shared).transpose()?.map(Arc::new);
        let engine = migrate(url)?;
        let statements = Statements::default();
        let (purpose, writer) = match url {
            DatabaseUrl::Sqlite(_) => (
                Purpose::Read,
                WritePath::Grouped(writer::Writer::start(url.clone(), waits, statements.clone())?),
            ),
            DatabaseUrl::Postgres(_) => (Purpose::Write, WritePath::Pooled),
        };
        let readers = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(waits.checkout.min(Duration::from_secs(5)))
            .build(Manager { url: url.clone(), purpose, waits, statements: statements.clone() })?;
        let permits = Arc::new(Semaphore::new(connections as usize));
        Ok(Self {
            readers,
            writer,
            permits,
            long_lock_timeout_permits: Arc::new(Semaphore::new(Waits::long_lock_timeout_limit(connections))),
            waits,
            connections,
            pool: Arc::default(),
            engine,
            _in_use: in_use,
            statements,
            taken: Arc::default(),
        })
    }

    /// Name and version of the database engine, for display.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// How many times a connection was taken from the pool: work that touches no database does not
    /// increase it.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Statements and commits of all connections.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Metrics of the writer's batches; `None` on PostgreSQL.
    pub fn writer_metrics(&self) -> Option<&WriterMetrics> {
        match &self.writer {
            WritePath::Grouped(writer) => Some(writer.metrics()),
            WritePath::Pooled => None,
        }
    }

    /// Writes that are queued and have not started.
    pub fn writes_waiting(&self) -> u64 {
        match &self.writer {
            WritePath::Grouped(writer) => writer.metrics().waiting(),
            // On PostgreSQL a write waits for a connection, like a read.
            WritePath::Pooled => u64::try_from(self.pool.waiting()).unwrap_or(0),
        }
    }

    /// Registers the store's metrics with `metrics`.
    pub fn register_metrics(&self, metrics: &Metrics) {
        if let WritePath::Grouped(writer) = &self.writer {
            metrics.register_collector(writer.metrics().batch_size.clone());
            metrics.register_collector(writer.metrics().commit_seconds.clone());
        }
        self.statements.add_to(metrics);
        self.pool.add_to(metrics);
    }

    /// Updates the gauges to their current values.
    pub fn refresh_metrics(&self) {
        self.pool.refresh(self.readers.state(), self.writes_waiting());
    }

    /// Returns when all work submitted before has ended.
    ///
    /// # Errors
    /// The writer has stopped.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.write::<_, StoreError>(|_| Ok(())).await?;
        // When all permits are free, no work is left in the blocking pool.
        let all = self.permits.acquire_many(self.connections).await;
        all.map(drop).map_err(|_| StoreError::broken("the pool is closed"))
    }

    /// Runs a read on a blocking thread; retries on another connection when its own was lost.
    pub async fn read<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Retryable + Send + 'static,
    {
        self.on_pool(None, move |conn, _| work(conn)).await
    }

    /// As [`Self::read`], for reads of several statements that must agree: all of them see the same
    /// state of the database ([`Conn::snapshot`]). Costs two statements more.
    ///
    /// # Errors
    /// Those of the closure.
    pub async fn read_snapshot<T, E>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<QueryError> + Retryable + Send + 'static,
    {
        self.read(move |conn| conn.snapshot(&work)).await
    }

    /// Runs a write in a transaction of its own. Returns after the commit.
    ///
    /// The closure is short and has no side effects outside the database: all of it is undone when
    /// it returns an error, panics, or its commit fails. On PostgreSQL it is run again, a few
    /// times, when it conflicts with another transaction: both wrote the same row, or a deadlock.
    /// The next try sees what the other transaction wrote. When the connection is lost during
    /// COMMIT there is no retry: the commit may have succeeded.
    ///
    /// # Errors
    /// Those of the closure; `Busy` when a lock, a connection or the writer did not become free
    /// within [`Waits`].
    pub async fn write<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Retryable + Send + 'static,
    {
        self.write_with_lock_timeout(None, work).await
    }

    /// As [`Self::write`]; `lock_timeout`, if given, is the longest wait for each row lock, never
    /// longer than the first timeout of every write, and without a second try: for work that can be
    /// done later. SQLite has no row locks.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_with_lock_timeout<T, E>(
        &self,
        lock_timeout: Option<Duration>,
        work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Retryable + Send + 'static,
    {
        match &self.writer {
            WritePath::Grouped(writer) => writer.run(work).await,
            WritePath::Pooled => {
                self.on_pool(lock_timeout, move |conn, lock_timeout| {
                    in_transaction(conn, lock_timeout, &work)
                })
                .await
            }
        }
    }

    /// As [`Self::write`], for work of one statement on PostgreSQL, which is a transaction by itself.
    /// Unlike a write it is run again when the connection is lost, so its effect must be the same
    /// when it happens twice.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_statement<T, E>(
        &self,
        work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Retryable + Send + 'static,
    {
        match &self.writer {
            WritePath::Grouped(writer) => writer.run(work).await,
            WritePath::Pooled => {
                let done = self.on_pool(None, move |conn, _| work(conn)).await?;
                self.statements.count_commit();
                Ok(done)
            }
        }
    }

    /// How many writes one job may submit at once: in the embedded database they share a commit; on
    /// PostgreSQL most connections are left to others.
    pub fn write_concurrency(&self) -> usize {
        match &self.writer {
            WritePath::Grouped(_) => CONCURRENT_WRITES,
            WritePath::Pooled => Waits::long_lock_timeout_limit(self.connections),
        }
    }
}

fn in_transaction<T, E: From<diesel::result::Error> + From<StoreError>>(
    conn: &mut Conn,
    lock_timeout: Option<Duration>,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.begin_write()?;
    let set = lock_timeout.map_or(Ok(()), |lock_timeout| dialect::set_lock_timeout(conn, lock_timeout));
    match set.map_err(E::from).and_then(|()| work(conn)) {
        Ok(value) => {
            conn.commit_write().map_err(StoreError::CommitUnknown)?;
            Ok(value)
        }
        Err(error) => {
            // The pool discards a connection that cannot even roll back; the caller needs the error
            // that came before.
            let _rolled_back_on_close = conn.rollback_write();
            Err(error)
        }
    }
}

/// Runs a write on the given connection, in its own transaction: for a command outside the serving
/// processes.
///
/// # Errors
/// Those of `work`; then nothing was committed.
pub fn write_in_own_transaction<T, E: From<diesel::result::Error> + From<StoreError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    in_transaction(conn, None, work)
}
