//! The merged fronts of the queues against a plain distributor that looks at everything: the same
//! offers, whatever waits and whoever is free.

use std::{cell::Cell, collections::HashMap, convert::Infallible};

use chrono::{TimeDelta, TimeZone};
use proptest::prelude::*;

use super::*;
use crate::{
    consultation::Medium,
    ids::HospitalId,
    matching::{
        Candidate, ChoiceReason, FreePlaces, HospitalShare, OverflowStep, PreviousDoctor, fairness::turns,
    },
    triage::TriageLevel,
    words::Language,
};

const DISTRICTS: [&str; 2] = ["east", "west"];
const DEPARTMENTS: [Department; 3] = [Department::GENERAL_PRACTICE, DERMATOLOGY, CARDIOLOGY];

const DERMATOLOGY: Department = Department::known("dermatology");
const CARDIOLOGY: Department = Department::known("cardiology");

fn now() -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
}

fn id(number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(number as u128 + 1)
}

/// A doctor on call, with free places or without.
#[derive(Debug, Clone)]
struct Doctor {
    candidate: Candidate,
}

/// A request, and who refused it.
#[derive(Debug, Clone)]
struct Waiting {
    queue: Queue,
    request: Request,
    by: Vec<StaffId>,
}

#[derive(Debug, Clone)]
struct World {
    doctors: Vec<Doctor>,
    waiting: Vec<Waiting>,
    shares: Vec<HospitalShare>,
    system: i64,
    chains: HashMap<Department, Chain>,
}

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
    let asks = proptest::collection::vec((ask(), prop::bool::weighted(0.2)), 0..60);
    let shares = proptest::collection::vec((0..4_i64, 1..4_u32, 0..3_i64), 4);
    (doctors, asks, shares, 0..3_i64).prop_map(|(doctors, asks, shares, system)| {
        let staff = |index: usize| StaffId::from_uuid(id(index));
        let hospital = |index: usize| HospitalId::from_uuid(id(index));
        let doctors: Vec<Doctor> = doctors
            .into_iter()
            .enumerate()
            .map(|(index, (of, departments, languages, places, idle_s))| Doctor {
                candidate: Candidate {
                    doctor: staff(index),
                    hospital: hospital(of),
                    district: DISTRICTS[of % 2].to_owned(),
                    departments,
                    languages,
                    places: FreePlaces { text: places.0, video: places.1 },
                    idle_since: now() - TimeDelta::seconds(idle_s),
                },
            })
            .collect();
        let waiting = asks.into_iter().enumerate().map(|(index, (ask, refused))| {
            let (department, level, language, (district, video), waited_s, by, seen) = ask;
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
                    previous_doctor: seen.map(|doctor| PreviousDoctor {
                        doctor: staff(doctor),
                        seen_at: now() - TimeDelta::days(1),
                    }),
                },
                by: if refused { by.into_iter().map(staff).collect() } else { Vec::new() },
            }
        });
        let share = |(index, (time, weight, open_offers)): (usize, (i64, u32, i64))| HospitalShare {
            hospital: hospital(index),
            virtual_time: time * turns(1, 1),
            weight,
            open_offers,
        };
        let chain = |department: Department| {
            let others = DEPARTMENTS.iter().copied().take(1).filter(|other| *other != department);
            let departments = std::iter::once(department).chain(others).collect();
            (department, Chain { departments, patience: TimeDelta::minutes(5) })
        };
        World {
            doctors,
            waiting: waiting.collect(),
            shares: shares.into_iter().enumerate().map(share).collect(),
            system: system * turns(1, 1),
            chains: DEPARTMENTS.iter().copied().map(chain).collect(),
        }
    })
}

/// Looks at everything: each request in the order of its rank, each doctor for it.
fn plain(world: &World) -> Vec<Planned> {
    let policy = MatchingPolicy::default();
    let mut doctors: Vec<Candidate> = world.doctors.iter().map(|one| one.candidate.clone()).collect();
    let mut taken: HashMap<HospitalId, i64> = HashMap::new();
    let mut system = world.system;
    let share = |hospital| world.shares.iter().find(|share| share.hospital == hospital).expect("a share");
    let mut waiting: Vec<&Waiting> = world.waiting.iter().collect();
    waiting.sort_by_key(|one| {
        let Request { waiting_since, consultation, .. } = one.request;
        one.queue.key(waiting_since, consultation, now(), &policy)
    });
    let mut planned = Vec::new();
    for one in waiting {
        let waited = now() - one.request.waiting_since;
        let goes_on = one.queue.level == TriageLevel::Emergency
            || waited >= TimeDelta::minutes(5)
            || waited >= TimeDelta::minutes(15);
        let mut steps = Vec::new();
        for neighbouring in [false, true] {
            steps.push((one.queue.department, neighbouring));
            if one.queue.department != Department::GENERAL_PRACTICE {
                steps.push((Department::GENERAL_PRACTICE, neighbouring));
            }
        }
        for (department, neighbouring) in steps {
            let of_step: Vec<usize> = (0..doctors.len())
                .filter(|index| {
                    let known = &doctors[*index];
                    known.departments.contains(&department)
                        && (known.district != one.queue.district) == neighbouring
                        && known.languages.contains(&one.queue.language)
                        && !one.by.contains(&known.doctor)
                })
                .collect();
            let free: Vec<usize> = of_step
                .iter()
                .copied()
                .filter(|index| doctors[*index].places.of(one.queue.medium) > 0)
                .collect();
            let previous = one.request.previous_doctor.map(|seen| seen.doctor);
            let same = free.iter().copied().find(|index| Some(doctors[*index].doctor) == previous);
            let fair = free.iter().copied().min_by_key(|index| {
                let known = &doctors[*index];
                let share = share(known.hospital);
                let turns =
                    turns(share.open_offers + taken.get(&known.hospital).copied().unwrap_or(0), share.weight);
                let time = share.virtual_time.max(world.system) + turns;
                (time, known.hospital, known.idle_since, known.doctor)
            });
            if let Some(index) = same.or(fair) {
                let known = &mut doctors[index];
                known.places.take(one.queue.medium);
                *taken.entry(known.hospital).or_default() += 1;
                let start = share(known.hospital).virtual_time.max(world.system);
                let clock = (same.is_none() && start > system).then_some(start);
                system = clock.unwrap_or(system);
                planned.push(Planned {
                    consultation: one.request.consultation,
                    fence: 0,
                    choice: Choice {
                        doctor: known.doctor,
                        hospital: known.hospital,
                        step: OverflowStep { department, neighbouring },
                        reason: if same.is_some() {
                            ChoiceReason::Continuity
                        } else {
                            ChoiceReason::Fairness
                        },
                    },
                    clock,
                });
                break;
            }
            if !of_step.is_empty() && !goes_on {
                break;
            }
        }
    }
    planned
}

/// The stored queues of a world; counts the requests that were read.
struct Stored<'a> {
    world: &'a World,
    read: Cell<usize>,
}

impl Source for Stored<'_> {
    type Error = Infallible;

    fn front(
        &mut self,
        queue: &Queue,
        after: Option<(Timestamp, ConsultationId)>,
        limit: usize,
    ) -> Result<Vec<Request>, Infallible> {
        let mut all: Vec<&Request> = self
            .world
            .waiting
            .iter()
            .filter(|one| one.queue == *queue && one.by.is_empty())
            .map(|one| &one.request)
            .collect();
        all.sort_by_key(|request| (request.waiting_since, request.consultation));
        let behind = |request: &&&Request| {
            after.is_none_or(|after| (request.waiting_since, request.consultation) > after)
        };
        let found: Vec<Request> = all.iter().filter(behind).take(limit).map(|one| (*one).clone()).collect();
        self.read.set(self.read.get() + found.len());
        Ok(found)
    }

    fn on_call(&mut self) -> Result<Vec<OnCall>, Infallible> {
        let refused: Vec<StaffId> = self.world.waiting.iter().flat_map(|one| one.by.clone()).collect();
        let of_doctor = |one: &Doctor| {
            let known = &one.candidate;
            let entry = |department: &Department| OnCall {
                department: *department,
                district: known.district.clone(),
                languages: known.languages.clone(),
                video: true,
                doctor: refused.contains(&known.doctor).then_some(known.doctor),
            };
            known.departments.iter().map(entry).collect::<Vec<_>>()
        };
        Ok(self.world.doctors.iter().flat_map(of_doctor).collect())
    }
}

fn scene(world: &World) -> Scene {
    let mut queues: HashMap<Queue, Timestamp> = HashMap::new();
    for one in &world.waiting {
        let oldest = queues.entry(one.queue.clone()).or_insert(one.request.waiting_since);
        *oldest = (*oldest).min(one.request.waiting_since);
    }
    let refused = world.waiting.iter().filter(|one| !one.by.is_empty());
    let free = world.doctors.iter().map(|one| one.candidate.clone()).filter(|one| one.places.all() > 0);
    Scene {
        queues: queues.into_iter().collect(),
        refused: refused
            .map(|one| Refused { queue: one.queue.clone(), request: one.request.clone(), by: one.by.clone() })
            .collect(),
        chains: world.chains.clone(),
        pool: Pool::new(free.collect(), &world.shares, world.system),
    }
}

fn merged(world: &World) -> (Vec<Planned>, usize) {
    let mut stored = Stored { world, read: Cell::new(0) };
    let Ok(planned) = distribute(scene(world), &mut stored, now(), &MatchingPolicy::default());
    (planned, stored.read.get())
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
    let known = |index: usize, department, places| Doctor {
        candidate: Candidate {
            doctor: StaffId::from_uuid(id(index)),
            hospital: HospitalId::from_uuid(id(0)),
            district: "east".to_owned(),
            departments: vec![department],
            languages: Language::ALL.to_vec(),
            places: FreePlaces { text: places, video: 0 },
            idle_since: now(),
        },
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
            previous_doctor: None,
        },
        by: Vec::new(),
    };
    let mut waiting: Vec<Waiting> = (0..10_000).map(|n| ask(n, CARDIOLOGY, 100)).collect();
    waiting.push(ask(10_000, DERMATOLOGY, 1));
    let world = World {
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
    assert_eq!(planned[0].choice.doctor, StaffId::from_uuid(id(1)));
    assert_eq!(read, 1);
}
