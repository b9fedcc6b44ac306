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
    /// Where its next turn starts when open offers are not counted.
    start: i64,
    /// Including open offers and the choices of this round.
    time: i64,
    weight: u32,
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
        let clock = |share: &HospitalShare| {
            let start = start_time(share.virtual_time, system);
            let time = start.saturating_add(turns(share.open_offers, share.weight));
            (share.hospital, Clock { start, time, weight: share.weight })
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
        self.clocks.get(&hospital).map_or(self.system, |clock| clock.time)
    }

    /// Uses one place of the chosen doctor and one turn of their hospital. Returns the system's
    /// virtual time, if this choice advances it: one for continuity of care is made out of turn.
    pub(crate) fn take(&mut self, choice: &Choice, medium: Medium) -> Option<i64> {
        if let Some(index) = self.by_doctor.get(&choice.doctor) {
            self.doctors[*index].places.take(medium);
            self.places -= 1;
        }
        let clock = self.clocks.get_mut(&choice.hospital)?;
        clock.time = clock.time.saturating_add(turns(1, clock.weight));
        let advanced = choice.reason == ChoiceReason::Fairness && clock.start > self.system;
        advanced.then(|| {
            self.system = clock.start;
            clock.start
        })
    }
}
