//! Which doctor is chosen, who is never chosen, and when the search continues.

use super::*;
use chrono::TimeZone;

fn now() -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
}

fn request() -> MatchRequest {
    MatchRequest {
        consultation: ConsultationId::generate(),
        department: Department::Dermatology,
        language: Language::Chinese,
        level: TriageLevel::Standard,
        waiting_since: now(),
        previous_doctor: None,
        excluded: Vec::new(),
    }
}

fn candidate(department: Department) -> Candidate {
    Candidate {
        doctor: StaffId::generate(),
        hospital: HospitalId::generate(),
        neighbouring: false,
        departments: vec![department],
        languages: vec![Language::Chinese],
        live: 0,
        capacity: 1,
        present: true,
        idle_since: now(),
        hospital_virtual_time: 0,
        licence_valid_until: civil_day(now()),
        on_shift_until: now() + TimeDelta::seconds(1),
    }
}

fn dermatologist() -> Candidate {
    candidate(Department::Dermatology)
}

fn chosen(request: &MatchRequest, candidates: &[Candidate]) -> Option<StaffId> {
    choose_doctor(request, candidates, now(), &MatchingPolicy::default()).map(|choice| choice.doctor)
}

#[test]
fn only_an_eligible_and_free_doctor_is_chosen() {
    let fine = dermatologist();
    assert_eq!(chosen(&request(), std::slice::from_ref(&fine)), Some(fine.doctor));
    let ineligible = [
        Candidate { licence_valid_until: civil_day(now()) - TimeDelta::days(1), ..dermatologist() },
        Candidate { languages: vec![Language::English], ..dermatologist() },
        Candidate { departments: vec![Department::Surgery], ..dermatologist() },
        Candidate { on_shift_until: now(), ..dermatologist() },
        Candidate { present: false, ..dermatologist() },
        Candidate { live: 1, ..dermatologist() },
        Candidate { capacity: 0, ..dermatologist() },
    ];
    for candidate in &ineligible {
        assert_eq!(chosen(&request(), std::slice::from_ref(candidate)), None, "{candidate:?}");
    }
    let excluding = MatchRequest { excluded: vec![fine.doctor], ..request() };
    assert_eq!(chosen(&excluding, &[fine]), None);
}

#[test]
fn the_same_doctor_comes_first_for_seven_days() {
    let (other, same) = (dermatologist(), Candidate { hospital_virtual_time: 99, ..dermatologist() });
    let seen = |days, seconds| MatchRequest {
        previous_doctor: Some(PreviousDoctor {
            doctor: same.doctor,
            seen_at: now() - TimeDelta::days(days) - TimeDelta::seconds(seconds),
        }),
        ..request()
    };
    let candidates = [other.clone(), same.clone()];
    assert_eq!(chosen(&seen(7, 0), &candidates), Some(same.doctor));
    assert_eq!(chosen(&seen(7, 1), &candidates), Some(other.doctor));
    let busy = [other.clone(), Candidate { live: 1, ..same.clone() }];
    assert_eq!(chosen(&seen(1, 0), &busy), Some(other.doctor));
}

#[test]
fn the_hospital_with_the_lowest_virtual_time_is_next_and_in_it_the_longest_idle() {
    let ahead =
        Candidate { hospital_virtual_time: 10, idle_since: now() - TimeDelta::hours(5), ..dermatologist() };
    let hospital = HospitalId::generate();
    let fresh = Candidate { hospital, ..dermatologist() };
    let idle = Candidate { hospital, idle_since: now() - TimeDelta::hours(1), ..dermatologist() };
    assert_eq!(chosen(&request(), &[ahead, fresh, idle.clone()]), Some(idle.doctor));
}

#[test]
fn without_doctors_on_call_the_search_follows_the_plan() {
    let general = candidate(Department::GeneralPractice);
    let near = Candidate { neighbouring: true, ..dermatologist() };
    let near_general = Candidate { neighbouring: true, ..candidate(Department::GeneralPractice) };
    let mut all = vec![near_general.clone(), near.clone(), general.clone(), dermatologist()];
    let mut order = Vec::new();
    while let Some(choice) = choose_doctor(&request(), &all, now(), &MatchingPolicy::default()) {
        order.push((choice.step.department, choice.step.neighbouring));
        all.retain(|candidate| candidate.doctor != choice.doctor);
    }
    let plan: Vec<_> = overflow_plan(Department::Dermatology)
        .iter()
        .map(|step| (step.department, step.neighbouring))
        .collect();
    assert_eq!(order, plan);
    assert_eq!(overflow_plan(Department::GeneralPractice).len(), 2);
}

#[test]
fn a_worker_waits_for_a_full_department_except_in_an_emergency_or_when_overdue() {
    let full = Candidate { live: 1, ..dermatologist() };
    let general = candidate(Department::GeneralPractice);
    let candidates = [full.clone(), general.clone()];
    assert_eq!(chosen(&request(), &candidates), None);
    let emergency = MatchRequest { level: TriageLevel::Emergency, ..request() };
    assert_eq!(chosen(&emergency, &candidates), Some(general.doctor));
    let overdue = MatchRequest { waiting_since: now() - TimeDelta::minutes(15), ..request() };
    assert_eq!(chosen(&overdue, &candidates), Some(general.doctor));
    let declined = MatchRequest { excluded: vec![full.doctor], ..request() };
    assert_eq!(chosen(&declined, &candidates), Some(general.doctor));
}
