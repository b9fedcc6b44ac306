//! The schema is brought up to date before anything else is done with a database.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{
    StoreError, backup,
    conn::{Conn, DatabaseUrl, Purpose},
    dialect, in_transaction, operations,
};
use base::private_files;

/// Every migration of this version.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Whether [`migrate`] would change nothing: a look, and no more.
///
/// # Errors
/// What the database said.
pub fn is_up_to_date(url: &DatabaseUrl) -> Result<bool, StoreError> {
    let mut conn = Conn::open(url, Purpose::Read)?;
    Ok(operations::schema_state(&mut conn)?.pending == 0)
}

/// Brings the database at `url` to the newest schema; returns the engine's name.
///
/// # Errors
/// What the database said; an engine that is too old.
pub fn migrate(url: &DatabaseUrl) -> Result<String, StoreError> {
    if let Some(file) = url.file() {
        // The engine makes its log and index beside it with the same mode.
        let private = |path: &std::path::Path| {
            private_files::ensure(path)
                .map_err(|error| StoreError::Broken(format!("{}: {error}", path.display())))
        };
        private(file)?;
        for ending in ["-wal", "-shm"] {
            let beside = backup::beside(file, ending);
            if beside.exists() {
                private(&beside)?;
            }
        }
    }
    let mut conn = Conn::open(url, Purpose::Write)?;
    let engine = dialect::check_engine(&mut conn).map_err(StoreError::Broken)?;
    in_transaction(&mut conn, None, |conn| {
        dialect::stand_in_line(conn, dialect::Line::Migrations)?;
        dialect::on_backend!(conn, c => c.run_pending_migrations(MIGRATIONS).map(drop))
            .map_err(|error| StoreError::Broken(format!("migration: {error}")))?;
        Ok::<_, StoreError>(dialect::settle_events(conn)?)
    })?;
    Ok(engine)
}
