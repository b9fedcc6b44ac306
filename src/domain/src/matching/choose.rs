//! Chooses the doctor for an offer: continuity first, then fairness between hospitals,
//! then the longest idle, then the least busy; and where to look when no doctor of the department is on
//! call.

use chrono::TimeDelta;
use serde::Serialize;

use super::{
    department::Department,
    policy::MatchingPolicy,
    pool::Pool,
    queue::{Chain, PreviousDoctor, Queue, Request},
};
use crate::{
    consultation::Medium,
    ids::{HospitalId, StaffId},
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

/// A doctor on call with free places, as read from storage: verified, licensed today, on shift and
/// available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub doctor: StaffId,
    pub hospital: HospitalId,
    /// The hospital's district.
    pub district: String,
    pub departments: Vec<Department>,
    pub languages: Vec<Language>,
    pub places: FreePlaces,
    /// How many consultations they have now, offers included.
    pub busy: u32,
    /// When they last ended a consultation or changed their duty.
    pub idle_since: Timestamp,
}

/// How many more consultations a doctor can take now, by each medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreePlaces {
    pub text: u32,
    pub video: u32,
}

impl FreePlaces {
    pub(crate) const fn of(self, medium: Medium) -> u32 {
        match medium {
            Medium::Text => self.text,
            Medium::Video => self.video,
        }
    }

    pub(crate) const fn take(&mut self, medium: Medium) {
        match medium {
            Medium::Text => self.text -= 1,
            Medium::Video => self.video -= 1,
        }
    }

    pub(crate) const fn all(self) -> usize {
        self.text as usize + self.video as usize
    }
}

/// One step of the search for a doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct OverflowStep {
    pub department: Department,
    /// Search neighbouring hospitals instead of partners.
    pub neighbouring: bool,
}

crate::text_enum! {
    /// Why this doctor was chosen.
    pub enum ChoiceReason {
        /// The same doctor saw the worker within the policy's days.
        Continuity = "continuity",
        /// The hospital is next, and the doctor the longest idle in it.
        Fairness = "fairness",
    }
}

/// The doctor who gets the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Choice {
    pub doctor: StaffId,
    pub hospital: HospitalId,
    /// The search step that found the doctor.
    pub step: OverflowStep,
    pub reason: ChoiceReason,
}

/// One request in its queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub queue: &'a Queue,
    pub chain: &'a Chain,
    pub in_department_since: Timestamp,
    pub previous_doctor: Option<PreviousDoctor>,
    /// Doctors who declined an offer of it or let one expire.
    pub excluded: &'a [StaffId],
}

impl<'a> Asked<'a> {
    pub fn of(queue: &'a Queue, chain: &'a Chain, request: &Request, excluded: &'a [StaffId]) -> Self {
        let &Request { in_department_since, previous_doctor, .. } = request;
        Self { queue, chain, in_department_since, previous_doctor, excluded }
    }
}

/// The search steps, in order: the chain at partner hospitals, then at neighbouring hospitals.
pub(super) fn overflow_plan(chain: &Chain) -> impl Iterator<Item = OverflowStep> {
    [false, true].into_iter().flat_map(|neighbouring| {
        chain.departments.iter().map(move |department| OverflowStep { department: *department, neighbouring })
    })
}

/// Chooses a doctor; `None` means wait.
///
/// A step is skipped when none of its doctors is on call. When its doctors are on call but full, the
/// worker waits for them; the search goes on only for an emergency, after the department's patience,
/// or after a wait beyond the limit. An older request of a queue without refusals is therefore served
/// by all who can serve a younger one.
///
/// # Errors
/// Those of `is_on_call`, which says whether anybody of a step who could serve the request, had they a
/// free place, is on call.
pub(crate) fn choose_doctor<E>(
    asked: &Asked<'_>,
    pool: &Pool,
    mut is_on_call: impl FnMut(OverflowStep) -> Result<bool, E>,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Result<Option<Choice>, E> {
    let search_further = asked.queue.level == TriageLevel::Emergency
        || now >= policy.overdue_at(asked.in_department_since)
        || now >= asked.in_department_since + asked.chain.patience;
    let find = |step: OverflowStep, any_language| {
        let free = pool.of(step.department).filter(|candidate| serves(candidate, asked, step, any_language));
        best(free, pool, asked, now, policy).map(|(candidate, reason)| {
            let Candidate { doctor, hospital, .. } = *candidate;
            Choice { doctor, hospital, step, reason }
        })
    };
    for step in overflow_plan(asked.chain) {
        if let Some(choice) = find(step, false) {
            return Ok(Some(choice));
        }
        if !search_further && is_on_call(step)? {
            return Ok(None);
        }
    }
    // A doctor who does not speak the worker's language is better for an emergency than none.
    let any_language = asked.queue.level == TriageLevel::Emergency;
    Ok(any_language.then(|| overflow_plan(asked.chain).find_map(|step| find(step, true))).flatten())
}

fn serves(candidate: &Candidate, asked: &Asked<'_>, step: OverflowStep, any_language: bool) -> bool {
    candidate.places.of(asked.queue.medium) > 0
        && suits(asked.queue, step, &candidate.district, &candidate.languages, any_language)
        && !asked.excluded.contains(&candidate.doctor)
}

/// Whether a doctor of a step's department, of this district and with these languages, suits a queue.
pub(super) fn suits(
    queue: &Queue,
    step: OverflowStep,
    district: &str,
    languages: &[Language],
    any_language: bool,
) -> bool {
    (district != queue.district) == step.neighbouring && (any_language || languages.contains(&queue.language))
}

fn best<'a>(
    free: impl Iterator<Item = &'a Candidate> + Clone,
    pool: &Pool,
    asked: &Asked<'_>,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<(&'a Candidate, ChoiceReason)> {
    let days = TimeDelta::days(i64::from(policy.continuity_days));
    let recent = |previous: &PreviousDoctor| now.signed_duration_since(previous.seen_at) <= days;
    if let Some(previous) = asked.previous_doctor.filter(recent)
        && let Some(same) = free.clone().find(|candidate| candidate.doctor == previous.doctor)
    {
        return Some((same, ChoiceReason::Continuity));
    }
    free.min_by_key(|candidate| {
        let clock = pool.virtual_time(candidate.hospital);
        (clock, candidate.hospital, candidate.busy, candidate.idle_since, candidate.doctor)
    })
    .map(|candidate| (candidate, ChoiceReason::Fairness))
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
