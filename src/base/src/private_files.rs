//! Files and folders that contain tokens, keys, letters or personal activity: only
//! the owner may access them, whatever the process's umask is.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Mode: readable and writable by the owner only.
const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Options that create private files.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE);
    options
}

/// Opens a file for writing and truncates it; creates it if missing.
///
/// # Errors
/// When it cannot be created or written.
pub fn create(path: &Path) -> io::Result<File> {
    narrowed(options().write(true).create(true).truncate(true).open(path)?)
}

/// Opens a file for appending; creates it if missing.
///
/// # Errors
/// When it cannot be created or written.
pub fn append(path: &Path) -> io::Result<File> {
    narrowed(options().create(true).append(true).open(path)?)
}

/// # Errors
/// When it cannot be created or written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    create(path)?.write_all(bytes)
}

/// Creates a folder and its missing parents. An existing folder keeps its mode,
/// which somebody chose.
///
/// # Errors
/// When it cannot be created.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Ensures that a file exists and that only its owner may access it.
///
/// # Errors
/// When it cannot be created, or belongs to another user.
pub fn ensure(path: &Path) -> io::Result<()> {
    narrowed(options().read(true).append(true).create(true).open(path)?).map(drop)
}

/// Makes an existing file with a wider mode private, too.
fn narrowed(file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    // Devices and pipes (/dev/null, /dev/stdout) keep their mode.
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn created_files_and_folders_are_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a/b");
        make_folder(&inner).expect("made");
        assert_eq!((mode(&inner), mode(&folder.path().join("a"))), (0o700, 0o700));
        let open = inner.join("open");
        fs::write(&open, "x").expect("written");
        fs::set_permissions(&open, Permissions::from_mode(0o644)).expect("set");
        append(&open).expect("opened");
        assert_eq!(mode(&open), 0o600);
        write(&inner.join("new"), b"y").expect("written");
        assert_eq!(mode(&inner.join("new")), 0o600);
        ensure(&inner.join("empty")).expect("there");
        assert_eq!(mode(&inner.join("empty")), 0o600);
    }
}
