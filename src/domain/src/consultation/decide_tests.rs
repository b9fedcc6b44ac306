//! Each command, in time, twice, too late and by the wrong doctor.

use chrono::{TimeDelta, TimeZone};

use super::*;
use crate::{
    consultation::{apply, fold, request},
    ids::{ConsultationId, WorkerId},
};

fn at(seconds: i64) -> Timestamp {
    let start = chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time");
    start + TimeDelta::seconds(seconds)
}

/// A consultation at hand, with one doctor and one offer made at second 0.
struct Story {
    consultation: Consultation,
    offer: OfferId,
    doctor: StaffId,
}

impl Story {
    fn waiting() -> Self {
        let event = request(ConsultationId::generate(), WorkerId::generate(), TriageLevel::Standard, at(0));
        let consultation = fold(&[event]).expect("a request opens");
        Self { consultation, offer: OfferId::generate(), doctor: StaffId::generate() }
    }

    fn offered() -> Self {
        let mut story = Self::waiting();
        story.done(&story.put(1), 0);
        story
    }

    fn active() -> Self {
        let mut story = Self::offered();
        story.done(&story.accept(), 1);
        story
    }

    fn completed() -> Self {
        let mut story = Self::active();
        story.done(&Command::Complete { doctor: story.doctor }, 2);
        story
    }

    fn put(&self, fence: i64) -> Command {
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

    fn decide(&self, command: &Command, second: i64) -> Answer {
        decide(&self.consultation, command, at(second), &MatchingPolicy::default())
    }

    /// Does it, and sees that doing it again changes nothing.
    fn done(&mut self, command: &Command, second: i64) {
        let events = self.decide(command, second).expect("allowed");
        assert!(!events.is_empty(), "{command:?} did nothing");
        for event in &events {
            apply(&mut self.consultation, event);
        }
        assert_eq!(self.decide(command, second), ALREADY_DONE, "{command:?} twice");
    }

    fn refused(&self, command: &Command, second: i64) -> (Code, String) {
        let refusal = self.decide(command, second).expect_err("refused");
        (refusal.code, refusal.state.expect("the current state"))
    }

    fn all_commands(&self) -> Vec<Command> {
        vec![
            self.put(1),
            self.accept(),
            self.decline(),
            Command::ExpireOffer { offer: self.offer },
            self.requeue(0),
            Command::Cancel { reason: CancelReason::ByWorker },
            Command::Complete { doctor: self.doctor },
            Command::GiveUp,
            Command::Release { doctor: self.doctor },
            Command::WorkerLeft,
            Command::WorkerBack,
            Command::EndAbsent,
            Command::NoShow { doctor: self.doctor, last_heard: None },
        ]
    }
}

const CANCEL: Command = Command::Cancel { reason: CancelReason::ByWorker };

#[test]
fn the_way_to_completed() {
    let mut story = Story::completed();
    assert_eq!(story.consultation.doctor, Some(story.doctor));
    assert_eq!(story.consultation.hospital, Some(HospitalId::from_uuid(story.doctor.uuid())));
    assert_eq!(story.consultation.ended_at, Some(at(2)));
    story.done(&Command::Rate { rating: 5 }, 3);
    assert_eq!(story.refused(&Command::Rate { rating: 4 }, 4).0, Code::AlreadyExists);
}

#[test]
fn an_offer_needs_the_next_fence_and_a_future() {
    let story = Story::waiting();
    for fence in [0, 2, -1, i64::MAX] {
        assert_eq!(story.refused(&story.put(fence), 0), (Code::StateMovedOn, "waiting".into()));
    }
    let refusal = story.decide(&story.put(1), 20).expect_err("expired when made");
    assert_eq!(refusal.fields[0].field, "expires_at");
    let offered = Story::offered();
    let another = Command::Offer {
        offer: OfferId::generate(),
        doctor: offered.doctor,
        hospital: HospitalId::generate(),
        fence: 2,
        expires_at: at(20),
    };
    assert_eq!(offered.refused(&another, 1), (Code::StateMovedOn, "offered".into()));
}

#[test]
fn only_the_offers_doctor_accepts_and_only_in_time() {
    let story = Story::offered();
    assert!(story.decide(&story.accept(), 19).is_ok());
    assert_eq!(story.refused(&story.accept(), 20), (Code::OfferNotYours, "offered".into()));
    let (offer, doctor) = (story.offer, story.doctor);
    for wrong in [
        Command::Accept { offer, doctor: StaffId::generate(), fence: 1 },
        Command::Accept { offer: OfferId::generate(), doctor, fence: 1 },
        Command::Accept { offer, doctor, fence: 2 },
    ] {
        assert_eq!(story.refused(&wrong, 1).0, Code::OfferNotYours);
        assert_eq!(Story { ..Story::active() }.refused(&wrong, 1).0, Code::OfferNotYours);
    }
}

#[test]
fn an_accept_is_answered_the_same_after_its_expiry_while_active() {
    let story = Story::active();
    assert_eq!(story.decide(&story.accept(), 500), ALREADY_DONE);
    let ended = Story::completed();
    assert_eq!(ended.refused(&ended.accept(), 3), (Code::StateMovedOn, "completed".into()));
}

#[test]
fn a_declined_or_expired_offer_leads_back_to_the_queue() {
    let mut declined = Story::offered();
    declined.done(&declined.decline(), 5);
    let mut expired = Story::offered();
    let expire = Command::ExpireOffer { offer: expired.offer };
    let early = expired.decide(&expire, 12).expect_err("not before its time");
    assert_eq!((early.code, early.retry_after_s), (Code::StateMovedOn, Some(8)));
    expired.done(&expire, 20);
    for mut story in [declined, expired] {
        assert_eq!((story.consultation.state, story.consultation.waiting_since), (State::Waiting, at(0)));
        assert_eq!(story.refused(&story.accept(), 6), (Code::OfferNotYours, "waiting".into()));
        story.offer = OfferId::generate();
        assert_eq!(story.refused(&story.put(1), 6).0, Code::StateMovedOn);
        story.done(&story.put(2), 6);
    }
}

#[test]
fn a_lost_doctor_has_ninety_seconds() {
    let mut story = Story::active();
    let early = story.decide(&story.requeue(10), 99).expect_err("within the grace");
    assert_eq!(early.retry_after_s, Some(1));
    let long_ago = story.decide(&story.requeue(-500), 90).expect_err("accepted at second 1");
    assert_eq!(long_ago.retry_after_s, Some(1));
    let stranger = Command::Requeue { doctor: StaffId::generate(), lost_since: at(0) };
    assert_eq!(story.refused(&stranger, 999), (Code::StateMovedOn, "active".into()));
    story.done(&story.requeue(10), 100);
    assert_eq!((story.consultation.state, story.consultation.doctor), (State::Waiting, None));
    assert_eq!(story.consultation.waiting_since, at(0));
    assert_eq!(story.refused(&story.accept(), 101), (Code::OfferNotYours, "waiting".into()));
    let complete = Command::Complete { doctor: story.doctor };
    assert_eq!(story.refused(&complete, 101), (Code::StateMovedOn, "waiting".into()));
}

#[test]
fn a_worker_cancels_until_a_doctor_has_it() {
    let mut waiting = Story::waiting();
    waiting.done(&CANCEL, 1);
    let mut offered = Story::offered();
    let events = offered.decide(&CANCEL, 1).expect("allowed");
    let kinds: Vec<_> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["consultation.offer_withdrawn", "consultation.cancelled"]);
    offered.done(&CANCEL, 1);
    assert_eq!(offered.refused(&offered.accept(), 2), (Code::StateMovedOn, "cancelled".into()));
    assert_eq!(Story::active().refused(&CANCEL, 2), (Code::StateMovedOn, "active".into()));
}

#[test]
fn who_left_is_put_to_nobody_and_comes_back_or_ends() {
    let mut story = Story::offered();
    let kinds: Vec<_> =
        story.decide(&Command::WorkerLeft, 2).expect("allowed").iter().map(Event::kind).collect();
    assert_eq!(kinds, ["consultation.offer_withdrawn", "consultation.worker_left"]);
    story.done(&Command::WorkerLeft, 2);
    assert_eq!(story.refused(&story.accept(), 3), (Code::OfferNotYours, "waiting".into()));
    assert_eq!(story.refused(&story.put(2), 3), (Code::StateMovedOn, "waiting".into()));
    assert_eq!(story.decide(&Command::EndAbsent, 301).expect_err("early").retry_after_s, Some(1));
    let mut back = Story { consultation: story.consultation.clone(), ..story };
    back.done(&Command::WorkerBack, 100);
    assert_eq!(back.refused(&Command::EndAbsent, 99_999), (Code::StateMovedOn, "waiting".into()));
    story.done(&Command::EndAbsent, 302);
    assert_eq!(story.consultation.cancel_reason, Some(CancelReason::WorkerLeft));
    // Whoever a doctor has is the doctor's to decide about.
    let mut active = Story::active();
    active.done(&Command::WorkerLeft, 2);
    assert_eq!(active.refused(&Command::EndAbsent, 99_999), (Code::StateMovedOn, "active".into()));
}

#[test]
fn a_doctor_ends_a_no_show_after_a_wait_from_the_last_word() {
    let mut story = Story::active();
    let doctor = story.doctor;
    let no_show = |heard: Option<i64>| Command::NoShow { doctor, last_heard: heard.map(at) };
    assert_eq!(story.decide(&no_show(None), 180).expect_err("early").retry_after_s, Some(1));
    assert_eq!(story.decide(&no_show(Some(100)), 279).expect_err("early").retry_after_s, Some(1));
    let stranger = Command::NoShow { doctor: StaffId::generate(), last_heard: None };
    assert_eq!(story.refused(&stranger, 999), (Code::StateMovedOn, "active".into()));
    story.done(&no_show(Some(100)), 280);
    assert_eq!(story.consultation.cancel_reason, Some(CancelReason::NoShow));
    assert_eq!(story.consultation.doctor, Some(story.doctor));
}

#[test]
fn a_doctor_who_signs_out_holds_nothing_any_more() {
    for mut story in [Story::offered(), Story::active()] {
        let stranger = Command::Release { doctor: StaffId::generate() };
        assert_eq!(story.refused(&stranger, 2).0, Code::StateMovedOn);
        story.done(&Command::Release { doctor: story.doctor }, 2);
        assert_eq!((story.consultation.state, story.consultation.doctor), (State::Waiting, None));
        assert_eq!(story.consultation.waiting_since, at(0));
    }
}

#[test]
fn only_the_own_doctor_completes() {
    let stranger = Command::Complete { doctor: StaffId::generate() };
    assert_eq!(Story::active().refused(&stranger, 2), (Code::StateMovedOn, "active".into()));
    assert_eq!(Story::completed().refused(&stranger, 2), (Code::StateMovedOn, "completed".into()));
    assert_eq!(Story::waiting().refused(&stranger, 2), (Code::StateMovedOn, "waiting".into()));
}

#[test]
fn only_a_long_wait_ends_unserved_and_a_requeue_starts_it_anew() {
    let mut story = Story::waiting();
    assert_eq!(story.decide(&Command::GiveUp, 7_199).expect_err("early").retry_after_s, Some(1));
    story.done(&Command::GiveUp, 7_200);
    assert_eq!(Story::active().refused(&Command::GiveUp, 99_999), (Code::StateMovedOn, "active".into()));
    let mut lost = Story::active();
    lost.done(&lost.requeue(8_000), 8_090);
    assert!(lost.decide(&Command::GiveUp, 8_091).is_err());
    lost.done(&Command::GiveUp, 8_090 + 7_200);
}

#[test]
fn a_rating_is_one_to_five_of_a_completed_one() {
    for rating in [0, 6, 255] {
        let refusal = Story::completed().decide(&Command::Rate { rating }, 3).expect_err("out of range");
        assert_eq!(refusal.fields[0].code, "out_of_range");
    }
    assert_eq!(Story::active().refused(&Command::Rate { rating: 5 }, 3).0, Code::StateMovedOn);
}

#[test]
fn ended_states_absorb_every_command() {
    let mut cancelled = Story::offered();
    cancelled.done(&CANCEL, 1);
    let mut unserved = Story::waiting();
    unserved.done(&Command::GiveUp, 7_200);
    for story in [Story::completed(), cancelled, unserved] {
        for command in story.all_commands() {
            let events = story.decide(&command, 99_999).unwrap_or_default();
            assert!(events.is_empty(), "{command:?} moved {}", story.consultation.state);
        }
    }
}
