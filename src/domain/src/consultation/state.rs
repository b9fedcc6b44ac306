//! The states, their named sets, and the snapshot that a command looks at.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ConsultationId, HospitalId, OfferId, StaffId, WorkerId},
    time::Timestamp,
    triage::TriageLevel,
};

crate::text_enum! {
    /// Where a consultation stands.
    pub enum ConsultationState {
        /// In the queue.
        Waiting = "waiting",
        /// Put to one doctor, who has not answered yet.
        Offered = "offered",
        /// A doctor has it.
        Active = "active",
        /// Its doctor completed it.
        Completed = "completed",
        /// Ended without a doctor's completion; [`CancelReason`] says why.
        Cancelled = "cancelled",
        /// No doctor could be found; never the worker's doing.
        Unserved = "unserved",
    }
}

impl ConsultationState {
    /// Not ended: a worker has at most one of these.
    pub const LIVE: &'static [Self] = &[Self::Waiting, Self::Offered, Self::Active];

    /// Ended for good.
    pub const ENDED: &'static [Self] = &[Self::Completed, Self::Cancelled, Self::Unserved];

    /// May still be taken back.
    pub const CANCELLABLE: &'static [Self] = &[Self::Waiting, Self::Offered];

    /// Whether the state is one of [`Self::LIVE`].
    pub const fn is_live(self) -> bool {
        match self {
            Self::Waiting | Self::Offered | Self::Active => true,
            Self::Completed | Self::Cancelled | Self::Unserved => false,
        }
    }
}

crate::text_enum! {
    /// Where an offer stands.
    pub enum OfferState {
        /// The doctor may answer.
        Open = "open",
        /// The doctor has the consultation, or completed it.
        Accepted = "accepted",
        /// The doctor said no.
        Declined = "declined",
        /// The doctor did not answer in time.
        Expired = "expired",
        /// The consultation was cancelled under it, its worker left, or its doctor was lost.
        Withdrawn = "withdrawn",
    }
}

crate::text_enum! {
    /// Why a consultation ended without being completed.
    pub enum CancelReason {
        /// The worker.
        ByWorker = "by_worker",
        /// An operator, for the worker.
        ByOperator = "by_operator",
        /// Its doctor: the worker did not come.
        NoShow = "no_show",
        /// Nobody: the worker left while waiting, and did not come back in time.
        WorkerLeft = "worker_left",
    }
}

/// One consultation put to one doctor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which offer.
    pub id: OfferId,
    /// To whom.
    pub doctor: StaffId,
    /// The doctor's hospital, which the consultation gains on accept.
    pub hospital: HospitalId,
    /// The offer's number within its consultation.
    pub fence: i64,
    /// From then on it can no longer be accepted.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: OfferState,
}

/// The snapshot that a command is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consultation {
    /// Which consultation.
    pub id: ConsultationId,
    /// Who seeks care.
    pub worker: WorkerId,
    /// Where it stands.
    pub state: ConsultationState,
    /// Since when the worker waits; a requeue keeps it.
    pub waiting_since: Timestamp,
    /// When its doctor was lost last; from there the wait for another counts anew.
    pub requeued_at: Option<Timestamp>,
    /// The last offer, in whatever state.
    pub offer: Option<Offer>,
    /// The number of the last offer; 0 before the first. Grows by one per offer.
    pub fence: i64,
    /// Who has it, or completed it.
    pub doctor: Option<StaffId>,
    /// Whose doctor that is.
    pub hospital: Option<HospitalId>,
    /// When that doctor accepted.
    pub accepted_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Since when the worker is checked in nowhere; `None` while they are.
    pub left_at: Option<Timestamp>,
    /// The worker's rating, 1 to 5.
    pub rating: Option<u8>,
    /// How soon a doctor must see the worker; it only rises.
    pub triage: TriageLevel,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_and_ended_part_the_states() {
        for &state in ConsultationState::ALL {
            assert_eq!(ConsultationState::LIVE.contains(&state), state.is_live());
            assert_ne!(ConsultationState::LIVE.contains(&state), ConsultationState::ENDED.contains(&state));
        }
        assert!(ConsultationState::CANCELLABLE.iter().all(|state| state.is_live()));
    }
}
