//! One test per row of the pair table of the project's clinical rules, from both sides.

use super::{
    DraftLine, Profile, Severity, Taken,
    fixtures::{found, healthy, line, lines, reported, run},
};
use crate::formulary::Condition;

/// Runs both orders of two prescribed ingredients, and each of them as already taken.
fn pair(left: &str, right: &str, profile: &Profile, rule: &str) -> Option<Severity> {
    let runs = [
        run(lines(&[left, right]), vec![], profile.clone()),
        run(lines(&[right, left]), vec![], profile.clone()),
        run(lines(&[left]), vec![reported(right, 1)], profile.clone()),
        run(lines(&[right]), vec![reported(left, 1)], profile.clone()),
    ];
    let severities: Vec<_> = runs.iter().map(|report| found(report, rule)).collect();
    assert!(severities.iter().all(|severity| *severity == severities[0]), "{left} {right}: {severities:?}");
    severities[0]
}

fn always(left: &str, right: &str, rule: &str, severity: Severity) {
    assert_eq!(pair(left, right, &healthy(), rule), Some(severity), "{left} {right}");
}

#[test]
fn simvastatin_with_clarithromycin_or_erythromycin() {
    always("simvastatin", "clarithromycin", "simvastatin_macrolide", Severity::Block);
    always("simvastatin", "erythromycin", "simvastatin_macrolide", Severity::Block);
}

#[test]
fn simvastatin_above_20_mg_with_amlodipine() {
    let rule = "simvastatin_amlodipine";
    let both = |simvastatin: DraftLine| run(vec![simvastatin, line("AML-T5", 1, 1, 7)], vec![], healthy());
    assert_eq!(found(&both(line("SIM-T20", 1, 1, 7)), rule), None);
    assert_eq!(found(&both(line("SIM-T40", 1, 1, 7)), rule), Some(Severity::Block));
    assert_eq!(found(&both(line("SIM-T10", 3, 1, 7)), rule), Some(Severity::Block));
    let taken = |day_ug| vec![Taken::Reported { medicine: "辛伐他汀".into(), day_ug }];
    assert_eq!(found(&run(lines(&["amlodipine"]), taken(Some(20_000)), healthy()), rule), None);
    assert_eq!(
        found(&run(lines(&["amlodipine"]), taken(Some(20_001)), healthy()), rule),
        Some(Severity::Block)
    );
    assert_eq!(found(&run(lines(&["amlodipine"]), taken(None), healthy()), rule), Some(Severity::Block));
    let split = run(vec![line("SIM-T20", 1, 1, 7), line("AML-T5", 1, 1, 7)], taken(Some(10_000)), healthy());
    assert_eq!(found(&split, rule), Some(Severity::Block), "the sum counts");
}

#[test]
fn statins_with_milder_macrolides() {
    always("simvastatin", "azithromycin", "simvastatin_azithromycin", Severity::Warn);
    always("atorvastatin", "clarithromycin", "atorvastatin_macrolide", Severity::Warn);
    always("atorvastatin", "erythromycin", "atorvastatin_macrolide", Severity::Warn);
}

#[test]
fn ibuprofen_with_low_dose_aspirin() {
    always("ibuprofen", "aspirin", "nsaid_low_dose_aspirin", Severity::Warn);
    assert_eq!(pair("ibuprofen", "aspirin", &healthy(), "two_nsaids"), None);
    let report = run(lines(&["ibuprofen"]), vec![reported("阿司匹林", 301)], healthy());
    assert_eq!(found(&report, "two_nsaids"), Some(Severity::Block));
    let unknown = Taken::Reported { medicine: "aspirin".into(), day_ug: None };
    assert_eq!(
        found(&run(lines(&["ibuprofen"]), vec![unknown], healthy()), "two_nsaids"),
        Some(Severity::Block)
    );
}

#[test]
fn two_nsaids_and_nsaid_with_warfarin() {
    always("ibuprofen", "naproxen", "two_nsaids", Severity::Block);
    always("celecoxib", "diclofenac", "two_nsaids", Severity::Block);
    always("ibuprofen", "warfarin", "nsaid_warfarin", Severity::Block);
    always("aspirin", "warfarin", "low_dose_aspirin_warfarin", Severity::Block);
    let gel = run(vec![line("DIC-G1", 1, 1, 1), line("IBU-T200", 1, 1, 1)], vec![], healthy());
    assert_eq!(found(&gel, "two_nsaids"), None);
    assert_eq!(found(&gel, "nsaid_topical_nsaid"), Some(Severity::Warn));
}

#[test]
fn nsaid_with_ace_inhibitor_or_arb() {
    for other in ["enalapril", "losartan"] {
        always("ibuprofen", other, "nsaid_ace_arb", Severity::Note);
        assert_eq!(pair("ibuprofen", other, &healthy(), "nsaid_ace_arb_kidney"), None);
        let kidney = Profile { conditions: vec![Condition::KidneyDisease], ..healthy() };
        let low = Profile { egfr: Some(59), ..healthy() };
        let dry = Profile { dehydrated: true, ..healthy() };
        for profile in [kidney, low, dry] {
            assert_eq!(pair("ibuprofen", other, &profile, "nsaid_ace_arb_kidney"), Some(Severity::Warn));
        }
        let report = run(lines(&["ibuprofen", other]), vec![reported("furosemide", 20)], healthy());
        assert_eq!(found(&report, "nsaid_ace_arb_diuretic"), Some(Severity::Warn));
    }
}

#[test]
fn disulfiram_like_reactions() {
    for drug in ["metronidazole", "cefoperazone", "cefotetan", "cefmetazole"] {
        always(drug, "ethanol", "disulfiram_like", Severity::Block);
    }
    let tincture =
        run(vec![line("x-metronidazole", 1, 1, 1), line("x-tincture", 5, 2, 1)], vec![], healthy());
    assert_eq!(found(&tincture, "disulfiram_like"), Some(Severity::Block));
    let drunk = Profile { breath_alcohol: Some(1), ..healthy() };
    assert_eq!(
        found(&run(lines(&["metronidazole"]), vec![], drunk), "disulfiram_like"),
        Some(Severity::Block)
    );
}

#[test]
fn pde5_inhibitor_with_nitrate() {
    always("sildenafil", "nitroglycerin", "pde5_nitrate", Severity::Block);
    always("tadalafil", "isosorbide_mononitrate", "pde5_nitrate", Severity::Block);
}

#[test]
fn paracetamol_over_all_products() {
    let report = run(lines(&["paracetamol"]), vec![reported("paracetamol", 500)], healthy());
    assert_eq!(found(&report, "second_product"), Some(Severity::Block));
    let report = run(vec![line("PCM-T500", 1, 4, 1)], vec![reported("acetaminophen", 1)], healthy());
    assert_eq!(found(&report, "max_day"), Some(Severity::Block));
}

#[test]
fn sedation_at_height() {
    let height = Profile { works_at_height: true, ..healthy() };
    let (two, ethanol) = ("two_sedating_at_height", "sedating_ethanol_at_height");
    assert_eq!(pair("chlorphenamine", "diphenhydramine", &height, two), Some(Severity::Block));
    assert_eq!(pair("chlorphenamine", "diphenhydramine", &healthy(), two), None);
    assert_eq!(pair("chlorphenamine", "diphenhydramine", &healthy(), "two_sedating"), Some(Severity::Warn));
    assert_eq!(pair("chlorphenamine", "ethanol", &height, ethanol), Some(Severity::Block));
    assert_eq!(pair("chlorphenamine", "ethanol", &healthy(), "sedating_ethanol"), Some(Severity::Warn));
    assert_eq!(pair("loratadine", "ethanol", &height, ethanol), None);
}

#[test]
fn azithromycin_with_qt_drugs() {
    always("azithromycin", "domperidone", "two_qt_drugs", Severity::Block);
    always("azithromycin", "moxifloxacin", "two_qt_drugs", Severity::Block);
}

#[test]
fn omeprazole_with_clopidogrel() {
    always("omeprazole", "clopidogrel", "omeprazole_clopidogrel", Severity::Warn);
}

#[test]
fn metformin_or_paracetamol_with_ethanol() {
    for drug in ["metformin", "paracetamol"] {
        let (rule, breath) = (format!("{drug}_ethanol"), format!("{drug}_ethanol_breath"));
        always(drug, "ethanol", &rule, Severity::Warn);
        assert_eq!(pair(drug, "ethanol", &healthy(), &breath), None);
        let drunk = Profile { breath_alcohol: Some(1), ..healthy() };
        assert_eq!(found(&run(lines(&[drug]), vec![], drunk), &breath), Some(Severity::Block));
    }
}

#[test]
fn ephedra_with_high_blood_pressure() {
    let rule = "ephedra_blood_pressure";
    let at = |systolic, diastolic| Profile { systolic, diastolic, ..healthy() };
    for drug in ["lianhua_qingwen", "pseudoephedrine"] {
        let severity = |profile| found(&run(lines(&[drug]), vec![], profile), rule);
        assert_eq!(severity(at(Some(160), Some(99))), Some(Severity::Block));
        assert_eq!(severity(at(Some(120), Some(100))), Some(Severity::Block));
        assert_eq!(severity(at(Some(159), Some(99))), None);
        assert_eq!(severity(at(None, Some(99))), Some(Severity::Unknown));
        assert_eq!(severity(at(None, Some(100))), Some(Severity::Block));
    }
}

#[test]
fn two_drugs_that_are_taken_already_are_not_checked_as_a_pair() {
    let report =
        run(lines(&["loratadine"]), vec![reported("ibuprofen", 1), reported("naproxen", 1)], healthy());
    assert_eq!(found(&report, "two_nsaids"), None);
}
