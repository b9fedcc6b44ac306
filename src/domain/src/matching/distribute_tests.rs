//! The merged fronts of the queues against a plain distributor that looks at everything: the same
//! offers, whatever waits and whoever is free.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{
    consultation::Medium,
    matching::{
        Candidate, FreePlaces, HospitalShare, PreviousDoctor,
        fairness::turns,
        plain::{
            CARDIOLOGY, DEPARTMENTS, DERMATOLOGY, DISTRICTS, Waiting, World, chains, hospital, id, merged,
            now, plain, staff,
        },
    },
    triage::TriageLevel,
    words::Language,
};

fn doctor() -> impl Strategy<Value = (usize, Vec<Department>, Vec<Language>, (u32, u32), i64)> {
    (
        0..4_usize,
        proptest::sample::subsequence(DEPARTMENTS.to_vec(), 1..=2),
        proptest::sample::subsequence(Language::ALL.to_vec(), 1..=Language::ALL.len()),
        (0..3_u32, 0..2_u32),
        0..3_600_i64,
    )
}

type Ask = (usize, usize, usize, (usize, bool), i64, Vec<usize>, Option<usize>);

fn ask() -> impl Strategy<Value = Ask> {
    (
        0..DEPARTMENTS.len(),
        0..TriageLevel::ALL.len(),
        0..Language::ALL.len(),
        (0..DISTRICTS.len(), prop::bool::weighted(0.3)),
        // Around the patience and the limit of the wait.
        prop_oneof![0..60_i64, 270..330_i64, 870..930_i64, 0..7_200_i64],
        proptest::collection::vec(0..12_usize, 0..3),
        proptest::option::of(0..12_usize),
    )
}

fn world() -> impl Strategy<Value = World> {
    let doctors = proptest::collection::vec(doctor(), 0..12);
    let asks = proptest::collection::vec((ask(), prop::bool::weighted(0.2), 0..1_000_i64), 0..60);
    let shares = proptest::collection::vec((0..4_i64, 1..4_u32, 0..3_i64), 4);
    (doctors, asks, shares, 0..3_i64).prop_map(|(doctors, asks, shares, system)| {
        let doctors: Vec<Candidate> = doctors
            .into_iter()
            .enumerate()
            .map(|(index, (of, departments, languages, places, idle_s))| Candidate {
                doctor: staff(index),
                hospital: hospital(of),
                district: DISTRICTS[of % 2].to_owned(),
                departments,
                languages,
                places: FreePlaces { text: places.0, video: places.1 },
                busy: (idle_s % 3).unsigned_abs() as u32,
                idle_since: now() - TimeDelta::seconds(idle_s),
            })
            .collect();
        let waiting = asks.into_iter().enumerate().map(|(index, (ask, refused, transferred_s))| {
            let (department, level, language, (district, video), waited_s, by, seen) = ask;
            let by = if refused { by.into_iter().map(staff).collect() } else { Vec::new() };
            let transferred = if by.is_empty() { waited_s } else { transferred_s };
            Waiting {
                queue: Queue {
                    department: DEPARTMENTS[department],
                    level: TriageLevel::ALL[level],
                    language: Language::ALL[language],
                    medium: if video { Medium::Video } else { Medium::Text },
                    district: DISTRICTS[district].to_owned(),
                },
                request: Request {
                    consultation: ConsultationId::from_uuid(id(index)),
                    fence: 0,
                    waiting_since: now() - TimeDelta::seconds(waited_s),
                    in_department_since: now() - TimeDelta::seconds(transferred.min(waited_s)),
                    previous_doctor: seen.map(|doctor| PreviousDoctor {
                        doctor: staff(doctor),
                        seen_at: now() - TimeDelta::days(1),
                    }),
                },
                by,
            }
        });
        let share = |(index, (time, weight, open_offers)): (usize, (i64, u32, i64))| HospitalShare {
            hospital: hospital(index),
            virtual_time: time * turns(1, 1),
            weight,
            open_offers,
        };
        World {
            now: now(),
            doctors,
            waiting: waiting.collect(),
            shares: shares.into_iter().enumerate().map(share).collect(),
            system: system * turns(1, 1),
            chains: chains(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn it_offers_what_a_plain_distributor_offers_that_looks_at_everything(world in world()) {
        prop_assert_eq!(merged(&world).0, plain(&world));
    }
}

/// Ten thousand who wait for a full department, and one who waits for a free doctor of another.
#[test]
fn who_cannot_be_served_is_neither_read_nor_in_the_way() {
    let known = |index: usize, department, places| Candidate {
        doctor: staff(index),
        hospital: hospital(0),
        district: "east".to_owned(),
        departments: vec![department],
        languages: Language::ALL.to_vec(),
        places: FreePlaces { text: places, video: 0 },
        busy: 0,
        idle_since: now(),
    };
    let ask = |index: usize, department, waited_s| Waiting {
        queue: Queue {
            department,
            level: TriageLevel::Standard,
            language: Language::Chinese,
            medium: Medium::Text,
            district: "east".to_owned(),
        },
        request: Request {
            consultation: ConsultationId::from_uuid(id(index)),
            fence: 0,
            waiting_since: now() - TimeDelta::seconds(waited_s),
            in_department_since: now() - TimeDelta::seconds(waited_s),
            previous_doctor: None,
        },
        by: Vec::new(),
    };
    let mut waiting: Vec<Waiting> = (0..10_000).map(|n| ask(n, CARDIOLOGY, 100)).collect();
    waiting.push(ask(10_000, DERMATOLOGY, 1));
    let world = World {
        now: now(),
        doctors: vec![known(0, CARDIOLOGY, 0), known(1, DERMATOLOGY, 1)],
        waiting,
        shares: Vec::new(),
        system: 0,
        chains: DEPARTMENTS
            .map(|department| {
                (department, Chain { departments: vec![department], patience: TimeDelta::minutes(5) })
            })
            .into(),
    };
    let (planned, read) = merged(&world);
    assert_eq!(planned.len(), 1);
    assert_eq!(planned[0].choice.doctor, staff(1));
    assert_eq!(read, 1);
}
