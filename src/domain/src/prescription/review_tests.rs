//! Claims, questions, and how much is supplied.

use chrono::{NaiveDate, TimeDelta, TimeZone, Utc};

use super::*;
use crate::{
    ids::ConsultationId,
    prescription::{
        Command, PrescribingPolicy, SupplyChange, SupplyDecider, SupplyLine, SupplyReason, VoidReason, decide,
    },
};

/// 23 November 2026, 10:00 in Shanghai.
fn morning() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 23, 2, 0, 0).single().expect("once")
}

fn at(seconds: i64) -> Timestamp {
    morning() + TimeDelta::seconds(seconds)
}

fn pharmacist() -> PharmacistStanding {
    PharmacistStanding {
        staff: StaffId::generate(),
        licence_verified: true,
        licence_valid_until: NaiveDate::from_ymd_opt(2026, 11, 23),
    }
}

fn signed() -> Prescription {
    Prescription {
        state: PrescriptionState::Signed,
        digest: Some("abc".into()),
        valid_until: Some(morning() + TimeDelta::hours(13)),
        ..Prescription::draft(ConsultationId::generate(), StaffId::generate())
    }
}

fn run(
    prescription: &mut Prescription,
    command: &Command<'_>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let events = decide(prescription, command, now, &PrescribingPolicy::default())?;
    events.iter().for_each(|event| prescription.apply(event));
    Ok(events)
}

fn refused(prescription: &Prescription, command: &Command<'_>, now: Timestamp) -> Code {
    run(&mut prescription.clone(), command, now).expect_err("refused").code
}

#[test]
fn a_claim_keeps_others_out_until_it_expires() {
    let (mut it, one, other) = (signed(), pharmacist(), pharmacist());
    let claim =
        |by, now: Timestamp| Command::Claim { by, on_shift: true, until: now + TimeDelta::seconds(600) };
    assert_eq!(run(&mut it, &claim(&one, at(0)), at(0)).expect("free").len(), 1);
    assert_eq!(run(&mut it, &claim(&one, at(9)), at(9)), Ok(vec![]), "it is not made longer");
    for command in [
        claim(&other, at(599)),
        Command::Approve { by: &other, digest: "abc", countersigned: None },
        Command::Return { by: &other, reason: ReturnReason::Dose },
        Command::Ask { by: &other, question: ReviewQuestionId::generate() },
        Command::Release { by: other.staff },
    ] {
        assert_eq!(refused(&it, &command, at(599)), Code::ReviewClaimed, "{command:?}");
    }
    assert_eq!(run(&mut it.clone(), &Command::ReleaseExpired, at(599)), Ok(vec![]));
    let mut swept = it.clone();
    let released = Event::Released { reviewer: one.staff, reason: ReleaseReason::Expired };
    assert_eq!(run(&mut swept, &Command::ReleaseExpired, at(600)), Ok(vec![released.clone()]));
    assert_eq!(swept.claim, None);
    let events = run(&mut it, &claim(&other, at(600)), at(600)).expect("expired");
    assert_eq!(events[0], released);
    assert_eq!(it.claim_at(at(600)).map(|claim| claim.by), Some(other.staff));
    assert_eq!(run(&mut it, &Command::Release { by: other.staff }, at(601)).expect("theirs").len(), 1);
    assert_eq!(run(&mut it, &Command::Release { by: other.staff }, at(601)), Ok(vec![]));
    assert_eq!(it.claim, None);
}

#[test]
fn who_may_not_review_may_not_claim() {
    let (it, good) = (signed(), pharmacist());
    let claim = |by, on_shift| Command::Claim { by, on_shift, until: at(600) };
    assert_eq!(refused(&it, &claim(&good, false), at(0)), Code::NotOnShift);
    let own = PharmacistStanding { staff: it.prescriber, ..good.clone() };
    assert_eq!(refused(&it, &claim(&own, true), at(0)), Code::OwnReview);
    // The licence ends with the day: after midnight in Shanghai neither is a claim made, nor decided on.
    let mut held = signed();
    held.valid_until = Some(at(48 * 3600));
    run(&mut held, &Command::Claim { by: &good, on_shift: true, until: at(20 * 3600) }, at(0)).expect("free");
    let tomorrow = at(14 * 3600);
    for command in [
        Command::Approve { by: &good, digest: "abc", countersigned: None },
        Command::Return { by: &good, reason: ReturnReason::Dose },
        Command::Ask { by: &good, question: ReviewQuestionId::generate() },
    ] {
        assert_eq!(refused(&held, &command, tomorrow), Code::RoleNotAllowed, "{command:?}");
    }
    let late = PharmacistStanding { licence_valid_until: NaiveDate::from_ymd_opt(2030, 1, 1), ..good };
    assert_eq!(refused(&it, &claim(&late, true), tomorrow), Code::PrescriptionExpired);
}

#[test]
fn a_question_waits_for_the_prescriber_only() {
    let (mut it, one, other) = (signed(), pharmacist(), pharmacist());
    let question = ReviewQuestionId::generate();
    run(&mut it, &Command::Claim { by: &one, on_shift: true, until: at(600) }, at(0)).expect("free");
    run(&mut it, &Command::Ask { by: &one, question }, at(1)).expect("asked");
    assert_eq!((it.claim, it.question), (None, Some(question)));
    for command in [
        Command::Claim { by: &other, on_shift: true, until: at(600) },
        Command::Approve { by: &one, digest: "abc", countersigned: None },
        Command::Ask { by: &one, question: ReviewQuestionId::generate() },
    ] {
        assert_eq!(refused(&it, &command, at(2)), Code::QuestionOpen, "{command:?}");
    }
    let answer = |by, question| Command::Answer { by, question };
    assert_eq!(refused(&it, &answer(one.staff, question), at(2)), Code::RoleNotAllowed);
    let another = ReviewQuestionId::generate();
    assert_eq!(refused(&it, &answer(it.prescriber, another), at(2)), Code::StateMovedOn);
    let mut returned = it.clone();
    run(&mut returned, &Command::Return { by: &other, reason: ReturnReason::Incomplete }, at(2))
        .expect("may");
    assert_eq!((returned.state, returned.question), (PrescriptionState::Returned, None));
    let prescriber = it.prescriber;
    run(&mut it, &answer(prescriber, question), at(2)).expect("answered");
    assert_eq!(refused(&it, &answer(prescriber, question), at(3)), Code::StateMovedOn);
    run(&mut it, &Command::Approve { by: &other, digest: "abc", countersigned: None }, at(3))
        .expect("answered");
}

#[test]
fn whatever_ends_a_review_ends_claim_and_question() {
    let one = pharmacist();
    let claim = Command::Claim { by: &one, on_shift: true, until: at(600) };
    let void = Command::Void { by: None, reason: VoidReason::DoctorWithdrew, units_moving: 0 };
    for (command, now) in [
        (Command::Approve { by: &one, digest: "abc", countersigned: None }, at(1)),
        (Command::Return { by: &one, reason: ReturnReason::Dose }, at(1)),
        (void, at(1)),
        (Command::Expire { units_moving: 0 }, at(20 * 3600)),
    ] {
        let mut it = signed();
        run(&mut it, &claim, at(0)).expect("free");
        run(&mut it, &command, now).expect("ends");
        assert_eq!((it.claim, it.question), (None, None), "{command:?}");
        assert_ne!(it.state, PrescriptionState::Signed);
    }
}

#[test]
fn supply_only_takes_away_and_leaves_something() {
    let (it, one) = (signed(), pharmacist());
    let lines = [
        SupplyLine { prescribed: 2, supplied: 2, taken: 1 },
        SupplyLine { prescribed: 1, supplied: 1, taken: 0 },
        SupplyLine { prescribed: 3, supplied: 0, taken: 0 },
    ];
    let approved = Prescription { state: PrescriptionState::Approved, ..it.clone() };
    let supply = |it: &Prescription, by, line_no, packs, lines: &[SupplyLine]| {
        let change = SupplyChange { by, line_no, packs, reason: SupplyReason::SoldOut, lines };
        run(&mut it.clone(), &Command::Supply(change), at(1)).map_err(|refusal| {
            refusal.fields.first().map_or(refusal.code.as_str().to_owned(), |field| field.code.clone())
        })
    };
    let doctor = SupplyDecider::Doctor(it.prescriber);
    assert_eq!(supply(&it, doctor, 2, 0, &lines).map(|events| events.len()), Ok(1));
    assert_eq!(supply(&it, doctor, 2, 1, &lines), Ok(vec![]), "so it is already");
    assert_eq!(supply(&it, doctor, 3, 3, &lines).map(|events| events.len()), Ok(1), "taken back");
    assert_eq!(supply(&it, doctor, 2, 2, &lines), Err("out_of_range".into()));
    assert_eq!(supply(&it, doctor, 1, 0, &lines), Err("units_exceeded".into()));
    for line_no in [0, 4, u32::MAX] {
        assert_eq!(supply(&it, doctor, line_no, 0, &lines), Err("unknown".into()));
    }
    let last = [lines[2], SupplyLine { taken: 0, ..lines[1] }];
    assert_eq!(supply(&it, doctor, 2, 0, &last), Err("nothing_left".into()));
    assert_eq!(supply(&it, SupplyDecider::Doctor(one.staff), 2, 0, &lines), Err("role_not_allowed".into()));
    let pharmacist = SupplyDecider::Pharmacist(&one);
    assert_eq!(supply(&it, pharmacist, 2, 0, &lines).map(|events| events.len()), Ok(1));
    assert_eq!(supply(&approved, pharmacist, 2, 0, &lines), Err("state_moved_on".into()));
    assert_eq!(supply(&approved, doctor, 2, 0, &lines).map(|events| events.len()), Ok(1));
}
