use super::*;
use crate::{
    formulary::{Formulary, ProductCode},
    prescription::Diagnosis,
    safety::{Diagnosed, DraftLine, RuleTables},
};

fn draft(code: Option<&str>, text: &str, days: u32, attested: Option<(bool, bool)>) -> PrescriptionDraft {
    let product = ProductCode::parse("AML-T5").expect("a code");
    PrescriptionDraft {
        lane: EncounterLane::FollowUpWithEvidence,
        kind: SupplyKind::LongTerm,
        lines: vec![DraftLine { product, dose_units_thousandths: 1000, times_per_day: 1, days }],
        diagnoses: vec![Diagnosis { code: code.map(Into::into), text: text.into() }],
        longer_reason: Some("稳定两年，今日评估".into()),
        overrides: vec![],
        child: None,
        skin_test: None,
        long_term: attested
            .map(|(stable, patient_confirmed)| LongTermAttestation { stable, patient_confirmed }),
    }
}

fn codes(draft: &PrescriptionDraft) -> Vec<(String, String)> {
    let formulary = Formulary::shipped().expect("shipped");
    let policy = PrescribingPolicy::default();
    super::super::rules::check_draft(draft, Some(50), &formulary, &RuleSet::standard(), &policy)
        .into_iter()
        .map(|one| (one.field, one.code))
        .collect()
}

fn broken(field: &str, code: &str) -> Vec<(String, String)> {
    vec![(field.into(), code.into())]
}

#[test]
fn the_disease_is_chronic_and_stable_and_beyond_four_weeks_the_patient_confirms() {
    let (good, whole) = (Some((true, false)), Some((true, true)));
    assert_eq!(codes(&draft(Some("I10"), "高血压", 28, good)), vec![]);
    assert_eq!(codes(&draft(Some("I10.x00"), "原发性高血压", 84, whole)), vec![]);
    assert_eq!(codes(&draft(None, "2型糖尿病", 28, good)), vec![]);
    // A code decides alone.
    let cold = draft(Some("J00"), "普通感冒，有高血压", 28, good);
    assert_eq!(codes(&cold), broken("diagnoses", "not_chronic"));
    let unstable = draft(Some("I10"), "高血压", 28, Some((false, true)));
    assert_eq!(codes(&unstable), broken("long_term.stable", "needed"));
    assert_eq!(codes(&draft(Some("I10"), "高血压", 28, None)), broken("long_term.stable", "needed"));
    let unconfirmed = draft(Some("I10"), "高血压", 29, good);
    assert_eq!(codes(&unconfirmed), broken("long_term.patient_confirmed", "needed"));
}

#[test]
fn a_first_visit_treats_the_listed_ailments_only() {
    let visit = |code: &str, text: &str| {
        let lane = EncounterLane::MinorAilmentPilot;
        codes(&PrescriptionDraft { lane, kind: SupplyKind::Ordinary, ..draft(Some(code), text, 5, None) })
    };
    assert_eq!(visit("J00", "普通感冒"), vec![]);
    assert_eq!(visit("I10", "高血压"), broken("diagnoses[0]", "not_minor_ailment"));
}

#[test]
fn what_is_kept_cold_is_never_long_term() {
    let product = ProductCode::parse("BIF-C").expect("a code");
    let mut cold = draft(Some("K21"), "胃食管反流病", 7, Some((true, true)));
    cold.lines[0].product = product;
    assert!(codes(&cold).contains(&("lines[0].days".to_owned(), "special_storage_long_term".to_owned())));
}

#[test]
fn the_pharmacist_countersigns_beyond_four_weeks() {
    let policy = PrescribingPolicy::default();
    let needs = |days, attested| draft(Some("I10"), "高血压", days, attested).needs_countersignature(&policy);
    assert!(needs(29, Some((true, true))));
    assert!(!needs(28, Some((true, true))));
    // Signed before the attestations existed.
    assert!(!needs(84, None));
    assert!(ensure_countersigned(None).is_ok() && ensure_countersigned(Some(true)).is_ok());
    let refused = ensure_countersigned(Some(false)).expect_err("not countersigned");
    assert_eq!(refused.fields[0].field, "countersigned");
}

/// Each code and each word of the shipped lists is read, and only in its own list.
#[test]
fn every_row_of_the_lists_is_read() {
    let (rules, mut read) = (RuleSet::standard(), 0);
    let mut table =
        csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(RuleTables::SHIPPED.ailments.as_bytes());
    for row in table.records() {
        let row = row.expect("a row");
        let list = AilmentList::parse(&row[1]).expect("a list");
        for code in row[2].split(';') {
            let coded = Diagnosed { code: Some(format!("{code}x")), text: String::new() };
            assert!(rules.lists(list, &coded), "{code}");
            read += 1;
        }
        for word in row[3].split(';') {
            let worded = Diagnosed { code: None, text: format!("轻度{word}") };
            assert!(rules.lists(list, &worded), "{word}");
            read += 1;
        }
    }
    assert!(read > 150, "{read}");
    for list in AilmentList::ALL {
        let other = Diagnosed { code: Some("C34".into()), text: "肺恶性肿瘤".into() };
        assert!(!rules.lists(*list, &other), "{list}");
    }
}
