//! What the house has acknowledged to the workers of the journeys, kept outside
//! of it: one JSON object for each line of `acknowledged.jsonl`. Whoever kills
//! the house can hold its database against this file afterwards.
//!
//! A line is handed to the operating system before the worker goes on, so it
//! survives the process. It is not synced: a power cut of the machine may take
//! the last lines. Lines hold ids and states, never names or health values.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use base::private_files;

/// One thing that a worker was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// `check_in`, `consultation`, `rating`, `order` or `unit`.
    pub kind: String,
    /// Which one; a rating has the id of its consultation.
    pub id: String,
    /// The state in the answer; of a rating, the number.
    pub state: String,
}

/// The file, open for appending.
#[derive(Debug)]
pub struct Acknowledged {
    file: Mutex<File>,
}

impl Acknowledged {
    /// Opens the file at `path`, or makes it. Half a line that a kill left is
    /// cut off: whoever wrote it had not gone on yet.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = private_files::append(path)?;
        let bytes = std::fs::read(path)?;
        let whole = whole_length(&bytes);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        Ok(Self { file: Mutex::new(file) })
    }

    /// Notes that the house answered that `id` is in `state`.
    ///
    /// # Errors
    /// When the line could not be written.
    pub fn note(&self, kind: &str, id: impl Display, state: impl Display) -> io::Result<()> {
        let told = Told { kind: kind.to_owned(), id: id.to_string(), state: state.to_string() };
        let mut line = serde_json::to_vec(&told)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
    }

    /// All whole lines of the file at `path`; none when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or a whole line of it is not such an object.
    pub fn read(path: &Path) -> io::Result<Vec<Told>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        bytes[..whole_length(&bytes)]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(io::Error::from))
            .collect()
    }
}

/// Bytes up to and with the last end of a line.
fn whole_length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn lines_are_whole_and_half_a_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acknowledged.jsonl");
        assert_eq!(Acknowledged::read(&path).unwrap(), []);
        Acknowledged::open(&path).unwrap().note("order", "o1", "paid").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"kind\":\"or").unwrap();
        assert_eq!(Acknowledged::read(&path).unwrap().len(), 1);
        Acknowledged::open(&path).unwrap().note("unit", "u1", "dispensed").unwrap();
        let told = Acknowledged::read(&path).unwrap();
        assert_eq!(told[1], Told { kind: "unit".into(), id: "u1".into(), state: "dispensed".into() });
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"kind\":\"order\",\"id\":\"o1\",\"state\":\"paid\"}\n"), "{text}");
    }
}
