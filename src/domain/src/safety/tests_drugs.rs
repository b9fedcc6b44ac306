//! One test per row of the drugs table of the project's clinical rules, and the dose rules.

use chrono::TimeDelta;

use super::{
    DraftLine, Profile, Severity, Taken, Verdict,
    fixtures::{found, healthy, line, lines, product, reported, run, vended},
};
use crate::formulary::{Condition, Form};

fn verdict(line: DraftLine) -> Verdict {
    run(vec![line], vec![], healthy()).verdict
}

fn day_limit(code: &str, units: i64, times: u32, days: u32) {
    let fine = run(vec![line(code, units, times, days)], vec![], healthy());
    assert_eq!(found(&fine, "max_day"), None, "{code}: {fine:#?}");
    assert!(fine.verdict < Verdict::Block, "{code}: {fine:#?}");
    let mut over = line(code, units, times, days);
    over.dose_units_thousandths += 1;
    let over = run(vec![over], vec![], healthy());
    assert_eq!(found(&over, "max_day"), Some(Severity::Block), "{code}: {over:#?}");
}

#[test]
fn paracetamol() {
    day_limit("PCM-T500", 1, 4, 3);
    assert_eq!(verdict(line("PCM-T500", 1, 4, 5)), Verdict::Ok);
    assert_eq!(verdict(line("PCM-T500", 1, 4, 6)), Verdict::Block);
    let fever = Profile { conditions: vec![Condition::Fever], ..healthy() };
    assert_eq!(run(vec![line("PCM-T500", 1, 3, 3)], vec![], fever.clone()).verdict, Verdict::Ok);
    let report = run(vec![line("PCM-T500", 1, 3, 4)], vec![], fever);
    assert_eq!(found(&report, "max_days"), Some(Severity::Block));
    let drinks = Profile { conditions: vec![Condition::AlcoholUse], ..healthy() };
    let report = run(vec![line("PCM-T500", 1, 1, 1)], vec![], drinks);
    assert_eq!(found(&report, "paracetamol_drinker"), Some(Severity::Warn));
    for (condition, severity) in [
        (Condition::SevereLiverDisease, Severity::Block),
        (Condition::SevereKidneyDisease, Severity::Block),
        (Condition::LiverDisease, Severity::Warn),
    ] {
        let profile = Profile { conditions: vec![condition], ..healthy() };
        let report = run(vec![line("PCM-T500", 1, 1, 1)], vec![], profile);
        assert_eq!(found(&report, "contraindication"), Some(severity), "{condition}");
    }
}

#[test]
fn ibuprofen() {
    day_limit("IBU-T200", 2, 3, 3);
    for condition in [Condition::PepticUlcer, Condition::NsaidAsthma] {
        let profile = Profile { conditions: vec![condition], ..healthy() };
        assert_eq!(
            run(vec![line("IBU-T200", 1, 1, 1)], vec![], profile).verdict,
            Verdict::Block,
            "{condition}"
        );
    }
    let allergic = Profile { allergies: vec!["aspirin".into()], ..healthy() };
    assert_eq!(run(vec![line("IBU-T200", 1, 1, 1)], vec![], allergic).verdict, Verdict::Block);
}

#[test]
fn loratadine_and_cetirizine() {
    day_limit("LOR-T10", 1, 1, 7);
    day_limit("CET-T10", 1, 1, 7);
    let poor = Profile { conditions: vec![Condition::KidneyDisease], ..healthy() };
    assert_eq!(
        found(&run(vec![line("CET-T10", 1, 1, 7)], vec![], poor), "cetirizine_kidney"),
        Some(Severity::Warn)
    );
    let height = Profile { works_at_height: true, ..healthy() };
    let report = run(vec![line("CET-T10", 1, 1, 7)], vec![], height);
    assert_eq!((found(&report, "may_sedate_height"), report.verdict), (Some(Severity::Warn), Verdict::Warn));
}

#[test]
fn omeprazole() {
    day_limit("OME-C20", 1, 1, 7);
    assert_eq!(verdict(line("OME-C20", 1, 1, 8)), Verdict::Block);
}

#[test]
fn amoxicillin() {
    day_limit("AMX-C500", 2, 4, 7);
    let low = |clearance| Profile { creatinine_clearance: Some(clearance), ..healthy() };
    let severity =
        |profile| found(&run(vec![line("AMX-C500", 1, 3, 7)], vec![], profile), "amoxicillin_clearance");
    assert_eq!(severity(low(29)), Some(Severity::Warn));
    assert_eq!(severity(low(30)), None);
    assert_eq!(severity(Profile { creatinine_clearance: None, ..healthy() }), Some(Severity::Note));
    let sick =
        Profile { creatinine_clearance: None, conditions: vec![Condition::KidneyDisease], ..healthy() };
    assert_eq!(severity(sick), Some(Severity::Warn));
}

#[test]
fn azithromycin() {
    day_limit("AZI-T250", 2, 1, 3);
    assert_eq!(verdict(line("AZI-T250", 2, 1, 4)), Verdict::Block);
    let long_qt = Profile { conditions: vec![Condition::LongQt], ..healthy() };
    assert_eq!(
        found(&run(lines(&["azithromycin"]), vec![], long_qt), "qt_drug_long_qt"),
        Some(Severity::Block)
    );
}

#[test]
fn smectite_ambroxol_amlodipine_and_chlorphenamine() {
    day_limit("SME-P3", 1, 3, 3);
    day_limit("AMB-T30", 1, 3, 7);
    day_limit("AMB-L3", 10, 3, 7);
    day_limit("AML-T5", 2, 1, 7);
    day_limit("CPM-T4", 1, 3, 3);
    let height = Profile { works_at_height: true, ..healthy() };
    assert_eq!(
        found(&run(vec![line("CPM-T4", 1, 1, 1)], vec![], height), "sedating_height"),
        Some(Severity::Block)
    );
}

#[test]
fn metformin() {
    day_limit("MTF-T500", 2, 2, 7);
    let egfr = |egfr| Profile { egfr, ..healthy() };
    let run = |egfr_value, taking: Vec<Taken>| run(vec![line("MTF-T500", 1, 2, 7)], taking, egfr(egfr_value));
    assert_eq!(found(&run(Some(29), vec![]), "metformin_egfr_never"), Some(Severity::Block));
    assert_eq!(found(&run(None, vec![]), "metformin_egfr_never"), Some(Severity::Unknown));
    for value in [30, 44] {
        assert_eq!(
            found(&run(Some(value), vec![]), "metformin_egfr_start"),
            Some(Severity::Block),
            "{value}"
        );
        let ongoing = run(Some(value), vec![reported("metformin", 500)]);
        assert_eq!(found(&ongoing, "metformin_egfr_start"), None);
        assert_eq!(found(&ongoing, "metformin_egfr_ongoing"), Some(Severity::Warn));
    }
    assert_eq!(run(Some(45), vec![]).verdict, Verdict::Ok);
}

#[test]
fn simvastatin() {
    day_limit("SIM-T40", 1, 1, 7);
}

#[test]
fn compound_remedies_count_as_paracetamol() {
    assert_eq!(verdict(line("COLD-G", 1, 3, 3)), Verdict::Warn, "a courier rides");
    assert_eq!(verdict(line("COLD-G", 1, 4, 3)), Verdict::Block);
    assert_eq!(verdict(line("PAA-C", 1, 2, 3)), Verdict::Warn);
    assert_eq!(verdict(line("PAA-C", 1, 3, 3)), Verdict::Block);
    for code in ["COLD-G", "PAA-C"] {
        let report = run(vec![line("PCM-T500", 1, 1, 1), line(code, 1, 1, 1)], vec![], healthy());
        assert_eq!(found(&report, "second_product"), Some(Severity::Block), "{code}");
    }
}

#[test]
fn what_is_taken_already_counts() {
    let on = super::fixtures::day();
    let report = run(vec![line("IBU-T200", 2, 2, 3)], vec![vended("IBU-T200", 2, on)], healthy());
    assert_eq!(found(&report, "max_day"), None);
    let report = run(vec![line("IBU-T200", 2, 2, 3)], vec![vended("IBU-T200", 3, on)], healthy());
    assert_eq!(found(&report, "max_day"), Some(Severity::Block));
    assert_eq!(found(&report, "duplicate_ingredient"), Some(Severity::Warn));
    let past = vended("PCM-T500", 4, on - TimeDelta::days(1));
    assert_eq!(run(vec![line("PCM-T500", 1, 1, 1)], vec![past], healthy()).verdict, Verdict::Ok);
    let silent = Taken::Reported { medicine: "布洛芬".into(), day_ug: None };
    let report = run(vec![line("IBU-T200", 1, 1, 1)], vec![silent], healthy());
    assert_eq!(found(&report, "sum_unknown"), Some(Severity::Unknown));
    let report = run(vec![line("PCM-T500", 1, 1, 1)], vec![vended("COLD-G", 1, on)], healthy());
    assert_eq!(found(&report, "second_product"), Some(Severity::Block));
}

#[test]
fn duplicates() {
    let report = run(vec![line("LOR-T10", 1, 1, 1), line("LOR-T10", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "duplicate_line"), Some(Severity::Block));
    let report = run(lines(&["atorvastatin", "rosuvastatin"]), vec![], healthy());
    assert_eq!(found(&report, "duplicate_class"), Some(Severity::Warn));
    let report = run(vec![line("AMX-C250", 1, 1, 1), line("AMX-C500", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "duplicate_ingredient"), Some(Severity::Warn));
}

#[test]
fn never_list() {
    for code in [
        "warfarin",
        "digoxin",
        "theophylline",
        "carbamazepine",
        "dextromethorphan",
        "pseudoephedrine",
        "ephedrine",
        "codeine",
        "morphine",
        "tramadol",
        "diazepam",
        "zolpidem",
    ] {
        let report = run(lines(&[code]), vec![], healthy());
        assert_eq!(found(&report, "never_list"), Some(Severity::Block), "{code}");
    }
    let report = run(vec![line("x-needle", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "never_injection"), Some(Severity::Block));
}

#[test]
fn rows_without_a_maximum_or_outside_the_formulary_block() {
    let report = run(vec![line("BLG-G", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "no_sourced_maximum"), Some(Severity::Block));
    let mut formulary = super::fixtures::formulary();
    let mut other = product("x-other", Form::Tablet, &[("loratadine", 1)]);
    other.in_formulary = false;
    formulary.put(other);
    let input = super::SafetyInput {
        on: super::fixtures::day(),
        lines: vec![line("x-other", 1, 1, 1)],
        taking: vec![],
        profile: healthy(),
    };
    let report = super::check(&input, &formulary, &super::RuleSet::standard());
    assert_eq!(found(&report, "not_in_formulary"), Some(Severity::Block));
}

#[test]
fn invalid_doses_block_and_huge_ones_do_not_overflow() {
    for bad in [
        line("LOR-T10", 0, 1, 1),
        line("LOR-T10", -5, 1, 1),
        line("LOR-T10", 1, 0, 1),
        line("LOR-T10", 1, 1, 0),
    ] {
        assert_eq!(found(&run(vec![bad], vec![], healthy()), "line_invalid"), Some(Severity::Block));
    }
    let huge = DraftLine {
        dose_units_thousandths: i64::MAX,
        times_per_day: u32::MAX,
        days: u32::MAX,
        ..line("LOR-T10", 1, 1, 1)
    };
    assert_eq!(found(&run(vec![huge], vec![], healthy()), "max_day"), Some(Severity::Block));
}

#[test]
fn units_times_and_single_doses() {
    let report = run(vec![line("HXZQ-L", 11, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "max_units_dose"), Some(Severity::Block));
    let report = run(vec![line("HC-CR1", 1, 5, 1)], vec![], healthy());
    assert_eq!(found(&report, "max_times"), Some(Severity::Block));
    assert_eq!(verdict(line("HC-CR1", 1, 4, 7)), Verdict::Ok);
    let report = run(vec![line("GLZ-T80", 3, 1, 7)], vec![], healthy());
    assert_eq!(found(&report, "max_dose"), Some(Severity::Block));
}

#[test]
fn unknown_drugs_are_reported_as_unknown() {
    let report = run(vec![line("nobody-knows", 1, 1, 1)], vec![], healthy());
    assert_eq!(
        (found(&report, "unknown_product"), report.verdict),
        (Some(Severity::Unknown), Verdict::Unknown)
    );
    // Without a formulary there is nothing to compare its maximum with.
    let report = run(vec![line("x-odd", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&report, "unknown_ingredient"), Some(Severity::Unknown));
    assert_eq!(
        (found(&report, "implausible_maximum"), report.verdict),
        (Some(Severity::Block), Verdict::Block)
    );
    let report = run(vec![line("LOR-T10", 1, 1, 1)], vec![reported("grandmother's tea", 1)], healthy());
    assert_eq!(
        (found(&report, "unknown_medicine"), report.verdict),
        (Some(Severity::Unknown), Verdict::Unknown)
    );
    let report = run(lines(&["rifampicin", "loratadine"]), vec![], healthy());
    assert_eq!(found(&report, "unknown_pair"), Some(Severity::Unknown));
    let report = run(lines(&["clarithromycin", "smectite"]), vec![], healthy());
    assert_eq!(found(&report, "unknown_pair"), None);
}
