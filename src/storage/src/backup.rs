//! Copies of the embedded database while it is in use, and the checks before such a copy is
//! trusted.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use diesel::{dsl::max, prelude::*};

use super::{
    Conn, StoreError,
    conn::{DatabaseUrl, Purpose},
    dialect::{self, on_backend},
    operations,
    schema::event,
};
use crate::keys::server::{self, ServerKeyRow};
use base::private_files;

pub use super::operations::SchemaState;

impl DatabaseUrl {
    /// The file of an embedded database, named by a path or by a URI.
    pub fn file(&self) -> Option<&Path> {
        let Self::Sqlite(name) = self else { return None };
        let Some(uri) = name.strip_prefix("file:") else {
            return (name != ":memory:").then_some(Path::new(name));
        };
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let in_memory =
            path.is_empty() || path == ":memory:" || query.split('&').any(|part| part == "mode=memory");
        (!in_memory).then_some(Path::new(path))
    }
}

/// A file lock that marks the embedded database as in use: shared by every process that uses it,
/// exclusive for one that replaces it. The operating system releases it however a process ends.
#[derive(Debug)]
pub struct InUse(#[expect(dead_code, reason = "held for its lock")] File);

impl InUse {
    fn file(database: &Path) -> Result<File, StoreError> {
        let path = beside(database, ".lock");
        let opened = private_files::options().create(true).truncate(false).write(true).open(&path);
        opened.map_err(|error| StoreError::file(&path, error))
    }

    /// Takes the shared lock.
    ///
    /// # Errors
    /// Another process is replacing the database.
    pub fn shared(database: &Path) -> Result<Self, StoreError> {
        let file = Self::file(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::broken(format!("{} is being restored", database.display())))
            }
            Err(TryLockError::Error(error)) => Err(StoreError::file(database, error)),
        }
    }

    /// Takes the exclusive lock; `None` while another process uses the database.
    ///
    /// # Errors
    /// When files cannot be locked there.
    pub fn exclusive(database: &Path) -> Result<Option<Self>, StoreError> {
        let file = Self::file(database)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::file(database, error)),
        }
    }
}

/// `w.db` and `-wal` -> `w.db-wal`
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Size in bytes of a copy of the database at `url`, at most.
///
/// # Errors
/// The database error.
pub fn database_size(url: &DatabaseUrl) -> Result<u64, StoreError> {
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(u64::try_from(dialect::embedded_size(&mut conn)?).unwrap_or(0))
}

/// Copies the database at `url` into the empty file `to`: one consistent
/// state, without free space, while others read and write.
///
/// # Errors
/// The database error.
pub fn database_copy(url: &DatabaseUrl, to: &Path) -> Result<(), StoreError> {
    let path = to.to_str().ok_or_else(|| StoreError::broken("a path that is not UTF-8"))?;
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(dialect::embedded_copy(&mut conn, path)?)
}

/// Moves the write-ahead log of an unused database into its one file.
///
/// # Errors
/// The database error: it may be damaged.
pub fn database_checkpoint(url: &DatabaseUrl) -> Result<(), StoreError> {
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(dialect::embedded_checkpoint(&mut conn)?)
}

/// Opens a file that nobody writes as immutable, without changing a byte of it.
///
/// # Errors
/// The database error.
pub fn database_open_immutable(path: &Path) -> Result<Conn, StoreError> {
    let mut name = String::new();
    for byte in path.to_str().unwrap_or_default().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                name.push(char::from(byte))
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(dialect::embedded_open_uri(&format!("file:{name}?mode=ro&immutable=1"))?)
}

/// Result of the inspection of a database file.
#[derive(Debug)]
pub struct Found {
    /// Problems that SQLite's integrity check reports.
    pub damage: Vec<String>,
    /// Rows that violate a foreign key.
    pub dangling: usize,
    /// The schema compared with this program.
    pub schema: SchemaState,
    pub events: i64,
    /// Position of the newest event.
    pub position: i64,
    /// The keys that tokens are signed with.
    pub token_keys: Vec<ServerKeyRow>,
}

/// Inspects a whole database file.
///
/// # Errors
/// The database error: not a database, or not one of this program.
pub fn database_inspect(conn: &mut Conn) -> Result<Found, StoreError> {
    let damage = dialect::embedded_damage(conn)?;
    if !damage.is_empty() {
        // In a damaged file nothing else is worth reporting.
        let schema = SchemaState::default();
        return Ok(Found { damage, dangling: 0, schema, events: 0, position: 0, token_keys: Vec::new() });
    }
    Ok(Found {
        damage,
        dangling: dialect::embedded_dangling(conn)?,
        schema: operations::schema_state(conn)?,
        events: on_backend!(conn, c => event::table.count().get_result(c))?,
        position: on_backend!(conn, c => event::table.select(max(event::position)).first::<Option<i64>>(c))?
            .unwrap_or(0),
        token_keys: server::server_keys_live(conn, "token")?,
    })
}
