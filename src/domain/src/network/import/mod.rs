//! Turns the rows of a file into records. The file itself is read elsewhere: this module
//! receives header and cells as text, and reports every problem with its line.
//!
//! `cells` parses the cells, including the formats that spreadsheets write.

mod cells;

use std::{borrow::Cow, collections::HashMap, marker::PhantomData};

use chrono::NaiveDate;

use super::Record;
use crate::{refusal::FieldProblem, words::Bilingual};

pub(crate) use cells::Cells;
pub(crate) use cells::{LANGUAGES, join, language_code};

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    columns: Vec<String>,
}

impl Header {
    /// Parses the header of a file of records of kind `R`; see [`Header::read`].
    ///
    /// # Errors
    /// As [`Header::read`].
    pub fn of<'a, R: Record>(cells: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<RowProblem>> {
        Self::read(cells, R::COLUMNS, R::OPTIONAL)
    }

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

    /// The line in the file, from 1.
    pub fn line(&self) -> u64 {
        self.line
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

/// Reads a file of records of kind `R` row by row and checks header, cells, fields and
/// duplicates. Only the unique keys stay in memory, so files of any length can be read.
#[derive(Debug)]
pub struct Intake<R> {
    header: Header,
    today: NaiveDate,
    seen: Seen,
    kind: PhantomData<fn() -> R>,
}

impl<R: Record> Intake<R> {
    /// Starts with the header. `today` is the civil day in Asia/Shanghai.
    ///
    /// # Errors
    /// The problems of the header; see [`Header::of`].
    pub fn open<'a>(
        header: impl IntoIterator<Item = &'a str>,
        today: NaiveDate,
    ) -> Result<Self, Vec<RowProblem>> {
        Ok(Self::with_header(Header::of::<R>(header)?, today))
    }

    /// As [`Intake::open`], for a file that updates existing records. The file must
    /// contain every column that it would replace; a missing column would erase data.
    ///
    /// # Errors
    /// As [`Intake::open`].
    pub fn open_for_update<'a>(
        header: impl IntoIterator<Item = &'a str>,
        today: NaiveDate,
    ) -> Result<Self, Vec<RowProblem>> {
        let mut parsed = Header::read(header, R::COLUMNS, R::NEVER_REPLACED);
        for problem in parsed.as_mut().err().into_iter().flatten() {
            if R::OPTIONAL.contains(&problem.field.as_str()) {
                problem.message = erased();
            }
        }
        Ok(Self::with_header(parsed?, today))
    }

    fn with_header(header: Header, today: NaiveDate) -> Self {
        Self { header, today, seen: Seen::default(), kind: PhantomData }
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
        let record = R::from_row(&Row::new(&self.header, line, cells), self.today)?;
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
