//! Messages as files: the embedded default.

use std::path::Path;

use super::MailError;
use base::private_files;
use domain::letter::Trouble;

/// Writes a temporary file and renames it, so that no reader sees half a message; a repeat replaces
/// the same file. Folder and file are readable by their owner only: links and codes are in them.
pub(crate) async fn write(folder: &Path, id: &str, ending: &str, bytes: Vec<u8>) -> Result<(), MailError> {
    let (temporary, path) = (folder.join(format!("{id}.part")), folder.join(format!("{id}.{ending}")));
    let folder = folder.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        private_files::make_folder(&folder)?;
        private_files::write(&temporary, &bytes)?;
        std::fs::rename(&temporary, &path)
    });
    let not_taken = MailError::NotTaken { trouble: Trouble::File, code: None };
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a message could not be written");
            Err(not_taken)
        }
        Err(_) => Err(not_taken),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn folder_and_file_are_the_owners_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("sms");
        write(&folder, "1", "txt", b"482913".to_vec()).await.expect("written");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("1.txt"))), (0o700, 0o600));
        assert!(!folder.join("1.part").exists());
    }
}
