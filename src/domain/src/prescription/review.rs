//! The decisions of a review: a pharmacist takes a signed prescription, gives it back, asks its doctor,
//! approves or returns it. Who decides without having taken it decides at once, unless another pharmacist
//! has it.

use serde_json::json;

use super::{
    event::Event,
    long_term::ensure_countersigned,
    rules::{self, PharmacistStanding, ReviewParty},
    state::{Claim, Prescription, PrescriptionState},
};
use crate::{
    ids::{ReviewQuestionId, StaffId},
    refusal::{Code, Refusal},
    time::{Timestamp, to_micros},
};

crate::text_enum! {
    /// Why a pharmacist returns a prescription; free text is stored with the review, not in the
    /// event.
    pub enum ReturnReason {
        /// The dose or its frequency.
        Dose = "dose",
        /// Drugs that interact.
        Interaction = "interaction",
        /// The drug does not fit the diagnosis.
        Indication = "indication",
        /// Something that the worker must not take.
        Contraindication = "contraindication",
        /// Something is missing or unclear.
        Incomplete = "incomplete",
        /// Another reason, given as free text.
        Other = "other",
    }
}

crate::text_enum! {
    /// Why a prescription that a pharmacist had went back to the queue.
    pub enum ReleaseReason {
        /// The pharmacist gave it back.
        GivenBack = "given_back",
        /// The claim expired.
        Expired = "expired",
    }
}

impl Prescription {
    /// The claim that holds at `now`.
    pub fn claim_at(&self, now: Timestamp) -> Option<Claim> {
        self.claim.filter(|claim| now < claim.until)
    }
}

pub(super) fn claim(
    prescription: &Prescription,
    by: &PharmacistStanding,
    on_shift: bool,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    reviewable(prescription, by, now)?;
    ensure_no_question(prescription)?;
    if prescription.claim_at(now).is_some() {
        return Ok(Vec::new());
    }
    if !on_shift {
        return Err(Refusal::new(Code::NotOnShift));
    }
    let mut events = release_expired(prescription, now);
    events.push(Event::Claimed { reviewer: by.staff, at: to_micros(now), until: to_micros(until) });
    Ok(events)
}

pub(super) fn release(
    prescription: &Prescription,
    by: StaffId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    ensure_signed(prescription)?;
    ensure_not_anothers(prescription, by, now)?;
    let claim = prescription.claim.filter(|claim| claim.by == by);
    Ok(claim
        .map(|claim| Event::Released { reviewer: claim.by, reason: ReleaseReason::GivenBack })
        .into_iter()
        .collect())
}

/// The end of a claim that has expired.
pub(super) fn release_expired(prescription: &Prescription, now: Timestamp) -> Vec<Event> {
    let expired = prescription.claim.filter(|claim| claim.until <= now);
    expired
        .map(|claim| Event::Released { reviewer: claim.by, reason: ReleaseReason::Expired })
        .into_iter()
        .collect()
}

pub(super) fn ask(
    prescription: &Prescription,
    by: &PharmacistStanding,
    question: ReviewQuestionId,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    reviewable(prescription, by, now)?;
    ensure_no_question(prescription)?;
    Ok(vec![Event::Asked { reviewer: by.staff, question }])
}

pub(super) fn answer(
    prescription: &Prescription,
    by: StaffId,
    question: ReviewQuestionId,
) -> Result<Vec<Event>, Refusal> {
    if by != prescription.prescriber {
        return Err(Refusal::new(Code::RoleNotAllowed));
    }
    ensure_signed(prescription)?;
    if prescription.question != Some(question) {
        return Err(Refusal::moved_on("answered"));
    }
    Ok(vec![Event::Answered { by, question }])
}

pub(super) fn approve(
    prescription: &Prescription,
    by: &PharmacistStanding,
    (digest, countersigned): (&str, Option<bool>),
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let same = prescription.digest.as_deref() == Some(digest);
    match prescription.state {
        PrescriptionState::Signed => {}
        PrescriptionState::Approved | PrescriptionState::Fulfilled => {
            let done = same && prescription.reviewer == Some(by.staff);
            return if done { Ok(Vec::new()) } else { Err(Refusal::moved_on(prescription.state)) };
        }
        PrescriptionState::Draft
        | PrescriptionState::Returned
        | PrescriptionState::Void
        | PrescriptionState::Expired => return Err(Refusal::moved_on(prescription.state)),
    }
    reviewable(prescription, by, now)?;
    ensure_no_question(prescription)?;
    if !same {
        return Err(Refusal::moved_on(prescription.state));
    }
    ensure_countersigned(countersigned)?;
    let countersigned = countersigned.unwrap_or_default();
    Ok(vec![Event::Approved { reviewer: by.staff, digest: digest.to_owned(), countersigned }])
}

/// A prescription is returned in spite of an open question, whose answer may never come.
pub(super) fn return_to_doctor(
    prescription: &Prescription,
    by: &PharmacistStanding,
    reason: ReturnReason,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    match prescription.state {
        PrescriptionState::Returned if prescription.reviewer == Some(by.staff) => return Ok(Vec::new()),
        PrescriptionState::Signed
        | PrescriptionState::Returned
        | PrescriptionState::Draft
        | PrescriptionState::Approved
        | PrescriptionState::Fulfilled
        | PrescriptionState::Void
        | PrescriptionState::Expired => {}
    }
    may_review(prescription, by, now)?;
    Ok(vec![Event::Returned { reviewer: by.staff, reason }])
}

/// It waits for review, and `by` may review it now.
pub(super) fn reviewable(
    prescription: &Prescription,
    by: &PharmacistStanding,
    now: Timestamp,
) -> Result<(), Refusal> {
    may_review(prescription, by, now)?;
    if prescription.valid_until.is_none_or(|until| now > until) {
        return Err(Refusal::new(Code::PrescriptionExpired).in_state(prescription.state));
    }
    Ok(())
}

/// As [`reviewable`], whether or not it is still valid.
fn may_review(prescription: &Prescription, by: &PharmacistStanding, now: Timestamp) -> Result<(), Refusal> {
    ensure_signed(prescription)?;
    rules::check_reviewer(&ReviewParty { prescriber: prescription.prescriber }, by, now)?;
    ensure_not_anothers(prescription, by.staff, now)
}

fn ensure_signed(prescription: &Prescription) -> Result<(), Refusal> {
    match prescription.state {
        PrescriptionState::Signed => Ok(()),
        PrescriptionState::Draft
        | PrescriptionState::Returned
        | PrescriptionState::Approved
        | PrescriptionState::Fulfilled
        | PrescriptionState::Void
        | PrescriptionState::Expired => Err(Refusal::moved_on(prescription.state)),
    }
}

fn ensure_not_anothers(prescription: &Prescription, by: StaffId, now: Timestamp) -> Result<(), Refusal> {
    match prescription.claim_at(now) {
        Some(claim) if claim.by != by => Err(Refusal::new(Code::ReviewClaimed)
            .in_state(prescription.state)
            .with_data(json!({"claimed_by": claim.by, "claimed_until": claim.until}))),
        Some(_) | None => Ok(()),
    }
}

fn ensure_no_question(prescription: &Prescription) -> Result<(), Refusal> {
    if prescription.question.is_some() {
        return Err(Refusal::new(Code::QuestionOpen).in_state(prescription.state));
    }
    Ok(())
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
