//! The witness: every seal, also written outside the database, one JSON line each, in a
//! folder of append-only files, one per month. Somebody who can change only the database
//! cannot change these; keep copies of them on another machine.
//!
//! Each instance writes every seal that it finds in the database, whoever made it, so
//! that each instance's folder is complete; a check may merge several.
//!
//! After a backup is restored, the witness is ahead of the database. `restore` writes a
//! signed line that records this: seals beyond the restored position that were witnessed
//! before that line no longer count.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{BATCH, chain};
use crate::{Actor, AppState, Failure};
use base::private_files;
use crypto::{
    signer::{DetachedKind, sign_detached},
    signer_ring::SignerRing,
};
use domain::time::Timestamp;
use storage::audit::{self as store, SealRow};

/// Folder name under the data directory.
const FOLDER: &str = "audit-witness";

/// One line of a witness file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Statement {
    /// A copy of a seal row.
    Seal {
        /// Position of the last event that it covers.
        position: i64,
        /// Number of events up to there.
        events: Option<i64>,
        /// The chain's head, hex.
        hash: String,
        sealed_at: Timestamp,
        version: i32,
        /// Covers all other fields.
        signature: String,
    },
    /// A backup was restored.
    Restored {
        /// The last position that the restored database has sealed.
        position: i64,
        at: Timestamp,
        /// Covers both.
        signature: String,
    },
    /// A line that cannot be parsed.
    #[serde(skip)]
    Unreadable,
}

impl Statement {
    fn of(seal: &SealRow) -> Self {
        Self::Seal {
            position: seal.position,
            events: seal.events,
            hash: seal.hash.clone(),
            sealed_at: seal.sealed_at,
            version: seal.version,
            signature: seal.signature.clone(),
        }
    }
}

/// A signed statement that the database was restored to `position`.
///
/// # Errors
/// When the key cannot sign.
pub fn restored_statement(keys: &SignerRing, position: i64, at: Timestamp) -> Result<Statement, Failure> {
    let signature =
        sign_detached(&keys.signing(at)?, DetachedKind::AuditHead, &restored_bytes(position, at))?;
    Ok(Statement::Restored { position, at, signature })
}

fn restored_bytes(position: i64, at: Timestamp) -> Vec<u8> {
    let mut bytes = b"waystation audit restored v1\0".to_vec();
    bytes.extend_from_slice(&position.to_be_bytes());
    bytes.extend_from_slice(&at.timestamp_micros().to_be_bytes());
    bytes
}

/// The statements of a file, or of all files of a folder, oldest first.
///
/// # Errors
/// When a file cannot be read; a line that cannot be parsed is [`Statement::Unreadable`].
pub fn read_statements(path: &Path) -> io::Result<Vec<Statement>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        files.sort();
    }
    let mut statements = Vec::new();
    for file in files {
        for line in BufReader::new(fs::File::open(file)?).lines() {
            let line = line?;
            if !line.is_empty() {
                statements.push(serde_json::from_str(&line).unwrap_or(Statement::Unreadable));
            }
        }
    }
    Ok(statements)
}

/// The witness files of this instance.
#[derive(Debug)]
pub struct Witness {
    folder: PathBuf,
    /// The last position that was written; none until the files were read.
    written_to: Mutex<Option<i64>>,
}

impl Witness {
    /// The witness under a data directory.
    pub fn under(data_dir: &Path) -> Self {
        Self { folder: data_dir.join(FOLDER), written_to: Mutex::new(None) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All statements, oldest first.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn read(&self) -> Result<Vec<Statement>, Failure> {
        if !self.folder.exists() {
            return Ok(Vec::new());
        }
        read_statements(&self.folder).map_err(witness_fault)
    }

    /// The last position that it has.
    fn written_to(&self) -> Result<i64, Failure> {
        let mut known = self.written_to.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = *known {
            return Ok(position);
        }
        let position = self.read()?.iter().fold(0, |last, statement| match statement {
            Statement::Seal { position, .. } => last.max(*position),
            Statement::Restored { position, .. } => *position,
            Statement::Unreadable => last,
        });
        *known = Some(position);
        Ok(position)
    }

    /// Appends lines, each complete, and returns when they are synced to disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&self, statements: &[Statement]) -> Result<(), Failure> {
        let mut known = self.written_to.lock().unwrap_or_else(PoisonError::into_inner);
        private_files::make_folder(&self.folder).map_err(witness_fault)?;
        let mut by_month: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for statement in statements {
            let (at, position) = match statement {
                Statement::Seal { sealed_at, position, .. } => (sealed_at, *position),
                Statement::Restored { at, position, .. } => (at, *position),
                Statement::Unreadable => continue,
            };
            let bytes = by_month.entry(at.format("%Y-%m.jsonl").to_string()).or_default();
            bytes.append(&mut serde_json::to_vec(statement)?);
            bytes.push(b'\n');
            *known = Some(position);
        }
        for (name, bytes) in by_month {
            self.append_to(&self.folder.join(name), bytes).map_err(witness_fault)?;
        }
        Ok(())
    }

    fn append_to(&self, path: &Path, mut bytes: Vec<u8>) -> io::Result<()> {
        let mut file = private_files::append(path)?;
        if ends_in_partial_line(path)? {
            bytes.insert(0, b'\n');
        }
        // One write each: several processes may share the file.
        file.write_all(&bytes)?;
        file.sync_all()
    }
}

/// Whether a crash left a partial last line.
fn ends_in_partial_line(path: &Path) -> io::Result<bool> {
    let mut file = fs::File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn witness_fault(error: io::Error) -> Failure {
    Failure::caused("the audit witness", error)
}

/// Appends every seal that the witness does not have yet.
pub(super) async fn append_missing_seals(app: &Arc<AppState>) -> Result<(), Failure> {
    if app.witness.is_none() {
        return Ok(());
    }
    loop {
        let written = app
            .read(Actor::System, |conn, app| {
                let Some(witness) = &app.witness else { return Ok(0) };
                let known = witness.written_to()?;
                let last = store::seal_last(conn)?.map_or(0, |seal| seal.position);
                if last < known {
                    tracing::error!(
                        sealed_to = last,
                        witnessed_to = known,
                        "the audit log ends before what the witness knows: it was cut off, or an older \
                         state of the database was put in its place"
                    );
                    return Ok(0);
                }
                let seals = store::seals_after(conn, known, BATCH)?;
                let statements: Vec<Statement> = seals.iter().map(Statement::of).collect();
                if !statements.is_empty() {
                    witness.append(&statements)?;
                }
                Ok(statements.len())
            })
            .await?;
        if i64::try_from(written).unwrap_or(0) < BATCH {
            return Ok(());
        }
    }
}

/// The merged statements of one or several witnesses.
#[derive(Debug, Default)]
pub(super) struct Witnessed {
    /// The head at each position.
    seals: BTreeMap<i64, String>,
    /// Positions of lines that no key of ours signed, and of lines with different heads
    /// for one position.
    pub invalid: Vec<i64>,
}

impl Witnessed {
    pub fn of(statements: Vec<Statement>, signer: &SignerRing) -> Self {
        let mut all = Self::default();
        let mut restored: Vec<(i64, Timestamp)> = Vec::new();
        for statement in &statements {
            if let Statement::Restored { position, at, signature } = statement {
                if chain::signature_verifies(signature, &restored_bytes(*position, *at), signer, *at) {
                    restored.push((*position, *at));
                } else {
                    all.invalid.push(*position);
                }
            }
        }
        for statement in statements {
            let Statement::Seal { position, events, hash, sealed_at, version, signature } = statement else {
                continue;
            };
            let seal = SealRow { position, hash, signature, sealed_at, version, events };
            if !chain::is_genuine(&seal, signer) {
                all.invalid.push(position);
                continue;
            }
            if restored.iter().any(|(to, at)| position > *to && sealed_at <= *at) {
                continue;
            }
            let known = all.seals.entry(position).or_insert_with(|| seal.hash.clone());
            if *known != seal.hash {
                all.invalid.push(position);
            }
        }
        all
    }

    /// The heads after a position.
    pub fn after(&self, position: i64) -> BTreeMap<i64, String> {
        self.seals.range(position + 1..).map(|(position, hash)| (*position, hash.clone())).collect()
    }

    /// Whether the witness should have this seal of the database and does not.
    pub(crate) fn is_missing(&self, seal: &SealRow) -> bool {
        self.last().is_none_or(|last| seal.position <= last) && !self.seals.contains_key(&seal.position)
    }

    pub fn last(&self) -> Option<i64> {
        self.seals.keys().next_back().copied()
    }
}
