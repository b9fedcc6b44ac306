//! The check itself: collects the items, then applies each table.

use super::{
    allergies::check_allergies,
    contraindications::{check_age_known, check_contraindications},
    doses::check_doses,
    findings::Findings,
    input::SafetyInput,
    items::{Item, Items},
    people::check_people,
    profile_test::Facts,
    report::{SafetyReport, Severity},
    rows::{PairKnowledge, When},
    rules::RuleSet,
};
use crate::{
    formulary::{Formulary, Standing},
    words::Bilingual,
};

/// Checks one prescription against the rules. Pure and fast: it compares small numbers and
/// allocates for findings only. What it does not know results in `unknown`, never in safe.
pub fn check(input: &SafetyInput, formulary: &Formulary, rules: &RuleSet) -> SafetyReport {
    let mut findings = Findings::default();
    let items = Items::gather(input, formulary, rules, &mut findings);
    check_never(&items, rules, &mut findings);
    check_age_known(input, rules, &mut findings);
    check_doses(input, &items, rules, &mut findings);
    check_contraindications(input, &items, rules, &mut findings);
    check_people(input, &items, rules, &mut findings);
    check_allergies(&items, &input.profile, formulary, rules, &mut findings);
    check_pairs(input, &items, rules, &mut findings);
    findings.report(&rules.edition)
}

/// The never-list applies to every form, including those for the skin: by the ingredient's class in
/// the rules, and by the product's row (`formulary::never`).
fn check_never(items: &Items<'_>, rules: &RuleSet, findings: &mut Findings) {
    let never = rules.tables().flagged.never;
    let listed = |standing: &Option<&Standing>| standing.is_some_and(|standing| standing.never.is_some());
    let by_class = items.prescribed().filter(|item| item.allergy_classes.meets(never)).filter_map(Item::line);
    let by_row = items.standings.iter().enumerate().filter(|(_, standing)| listed(standing));
    let lines = by_class.chain(by_row.map(|(at, _)| at));
    for line in lines {
        let message = Bilingual::fixed(
            "该药不得在此开具或售出（麻醉、精神药品、注射剂、麻黄碱复方或须监测血药浓度）。",
            "This drug is never prescribed or sold here (narcotic, psychotropic, injection, ephedrine compound, or one that needs measured levels).",
        );
        let source = "Waystation clinical rules, prescribing table (never)";
        findings.fixed("never_list", Severity::Block, &[line], message, source);
    }
}

fn check_pairs(input: &SafetyInput, items: &Items<'_>, rules: &RuleSet, findings: &mut Findings) {
    let all = items.all();
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            let separate = one.origin != other.origin;
            let on_prescription = one.line().is_some() || other.line().is_some();
            // The same ingredient twice is checked by the sum, not as a pair.
            let different = one.ingredient.is_none() || one.ingredient != other.ingredient;
            if separate && on_prescription && different {
                check_pair(one, other, input, items, rules, findings);
            }
        }
    }
}

fn check_pair(
    one: &Item<'_>,
    other: &Item<'_>,
    input: &SafetyInput,
    items: &Items<'_>,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    let mut covered = false;
    let tables = rules.tables();
    // A rule about any drug is not listed under the drug.
    let of_any = tables.pairs_of_any.iter().map(|row| usize::from(*row));
    for row in tables.pair_concerns.rules_of(one).chain(of_any) {
        let rule = &rules.tables().pairs[row];
        let in_order = one.is(&rule.left) && other.is(&rule.right);
        let reversed = other.is(&rule.left) && one.is(&rule.right);
        if in_order || reversed {
            covered = true;
            let left = if in_order { one } else { other };
            if applies(rule.when, left, input, items, rules) {
                let possible = (one.possible || other.possible) && rule.says.severity.needs_asking();
                let severity = if possible { Severity::Unknown } else { rule.says.severity };
                findings.of_row(&rule.says, severity, &lines(one, other), rules);
            }
        }
    }
    if !covered
        && !one.possible
        && !other.possible
        && (unsure(one, other, rules) || unsure(other, one, rules))
    {
        let message = Bilingual::fixed(
            "规则库没有这两种药的相互作用资料，请查阅说明书。",
            "The rules hold nothing on this pair; look it up.",
        );
        let source = "Waystation clinical rules: an unknown pair reads unknown";
        findings.fixed("unknown_pair", Severity::Unknown, &lines(one, other), message, source);
    }
}

fn lines(one: &Item<'_>, other: &Item<'_>) -> Vec<usize> {
    one.line().into_iter().chain(other.line()).collect()
}

/// Whether `one` is a drug with many interactions beyond our table, and `other` could be one of
/// them.
fn unsure(one: &Item<'_>, other: &Item<'_>, rules: &RuleSet) -> bool {
    let facts = |item: &Item<'_>| item.ingredient.map(|at| rules.ingredient(at));
    let partial = !one.local && facts(one).is_some_and(|facts| facts.pairs == PairKnowledge::Partial);
    let not_absorbed = rules.tables().flagged.not_absorbed;
    let absorbed = !other.local && facts(other).is_some_and(|facts| !facts.classes.meets(not_absorbed));
    partial && absorbed
}

fn applies(when: When, left: &Item<'_>, input: &SafetyInput, items: &Items<'_>, rules: &RuleSet) -> bool {
    let profile = &input.profile;
    match when {
        When::Always => true,
        // An unknown amount counts as too much.
        When::LeftAboveDayUg(most) => items.day_ug(left).is_none_or(|day| day > most),
        When::AtHeight => profile.at_height(),
        When::NotAtHeight => !profile.at_height(),
        When::KidneyOrDehydrated => profile.dehydrated || Facts::of(input, rules).kidney_disease(),
        When::With(class) => items.all().iter().any(|item| item.classes.has(class)),
        When::BreathPositive => {
            profile.breath_alcohol.is_some_and(|alcohol| alcohol > rules.thresholds.alcohol_positive_above)
        }
    }
}
