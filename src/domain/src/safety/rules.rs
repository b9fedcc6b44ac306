//! The rule set: thresholds, ingredient limits and the tables, compiled once so that a
//! check only compares small numbers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    classes::Classes,
    ingredients::{INGREDIENTS, IngredientFacts},
    pairs::{PAIRS, PairRule, Side},
    people::{PEOPLE, ProfileRule},
};
use crate::formulary::canonical_ingredient;

/// The numbers of a rule set. "Clinical rules" are the project's clinical rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Aspirin up to this many micrograms a day counts as low-dose. Our default: 300 mg.
    pub low_dose_aspirin_day_ug: i64,
    /// Breath alcohol above this, as blood mg/100 mL, is positive. Our default: 0.
    pub alcohol_positive_above: i64,
    /// Systolic from which ephedra is blocked: 160 mmHg (clinical rules, pair table).
    pub ephedra_systolic: i64,
    /// Diastolic from which ephedra is blocked: 100 mmHg (clinical rules, pair table).
    pub ephedra_diastolic: i64,
    /// Systolic of grade 3 hypertension: 180 mmHg (clinical rules, vitals).
    pub severe_systolic: i64,
    /// Diastolic of grade 3 hypertension: 110 mmHg (clinical rules, vitals).
    pub severe_diastolic: i64,
    /// eGFR below which metformin is never given: 30 (clinical rules, drugs table).
    pub metformin_never_below_egfr: i64,
    /// eGFR below which metformin is not started: 45 (clinical rules, drugs table).
    pub metformin_no_start_below_egfr: i64,
    /// Creatinine clearance below which amoxicillin is reduced: 30 (clinical rules, drugs table).
    pub amoxicillin_less_below_clearance: i64,
    /// eGFR below which there is kidney disease. Our default: 60.
    pub kidney_disease_below_egfr: i64,
    /// eGFR below which kidney disease is severe. Our default: 30.
    pub severe_kidney_below_egfr: i64,
    /// From this age the adult maximum applies; below it a child's dose is needed. Our default: 12
    /// years.
    pub adult_dose_from_years: u32,
    /// From this age an unknown minimum age does not matter. Our default: 18 years.
    pub adult_from_years: u32,
    /// Below this age a guardian and a paediatrician are attested: 6 years (clinical rules,
    /// prescribing).
    pub small_child_below_years: u32,
    /// From this age an unanswered question about pregnancy is `unknown`. Our default: 12 years.
    pub may_be_pregnant_from_years: u32,
    /// Up to this age. Our default: 55 years.
    pub may_be_pregnant_to_years: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            low_dose_aspirin_day_ug: 300_000,
            alcohol_positive_above: 0,
            ephedra_systolic: 160,
            ephedra_diastolic: 100,
            severe_systolic: 180,
            severe_diastolic: 110,
            metformin_never_below_egfr: 30,
            metformin_no_start_below_egfr: 45,
            amoxicillin_less_below_clearance: 30,
            kidney_disease_below_egfr: 60,
            severe_kidney_below_egfr: 30,
            adult_dose_from_years: 12,
            adult_from_years: 18,
            small_child_below_years: 6,
            may_be_pregnant_from_years: 12,
            may_be_pregnant_to_years: 55,
        }
    }
}

/// The daily maximum of one ingredient across all products, whatever their own labels allow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IngredientLimit {
    pub code: &'static str,
    /// Micrograms a day for an adult.
    pub day_ug: i64,
    /// Maximum days, for any reason.
    pub days: Option<u32>,
    /// Maximum days when fever is treated.
    pub fever_days: Option<u32>,
    /// Whether no second product may contain it.
    pub only_one_product: bool,
    /// The source that the finding cites.
    pub source: &'static str,
}

const fn limit(code: &'static str, day_mg: i64) -> IngredientLimit {
    IngredientLimit {
        code,
        day_ug: day_mg * 1000,
        days: None,
        fever_days: None,
        only_one_product: false,
        source: "Waystation clinical rules, drugs table",
    }
}

/// The drugs table of the project's clinical rules: an adult's daily maximum of each ingredient.
const LIMITS: &[IngredientLimit] = &[
    IngredientLimit {
        days: Some(5),
        fever_days: Some(3),
        only_one_product: true,
        ..limit("paracetamol", 2000)
    },
    limit("ibuprofen", 1200),
    limit("loratadine", 10),
    limit("cetirizine", 10),
    limit("omeprazole", 20),
    limit("amoxicillin", 4000),
    IngredientLimit { days: Some(3), ..limit("azithromycin", 500) },
    limit("smectite", 9000),
    limit("ambroxol", 90),
    limit("metformin", 2000),
    limit("amlodipine", 10),
    limit("simvastatin", 40),
    limit("chlorphenamine", 12),
];

/// One side of a pair, compiled to small numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Match {
    Class(Classes),
    Ingredient(u16),
}

/// A pair row with its sides compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompiledPair {
    pub(super) left: Match,
    pub(super) right: Match,
    pub(super) rule: &'static PairRule,
}

/// All rules of one version. Build it once and share it.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Named in every report.
    pub version: String,
    pub source: String,
    pub thresholds: Thresholds,
    index: HashMap<&'static str, u16>,
    limits: Vec<Option<&'static IngredientLimit>>,
    pairs: Vec<CompiledPair>,
    people: Vec<(Match, &'static ProfileRule)>,
}

impl RuleSet {
    /// The project's clinical rules.
    pub fn standard() -> Self {
        Self::with_thresholds("safety-2026-11-29", Thresholds::default())
    }

    /// The project's clinical rules with a deployment's own numbers and version.
    pub(crate) fn with_thresholds(version: impl Into<String>, thresholds: Thresholds) -> Self {
        let index: HashMap<&'static str, u16> =
            (0u16..).zip(INGREDIENTS).map(|(at, one)| (one.code, at)).collect();
        let mut limits = vec![None; INGREDIENTS.len()];
        for limit in LIMITS {
            if let Some(&at) = index.get(limit.code) {
                limits[usize::from(at)] = Some(limit);
            }
        }
        // A row of an unknown ingredient would never match: a test shows that there is none.
        let compile = |side: Side| match side {
            Side::Class(class) => Some(Match::Class(Classes::of(&[class]))),
            Side::Ingredient(code) => index.get(code).map(|&at| Match::Ingredient(at)),
        };
        let pairs = PAIRS
            .iter()
            .filter_map(|rule| {
                Some(CompiledPair { left: compile(rule.left)?, right: compile(rule.right)?, rule })
            })
            .collect();
        let people = PEOPLE.iter().filter_map(|rule| Some((compile(rule.who)?, rule))).collect();
        let source = "Waystation clinical rules, drugs section".to_owned();
        Self { version: version.into(), source, thresholds, index, limits, pairs, people }
    }

    /// What is known of the ingredient `code`, aliases included.
    pub fn facts(&self, code: &str) -> Option<&'static IngredientFacts> {
        self.number(code).map(|at| &INGREDIENTS[usize::from(at)])
    }

    /// Every ingredient that the rules contain.
    pub fn ingredients(&self) -> &'static [IngredientFacts] {
        INGREDIENTS
    }

    /// The limit of the ingredient `code` across all products, if there is one.
    pub(crate) fn limit_of(&self, code: &str) -> Option<&'static IngredientLimit> {
        self.limit(self.number(code)?)
    }

    /// The number of the ingredient `code`, in any of its spellings.
    pub(super) fn number(&self, code: &str) -> Option<u16> {
        let plain = self.index.get(code);
        plain.or_else(|| self.index.get(canonical_ingredient(code)?)).copied()
    }

    pub(super) fn limit(&self, ingredient: u16) -> Option<&'static IngredientLimit> {
        self.limits.get(usize::from(ingredient)).copied().flatten()
    }

    pub(super) fn pairs(&self) -> &[CompiledPair] {
        &self.pairs
    }

    pub(super) fn people(&self) -> &[(Match, &'static ProfileRule)] {
        &self.people
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::standard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_compiles() {
        let rules = RuleSet::standard();
        assert_eq!(rules.pairs().len(), PAIRS.len());
        assert_eq!(rules.people().len(), PEOPLE.len());
        assert_eq!(rules.limits.iter().flatten().count(), LIMITS.len());
        assert_eq!(rules.facts("扑热息痛").map(|facts| facts.code), Some("paracetamol"));
        assert!(rules.facts("unobtainium").is_none());
    }
}
