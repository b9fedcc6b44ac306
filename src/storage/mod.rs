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
pub mod words;
pub mod workers;
mod writer;

use std::{sync::Arc, time::Duration};

use diesel::r2d2::Pool;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::sync::Semaphore;

pub use conn::{Conn, DatabaseUrl};
use conn::{Manager, Purpose};
pub use error::StoreError;
pub use postgres_url::PostgresUrl;
pub use writer::WriterFigures;

/// What the database itself said.
pub type QueryError = diesel::result::Error;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The one door to the database.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Manager>,
    writer: WriteDoor,
    /// As many blocking threads as there are connections, and no more.
    places: Arc<Semaphore>,
    engine: String,
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
        Ok(Self { readers, writer, places, engine })
    }

    /// Name and version of the engine, for people.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// How full the writer's batches are; `None` on PostgreSQL.
    pub fn writer_figures(&self) -> Option<&WriterFigures> {
        match &self.writer {
            WriteDoor::Grouped(writer) => Some(writer.figures()),
            WriteDoor::Pooled => None,
        }
    }

    /// Runs a read off the async threads.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.on_pool(work).await
    }

    /// Runs a write in a transaction of its own. It answers after the commit.
    ///
    /// The closure is short and free of outside effects: all of it is undone
    /// when it returns an error, panics, or its commit fails.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        match &self.writer {
            WriteDoor::Grouped(writer) => writer.run(work).await,
            WriteDoor::Pooled => self.on_pool(move |conn| in_transaction(conn, work)).await,
        }
    }

    async fn on_pool<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Broken("the pool is closed".to_owned()))?;
        let pool = self.readers.clone();
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut conn = pool.get().map_err(|error| StoreError::Pool(error.to_string()))?;
            work(&mut conn)
        })
        .await
        .unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }
}

fn in_transaction<T, E: From<diesel::result::Error>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.begin_write()?;
    match work(conn) {
        Ok(value) => {
            conn.commit_write()?;
            Ok(value)
        }
        Err(error) => {
            conn.rollback_write()?;
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
        dialect::lock_migrations(conn)?;
        conn.run_pending_migrations(MIGRATIONS)
            .map(|_| ())
            .map_err(|error| StoreError::Broken(format!("migration: {error}")))
    })?;
    Ok(engine)
}
