//! The profile table: one ingredient or class, and one property of the worker.

use super::{
    classes::DrugClass::{
        AceInhibitor, Arb, Decongestant, EphedraLike, EthanolReactive, Nsaid, QtDrug, SedatingAntihistamine,
        TopicalNsaid,
    },
    findings::Findings,
    input::Profile,
    items::{Item, Items},
    pairs::Side,
    report::Severity::{self, Block, Note, Unknown, Warn},
    rules::{RuleSet, Thresholds},
};
use crate::{
    formulary::{Condition, Product},
    words::Bilingual,
};

/// One property of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProfileTest {
    /// eGFR so low that metformin is never given.
    MetforminNever,
    /// eGFR so low that metformin is not started, and the worker does not take it yet.
    MetforminStart,
    /// The same eGFR, and the worker takes it already.
    MetforminOngoing,
    /// Creatinine clearance so low that amoxicillin is reduced.
    AmoxicillinReduced,
    /// Kidney disease on file or by eGFR.
    KidneyDisease,
    /// Blood pressure at which ephedra is blocked.
    HighPressure,
    /// Blood pressure of grade 3.
    SeverePressure,
    AtHeight,
    Has(Condition),
    /// Dehydrated or treated for heat illness.
    Dehydrated,
}

/// The result of a property test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Hit,
    Clear,
    Missing,
}

/// One row of the profile table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProfileRule {
    /// Stable code.
    pub code: &'static str,
    /// The ingredient or class.
    pub who: Side,
    /// The property of the worker.
    pub test: ProfileTest,
    pub severity: Severity,
    /// Severity where the property is unknown; `None` where that has no finding.
    pub missing: Option<Severity>,
    /// The sentence in Chinese and English.
    pub message: (&'static str, &'static str),
    /// The source that the finding cites.
    pub source: &'static str,
}

const DRUGS: &str = "Waystation clinical rules, drugs table";
const PAIR: &str = "Waystation clinical rules, pair table";
const OURS: &str = "Waystation policy default";

pub(super) const PEOPLE: &[ProfileRule] = &[
    ProfileRule {
        code: "metformin_egfr_never",
        who: Side::Ingredient("metformin"),
        test: ProfileTest::MetforminNever,
        severity: Block,
        missing: Some(Unknown),
        source: DRUGS,
        message: (
            "eGFR 低于 30（或未知）时不得使用二甲双胍。",
            "Metformin is never given below an eGFR of 30; the eGFR must be known.",
        ),
    },
    ProfileRule {
        code: "metformin_egfr_start",
        who: Side::Ingredient("metformin"),
        test: ProfileTest::MetforminStart,
        severity: Block,
        missing: None,
        source: DRUGS,
        message: ("eGFR 30 至 45 时不得新开二甲双胍。", "Metformin is not started at an eGFR of 30 to 45."),
    },
    ProfileRule {
        code: "metformin_egfr_ongoing",
        who: Side::Ingredient("metformin"),
        test: ProfileTest::MetforminOngoing,
        severity: Warn,
        missing: None,
        source: DRUGS,
        message: (
            "eGFR 30 至 45：继续使用二甲双胍须减量并复查。",
            "At an eGFR of 30 to 45 metformin that is already taken must be reduced and checked.",
        ),
    },
    ProfileRule {
        code: "amoxicillin_clearance",
        who: Side::Ingredient("amoxicillin"),
        test: ProfileTest::AmoxicillinReduced,
        severity: Warn,
        missing: Some(Note),
        source: DRUGS,
        message: (
            "肌酐清除率低于 30 时阿莫西林须减量。",
            "Below a creatinine clearance of 30 amoxicillin is reduced.",
        ),
    },
    ProfileRule {
        code: "cetirizine_kidney",
        who: Side::Ingredient("cetirizine"),
        test: ProfileTest::KidneyDisease,
        severity: Warn,
        missing: None,
        source: DRUGS,
        message: ("肾功能不全者西替利嗪须减量。", "With poor kidneys cetirizine is reduced."),
    },
    ProfileRule {
        code: "cetirizine_height",
        who: Side::Ingredient("cetirizine"),
        test: ProfileTest::AtHeight,
        severity: Note,
        missing: None,
        source: DRUGS,
        message: ("西替利嗪可致困倦，高处作业须谨慎。", "Cetirizine may make sleepy; take care at height."),
    },
    ProfileRule {
        code: "sedating_height",
        who: Side::Class(SedatingAntihistamine),
        test: ProfileTest::AtHeight,
        severity: Warn,
        missing: None,
        source: DRUGS,
        message: (
            "该药致嗜睡，服药期间不得高处作业。",
            "This drug makes sleepy: no work at height while taking it.",
        ),
    },
    ProfileRule {
        code: "ephedra_blood_pressure",
        who: Side::Class(EphedraLike),
        test: ProfileTest::HighPressure,
        severity: Block,
        missing: Some(Unknown),
        source: PAIR,
        message: (
            "血压达到 160/100（或未测）时不得使用麻黄或伪麻黄碱。",
            "Ephedra and pseudoephedrine are blocked from 160/100; the blood pressure must be known.",
        ),
    },
    ProfileRule {
        code: "decongestant_blood_pressure",
        who: Side::Class(Decongestant),
        test: ProfileTest::HighPressure,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "血压达到 160/100：减充血剂会进一步升高血压。",
            "From 160/100 on: a decongestant raises the blood pressure further.",
        ),
    },
    ProfileRule {
        code: "decongestant_severe_pressure",
        who: Side::Class(Decongestant),
        test: ProfileTest::SeverePressure,
        severity: Block,
        missing: None,
        source: OURS,
        message: (
            "血压达到 180/110 时不得使用减充血剂。",
            "Decongestants are blocked from a blood pressure of 180/110.",
        ),
    },
    ProfileRule {
        code: "nsaid_severe_pressure",
        who: Side::Class(Nsaid),
        test: ProfileTest::SeverePressure,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "血压达到 180/110：非甾体抗炎药会升高血压并减弱降压药的作用。",
            "From 180/110 on: an NSAID raises the blood pressure and weakens the drugs against it.",
        ),
    },
    ProfileRule {
        code: "nsaid_asthma",
        who: Side::Class(Nsaid),
        test: ProfileTest::Has(Condition::NsaidAsthma),
        severity: Block,
        missing: None,
        source: PAIR,
        message: (
            "有阿司匹林或非甾体抗炎药诱发哮喘史者禁用。",
            "Not with asthma that aspirin or an NSAID sets off.",
        ),
    },
    ProfileRule {
        code: "nsaid_asthma",
        who: Side::Class(TopicalNsaid),
        test: ProfileTest::Has(Condition::NsaidAsthma),
        severity: Block,
        missing: None,
        source: PAIR,
        message: (
            "有阿司匹林或非甾体抗炎药诱发哮喘史者禁用。",
            "Not with asthma that aspirin or an NSAID sets off.",
        ),
    },
    ProfileRule {
        code: "nsaid_kidney",
        who: Side::Class(Nsaid),
        test: ProfileTest::KidneyDisease,
        severity: Warn,
        missing: None,
        source: OURS,
        message: ("肾病者慎用非甾体抗炎药。", "Care with an NSAID in kidney disease."),
    },
    ProfileRule {
        code: "nsaid_dehydrated",
        who: Side::Class(Nsaid),
        test: ProfileTest::Dehydrated,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "脱水或中暑时非甾体抗炎药可损伤肾脏。",
            "In dehydration or heat illness an NSAID can harm the kidneys.",
        ),
    },
    ProfileRule {
        code: "ace_arb_dehydrated",
        who: Side::Class(AceInhibitor),
        test: ProfileTest::Dehydrated,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "脱水时普利/沙坦类可致低血压和肾损伤。",
            "In dehydration an ACE inhibitor or ARB can drop the pressure and harm the kidneys.",
        ),
    },
    ProfileRule {
        code: "ace_arb_dehydrated",
        who: Side::Class(Arb),
        test: ProfileTest::Dehydrated,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "脱水时普利/沙坦类可致低血压和肾损伤。",
            "In dehydration an ACE inhibitor or ARB can drop the pressure and harm the kidneys.",
        ),
    },
    ProfileRule {
        code: "metformin_dehydrated",
        who: Side::Ingredient("metformin"),
        test: ProfileTest::Dehydrated,
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "脱水时二甲双胍增加乳酸酸中毒风险。",
            "In dehydration metformin raises the risk of lactic acidosis.",
        ),
    },
    ProfileRule {
        code: "azithromycin_long_qt",
        who: Side::Ingredient("azithromycin"),
        test: ProfileTest::Has(Condition::LongQt),
        severity: Block,
        missing: None,
        source: DRUGS,
        message: ("QT 间期延长者禁用阿奇霉素。", "Azithromycin is not for a long QT."),
    },
    ProfileRule {
        code: "qt_drug_long_qt",
        who: Side::Class(QtDrug),
        test: ProfileTest::Has(Condition::LongQt),
        severity: Block,
        missing: None,
        source: OURS,
        message: ("QT 间期延长者禁用该药。", "This drug is not for a long QT."),
    },
    ProfileRule {
        code: "paracetamol_drinker",
        who: Side::Ingredient("paracetamol"),
        test: ProfileTest::Has(Condition::AlcoholUse),
        severity: Warn,
        missing: None,
        source: DRUGS,
        message: (
            "服用对乙酰氨基酚期间不得饮酒；经常饮酒者慎用。",
            "No alcohol with paracetamol; care in regular drinkers.",
        ),
    },
    ProfileRule {
        code: "disulfiram_drinker",
        who: Side::Class(EthanolReactive),
        test: ProfileTest::Has(Condition::AlcoholUse),
        severity: Warn,
        missing: None,
        source: OURS,
        message: (
            "用药期间及停药后七天内不得饮酒。",
            "No alcohol during treatment and for seven days after it.",
        ),
    },
];

impl ProfileRule {
    /// The sentence for people.
    pub const fn sentence(&self) -> Bilingual {
        Bilingual::fixed(self.message.0, self.message.1)
    }
}

/// Kidney disease on file, or by eGFR.
pub(super) fn kidney_disease(profile: &Profile, thresholds: &Thresholds) -> bool {
    profile.has(Condition::KidneyDisease)
        || profile.has(Condition::SevereKidneyDisease)
        || profile.egfr.is_some_and(|egfr| egfr < thresholds.kidney_disease_below_egfr)
}

/// Blood pressure of grade 3, as measured.
pub(super) fn severe_pressure(profile: &Profile, thresholds: &Thresholds) -> bool {
    profile.systolic.is_some_and(|mmhg| mmhg >= thresholds.severe_systolic)
        || profile.diastolic.is_some_and(|mmhg| mmhg >= thresholds.severe_diastolic)
}

/// Whether this product contains a drug that raises blood pressure systemically, and the worker's
/// blood pressure is of grade 3.
pub(crate) fn raises_severe_pressure(product: &Product, profile: &Profile, rules: &RuleSet) -> bool {
    let nsaid = |code: &str| rules.facts(code).is_some_and(|facts| facts.classes.has(Nsaid));
    severe_pressure(profile, &rules.thresholds)
        && !product.form.is_local()
        && product.ingredients.iter().any(|one| nsaid(one.code.as_str()))
}

fn test(test: ProfileTest, profile: &Profile, items: &Items<'_>, rules: &RuleSet) -> Outcome {
    let limits = &rules.thresholds;
    let hit_if = |hit: bool| if hit { Outcome::Hit } else { Outcome::Clear };
    let middle =
        |egfr: i64| (limits.metformin_never_below_egfr..limits.metformin_no_start_below_egfr).contains(&egfr);
    match test {
        ProfileTest::MetforminNever => match profile.egfr {
            Some(egfr) => hit_if(egfr < limits.metformin_never_below_egfr),
            None => Outcome::Missing,
        },
        ProfileTest::MetforminStart => {
            hit_if(profile.egfr.is_some_and(middle) && !items.takes("metformin", rules))
        }
        ProfileTest::MetforminOngoing => {
            hit_if(profile.egfr.is_some_and(middle) && items.takes("metformin", rules))
        }
        ProfileTest::AmoxicillinReduced => match profile.creatinine_clearance {
            Some(clearance) => hit_if(clearance < limits.amoxicillin_less_below_clearance),
            None if kidney_disease(profile, limits) => Outcome::Hit,
            None => Outcome::Missing,
        },
        ProfileTest::KidneyDisease => hit_if(kidney_disease(profile, limits)),
        ProfileTest::HighPressure => {
            let high = profile.systolic.is_some_and(|mmhg| mmhg >= limits.ephedra_systolic)
                || profile.diastolic.is_some_and(|mmhg| mmhg >= limits.ephedra_diastolic);
            match (high, profile.systolic, profile.diastolic) {
                (true, _, _) => Outcome::Hit,
                (false, Some(_), Some(_)) => Outcome::Clear,
                (false, None, _) | (false, Some(_), None) => Outcome::Missing,
            }
        }
        ProfileTest::SeverePressure => hit_if(severe_pressure(profile, limits)),
        ProfileTest::AtHeight => hit_if(profile.works_at_height),
        ProfileTest::Has(condition) => hit_if(profile.has(condition)),
        ProfileTest::Dehydrated => hit_if(profile.dehydrated),
    }
}

/// Applies the table to every prescribed item.
pub(super) fn check_people(items: &Items<'_>, profile: &Profile, rules: &RuleSet, findings: &mut Findings) {
    for &(who, rule) in rules.people() {
        let fits = |item: &&Item<'_>| item.is(who);
        for item in items.prescribed().filter(fits) {
            let severity = match test(rule.test, profile, items, rules) {
                Outcome::Hit => Some(rule.severity),
                Outcome::Missing => rule.missing,
                Outcome::Clear => None,
            };
            if let (Some(severity), Some(line)) = (severity, item.line()) {
                findings.fixed(rule.code, severity, &[line], rule.sentence(), rule.source);
            }
        }
    }
}
