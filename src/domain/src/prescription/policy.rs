//! The numbers of prescribing, with their sources.

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;

/// What a deployment sets for prescribing. Source of the defaults: the project's clinical rules,
/// prescribing table. Two sources agree on each, except where it is named as our default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrescribingPolicy {
    /// Names this set of values in decisions.
    pub version: String,
    /// Where the values come from.
    pub source: String,
    /// Maximum number of drugs on one prescription: 5.
    pub max_drugs: usize,
    /// Maximum days of supply: 7.
    pub ordinary_days: u32,
    /// Maximum days of supply in an emergency: 3.
    pub emergency_days: u32,
    /// Maximum days of supply with a written reason. Our default: 30 (the rule names no number).
    pub reasoned_days: u32,
    /// Maximum days of supply of the long-term type, never for antimicrobials: 84.
    pub long_term_days: u32,
    /// Maximum days of supply of the long-term type without a written assessment: 28. Source: the project's
    /// clinical rules, law.
    pub long_term_usual_days: u32,
    /// Civil days of validity, including the issue day, without an extension: 1.
    pub valid_days: u32,
    /// Maximum civil days of validity, including the issue day: 3.
    pub max_valid_days: u32,
    /// With fewer hours than this left today, signing proposes an extension: 6.
    pub propose_extension_below_hours: u32,
    /// Years of practice that a prescriber needs: 3.
    pub min_practice_years: u32,
    /// Below this age a guardian and a paediatrician must be attested: 6.
    pub attested_below_years: u32,
    /// Minimum characters of a written reason. Our default: 4.
    pub min_reason_chars: usize,
    /// Maximum doses a day on a line. Our default: 24.
    pub max_times_per_day: u32,
    /// Hours for which a reading counts in a check of drugs. Our default: 24.
    pub reading_hours: u32,
}

impl Default for PrescribingPolicy {
    fn default() -> Self {
        Self {
            version: "prescribing-2026-11-30".into(),
            source: "Waystation clinical rules, prescribing table".into(),
            max_drugs: 5,
            ordinary_days: 7,
            emergency_days: 3,
            reasoned_days: 30,
            long_term_days: 84,
            long_term_usual_days: 28,
            valid_days: 1,
            max_valid_days: 3,
            propose_extension_below_hours: 6,
            min_practice_years: 3,
            attested_below_years: 6,
            min_reason_chars: 4,
            max_times_per_day: 24,
            reading_hours: 24,
        }
    }
}

impl PrescribingPolicy {
    /// Drugs on one prescription, at most, whatever a deployment sets.
    pub const MOST_DRUGS: usize = 5;
    /// Days of the longest course, at most, whatever a deployment sets: so far back a course may
    /// still be taken.
    pub const LONGEST_COURSE_DAYS: u32 = 84;
    /// Civil days of validity, at most, whatever a deployment sets.
    pub const LONGEST_VALIDITY_DAYS: u32 = 3;

    /// The longest supply that any kind of prescription allows, in days.
    pub fn longest_days(&self) -> u32 {
        let Self { ordinary_days, emergency_days, reasoned_days, long_term_days, .. } = self;
        *ordinary_days.max(emergency_days).max(reasoned_days).max(long_term_days)
    }

    /// Checks the values. A deployment may be stricter than the law, never laxer. Source of the
    /// limits: the rules named at each field.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            version: _,
            source: _,
            max_drugs,
            ordinary_days,
            emergency_days,
            reasoned_days,
            long_term_days,
            long_term_usual_days,
            valid_days,
            max_valid_days,
            propose_extension_below_hours,
            min_practice_years,
            attested_below_years,
            min_reason_chars,
            max_times_per_day,
            reading_hours,
        } = self;
        bounds.within("max_drugs", *max_drugs, 1..=Self::MOST_DRUGS);
        bounds.within("ordinary_days", *ordinary_days, 1..=7);
        bounds.within("emergency_days", *emergency_days, 1..=3);
        bounds.within("reasoned_days", *reasoned_days, 1..=Self::LONGEST_COURSE_DAYS);
        bounds.within("long_term_days", *long_term_days, 1..=Self::LONGEST_COURSE_DAYS);
        bounds.within("long_term_usual_days", *long_term_usual_days, 1..=28);
        for (key, days) in [("reasoned_days", reasoned_days), ("long_term_days", long_term_days)] {
            let enough = days >= ordinary_days && days >= emergency_days;
            bounds.must(key, enough, "it must not be less than ordinary_days and emergency_days");
        }
        bounds.within("valid_days", *valid_days, 1..=Self::LONGEST_VALIDITY_DAYS);
        bounds.within("max_valid_days", *max_valid_days, 1..=Self::LONGEST_VALIDITY_DAYS);
        bounds.must("max_valid_days", max_valid_days >= valid_days, "it must not be less than valid_days");
        bounds.within("propose_extension_below_hours", *propose_extension_below_hours, 0..=24);
        bounds.within("min_practice_years", *min_practice_years, 3..=60);
        bounds.within("attested_below_years", *attested_below_years, 6..=18);
        bounds.within("min_reason_chars", *min_reason_chars, 1..=200);
        bounds.within("max_times_per_day", *max_times_per_day, 1..=24);
        bounds.within("reading_hours", *reading_hours, 1..=72);
    }
}
