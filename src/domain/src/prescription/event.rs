//! The events of a prescription: ids, codes and digests, never a name, a diagnosis or free text.

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    decide::VoidReason,
    draft::SupplyKind,
    lanes::EncounterLane,
    partial::SupplyReason,
    review::{ReleaseReason, ReturnReason},
};
use crate::{
    event::events,
    ids::{ConsultationId, ReviewQuestionId, StaffId},
};

events! {
    /// What happened to a prescription.
    pub enum Event, kinds EventKind {
        /// Its doctor began to write it.
        Drafted = "prescription.drafted" to(worker, staff) {
            consultation: ConsultationId,
            prescriber: StaffId,
            /// 0.
            revision: u32,
        },
        /// The draft was changed.
        Edited = "prescription.edited" to(worker, staff) {
            /// The new revision.
            revision: u32,
        },
        /// The doctor signed.
        Signed = "prescription.signed" to(worker, staff, pharmacists) {
            prescriber: StaffId,
            consultation: ConsultationId,
            /// The encounter lane.
            lane: EncounterLane,
            supply: SupplyKind,
            /// Digest of the signed document.
            digest: String,
            signed_at: DateTime<Utc>,
            /// The last instant at which it may be used.
            valid_until: DateTime<Utc>,
            issued_on: NaiveDate,
            /// Version of the safety rules used.
            ruleset_version: String,
            /// Version of the prescribing policy used.
            policy_version: String,
            /// Codes of the rules that the doctor overrode.
            overridden: Vec<String>,
            /// Reviewed before all others.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            emergency: bool,
        },
        /// A pharmacist took it for review.
        Claimed = "prescription.claimed" to(worker, pharmacists) {
            reviewer: StaffId,
            at: DateTime<Utc>,
            /// When it goes back to the queue by itself.
            until: DateTime<Utc>,
        },
        /// It went back to the queue, with its place in it.
        Released = "prescription.released" to(worker, pharmacists) {
            reviewer: StaffId,
            reason: ReleaseReason,
        },
        /// A pharmacist asked its doctor something; it waits for the answer.
        Asked = "prescription.asked" to(worker, staff, pharmacists) {
            reviewer: StaffId,
            question: ReviewQuestionId,
        },
        /// Its doctor answered; it waits for review again, with its place in the queue.
        Answered = "prescription.answered" to(worker, staff, pharmacists) {
            by: StaffId,
            question: ReviewQuestionId,
        },
        /// Its doctor, or the pharmacist who reviews it, decided how much of a line is supplied. What was
        /// signed stays as it is.
        SupplyDecided = "prescription.supply_decided" to(worker, staff, pharmacists) {
            by: StaffId,
            line_no: u32,
            /// 0: nothing of this line.
            packs: u32,
            reason: SupplyReason,
        },
        /// A pharmacist approved.
        Approved = "prescription.approved" to(worker, staff, pharmacists) {
            reviewer: StaffId,
            /// Digest of the approved document.
            digest: String,
            /// Long-term supply beyond the usual length, which the reviewer countersigned.
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            countersigned: bool,
        },
        /// A pharmacist returned it.
        Returned = "prescription.returned" to(worker, staff, pharmacists) {
            reviewer: StaffId,
            reason: ReturnReason,
        },
        /// It was withdrawn. Pharmacists do not hear that a draft was.
        Voided = "prescription.voided" to(worker, staff, pharmacists) {
            /// `None` for the service itself.
            by: Option<StaffId>,
            reason: VoidReason,
        },
        /// Its validity ran out.
        Expired = "prescription.expired" to(worker, staff, pharmacists) {
            /// The last instant at which it could be used.
            valid_until: DateTime<Utc>,
        },
        /// Every unit was dispensed.
        Fulfilled = "prescription.fulfilled" to(worker, staff, pharmacists) { units: u32 },
    }
}

impl EventKind {
    /// Whether a prescription is a draft after such an event.
    pub const fn is_draft(self) -> bool {
        match self {
            Self::Drafted | Self::Edited => true,
            Self::Signed
            | Self::Claimed
            | Self::Released
            | Self::Asked
            | Self::Answered
            | Self::SupplyDecided
            | Self::Approved
            | Self::Returned
            | Self::Voided
            | Self::Expired
            | Self::Fulfilled => false,
        }
    }
}
