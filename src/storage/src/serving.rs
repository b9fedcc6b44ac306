//! One process serves an embedded database. A second one would not hear what the
//! first one hears: after a while its jobs would take every doctor of the first
//! one for lost. So whoever serves holds locks of the system for as long as it
//! runs; the system takes them back however the process ends, so none is ever
//! left behind.
//!
//! One lock is on the database's own file: a path says little of a file that has
//! several names (hard links, mounts, containers that share a folder). It is of
//! another kind (`flock`) than those that SQLite takes, and they do not meet. The
//! other lock is on a file beside it, which says who serves.
//!
//! POSIX drops the locks that SQLite holds on a file when its process closes any
//! other descriptor of it. So the file is kept open while it is served, and
//! nobody asks for the holder who has the database open.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{StoreError, backup::beside};
use domain::time::Timestamp;

/// Whoever only looks holds the lock for a moment; a server tries again so often.
const TRIES: u32 = 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// What is read of what the holder has written.
const LONGEST_NOTE: u64 = 400;

/// The right to serve the database, while it is held.
#[derive(Debug)]
pub struct Serving {
    #[expect(dead_code, reason = "held for its lock")]
    note: File,
    #[expect(dead_code, reason = "held for its lock")]
    database: File,
}

/// Who serves a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process, machine and start.
    pub told: String,
    /// Whether the file has another name there. Its journal then has another name
    /// as well, and whoever writes by this one destroys the database.
    pub by_another_name: bool,
}

/// Why the right was not given.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// Another process has it.
    #[error("{database}: 此数据库正由另一进程提供服务 / another process serves this database: {holder}")]
    Served {
        /// Which database.
        database: String,
        /// Its process, machine and start.
        holder: String,
    },
    /// The file cannot be opened, or not be locked where it lies.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Serving {
    /// Takes the right to serve `database` for as long as this is kept.
    ///
    /// # Errors
    /// See [`ServingError`].
    pub fn hold(database: &Path, now: Timestamp) -> Result<Self, ServingError> {
        let (path, mut note) = opened(database)?;
        if !locked(&path, &note)? {
            let database = database.display().to_string();
            return Err(ServingError::Served { database, holder: noted(&mut note) });
        }
        let itself = writable(database)?;
        if !locked(database, &itself)? {
            let holder = holder_of(&itself);
            return Err(ServingError::Served { database: database.display().to_string(), holder });
        }
        let words = format!(
            "pid {} on {} since {}\n",
            std::process::id(),
            machine(),
            now.format("%Y-%m-%dT%H:%M:%SZ")
        );
        let written =
            note.set_len(0).and_then(|()| note.rewind()).and_then(|()| note.write_all(words.as_bytes()));
        written.map_err(|error| broken(&path, &error))?;
        Ok(Self { note, database: itself })
    }

    /// Who serves `database` now.
    ///
    /// # Errors
    /// The file cannot be opened, or not be locked where it lies.
    pub fn holder(database: &Path) -> Result<Option<Holder>, StoreError> {
        let (path, mut note) = opened(database)?;
        if !is_free(&path, &note)? {
            return Ok(Some(Holder { told: noted(&mut note), by_another_name: false }));
        }
        match File::open(database) {
            Ok(itself) if is_free(database, &itself)? => Ok(None),
            Ok(itself) => Ok(Some(Holder { told: holder_of(&itself), by_another_name: true })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(broken(database, &error)),
        }
    }
}

/// Takes a lock, unless somebody else keeps it.
fn locked(path: &Path, file: &File) -> Result<bool, StoreError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(PAUSE),
            Err(TryLockError::Error(error)) => return Err(broken(path, &error)),
        }
    }
    Ok(false)
}

fn is_free(path: &Path, file: &File) -> Result<bool, StoreError> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(broken(path, &error)),
    }
}

/// Who holds a file by another name: its note stands beside that one, so the
/// system is asked.
fn holder_of(file: &File) -> String {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = file.metadata().ok().and_then(|known| writer_of(&locks, known.ino()));
    match pid {
        Some(pid) => format!("pid {pid} on {}, by another name of this file", machine()),
        None => "a process that this one cannot see, by another name of this file".to_owned(),
    }
}

/// The process that has the exclusive `flock` of a file, in the words of
/// `/proc/locks`: `1: FLOCK  ADVISORY  WRITE 4711 fe:00:131074 0 EOF`.
fn writer_of(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, place, ..] = words[..] else { return None };
        let same = place.rsplit(':').next()?.parse() == Ok(inode);
        pid.parse().ok().filter(|pid| same && *pid > 0)
    })
}

/// The lock's file stands beside the database itself, by whatever name that is called.
fn opened(database: &Path) -> Result<(PathBuf, File), StoreError> {
    let real = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let path = beside(&real, ".server");
    let file = writable(&path)?;
    Ok((path, file))
}

fn writable(path: &Path) -> Result<File, StoreError> {
    let made = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path);
    made.map_err(|error| broken(path, &error))
}

fn noted(file: &mut File) -> String {
    let mut note = String::new();
    let read = file.rewind().and_then(|()| file.take(LONGEST_NOTE).read_to_string(&mut note));
    let note = note.trim();
    if read.is_err() || note.is_empty() { "an unknown process".to_owned() } else { note.to_owned() }
}

/// What the system calls this machine.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let named = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname"));
    named.filter(|name| !name.is_empty()).unwrap_or_else(|| "this machine".to_owned())
}

fn broken(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Broken(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("w.db");
        std::fs::write(&database, "").unwrap();
        let now = Timestamp::from_timestamp(1_795_000_000, 0).unwrap();
        assert_eq!(Serving::holder(&database).unwrap(), None);
        let held = Serving::hold(&database, now).unwrap();
        // By another name it is the same database.
        let other = folder.path().join("link.db");
        std::os::unix::fs::symlink(&database, &other).unwrap();
        for name in [&database, &other] {
            let Err(ServingError::Served { holder, .. }) = Serving::hold(name, now) else { panic!("twice") };
            assert!(holder.contains(&format!("pid {} on ", std::process::id())), "{holder}");
            assert!(holder.ends_with("since 2026-11-18T11:06:40Z"), "{holder}");
            assert_eq!(Serving::holder(name).unwrap(), Some(Holder { told: holder, by_another_name: false }));
        }
        // A second name in another folder has no note of the first beside it.
        let elsewhere = tempfile::tempdir().unwrap();
        let second_name = elsewhere.path().join("same.db");
        std::fs::hard_link(&database, &second_name).unwrap();
        let Err(ServingError::Served { holder, .. }) = Serving::hold(&second_name, now) else {
            panic!("twice")
        };
        assert!(holder.starts_with(&format!("pid {} on ", std::process::id())), "{holder}");
        assert_eq!(
            Serving::holder(&second_name).unwrap(),
            Some(Holder { told: holder, by_another_name: true })
        );
        drop(held);
        assert_eq!(Serving::holder(&second_name).unwrap(), None);
        assert_eq!(Serving::holder(&database).unwrap(), None);
        assert!(Serving::hold(&database, now).is_ok());
    }
}
