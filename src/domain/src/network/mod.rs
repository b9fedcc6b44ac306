//! The network's entities as they are imported or created: the content of a row of a
//! file or a form, before it has an id.
//!
//! A record validates its own fields and reports all errors at once, so a file of
//! 20,000 rows can be corrected in one pass. It does not look at other records, except
//! for duplicates within one file (storage checks whether a station exists), it does
//! not read files (the caller passes cells), and it does not hash or encrypt: it only
//! hides secrets from `Debug`.

pub(crate) mod checks;
pub mod distance;
mod document;
mod identified;
mod identity;
pub mod import;
pub mod merge;
mod people;
pub mod phone;
mod places;
pub mod roster;
mod secret;
mod stated;

use chrono::NaiveDate;

pub use checks::{control_character, implausible_birth, phone_format_message};
pub use document::{DocumentEvidence, DocumentFault, DocumentKind, DocumentNumber, comparable_name};
pub use identified::{ChangeKind, ChangeState, CodePurpose, ConsentPurpose, Identified, IdentityKind};
pub use identity::{card_number_is_valid, luhn_check_digit, pin_is_trivial};
pub use phone::Phone;

pub use people::{Job, Sex, WorkerRecord};
pub use places::{CabinetRecord, EmployerRecord, HospitalRecord, StationRecord};
pub use secret::Secret;
pub use stated::{Stated, careful_job};

use super::refusal::FieldProblem;
use import::Cells;

/// A record that can be imported.
pub trait Record {
    /// Every invalid field; an empty list means that the record may be stored. `today`
    /// is the civil day in Asia/Shanghai.
    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem>;

    /// Fields and values that must be unique within a file.
    fn keys(&self) -> Vec<(&'static str, String)>;

    /// The cells of this record, in the order of its columns. Secrets are in plain text: a
    /// row is written only to be imported elsewhere.
    fn to_row(&self) -> Vec<String>;
}

/// A record that has the same columns in every file.
pub trait FileRecord: Record + Sized + 'static {
    /// The plural noun of the kind, used as file stem and command name.
    const KIND: &'static str;
    /// The columns of a file, in the order of export.
    const COLUMNS: &'static [&'static str];
    /// Columns that a file may leave out and a row may leave empty.
    const OPTIONAL: &'static [&'static str];

    /// Parses every cell. An unreadable cell is recorded in `cells` and replaced by a
    /// harmless value, so that the others are still checked.
    fn parse(cells: &mut Cells<'_, '_>) -> Self;
}
