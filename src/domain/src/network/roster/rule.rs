//! A rule by which somebody's shifts repeat, as it is written in a form or a file.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::{Occurrence, Recurrence, Span, TIME_ZONE};
use crate::{
    network::{
        FileRecord, Record,
        checks::Findings,
        import::{Cells, join},
    },
    refusal::FieldProblem,
    words::Bilingual,
};

/// Exception dates of a rule, at most. Our default.
pub const MAX_EXCEPTIONS: usize = 400;
/// Rules of one person that are in force, at most. Our default.
pub const MAX_RULES: usize = 20;
/// Two rules of one person are compared over this time.
const COMPARED: TimeDelta = TimeDelta::days(366);
/// First dates that are accepted.
const YEARS: std::ops::RangeInclusive<i32> = 2020..=2100;

/// A rule by which the shifts of a doctor or pharmacist repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftRuleRecord {
    pub staff_email: String,
    /// The department that the shifts are for, one of the doctor's; none is all of theirs.
    pub department: Option<String>,
    /// Local date of the first start; RFC 5545's DTSTART with `start_time`.
    pub first_date: NaiveDate,
    /// Local time of the start: `20:00`.
    pub start_time: String,
    /// Length of each shift; one that passes midnight ends on the next day.
    pub length_minutes: i32,
    pub rrule: String,
    /// Local dates on which no shift begins.
    pub except: Vec<NaiveDate>,
    /// The last local date on which a shift begins.
    pub last_date: Option<NaiveDate>,
    /// `Asia/Shanghai`, also when it is left out.
    pub time_zone: Option<String>,
}

impl ShiftRuleRecord {
    /// The rule, ready to be expanded.
    ///
    /// # Errors
    /// One problem per bad field.
    pub fn recurrence(&self) -> Result<Recurrence, Vec<FieldProblem>> {
        let mut found = Findings::default();
        let start = NaiveTime::parse_from_str(&self.start_time, "%H:%M").ok();
        if start.is_none() || self.start_time.len() != 5 {
            let message = Bilingual::fixed("时间须写作 20:00。", "A time is written 20:00.");
            found.add("start_time", "bad_time", message);
        }
        if self.time_zone.as_deref().is_some_and(|zone| zone != TIME_ZONE) {
            let message = Bilingual::fixed(
                "排班只用 Asia/Shanghai 时区。",
                "The roster has one time zone: Asia/Shanghai.",
            );
            found.add("time_zone", "unknown_time_zone", message);
        }
        if !YEARS.contains(&chrono::Datelike::year(&self.first_date)) {
            let message = Bilingual::made(
                format!("须在 {} 到 {} 年之间。", YEARS.start(), YEARS.end()),
                format!("A first date is in {} to {}.", YEARS.start(), YEARS.end()),
            );
            found.add("first_date", "out_of_range", message);
        }
        if self.except.len() > MAX_EXCEPTIONS {
            let message = Bilingual::made(
                format!("至多 {MAX_EXCEPTIONS} 个例外日期。"),
                format!("A rule has {MAX_EXCEPTIONS} exception dates at most."),
            );
            found.add("except", "too_many", message);
        }
        let mut problems = found.done();
        if problems.iter().any(|bad| bad.field == "first_date") {
            return Err(problems);
        }
        let parsed = Recurrence::new(
            self.first_date,
            start.unwrap_or_default(),
            self.length_minutes,
            &self.rrule,
            self.last_date,
        );
        match parsed {
            Ok(recurrence) if problems.is_empty() => Ok(recurrence),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }
}

impl FileRecord for ShiftRuleRecord {
    const KIND: &'static str = "shift_rules";
    const COLUMNS: &'static [&'static str] = &[
        "staff_email",
        "department",
        "first_date",
        "start_time",
        "length_minutes",
        "rrule",
        "except",
        "last_date",
        "time_zone",
    ];
    const OPTIONAL: &'static [&'static str] = &["department", "except", "last_date", "time_zone"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            staff_email: cells.code("staff_email").to_lowercase(),
            department: cells.optional_code("department"),
            first_date: cells.date("first_date"),
            start_time: cells.code("start_time"),
            length_minutes: cells.number("length_minutes"),
            rrule: cells.code("rrule").to_uppercase(),
            except: cells.optional_dates("except"),
            last_date: cells.optional_date("last_date"),
            time_zone: cells.optional_code("time_zone"),
        }
    }
}

impl Record for ShiftRuleRecord {
    fn validate(&self, _today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.email("staff_email", &self.staff_email);
        found.department(self.department.as_deref());
        let mut problems = found.done();
        problems.extend(self.recurrence().err().into_iter().flatten());
        problems
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        let start = format!("{}T{}", self.first_date, self.start_time);
        vec![("first_date", format!("{}/{start}/{}", self.staff_email, self.rrule))]
    }

    fn to_row(&self) -> Vec<String> {
        let dates: Vec<String> = self.except.iter().map(ToString::to_string).collect();
        vec![
            self.staff_email.clone(),
            self.department.clone().unwrap_or_default(),
            self.first_date.to_string(),
            self.start_time.clone(),
            self.length_minutes.to_string(),
            self.rrule.clone(),
            join(dates.iter().map(String::as_str)),
            self.last_date.map(|date| date.to_string()).unwrap_or_default(),
            self.time_zone.clone().unwrap_or_default(),
        ]
    }
}

/// The first shift of `one` that meets a shift of `other`, over a year from `from`.
pub fn rules_meet(
    one: (&Recurrence, &BTreeSet<NaiveDate>),
    other: (&Recurrence, &BTreeSet<NaiveDate>),
    from: crate::time::Timestamp,
) -> Option<Span> {
    let year = Span::new(from, from + COMPARED)?;
    let (ones, others) = (one.0.within(year, one.1), other.0.within(year, other.1));
    let mut rest: &[Occurrence] = &others;
    for shift in ones {
        while rest.first().is_some_and(|first| first.span.until <= shift.span.from) {
            rest = &rest[1..];
        }
        if let Some(met) = rest.first().filter(|first| first.span.meets(shift.span)) {
            return Some(met.span);
        }
    }
    None
}
