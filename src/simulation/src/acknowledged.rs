//! A record of what the server has acknowledged to simulated workers, written
//! outside the server: one JSON object per line of `acknowledged.jsonl`. A crash
//! test compares the server's database with this file afterwards.
//!
//! A line is written to the operating system before the worker goes on, so it
//! survives the process. It is not synced: a power cut may lose the last lines.
//! Lines contain ids and states, never names or health values.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use base::private_files;

/// One acknowledged state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// `check_in`, `consultation`, `rating`, `order` or `unit`.
    pub kind: String,
    /// Its id; for a rating, the id of the consultation.
    pub id: String,
    /// The state in the response; for a rating, the number.
    pub state: String,
}

/// The file, open for appending.
#[derive(Debug)]
pub struct Acknowledged {
    file: Mutex<File>,
}

impl Acknowledged {
    /// Opens the file at `path`, or creates it. An incomplete last line is truncated:
    /// its writer was killed before going on.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = private_files::append(path)?;
        let bytes = std::fs::read(path)?;
        let complete = complete_length(&bytes);
        if complete < bytes.len() {
            file.set_len(complete as u64)?;
        }
        Ok(Self { file: Mutex::new(file) })
    }

    /// Records that the server responded that `id` is in `state`.
    ///
    /// # Errors
    /// When the line could not be written.
    pub fn note(&self, kind: &str, id: impl Display, state: impl Display) -> io::Result<()> {
        let entry = Acknowledgement { kind: kind.to_owned(), id: id.to_string(), state: state.to_string() };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
    }

    /// All complete lines of the file at `path`; empty if there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or a complete line is not such an object.
    pub fn read(path: &Path) -> io::Result<Vec<Acknowledgement>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        bytes[..complete_length(&bytes)]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
            .collect()
    }
}

/// Bytes up to and including the last line break.
fn complete_length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn an_incomplete_line_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acknowledged.jsonl");
        assert_eq!(Acknowledged::read(&path).unwrap(), []);
        Acknowledged::open(&path).unwrap().note("order", "o1", "paid").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"kind\":\"or").unwrap();
        assert_eq!(Acknowledged::read(&path).unwrap().len(), 1);
        Acknowledged::open(&path).unwrap().note("unit", "u1", "dispensed").unwrap();
        let entries = Acknowledged::read(&path).unwrap();
        assert_eq!(
            entries[1],
            Acknowledgement { kind: "unit".into(), id: "u1".into(), state: "dispensed".into() }
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"kind\":\"order\",\"id\":\"o1\",\"state\":\"paid\"}\n"), "{text}");
    }
}
