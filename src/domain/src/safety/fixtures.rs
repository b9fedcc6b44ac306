//! Shared fixtures of the engine's tests.

use chrono::NaiveDate;

pub(super) use super::trial::{day, formulary, healthy, product};
use super::{DraftLine, Profile, RuleSet, SafetyInput, SafetyReport, Severity, Taken, check};
use crate::formulary::ProductCode;

pub(super) fn line(code: &str, units: i64, times: u32, days: u32) -> DraftLine {
    DraftLine {
        product: ProductCode::parse(code).expect("code"),
        dose_units_thousandths: units * 1000,
        times_per_day: times,
        days,
    }
}

/// One 1-mg tablet a day of each ingredient.
pub(super) fn lines(ingredients: &[&str]) -> Vec<DraftLine> {
    ingredients.iter().map(|name| line(&format!("x-{}", name.replace('_', "-")), 1, 1, 3)).collect()
}

pub(super) fn reported(medicine: &str, day_mg: i64) -> Taken {
    Taken::Reported { medicine: medicine.into(), day_ug: Some(day_mg * 1000) }
}

pub(super) fn vended(code: &str, units: i64, until: NaiveDate) -> Taken {
    Taken::Vended {
        product: ProductCode::parse(code).expect("code"),
        units_per_day_thousandths: units * 1000,
        until,
        in_doubt: true,
    }
}

pub(super) fn run(lines: Vec<DraftLine>, taking: Vec<Taken>, profile: Profile) -> SafetyReport {
    let input = SafetyInput { on: day(), lines, taking, profile };
    check(&input, &formulary(), &RuleSet::standard())
}

/// The highest severity with which `rule` was found.
pub(super) fn found(report: &SafetyReport, rule: &str) -> Option<Severity> {
    report.findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.severity).max()
}
