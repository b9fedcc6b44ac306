//! What is stored of a network, the conditions under which it changes, and two distributors that work
//! on it.

use std::collections::VecDeque;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::{
    Candidate, Clocks, Department, FreePlaces, HospitalShare, MatchingPolicy, Planned, PreviousDoctor, Queue,
    Request,
    fairness::turns,
    plain::{DEPARTMENTS, DISTRICTS, Waiting, World, chains, hospital, id, merged, now, plain, staff},
};
use crate::{
    consultation::{Command, Consultation, ConsultationEvent, ConsultationState, Medium, OfferState},
    ids::{ConsultationId, HospitalId, OfferId, StaffId, WorkerId},
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

pub const REOFFER_AFTER: TimeDelta = TimeDelta::minutes(2);

/// A doctor's row, their shift, and whether their line is up.
#[derive(Debug, Clone)]
pub struct Doctor {
    /// With all of their places.
    pub of: Candidate,
    /// Places that are taken, offers included.
    pub taken: FreePlaces,
    pub available: bool,
    pub on_shift: bool,
    /// The department that the shift is for; none is all of theirs.
    pub shift_for: Option<Department>,
    /// Since when the line is down.
    pub lost_since: Option<Timestamp>,
    pub wrap_up_until: Option<Timestamp>,
}

impl Doctor {
    fn free(&self, now: Timestamp) -> FreePlaces {
        if self.wrap_up_until.is_some_and(|until| until > now) {
            return FreePlaces { text: 0, video: 0 };
        }
        let FreePlaces { text, video } = self.of.places;
        FreePlaces { text: text - self.taken.text, video: video - self.taken.video }
    }

    fn is_on_call(&self) -> bool {
        self.available && self.on_shift && self.lost_since.is_none()
    }

    /// Their departments, or the one of these that the shift is for.
    fn served(&self) -> Vec<Department> {
        let all = self.of.departments.iter().copied();
        all.filter(|one| self.shift_for.is_none_or(|of| of == *one)).collect()
    }

    /// As the stored condition: whether the place was taken.
    fn take(&mut self, medium: Medium, now: Timestamp) -> bool {
        let is_free = self.available && self.free(now).of(medium) > 0;
        if is_free {
            self.taken = change(self.taken, medium, 1);
        }
        is_free
    }

    fn release(&mut self, medium: Medium) {
        self.taken = change(self.taken, medium, -1);
    }

    /// After a consultation, not after an offer.
    fn end(&mut self, medium: Medium, now: Timestamp) {
        self.release(medium);
        self.of.idle_since = now;
    }
}

fn change(places: FreePlaces, medium: Medium, by: i32) -> FreePlaces {
    let changed = |count: u32| count.checked_add_signed(by).expect("no place is released twice");
    match medium {
        Medium::Text => FreePlaces { text: changed(places.text), ..places },
        Medium::Video => FreePlaces { video: changed(places.video), ..places },
    }
}

/// A consultation's row and its log.
#[derive(Debug, Clone)]
pub struct Case {
    pub queue: Queue,
    pub care: Consultation,
    pub log: Vec<ConsultationEvent>,
    pub refused: Vec<(StaffId, Timestamp)>,
}

#[derive(Debug)]
pub struct History {
    pub now: Timestamp,
    pub policy: MatchingPolicy,
    pub doctors: Vec<Doctor>,
    pub cases: Vec<Case>,
    pub arrived: usize,
    /// Virtual time and weight.
    pub hospitals: Vec<(i64, u32)>,
    pub system: i64,
    /// What each distributor has planned and not written yet.
    pub plans: [VecDeque<Planned>; 2],
    pub offers: usize,
    /// Consultations that each hospital accepted.
    pub accepted: Vec<u32>,
}

/// What a new request asks for: department, level, language, district, video.
pub type Ask = (usize, usize, usize, usize, bool);

impl History {
    pub fn new(doctors: Vec<(Vec<Department>, Vec<Language>, u32, u32)>, weights: &[u32]) -> Self {
        let doctor = |(index, (departments, languages, text, video))| {
            let of = index % weights.len();
            Doctor {
                of: Candidate {
                    doctor: staff(index),
                    hospital: hospital(of),
                    district: DISTRICTS[of % DISTRICTS.len()].to_owned(),
                    departments,
                    languages,
                    places: FreePlaces { text, video },
                    busy: 0,
                    idle_since: now(),
                },
                taken: FreePlaces { text: 0, video: 0 },
                available: true,
                on_shift: true,
                shift_for: None,
                lost_since: None,
                wrap_up_until: None,
            }
        };
        Self {
            now: now(),
            policy: MatchingPolicy::default(),
            doctors: doctors.into_iter().enumerate().map(doctor).collect(),
            cases: Vec::new(),
            arrived: 0,
            hospitals: weights.iter().map(|weight| (0, *weight)).collect(),
            system: 0,
            plans: [VecDeque::new(), VecDeque::new()],
            offers: 0,
            accepted: vec![0; weights.len()],
        }
    }

    /// What a distributor that begins now reads.
    pub fn world(&self) -> World {
        let waits = |case: &&Case| case.care.state == ConsultationState::Waiting;
        let open = |of| self.cases.iter().filter(|case| is_open_at(case, of)).count();
        let on_call = self.doctors.iter().filter(|doctor| doctor.is_on_call() && !doctor.served().is_empty());
        World {
            now: self.now,
            doctors: on_call
                .map(|doctor| Candidate {
                    places: doctor.free(self.now),
                    departments: doctor.served(),
                    busy: doctor.taken.text + doctor.taken.video,
                    ..doctor.of.clone()
                })
                .collect(),
            waiting: self.cases.iter().filter(waits).map(|case| self.waiting(case)).collect(),
            shares: (0..self.hospitals.len())
                .map(|index| HospitalShare {
                    hospital: hospital(index),
                    virtual_time: self.hospitals[index].0,
                    weight: self.hospitals[index].1,
                    open_offers: i64::try_from(open(index)).expect("few"),
                })
                .collect(),
            system: self.system,
            chains: chains(),
        }
    }

    fn waiting(&self, case: &Case) -> Waiting {
        let care = &case.care;
        let lost = care.offer.as_ref().filter(|offer| offer.state == OfferState::Withdrawn);
        let refused = case.refused.iter().filter(|(_, at)| *at > self.now - REOFFER_AFTER);
        Waiting {
            queue: case.queue.clone(),
            request: Request {
                consultation: care.id,
                fence: care.fence,
                waiting_since: care.waiting_since,
                in_department_since: care.waiting_since,
                previous_doctor: lost
                    .zip(care.requeued_at)
                    .map(|(offer, seen_at)| PreviousDoctor { doctor: offer.doctor, seen_at }),
            },
            by: refused.map(|(doctor, _)| *doctor).collect(),
        }
    }

    /// Plans as the distributor does, and as a plain one does.
    pub fn plan(&mut self, of: usize) -> Result<usize, TestCaseError> {
        let world = self.world();
        let planned = merged(&world).0;
        prop_assert_eq!(&planned, &plain(&world));
        self.plans[of] = planned.into();
        Ok(self.plans[of].len())
    }

    /// Writes the next offers of a plan, each if the rows still permit it.
    pub fn write(&mut self, of: usize, most: usize) {
        for _ in 0..most {
            let Some(planned) = self.plans[of].pop_front() else { return };
            self.offers += 1;
            let command = Command::Offer {
                offer: OfferId::from_uuid(id(self.offers)),
                doctor: planned.choice.doctor,
                hospital: planned.choice.hospital,
                fence: planned.fence + 1,
                expires_at: self.policy.offer_expires_at(self.now),
            };
            let index = self.cases.iter().position(|case| case.care.id == planned.consultation);
            let index = index.expect("who was read");
            let medium = self.cases[index].queue.medium;
            let Ok(events) = self.cases[index].care.decide(&command, self.now, &self.policy) else {
                continue;
            };
            let now = self.now;
            if self.doctor(planned.choice.doctor).take(medium, now) {
                self.cases[index].record(events);
                let Clocks { system, hospital } = planned.clocks;
                self.system = self.system.max(system.unwrap_or(self.system));
                let (time, _) = &mut self.hospitals[of_hospital(planned.choice.hospital)];
                *time = (*time).max(hospital.unwrap_or(*time));
            }
        }
    }

    fn doctor(&mut self, id: StaffId) -> &mut Doctor {
        self.doctors.iter_mut().find(|doctor| doctor.of.doctor == id).expect("a doctor")
    }

    pub fn arrive(&mut self, (department, level, language, district, video): Ask) {
        self.arrived += 1;
        let number = self.arrived;
        let medium = if video { Medium::Video } else { Medium::Text };
        let asked = ConsultationEvent::Requested {
            consultation: ConsultationId::from_uuid(id(number)),
            worker: WorkerId::from_uuid(id(number)),
            at: self.now,
            triage: Some(TriageLevel::ALL[level]),
            medium,
            department: Some(DEPARTMENTS[department]),
        };
        self.cases.push(Case {
            queue: Queue {
                department: DEPARTMENTS[department],
                level: TriageLevel::ALL[level],
                language: Language::ALL[language],
                medium,
                district: DISTRICTS[district].to_owned(),
            },
            care: Consultation::begin(&asked).expect("a request"),
            log: vec![asked],
            refused: Vec::new(),
        });
    }

    /// The `nth` of those in a state, counted around.
    pub fn nth(&self, nth: usize, state: ConsultationState) -> Option<usize> {
        let all: Vec<usize> =
            (0..self.cases.len()).filter(|index| self.cases[*index].care.state == state).collect();
        (!all.is_empty()).then(|| all[nth % all.len()])
    }

    /// Carries out a command on a consultation if it permits it, and what follows from that.
    pub fn act(&mut self, index: usize, command: &Command) {
        let (now, case) = (self.now, &mut self.cases[index]);
        let Ok(events) = case.care.decide(command, now, &self.policy) else { return };
        case.record(events.clone());
        let medium = case.queue.medium;
        for event in &events {
            match event {
                ConsultationEvent::Accepted { hospital: of, .. } => {
                    let at = of_hospital(*of);
                    let (time, weight) = &mut self.hospitals[at];
                    *time += turns(1, *weight);
                    self.accepted[at] += 1;
                }
                ConsultationEvent::Declined { doctor, .. } => {
                    self.cases[index].refused.push((*doctor, now));
                    self.doctor(*doctor).release(medium);
                }
                ConsultationEvent::OfferExpired { doctor, .. } => {
                    self.cases[index].refused.push((*doctor, now));
                    let doctor = self.doctor(*doctor);
                    doctor.release(medium);
                    doctor.available = false;
                }
                ConsultationEvent::OfferWithdrawn { doctor, .. } => self.doctor(*doctor).release(medium),
                ConsultationEvent::Requeued { doctor, .. } => {
                    let doctor = self.doctor(*doctor);
                    doctor.end(medium, now);
                    doctor.available = false;
                }
                ConsultationEvent::Completed { doctor, .. } => {
                    let until = self.policy.wrap_up_until(now);
                    let doctor = self.doctor(*doctor);
                    doctor.end(medium, now);
                    doctor.wrap_up_until = until;
                }
                ConsultationEvent::Unserved { .. } => {}
                other => unreachable!("{other:?}"),
            }
        }
    }

    /// Expires what is due, as the sweeps do.
    pub fn sweep(&mut self) {
        for index in 0..self.cases.len() {
            let care = &self.cases[index].care;
            if care.state == ConsultationState::Offered {
                let offer = care.offer.as_ref().expect("an open offer").id;
                self.act(index, &Command::ExpireOffer { offer });
            } else if let Some(doctor) = care.doctor
                && let Some(lost_since) = self.doctor(doctor).lost_since
            {
                self.act(index, &Command::Requeue { doctor, lost_since });
            }
            self.act(index, &Command::GiveUp);
        }
    }

    pub fn back(&mut self, doctor: usize) {
        let now = self.now;
        let doctor = &mut self.doctors[doctor];
        if !doctor.available {
            doctor.of.idle_since = now;
        }
        (doctor.available, doctor.on_shift, doctor.lost_since) = (true, true, None);
        doctor.shift_for = None;
    }

    /// Both distributors plan and write, in turns, until nobody who waits can be served.
    pub fn distribute(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..10 {
            if self.plan(0)? + self.plan(1)? == 0 {
                return Ok(());
            }
            while self.plans.iter().any(|plan| !plan.is_empty()) {
                self.write(0, 2);
                self.write(1, 3);
            }
        }
        Err(TestCaseError::fail("two distributors never come to an end"))
    }

    pub fn answer(&mut self, index: usize, accepts: bool) {
        let offer = self.cases[index].care.offer.clone().expect("an offer");
        let (offer, doctor, fence) = (offer.id, offer.doctor, offer.fence);
        let answer = if accepts {
            Command::Accept { offer, doctor, fence }
        } else {
            Command::Decline { offer, doctor, fence }
        };
        self.act(index, &answer);
    }

    pub fn complete(&mut self, index: usize) {
        let doctor = self.cases[index].care.doctor.expect("of an active one");
        self.act(index, &Command::Complete { doctor });
    }

    /// Invariants 6 and 7, and that the rows are what their logs say.
    pub fn check(&self) -> Result<(), TestCaseError> {
        for doctor in &self.doctors {
            let held = |medium| {
                let has = |case: &&Case| {
                    let offer = case.care.offer.as_ref().filter(|offer| offer.state == OfferState::Open);
                    let holder = case.care.doctor.or(offer.map(|offer| offer.doctor));
                    case.care.state.is_live()
                        && case.queue.medium == medium
                        && holder == Some(doctor.of.doctor)
                };
                u32::try_from(self.cases.iter().filter(has).count()).expect("few")
            };
            for medium in [Medium::Text, Medium::Video] {
                prop_assert_eq!(held(medium), doctor.taken.of(medium));
                prop_assert!(held(medium) <= doctor.of.places.of(medium));
            }
        }
        for case in &self.cases {
            prop_assert!(case.care.matches_offer(), "{:?}", case.care);
            prop_assert_eq!(Consultation::fold(&case.log), Some(case.care.clone()));
        }
        Ok(())
    }
}

impl Case {
    fn record(&mut self, events: Vec<ConsultationEvent>) {
        events.iter().for_each(|event| self.care.apply(event));
        self.log.extend(events);
    }
}

fn of_hospital(id: HospitalId) -> usize {
    (0..).find(|number| hospital(*number) == id).expect("a hospital")
}

fn is_open_at(case: &Case, of: usize) -> bool {
    let offer = case.care.offer.as_ref();
    offer.is_some_and(|offer| offer.state == OfferState::Open && offer.hospital == hospital(of))
}
