//! Migrates the schema before anything else is done with a database.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{
    StoreError, backup, compile_options,
    conn::{Conn, DatabaseUrl, Purpose},
    dialect, in_transaction, operations,
};
use base::private_files;

/// Every migration of this version.
pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Whether [`migrate`] would change nothing. Read-only.
///
/// # Errors
/// The database error.
pub fn is_up_to_date(url: &DatabaseUrl) -> Result<bool, StoreError> {
    let mut conn = Conn::open(url, Purpose::Read)?;
    Ok(operations::schema_state(&mut conn)?.pending == 0)
}

/// How the embedded SQLite was compiled differently from `.cargo/config.toml`; nothing on PostgreSQL.
///
/// # Errors
/// The database error.
pub fn compile_option_differences(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    let compiled = dialect::compile_options(conn)?;
    Ok(compiled.map_or_else(Vec::new, |compiled| compile_options::differences(&compiled)))
}

/// Migrates the database at `url` to the newest schema; returns the engine's name.
///
/// # Errors
/// The database error; an engine that is too old.
pub fn migrate(url: &DatabaseUrl) -> Result<String, StoreError> {
    if let Some(file) = url.file() {
        // SQLite creates its log and index files with the mode of the database file.
        let private = |path: &std::path::Path| {
            private_files::ensure(path).map_err(|error| StoreError::file(path, error))
        };
        private(file)?;
        for ending in ["-wal", "-shm"] {
            let sidecar = backup::beside(file, ending);
            if sidecar.exists() {
                private(&sidecar)?;
            }
        }
    }
    let mut conn = Conn::open(url, Purpose::Write)?;
    let engine = dialect::check_engine(&mut conn)?;
    let differences = compile_option_differences(&mut conn)?;
    if !differences.is_empty() {
        tracing::warn!(
            ?differences,
            "SQLite was not compiled with the flags of .cargo/config.toml and is slower: build inside the project"
        );
    }
    in_transaction(&mut conn, None, |conn| {
        dialect::take_advisory_lock(conn, dialect::AdvisoryLock::Migrations)?;
        dialect::on_backend!(conn, c => c.run_pending_migrations(MIGRATIONS).map(drop))
            .map_err(|error| StoreError::broken_by("a migration", error))?;
        Ok::<_, StoreError>(dialect::rebase_events(conn)?)
    })?;
    Ok(engine)
}
