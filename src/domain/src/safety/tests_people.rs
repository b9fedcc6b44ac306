//! Allergies, age, pregnancy: checks of the worker's profile.

use chrono::NaiveDate;

use super::{
    Profile, SafetyInput, Severity, Sex, Verdict,
    fixtures::{day, found, healthy, line, lines, run},
};
use crate::formulary::{ChildDose, Condition, Form};

fn allergic(to: &str, drug: &str) -> Verdict {
    run(lines(&[drug]), vec![], Profile { allergies: vec![to.into()], ..healthy() }).verdict
}

#[test]
fn the_same_class_blocks() {
    for (allergy, drug) in [
        ("penicillins", "amoxicillin"),
        ("青霉素", "amoxicillin"),
        ("Penicillin", "phenoxymethylpenicillin"),
        ("amoxicillin", "ampicillin"),
        ("amoxicillin", "cefalexin"),
        ("penicillins", "cefaclor"),
        ("cefalexin", "amoxicillin"),
        ("cefuroxime", "ceftriaxone"),
        ("cephalosporins", "cefdinir"),
        ("nsaids", "ibuprofen"),
        ("aspirin", "naproxen"),
        ("sulfonamides", "sulfamethoxazole"),
        ("磺胺", "sulfadiazine"),
        ("macrolides", "azithromycin"),
        ("erythromycin", "clarithromycin"),
        ("levofloxacin", "moxifloxacin"),
        ("loratadine", "loratadine"),
    ] {
        assert_eq!(allergic(allergy, drug), Verdict::Block, "{allergy} {drug}");
    }
}

#[test]
fn related_classes_warn_others_pass_and_gaps_are_unknown() {
    assert_eq!(allergic("penicillins", "cefuroxime"), Verdict::Warn);
    assert_eq!(allergic("cefuroxime", "amoxicillin"), Verdict::Warn);
    assert_eq!(allergic("penicillins", "azithromycin"), Verdict::Ok);
    assert_eq!(allergic("pollen", "loratadine"), Verdict::Ok);
    assert_eq!(allergic("moon dust", "loratadine"), Verdict::Unknown);
}

#[test]
fn an_allergy_applies_to_the_skin_and_includes_nsaid_asthma() {
    let report =
        run(vec![line("x-gel", 1, 1, 1)], vec![], Profile { allergies: vec!["nsaids".into()], ..healthy() });
    assert_eq!(found(&report, "allergy"), Some(Severity::Block));
    let asthma = |condition| Profile { conditions: vec![condition], ..healthy() };
    let report = run(vec![line("x-gel", 1, 1, 1)], vec![], asthma(Condition::NsaidAsthma));
    assert_eq!(found(&report, "nsaid_asthma"), Some(Severity::Block));
    let report = run(vec![line("IBU-T200", 1, 1, 1)], vec![], asthma(Condition::Asthma));
    assert_eq!(found(&report, "contraindication"), Some(Severity::Warn));
}

#[test]
fn age_has_a_minimum_and_must_be_known() {
    let aged = |age_years| Profile { age_years, ..healthy() };
    let run_at = |age| run(vec![line("OME-C20", 1, 1, 7)], vec![], aged(age));
    assert_eq!(found(&run_at(Some(17)), "age_minimum"), Some(Severity::Block));
    assert_eq!(run_at(Some(18)).verdict, Verdict::Ok);
    assert_eq!(found(&run_at(None), "age_unknown"), Some(Severity::Unknown));
    let report = run(lines(&["cetirizine"]), vec![], aged(Some(5)));
    assert_eq!(found(&report, "child_under_six"), Some(Severity::Warn));
    assert_eq!(found(&report, "child_dose_unknown"), Some(Severity::Unknown));
    assert_eq!(found(&run(lines(&["cetirizine"]), vec![], aged(Some(6))), "child_under_six"), None);
}

#[test]
fn the_birthday_decides_the_age() {
    let born = |y, m, d| Profile {
        birth_date: NaiveDate::from_ymd_opt(y, m, d),
        age_years: Some(99),
        ..Profile::default()
    };
    assert_eq!(born(2020, 11, 23).age_on(day()), Some(6));
    assert_eq!(born(2020, 11, 24).age_on(day()), Some(5));
    assert_eq!(Profile { age_years: Some(7), ..Profile::default() }.age_on(day()), Some(7));
    assert_eq!(Profile::default().age_on(day()), None);
}

#[test]
fn a_childs_dose_follows_the_weight() {
    let mut syrup = super::fixtures::product("x-syrup", Form::OralLiquid, &[("ibuprofen", 20)]);
    syrup.child_dose = Some(ChildDose { ug_per_kg_dose: 10_000, ug_per_kg_day: 30_000 });
    let formulary = crate::formulary::Formulary::from_products([syrup]);
    let at = |ml, times_per_day, weight_g| {
        let profile = Profile { age_years: Some(8), weight_g, ..healthy() };
        let lines = vec![line("x-syrup", ml, times_per_day, 3)];
        let input = SafetyInput { on: day(), lines, taking: vec![], profile };
        super::check(&input, &formulary, &super::RuleSet::standard())
    };
    assert_eq!(at(10, 3, Some(20_000)).verdict, Verdict::Ok);
    assert_eq!(found(&at(11, 1, Some(20_000)), "max_dose"), Some(Severity::Block));
    assert_eq!(found(&at(10, 4, Some(20_000)), "max_day"), Some(Severity::Block));
    assert_eq!(found(&at(10, 3, None), "child_weight_unknown"), Some(Severity::Unknown));
}

#[test]
fn pregnancy_and_breast_feeding_are_asked_for() {
    let woman =
        Profile { sex: Some(Sex::Female), pregnant: Some(false), breastfeeding: Some(false), ..healthy() };
    let severity =
        |profile: Profile| found(&run(vec![line("IBU-T200", 1, 1, 1)], vec![], profile), "contraindication");
    assert_eq!(severity(woman.clone()), None);
    assert_eq!(severity(Profile { pregnant: Some(true), ..woman.clone() }), Some(Severity::Block));
    assert_eq!(severity(Profile { breastfeeding: Some(true), ..woman.clone() }), Some(Severity::Block));
    assert_eq!(severity(Profile { pregnant: None, ..woman.clone() }), Some(Severity::Unknown));
    assert_eq!(severity(Profile { pregnant: None, age_years: Some(56), ..woman.clone() }), None);
    assert_eq!(severity(Profile { sex: None, pregnant: None, ..woman }), Some(Severity::Unknown));
    assert_eq!(severity(healthy()), None);
}

#[test]
fn kidneys_count_by_file_or_by_egfr() {
    let report = run(vec![line("LEV-T5", 1, 1, 7)], vec![], Profile { egfr: Some(59), ..healthy() });
    assert_eq!(found(&report, "contraindication"), Some(Severity::Block));
    let report = run(vec![line("PCM-T500", 1, 1, 1)], vec![], Profile { egfr: Some(29), ..healthy() });
    assert_eq!(found(&report, "contraindication"), Some(Severity::Block));
}

#[test]
fn inputs_refuse_unknown_fields_and_reports_return() {
    let input =
        r#"{"on":"2026-11-23","lines":[],"taking":[{"kind":"reported","medicine":"x"}],"profile":{}}"#;
    assert!(serde_json::from_str::<SafetyInput>(input).is_ok());
    for bad in [
        r#"{"on":"2026-11-23","lines":[],"profile":{},"x":1}"#,
        r#"{"on":"2026-11-23","lines":[],"profile":{"hight":1}}"#,
        r#"{"on":"2026-11-23","lines":[],"taking":[{"kind":"reported","medicine":"x","y":1}],"profile":{}}"#,
    ] {
        assert!(serde_json::from_str::<SafetyInput>(bad).is_err(), "{bad}");
    }
    let report = run(lines(&["ibuprofen", "naproxen"]), vec![], healthy());
    let json = serde_json::to_string(&report).expect("json");
    assert_eq!(serde_json::from_str::<super::SafetyReport>(&json).expect("back"), report);
    assert_eq!(report.ruleset_version, "safety-2026-11-30");
}
