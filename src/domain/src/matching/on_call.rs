//! The doctors on call, and for whom of them a request waits: those whom the distributor may ask, with
//! free places or without.

use std::collections::{HashMap, HashSet};

use super::{
    choose::{FreePlaces, overflow_plan, suits},
    department::Department,
    queue::{Chain, Queue},
};
use crate::{ids::StaffId, triage::TriageLevel, words::Language};

/// A doctor on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorOnCall {
    pub doctor: StaffId,
    /// The hospital's district.
    pub district: String,
    pub departments: Vec<Department>,
    pub languages: Vec<Language>,
    /// All of their places.
    pub places: FreePlaces,
    /// How many of them are free.
    pub free: FreePlaces,
}

/// All doctors on call.
#[derive(Debug, Default)]
pub struct DoctorsOnCall {
    doctors: Vec<DoctorOnCall>,
    by_department: HashMap<Department, Vec<usize>>,
}

/// The doctors for whom a request waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The first department of the search in which one of them is on call.
    pub department: Option<Department>,
    /// Their numbers, and how many places each has for the request's medium.
    doctors: HashMap<usize, u32>,
    /// The sum of these.
    pub places: u32,
    /// How many of these are free.
    pub free: u32,
}

impl DoctorsOnCall {
    pub fn new(doctors: Vec<DoctorOnCall>) -> Self {
        let mut by_department: HashMap<Department, Vec<usize>> = HashMap::new();
        for (index, one) in doctors.iter().enumerate() {
            for department in &one.departments {
                by_department.entry(*department).or_default().push(index);
            }
        }
        Self { doctors, by_department }
    }

    /// The doctors whom the distributor may ask for a request of this queue, as `choose_doctor` searches:
    /// those of the first step where anybody is on call, or of all steps if the search goes further.
    /// `excluded` are not asked.
    pub fn reach(&self, queue: &Queue, chain: &Chain, further: bool, excluded: &[StaffId]) -> Reach {
        let excluded: HashSet<StaffId> = excluded.iter().copied().collect();
        let mut reach = Reach::default();
        let is_emergency = queue.level == TriageLevel::Emergency;
        for any_language in [false, true].into_iter().take(1 + usize::from(is_emergency)) {
            for step in overflow_plan(chain) {
                for index in self.by_department.get(&step.department).into_iter().flatten() {
                    let one = &self.doctors[*index];
                    let places = one.places.of(queue.medium);
                    let asked = places > 0
                        && suits(queue, step, &one.district, &one.languages, any_language)
                        && !excluded.contains(&one.doctor);
                    if asked && reach.doctors.insert(*index, places).is_none() {
                        reach.department.get_or_insert(step.department);
                        reach.places = reach.places.saturating_add(places);
                        reach.free = reach.free.saturating_add(one.free.of(queue.medium).min(places));
                    }
                }
                if !further && !is_emergency && reach.places > 0 {
                    return reach;
                }
            }
            // Whoever does not speak the language is asked only if nobody else is on call.
            if reach.places > 0 {
                break;
            }
        }
        reach
    }
}

impl Reach {
    pub fn is_empty(&self) -> bool {
        self.doctors.is_empty()
    }

    /// Which part of another request's places are places for this one as well, from 0 to 1.
    pub(crate) fn part_of(&self, other: &Self) -> f64 {
        if other.places == 0 {
            return 0.0;
        }
        let (fewer, more) = if self.doctors.len() < other.doctors.len() {
            (&self.doctors, &other.doctors)
        } else {
            (&other.doctors, &self.doctors)
        };
        let both = fewer.keys().filter(|index| more.contains_key(*index));
        let shared: u32 = both.filter_map(|index| other.doctors.get(index)).sum();
        f64::from(shared) / f64::from(other.places)
    }
}
