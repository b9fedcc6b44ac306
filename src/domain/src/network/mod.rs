//! The network's entities as they are imported or created: what a row of a
//! file or a form says, before it has an id.
//!
//! A record checks its own fields and names every bad one at once, so a person
//! who mends a file of 20,000 rows does it in one round. It never looks at
//! other records beyond one file's duplicates (that a station exists is the
//! storage's knowledge), never reads files (the caller hands in cells), and
//! never hashes or seals: it only hides secrets from `Debug`.

pub(crate) mod checks;
mod document;
mod identified;
mod identity;
pub mod import;
pub mod merge;
mod people;
pub mod phone;
mod places;
mod secret;
mod stated;

use chrono::NaiveDate;

pub use checks::{control_character, phone_words};
pub use document::{DocumentEvidence, DocumentFault, DocumentKind, DocumentNumber, comparable_name};
pub use identified::{ChangeKind, ChangeState, CodePurpose, Identified, IdentityKind};
pub use identity::{card_number_is_valid, luhn_check_digit, pin_is_trivial};
pub use phone::{Phone, PhoneKind};

pub use people::{Job, Sex, WorkerRecord};
pub use places::{CabinetRecord, EmployerRecord, HospitalRecord, StationRecord};
pub use secret::Secret;
pub use stated::{Stated, careful_job};

use super::refusal::FieldProblem;
use import::{Cells, Row, RowProblem};

/// One kind of row that the network is built from.
pub trait Record: Sized {
    /// The plural noun of the kind: a file's stem, a command's word.
    const KIND: &'static str;
    /// The columns of a file, in the order in which they are written.
    const COLUMNS: &'static [&'static str];
    /// Those columns that a file may leave out, and a row may leave empty.
    const OPTIONAL: &'static [&'static str];
    /// Those columns that replace nothing where a record is known already.
    const NEVER_REPLACED: &'static [&'static str] = &["password"];

    /// Reads every cell; a cell that cannot be read is noted in `cells` and
    /// stands as a harmless value, so that the others are still checked.
    fn parse(cells: &mut Cells<'_, '_>) -> Self;

    /// Every broken field; none means that the record may be stored. `today`
    /// is the civil day in Asia/Shanghai.
    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem>;

    /// The fields, with their values, that no other row of a file may repeat.
    fn keys(&self) -> Vec<(&'static str, String)>;

    /// The cells of this record, in the order of `COLUMNS`. Secrets stand in
    /// clear: a row is written only to be imported somewhere else.
    fn to_row(&self) -> Vec<String>;

    /// Reads and checks one row.
    ///
    /// # Errors
    /// One problem for each bad cell; what a cell says comes before what its
    /// value breaks, so no cell is named twice for the same fault.
    fn from_row(row: &Row<'_>, today: NaiveDate) -> Result<Self, Vec<RowProblem>> {
        let mut cells = Cells::new(row);
        let record = Self::parse(&mut cells);
        let mut problems = cells.into_problems();
        let unread = problems.len();
        for broken in record.validate(today) {
            if !problems[..unread].iter().any(|known| known.field == broken.field) {
                problems.push(RowProblem::from_field(row.line(), broken));
            }
        }
        if problems.is_empty() { Ok(record) } else { Err(problems) }
    }
}
