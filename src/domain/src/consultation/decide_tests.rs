//! Each command: in time, repeated, too late, and by the wrong doctor.

use chrono::{TimeDelta, TimeZone};

use super::*;
use crate::consultation::Medium;
use crate::{
    ids::{ConsultationId, StationId, WorkerId},
    matching::Department,
};

fn at(seconds: i64) -> Timestamp {
    let start = chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time");
    start + TimeDelta::seconds(seconds)
}

/// A consultation with one doctor and one offer, made at second 0.
struct Scenario {
    consultation: Consultation,
    offer: OfferId,
    doctor: StaffId,
}

impl Scenario {
    fn waiting() -> Self {
        let (consultation, worker) = (ConsultationId::generate(), WorkerId::generate());
        let event = Event::Requested {
            consultation,
            worker,
            at: at(0),
            triage: Some(TriageLevel::Standard),
            medium: Medium::Text,
            department: Some(Department::GENERAL_PRACTICE),
        };
        let consultation = Consultation::begin(&event).expect("a request");
        Self { consultation, offer: OfferId::generate(), doctor: StaffId::generate() }
    }

    fn offered() -> Self {
        let mut scenario = Self::waiting();
        scenario.run_twice(&scenario.offer_command(1), 0);
        scenario
    }

    fn active() -> Self {
        let mut scenario = Self::offered();
        scenario.run_twice(&scenario.accept(), 1);
        scenario
    }

    fn completed() -> Self {
        let mut scenario = Self::active();
        scenario.run_twice(&Command::Complete { doctor: scenario.doctor }, 2);
        scenario
    }

    fn offer_command(&self, fence: i64) -> Command {
        let hospital = HospitalId::from_uuid(self.doctor.uuid());
        Command::Offer { offer: self.offer, doctor: self.doctor, hospital, fence, expires_at: at(20) }
    }

    fn accept(&self) -> Command {
        Command::Accept { offer: self.offer, doctor: self.doctor, fence: 1 }
    }

    fn decline(&self) -> Command {
        Command::Decline { offer: self.offer, doctor: self.doctor, fence: 1 }
    }

    fn requeue(&self, lost: i64) -> Command {
        Command::Requeue { doctor: self.doctor, lost_since: at(lost) }
    }

    fn transfer_to(&self, code: &str) -> Command {
        let department = Department::parse(code).expect("a code");
        Command::Transfer { doctor: self.doctor, to: Destination::Department(department) }
    }

    fn transfer_to_doctor(&self, other: StaffId) -> Command {
        let (offer, hospital) = (OfferId::from_uuid(other.uuid()), HospitalId::from_uuid(other.uuid()));
        let to = Destination::Doctor { offer, doctor: other, hospital, expires_at: at(120) };
        Command::Transfer { doctor: self.doctor, to }
    }

    fn decide(&self, command: &Command, second: i64) -> Answer {
        self.consultation.decide(command, at(second), &MatchingPolicy::default())
    }

    /// Applies `command` and checks that a repetition changes nothing.
    fn run_twice(&mut self, command: &Command, second: i64) {
        let events = self.decide(command, second).expect("allowed");
        assert!(!events.is_empty(), "{command:?} did nothing");
        for event in &events {
            self.consultation.apply(event);
        }
        assert_eq!(self.decide(command, second), ALREADY_DONE, "{command:?} twice");
    }

    fn refusal_of(&self, command: &Command, second: i64) -> (Code, String) {
        let refusal = self.decide(command, second).expect_err("refused");
        (refusal.code, refusal.state.expect("the current state"))
    }

    fn all_commands(&self) -> Vec<Command> {
        vec![
            self.offer_command(1),
            self.accept(),
            self.decline(),
            Command::ExpireOffer { offer: self.offer },
            self.requeue(0),
            Command::Cancel { reason: CancelReason::ByWorker },
            Command::Complete { doctor: self.doctor },
            Command::GiveUp,
            Command::Release { doctor: self.doctor },
            self.transfer_to("surgery"),
            self.transfer_to_doctor(StaffId::generate()),
            LEFT,
            Command::WorkerBack,
            Command::Call,
            Command::EndAbsent,
            Command::NoShow { doctor: self.doctor, last_heard: None },
        ]
    }
}

const LEFT: Command = Command::WorkerLeft { station: StationId::from_uuid(uuid::Uuid::nil()) };
const CANCEL: Command = Command::Cancel { reason: CancelReason::ByWorker };

#[test]
fn a_completed_consultation_can_be_rated_once() {
    let mut scenario = Scenario::completed();
    assert_eq!(scenario.consultation.doctor, Some(scenario.doctor));
    assert_eq!(scenario.consultation.hospital, Some(HospitalId::from_uuid(scenario.doctor.uuid())));
    assert_eq!(scenario.consultation.ended_at, Some(at(2)));
    scenario.run_twice(&Command::Rate { rating: 5 }, 3);
    assert_eq!(scenario.refusal_of(&Command::Rate { rating: 4 }, 4).0, Code::AlreadyExists);
}

#[test]
fn an_offer_needs_the_next_fence_and_a_future_expiry() {
    let scenario = Scenario::waiting();
    for fence in [0, 2, -1, i64::MAX] {
        assert_eq!(
            scenario.refusal_of(&scenario.offer_command(fence), 0),
            (Code::StateMovedOn, "waiting".into())
        );
    }
    let refusal = scenario.decide(&scenario.offer_command(1), 20).expect_err("expired when made");
    assert_eq!(refusal.fields[0].field, "expires_at");
    let offered = Scenario::offered();
    let another = Command::Offer {
        offer: OfferId::generate(),
        doctor: offered.doctor,
        hospital: HospitalId::generate(),
        fence: 2,
        expires_at: at(20),
    };
    assert_eq!(offered.refusal_of(&another, 1), (Code::StateMovedOn, "offered".into()));
}

#[test]
fn only_the_offered_doctor_accepts_and_only_in_time() {
    let scenario = Scenario::offered();
    assert!(scenario.decide(&scenario.accept(), 19).is_ok());
    assert_eq!(scenario.refusal_of(&scenario.accept(), 20), (Code::OfferNotYours, "offered".into()));
    let (offer, doctor) = (scenario.offer, scenario.doctor);
    for wrong in [
        Command::Accept { offer, doctor: StaffId::generate(), fence: 1 },
        Command::Accept { offer: OfferId::generate(), doctor, fence: 1 },
        Command::Accept { offer, doctor, fence: 2 },
    ] {
        assert_eq!(scenario.refusal_of(&wrong, 1).0, Code::OfferNotYours);
        assert_eq!(Scenario { ..Scenario::active() }.refusal_of(&wrong, 1).0, Code::OfferNotYours);
    }
}

#[test]
fn a_repeated_accept_succeeds_after_expiry_while_active() {
    let scenario = Scenario::active();
    assert_eq!(scenario.decide(&scenario.accept(), 500), ALREADY_DONE);
    let ended = Scenario::completed();
    assert_eq!(ended.refusal_of(&ended.accept(), 3), (Code::StateMovedOn, "completed".into()));
}

#[test]
fn a_declined_or_expired_offer_returns_to_the_queue() {
    let mut declined = Scenario::offered();
    declined.run_twice(&declined.decline(), 5);
    let mut expired = Scenario::offered();
    let expire = Command::ExpireOffer { offer: expired.offer };
    let early = expired.decide(&expire, 12).expect_err("not before its time");
    assert_eq!((early.code, early.retry_after_s), (Code::StateMovedOn, Some(8)));
    expired.run_twice(&expire, 20);
    for mut scenario in [declined, expired] {
        assert_eq!(
            (scenario.consultation.state, scenario.consultation.waiting_since),
            (State::Waiting, at(0))
        );
        assert_eq!(scenario.refusal_of(&scenario.accept(), 6), (Code::OfferNotYours, "waiting".into()));
        scenario.offer = OfferId::generate();
        assert_eq!(scenario.refusal_of(&scenario.offer_command(1), 6).0, Code::StateMovedOn);
        scenario.run_twice(&scenario.offer_command(2), 6);
    }
}

#[test]
fn a_lost_doctor_has_ninety_seconds() {
    let mut scenario = Scenario::active();
    let early = scenario.decide(&scenario.requeue(10), 99).expect_err("within the grace");
    assert_eq!(early.retry_after_s, Some(1));
    let long_ago = scenario.decide(&scenario.requeue(-500), 90).expect_err("accepted at second 1");
    assert_eq!(long_ago.retry_after_s, Some(1));
    let stranger = Command::Requeue { doctor: StaffId::generate(), lost_since: at(0) };
    assert_eq!(scenario.refusal_of(&stranger, 999), (Code::StateMovedOn, "active".into()));
    scenario.run_twice(&scenario.requeue(10), 100);
    assert_eq!((scenario.consultation.state, scenario.consultation.doctor), (State::Waiting, None));
    assert_eq!(scenario.consultation.waiting_since, at(0));
    assert_eq!(scenario.refusal_of(&scenario.accept(), 101), (Code::OfferNotYours, "waiting".into()));
    let complete = Command::Complete { doctor: scenario.doctor };
    assert_eq!(scenario.refusal_of(&complete, 101), (Code::StateMovedOn, "waiting".into()));
}

#[test]
fn a_worker_cancels_until_a_doctor_has_it() {
    let mut waiting = Scenario::waiting();
    waiting.run_twice(&CANCEL, 1);
    let mut offered = Scenario::offered();
    let events = offered.decide(&CANCEL, 1).expect("allowed");
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["consultation.offer_withdrawn", "consultation.cancelled"]);
    offered.run_twice(&CANCEL, 1);
    assert_eq!(offered.refusal_of(&offered.accept(), 2), (Code::StateMovedOn, "cancelled".into()));
    assert_eq!(Scenario::active().refusal_of(&CANCEL, 2), (Code::StateMovedOn, "active".into()));
}

#[test]
fn an_absent_worker_gets_no_offer_and_returns_or_is_cancelled() {
    let mut scenario = Scenario::offered();
    let kinds: Vec<_> = scenario.decide(&LEFT, 2).expect("allowed").iter().map(Event::kind).collect();
    assert_eq!(kinds, ["consultation.offer_withdrawn", "consultation.worker_left"]);
    scenario.run_twice(&LEFT, 2);
    assert_eq!(scenario.refusal_of(&scenario.accept(), 3), (Code::OfferNotYours, "waiting".into()));
    assert_eq!(scenario.refusal_of(&scenario.offer_command(2), 3), (Code::StateMovedOn, "waiting".into()));
    // Until the limit of the wait their turn may not have come.
    assert_eq!(scenario.decide(&Command::EndAbsent, 1_199).expect_err("early").retry_after_s, Some(1));
    let mut back = Scenario { consultation: scenario.consultation.clone(), ..scenario };
    back.run_twice(&Command::WorkerBack, 100);
    assert_eq!(back.refusal_of(&Command::EndAbsent, 99_999), (Code::StateMovedOn, "waiting".into()));
    scenario.run_twice(&Command::EndAbsent, 1_200);
    assert_eq!(scenario.consultation.cancel_reason, Some(CancelReason::WorkerLeft));
    // While active, only the doctor decides.
    let mut active = Scenario::active();
    active.run_twice(&LEFT, 2);
    assert_eq!(active.refusal_of(&Command::EndAbsent, 99_999), (Code::StateMovedOn, "active".into()));
}

#[test]
fn an_absent_worker_is_called_and_then_has_the_whole_time_again() {
    let mut scenario = Scenario::waiting();
    assert_eq!(scenario.refusal_of(&Command::Call, 1), (Code::StateMovedOn, "waiting".into()));
    let policy = MatchingPolicy::default();
    assert_eq!(scenario.consultation.held_until(&policy), None);
    scenario.run_twice(&LEFT, 10);
    assert_eq!(scenario.consultation.held_until(&policy), Some(at(1_200)));
    let mut late = Scenario { consultation: scenario.consultation.clone(), ..scenario };
    late.run_twice(&Command::WorkerBack, 1_000);
    late.run_twice(&LEFT, 1_010);
    assert_eq!(late.consultation.held_until(&policy), Some(at(1_310)));
    scenario.run_twice(&Command::Call, 200);
    assert_eq!(scenario.consultation.held_until(&policy), Some(at(500)));
    assert_eq!(scenario.decide(&Command::EndAbsent, 499).expect_err("early").retry_after_s, Some(1));
    let mut back = Scenario { consultation: scenario.consultation.clone(), ..scenario };
    back.run_twice(&Command::WorkerBack, 400);
    assert_eq!((back.consultation.called_at, back.consultation.left_station), (None, None));
    back.run_twice(&back.offer_command(1), 0);
    back.run_twice(&back.accept(), 1);
    back.run_twice(&LEFT, 2);
    assert_eq!(back.refusal_of(&Command::Call, 3), (Code::StateMovedOn, "active".into()));
    scenario.run_twice(&Command::EndAbsent, 500);
}

#[test]
fn a_doctor_ends_a_no_show_after_a_wait_from_the_last_activity() {
    let mut scenario = Scenario::active();
    let doctor = scenario.doctor;
    let no_show = |heard: Option<i64>| Command::NoShow { doctor, last_heard: heard.map(at) };
    assert_eq!(scenario.decide(&no_show(None), 180).expect_err("early").retry_after_s, Some(1));
    assert_eq!(scenario.decide(&no_show(Some(100)), 279).expect_err("early").retry_after_s, Some(1));
    let stranger = Command::NoShow { doctor: StaffId::generate(), last_heard: None };
    assert_eq!(scenario.refusal_of(&stranger, 999), (Code::StateMovedOn, "active".into()));
    scenario.run_twice(&no_show(Some(100)), 280);
    assert_eq!(scenario.consultation.cancel_reason, Some(CancelReason::NoShow));
    assert_eq!(scenario.consultation.doctor, Some(scenario.doctor));
}

#[test]
fn a_doctor_who_signs_out_releases_the_consultation() {
    for mut scenario in [Scenario::offered(), Scenario::active()] {
        let stranger = Command::Release { doctor: StaffId::generate() };
        assert_eq!(scenario.refusal_of(&stranger, 2).0, Code::StateMovedOn);
        scenario.run_twice(&Command::Release { doctor: scenario.doctor }, 2);
        assert_eq!((scenario.consultation.state, scenario.consultation.doctor), (State::Waiting, None));
        assert_eq!(scenario.consultation.waiting_since, at(0));
    }
}

#[test]
fn a_transfer_to_a_department_waits_there_with_its_original_time() {
    let mut scenario = Scenario::active();
    scenario.run_twice(&scenario.transfer_to("surgery"), 100);
    let now = &scenario.consultation;
    assert_eq!((now.state, now.doctor, now.hospital, now.accepted_at), (State::Waiting, None, None, None));
    assert_eq!(
        (now.waiting_since, now.requeued_at, now.transferred_at),
        (at(0), Some(at(100)), Some(at(100)))
    );
    assert_eq!(now.department.as_str(), "surgery");
    // Its doctor was not lost, and refused it so to speak.
    assert_eq!(now.offer.as_ref().map(|offer| offer.state), Some(OfferState::Declined));
    assert_eq!(scenario.refusal_of(&scenario.requeue(0), 999), (Code::StateMovedOn, "waiting".into()));
    assert_eq!(scenario.refusal_of(&scenario.accept(), 101), (Code::OfferNotYours, "waiting".into()));
    let complete = Command::Complete { doctor: scenario.doctor };
    assert_eq!(scenario.refusal_of(&complete, 101), (Code::StateMovedOn, "waiting".into()));
    // Long after the request: the limit counts from the transfer.
    assert!(scenario.decide(&Command::GiveUp, 7_299).is_err());
    scenario.run_twice(&Command::GiveUp, 7_300);
}

#[test]
fn a_transfer_to_a_doctor_is_an_offer_at_once() {
    let mut scenario = Scenario::active();
    let other = StaffId::generate();
    let command = scenario.transfer_to_doctor(other);
    let kinds: Vec<_> = scenario.decide(&command, 100).expect("allowed").iter().map(Event::kind).collect();
    assert_eq!(kinds, ["consultation.transferred", "consultation.offered"]);
    scenario.run_twice(&command, 100);
    let now = &scenario.consultation;
    assert_eq!((now.state, now.doctor, now.fence), (State::Offered, None, 2));
    assert_eq!(now.department, Department::GENERAL_PRACTICE);
    let offer = now.offer.clone().expect("an offer");
    assert_eq!((offer.doctor, offer.fence, offer.state), (other, 2, OfferState::Open));
    scenario.run_twice(&Command::ExpireOffer { offer: offer.id }, 120);
    assert_eq!(scenario.consultation.state, State::Waiting);
}

#[test]
fn only_the_accepted_doctor_transfers_and_not_to_themselves_nor_somebody_absent_to_a_doctor() {
    let mut scenario = Scenario::active();
    let to = Destination::Department(Department::GENERAL_PRACTICE);
    let stranger = Command::Transfer { doctor: StaffId::generate(), to };
    assert_eq!(scenario.refusal_of(&stranger, 2), (Code::StateMovedOn, "active".into()));
    let oneself = scenario.transfer_to_doctor(scenario.doctor);
    let refusal = scenario.decide(&oneself, 2).expect_err("to oneself");
    assert_eq!(
        (refusal.fields[0].field.as_str(), refusal.fields[0].code.as_str()),
        ("doctor", "not_allowed")
    );
    for other in [Scenario::waiting(), Scenario::offered(), Scenario::completed()] {
        assert_eq!(other.refusal_of(&other.transfer_to("surgery"), 2).0, Code::StateMovedOn);
    }
    scenario.run_twice(&LEFT, 3);
    let to_doctor = scenario.transfer_to_doctor(StaffId::generate());
    assert_eq!(scenario.refusal_of(&to_doctor, 4), (Code::WorkerAbsent, "active".into()));
    // A department waits for the worker, who has the usual time, counted from the limit of the wait at least.
    scenario.run_twice(&scenario.transfer_to("surgery"), 400);
    assert_eq!(scenario.refusal_of(&scenario.offer_command(2), 401).0, Code::StateMovedOn);
    assert_eq!(scenario.decide(&Command::EndAbsent, 1_199).expect_err("early").retry_after_s, Some(1));
    scenario.run_twice(&Command::EndAbsent, 1_200);
}

#[test]
fn only_the_accepted_doctor_completes() {
    let stranger = Command::Complete { doctor: StaffId::generate() };
    assert_eq!(Scenario::active().refusal_of(&stranger, 2), (Code::StateMovedOn, "active".into()));
    assert_eq!(Scenario::completed().refusal_of(&stranger, 2), (Code::StateMovedOn, "completed".into()));
    assert_eq!(Scenario::waiting().refusal_of(&stranger, 2), (Code::StateMovedOn, "waiting".into()));
}

#[test]
fn only_a_long_wait_ends_unserved_and_a_requeue_restarts_it() {
    let mut scenario = Scenario::waiting();
    assert_eq!(scenario.decide(&Command::GiveUp, 7_199).expect_err("early").retry_after_s, Some(1));
    scenario.run_twice(&Command::GiveUp, 7_200);
    assert_eq!(
        Scenario::active().refusal_of(&Command::GiveUp, 99_999),
        (Code::StateMovedOn, "active".into())
    );
    let mut lost = Scenario::active();
    lost.run_twice(&lost.requeue(8_000), 8_090);
    assert!(lost.decide(&Command::GiveUp, 8_091).is_err());
    lost.run_twice(&Command::GiveUp, 8_090 + 7_200);
}

#[test]
fn only_a_completed_consultation_is_rated_one_to_five() {
    for rating in [0, 6, 255] {
        let refusal = Scenario::completed().decide(&Command::Rate { rating }, 3).expect_err("out of range");
        assert_eq!(refusal.fields[0].code, "out_of_range");
    }
    assert_eq!(Scenario::active().refusal_of(&Command::Rate { rating: 5 }, 3).0, Code::StateMovedOn);
}

#[test]
fn ended_states_ignore_every_command() {
    let mut cancelled = Scenario::offered();
    cancelled.run_twice(&CANCEL, 1);
    let mut unserved = Scenario::waiting();
    unserved.run_twice(&Command::GiveUp, 7_200);
    for scenario in [Scenario::completed(), cancelled, unserved] {
        for command in scenario.all_commands() {
            let events = scenario.decide(&command, 99_999).unwrap_or_default();
            assert!(events.is_empty(), "{command:?} moved {}", scenario.consultation.state);
        }
    }
}
