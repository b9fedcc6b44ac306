//! The life cycle of a prescription.

use chrono::{NaiveDate, TimeDelta, TimeZone, Utc};

use super::*;
use crate::{
    formulary::ProductCode,
    ids::ConsultationId,
    prescription::{Diagnosis, ENDED, LIVE, SupplyKind},
    safety::{DraftLine, Verdict},
};

/// 23 November 2026, 10:00 in Shanghai.
fn morning() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 23, 2, 0, 0).single().expect("once")
}

struct Scene {
    prescription: Prescription,
    doctor: DoctorStanding,
    pharmacist: PharmacistStanding,
    draft: PrescriptionDraft,
    report: SafetyReport,
    formulary: Formulary,
    rules: RuleSet,
    policy: PrescribingPolicy,
}

impl Scene {
    fn new() -> Self {
        let (staff, consultation) = (StaffId::generate(), ConsultationId::generate());
        let product = ProductCode::parse("PCM-T500").expect("code");
        let until = NaiveDate::from_ymd_opt(2030, 1, 1);
        Self {
            prescription: Prescription::draft(consultation, staff),
            doctor: DoctorStanding {
                staff,
                consultation,
                licence_verified: true,
                licence_valid_until: until,
                practising_since: NaiveDate::from_ymd_opt(2010, 1, 1),
                reauthenticated: true,
            },
            pharmacist: PharmacistStanding {
                staff: StaffId::generate(),
                licence_verified: true,
                licence_valid_until: until,
            },
            draft: PrescriptionDraft {
                lane: EncounterLane::FollowUpWithEvidence,
                kind: SupplyKind::Ordinary,
                lines: vec![DraftLine { product, dose_units_thousandths: 1000, times_per_day: 3, days: 3 }],
                diagnoses: vec![Diagnosis { code: None, text: "感冒".into() }],
                longer_reason: None,
                long_term: None,
                overrides: vec![],
                child: None,
                skin_test: None,
            },
            report: SafetyReport { verdict: Verdict::Ok, findings: vec![], ruleset_version: "s".into() },
            formulary: Formulary::shipped().expect("shipped"),
            rules: RuleSet::standard(),
            policy: PrescribingPolicy::default(),
        }
    }

    fn signing(&self) -> Signing<'_> {
        Signing {
            doctor: &self.doctor,
            draft: &self.draft,
            age_years: Some(40),
            report: &self.report,
            formulary: &self.formulary,
            rules: &self.rules,
            valid_days: Some(1),
            digest: "abc",
            emergency: false,
        }
    }

    fn in_state(state: PrescriptionState) -> Self {
        let mut scene = Self::new();
        scene.prescription.state = state;
        if state != PrescriptionState::Draft {
            scene.prescription.digest = Some("abc".into());
            scene.prescription.valid_until = Some(morning() + TimeDelta::hours(13));
            scene.prescription.reviewer = Some(scene.pharmacist.staff);
        }
        scene
    }

    fn run(&self, command: &Command<'_>) -> Result<Vec<Event>, Refusal> {
        decide(&self.prescription, command, morning(), &self.policy)
    }
}

#[test]
fn the_full_life_cycle() {
    let mut scene = Scene::new();
    let mut now = morning();
    let doctor = scene.doctor.staff;
    let mut log = vec![draft(&scene.doctor, scene.draft.lane, now, &scene.policy).expect("may prescribe")];
    for step in 0..6 {
        let command = match step {
            0 => Command::Edit { by: doctor },
            1 | 4 => Command::Sign(scene.signing()),
            2 => Command::Return { by: &scene.pharmacist, reason: ReturnReason::Dose },
            3 => Command::Edit { by: doctor },
            _ => Command::Approve { by: &scene.pharmacist, digest: "abc", countersigned: None },
        };
        let events = decide(&scene.prescription, &command, now, &scene.policy).expect("allowed");
        assert_eq!(events.len(), 1, "{step}");
        events.iter().for_each(|event| scene.prescription.apply(event));
        log.extend(events);
        now += TimeDelta::minutes(1);
    }
    assert_eq!(scene.prescription.revision, 2);
    let fulfil = Command::Fulfil { units_prescribed: 1, units_dispensed: 1 };
    let events = decide(&scene.prescription, &fulfil, now, &scene.policy).expect("all dispensed");
    scene.prescription.apply(&events[0]);
    log.extend(events);
    assert_eq!(scene.prescription.state, PrescriptionState::Fulfilled);
    for event in &log {
        assert!(!event.payload().to_string().contains("感冒") && event.kind().starts_with("prescription."));
        assert_eq!(&Event::read(event.kind(), event.payload()).expect("back"), event);
    }
    assert_eq!(Prescription::fold(&log), Some(scene.prescription));
    assert_eq!(Prescription::fold(&log[1..]), None);
}

#[test]
fn every_state_answers_every_command() {
    use PrescriptionState::{Approved, Draft, Expired, Fulfilled, Returned, Signed, Void};
    // (state, what sign, edit, approve, return, void, expire, fulfil do: + event, = already so, - moved on)
    for (state, expected) in [
        (Draft, "++--+--"),
        (Signed, "=-+++--"),
        (Returned, "-+-=+--"),
        (Approved, "=-=-+-+"),
        (Fulfilled, "=-=---="),
        (Void, "----=--"),
        (Expired, "-----=-"),
    ] {
        let scene = Scene::in_state(state);
        let commands = [
            Command::Sign(scene.signing()),
            Command::Edit { by: scene.doctor.staff },
            Command::Approve { by: &scene.pharmacist, digest: "abc", countersigned: None },
            Command::Return { by: &scene.pharmacist, reason: ReturnReason::Other },
            Command::Void {
                by: Some(scene.doctor.staff),
                reason: VoidReason::DoctorWithdrew,
                units_moving: 0,
            },
            Command::Expire { units_moving: 0 },
            Command::Fulfil { units_prescribed: 2, units_dispensed: 2 },
        ];
        let got: String = commands
            .iter()
            .map(|command| match scene.run(command) {
                Ok(events) if events.is_empty() => '=',
                Ok(_) => '+',
                Err(refusal) => {
                    assert_eq!(
                        (refusal.code, refusal.state.as_deref()),
                        (Code::StateMovedOn, Some(state.as_str()))
                    );
                    '-'
                }
            })
            .collect();
        assert_eq!(got, expected, "{state}");
        assert_eq!(LIVE.contains(&state), state.is_live());
        assert_ne!(LIVE.contains(&state), ENDED.contains(&state));
    }
}

#[test]
fn only_the_eligible_doctor_of_the_consultation_signs() {
    let refused = |change: fn(&mut Scene)| {
        let mut scene = Scene::new();
        change(&mut scene);
        scene.run(&Command::Sign(scene.signing())).expect_err("refused").code
    };
    assert_eq!(refused(|scene| scene.doctor.staff = StaffId::generate()), Code::RoleNotAllowed);
    assert_eq!(refused(|scene| scene.doctor.consultation = ConsultationId::generate()), Code::RoleNotAllowed);
    assert_eq!(refused(|scene| scene.doctor.licence_verified = false), Code::DoctorNotEligible);
    assert_eq!(
        refused(|scene| scene.doctor.practising_since = NaiveDate::from_ymd_opt(2024, 1, 1)),
        Code::DoctorNotEligible
    );
    assert_eq!(refused(|scene| scene.doctor.reauthenticated = false), Code::ReauthenticationNeeded);
    assert_eq!(refused(|scene| scene.draft.lane = EncounterLane::ConsultationOnly), Code::LaneNoPrescription);
    assert_eq!(refused(|scene| scene.report.verdict = Verdict::Block), Code::SafetyBlocked);
    assert_eq!(refused(|scene| scene.draft.diagnoses.clear()), Code::PrescribingRule);
    let scene = Scene::new();
    assert_eq!(
        scene.run(&Command::Edit { by: StaffId::generate() }).expect_err("not theirs").code,
        Code::RoleNotAllowed
    );
}

#[test]
fn a_signed_digest_is_not_replaced() {
    let scene = Scene::in_state(PrescriptionState::Signed);
    let other = Signing { digest: "other", ..scene.signing() };
    assert_eq!(scene.run(&Command::Sign(other)).expect_err("another document").code, Code::StateMovedOn);
    let approve = Command::Approve { by: &scene.pharmacist, digest: "other", countersigned: None };
    assert_eq!(scene.run(&approve).expect_err("another document").code, Code::StateMovedOn);
}

#[test]
fn nobody_reviews_their_own() {
    let scene = Scene::in_state(PrescriptionState::Signed);
    let own = PharmacistStanding { staff: scene.doctor.staff, ..scene.pharmacist.clone() };
    let lapsed = PharmacistStanding {
        licence_valid_until: NaiveDate::from_ymd_opt(2026, 11, 22),
        ..scene.pharmacist.clone()
    };
    let approve = |by| {
        scene.run(&Command::Approve { by, digest: "abc", countersigned: None }).expect_err("refused").code
    };
    assert_eq!(approve(&own), Code::OwnReview);
    assert_eq!(approve(&lapsed), Code::RoleNotAllowed);
    let send_back = Command::Return { by: &own, reason: ReturnReason::Dose };
    assert_eq!(scene.run(&send_back).expect_err("own").code, Code::OwnReview);
}

#[test]
fn validity_and_open_attempts_delay_the_end() {
    let scene = Scene::in_state(PrescriptionState::Approved);
    let until = scene.prescription.valid_until.expect("set");
    let expire = |now, units_moving| {
        decide(&scene.prescription, &Command::Expire { units_moving }, now, &scene.policy)
    };
    assert!(expire(until, 0).is_err());
    assert!(expire(until + TimeDelta::microseconds(1), 1).is_err());
    assert_eq!(
        expire(until + TimeDelta::microseconds(1), 0),
        Ok(vec![Event::Expired { valid_until: until }])
    );
    let void = Command::Void { by: None, reason: VoidReason::Recalled, units_moving: 1 };
    assert_eq!(scene.run(&void).expect_err("moving").code, Code::AttemptInDoubt);
    let fulfil = |units_dispensed| scene.run(&Command::Fulfil { units_prescribed: 2, units_dispensed });
    assert_eq!(fulfil(1).expect_err("not yet").code, Code::StateMovedOn);
    assert_eq!(fulfil(3).expect_err("too many").code, Code::UnitsExceeded);
    let late = Scene::in_state(PrescriptionState::Signed);
    let approve = Command::Approve { by: &late.pharmacist, digest: "abc", countersigned: None };
    let refusal =
        decide(&late.prescription, &approve, until + TimeDelta::hours(1), &late.policy).expect_err("late");
    assert_eq!(refusal.code, Code::PrescriptionExpired);
}
