//! The input of a safety check. A missing value means "unknown", never "no problem".

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

pub use crate::network::Sex;
use crate::{
    formulary::{Condition, ProductCode},
    network::Job,
};

/// One line of a prescription as the doctor writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftLine {
    pub product: ProductCode,
    /// Amount per dose, in thousandths of a unit: 1000 is one tablet, sachet, millilitre, ...
    pub dose_units_thousandths: i64,
    /// Doses a day.
    pub times_per_day: u32,
    pub days: u32,
}

impl DraftLine {
    /// Thousandths of a unit in one day; saturates instead of overflowing.
    pub fn day_units_thousandths(&self) -> i64 {
        self.dose_units_thousandths.saturating_mul(i64::from(self.times_per_day))
    }
}

/// Something that the worker takes already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Taken {
    /// A unit that a cabinet vended, or may have vended: in-doubt units count.
    Vended {
        product: ProductCode,
        /// Thousandths of a unit a day, as it was prescribed.
        units_per_day_thousandths: i64,
        /// The last day on which it is still taken.
        until: NaiveDate,
        /// Whether it is uncertain that the pack came out.
        #[serde(default)]
        in_doubt: bool,
    },
    /// What the worker reports to take.
    Reported {
        /// An international name or another text; a name that the tables do not contain results in
        /// `unknown`.
        medicine: String,
        /// Micrograms a day, where the worker knows.
        #[serde(default)]
        day_ug: Option<i64>,
    },
}

crate::text_enum! {
    /// The result of a skin test for penicillins.
    pub enum SkinTestResult {
        Negative = "negative",
        Positive = "positive",
    }
}

/// A skin test for penicillins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkinTest {
    pub result: SkinTestResult,
    /// Minutes between the test and the check.
    pub minutes_ago: i64,
}

/// What is treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosed {
    /// ICD-10 code, where the doctor gave one.
    #[serde(default)]
    pub code: Option<String>,
    pub text: String,
}

/// The person who takes it. Every `None` means unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Takes precedence over `age_years`.
    pub birth_date: Option<NaiveDate>,
    /// Age in whole years, where the date of birth is not known.
    pub age_years: Option<u32>,
    /// In grams.
    pub weight_g: Option<i64>,
    pub sex: Option<Sex>,
    /// Pregnant now?
    pub pregnant: Option<bool>,
    /// Breast feeding now?
    pub breastfeeding: Option<bool>,
    /// Allergies: a class (`penicillins`, `cephalosporins`, `nsaids`, `sulfonamides`, `macrolides`,
    /// ...), an international name, or another text, which results in `unknown`.
    pub allergies: Vec<String>,
    /// Known conditions.
    pub conditions: Vec<Condition>,
    /// Estimated glomerular filtration rate, mL/min/1.73 m2.
    pub egfr: Option<i64>,
    /// Creatinine clearance, mL/min.
    pub creatinine_clearance: Option<i64>,
    /// Breath alcohol as blood mg/100 mL, after the retest; `None` where not tested.
    pub breath_alcohol: Option<i64>,
    /// Systolic blood pressure, mmHg.
    pub systolic: Option<i64>,
    /// Diastolic blood pressure, mmHg.
    pub diastolic: Option<i64>,
    /// Does this worker work at height? Counts besides `job`.
    pub works_at_height: bool,
    /// The worker's job; every job drives or uses machines.
    pub job: Option<Job>,
    /// The newest body temperature, in tenths of a degree.
    pub temperature_tenths: Option<i64>,
    /// Dehydrated, or treated for heat illness now?
    pub dehydrated: bool,
    /// The newest skin test for penicillins.
    pub skin_test: Option<SkinTest>,
    /// What the prescription treats; empty at a sale.
    pub diagnoses: Vec<Diagnosed>,
}

impl Profile {
    /// Whole years of age on `day`.
    pub fn age_on(&self, day: NaiveDate) -> Option<u32> {
        let Some(born) = self.birth_date else { return self.age_years };
        let had_birthday = (day.month(), day.day()) >= (born.month(), born.day());
        let years = day.year() - born.year() - i32::from(!had_birthday);
        u32::try_from(years).ok().or(self.age_years)
    }

    /// Does this worker work at height, by answer or by job?
    pub(crate) fn at_height(&self) -> bool {
        self.works_at_height || self.job == Some(Job::ConstructionAtHeight)
    }

    /// Is `condition` on file?
    pub fn has(&self, condition: Condition) -> bool {
        self.conditions.contains(&condition)
    }
}

/// Everything that one check reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyInput {
    /// The civil day of the check.
    pub on: NaiveDate,
    /// The prescription's own lines.
    pub lines: Vec<DraftLine>,
    /// What is taken already.
    #[serde(default)]
    pub taking: Vec<Taken>,
    /// The person who takes it.
    pub profile: Profile,
}
