//! Reads one CSV table into rows of named cells, and collects what is wrong with them.

use std::collections::HashSet;

use super::fault::{RuleFault, RuleFaultCode};
use crate::words::Bilingual;

/// The longest cell, in characters.
const LONGEST_CELL: usize = 4_000;

/// One row of a table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) table: &'static str,
    pub(super) line: u64,
    columns: &'static [&'static str],
    cells: csv::StringRecord,
}

/// The faults of an edition, while its tables are read.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<RuleFault>);

impl Faults {
    pub(super) fn at(
        &mut self,
        place: (&'static str, u64),
        field: &'static str,
        code: RuleFaultCode,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) {
        let (table, line) = place;
        self.0.push(RuleFault { table, line, field, code, message: Bilingual::made(zh, en) });
    }

    /// A fault of this cell, which the message shows.
    pub(super) fn cell(&mut self, row: &Row, field: &'static str, code: RuleFaultCode, zh: &str, en: &str) {
        let seen: String = row.cell(field).chars().take(60).collect();
        self.at(
            row.place(),
            field,
            code,
            format!("{zh}（现为“{seen}”）"),
            format!("{en} (found \"{seen}\")"),
        );
    }
}

impl Row {
    pub(super) fn place(&self) -> (&'static str, u64) {
        (self.table, self.line)
    }

    /// The text of a cell; empty where the table has no such column.
    pub(super) fn cell(&self, field: &str) -> &str {
        let at = self.columns.iter().position(|column| *column == field);
        at.and_then(|at| self.cells.get(at)).map_or("", str::trim)
    }

    /// The parts of a cell that lists several things.
    pub(super) fn list(&self, field: &str) -> impl Iterator<Item = &str> {
        self.cell(field).split(';').map(str::trim).filter(|part| !part.is_empty())
    }

    /// A cell that must not be empty.
    pub(super) fn required(&self, field: &'static str, faults: &mut Faults) -> &str {
        let text = self.cell(field);
        if text.is_empty() {
            faults.cell(self, field, RuleFaultCode::Missing, "必填", "needed");
        }
        text
    }

    /// A cell that must parse.
    pub(super) fn parsed<T>(
        &self,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let value = parse(self.cell(field));
        if value.is_none() {
            faults.cell(self, field, RuleFaultCode::Invalid, "格式不符", "not of the form of this column");
        }
        value
    }

    /// A cell that may be empty, and must parse otherwise.
    pub(super) fn optional<T>(
        &self,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        if self.cell(field).is_empty() { None } else { self.parsed(field, parse, faults) }
    }

    /// The sentence in both languages. The Chinese one is for people who read no English.
    pub(super) fn sentence(&self, ingredients: &HashSet<&str>, faults: &mut Faults) -> Bilingual {
        let (zh, en) = (self.required("zh", faults), self.required("en", faults));
        let latin = zh.split(|letter: char| !letter.is_ascii_alphabetic());
        if latin.into_iter().any(|word| ingredients.contains(word.to_ascii_lowercase().as_str())) {
            let (zh, en) =
                ("中文不得含英文成分名", "the Chinese text holds an English name of an ingredient");
            faults.cell(self, "zh", RuleFaultCode::Invalid, zh, en);
        }
        Bilingual::made(zh, en)
    }
}

/// The rows of `text`; `#` starts a comment line. The first of `columns` is a unique id.
pub(super) fn read(
    table: &'static str,
    text: &str,
    columns: &'static [&'static str],
    faults: &mut Faults,
) -> Vec<Row> {
    let unreadable = |line: u64, field: &'static str, zh: String, en: String, faults: &mut Faults| {
        faults.at((table, line), field, RuleFaultCode::Unreadable, zh, en);
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    match reader.headers() {
        Ok(header) if header.iter().eq(columns.iter().copied()) => {}
        Ok(_) => {
            let wanted = columns.join(",");
            let (zh, en) = (format!("列须为：{wanted}"), format!("the columns are {wanted}"));
            unreadable(written_at(&lines, 1), "row", zh, en, faults);
            return Vec::new();
        }
        Err(error) => {
            unreadable(1, "row", format!("无法读取：{error}"), format!("cannot be read: {error}"), faults);
            return Vec::new();
        }
    }
    let (mut rows, mut ids) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let cells = match record {
            Ok(cells) => cells,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                unreadable(
                    line,
                    "row",
                    format!("无法读取：{error}"),
                    format!("cannot be read: {error}"),
                    faults,
                );
                continue;
            }
        };
        let line = written_at(&lines, cells.position().map_or(1, csv::Position::line));
        let row = Row { table, line, columns, cells };
        for &field in columns {
            if row.cell(field).chars().count() > LONGEST_CELL {
                faults.cell(&row, field, RuleFaultCode::Invalid, "过长", "too long");
            }
        }
        let id = row.required(columns[0], faults).to_owned();
        if ids.insert(id) {
            rows.push(row);
        } else {
            faults.cell(&row, columns[0], RuleFaultCode::Duplicate, "重复", "stands twice");
        }
    }
    if rows.is_empty() && faults.0.is_empty() {
        unreadable(1, "row", "空表".to_owned(), "the table is empty".to_owned(), faults);
    }
    rows
}

/// The line at which a record is written: the reader counts from the comments before it.
fn written_at(lines: &[&str], from: u64) -> u64 {
    let before = usize::try_from(from).unwrap_or(1).saturating_sub(1);
    let is_record = |line: &&&str| !line.starts_with('#') && !line.trim().is_empty();
    let comments = lines.iter().skip(before).take_while(|line| !is_record(line)).count();
    from + u64::try_from(comments).unwrap_or(0)
}
