//! Chooses the doctor for an offer: continuity first, then fairness between hospitals,
//! then the longest idle; and where to look when no doctor of the department is on call.

use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use super::{department::Department, policy::MatchingPolicy};
use crate::{
    ids::{ConsultationId, HospitalId, StaffId},
    time::{Timestamp, civil_day},
    triage::TriageLevel,
    words::Language,
};

/// The doctor whom this worker saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousDoctor {
    pub doctor: StaffId,
    /// When that consultation ended.
    pub seen_at: Timestamp,
}

/// The requirements of one consultation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRequest {
    pub consultation: ConsultationId,
    pub department: Department,
    /// The language that the worker speaks.
    pub language: Language,
    /// An emergency does not wait for a busy department.
    pub level: TriageLevel,
    pub waiting_since: Timestamp,
    /// For continuity; ignored if older than the policy's days.
    pub previous_doctor: Option<PreviousDoctor>,
    /// Doctors who declined an offer of this consultation or let one expire.
    pub excluded: Vec<StaffId>,
}

/// One doctor on the roster, as just read from storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub doctor: StaffId,
    pub hospital: HospitalId,
    /// The hospital is a neighbouring one, not a partner of the worker's own station.
    pub neighbouring: bool,
    pub departments: Vec<Department>,
    pub languages: Vec<Language>,
    /// Current number of live consultations and open offers.
    pub live: u32,
    /// Maximum of `live`.
    pub capacity: u32,
    /// On call and not away. A doctor without a heartbeat because Redis is down counts as present.
    pub present: bool,
    pub idle_since: Timestamp,
    /// The hospital's fairness clock; see `fairness`.
    pub hospital_virtual_time: i64,
    /// The last civil day (Asia/Shanghai) of the licence.
    pub licence_valid_until: NaiveDate,
    pub on_shift_until: Timestamp,
}

/// One step of the search for a doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// The search steps, in order: the department, general practice, then both at
/// neighbouring hospitals.
pub(crate) fn overflow_plan(department: Department) -> Vec<OverflowStep> {
    let mut plan = Vec::with_capacity(4);
    for neighbouring in [false, true] {
        plan.push(OverflowStep { department, neighbouring });
        if department != Department::GeneralPractice {
            plan.push(OverflowStep { department: Department::GeneralPractice, neighbouring });
        }
    }
    plan
}

/// Chooses a doctor; `None` means wait.
///
/// A step is skipped when none of its doctors is on call. When its doctors are on
/// call but full, the worker waits for them; only for an emergency, or a wait beyond
/// the limit, does the search continue.
pub fn choose_doctor(
    request: &MatchRequest,
    candidates: &[Candidate],
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<Choice> {
    let search_further =
        request.level == TriageLevel::Emergency || now >= policy.overdue_at(request.waiting_since);
    for step in overflow_plan(request.department) {
        let on_call: Vec<_> =
            candidates.iter().filter(|candidate| is_on_call(candidate, request, step, now)).collect();
        let free = on_call.iter().copied().filter(|candidate| candidate.live < candidate.capacity);
        if let Some((candidate, reason)) = best(free, request, now, policy) {
            return Some(Choice { doctor: candidate.doctor, hospital: candidate.hospital, step, reason });
        }
        if !on_call.is_empty() && !search_further {
            return None;
        }
    }
    None
}

fn is_on_call(candidate: &Candidate, request: &MatchRequest, step: OverflowStep, now: Timestamp) -> bool {
    candidate.neighbouring == step.neighbouring
        && candidate.departments.contains(&step.department)
        && candidate.languages.contains(&request.language)
        && candidate.licence_valid_until >= civil_day(now)
        && candidate.on_shift_until > now
        && candidate.present
        // A doctor with a capacity of 0 is not on call, even if on the roster.
        && candidate.capacity > 0
        && !request.excluded.contains(&candidate.doctor)
}

fn best<'a>(
    free: impl Iterator<Item = &'a Candidate> + Clone,
    request: &MatchRequest,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<(&'a Candidate, ChoiceReason)> {
    let days = TimeDelta::days(i64::from(policy.continuity_days));
    let recent = |previous: &PreviousDoctor| now.signed_duration_since(previous.seen_at) <= days;
    if let Some(previous) = request.previous_doctor.filter(recent)
        && let Some(same) = free.clone().find(|candidate| candidate.doctor == previous.doctor)
    {
        return Some((same, ChoiceReason::Continuity));
    }
    free.min_by_key(|candidate| {
        (candidate.hospital_virtual_time, candidate.hospital, candidate.idle_since, candidate.doctor)
    })
    .map(|candidate| (candidate, ChoiceReason::Fairness))
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
