//! A copy of the embedded database while it is in use, and what is looked at
//! before such a copy is trusted.

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
    /// The file of an embedded database, be it named by its path or by a URI.
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

/// Says that the embedded database is in use: shared by every process that
/// works with it, exclusive for one that replaces it. The system takes it back
/// however a process ends.
#[derive(Debug)]
pub struct InUse(#[expect(dead_code, reason = "held for its lock")] File);

impl InUse {
    fn file(database: &Path) -> Result<File, StoreError> {
        let path = beside(database, ".lock");
        let opened = private_files::options().create(true).truncate(false).write(true).open(&path);
        opened.map_err(|error| StoreError::Broken(format!("{}: {error}", path.display())))
    }

    /// Uses the database among others.
    ///
    /// # Errors
    /// Somebody is replacing it.
    pub fn shared(database: &Path) -> Result<Self, StoreError> {
        let file = Self::file(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                Err(StoreError::Broken(format!("{} is being restored", database.display())))
            }
            Err(TryLockError::Error(error)) => Err(StoreError::Broken(error.to_string())),
        }
    }

    /// Has the database alone; `None` while somebody uses it.
    ///
    /// # Errors
    /// When the system cannot lock files there.
    pub fn alone(database: &Path) -> Result<Option<Self>, StoreError> {
        let file = Self::file(database)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(StoreError::Broken(error.to_string())),
        }
    }
}

/// `w.db` and `-wal` -> `w.db-wal`
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// How many bytes a copy of the database at `url` will have, at most.
///
/// # Errors
/// What the database said.
pub fn database_size(url: &DatabaseUrl) -> Result<u64, StoreError> {
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(u64::try_from(dialect::embedded_size(&mut conn)?).unwrap_or(0))
}

/// Copies the database at `url` into the empty file `to`: one consistent
/// state, without free space, while others read and write.
///
/// # Errors
/// What the database said.
pub fn database_copy(url: &DatabaseUrl, to: &Path) -> Result<(), StoreError> {
    let path = to.to_str().ok_or_else(|| StoreError::Broken("a path that is not UTF-8".to_owned()))?;
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(dialect::embedded_copy(&mut conn, path)?)
}

/// Brings everything of a database that nobody uses into its one file.
///
/// # Errors
/// What the database said: it may be damaged.
pub fn database_fold(url: &DatabaseUrl) -> Result<(), StoreError> {
    let mut conn = Conn::open(url, Purpose::Write)?;
    Ok(dialect::embedded_fold(&mut conn)?)
}

/// Opens a file that nobody writes, without changing a byte of it.
///
/// # Errors
/// What the database said.
pub fn database_at_rest(path: &Path) -> Result<Conn, StoreError> {
    let mut name = String::new();
    for byte in path.to_str().unwrap_or_default().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                name.push(char::from(byte))
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(dialect::embedded_at_rest(&format!("file:{name}?mode=ro&immutable=1"))?)
}

/// What a look into a database file found.
#[derive(Debug)]
pub struct Found {
    /// What the engine's own check complains of.
    pub damage: Vec<String>,
    /// Rows that point to rows that are not there.
    pub dangling: usize,
    /// How the schema stands to this program.
    pub schema: SchemaState,
    /// How many events there are.
    pub events: i64,
    /// The newest position.
    pub position: i64,
    /// The keys that tokens are signed with.
    pub token_keys: Vec<ServerKeyRow>,
}

/// Looks through a whole database file.
///
/// # Errors
/// What the database said: it is no database, or none of this program.
pub fn database_look(conn: &mut Conn) -> Result<Found, StoreError> {
    let damage = dialect::embedded_damage(conn)?;
    if !damage.is_empty() {
        // Nothing that stands in a damaged file is worth telling.
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
