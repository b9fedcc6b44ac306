//! Files and folders that hold tokens, keys, letters or what people did: their
//! owner's alone, whatever the process's umask says.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Read and written by the owner, and by nobody else.
const FILE: u32 = 0o600;
/// The same for a folder.
const FOLDER: u32 = 0o700;

/// Options under which a file that is made is private.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(FILE);
    options
}

/// Opens a file to be written from its beginning; made if it is not there.
///
/// # Errors
/// When it cannot be made or written.
pub fn create(path: &Path) -> io::Result<File> {
    narrowed(options().write(true).create(true).truncate(true).open(path)?)
}

/// Opens a file to be written at its end; made if it is not there.
///
/// # Errors
/// When it cannot be made or written.
pub fn append(path: &Path) -> io::Result<File> {
    narrowed(options().create(true).append(true).open(path)?)
}

/// Writes a whole file.
///
/// # Errors
/// When it cannot be made or written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;
    create(path)?.write_all(bytes)
}

/// Makes a folder and those above it that are missing. One that is there keeps
/// its mode: somebody chose it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Makes sure that a file is there, and that nobody but its owner reads it.
///
/// # Errors
/// When it cannot be made, or belongs to somebody else.
pub fn ensure(path: &Path) -> io::Result<()> {
    narrowed(options().read(true).append(true).create(true).open(path)?).map(drop)
}

/// A file that stood there before with a wider mode is made private, too.
fn narrowed(file: File) -> io::Result<File> {
    let metadata = file.metadata()?;
    // Devices and pipes (/dev/null, /dev/stdout) are not ours to close.
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(FILE))?;
    }
    Ok(file)
}

/// Makes an existing folder private.
///
/// # Errors
/// When it belongs to somebody else.
pub fn narrow_folder(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
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
