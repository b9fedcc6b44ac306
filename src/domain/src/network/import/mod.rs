//! Turns the rows of a file into records. The file itself is read elsewhere: this module
//! receives header and cells as text, and reports every problem with its line.
//!
//! `cells` parses the cells, including the formats that spreadsheets write.

mod cells;

use std::{borrow::Cow, collections::HashMap};

use chrono::NaiveDate;

use super::{FileRecord, Record};
use crate::{refusal::FieldProblem, words::Bilingual};

pub use cells::Cells;
pub(crate) use cells::{LANGUAGES, join, language_code};

crate::text_enum! {
    /// What an import loads.
    pub enum ImportKind {
        Cabinets = "cabinets",
        Catalogue = "catalogue",
        Employers = "employers",
        Hospitals = "hospitals",
        /// The whole sample network.
        Sample = "sample",
        ShiftRules = "shift_rules",
        Shifts = "shifts",
        Staff = "staff",
        Stations = "stations",
        Stock = "stock",
        Workers = "workers",
    }
}

/// One thing wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RowProblem {
    /// The line in the file, from 1; usually the header is line 1.
    pub line: u64,
    /// The column, or `row` for the row as a whole.
    pub field: String,
    /// A stable code: `missing_column`, `bad_date`, ...
    pub code: String,
    /// What is wrong and what is allowed. Never contains the cell's content.
    pub message: Bilingual,
}

impl RowProblem {
    fn new(line: u64, field: &str, code: &str, message: Bilingual) -> Self {
        Self { line, field: field.into(), code: code.into(), message }
    }

    /// An invalid field of the record at `line`.
    pub fn from_field(line: u64, problem: FieldProblem) -> Self {
        Self { line, field: problem.field, code: problem.code, message: problem.message }
    }
}

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    columns: Vec<String>,
}

impl Header {
    /// Parses a file's header, which may contain the `known` columns and may omit the
    /// `optional` ones. A byte order mark before the first name is dropped, because
    /// spreadsheets write one.
    ///
    /// # Errors
    /// All missing, unknown and duplicate columns, at line 1.
    pub fn read<'a>(
        cells: impl IntoIterator<Item = &'a str>,
        known: &[&str],
        optional: &[&str],
    ) -> Result<Self, Vec<RowProblem>> {
        let columns: Vec<String> =
            cells.into_iter().map(|cell| cell.trim_start_matches('\u{FEFF}').trim().to_owned()).collect();
        let mut problems = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            if !known.contains(&column.as_str()) {
                let name = safe_column_name(column, place);
                problems.push(RowProblem::new(1, &name, "unknown_column", unknown_column(known)));
            } else if columns[..place].contains(column) {
                let message = Bilingual::fixed("该列出现了两次。", "This column stands twice.");
                problems.push(RowProblem::new(1, column, "duplicate_column", message));
            }
        }
        for required in known.iter().filter(|column| !optional.contains(column)) {
            if !columns.iter().any(|column| column == required) {
                problems.push(missing_column(1, required));
            }
        }
        if problems.is_empty() { Ok(Self { columns }) } else { Err(problems) }
    }

    /// Whether the file has this column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known == column)
    }
}

/// One row of a file.
#[derive(Debug)]
pub struct Row<'a> {
    header: &'a Header,
    line: u64,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The cells of line `line`, in the order of `header`.
    pub fn new(header: &'a Header, line: u64, cells: impl IntoIterator<Item = &'a str>) -> Self {
        Self { header, line, cells: cells.into_iter().map(str::trim).collect() }
    }

    /// The cells by column name. In columns other than `texts`, full-width characters
    /// become ASCII.
    ///
    /// # Errors
    /// `bad_row` if the row has more or fewer cells than the header.
    pub fn named(&self, texts: &[&str]) -> Result<HashMap<&'a str, Cow<'a, str>>, RowProblem> {
        self.complete()?;
        let pairs = self.header.columns.iter().zip(&self.cells);
        Ok(pairs
            .map(|(name, cell)| {
                let text = texts.contains(&name.as_str());
                (name.as_str(), if text { Cow::Borrowed(*cell) } else { cells::plain(cell) })
            })
            .collect())
    }

    /// Parses the cells to a record and validates it.
    ///
    /// # Errors
    /// One problem for each bad cell. A cell that cannot be parsed is not validated as
    /// well, so no cell is reported twice for the same fault.
    pub fn record<R: Record>(
        &self,
        today: NaiveDate,
        parse: impl Fn(&mut Cells<'_, '_>) -> R,
    ) -> Result<R, Vec<RowProblem>> {
        let mut cells = Cells::new(self);
        let record = parse(&mut cells);
        let mut problems = cells.into_problems();
        let unparsed = problems.len();
        for invalid in record.validate(today) {
            if !problems[..unparsed].iter().any(|known| known.field == invalid.field) {
                problems.push(RowProblem::from_field(self.line, invalid));
            }
        }
        if problems.is_empty() { Ok(record) } else { Err(problems) }
    }

    fn complete(&self) -> Result<(), RowProblem> {
        let (wanted, given) = (self.header.columns.len(), self.cells.len());
        if wanted == given {
            return Ok(());
        }
        let message = Bilingual::made(
            format!("应有 {wanted} 列，实有 {given} 列。"),
            format!("{wanted} cells are due and {given} are there."),
        );
        Err(RowProblem::new(self.line, "row", "bad_row", message))
    }

    /// The cell of `column`; `None` if the file has no such column.
    pub fn cell(&self, column: &str) -> Option<&'a str> {
        let place = self.header.columns.iter().position(|name| name == column)?;
        self.cells.get(place).copied()
    }
}

/// The unique keys seen so far in a file, with their lines.
#[derive(Debug, Default)]
pub struct Seen {
    lines: HashMap<String, u64>,
}

impl Seen {
    /// Records `key` of `field` at `line`; returns a problem if an earlier line has the
    /// same key. The message names that line, never the key, which may be personal data.
    pub fn note(&mut self, line: u64, field: &str, key: &str) -> Option<RowProblem> {
        let first = *self.lines.entry(format!("{field}\u{0}{key}")).or_insert(line);
        (first != line).then(|| {
            let message = Bilingual::made(
                format!("与第 {first} 行重复。"),
                format!("Line {first} has the same value."),
            );
            RowProblem::new(line, field, "duplicate", message)
        })
    }
}

/// The columns of a kind of file.
#[derive(Debug, Clone)]
pub struct Columns {
    pub all: Vec<&'static str>,
    /// Those that a file may leave out and a row may leave empty.
    pub optional: &'static [&'static str],
    /// Those of the optional ones that an update may leave out: what is known stays then.
    pub kept_if_missing: &'static [&'static str],
}

impl Columns {
    pub fn of<R: FileRecord>() -> Self {
        Self { all: R::COLUMNS.to_vec(), optional: R::OPTIONAL, kept_if_missing: &[] }
    }
}

/// Reads a file of one kind of records row by row and checks header, cells, fields and
/// duplicates. Only the unique keys stay in memory, so files of any length can be read.
#[derive(Debug)]
pub struct Intake<P> {
    header: Header,
    today: NaiveDate,
    seen: Seen,
    parse: P,
}

impl<R: Record, P: Fn(&mut Cells<'_, '_>) -> R> Intake<P> {
    /// Starts with the header; `parse` parses the cells of a row. `today` is the civil day in
    /// Asia/Shanghai.
    ///
    /// # Errors
    /// The problems of the header; see [`Header::read`].
    pub fn open<'a>(
        header: impl IntoIterator<Item = &'a str>,
        columns: &Columns,
        today: NaiveDate,
        parse: P,
    ) -> Result<Self, Vec<RowProblem>> {
        let header = Header::read(header, &columns.all, columns.optional)?;
        Ok(Self { header, today, seen: Seen::default(), parse })
    }

    /// As [`Intake::open`], for a file that updates existing records. The file must
    /// contain every column that it would replace; a missing column would erase data.
    ///
    /// # Errors
    /// As [`Intake::open`].
    pub fn open_for_update<'a>(
        header: impl IntoIterator<Item = &'a str>,
        columns: &Columns,
        today: NaiveDate,
        parse: P,
    ) -> Result<Self, Vec<RowProblem>> {
        let mut header = Header::read(header, &columns.all, columns.kept_if_missing);
        for problem in header.as_mut().err().into_iter().flatten() {
            if columns.optional.contains(&problem.field.as_str()) {
                problem.message = erased();
            }
        }
        Ok(Self { header: header?, today, seen: Seen::default(), parse })
    }

    /// Parses and checks the next row.
    ///
    /// # Errors
    /// Every problem of the row. The keys of a row with an invalid field are not recorded.
    pub fn take<'c>(
        &mut self,
        line: u64,
        cells: impl IntoIterator<Item = &'c str>,
    ) -> Result<R, Vec<RowProblem>> {
        // Collected first, because the cells need not outlive `self`.
        let cells: Vec<&str> = cells.into_iter().collect();
        let record = Row::new(&self.header, line, cells).record(self.today, &self.parse)?;
        let duplicates: Vec<RowProblem> =
            record.keys().iter().filter_map(|(field, key)| self.seen.note(line, field, key)).collect();
        if duplicates.is_empty() { Ok(record) } else { Err(duplicates) }
    }
}

fn erased() -> Bilingual {
    Bilingual::fixed(
        "更新时须有该列：没有写的内容会被清空。",
        "An update needs this column: what is known would be replaced by nothing.",
    )
}

fn missing_column(line: u64, column: &str) -> RowProblem {
    RowProblem::new(line, column, "missing_column", Bilingual::fixed("缺少该列。", "This column is missing."))
}

/// The name of an unknown column for a message. In a file without a header the first row,
/// with personal data, is taken as the header, so only text that looks like a column name
/// is repeated.
fn safe_column_name(column: &str, place: usize) -> String {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if (1..=40).contains(&column.len()) && column.bytes().all(fits) {
        column.to_owned()
    } else {
        format!("column[{}]", place + 1)
    }
}

fn unknown_column(known: &[&str]) -> Bilingual {
    let known = known.join(", ");
    Bilingual::made(format!("未知的列；可用：{known}。"), format!("Unknown column; known are: {known}."))
}

#[cfg(test)]
mod tests;
