//! FLOOR 2: SQL, and nothing but SQL. One code base runs on SQLite (the
//! embedded default) and on PostgreSQL (for scale). Verbs are noun first:
//! `consultation_fetch`, `offer_accept`. They take a connection, decide
//! nothing, and repeat the state they rely on in their WHERE clause.

pub mod attempts;
pub mod audit;
pub mod check_in;
pub mod conn;
pub mod consultations;
pub mod devices;
pub mod dialect;
pub mod directory;
pub mod doctors;
mod error;
pub mod events;
pub mod housekeeping;
pub mod idempotency;
pub mod incidents;
pub mod intake;
pub mod journal;
pub mod ledger;
pub mod letters;
pub mod merge;
pub mod messages;
pub mod network;
pub mod orders;
pub mod places;
mod postgres_greeting;
mod postgres_tls;
mod postgres_trust;
mod postgres_url;
pub mod prescriptions;
pub mod products;
pub mod profiles;
pub mod readings;
pub mod safety_facts;
pub mod schema;
pub mod server_keys;
pub mod sessions;
pub mod sql_types;
pub mod staff;
pub mod staff_sessions;
pub mod stock;
pub mod stock_check;
pub mod workers;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::r2d2::Pool;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::sync::Semaphore;

pub use conn::{Conn, DatabaseUrl};
use conn::{Manager, Purpose};
pub use error::{StoreError, TryAgain};
pub use postgres_url::PostgresUrl;
pub use writer::WriterFigures;

/// What the database itself said.
pub type QueryError = diesel::result::Error;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// How often a transaction is tried that stood in another one's way.
const TRIES: u32 = 8;

/// The one door to the database.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    writer: WriteDoor,
    /// As many blocking threads as there are connections, and no more.
    places: Arc<Semaphore>,
    engine: String,
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
        let engine = migrate(url)?;
        let (purpose, writer) = match url {
            DatabaseUrl::Sqlite(_) => {
                (Purpose::Read, WriteDoor::Grouped(writer::Writer::start(url.clone())?))
            }
            DatabaseUrl::Postgres(_) => (Purpose::Write, WriteDoor::Pooled),
        };
        let readers = Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(5))
            .build(Manager { url: url.clone(), purpose })
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        let places = Arc::new(Semaphore::new(connections as usize));
        Ok(Self { readers, writer, places, engine, taken: Arc::default() })
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

    /// Runs a read off the async threads; again on another connection when its
    /// own was lost.
    pub async fn read<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + TryAgain + Send + 'static,
    {
        self.on_pool(work).await
    }

    /// Runs a write in a transaction of its own. It answers after the commit.
    ///
    /// The closure is short and free of outside effects: all of it is undone
    /// when it returns an error, panics, or its commit fails. On PostgreSQL it
    /// is run again, a few times, when another transaction stood in its way: two
    /// that wrote the same row first, or waited for each other. The next try
    /// sees what the other one wrote. What was lost during COMMIT itself is not
    /// tried again: it may have been kept.
    pub async fn write<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + TryAgain + Send + 'static,
    {
        match &self.writer {
            WriteDoor::Grouped(writer) => writer.run(work).await,
            WriteDoor::Pooled => self.on_pool(move |conn| in_transaction(conn, &work)).await,
        }
    }

    async fn on_pool<T, E>(&self, work: impl Fn(&mut Conn) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + TryAgain + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Broken("the pool is closed".to_owned()))?;
        let pool = self.readers.clone();
        let taken = Arc::clone(&self.taken);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            // After a restart of the server every connection in the pool may be
            // a dead one, and each is found out only by being used.
            let mut dead = pool.max_size();
            let mut tries = TRIES;
            loop {
                let mut conn = pool.get().map_err(|error| StoreError::Pool(error.to_string()))?;
                taken.fetch_add(1, Ordering::Relaxed);
                let outcome = work(&mut conn);
                let left = if conn.is_lost() { &mut dead } else { &mut tries };
                match outcome {
                    Err(error) if error.may_pass() && *left > 1 => *left -= 1,
                    outcome => return outcome,
                }
            }
        })
        .await
        .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }
}

fn in_transaction<T, E: From<diesel::result::Error> + From<StoreError>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.begin_write()?;
    match work(conn) {
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

/// Brings the database at `url` to the newest schema; returns the engine's name.
///
/// # Errors
/// What the database said; an engine that is too old.
pub fn migrate(url: &DatabaseUrl) -> Result<String, StoreError> {
    let mut conn = Conn::open(url, Purpose::Write)?;
    let engine = dialect::check_engine(&mut conn).map_err(StoreError::Broken)?;
    in_transaction(&mut conn, |conn| {
        dialect::stand_in_line(conn, dialect::Line::Migrations)?;
        conn.run_pending_migrations(MIGRATIONS)
            .map_err(|error| StoreError::Broken(format!("migration: {error}")))?;
        Ok::<_, StoreError>(dialect::settle_events(conn)?)
    })?;
    Ok(engine)
}
