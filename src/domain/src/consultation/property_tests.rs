//! Property test: any sequence of commands, by any doctors, at any times, preserves the invariants.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    ids::{ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::{Department, MatchingPolicy},
    time::Timestamp,
    triage::TriageLevel,
};

fn start() -> Timestamp {
    DateTime::from_timestamp(1_795_000_000, 0).expect("a real time")
}

fn doctor(number: u8) -> StaffId {
    StaffId::from_uuid(Uuid::from_u128(100 + u128::from(number)))
}

fn offer_id(number: u8) -> OfferId {
    OfferId::from_uuid(Uuid::from_u128(200 + u128::from(number)))
}

/// Few doctors, offers and fences, so that matching and non-matching answers are both frequent.
fn command() -> impl Strategy<Value = (Command, i64)> {
    let (who, which, fence) = (0..3_u8, 0..4_u8, 0..5_i64);
    let (answer, which_new) = ((who.clone(), which.clone(), fence.clone()), which.clone());
    let command = prop_oneof![
        4 => (answer.clone(), 1..60_i64).prop_map(|((who, which, fence), expiry)| Command::Offer {
            offer: offer_id(which),
            doctor: doctor(who),
            hospital: HospitalId::from_uuid(Uuid::from_u128(u128::from(who))),
            fence,
            // Relative to the start; `aim_at_offer` shifts it to the current time.
            expires_at: start() + TimeDelta::seconds(expiry),
        }),
        4 => answer.clone().prop_map(|(who, which, fence)| Command::Accept {
            offer: offer_id(which), doctor: doctor(who), fence,
        }),
        1 => answer.prop_map(|(who, which, fence)| Command::Decline {
            offer: offer_id(which), doctor: doctor(who), fence,
        }),
        1 => which.prop_map(|which| Command::ExpireOffer { offer: offer_id(which) }),
        1 => (who.clone(), 0..300_i64).prop_map(|(who, lost)| Command::Requeue {
            doctor: doctor(who), lost_since: start() + TimeDelta::seconds(lost),
        }),
        1 => Just(Command::Cancel { reason: CancelReason::ByWorker }),
        1 => who.clone().prop_map(|who| Command::Release { doctor: doctor(who) }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, surgery)| {
            let department = if surgery { Department::known("surgery") } else { Department::GENERAL_PRACTICE };
            Command::Transfer { doctor: doctor(who), to: Destination::Department(department) }
        }),
        1 => (who.clone(), who.clone(), which_new).prop_map(|(who, other, which)| Command::Transfer {
            doctor: doctor(who),
            to: Destination::Doctor {
                offer: offer_id(which),
                doctor: doctor(other),
                hospital: HospitalId::from_uuid(Uuid::from_u128(u128::from(other))),
                expires_at: start() + TimeDelta::seconds(20),
            },
        }),
        1 => Just(Command::WorkerLeft { station: StationId::from_uuid(Uuid::nil()) }),
        1 => Just(Command::Call),
        1 => Just(Command::WorkerBack),
        1 => Just(Command::EndAbsent),
        1 => (who.clone(), prop::option::of(0..300_i64)).prop_map(|(who, heard)| Command::NoShow {
            doctor: doctor(who), last_heard: heard.map(|heard| start() + TimeDelta::seconds(heard)),
        }),
        1 => who.prop_map(|who| Command::Complete { doctor: doctor(who) }),
        1 => Just(Command::GiveUp),
        1 => (0..4_usize).prop_map(|level| Command::Triage { level: TriageLevel::ALL[level] }),
        1 => (0..7_u8).prop_map(|rating| Command::Rate { rating }),
    ];
    (command, prop_oneof![9 => 0..15_i64, 1 => 0..4_000_i64])
}

/// Points half of the answers at the current offer; otherwise nearly all would be refused.
fn aim_at_offer(command: Command, snapshot: &Consultation, now: Timestamp, aim: bool) -> Command {
    let last = snapshot.offer.clone().filter(|_| aim);
    match (command, last) {
        (Command::Offer { offer, doctor, hospital, fence, expires_at }, _) => {
            let fence = if aim { snapshot.fence + 1 } else { fence };
            Command::Offer { offer, doctor, hospital, fence, expires_at: now + (expires_at - start()) }
        }
        (Command::Accept { .. }, Some(last)) => {
            Command::Accept { offer: last.id, doctor: last.doctor, fence: last.fence }
        }
        (Command::Decline { .. }, Some(last)) => {
            Command::Decline { offer: last.id, doctor: last.doctor, fence: last.fence }
        }
        (Command::ExpireOffer { .. }, Some(last)) => Command::ExpireOffer { offer: last.id },
        (Command::Transfer { doctor, to }, last) => Command::Transfer {
            doctor: last.map_or(doctor, |last| last.doctor),
            to: match to {
                Destination::Doctor { offer, doctor, hospital, expires_at } => {
                    Destination::Doctor { offer, doctor, hospital, expires_at: now + (expires_at - start()) }
                }
                Destination::Department(department) => Destination::Department(department),
            },
        },
        (Command::Release { .. }, Some(last)) => Command::Release { doctor: last.doctor },
        (Command::NoShow { last_heard, .. }, Some(last)) => {
            Command::NoShow { doctor: last.doctor, last_heard }
        }
        (Command::Complete { .. }, Some(last)) => Command::Complete { doctor: last.doctor },
        (Command::Requeue { lost_since, .. }, Some(last)) => {
            Command::Requeue { doctor: last.doctor, lost_since }
        }
        (other, _) => other,
    }
}

fn check_snapshot(snapshot: &Consultation) {
    let state = snapshot.state;
    let with_doctor = matches!(state, ConsultationState::Active | ConsultationState::Completed)
        || snapshot.cancel_reason == Some(CancelReason::NoShow);
    assert_eq!(snapshot.doctor.is_some(), with_doctor, "a doctor is set exactly while or after one has it");
    assert_eq!(snapshot.cancel_reason.is_some(), state == ConsultationState::Cancelled);
    assert!(
        snapshot.left_at.is_none() || state != ConsultationState::Offered,
        "an offer is open although the worker left"
    );
    assert!(snapshot.called_at.is_none() || snapshot.left_at.is_some(), "only who is away is called");
    assert_eq!(snapshot.hospital.is_some(), with_doctor);
    assert_eq!(snapshot.accepted_at.is_some(), with_doctor);
    assert_eq!(snapshot.ended_at.is_some(), !state.is_live());
    let offer = snapshot.offer.as_ref();
    assert!(snapshot.matches_offer(), "{snapshot:?}");
    if with_doctor {
        assert_eq!(offer.map(|offer| offer.doctor), snapshot.doctor, "the doctor of the accepted offer");
    }
    assert!(snapshot.rating.is_none() || state == ConsultationState::Completed);
}

fn check_step(before: &Consultation, after: &Consultation, events: &[ConsultationEvent], now: Timestamp) {
    let offers = events.iter().filter(|event| matches!(event, ConsultationEvent::Offered { .. })).count();
    assert_eq!(after.fence, before.fence + offers as i64, "the fence grows by one per offer");
    if !before.state.is_live() {
        assert_eq!(after.state, before.state, "ended states never change");
        assert_eq!((after.doctor, after.ended_at), (before.doctor, before.ended_at));
    }
    let gives_up = |event: &ConsultationEvent| {
        matches!(event, ConsultationEvent::Requeued { .. } | ConsultationEvent::Transferred { .. })
    };
    let lost = events.iter().any(gives_up);
    if before.doctor.is_some() && !lost {
        assert_eq!(before.doctor, after.doctor, "a doctor is never swapped");
    }
    if before.state != ConsultationState::Active && after.state == ConsultationState::Active {
        assert!(before.offer.as_ref().is_some_and(|offer| now < offer.expires_at), "never accepted late");
    }
    assert_eq!(before.waiting_since, after.waiting_since, "the original waiting time never changes");
    let moved = events.iter().any(|event| {
        matches!(event, ConsultationEvent::Transferred { to_department: Some(to), .. } if *to == after.department)
    });
    assert!(moved || before.department == after.department, "only a transfer changes the department");
    assert!(after.triage <= before.triage, "the triage level never falls");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_preserves_the_invariants(steps in prop::collection::vec((command(), any::<bool>()), 1..60)) {
        let policy = MatchingPolicy::default();
        let (id, worker) = (ConsultationId::from_uuid(Uuid::nil()), WorkerId::from_uuid(Uuid::nil()));
        let mut log = vec![ConsultationEvent::Requested { consultation: id, worker, at: start(), triage: Some(TriageLevel::Standard), medium: Medium::Text, department: None }];
        let mut snapshot = Consultation::fold(&log).expect("the first event is a request");
        let mut now = start();
        for ((command, passed), aim) in steps {
            now += TimeDelta::seconds(passed);
            let command = aim_at_offer(command, &snapshot, now, aim);
            let before = snapshot.clone();
            let events = snapshot.decide(&command, now, &policy).unwrap_or_default();
            events.iter().for_each(|event| snapshot.apply(event));
            check_snapshot(&snapshot);
            check_step(&before, &snapshot, &events, now);
            if let Command::Accept { offer, doctor, fence } = command && !events.is_empty() {
                let offered = before.offer.as_ref().map(|offer| (offer.id, offer.doctor, offer.fence));
                prop_assert_eq!(offered, Some((offer, doctor, fence)), "accepted by another doctor than the offer's");
            }
            if !events.is_empty() {
                let again = snapshot.decide(&command, now, &policy);
                prop_assert_eq!(again, Ok(vec![]), "{:?} is not already done", command);
            }
            log.extend(events);
            prop_assert_eq!(Consultation::fold(&log), Some(snapshot.clone()), "the fold equals the snapshot");
        }
        for event in &log {
            let read = ConsultationEvent::read(event.kind(), event.payload()).expect("the log can be read");
            prop_assert_eq!(&read, event);
        }
    }
}

#[test]
fn a_log_without_its_request_folds_to_nothing() {
    assert_eq!(Consultation::fold(&[]), None);
    assert_eq!(Consultation::fold(&[ConsultationEvent::Rated { rating: 1 }]), None);
    assert!(ConsultationEvent::read("consultation.danced", serde_json::json!({})).is_err());
    let payload = ConsultationEvent::Unserved { at: start() }.payload();
    assert!(ConsultationEvent::read("consultation.rated", payload).is_err());
}
