//! Import records of workers.

use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use super::{
    FileRecord, Record, Secret,
    checks::{Findings, NAME_CHARS},
    import::{Cells, LANGUAGES, language_code},
};
use crate::{
    refusal::FieldProblem,
    words::{Bilingual, Language},
};

crate::text_enum! {
    /// A worker's occupation; used by fitness rules.
    pub enum Job {
        /// Delivers parcels or meals.
        Courier = "courier",
        /// Cleans streets.
        Sanitation = "sanitation",
        /// Construction at ground level.
        Construction = "construction",
        /// Construction at height: fitness is checked before each shift.
        ConstructionAtHeight = "construction_at_height",
        Driver = "driver",
    }
}

crate::text_enum! {
    /// The sex on a worker's identity document; used by dose and contraindication rules.
    pub enum Sex {
        Male = "male",
        Female = "female",
    }
}

/// The minimum age of employment in China, in years. Source: Labour Law, article 15.
const MIN_AGE: i32 = 16;
/// In years. Our default: above it the birth date is a typing error.
const MAX_AGE: i32 = 100;

/// A person who seeks care. `Debug` hides personal data.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerRecord {
    /// 12 digits, the last a Luhn check digit.
    pub card_number: String,
    /// 6 digits, for use with the card.
    pub pin: Secret,
    /// As on the identity document.
    pub name: String,
    /// A telephone number of any kind; may be empty.
    pub phone: String,
    pub birth_date: NaiveDate,
    pub sex: Sex,
    pub job: Job,
    /// `None` for the self-employed.
    pub employer_code: Option<String>,
    /// Language of screens and of consultations.
    #[serde(default)]
    pub language: Language,
}

impl fmt::Debug for WorkerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerRecord").field("job", &self.job).finish_non_exhaustive()
    }
}

impl FileRecord for WorkerRecord {
    const KIND: &'static str = "workers";
    const COLUMNS: &'static [&'static str] =
        &["card_number", "pin", "name", "phone", "birth_date", "sex", "job", "employer_code", "language"];
    const OPTIONAL: &'static [&'static str] = &["phone", "employer_code", "language"];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            card_number: cells.code("card_number"),
            pin: Secret::new(cells.code("pin")),
            name: cells.text("name"),
            phone: cells.optional_code("phone").unwrap_or_default(),
            birth_date: cells.date("birth_date"),
            sex: cells.choice("sex", Sex::ALL, Sex::as_str, Sex::Male),
            job: cells.choice("job", Job::ALL, Job::as_str, Job::Courier),
            employer_code: cells.optional_code("employer_code"),
            language: cells.optional_choice("language", LANGUAGES, language_code).unwrap_or_default(),
        }
    }
}

impl Record for WorkerRecord {
    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.card_number("card_number", &self.card_number);
        found.pin("pin", &self.pin);
        found.text("name", &self.name, NAME_CHARS);
        found.phone("phone", &self.phone);
        if !(MIN_AGE..=MAX_AGE).contains(&age_on(self.birth_date, today)) {
            found.add(
                "birth_date",
                "out_of_range",
                Bilingual::made(
                    format!("年龄须在 {MIN_AGE} 到 {MAX_AGE} 岁之间。"),
                    format!("The age must be from {MIN_AGE} to {MAX_AGE} years."),
                ),
            );
        }
        if let Some(code) = &self.employer_code {
            found.code("employer_code", code);
        }
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("card_number", self.card_number.clone())]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.card_number.clone(),
            self.pin.expose().into(),
            self.name.clone(),
            self.phone.clone(),
            self.birth_date.to_string(),
            self.sex.as_str().into(),
            self.job.as_str().into(),
            self.employer_code.clone().unwrap_or_default(),
            language_code(self.language).into(),
        ]
    }
}

/// Whole years lived on `day`; negative before birth.
fn age_on(birth: NaiveDate, day: NaiveDate) -> i32 {
    let before_birthday = (day.month(), day.day()) < (birth.month(), birth.day());
    day.year() - birth.year() - i32::from(before_birthday)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_increases_on_the_birthday() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        assert_eq!(age_on(day("2010-11-23"), day("2026-11-23")), 16);
        assert_eq!(age_on(day("2010-11-24"), day("2026-11-23")), 15);
        assert_eq!(age_on(day("2008-02-29"), day("2026-02-28")), 17);
        assert_eq!(age_on(day("2027-01-01"), day("2026-11-23")), -1);
    }

    #[test]
    fn debug_hides_personal_data() {
        let record = WorkerRecord {
            card_number: "990000000013".into(),
            pin: Secret::new("483920"),
            name: "样例·王海生".into(),
            phone: "15400000001".into(),
            birth_date: NaiveDate::from_ymd_opt(1990, 1, 2).expect("a date"),
            sex: Sex::Male,
            job: Job::Driver,
            employer_code: Some("employer-01".into()),
            language: Language::Chinese,
        };
        let shown = format!("{record:?}");
        for personal in ["9900", "483920", "王", "154", "1990", "employer-01"] {
            assert!(!shown.contains(personal), "{shown}");
        }
    }
}
