//! One process serves an embedded database. A second one would not hear what the
//! first one hears: after a while its jobs would take every doctor of the first
//! one for lost. So whoever serves holds a lock of the system on a file beside
//! the database for as long as it runs; the system takes the lock back however
//! the process ends, so none is ever left behind.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{StoreError, backup::beside};
use crate::domain::time::Timestamp;

/// Whoever only looks holds the lock for a moment; a server tries again so often.
const TRIES: u32 = 20;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// What is read of what the holder has written.
const LONGEST_NOTE: u64 = 400;

/// The right to serve the database, while it is held.
#[derive(Debug)]
pub struct Serving(#[expect(dead_code, reason = "held for its lock")] File);

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
        let (path, mut file) = opened(database)?;
        for turn in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if turn < TRIES => std::thread::park_timeout(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let database = database.display().to_string();
                    return Err(ServingError::Served { database, holder: noted(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(broken(&path, &error).into()),
            }
        }
        let note = format!(
            "pid {} on {} since {}\n",
            std::process::id(),
            machine(),
            now.format("%Y-%m-%dT%H:%M:%SZ")
        );
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(note.as_bytes()));
        written.map_err(|error| broken(&path, &error))?;
        Ok(Self(file))
    }

    /// Who serves `database` now: process, machine and start.
    ///
    /// # Errors
    /// The file cannot be opened, or not be locked where it lies.
    pub fn holder(database: &Path) -> Result<Option<String>, StoreError> {
        let (path, mut file) = opened(database)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(noted(&mut file))),
            Err(TryLockError::Error(error)) => Err(broken(&path, &error)),
        }
    }
}

/// The lock's file stands beside the database itself, by whatever name that is called.
fn opened(database: &Path) -> Result<(PathBuf, File), StoreError> {
    let real = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let path = beside(&real, ".server");
    let made = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
    let file = made.map_err(|error| broken(&path, &error))?;
    Ok((path, file))
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
            assert_eq!(Serving::holder(name).unwrap(), Some(holder));
        }
        drop(held);
        assert_eq!(Serving::holder(&database).unwrap(), None);
        assert!(Serving::hold(&database, now).is_ok());
    }
}
