//! Age, and the contraindications of a product's formulary row compared with the worker's profile.

use super::{
    findings::Findings,
    input::SafetyInput,
    items::Items,
    profile_test::{Facts, Outcome, ProfileTest},
    report::Severity,
    rules::RuleSet,
};
use crate::{formulary::Condition, words::Bilingual};

const CLINICAL_RULES: &str = "Waystation clinical rules, prescribing and drugs tables";

/// Age alone: unknown, or so young that a guardian and a paediatrician must be attested.
pub(super) fn check_age_known(input: &SafetyInput, rules: &RuleSet, findings: &mut Findings) {
    if input.lines.is_empty() {
        return;
    }
    match input.profile.age_on(input.on) {
        None => {
            let message =
                Bilingual::fixed("年龄未知，无法判断剂量。", "The age is unknown; doses cannot be judged.");
            findings.fixed("age_unknown", Severity::Unknown, &[], message, CLINICAL_RULES);
        }
        Some(age) if age < rules.thresholds.small_child_below_years => {
            let message = Bilingual::fixed(
                "6 岁以下儿童：须监护人在场并有儿科医师参与。",
                "A child under six: a guardian and a paediatrician must be attested.",
            );
            findings.fixed("child_under_six", Severity::Warn, &[], message, CLINICAL_RULES);
        }
        Some(_) => {}
    }
}

/// Compares the product row's contraindications with the profile.
pub(super) fn check_contraindications(
    input: &SafetyInput,
    items: &Items<'_>,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    for (at, product) in items.products.iter().enumerate() {
        let Some(product) = product else { continue };
        for condition in &product.contraindications {
            let severity = forbidden(*condition, input, rules);
            if let Some(severity) = severity {
                let message = Bilingual::made(
                    format!("{}：禁忌或须问明（{}）。", product.generic_zh, condition.label_zh()),
                    format!("{}: contraindicated or to be asked ({condition}).", product.generic_en),
                );
                findings.made("contraindication", severity, &[at], message, &product.source);
            }
        }
    }
}

/// The severity of a contraindication for this worker: a block, a warning where only the degree is
/// uncertain, unknown where nobody asked, `None` where it does not apply.
pub(super) fn forbidden(condition: Condition, input: &SafetyInput, rules: &RuleSet) -> Option<Severity> {
    let facts = Facts::of(input, rules);
    let outcome = |test: ProfileTest| test.outcome(&facts, || false);
    match outcome(ProfileTest::Has(condition)) {
        Outcome::Hit => return Some(Severity::Block),
        Outcome::Missing => return Some(Severity::Unknown),
        Outcome::Clear => {}
    }
    let related = rules.tables().conditions.iter().filter(|rule| rule.condition == condition);
    related.filter(|rule| outcome(rule.fact) == Outcome::Hit).map(|rule| rule.severity).max()
}
