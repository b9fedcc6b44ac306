//! The states of a prescription, and the data that decisions about it depend on.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::event::Event;
use crate::{
    ids::{ConsultationId, ReviewQuestionId, StaffId},
    time::Timestamp,
};

crate::text_enum! {
    /// The state of a prescription.
    pub enum PrescriptionState {
        /// The doctor writes it.
        Draft = "draft",
        /// Signed by its doctor; waits for review.
        Signed = "signed",
        /// Sent back by the pharmacist.
        Returned = "returned",
        /// Reviewed; in effect.
        Approved = "approved",
        /// Every unit was dispensed.
        Fulfilled = "fulfilled",
        /// Withdrawn.
        Void = "void",
        /// Its validity ran out.
        Expired = "expired",
    }
}

/// States that end when the validity ends.
pub const EXPIRING: &[PrescriptionState] =
    &[PrescriptionState::Signed, PrescriptionState::Returned, PrescriptionState::Approved];

/// States that can still change.
pub const LIVE: &[PrescriptionState] = &[
    PrescriptionState::Draft,
    PrescriptionState::Signed,
    PrescriptionState::Returned,
    PrescriptionState::Approved,
];

/// States that never change again.
pub const ENDED: &[PrescriptionState] =
    &[PrescriptionState::Fulfilled, PrescriptionState::Void, PrescriptionState::Expired];

impl PrescriptionState {
    /// Can it still change?
    pub const fn is_live(self) -> bool {
        match self {
            Self::Draft | Self::Signed | Self::Returned | Self::Approved => true,
            Self::Fulfilled | Self::Void | Self::Expired => false,
        }
    }
}

/// A pharmacist has it for review: nobody else decides about it until the claim expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub by: StaffId,
    pub at: Timestamp,
    /// When it goes back to the queue by itself.
    pub until: Timestamp,
}

/// Everything that a decision about a prescription reads; the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prescription {
    pub state: PrescriptionState,
    /// The consultation that it belongs to.
    pub consultation: ConsultationId,
    /// The doctor of that consultation, who alone may write and sign it.
    pub prescriber: StaffId,
    /// Increases with every edit; a reviewer approves one revision.
    pub revision: u32,
    pub signed_at: Option<Timestamp>,
    /// The last instant at which it may be used.
    pub valid_until: Option<Timestamp>,
    /// The civil day in Asia/Shanghai on which it was signed.
    pub issued_on: Option<NaiveDate>,
    /// Digest of the signed document, lower-case hex.
    pub digest: Option<String>,
    /// The pharmacist who reviewed it last.
    pub reviewer: Option<StaffId>,
    /// Reviewed before all others.
    pub emergency: bool,
    /// Which pharmacist has it, while it waits for review.
    pub claim: Option<Claim>,
    /// The question that its doctor has not answered yet.
    pub question: Option<ReviewQuestionId>,
}

impl Prescription {
    /// A new draft.
    pub const fn draft(consultation: ConsultationId, prescriber: StaffId) -> Self {
        Self {
            state: PrescriptionState::Draft,
            consultation,
            prescriber,
            revision: 0,
            signed_at: None,
            valid_until: None,
            issued_on: None,
            digest: None,
            reviewer: None,
            emergency: false,
            claim: None,
            question: None,
        }
    }

    /// The prescription after `events`; `None` unless the first one is its draft.
    pub fn fold(events: &[Event]) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let Event::Drafted { consultation, prescriber, .. } = first else { return None };
        let mut prescription = Self::draft(*consultation, *prescriber);
        rest.iter().for_each(|event| prescription.apply(event));
        Some(prescription)
    }

    /// The prescription after `event`.
    pub fn apply(&mut self, event: &Event) {
        match event {
            // Always the first event; `fold` starts from it.
            Event::Drafted { .. } => {}
            Event::Edited { revision } => {
                self.state = PrescriptionState::Draft;
                self.revision = *revision;
                self.signed_at = None;
                self.valid_until = None;
                self.issued_on = None;
                self.digest = None;
                self.reviewer = None;
                self.emergency = false;
            }
            Event::Signed { signed_at, valid_until, issued_on, digest, emergency, .. } => {
                self.state = PrescriptionState::Signed;
                self.signed_at = Some(*signed_at);
                self.valid_until = Some(*valid_until);
                self.issued_on = Some(*issued_on);
                self.digest = Some(digest.clone());
                self.emergency = *emergency;
            }
            Event::Claimed { reviewer, at, until } => {
                self.claim = Some(Claim { by: *reviewer, at: *at, until: *until });
            }
            Event::Released { .. } => self.claim = None,
            Event::Asked { question, .. } => {
                self.claim = None;
                self.question = Some(*question);
            }
            Event::Answered { .. } => self.question = None,
            Event::SupplyDecided { .. } => {}
            Event::Approved { reviewer, .. } => {
                self.end_review(PrescriptionState::Approved);
                self.reviewer = Some(*reviewer);
            }
            Event::Returned { reviewer, .. } => {
                self.end_review(PrescriptionState::Returned);
                self.reviewer = Some(*reviewer);
            }
            Event::Voided { .. } => self.end_review(PrescriptionState::Void),
            Event::Expired { .. } => self.end_review(PrescriptionState::Expired),
            Event::Fulfilled { .. } => self.state = PrescriptionState::Fulfilled,
        }
    }

    /// In `state` nobody reviews it.
    fn end_review(&mut self, state: PrescriptionState) {
        self.state = state;
        self.claim = None;
        self.question = None;
    }
}
