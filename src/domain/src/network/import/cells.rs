//! Parses the cells of a file. A cell is trimmed; a list in a cell is separated by `;`
//! (or `、`, `|` and the like); a date is `2026-11-23` or as a spreadsheet writes it, an
//! instant is RFC 3339 with an offset. Codes and numbers may be in full-width
//! characters, as input methods produce them.

use std::{borrow::Cow, str::FromStr};

use chrono::{DateTime, NaiveDate, Utc};

use super::{Row, RowProblem, missing_column};
use crate::{
    time::{Timestamp, to_micros},
    words::{Bilingual, Language},
};

const LIST_SEPARATORS: [char; 7] = [';', '；', '|', '、', '/', '，', ','];

/// Millionths per degree.
const DEGREE: i64 = 1_000_000;

/// The languages that a file may name.
pub(crate) const LANGUAGES: &[Language] = &[Language::Chinese, Language::English];

/// Parses the cells of one row and records those that cannot be parsed.
#[derive(Debug)]
pub struct Cells<'r, 'a> {
    row: &'r Row<'a>,
    problems: Vec<RowProblem>,
}

impl<'r, 'a> Cells<'r, 'a> {
    pub fn new(row: &'r Row<'a>) -> Self {
        Self { row, problems: row.complete().err().into_iter().collect() }
    }

    pub(crate) fn into_problems(self) -> Vec<RowProblem> {
        self.problems
    }

    /// Whether parsing `column` failed.
    pub fn failed(&self, column: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == column)
    }

    fn note(&mut self, column: &str, code: &str, message: Bilingual) {
        self.problems.push(RowProblem::new(self.row.line, column, code, message));
    }

    /// The unchanged text of a required column. The record decides whether it may be empty.
    pub fn text(&mut self, column: &str) -> String {
        match self.row.cell(column) {
            Some(cell) => cell.to_owned(),
            None => {
                self.problems.push(missing_column(self.row.line, column));
                String::new()
            }
        }
    }

    /// The text of a column; `None` if the column is missing or the cell empty.
    pub(crate) fn optional_text(&mut self, column: &str) -> Option<String> {
        self.row.cell(column).filter(|cell| !cell.is_empty()).map(str::to_owned)
    }

    /// A code, card number or address: full-width characters become ASCII.
    pub fn code(&mut self, column: &str) -> String {
        plain(&self.text(column)).into_owned()
    }

    /// As [`Self::code`]; `None` if the column is missing or the cell empty.
    pub(crate) fn optional_code(&mut self, column: &str) -> Option<String> {
        self.optional_text(column).map(|text| plain(&text).into_owned())
    }

    /// A whole number, with an optional sign.
    pub fn number<T: FromStr + Default>(&mut self, column: &str) -> T {
        let message = Bilingual::fixed("须为整数。", "Must be a whole number that fits.");
        self.read(column, "bad_number", message, |cell| cell.parse().ok()).unwrap_or_default()
    }

    /// As [`Self::number`]; `None` if the column is missing or the cell empty.
    pub(crate) fn optional_number<T: FromStr + Default>(&mut self, column: &str) -> Option<T> {
        self.row.cell(column).filter(|cell| !cell.is_empty())?;
        Some(self.number(column))
    }

    /// A coordinate in millionths of a degree: `37540000`, or in degrees: `37.54`.
    pub(crate) fn degrees_e6(&mut self, column: &str) -> i32 {
        let message = Bilingual::fixed(
            "须为带小数点的度数（37.54）或百万分之一度的整数（37540000）。",
            "Write degrees with a point (37.54), or whole millionths of a degree (37540000).",
        );
        self.read(column, "bad_number", message, degrees_e6).unwrap_or_default()
    }

    pub fn date(&mut self, column: &str) -> NaiveDate {
        let message = Bilingual::fixed(
            "日期须写作 2026-11-23（年在前）。",
            "A date is written 2026-11-23, the year first.",
        );
        self.read(column, "bad_date", message, day).unwrap_or_default()
    }

    /// As [`Self::date`]; `None` if the column is missing or the cell empty.
    pub(crate) fn optional_date(&mut self, column: &str) -> Option<NaiveDate> {
        self.row.cell(column).filter(|cell| !cell.is_empty())?;
        Some(self.date(column))
    }

    /// A list of dates, separated by `;`; empty if the column is missing or the cell empty.
    pub(crate) fn optional_dates(&mut self, column: &str) -> Vec<NaiveDate> {
        let Some(cell) = self.optional_text(column) else { return Vec::new() };
        let items = cell.split([';', '；', '、']).map(str::trim).filter(|item| !item.is_empty());
        let dates: Option<Vec<NaiveDate>> = items.map(|item| day(&plain(item))).collect();
        if dates.is_none() {
            let message = Bilingual::fixed(
                "日期须写作 2026-11-23，多个用 ; 分隔。",
                "Dates are written 2026-11-23, with ; between them.",
            );
            self.note(column, "bad_date", message);
        }
        dates.unwrap_or_default()
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

    /// One of `allowed`, by its code; `fallback` if it is none of them, with a problem recorded.
    pub fn choice<T: Copy>(
        &mut self,
        column: &str,
        allowed: &[T],
        code_of: impl Fn(T) -> &'static str,
        fallback: T,
    ) -> T {
        let message = none_of(allowed, &code_of);
        self.read(column, "unknown_value", message, |cell| find(cell, allowed, &code_of)).unwrap_or(fallback)
    }

    /// As [`Self::choice`]; `None` if the column is missing, or the cell empty or unknown.
    pub(crate) fn optional_choice<T: Copy>(
        &mut self,
        column: &str,
        allowed: &[T],
        code_of: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let cell = self.row.cell(column).filter(|cell| !cell.is_empty())?;
        let value = find(&plain(cell), allowed, &code_of);
        if value.is_none() {
            self.note(column, "unknown_value", none_of(allowed, &code_of));
        }
        value
    }

    /// A list of `allowed`, by their codes.
    pub fn list<T: Copy>(
        &mut self,
        column: &str,
        allowed: &[T],
        code_of: impl Fn(T) -> &'static str,
    ) -> Vec<T> {
        if self.row.cell(column).is_none() {
            self.problems.push(missing_column(self.row.line, column));
        }
        self.optional_list(column, allowed, code_of).unwrap_or_default()
    }

    /// A list of codes that are no closed set; `what` says how one is spelt.
    pub fn codes<T>(&mut self, column: &str, what: Bilingual, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(cell) = self.row.cell(column) else {
            self.problems.push(missing_column(self.row.line, column));
            return Vec::new();
        };
        let items = cell.split(LIST_SEPARATORS).map(str::trim).filter(|item| !item.is_empty());
        let values: Option<Vec<T>> = items.map(|item| parse(&plain(item))).collect();
        values.unwrap_or_else(|| {
            self.note(column, "unknown_value", what);
            Vec::new()
        })
    }

    /// As [`Self::list`]; `None` if the column is missing or the cell empty.
    pub(crate) fn optional_list<T: Copy>(
        &mut self,
        column: &str,
        allowed: &[T],
        code_of: impl Fn(T) -> &'static str,
    ) -> Option<Vec<T>> {
        let cell = self.row.cell(column).filter(|cell| !cell.is_empty())?;
        let items = cell.split(LIST_SEPARATORS).map(str::trim).filter(|item| !item.is_empty());
        let values: Option<Vec<T>> = items.map(|item| find(&plain(item), allowed, &code_of)).collect();
        if values.is_none() {
            self.note(column, "unknown_value", none_of(allowed, &code_of));
        }
        Some(values.unwrap_or_default())
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
            Some(cell) => match parse(&plain(cell)) {
                Some(value) => return Some(value),
                None => self.note(column, code, message),
            },
        }
        None
    }
}

/// Full-width letters, digits, signs and spaces as ASCII.
/// Source: Unicode, "Halfwidth and Fullwidth Forms" (U+FF01 to U+FF5E).
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    const SHIFT: u32 = 0xFEE0;
    let wide = |character: char| matches!(character, '\u{FF01}'..='\u{FF5E}' | '\u{3000}');
    if !text.contains(wide) {
        return Cow::Borrowed(text);
    }
    let narrow = text.chars().map(|character| match character {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - SHIFT).unwrap_or(character),
        other => other,
    });
    Cow::Owned(narrow.collect::<String>().trim().to_owned())
}

fn find<T: Copy>(code: &str, allowed: &[T], code_of: &impl Fn(T) -> &'static str) -> Option<T> {
    allowed.iter().copied().find(|value| code_of(*value) == code)
}

/// A day with the year first: `2026-11-23`, and `2026/1/2`, `2026.1.2`,
/// `2026年1月2日` or `20261123`, as spreadsheets write it.
fn day(cell: &str) -> Option<NaiveDate> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if cell.len() == 8 && digits(cell) {
        return NaiveDate::parse_from_str(cell, "%Y%m%d").ok();
    }
    let mut parts = cell.strip_suffix('日').unwrap_or(cell).split(['-', '/', '.', '年', '月']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = year.len() == 4 && month.len() <= 2 && day.len() <= 2 && parts.next().is_none();
    let all = fits && [year, month, day].into_iter().all(digits);
    if all {
        NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    } else {
        None
    }
}

/// Degrees with a point, or whole millionths.
fn degrees_e6(cell: &str) -> Option<i32> {
    let Some((whole, fraction)) = cell.split_once('.') else { return cell.parse().ok() };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || !digits(whole) || fraction.is_empty() || !digits(fraction) {
        return None;
    }
    // Further decimals are dropped: 1e-6 degree is about 0.1 m.
    let millionths: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let value = whole.parse::<i64>().ok()? * DEGREE + millionths.parse::<i64>().ok()?;
    i32::try_from(value).ok()
}

/// The items of a list as one cell.
pub(crate) fn join<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<Vec<_>>().join(";")
}

/// The code of a language in a file: the same as in the API.
pub(crate) fn language_code(language: Language) -> &'static str {
    match language {
        Language::Chinese => "zh",
        Language::English => "en",
    }
}

fn none_of<T: Copy>(allowed: &[T], code_of: impl Fn(T) -> &'static str) -> Bilingual {
    let codes: Vec<&str> = allowed.iter().map(|value| code_of(*value)).collect();
    let codes = codes.join(", ");
    Bilingual::made(format!("须为下列之一：{codes}。"), format!("It must be one of: {codes}."))
}
