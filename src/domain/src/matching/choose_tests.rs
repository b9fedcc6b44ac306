//! Who is chosen, who never is, and when the search goes on.

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

fn skin() -> Candidate {
    candidate(Department::Dermatology)
}

fn chosen(request: &MatchRequest, candidates: &[Candidate]) -> Option<StaffId> {
    choose_doctor(request, candidates, now(), &MatchingPolicy::default()).map(|choice| choice.doctor)
}

#[test]
fn only_somebody_who_may_and_can_is_chosen() {
    let fine = skin();
    assert_eq!(chosen(&request(), std::slice::from_ref(&fine)), Some(fine.doctor));
    let unfit = [
        Candidate { licence_valid_until: civil_day(now()) - TimeDelta::days(1), ..skin() },
        Candidate { languages: vec![Language::English], ..skin() },
        Candidate { departments: vec![Department::Surgery], ..skin() },
        Candidate { on_shift_until: now(), ..skin() },
        Candidate { present: false, ..skin() },
        Candidate { live: 1, ..skin() },
        Candidate { capacity: 0, ..skin() },
    ];
    for candidate in &unfit {
        assert_eq!(chosen(&request(), std::slice::from_ref(candidate)), None, "{candidate:?}");
    }
    let excluding = MatchRequest { excluded: vec![fine.doctor], ..request() };
    assert_eq!(chosen(&excluding, &[fine]), None);
}

#[test]
fn the_same_doctor_comes_first_for_seven_days() {
    let (other, same) = (skin(), Candidate { hospital_virtual_time: 99, ..skin() });
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
fn the_hospital_behind_is_next_and_in_it_the_longest_idle() {
    let ahead = Candidate { hospital_virtual_time: 10, idle_since: now() - TimeDelta::hours(5), ..skin() };
    let hospital = HospitalId::generate();
    let fresh = Candidate { hospital, ..skin() };
    let idle = Candidate { hospital, idle_since: now() - TimeDelta::hours(1), ..skin() };
    assert_eq!(chosen(&request(), &[ahead, fresh, idle.clone()]), Some(idle.doctor));
}

#[test]
fn nobody_on_call_overflows_in_the_plans_order() {
    let general = candidate(Department::GeneralPractice);
    let near = Candidate { neighbouring: true, ..skin() };
    let near_general = Candidate { neighbouring: true, ..candidate(Department::GeneralPractice) };
    let mut all = vec![near_general.clone(), near.clone(), general.clone(), skin()];
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
fn a_full_department_is_waited_for_but_not_in_an_emergency_nor_for_ever() {
    let full = Candidate { live: 1, ..skin() };
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
