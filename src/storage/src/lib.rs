//! FLOOR 2: SQL, and nothing but SQL. One code base runs on SQLite (the
//! embedded default) and on PostgreSQL (for scale). Verbs are noun first:
//! `consultation_fetch`, `offer_accept`. They take a connection, decide
//! nothing, and repeat the state they rely on in their WHERE clause.

pub mod alert;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod check_in;
pub mod conn;
pub mod consultation;
pub mod devices;
pub mod dialect;
mod error;
pub mod events;
pub mod formulary;
pub mod housekeeping;
pub mod idempotency;
pub mod keys;
pub mod ledger;
pub mod letter;
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
pub mod safety;
pub mod schema;
pub mod serving;
pub mod sql_types;
pub mod staff;
pub mod stock;
pub mod triage;
pub mod vend;
pub mod vitals;
mod waits;
pub mod words;
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
pub use error::{StoreError, TryAgain};
pub use migrating::{is_up_to_date, migrate};
use pool::figures::PoolFigures;
pub use postgres::url::PostgresUrl;
pub use waits::Waits;
pub use writer::WriterFigures;

use base::telemetry::figures::Figures;

/// What the database itself said.
pub type QueryError = diesel::result::Error;

/// Writes of one job that wait for the writer at once. Our default.
const TOGETHER: usize = 50;

/// The one door to the database.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    writer: WriteDoor,
    /// As many blocking threads as there are connections, and no more.
    places: Arc<Semaphore>,
    /// Of them, those that may wait long for a row that somebody holds.
    patient: Arc<Semaphore>,
    waits: Waits,
    connections: u32,
    pool: Arc<PoolFigures>,
    engine: String,
    /// Held for as long as the embedded database is in use.
    _in_use: Option<Arc<backup::InUse>>,
    /// Connections taken from the pool so far.
    taken: Arc<AtomicU64>,
}

#[derive(Clone)]
enum WriteDoor {
    /// SQLite: one thread, many closures to a commit.
    Grouped(writer::Writer),
    /// PostgreSQL: the pool itself.
    Pooled,
}

impl Store {
    /// Opens the database that `url` names, checks its version and migrates it.
    ///
    /// # Errors
    /// What the database said; an engine that is too old.
    pub fn open(url: &DatabaseUrl, connections: u32) -> Result<Self, StoreError> {
        Self::open_with(url, connections, Waits::default())
    }

    /// The same, with bounds of its own for every wait.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(url: &DatabaseUrl, connections: u32, waits: Waits) -> Result<Self, StoreError> {
        let in_use = url.file().map(backup::InUse::shared).transpose()?.map(Arc::new);
        let engine = migrate(url)?;
        let (purpose, writer) = match url {
            DatabaseUrl::Sqlite(_) => {
                (Purpose::Read, WriteDoor::Grouped(writer::Writer::start(url.clone(), waits)?))
            }
            DatabaseUrl::Postgres(_) => (Purpose::Write, WriteDoor::Pooled),
        };
        let readers = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(waits.checkout.min(Duration::from_secs(5)))
            .build(Manager { url: url.clone(), purpose, waits })
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        let places = Arc::new(Semaphore::new(connections as usize));
        Ok(Self {
            readers,
            writer,
            places,
            patient: Arc::new(Semaphore::new(Waits::patient(connections))),
            waits,
            connections,
            pool: Arc::default(),
            engine,
            _in_use: in_use,
            taken: Arc::default(),
        })
    }

    /// Name and version of the engine, for people.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// How often a connection was taken from the pool: what touches no database
    /// leaves it as it is.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How full the writer's batches are; `None` on PostgreSQL.
    pub fn writer_figures(&self) -> Option<&WriterFigures> {
        match &self.writer {
            WriteDoor::Grouped(writer) => Some(writer.figures()),
            WriteDoor::Pooled => None,
        }
    }

    /// Writes that wait to be taken up.
    pub fn writes_waiting(&self) -> u64 {
        match &self.writer {
            WriteDoor::Grouped(writer) => writer.figures().waiting(),
            // A write waits for a connection there, like everybody else.
            WriteDoor::Pooled => u64::try_from(self.pool.waiting()).unwrap_or(0),
        }
    }

    /// Gives the store's figures to the house that it belongs to.
    pub fn add_figures(&self, figures: &Figures) {
        if let WriteDoor::Grouped(writer) = &self.writer {
            figures.take_in(writer.figures().batch_size.clone());
            figures.take_in(writer.figures().commit_seconds.clone());
        }
        self.pool.add_to(figures);
    }

    /// Brings the figures of the moment up to date.
    pub fn refresh_figures(&self) {
        self.pool.refresh(self.readers.state(), self.writes_waiting());
    }

    /// Returns when everything that was handed over before has ended.
    ///
    /// # Errors
    /// The writer is gone.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.write::<_, StoreError>(|_| Ok(())).await?;
        // All places free means that no work is left in the blocking pool.
        let all = self.places.acquire_many(self.connections).await;
        all.map(drop).map_err(|_| StoreError::Broken("the pool is closed".to_owned()))
    }

    /// Runs a read off the async threads; again on another connection when its
    /// own was lost.
    pub async fn read<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + TryAgain + Send + 'static,
    {
        self.on_pool(None, move |conn, _| work(conn)).await
    }

    /// Runs a write in a transaction of its own. It answers after the commit.
    ///
    /// The closure is short and free of outside effects: all of it is undone
    /// when it returns an error, panics, or its commit fails. On PostgreSQL it
    /// is run again, a few times, when another transaction stood in its way: two
    /// that wrote the same row first, or waited for each other. The next try
    /// sees what the other one wrote. What was lost during COMMIT itself is not
    /// tried again: it may have been kept.
    ///
    /// # Errors
    /// Those of the closure; `Busy` when what it needs was held by somebody else
    /// for longer than [`Waits`] allows.
    pub async fn write<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + TryAgain + Send + 'static,
    {
        self.write_in(None, work).await
    }

    /// The same; with an `only` wait each row that somebody holds is waited for once,
    /// so long at most and never longer than anybody waits at first: for work that
    /// can be left for later. On SQLite nobody holds rows.
    ///
    /// # Errors
    /// As there.
    pub async fn write_in<T, E>(
        &self,
        only: Option<Duration>,
        work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + TryAgain + Send + 'static,
    {
        match &self.writer {
            WriteDoor::Grouped(writer) => writer.run(work).await,
            WriteDoor::Pooled => {
                self.on_pool(only, move |conn, patience| in_transaction(conn, patience, &work)).await
            }
        }
    }

    /// How many writes one job may hand over at once: in the embedded database they
    /// share a commit, elsewhere most connections are left to others.
    pub fn side_by_side(&self) -> usize {
        match &self.writer {
            WriteDoor::Grouped(_) => TOGETHER,
            WriteDoor::Pooled => Waits::patient(self.connections),
        }
    }
}

fn in_transaction<T, E: From<diesel::result::Error> + From<StoreError>>(
    conn: &mut Conn,
    patience: Option<Duration>,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.begin_write()?;
    let told = patience.map_or(Ok(()), |patience| dialect::wait_for_rows(conn, patience));
    match told.map_err(E::from).and_then(|()| work(conn)) {
        Ok(value) => {
            conn.commit_write().map_err(|error| StoreError::Unsure(error.to_string()))?;
            Ok(value)
        }
        Err(error) => {
            // A connection that cannot even do this is thrown away by the pool;
            // what the caller wants to know is what went wrong before.
            let _undone_by_closing = conn.rollback_write();
            Err(error)
        }
    }
}

/// Runs a write on a connection of one's own, in a transaction: for a command
/// beside the processes that serve.
///
/// # Errors
/// Those of `work`; then nothing was kept.
pub fn write_apart<T, E: From<diesel::result::Error> + From<StoreError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    in_transaction(conn, None, work)
}
