//! The numbers of prescribing, with where each comes from.

use serde::{Deserialize, Serialize};

use crate::bounds::Bounds;

/// What a deployment sets for prescribing. The defaults are those of the house rules,
/// prescribing table; [V] two sources agree, [v] one source, [P] a default of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrescribingPolicy {
    /// Names this set of values in decisions.
    pub version: String,
    /// Where the values come from.
    pub source: String,
    /// Drugs on one prescription at most: 5 [V].
    pub max_drugs: usize,
    /// Days of supply at most: 7 [V].
    pub ordinary_days: u32,
    /// Days of supply at most in an emergency: 3 [V].
    pub emergency_days: u32,
    /// Days of supply at most with a written reason: 30 [P] (the rule names no number).
    pub reasoned_days: u32,
    /// Days of supply at most of the long-term type, never antimicrobials: 84 [V].
    pub long_term_days: u32,
    /// Civil days of validity, the issue day counted, without an extension: 1 [V].
    pub valid_days: u32,
    /// Civil days of validity at most, the issue day counted: 3 [V].
    pub max_valid_days: u32,
    /// With fewer hours than this left today, signing proposes an extension: 6 [V].
    pub propose_extension_below_hours: u32,
    /// Years of practice a prescriber needs: 3 [V].
    pub min_practice_years: u32,
    /// Below this age a guardian and a paediatrician must be attested: 6 [V].
    pub attested_below_years: u32,
    /// Characters a written reason must have at least: 4 [P].
    pub min_reason_chars: usize,
    /// Doses a day at most that a line may say: 24 [P].
    pub max_times_per_day: u32,
}

impl Default for PrescribingPolicy {
    fn default() -> Self {
        Self {
            version: "prescribing-2026-11-23".into(),
            source: "Waystation house rules, prescribing table".into(),
            max_drugs: 5,
            ordinary_days: 7,
            emergency_days: 3,
            reasoned_days: 30,
            long_term_days: 84,
            valid_days: 1,
            max_valid_days: 3,
            propose_extension_below_hours: 6,
            min_practice_years: 3,
            attested_below_years: 6,
            min_reason_chars: 4,
            max_times_per_day: 24,
        }
    }
}

impl PrescribingPolicy {
    /// What the values may be. A deployment may be stricter than the law, never
    /// laxer. Source of the upper (or lower) ends: the rules named beside each field.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            version: _,
            source: _,
            max_drugs,
            ordinary_days,
            emergency_days,
            reasoned_days,
            long_term_days,
            valid_days,
            max_valid_days,
            propose_extension_below_hours,
            min_practice_years,
            attested_below_years,
            min_reason_chars,
            max_times_per_day,
        } = self;
        bounds.within("max_drugs", *max_drugs, 1..=5);
        bounds.within("ordinary_days", *ordinary_days, 1..=7);
        bounds.within("emergency_days", *emergency_days, 1..=3);
        bounds.within("reasoned_days", *reasoned_days, 1..=84);
        bounds.within("long_term_days", *long_term_days, 1..=84);
        bounds.within("valid_days", *valid_days, 1..=3);
        bounds.within("max_valid_days", *max_valid_days, 1..=3);
        bounds.must("max_valid_days", max_valid_days >= valid_days, "it must not be less than valid_days");
        bounds.within("propose_extension_below_hours", *propose_extension_below_hours, 0..=24);
        bounds.within("min_practice_years", *min_practice_years, 3..=60);
        bounds.within("attested_below_years", *attested_below_years, 6..=18);
        bounds.within("min_reason_chars", *min_reason_chars, 1..=200);
        bounds.within("max_times_per_day", *max_times_per_day, 1..=24);
    }
}
