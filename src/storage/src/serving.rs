//! Locks that let only one process serve an embedded database. A second one would not receive the
//! heartbeats of the first: after a while its jobs would treat every doctor of the first one as
//! lost. So the serving process has file locks for as long as it runs; the operating system
//! releases them however the process ends, so no stale lock remains.
//!
//! One lock is on the database file itself: its path is not enough, since a file may have several
//! names (hard links, mounts, containers that share a folder). It is of another kind (`flock`) than
//! the locks of SQLite, so they do not interfere. The other lock is on a separate file next to it,
//! which names the serving process.
//!
//! POSIX releases the locks that SQLite has on a file when its process closes any other descriptor
//! of it. So the file stays open while it is served, and a process that has the database open must
//! not call [`Serving::holder`].

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{StoreError, backup::beside};
use domain::time::Timestamp;

/// Number of tries: a process that only checks has the lock for a moment.
const TRIES: u32 = 20;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Most bytes read of the note that the serving process has written.
const MAX_NOTE_BYTES: u64 = 400;

/// The exclusive right to serve the database, until dropped.
#[derive(Debug)]
pub struct Serving {
    #[expect(dead_code, reason = "held for its lock")]
    note: File,
    #[expect(dead_code, reason = "held for its lock")]
    database: File,
}

/// The process that serves a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id, machine and start time.
    pub description: String,
    /// Whether it uses the file by another name. SQLite's journal then has another name as well,
    /// and writing by this name destroys the database.
    pub by_another_name: bool,
}

/// Why the database cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// Another process serves it.
    #[error("{database}: 此数据库正由另一进程提供服务 / another process serves this database: {holder}")]
    Served {
        database: String,
        /// Process id, machine and start time.
        holder: String,
    },
    /// The file cannot be opened or locked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Serving {
    /// Takes the right to serve `database` until this is dropped.
    ///
    /// # Errors
    /// See [`ServingError`].
    pub fn hold(database: &Path, now: Timestamp) -> Result<Self, ServingError> {
        let (path, mut note) = open_lock_file(database)?;
        if !try_lock_exclusive(&path, &note)? {
            let database = database.display().to_string();
            return Err(ServingError::Served { database, holder: read_note(&mut note) });
        }
        let itself = writable(database)?;
        if !try_lock_exclusive(database, &itself)? {
            let holder = holder_of(&itself);
            return Err(ServingError::Served { database: database.display().to_string(), holder });
        }
        let text = format!(
            "pid {} on {} since {}\n",
            std::process::id(),
            machine(),
            now.format("%Y-%m-%dT%H:%M:%SZ")
        );
        let written =
            note.set_len(0).and_then(|()| note.rewind()).and_then(|()| note.write_all(text.as_bytes()));
        written.map_err(|error| StoreError::file(&path, error))?;
        Ok(Self { note, database: itself })
    }

    /// The process that serves `database` now.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn holder(database: &Path) -> Result<Option<Holder>, StoreError> {
        let (path, mut note) = open_lock_file(database)?;
        if !is_free(&path, &note)? {
            return Ok(Some(Holder { description: read_note(&mut note), by_another_name: false }));
        }
        match File::open(database) {
            Ok(itself) if is_free(database, &itself)? => Ok(None),
            Ok(itself) => Ok(Some(Holder { description: holder_of(&itself), by_another_name: true })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::file(database, error)),
        }
    }
}

/// Takes the exclusive lock; `false` when another process has it after all tries.
fn try_lock_exclusive(path: &Path, file: &File) -> Result<bool, StoreError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(PAUSE),
            Err(TryLockError::Error(error)) => return Err(StoreError::file(path, error)),
        }
    }
    Ok(false)
}

fn is_free(path: &Path, file: &File) -> Result<bool, StoreError> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(StoreError::file(path, error)),
    }
}

/// Describes the process that has the file try_lock_exclusive by another name: its note is next to that name,
/// so the kernel is asked.
fn holder_of(file: &File) -> String {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = file.metadata().ok().and_then(|known| writer_of(&locks, known.ino()));
    match pid {
        Some(pid) => format!("pid {pid} on {}, by another name of this file", machine()),
        None => "a process that this one cannot see, by another name of this file".to_owned(),
    }
}

/// The process that has the exclusive `flock` of a file, from a line of `/proc/locks`: `1: FLOCK
/// ADVISORY  WRITE 4711 fe:00:131074 0 EOF`.
fn writer_of(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = fields[..] else { return None };
        let same = place.rsplit(':').next()?.parse() == Ok(inode);
        pid.parse().ok().filter(|pid| same && *pid > 0)
    })
}

/// Opens the lock file, next to the real path of the database, whatever name is used for it.
fn open_lock_file(database: &Path) -> Result<(PathBuf, File), StoreError> {
    let real = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let path = beside(&real, ".server");
    let file = writable(&path)?;
    Ok((path, file))
}

fn writable(path: &Path) -> Result<File, StoreError> {
    let opened = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    opened.map_err(|error| StoreError::file(path, error))
}

fn read_note(file: &mut File) -> String {
    let mut note = String::new();
    let read = file.rewind().and_then(|()| file.take(MAX_NOTE_BYTES).read_to_string(&mut note));
    let note = note.trim();
    if read.is_err() || note.is_empty() { "an unknown process".to_owned() } else { note.to_owned() }
}

/// Host name of this machine.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let named = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_serves_and_others_learn_which() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("w.db");
        std::fs::write(&database, "").unwrap();
        let now = Timestamp::from_timestamp(1_795_000_000, 0).unwrap();
        assert_eq!(Serving::holder(&database).unwrap(), None);
        let serving = Serving::hold(&database, now).unwrap();
        // By another name (a symbolic link) it is the same database.
        let other = folder.path().join("link.db");
        std::os::unix::fs::symlink(&database, &other).unwrap();
        for name in [&database, &other] {
            let Err(ServingError::Served { holder, .. }) = Serving::hold(name, now) else { panic!("twice") };
            assert!(holder.contains(&format!("pid {} on ", std::process::id())), "{holder}");
            assert!(holder.ends_with("since 2026-11-18T11:06:40Z"), "{holder}");
            assert_eq!(
                Serving::holder(name).unwrap(),
                Some(Holder { description: holder, by_another_name: false })
            );
        }
        // A hard link in another folder has no note next to it.
        let elsewhere = tempfile::tempdir().unwrap();
        let second_name = elsewhere.path().join("same.db");
        std::fs::hard_link(&database, &second_name).unwrap();
        let Err(ServingError::Served { holder, .. }) = Serving::hold(&second_name, now) else {
            panic!("twice")
        };
        assert!(holder.starts_with(&format!("pid {} on ", std::process::id())), "{holder}");
        assert_eq!(
            Serving::holder(&second_name).unwrap(),
            Some(Holder { description: holder, by_another_name: true })
        );
        drop(serving);
        assert_eq!(Serving::holder(&second_name).unwrap(), None);
        assert_eq!(Serving::holder(&database).unwrap(), None);
        assert!(Serving::hold(&database, now).is_ok());
    }
}
