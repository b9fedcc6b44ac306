//! One test per row of the prescribing table of the project's clinical rules.

use super::*;
use crate::{
    formulary::ProductCode,
    prescription::{ChildAttestation, Diagnosis, LongTermAttestation, Override},
    safety::{Profile, RuleSet, SafetyInput, Severity, check},
};

fn line(code: &str, days: u32) -> DraftLine {
    let product = ProductCode::parse(code).expect("code");
    DraftLine { product, dose_units_thousandths: 1000, times_per_day: 1, days }
}

fn draft(lines: Vec<DraftLine>) -> PrescriptionDraft {
    PrescriptionDraft {
        lane: EncounterLane::FollowUpWithEvidence,
        kind: SupplyKind::Ordinary,
        lines,
        diagnoses: vec![Diagnosis { code: Some("J00".into()), text: "感冒".into() }],
        longer_reason: None,
        overrides: vec![],
        child: None,
        skin_test: None,
        long_term: None,
    }
}

fn codes(draft: &PrescriptionDraft, age: Option<u32>) -> Vec<(String, String)> {
    let formulary = Formulary::shipped().expect("shipped");
    check_draft(draft, age, &formulary, &RuleSet::standard(), &PrescribingPolicy::default())
        .into_iter()
        .map(|one| (one.field, one.code))
        .collect()
}

fn one(field: &str, code: &str) -> Vec<(String, String)> {
    vec![(field.into(), code.into())]
}

#[test]
fn at_most_five_drugs_and_at_least_one() {
    let five = ["PCM-T500", "LOR-T10", "OME-C20", "AMB-T30", "SME-P3"].map(|code| line(code, 3)).to_vec();
    assert_eq!(codes(&draft(five.clone()), Some(40)), vec![]);
    let six = [five, vec![line("FAM-T20", 3)]].concat();
    assert_eq!(codes(&draft(six), Some(40)), one("lines", "too_many"));
    assert_eq!(codes(&draft(vec![]), Some(40)), one("lines", "needed"));
}

#[test]
fn days_of_supply() {
    let days = |kind, days, reason: Option<&str>, code: &str| {
        let long_term = (kind == SupplyKind::LongTerm)
            .then_some(LongTermAttestation { stable: true, patient_confirmed: true });
        let draft = PrescriptionDraft {
            kind,
            longer_reason: reason.map(Into::into),
            diagnoses: vec![Diagnosis { code: Some("I10".into()), text: "高血压".into() }],
            long_term,
            ..draft(vec![line(code, days)])
        };
        codes(&draft, Some(40)).into_iter().map(|(_, code)| code).collect::<Vec<_>>()
    };
    let reason = Some("出差一个月");
    let none: Vec<String> = vec![];
    for (kind, count, reason, code, expected) in [
        (SupplyKind::Ordinary, 7, None, "AML-T5", None),
        (SupplyKind::Ordinary, 8, None, "AML-T5", Some("reason_needed")),
        (SupplyKind::Ordinary, 8, Some("  x "), "AML-T5", Some("reason_needed")),
        (SupplyKind::Ordinary, 30, reason, "AML-T5", None),
        (SupplyKind::Ordinary, 31, reason, "AML-T5", Some("too_long")),
        (SupplyKind::Emergency, 3, None, "AML-T5", None),
        (SupplyKind::Emergency, 4, None, "AML-T5", Some("reason_needed")),
        (SupplyKind::LongTerm, 28, None, "AML-T5", None),
        (SupplyKind::LongTerm, 29, None, "AML-T5", Some("reason_needed")),
        (SupplyKind::LongTerm, 84, reason, "AML-T5", None),
        (SupplyKind::LongTerm, 5, reason, "PCM-T500", Some("analgesic_long_term")),
        (SupplyKind::LongTerm, 5, reason, "IBU-T200", Some("analgesic_long_term")),
        (SupplyKind::LongTerm, 85, reason, "AML-T5", Some("too_long")),
        (SupplyKind::LongTerm, 5, reason, "AMX-C500", Some("antimicrobial_long_term")),
        (SupplyKind::Ordinary, 7, None, "AMX-C500", None),
    ] {
        let expected = expected.map_or(none.clone(), |code| vec![code.to_owned()]);
        assert_eq!(days(kind, count, reason, code), expected, "{kind} {count} {reason:?} {code}");
    }
}

#[test]
fn a_diagnosis_is_needed() {
    let blank = PrescriptionDraft {
        diagnoses: vec![Diagnosis { code: Some("J00".into()), text: " ".into() }],
        ..draft(vec![line("PCM-T500", 3)])
    };
    assert_eq!(codes(&blank, Some(40)), one("diagnoses", "needed"));
}

#[test]
fn a_child_under_six_needs_guardian_and_paediatrician() {
    let with = |guardian, paediatrician| PrescriptionDraft {
        child: Some(ChildAttestation { guardian, paediatrician }),
        ..draft(vec![line("PCM-T500", 3)])
    };
    assert_eq!(codes(&draft(vec![line("PCM-T500", 3)]), Some(5)).len(), 2);
    assert_eq!(codes(&with(true, false), Some(5)), one("child.paediatrician", "needed"));
    assert_eq!(codes(&with(false, true), Some(5)), one("child.guardian", "needed"));
    assert_eq!(codes(&with(true, true), Some(5)), vec![]);
    assert_eq!(codes(&draft(vec![line("PCM-T500", 3)]), Some(6)), vec![]);
}

#[test]
fn lines_are_doses_of_prescribable_products() {
    let bad = DraftLine { dose_units_thousandths: 0, times_per_day: 25, days: 0, ..line("PCM-T500", 1) };
    assert_eq!(codes(&draft(vec![bad]), Some(40)).len(), 3);
    assert_eq!(
        codes(&draft(vec![line("nobody-knows", 3)]), Some(40)),
        one("lines[0].product", "unknown_product")
    );
    assert_eq!(codes(&draft(vec![line("BLG-G", 3)]), Some(40)), one("lines[0].product", "not_prescribable"));
}

#[test]
fn consultation_only_never_prescribes() {
    let refusal = check_lane(EncounterLane::ConsultationOnly).expect_err("never");
    assert_eq!(refusal.code, Code::LaneNoPrescription);
    assert!(check_lane(EncounterLane::MinorAilmentPilot).is_ok());
}

fn report(lines: Vec<DraftLine>, works_at_height: bool) -> SafetyReport {
    let profile = Profile {
        age_years: Some(40),
        sex: Some(crate::safety::Sex::Male),
        works_at_height,
        job: Some(crate::network::Job::Courier),
        ..Profile::default()
    };
    let on = NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date");
    let input = SafetyInput { on, lines, taking: vec![], profile };
    check(&input, &Formulary::shipped().expect("shipped"), &RuleSet::standard())
}

#[test]
fn each_warning_needs_its_own_reason_and_no_reason_overrides_a_block() {
    let policy = PrescribingPolicy::default();
    let lines = vec![line("CPM-T4", 3), line("HXZQ-L", 3)];
    let found = report(lines.clone(), false);
    assert_eq!(found.findings.iter().filter(|one| one.severity == Severity::Warn).count(), 1, "{found:#?}");
    let mut draft = draft(lines);
    let refusal = check_findings(&draft, &found, &policy).expect_err("unanswered");
    assert_eq!(refusal.code, Code::SafetyWarningsUnanswered);
    draft.overrides =
        vec![Override { rule: "sedating_machines".into(), lines: vec![1], reason: "今日休息".into() }];
    assert!(check_findings(&draft, &found, &policy).is_err(), "another line");
    draft.overrides[0].lines = vec![0];
    assert_eq!(check_findings(&draft, &found, &policy), Ok(()));
    for no_reason in [" 好 ", "1111", "....", "啊啊啊啊"] {
        draft.overrides[0].reason = no_reason.into();
        assert!(check_findings(&draft, &found, &policy).is_err(), "{no_reason}");
    }
    let mut twice = found.clone();
    let again = twice.findings.iter().find(|one| one.severity == Severity::Warn).expect("one").clone();
    twice.findings.push(again);
    draft.overrides[0].reason = "今日休息".into();
    assert!(check_findings(&draft, &twice, &policy).is_err(), "two findings, one reason");
    let blocked = report(vec![line("CPM-T4", 3), line("HXZQ-T", 1)], true);
    let refusal = check_findings(&draft, &blocked, &policy).expect_err("blocked");
    assert_eq!(refusal.code, Code::SafetyBlocked);
    assert!(refusal.data.is_some());
}

#[test]
fn three_years_of_practice_to_the_day() {
    let policy = PrescribingPolicy::default();
    let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).expect("a date");
    let doctor = |since, until| DoctorStanding {
        staff: StaffId::generate(),
        consultation: ConsultationId::generate(),
        licence_verified: true,
        licence_valid_until: until,
        practising_since: since,
        reauthenticated: true,
    };
    let today = day(2026, 11, 23);
    let valid = Some(today);
    assert!(doctor_eligible(&doctor(Some(day(2023, 11, 23)), valid), today, &policy));
    assert!(!doctor_eligible(&doctor(Some(day(2023, 11, 24)), valid), today, &policy));
    assert!(doctor_eligible(
        &doctor(Some(day(2024, 2, 29)), Some(day(2030, 1, 1))),
        day(2027, 3, 1),
        &policy
    ));
    assert!(!doctor_eligible(&doctor(Some(day(2000, 1, 1)), Some(day(2026, 11, 22))), today, &policy));
    assert!(!doctor_eligible(&doctor(None, valid), today, &policy));
    assert!(!doctor_eligible(&doctor(Some(day(2000, 1, 1)), None), today, &policy));
    let unverified = DoctorStanding { licence_verified: false, ..doctor(Some(day(2000, 1, 1)), valid) };
    assert!(!doctor_eligible(&unverified, today, &policy));
}
