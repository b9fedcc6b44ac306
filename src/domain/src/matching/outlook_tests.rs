use super::*;
use crate::{
    consultation::Medium,
    matching::{
        DoctorOnCall, EstimateBasis, FreePlaces,
        plain::{CARDIOLOGY, DERMATOLOGY, chains, id, now, staff},
    },
    words::Language,
};
use chrono::TimeDelta;

fn queue(department: Department, level: TriageLevel) -> Queue {
    Queue {
        department,
        level,
        language: Language::Chinese,
        medium: Medium::Text,
        district: "east".to_owned(),
    }
}

fn doctor(number: usize, departments: &[Department], district: &str, free: u32) -> DoctorOnCall {
    DoctorOnCall {
        doctor: staff(number),
        district: district.to_owned(),
        departments: departments.to_vec(),
        languages: vec![Language::Chinese],
        places: FreePlaces { text: 2, video: 0 },
        free: FreePlaces { text: free, video: 0 },
    }
}

/// Who waits: queue, seconds.
type Others = Vec<(Queue, i64)>;

fn forecast(
    doctors: Vec<DoctorOnCall>,
    others: Others,
    one: &Queue,
    waited_s: i64,
    excluded: &[StaffId],
) -> Forecast {
    let policy = MatchingPolicy::default();
    let since = |seconds| now() - TimeDelta::seconds(seconds);
    let waiting = others.into_iter().enumerate().map(|(number, (queue, waited_s))| {
        (queue, since(waited_s), ConsultationId::from_uuid(id(100 + number)))
    });
    let outlook =
        Outlook::new(DoctorsOnCall::new(doctors), chains(), waiting, HashMap::new(), 600.0, (now(), &policy));
    let waits = Waits {
        queue: one,
        consultation: ConsultationId::from_uuid(id(1)),
        waiting_since: since(waited_s),
        in_department_since: since(waited_s),
        ahead: 0,
        excluded,
    };
    outlook.wait(&waits, &chains()[&one.department], now(), &policy)
}

fn basis(found: Forecast) -> EstimateBasis {
    found.range.basis
}

#[test]
fn the_doctors_of_the_first_step_on_call_count_until_patience_ends() {
    let here = doctor(0, &[DERMATOLOGY], "east", 0);
    let elsewhere = doctor(1, &[DERMATOLOGY], "west", 2);
    let asked = queue(DERMATOLOGY, TriageLevel::Standard);
    let both = || vec![here.clone(), elsewhere.clone()];
    let patient = forecast(both(), vec![], &asked, 0, &[]);
    assert_eq!((patient.department, basis(patient)), (DERMATOLOGY, EstimateBasis::ErlangC));
    // Patience of five minutes, then a free place.
    assert_eq!(patient.range.minutes.expect("minutes").1, 6);
    assert_eq!(basis(forecast(both(), vec![], &asked, 300, &[])), EstimateBasis::Free);
    let emergency = queue(DERMATOLOGY, TriageLevel::Emergency);
    assert_eq!(basis(forecast(both(), vec![], &emergency, 0, &[])), EstimateBasis::Free);
    assert_eq!(basis(forecast(vec![elsewhere], vec![], &asked, 0, &[])), EstimateBasis::Free);
}

#[test]
fn whoever_does_not_suit_counts_as_nobody() {
    let asked = queue(DERMATOLOGY, TriageLevel::Standard);
    let foreign = DoctorOnCall { languages: vec![Language::English], ..doctor(0, &[DERMATOLOGY], "east", 2) };
    let by_video = Queue { medium: Medium::Video, ..asked.clone() };
    let free = doctor(1, &[DERMATOLOGY], "east", 2);
    assert_eq!(basis(forecast(vec![foreign.clone()], vec![], &asked, 0, &[])), EstimateBasis::NobodyOnCall);
    assert_eq!(basis(forecast(vec![free.clone()], vec![], &by_video, 0, &[])), EstimateBasis::NobodyOnCall);
    assert_eq!(
        basis(forecast(vec![free.clone()], vec![], &asked, 0, &[staff(1)])),
        EstimateBasis::NobodyOnCall
    );
    assert_eq!(basis(forecast(vec![free], vec![], &asked, 0, &[])), EstimateBasis::Free);
    let emergency = queue(DERMATOLOGY, TriageLevel::Emergency);
    assert_eq!(basis(forecast(vec![foreign], vec![], &emergency, 0, &[])), EstimateBasis::Free);
}

#[test]
fn those_who_wait_for_the_same_doctors_are_ahead_if_they_rank_before() {
    let asked = queue(DERMATOLOGY, TriageLevel::Standard);
    let shared = || vec![doctor(0, &[DERMATOLOGY, CARDIOLOGY], "east", 1)];
    let heart = queue(CARDIOLOGY, TriageLevel::Standard);
    assert_eq!(basis(forecast(shared(), vec![(heart.clone(), 50)], &asked, 100, &[])), EstimateBasis::Free);
    assert_ne!(basis(forecast(shared(), vec![(heart.clone(), 150)], &asked, 100, &[])), EstimateBasis::Free);
    // Of many who may also go to others, a part is ahead.
    let mut many = shared();
    many.extend((1..10).map(|number| doctor(number, &[CARDIOLOGY], "east", 0)));
    assert_eq!(basis(forecast(many, vec![(heart.clone(), 150); 4], &asked, 100, &[])), EstimateBasis::Free);
    // Those of another district have doctors of their own.
    let mut both = shared();
    both.push(doctor(1, &[CARDIOLOGY], "west", 0));
    let west = Queue { district: "west".to_owned(), ..heart };
    assert_eq!(basis(forecast(both, vec![(west, 150)], &asked, 100, &[])), EstimateBasis::Free);
}
