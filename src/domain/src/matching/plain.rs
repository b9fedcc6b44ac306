//! A plain distributor that looks at every request and every doctor, and the stored queues of a world
//! in memory: what the distributor must offer, and what it reads.

use std::{cell::Cell, collections::HashMap, convert::Infallible};

use chrono::{TimeDelta, TimeZone};

use super::{
    Candidate, Chain, Choice, ChoiceReason, Clocks, Department, HospitalShare, MatchingPolicy, OverflowStep,
    Planned, Pool, Queue, Refused, Request, Scene, Source, distribute, fairness::turns,
};
use crate::{
    ids::{ConsultationId, HospitalId, StaffId},
    time::Timestamp,
    triage::TriageLevel,
};

pub(super) const DISTRICTS: [&str; 2] = ["east", "west"];
pub(super) const DEPARTMENTS: [Department; 3] = [Department::GENERAL_PRACTICE, DERMATOLOGY, CARDIOLOGY];

pub(super) const DERMATOLOGY: Department = Department::known("dermatology");
pub(super) const CARDIOLOGY: Department = Department::known("cardiology");

pub(super) fn now() -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
}

pub(super) fn id(number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(number as u128 + 1)
}

pub(super) fn staff(number: usize) -> StaffId {
    StaffId::from_uuid(id(number))
}

pub(super) fn hospital(number: usize) -> HospitalId {
    HospitalId::from_uuid(id(number))
}

/// Every department overflows to general practice after five minutes.
pub(super) fn chains() -> HashMap<Department, Chain> {
    let chain = |department: Department| {
        let others = DEPARTMENTS.iter().copied().take(1).filter(|other| *other != department);
        let departments = std::iter::once(department).chain(others).collect();
        (department, Chain { departments, patience: TimeDelta::minutes(5) })
    };
    DEPARTMENTS.iter().copied().map(chain).collect()
}

/// A request, and who refused it.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub queue: Queue,
    pub request: Request,
    pub by: Vec<StaffId>,
}

/// What a round begins with, read in full.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub now: Timestamp,
    /// Who is on call, with free places or without.
    pub doctors: Vec<Candidate>,
    pub waiting: Vec<Waiting>,
    pub shares: Vec<HospitalShare>,
    /// The system's virtual time.
    pub system: i64,
    pub chains: HashMap<Department, Chain>,
}

/// Looks at everything: each request in the order of its rank, each doctor for it.
pub(super) fn plain(world: &World) -> Vec<Planned> {
    let policy = MatchingPolicy::default();
    let mut doctors: Vec<Candidate> = world.doctors.clone();
    let mut taken: HashMap<HospitalId, i64> = HashMap::new();
    let mut stored: HashMap<HospitalId, i64> = HashMap::new();
    let mut system = world.system;
    let least = world.shares.iter().map(|share| share.weight).min().unwrap_or(1);
    let share = |hospital| world.shares.iter().find(|share| share.hospital == hospital).expect("a share");
    let mut waiting: Vec<&Waiting> = world.waiting.iter().collect();
    waiting.sort_by_key(|one| {
        let Request { waiting_since, consultation, .. } = one.request;
        one.queue.key(waiting_since, consultation, world.now, &policy)
    });
    let mut planned = Vec::new();
    for one in waiting {
        let waited = world.now - one.request.in_department_since;
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
        // An emergency is rather seen by somebody who does not speak the language than by nobody.
        let again = one.queue.level == TriageLevel::Emergency;
        let searches = [false, true].into_iter().take(if again { 2 } else { 1 });
        let searches = searches.flat_map(|any_language| steps.iter().map(move |step| (any_language, *step)));
        for (any_language, (department, neighbouring)) in searches {
            let of_step: Vec<usize> = (0..doctors.len())
                .filter(|index| {
                    let known = &doctors[*index];
                    known.departments.contains(&department)
                        && (known.district != one.queue.district) == neighbouring
                        && (any_language || known.languages.contains(&one.queue.language))
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
            let open = |of: &Candidate| {
                share(of.hospital).open_offers + taken.get(&of.hospital).copied().unwrap_or(0)
            };
            // Others' choices in this round do not move a hospital's clock.
            let starts = |of: &Candidate| {
                let HospitalShare { virtual_time, weight, open_offers, .. } = *share(of.hospital);
                let now = (virtual_time + turns(open_offers, weight)).max(world.system - turns(1, least));
                now + turns(open(of) - open_offers, weight)
            };
            let fair = free.iter().copied().min_by_key(|index| {
                let known = &doctors[*index];
                (starts(known), known.hospital, known.busy, known.idle_since, known.doctor)
            });
            if let Some(index) = same.or(fair) {
                let known = &doctors[index];
                let without_open = starts(known) - turns(open(known), share(known.hospital).weight);
                let raised = stored.entry(known.hospital).or_insert(share(known.hospital).virtual_time);
                let mut clocks = Clocks::default();
                if same.is_none() {
                    clocks.system = (without_open > system).then_some(without_open);
                    clocks.hospital = (without_open > *raised).then_some(without_open);
                    system = system.max(without_open);
                    *raised = without_open.max(*raised);
                }
                *taken.entry(known.hospital).or_default() += 1;
                doctors[index].places.take(one.queue.medium);
                doctors[index].busy += 1;
                let known = &doctors[index];
                planned.push(Planned {
                    consultation: one.request.consultation,
                    fence: one.request.fence,
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
                    clocks,
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

    fn is_on_call(
        &mut self,
        queue: &Queue,
        step: OverflowStep,
        excluded: &[StaffId],
    ) -> Result<bool, Infallible> {
        Ok(self.world.doctors.iter().any(|known| {
            known.departments.contains(&step.department)
                && (known.district != queue.district) == step.neighbouring
                && known.languages.contains(&queue.language)
                && !excluded.contains(&known.doctor)
        }))
    }
}

fn scene(world: &World) -> Scene {
    let mut queues: HashMap<Queue, Timestamp> = HashMap::new();
    for one in &world.waiting {
        let oldest = queues.entry(one.queue.clone()).or_insert(one.request.waiting_since);
        *oldest = (*oldest).min(one.request.waiting_since);
    }
    let refused = world.waiting.iter().filter(|one| !one.by.is_empty());
    let free = world.doctors.iter().filter(|one| one.places.all() > 0).cloned();
    Scene {
        queues: queues.into_iter().collect(),
        refused: refused
            .map(|one| Refused { queue: one.queue.clone(), request: one.request.clone(), by: one.by.clone() })
            .collect(),
        chains: world.chains.clone(),
        pool: Pool::new(free.collect(), &world.shares, world.system),
    }
}

/// What the distributor offers, and how many requests it read for that.
pub(super) fn merged(world: &World) -> (Vec<Planned>, usize) {
    let mut stored = Stored { world, read: Cell::new(0) };
    let Ok(planned) = distribute(scene(world), &mut stored, world.now, &MatchingPolicy::default());
    (planned, stored.read.get())
}
