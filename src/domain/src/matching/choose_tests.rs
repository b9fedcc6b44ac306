//! Which doctor is chosen, who is never chosen, and when the search continues.

use std::convert::Infallible;

use super::*;
use chrono::TimeZone;

use crate::{
    ids::ConsultationId,
    matching::{HospitalShare, Pool},
};

const DERMATOLOGY: Department = Department::known("dermatology");

fn now() -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
}

/// A request for dermatology, and the doctors it may get.
#[derive(Clone)]
struct Case {
    queue: Queue,
    request: Request,
    excluded: Vec<StaffId>,
    shares: Vec<HospitalShare>,
    /// On call without a free place.
    full: Vec<Candidate>,
}

fn case() -> Case {
    Case {
        queue: Queue {
            department: DERMATOLOGY,
            level: TriageLevel::Standard,
            language: Language::Chinese,
            medium: Medium::Text,
            district: "here".to_owned(),
        },
        request: Request {
            consultation: ConsultationId::generate(),
            fence: 0,
            waiting_since: now(),
            in_department_since: now(),
            previous_doctor: None,
        },
        excluded: Vec::new(),
        shares: Vec::new(),
        full: Vec::new(),
    }
}

fn candidate(department: Department) -> Candidate {
    Candidate {
        doctor: StaffId::generate(),
        hospital: HospitalId::generate(),
        district: "here".to_owned(),
        departments: vec![department],
        languages: vec![Language::Chinese],
        places: FreePlaces { text: 1, video: 0 },
        busy: 0,
        idle_since: now(),
    }
}

fn dermatologist() -> Candidate {
    candidate(DERMATOLOGY)
}

impl Case {
    fn choice(&self, free: &[Candidate]) -> Option<Choice> {
        let departments = vec![self.queue.department, Department::GENERAL_PRACTICE];
        let chain = Chain { departments, patience: TimeDelta::minutes(5) };
        let asked = Asked::of(&self.queue, &chain, &self.request, &self.excluded);
        let on_call = |step: OverflowStep| {
            Ok::<_, Infallible>(self.full.iter().chain(free).any(|one| {
                one.departments.contains(&step.department)
                    && (one.district != self.queue.district) == step.neighbouring
                    && one.languages.contains(&self.queue.language)
                    && !self.excluded.contains(&one.doctor)
            }))
        };
        let pool = Pool::new(free.to_vec(), &self.shares, 0);
        match choose_doctor(&asked, &pool, on_call, now(), &MatchingPolicy::default()) {
            Ok(choice) => choice,
        }
    }

    fn chosen(&self, free: &[Candidate]) -> Option<StaffId> {
        self.choice(free).map(|choice| choice.doctor)
    }
}

#[test]
fn only_a_doctor_of_department_and_language_with_a_free_place_is_chosen() {
    let fine = dermatologist();
    assert_eq!(case().chosen(std::slice::from_ref(&fine)), Some(fine.doctor));
    let ineligible = [
        Candidate { languages: vec![Language::English], ..dermatologist() },
        Candidate { departments: vec![Department::known("surgery")], ..dermatologist() },
        Candidate { places: FreePlaces { text: 0, video: 1 }, ..dermatologist() },
    ];
    for candidate in &ineligible {
        assert_eq!(case().chosen(std::slice::from_ref(candidate)), None, "{candidate:?}");
    }
    let excluding = Case { excluded: vec![fine.doctor], ..case() };
    assert_eq!(excluding.chosen(&[fine]), None);
}

#[test]
fn the_same_doctor_comes_first_for_seven_days() {
    let (other, same) = (dermatologist(), dermatologist());
    let seen = |days, seconds| {
        let mut case = case();
        let seen_at = now() - TimeDelta::days(days) - TimeDelta::seconds(seconds);
        case.request.previous_doctor = Some(PreviousDoctor { doctor: same.doctor, seen_at });
        let hospital = same.hospital;
        case.shares = vec![HospitalShare { hospital, virtual_time: 99, weight: 1, open_offers: 0 }];
        case
    };
    let candidates = [other.clone(), same.clone()];
    assert_eq!(seen(7, 0).chosen(&candidates), Some(same.doctor));
    assert_eq!(seen(7, 1).chosen(&candidates), Some(other.doctor));
    let busy = [other.clone(), Candidate { places: FreePlaces { text: 0, video: 1 }, ..same.clone() }];
    assert_eq!(seen(1, 0).chosen(&busy), Some(other.doctor));
}

#[test]
fn the_hospital_with_the_lowest_virtual_time_is_next_and_in_it_the_longest_idle() {
    let ahead = Candidate { idle_since: now() - TimeDelta::hours(5), ..dermatologist() };
    let hospital = HospitalId::generate();
    let fresh = Candidate { hospital, ..dermatologist() };
    let idle = Candidate { hospital, idle_since: now() - TimeDelta::hours(1), ..dermatologist() };
    let share = |virtual_time, open_offers| {
        let hospital = ahead.hospital;
        let shares = vec![HospitalShare { hospital, virtual_time, weight: 1, open_offers }];
        Case { shares, ..case() }.chosen(&[ahead.clone(), fresh.clone(), idle.clone()])
    };
    assert_eq!(share(10, 0), Some(idle.doctor));
    assert_eq!(share(0, 1), Some(idle.doctor), "an open offer counts as a turn");
}

#[test]
fn who_has_nobody_comes_before_who_has_somebody() {
    let hospital = HospitalId::generate();
    let busy = Candidate { hospital, busy: 1, idle_since: now() - TimeDelta::hours(1), ..dermatologist() };
    let idle = Candidate { hospital, ..dermatologist() };
    let busier = Candidate { hospital, busy: 2, idle_since: now() - TimeDelta::hours(2), ..dermatologist() };
    assert_eq!(case().chosen(&[busy.clone(), idle.clone(), busier.clone()]), Some(idle.doctor));
    assert_eq!(case().chosen(&[busier, busy.clone()]), Some(busy.doctor));
}

#[test]
fn an_emergency_is_seen_by_whoever_speaks_another_language_if_nobody_else_is_free() {
    let foreign = Candidate { languages: vec![Language::English], ..dermatologist() };
    let far = Candidate { district: "there".to_owned(), ..candidate(Department::GENERAL_PRACTICE) };
    let mut emergency = case();
    emergency.queue.level = TriageLevel::Emergency;
    assert_eq!(case().chosen(std::slice::from_ref(&foreign)), None);
    assert_eq!(emergency.chosen(std::slice::from_ref(&foreign)), Some(foreign.doctor));
    assert_eq!(emergency.chosen(&[foreign, far.clone()]), Some(far.doctor), "the language comes first");
}

#[test]
fn without_doctors_on_call_the_search_follows_the_plan() {
    let general = candidate(Department::GENERAL_PRACTICE);
    let near = Candidate { district: "there".to_owned(), ..dermatologist() };
    let near_general = Candidate { district: "there".to_owned(), ..candidate(Department::GENERAL_PRACTICE) };
    let mut all = vec![near_general, near, general, dermatologist()];
    let mut order = Vec::new();
    while let Some(choice) = case().choice(&all) {
        order.push((choice.step.department, choice.step.neighbouring));
        all.retain(|candidate| candidate.doctor != choice.doctor);
    }
    let (own, next) = (DERMATOLOGY, Department::GENERAL_PRACTICE);
    assert_eq!(order, [(own, false), (next, false), (own, true), (next, true)]);
}

#[test]
fn a_worker_waits_for_a_full_department_except_in_an_emergency_or_after_its_patience() {
    let full = Candidate { places: FreePlaces { text: 0, video: 1 }, ..dermatologist() };
    let general = [candidate(Department::GENERAL_PRACTICE)];
    let waits = Case { full: vec![full.clone()], ..case() };
    assert_eq!(waits.chosen(&general), None);
    let mut emergency = waits.clone();
    emergency.queue.level = TriageLevel::Emergency;
    assert_eq!(emergency.chosen(&general), Some(general[0].doctor));
    let mut waited = waits.clone();
    waited.request.in_department_since = now() - TimeDelta::seconds(299);
    assert_eq!(waited.chosen(&general), None);
    waited.request.in_department_since = now() - TimeDelta::minutes(5);
    assert_eq!(waited.chosen(&general), Some(general[0].doctor));
    let declined = Case { excluded: vec![full.doctor], ..waits };
    assert_eq!(declined.chosen(&general), Some(general[0].doctor));
}
