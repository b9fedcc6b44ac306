//! The free doctors of one round, and the virtual times of their hospitals.

use std::collections::HashMap;

use super::{
    choose::{Candidate, Choice, ChoiceReason},
    department::Department,
    fairness::{start_time, turns},
};
use crate::{
    consultation::Medium,
    ids::{HospitalId, StaffId},
};

/// A hospital's share in the fair distribution; see `fairness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HospitalShare {
    pub hospital: HospitalId,
    /// As stored.
    pub virtual_time: i64,
    pub weight: u32,
    /// Its open offers: each counts as a turn taken.
    pub open_offers: i64,
}

#[derive(Debug)]
struct Clock {
    /// As stored, and as the choices of this round raise it.
    stored: i64,
    /// Where its next turn starts: its open offers and the choices of this round are turns taken.
    next: i64,
    /// How many these are.
    open: i64,
    weight: u32,
}

/// The virtual times that a choice changes, besides those that follow when the offer is accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The system's.
    pub system: Option<i64>,
    /// That of the hospital, which was absent while others had their turns.
    pub hospital: Option<i64>,
}

/// Doctors with free places.
#[derive(Debug)]
pub struct Pool {
    doctors: Vec<Candidate>,
    by_department: HashMap<Department, Vec<usize>>,
    by_doctor: HashMap<StaffId, usize>,
    clocks: HashMap<HospitalId, Clock>,
    /// How many consultations all of them can take.
    places: usize,
    /// The system's virtual time.
    system: i64,
}

impl Pool {
    /// `system` is the system's virtual time, as stored.
    pub fn new(doctors: Vec<Candidate>, shares: &[HospitalShare], system: i64) -> Self {
        let mut by_department: HashMap<Department, Vec<usize>> = HashMap::new();
        for (index, candidate) in doctors.iter().enumerate() {
            for department in &candidate.departments {
                by_department.entry(*department).or_default().push(index);
            }
        }
        let by_doctor = doctors.iter().enumerate().map(|(index, one)| (one.doctor, index)).collect();
        let least = shares.iter().map(|share| share.weight).min().unwrap_or(1);
        let clock = |share: &HospitalShare| {
            let &HospitalShare { hospital, virtual_time: stored, weight, open_offers: open } = share;
            let next = start_time(stored.saturating_add(turns(open, weight)), system, least);
            (hospital, Clock { stored, next, open, weight })
        };
        let clocks = shares.iter().map(clock).collect();
        let places = doctors.iter().map(|one| one.places.all()).sum();
        Self { doctors, by_department, by_doctor, clocks, places, system }
    }

    /// The doctors of a department.
    pub(crate) fn of(&self, department: Department) -> impl Iterator<Item = &Candidate> + Clone {
        let found = self.by_department.get(&department);
        found.into_iter().flatten().map(|index| &self.doctors[*index])
    }

    pub(crate) fn places(&self) -> usize {
        self.places
    }

    pub(crate) fn virtual_time(&self, hospital: HospitalId) -> i64 {
        self.clocks.get(&hospital).map_or(self.system, |clock| clock.next)
    }

    /// Uses one place of the chosen doctor and one turn of their hospital. A choice for continuity of
    /// care is made out of turn, so it advances no clock.
    pub(crate) fn take(&mut self, choice: &Choice, medium: Medium) -> Clocks {
        if let Some(index) = self.by_doctor.get(&choice.doctor) {
            let chosen = &mut self.doctors[*index];
            chosen.places.take(medium);
            chosen.busy += 1;
            self.places -= 1;
        }
        let Some(clock) = self.clocks.get_mut(&choice.hospital) else { return Clocks::default() };
        let without_open = clock.next.saturating_sub(turns(clock.open, clock.weight));
        clock.open += 1;
        clock.next = clock.next.saturating_add(turns(1, clock.weight));
        if choice.reason == ChoiceReason::Continuity {
            return Clocks::default();
        }
        let changed = Clocks {
            system: (without_open > self.system).then_some(without_open),
            hospital: (without_open > clock.stored).then_some(without_open),
        };
        self.system = self.system.max(without_open);
        clock.stored = clock.stored.max(without_open);
        changed
    }
}
