//! Rows of a file become records. The file itself is read elsewhere: here a
//! header and cells come in as text, and every problem goes out with its line.
//!
//! A cell is trimmed; a list in a cell is separated by `;`; a date is
//! `2026-11-23`, an instant is RFC 3339 with an offset.

use std::{collections::HashMap, marker::PhantomData, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::{
    refusal::FieldProblem,
    time::{Timestamp, to_micros},
    words::{Bilingual, Language},
};

use super::Record;

/// Between the items of a list in one cell.
const LIST_SEPARATOR: char = ';';

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
    /// Reads a file's first line for records of kind `R`. A byte order mark
    /// before the first name is dropped: spreadsheets write it.
    ///
    /// # Errors
    /// All missing, unknown and doubled columns, at line 1.
    pub fn read<'a, R: Record>(cells: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<RowProblem>> {
        let columns: Vec<String> =
            cells.into_iter().map(|cell| cell.trim_start_matches('\u{FEFF}').trim().to_owned()).collect();
        let mut problems = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            if !R::COLUMNS.contains(&column.as_str()) {
                let name = safe_column_name(column, place);
                problems.push(RowProblem::new(1, &name, "unknown_column", unknown_column(R::COLUMNS)));
            } else if columns[..place].contains(column) {
                let message = Bilingual::fixed("该列出现了两次。", "This column stands twice.");
                problems.push(RowProblem::new(1, column, "duplicate_column", message));
            }
        }
        for wanted in R::COLUMNS.iter().filter(|wanted| !R::OPTIONAL.contains(wanted)) {
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

    /// The cell of `column`; `None` where the file has no such column.
    pub fn cell(&self, column: &str) -> Option<&'a str> {
        let place = self.header.columns.iter().position(|name| name == column)?;
        self.cells.get(place).copied()
    }
}

/// Reads the cells of one row and notes those that cannot be read.
#[derive(Debug)]
pub struct Cells<'r, 'a> {
    row: &'r Row<'a>,
    problems: Vec<RowProblem>,
}

impl<'r, 'a> Cells<'r, 'a> {
    /// A reader of `row`.
    pub fn new(row: &'r Row<'a>) -> Self {
        let mut problems = Vec::new();
        let (wanted, given) = (row.header.columns.len(), row.cells.len());
        if wanted != given {
            let message = Bilingual::made(
                format!("应有 {wanted} 列，实有 {given} 列。"),
                format!("{wanted} cells are due and {given} are there."),
            );
            problems.push(RowProblem::new(row.line, "row", "bad_row", message));
        }
        Self { row, problems }
    }

    /// Every cell that could not be read.
    pub fn into_problems(self) -> Vec<RowProblem> {
        self.problems
    }

    /// Whether `column` has been found unreadable.
    pub fn failed(&self, column: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == column)
    }

    fn note(&mut self, column: &str, code: &str, message: Bilingual) {
        self.problems.push(RowProblem::new(self.row.line, column, code, message));
    }

    /// The text of a column that must be there; whether it may be empty is the record's to say.
    pub fn text(&mut self, column: &str) -> String {
        match self.row.cell(column) {
            Some(cell) => cell.to_owned(),
            None => {
                self.problems.push(missing_column(self.row.line, column));
                String::new()
            }
        }
    }

    /// The text of a column that may be left out or empty.
    pub fn optional_text(&mut self, column: &str) -> Option<String> {
        self.row.cell(column).filter(|cell| !cell.is_empty()).map(str::to_owned)
    }

    /// A whole number in ASCII digits, with a sign or without.
    pub fn number<T: FromStr + Default>(&mut self, column: &str) -> T {
        let message = Bilingual::fixed("须为整数。", "Must be a whole number that fits.");
        self.read(column, "bad_number", message, |cell| cell.parse().ok()).unwrap_or_default()
    }

    /// A calendar day.
    pub fn date(&mut self, column: &str) -> NaiveDate {
        let message = Bilingual::fixed("日期须写作 2026-11-23。", "A date is written 2026-11-23.");
        let read = |cell: &str| NaiveDate::parse_from_str(cell, "%Y-%m-%d").ok().filter(|_| cell.len() == 10);
        self.read(column, "bad_date", message, read).unwrap_or_default()
    }

    /// An instant with its offset.
    pub fn instant(&mut self, column: &str) -> Timestamp {
        let message = Bilingual::fixed(
            "时间须写作 2026-11-23T08:00:00+08:00。",
            "An instant is written 2026-11-23T08:00:00+08:00.",
        );
        let read = |cell: &str| DateTime::parse_from_rfc3339(cell).ok();
        self.read(column, "bad_time", message, read)
            .map(|at| to_micros(at.with_timezone(&Utc)))
            .unwrap_or_default()
    }

    /// One word of a closed set; `otherwise` stands in where it is none of them.
    pub fn word<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>, otherwise: T) -> T {
        self.read(column, "unknown_value", unknown_value(), parse).unwrap_or(otherwise)
    }

    /// One word of a closed set, or nothing.
    pub fn optional_word<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let cell = self.row.cell(column).filter(|cell| !cell.is_empty())?;
        let word = parse(cell);
        if word.is_none() {
            self.note(column, "unknown_value", unknown_value());
        }
        word
    }

    /// Words of a closed set, separated by `;`.
    pub fn list<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        if self.row.cell(column).is_none() {
            self.problems.push(missing_column(self.row.line, column));
        }
        self.optional_list(column, parse).unwrap_or_default()
    }

    /// Words of a closed set, separated by `;`, or nothing.
    pub fn optional_list<T>(&mut self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let cell = self.row.cell(column).filter(|cell| !cell.is_empty())?;
        let words: Option<Vec<T>> = cell.split(LIST_SEPARATOR).map(|word| parse(word.trim())).collect();
        if words.is_none() {
            self.note(column, "unknown_value", unknown_value());
        }
        Some(words.unwrap_or_default())
    }

    fn read<T>(
        &mut self,
        column: &str,
        code: &str,
        message: Bilingual,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        match self.row.cell(column) {
            None => self.problems.push(missing_column(self.row.line, column)),
            Some("") => self.note(column, "empty", Bilingual::fixed("不能为空。", "Must not be empty.")),
            Some(cell) => match parse(cell) {
                Some(value) => return Some(value),
                None => self.note(column, code, message),
            },
        }
        None
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
    /// The header's problems, as [`Header::read`] names them.
    pub fn open<'a>(
        header: impl IntoIterator<Item = &'a str>,
        today: NaiveDate,
    ) -> Result<Self, Vec<RowProblem>> {
        let header = Header::read::<R>(header)?;
        Ok(Self { header, today, seen: Seen::default(), kind: PhantomData })
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

/// The items of a list as one cell.
pub(super) fn join<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<Vec<_>>().join(";")
}

/// The word for a language in a file: the same as on the wire.
pub(super) fn language_word(language: Language) -> &'static str {
    match language {
        Language::Chinese => "zh",
        Language::English => "en",
    }
}

/// The language that `word` names.
pub(super) fn read_language(word: &str) -> Option<Language> {
    [Language::Chinese, Language::English].into_iter().find(|language| language_word(*language) == word)
}

fn unknown_value() -> Bilingual {
    Bilingual::fixed("不在允许的取值之内。", "Not one of the values that are allowed.")
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
#[path = "import_tests.rs"]
mod tests;
