//! What an ingredient or class means for this person: the table of people.

use super::{
    contraindications::forbidden,
    findings::Findings,
    input::{Profile, SafetyInput},
    items::{Item, Items},
    profile_test::{Facts, Outcome, ProfileTest},
    report::{SafetyReport, Severity},
    rows::PeopleRule,
    rules::RuleSet,
    thresholds::Thresholds,
};
use crate::formulary::{Condition, Product};

/// Blood pressure of grade 3, as measured.
fn severe_pressure(profile: &Profile, thresholds: &Thresholds) -> bool {
    profile.systolic.is_some_and(|mmhg| mmhg >= thresholds.severe_systolic)
        || profile.diastolic.is_some_and(|mmhg| mmhg >= thresholds.severe_diastolic)
}

/// Whether this product contains a drug that raises blood pressure systemically, and the worker's
/// blood pressure is of grade 3.
pub(crate) fn raises_severe_pressure(product: &Product, profile: &Profile, rules: &RuleSet) -> bool {
    let raising = rules.tables().flagged.raises_pressure;
    let raises = |code: &str| rules.facts(code).is_some_and(|facts| facts.classes.meets(raising));
    severe_pressure(profile, &rules.thresholds)
        && !product.form.is_local()
        && product.ingredients.iter().any(|one| raises(one.code.as_str()))
}

impl SafetyReport {
    /// Whether a finding of this line, by the table of people or by the product's own row, is about
    /// this condition of the worker.
    pub(crate) fn speaks_of(&self, fact: Condition, line: usize, product: &Product, rules: &RuleSet) -> bool {
        let tests = [ProfileTest::Has(fact), ProfileTest::OfWomen(fact)];
        let about = |rule: &PeopleRule| tests.contains(&rule.test);
        self.findings.iter().filter(|finding| finding.lines.contains(&line)).any(|finding| {
            let of_row = |rule: &&PeopleRule| rule.says.id == finding.rule;
            let by_label = finding.rule == "contraindication" && product.contraindications.contains(&fact);
            by_label || rules.tables().people.iter().find(of_row).is_some_and(about)
        })
    }
}

/// Applies the table to every prescribed item.
pub(super) fn check_people(input: &SafetyInput, items: &Items<'_>, rules: &RuleSet, findings: &mut Findings) {
    let facts = Facts::of(input, rules);
    for item in items.prescribed() {
        for row in rules.tables().people_concerns.rules_of(item) {
            let rule = &rules.tables().people[row];
            if !exceeds(rule, item, items) {
                continue;
            }
            let severity = match rule.test.outcome(&facts, || items.takes(item)) {
                Outcome::Hit => Some(rule.says.severity),
                Outcome::Missing => rule.missing,
                Outcome::Clear => None,
            };
            if severity.is_some_and(|severity| label_says(rule, item, severity, input, rules)) {
                continue;
            }
            if let (Some(severity), Some(line)) = (severity, item.line()) {
                findings.of_row(&rule.says, severity, &[line], rules);
            }
        }
    }
}

/// Whether the product's own label already says as much: one finding is enough.
fn label_says(
    rule: &PeopleRule,
    item: &Item<'_>,
    severity: Severity,
    input: &SafetyInput,
    rules: &RuleSet,
) -> bool {
    let condition = match rule.test {
        ProfileTest::Has(condition) | ProfileTest::OfWomen(condition) => condition,
        ProfileTest::KidneyDisease | ProfileTest::RenalBelow(_) => Condition::SevereKidneyDisease,
        _ => return false,
    };
    let named = item.product.is_some_and(|product| product.contraindications.contains(&condition));
    named && forbidden(condition, input, rules).is_some_and(|label| label >= severity)
}

/// Whether more than the rule's amount is taken a day, over all products; an unknown amount counts
/// as too much.
fn exceeds(rule: &PeopleRule, item: &Item<'_>, items: &Items<'_>) -> bool {
    rule.above_day_ug.is_none_or(|most| items.day_ug(item).is_none_or(|day| day > most))
}
