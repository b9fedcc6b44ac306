//! Imports files of the network's entities: a whole file in one transaction, or nothing of it.
//! This module resolves codes and finds duplicates in the database; `domain::network` has
//! validated each row before.

pub(crate) mod catalogue;
pub mod csv_file;
pub(crate) mod people;
pub(crate) mod places;
pub(crate) mod roster;
pub(crate) mod source;
pub(crate) mod unix_lines;
pub(crate) mod update;

use crate::{Failure, Recipients, Tx};
use domain::{
    event::network::ImportEvent,
    ids::{Id, kind},
    network::import::ImportKind,
    network::import::RowProblem,
    refusal::FieldProblem,
    words::Bilingual,
};
use storage::StoreError;

pub(crate) use people::PreparedWorkers;
pub use people::{PreparedStaff, staff, workers};
pub use places::{cabinets, employers, hospitals, stations, stock};
pub use roster::{shift_rules, shifts};

/// At most this many problems of one file are reported.
pub(crate) const MOST_PROBLEMS: usize = 1_000;

/// A record with its line number in the file.
pub(crate) type Lined<R> = (u64, R);

/// What happens to a row with a known key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is a problem, and nothing of the file is loaded.
    Refuse,
    /// The row is skipped.
    Skip,
    /// The row replaces the stored values, except PINs and passwords.
    Update,
}

/// The counts of a file's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// New rows.
    pub added: usize,
    /// Rows with a known key that were updated.
    pub updated: usize,
    /// Rows with a known key that were skipped.
    pub skipped: usize,
    /// Dates on which rules of the file have no shift because somebody cancelled or moved it by hand.
    pub kept_by_hand: usize,
    /// Products of a catalogue that are stored as the file says already.
    pub unchanged: usize,
    /// Products that the file took into the formulary, among those updated.
    pub into_formulary: usize,
    /// Products that the file took out of the formulary, among those updated.
    pub out_of_formulary: usize,
}

/// Why nothing of a file was loaded.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file has bad rows.
    #[error("{} bad rows", .0.len())]
    Rows(Vec<RowProblem>),
    /// A catalogue has bad rows; the counts are those of its other rows, had they been loaded.
    #[error("{} bad rows", .problems.len())]
    Catalogue { problems: Vec<RowProblem>, others: Loaded },
    /// The file cannot be read.
    #[error("the file cannot be read")]
    File(#[from] std::io::Error),
    /// The service failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Vec<RowProblem>> for ImportError {
    fn from(problems: Vec<RowProblem>) -> Self {
        Self::Rows(problems)
    }
}
impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
impl From<storage::QueryError> for ImportError {
    fn from(error: storage::QueryError) -> Self {
        Self::Failed(error.into())
    }
}

/// Collects the problems of a file, up to [`MOST_PROBLEMS`].
#[derive(Debug, Default)]
struct Found(Vec<RowProblem>);

impl Found {
    fn note(&mut self, line: u64, field: &str, code: &str, message: Bilingual) {
        if self.0.len() < MOST_PROBLEMS {
            let problem = FieldProblem { field: field.to_owned(), code: code.to_owned(), message };
            self.0.push(RowProblem::from_field(line, problem));
        }
    }

    fn extend(&mut self, problems: Vec<RowProblem>) {
        let left = MOST_PROBLEMS.saturating_sub(self.0.len());
        self.0.extend(problems.into_iter().take(left));
    }

    /// In the order of their lines, each once.
    fn sort(&mut self) {
        self.0.sort_by_key(|problem| problem.line);
        self.0.dedup_by(|one, other| {
            (one.line, &one.field, &one.code) == (other.line, &other.field, &other.code)
        });
    }

    fn unknown(&mut self, line: u64, field: &str) {
        let message = Bilingual::fixed("网络中没有这个编码。", "The network knows no such code.");
        self.note(line, field, "unknown_code", message);
    }

    fn taken(&mut self, line: u64, field: &str) {
        self.note(line, field, "already_exists", Bilingual::fixed("已存在。", "It already exists."));
    }

    /// Handles a row with a known key: refuses or skips it, or returns `true` if it is to be updated.
    fn known(&mut self, existing: Existing, loaded: &mut Loaded, line: u64, field: &str) -> bool {
        match existing {
            Existing::Refuse => self.taken(line, field),
            Existing::Skip => loaded.skipped += 1,
            Existing::Update => {
                loaded.updated += 1;
                return true;
            }
        }
        false
    }

    fn done(self) -> Result<(), ImportError> {
        if self.0.is_empty() { Ok(()) } else { Err(ImportError::Rows(self.0)) }
    }
}

/// Logs an import that did not come from a file.
///
/// # Errors
/// Faults of the storage.
pub fn record_loaded(tx: &mut Tx<'_>, kind: ImportKind, rows: usize) -> Result<(), Failure> {
    record(tx, kind, Loaded { added: rows, ..Loaded::default() })
}

/// So many rows change how a table is best read.
const MANY: usize = 100;

/// Logs the import of a file.
fn record(tx: &mut Tx<'_>, kind: ImportKind, loaded: Loaded) -> Result<(), Failure> {
    if loaded.added + loaded.updated >= MANY {
        storage::operations::statistics_gather(tx.conn)?;
    }
    let id: Id<kind::Transfer> = Id::generate();
    let Loaded { added, updated, skipped, unchanged, into_formulary, out_of_formulary, kept_by_hand: _ } =
        loaded;
    let loaded = ImportEvent::Loaded {
        kind,
        rows: added,
        updated,
        skipped,
        unchanged,
        into_formulary,
        out_of_formulary,
    };
    tx.record(id, loaded, Recipients::nobody())
}
