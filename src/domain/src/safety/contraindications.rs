//! Age, and the contraindications of a product's formulary row compared with the worker's profile.

use super::{
    findings::Findings,
    input::{SafetyInput, Sex},
    items::Items,
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
                    format!("{}：禁忌或须问明（{condition}）。", product.generic_zh),
                    format!("{}: contraindicated or to be asked ({condition}).", product.generic_en),
                );
                findings.made("contraindication", severity, &[at], message, &product.source);
            }
        }
    }
}

/// The severity of a contraindication for this worker: a block, a warning where only the degree is
/// uncertain, unknown where nobody asked, `None` where it does not apply.
fn forbidden(condition: Condition, input: &SafetyInput, rules: &RuleSet) -> Option<Severity> {
    let profile = &input.profile;
    let egfr_below = |most: i64| profile.egfr.is_some_and(|egfr| egfr < most);
    if profile.has(condition) {
        return Some(Severity::Block);
    }
    let related = |block: bool, warn: bool| {
        if block { Some(Severity::Block) } else { warn.then_some(Severity::Warn) }
    };
    match condition {
        Condition::Pregnancy => asked(profile.pregnant, input, rules),
        Condition::BreastFeeding => asked(profile.breastfeeding, input, rules),
        Condition::LiverDisease => related(profile.has(Condition::SevereLiverDisease), false),
        Condition::SevereLiverDisease => related(false, profile.has(Condition::LiverDisease)),
        Condition::KidneyDisease => related(
            profile.has(Condition::SevereKidneyDisease)
                || egfr_below(rules.thresholds.kidney_disease_below_egfr),
            false,
        ),
        Condition::SevereKidneyDisease => related(
            egfr_below(rules.thresholds.severe_kidney_below_egfr),
            profile.has(Condition::KidneyDisease) && profile.egfr.is_none(),
        ),
        Condition::NsaidAsthma => related(false, profile.has(Condition::Asthma)),
        Condition::Asthma => related(profile.has(Condition::NsaidAsthma), false),
        Condition::PepticUlcer
        | Condition::Bleeding
        | Condition::LongQt
        | Condition::HeartFailure
        | Condition::CoronaryDisease
        | Condition::HeartBlock
        | Condition::Hypertension
        | Condition::Diabetes
        | Condition::Glaucoma
        | Condition::ProstaticHyperplasia
        | Condition::Hyperthyroidism
        | Condition::Epilepsy
        | Condition::MyastheniaGravis
        | Condition::G6pdDeficiency
        | Condition::Angioedema
        | Condition::Myopathy
        | Condition::GutObstruction
        | Condition::Dysentery
        | Condition::Hyperkalaemia
        | Condition::MetabolicAcidosis
        | Condition::Gout
        | Condition::Fever
        | Condition::AlcoholUse
        | Condition::Phenylketonuria => None,
    }
}

fn asked(answer: Option<bool>, input: &SafetyInput, rules: &RuleSet) -> Option<Severity> {
    match answer {
        Some(true) => Some(Severity::Block),
        Some(false) => None,
        None => may_be_pregnant(input, rules).then_some(Severity::Unknown),
    }
}

fn may_be_pregnant(input: &SafetyInput, rules: &RuleSet) -> bool {
    let limits = &rules.thresholds;
    let ages = limits.may_be_pregnant_from_years..=limits.may_be_pregnant_to_years;
    let of_age = input.profile.age_on(input.on).is_none_or(|age| ages.contains(&age));
    of_age && input.profile.sex != Some(Sex::Male)
}
