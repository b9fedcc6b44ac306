//! Random histories of a network with two distributors that know nothing of each other: workers ask,
//! doctors accept, decline, stay silent, lose their line, go off, and their shifts end, while each
//! distributor plans from what is stored, writes its offers one by one, or crashes in between. Each plan
//! is that of a plain distributor that looks at everything. The conditions of the stored rows decide, so
//! no doctor ever has more than their places, no consultation has two doctors, and each reaches an end.

mod network;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{
    Candidate, Department, FreePlaces, MatchingPolicy,
    plain::{DEPARTMENTS, DISTRICTS, staff},
};
use crate::{consultation::ConsultationState, triage::TriageLevel, words::Language};
use network::{Ask, Case, History, REOFFER_AFTER};

#[derive(Debug, Clone)]
enum Step {
    Arrive(Ask),
    /// A distributor plans.
    Plan(usize),
    /// A distributor writes so many of its offers.
    Write(usize, usize),
    /// A distributor forgets its plan.
    Crash(usize),
    Accept(usize),
    Decline(usize),
    Complete(usize),
    /// A line goes down, and after a while the doctor is given up.
    LineDown(usize),
    Off(usize),
    ShiftEnds(usize),
    /// The shift is for one department from now on.
    ShiftFor(usize, usize),
    /// On shift, available, and the line is up.
    Back(usize),
    /// So many seconds pass; then what is due expires.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let ask = (0..DEPARTMENTS.len(), 0..TriageLevel::ALL.len(), 0..Language::ALL.len(), 0..2_usize);
    let ask = (ask, prop::bool::weighted(0.2)).prop_map(|((a, b, c, d), video)| (a, b, c, d, video));
    prop_oneof![
        6 => ask.prop_map(Step::Arrive),
        5 => (0..2_usize).prop_map(Step::Plan),
        7 => (0..2_usize, 1..4_usize).prop_map(|(of, most)| Step::Write(of, most)),
        1 => (0..2_usize).prop_map(Step::Crash),
        6 => (0..64_usize).prop_map(Step::Accept),
        1 => (0..64_usize).prop_map(Step::Decline),
        4 => (0..64_usize).prop_map(Step::Complete),
        1 => (0..64_usize).prop_map(Step::LineDown),
        1 => (0..64_usize).prop_map(Step::Off),
        1 => (0..64_usize).prop_map(Step::ShiftEnds),
        1 => (0..64_usize, 0..DEPARTMENTS.len()).prop_map(|(nth, of)| Step::ShiftFor(nth, of)),
        3 => (0..64_usize).prop_map(Step::Back),
        3 => prop_oneof![1..25_i64, 60..130_i64, 290..310_i64, 890..910_i64].prop_map(Step::Pass),
    ]
}

fn doctor() -> impl Strategy<Value = (Vec<Department>, Vec<Language>, u32, u32)> {
    (
        proptest::sample::subsequence(DEPARTMENTS.to_vec(), 1..=2),
        proptest::sample::subsequence(Language::ALL.to_vec(), 1..=Language::ALL.len()),
        1..4_u32,
        0..2_u32,
    )
}

impl History {
    fn take_step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let which = |nth: usize| nth % self.doctors.len();
        match *step {
            Step::Arrive(ask) => self.arrive(ask),
            Step::Plan(of) => drop(self.plan(of)?),
            Step::Write(of, most) => self.write(of, most),
            Step::Crash(of) => self.plans[of].clear(),
            Step::Accept(nth) | Step::Decline(nth) => {
                if let Some(index) = self.nth(nth, ConsultationState::Offered) {
                    self.answer(index, matches!(step, Step::Accept(_)));
                }
            }
            Step::Complete(nth) => {
                if let Some(index) = self.nth(nth, ConsultationState::Active) {
                    self.complete(index);
                }
            }
            Step::LineDown(nth) => {
                let doctor = which(nth);
                self.doctors[doctor].lost_since = Some(self.now);
            }
            Step::Off(nth) => {
                let doctor = which(nth);
                self.doctors[doctor].available = false;
            }
            Step::ShiftEnds(nth) => {
                let doctor = which(nth);
                self.doctors[doctor].on_shift = false;
            }
            Step::ShiftFor(nth, of) => {
                let doctor = which(nth);
                self.doctors[doctor].shift_for = Some(DEPARTMENTS[of]);
            }
            Step::Back(nth) => {
                let doctor = which(nth);
                self.back(doctor);
            }
            Step::Pass(seconds) => {
                self.now += TimeDelta::seconds(seconds);
                self.sweep();
            }
        }
        Ok(())
    }

    /// Everybody comes back, and somebody who takes all is there: then every consultation ends.
    fn ends(&mut self) -> Result<(), TestCaseError> {
        for (nth, district) in DISTRICTS.into_iter().enumerate() {
            let mut doctor = self.doctors[0].clone();
            doctor.of = Candidate {
                doctor: staff(1_000 + nth),
                district: district.to_owned(),
                departments: DEPARTMENTS.to_vec(),
                languages: Language::ALL.to_vec(),
                places: FreePlaces { text: 3, video: 1 },
                ..doctor.of
            };
            doctor.taken = FreePlaces { text: 0, video: 0 };
            self.doctors.push(doctor);
        }
        for _ in 0..=self.cases.len() {
            (0..self.doctors.len()).for_each(|doctor| self.back(doctor));
            self.now += REOFFER_AFTER;
            self.sweep();
            (0..self.doctors.len()).for_each(|doctor| self.back(doctor));
            self.distribute()?;
            while let Some(index) = self.nth(0, ConsultationState::Offered) {
                self.answer(index, true);
            }
            while let Some(index) = self.nth(0, ConsultationState::Active) {
                self.complete(index);
            }
            self.check()?;
        }
        let live: Vec<&Case> = self.cases.iter().filter(|case| case.care.state.is_live()).collect();
        prop_assert!(live.is_empty(), "{:?}", live);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn two_distributors_keep_every_promise_whatever_happens(
        doctors in proptest::collection::vec(doctor(), 1..8),
        steps in proptest::collection::vec(step(), 0..160),
    ) {
        let mut history = History::new(doctors, &[1, 2, 3]);
        for step in &steps {
            history.take_step(step)?;
            history.check()?;
        }
        history.ends()?;
    }
}

/// General practice at home, by text.
const ROUTINE: Ask = (0, 3, 0, 0, false);
const URGENT: Ask = (0, 1, 0, 0, false);

/// Doctors of general practice in one district, each of the hospitals in turn.
fn practice(doctors: usize, places: u32, weights: &[u32]) -> History {
    let one = (vec![DEPARTMENTS[0]], vec![Language::ALL[0]], places, 0);
    let mut history = History::new(vec![one; doctors], weights);
    for doctor in &mut history.doctors {
        DISTRICTS[0].clone_into(&mut doctor.of.district);
    }
    history
}

/// Two distributors that overtake each other and crash, doctors who decline and do not answer.
fn shares(chances: &[u8]) -> Result<(), TestCaseError> {
    const CONSULTATIONS: u32 = 10_000;
    let weights = [1, 2, 3];
    let mut history = practice(18, 5, &weights);
    let mut chances = chances.iter().copied().cycle();
    let mut chance = || chances.next().expect("it goes around");
    while history.accepted.iter().sum::<u32>() < CONSULTATIONS {
        for _ in 0..chance() {
            if history.cases.len() < 30 {
                history.arrive(ROUTINE);
            }
        }
        history.plan(0)?;
        history.write(0, usize::from(chance() / 2));
        history.plan(1)?;
        history.write(1, usize::from(chance()));
        if chance() == 0 {
            history.plans[1].clear();
        }
        history.write(0, 30);
        history.write(1, 30);
        while let Some(index) = history.nth(0, ConsultationState::Offered) {
            match chance() {
                0 => history.answer(index, false),
                1 => {
                    history.now += TimeDelta::seconds(20);
                    history.sweep();
                }
                _ => history.answer(index, true),
            }
        }
        for nth in 0..usize::from(chance()) {
            if let Some(index) = history.nth(nth, ConsultationState::Active) {
                history.complete(index);
            }
        }
        history.now += TimeDelta::seconds(31);
        (0..history.doctors.len()).for_each(|doctor| history.back(doctor));
        history.cases.retain(|case| case.care.state.is_live());
    }
    let total = f64::from(history.accepted.iter().sum::<u32>());
    for (accepted, weight) in history.accepted.iter().zip(weights) {
        let wanted = total * f64::from(weight) / 6.0;
        let off = (f64::from(*accepted) - wanted).abs() / wanted;
        prop_assert!(off <= 0.05, "{:?} of {} with the weights {:?}", history.accepted, total, weights);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]
    #[test]
    fn hospitals_get_their_shares_of_ten_thousand_consultations(
        chances in proptest::collection::vec(0..10_u8, 997),
    ) {
        shares(&chances)?;
    }
}

/// One doctor, and twice as many urgent requests as they can see, for a day.
#[test]
fn whoever_waits_is_overtaken_only_by_those_who_came_soon_after() {
    let mut history = practice(1, 1, &[1]);
    let policy = MatchingPolicy { wrap_up_s: 0, unserved_after_s: 604_800, ..MatchingPolicy::default() };
    let lead = policy.weights.of(TriageLevel::Urgent) - policy.weights.of(TriageLevel::Routine);
    let most = TimeDelta::minutes(i64::from(lead / policy.ageing_points_per_minute) + 1);
    history.policy = policy;
    history.arrive(URGENT);
    history.arrive(ROUTINE);
    let asked_at = history.now;
    for minute in 1..1_440 {
        history.now += TimeDelta::minutes(1);
        history.arrive(URGENT);
        if minute % 2 == 0 {
            history.distribute().expect("both end");
            let index = history.nth(0, ConsultationState::Offered).expect("an offer");
            history.answer(index, true);
            let seen = history.cases[index].care.clone();
            history.complete(index);
            history.cases.retain(|case| case.care.state.is_live());
            if seen.triage == TriageLevel::Routine {
                return;
            }
            assert!(seen.waiting_since - asked_at <= most, "{:?} overtook", seen.waiting_since - asked_at);
        }
    }
    panic!("the routine request waited all day");
}
