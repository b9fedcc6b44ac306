//! The states, their named sets, and the snapshot that a command is decided on.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    time::Timestamp,
    triage::TriageLevel,
};

crate::text_enum! {
    /// The state of a consultation.
    pub enum ConsultationState {
        /// In the queue.
        Waiting = "waiting",
        /// Offered to one doctor, who has not answered yet.
        Offered = "offered",
        /// A doctor accepted it.
        Active = "active",
        /// Its doctor completed it.
        Completed = "completed",
        /// Ended without a doctor's completion; [`CancelReason`] says why.
        Cancelled = "cancelled",
        /// No doctor could be found; the worker did not cause this.
        Unserved = "unserved",
    }
}

impl ConsultationState {
    /// Not ended. A worker has at most one live consultation.
    pub const fn is_live(self) -> bool {
        match self {
            Self::Waiting | Self::Offered | Self::Active => true,
            Self::Completed | Self::Cancelled | Self::Unserved => false,
        }
    }
}

crate::text_enum! {
    /// The state of an offer.
    pub enum OfferState {
        /// The doctor may answer.
        Open = "open",
        /// The doctor accepted; the consultation is active or completed.
        Accepted = "accepted",
        /// The doctor declined, or accepted and transferred the consultation later.
        Declined = "declined",
        /// The doctor did not answer in time.
        Expired = "expired",
        /// The consultation was cancelled, its worker left, or its doctor was lost.
        Withdrawn = "withdrawn",
    }
}

crate::text_enum! {
    /// Why a consultation ended without being completed.
    pub enum CancelReason {
        /// By the worker.
        ByWorker = "by_worker",
        /// By an operator, on behalf of the worker.
        ByOperator = "by_operator",
        /// By its doctor, because the worker did not appear.
        NoShow = "no_show",
        /// Automatic: the worker left while waiting and did not come back in time.
        WorkerLeft = "worker_left",
    }
}

crate::text_enum! {
    /// How doctor and worker talk. A doctor has places for each medium, counted on its own.
    #[derive(Default)]
    pub enum Medium {
        /// By messages; also what no request named.
        #[default]
        Text = "text",
        /// By sound and picture, and messages.
        Video = "video",
    }
}

/// One consultation offered to one doctor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub id: OfferId,
    pub doctor: StaffId,
    /// The doctor's hospital, which the consultation gains on accept.
    pub hospital: HospitalId,
    /// Number of the offer within its consultation, from 1.
    pub fence: i64,
    /// The first instant at which it can no longer be accepted.
    pub expires_at: Timestamp,
    pub state: OfferState,
}

/// The snapshot that a command is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consultation {
    pub id: ConsultationId,
    /// The person who seeks care.
    pub worker: WorkerId,
    pub state: ConsultationState,
    /// Start of the wait; a requeue does not change it.
    pub waiting_since: Timestamp,
    /// Last time its doctor was lost or transferred it; the limit for ending as unserved counts from
    /// here.
    pub requeued_at: Option<Timestamp>,
    /// The last offer, in any state.
    pub offer: Option<Offer>,
    /// Number of the last offer; 0 before the first. Grows by one per offer.
    pub fence: i64,
    /// The doctor who accepted it, if active, completed or a no-show.
    pub doctor: Option<StaffId>,
    /// That doctor's hospital.
    pub hospital: Option<HospitalId>,
    pub accepted_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub cancel_reason: Option<CancelReason>,
    /// Since when the worker is not checked in at any station; `None` while checked in.
    pub left_at: Option<Timestamp>,
    /// The station whose screen they left then; unknown in logs written before 2026-11-30.
    pub left_station: Option<StationId>,
    /// Since when that screen calls them: their turn came while they were away.
    pub called_at: Option<Timestamp>,
    /// The worker's rating, 1 to 5.
    pub rating: Option<u8>,
    /// How soon a doctor must see the worker; it never falls.
    pub triage: TriageLevel,
    /// How doctor and worker talk.
    pub medium: Medium,
    /// For which it waits: the one that was requested, or the last one that it was transferred to.
    pub department: Department,
    /// Last time its doctor transferred it.
    pub transferred_at: Option<Timestamp>,
}

impl Consultation {
    /// Whether the last offer belongs to the state: it is open while offered, and accepted exactly
    /// while or after its doctor has the consultation.
    pub fn matches_offer(&self) -> bool {
        let offer = self.offer.as_ref();
        let state = offer.map(|offer| offer.state);
        (state == Some(OfferState::Open)) == (self.state == ConsultationState::Offered)
            && (state == Some(OfferState::Accepted)) == self.doctor.is_some()
            && offer.map_or(0, |offer| offer.fence) == self.fence
    }
}
