//! Rows of a file become records. The file itself is read elsewhere: here a
//! header and cells come in as text, and every problem goes out with its line.
//!
//! How cells are read, and what spreadsheets do to them, is in `cells`.

mod cells;

use std::{borrow::Cow, collections::HashMap, marker::PhantomData};

use chrono::NaiveDate;

use super::Record;
use crate::{refusal::FieldProblem, words::Bilingual};

pub use cells::Cells;
pub(crate) use cells::{LANGUAGES, join, language_word};

/// One thing wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RowProblem {
    /// The line in the file, from 1; the header is line 1 as a rule.
    pub line: u64,
    /// The column, or `row` for the row as a whole.
    pub field: String,
    /// A stable word: `missing_column`, `bad_date`, ...
    pub code: String,
    /// What is wrong and what is allowed. It never repeats the cell.
    pub message: Bilingual,
}

impl RowProblem {
    fn new(line: u64, field: &str, code: &str, message: Bilingual) -> Self {
        Self { line, field: field.into(), code: code.into(), message }
    }

    /// A broken field of a record, seen at `line`.
    pub fn from_field(line: u64, problem: FieldProblem) -> Self {
        Self { line, field: problem.field, code: problem.code, message: problem.message }
    }
}

/// The columns of a file, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    columns: Vec<String>,
}

impl Header {
    /// Reads the first line of a file of records of kind `R`, as [`Header::read`] does.
    ///
    /// # Errors
    /// As there.
    pub fn of<'a, R: Record>(cells: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<RowProblem>> {
        Self::read(cells, R::COLUMNS, R::OPTIONAL)
    }

    /// Reads a file's first line, which names `known` columns and may leave out the
    /// `optional` ones. A byte order mark before the first name is dropped:
    /// spreadsheets write it.
    ///
    /// # Errors
    /// All missing, unknown and doubled columns, at line 1.
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
        for wanted in known.iter().filter(|wanted| !optional.contains(wanted)) {
            if !columns.iter().any(|column| column == wanted) {
                problems.push(missing_column(1, wanted));
            }
        }
        if problems.is_empty() { Ok(Self { columns }) } else { Err(problems) }
    }
}

/// One line of a file: cells by column name.
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

    /// The columns' names and cells. In columns other than the `texts`, full-width
    /// characters become plain ones.
    ///
    /// # Errors
    /// The row has more or fewer cells than the header.
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

    /// The cell of `column`; `None` where the file has no such column.
    pub fn cell(&self, column: &str) -> Option<&'a str> {
        let place = self.header.columns.iter().position(|name| name == column)?;
        self.cells.get(place).copied()
    }
}

/// Keys that a file has already used, and where.
#[derive(Debug, Default)]
pub struct Seen {
    lines: HashMap<String, u64>,
}

impl Seen {
    /// Notes `key` of `field` at `line`; a problem where an earlier line has
    /// it. The message names that line, never the key: it may be personal.
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

/// A whole file of records of kind `R`, row by row: header, cells, fields and
/// duplicates. Only keys are kept, so a file of any length passes through.
#[derive(Debug)]
pub struct Intake<R> {
    header: Header,
    today: NaiveDate,
    seen: Seen,
    kind: PhantomData<fn() -> R>,
}

impl<R: Record> Intake<R> {
    /// Opens a file by its header. `today` is the civil day in Asia/Shanghai.
    ///
    /// # Errors
    /// The header's problems, as [`Header::of`] names them.
    pub fn open<'a>(
        header: impl IntoIterator<Item = &'a str>,
        today: NaiveDate,
    ) -> Result<Self, Vec<RowProblem>> {
        Ok(Self::below(Header::of::<R>(header)?, today))
    }

    /// The same of a file that replaces what is known: it leaves out no column that it
    /// would replace, or what nobody wrote would be erased.
    ///
    /// # Errors
    /// As [`Intake::open`].
    pub fn open_to_replace<'a>(
        header: impl IntoIterator<Item = &'a str>,
        today: NaiveDate,
    ) -> Result<Self, Vec<RowProblem>> {
        let mut read = Header::read(header, R::COLUMNS, R::NEVER_REPLACED);
        for problem in read.as_mut().err().into_iter().flatten() {
            if R::OPTIONAL.contains(&problem.field.as_str()) {
                problem.message = erased();
            }
        }
        Ok(Self::below(read?, today))
    }

    fn below(header: Header, today: NaiveDate) -> Self {
        Self { header, today, seen: Seen::default(), kind: PhantomData }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// Every problem of the row; a row with a bad field does not use up its keys.
    pub fn take<'c>(
        &mut self,
        line: u64,
        cells: impl IntoIterator<Item = &'c str>,
    ) -> Result<R, Vec<RowProblem>> {
        // Collected first: the cells need not live as long as this intake.
        let cells: Vec<&str> = cells.into_iter().collect();
        let record = R::from_row(&Row::new(&self.header, line, cells), self.today)?;
        let doubled: Vec<RowProblem> =
            record.keys().iter().filter_map(|(field, key)| self.seen.note(line, field, key)).collect();
        if doubled.is_empty() { Ok(record) } else { Err(doubled) }
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

/// An unknown column as it may be shown: a file without a header offers its
/// first person as column names, so only what looks like a name is repeated.
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
