//! Which doctor gets the offer: continuity, then fairness between hospitals, then
//! the longest idle; and where to look when nobody of the department is on call.

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
    /// Who.
    pub doctor: StaffId,
    /// When that consultation ended.
    pub seen_at: Timestamp,
}

/// What a consultation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRequest {
    /// Which consultation.
    pub consultation: ConsultationId,
    /// The department asked for.
    pub department: Department,
    /// The language that the worker speaks.
    pub language: Language,
    /// How soon; an emergency does not wait for a busy department.
    pub level: TriageLevel,
    /// Since when the worker waits.
    pub waiting_since: Timestamp,
    /// For continuity; an older one than the policy's days is ignored.
    pub previous_doctor: Option<PreviousDoctor>,
    /// Doctors who declined, or let an offer of this consultation expire.
    pub excluded: Vec<StaffId>,
}

/// One doctor on the roster, as read just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub doctor: StaffId,
    /// The doctor's hospital.
    pub hospital: HospitalId,
    /// Whether that hospital is a neighbour, not a partner of the worker's own station.
    pub neighbouring: bool,
    /// The departments that the doctor serves.
    pub departments: Vec<Department>,
    /// The languages that the doctor speaks.
    pub languages: Vec<Language>,
    /// Live consultations and open offers held now.
    pub live: u32,
    /// How many may be held at once.
    pub capacity: u32,
    /// On call and not away. "Not heard because Redis is down" still counts as present.
    pub present: bool,
    /// Since when the doctor has had nothing to do.
    pub idle_since: Timestamp,
    /// The hospital's fairness clock.
    pub hospital_virtual_time: i64,
    /// The last civil day (Asia/Shanghai) of the licence.
    pub licence_valid_until: NaiveDate,
    /// The end of the shift.
    pub on_shift_until: Timestamp,
}

/// One place to look for a doctor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OverflowStep {
    /// Which department.
    pub department: Department,
    /// At a neighbouring hospital.
    pub neighbouring: bool,
}

crate::text_enum! {
    /// Why this doctor.
    pub enum ChoiceReason {
        /// The same doctor as within the last days.
        Continuity = "continuity",
        /// The hospital's turn, and the longest idle in it.
        Fairness = "fairness",
    }
}

/// The doctor who gets the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Who.
    pub doctor: StaffId,
    /// The doctor's hospital.
    pub hospital: HospitalId,
    /// Where the doctor was found.
    pub step: OverflowStep,
    /// Why.
    pub reason: ChoiceReason,
}

/// Where to look, in order: the department, general practice, then both at
/// neighbouring hospitals.
pub fn overflow_plan(department: Department) -> Vec<OverflowStep> {
    let mut plan = Vec::with_capacity(4);
    for neighbouring in [false, true] {
        plan.push(OverflowStep { department, neighbouring });
        if department != Department::GeneralPractice {
            plan.push(OverflowStep { department: Department::GeneralPractice, neighbouring });
        }
    }
    plan
}

/// Chooses the doctor, or nobody for now.
///
/// A step is passed over when nobody in it is on call. When its doctors are on
/// call but full, the worker waits for them; only an emergency, or a wait beyond
/// the limit, looks on.
pub fn choose_doctor(
    request: &MatchRequest,
    candidates: &[Candidate],
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<Choice> {
    let looks_on = request.level == TriageLevel::Emergency || now >= policy.overdue_at(request.waiting_since);
    for step in overflow_plan(request.department) {
        let on_call: Vec<_> =
            candidates.iter().filter(|candidate| is_on_call(candidate, request, step, now)).collect();
        let free = on_call.iter().copied().filter(|candidate| candidate.live < candidate.capacity);
        if let Some((candidate, reason)) = best(free, request, now, policy) {
            return Some(Choice { doctor: candidate.doctor, hospital: candidate.hospital, step, reason });
        }
        if !on_call.is_empty() && !looks_on {
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
        // Somebody without any capacity is not on call, whatever the roster says.
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
