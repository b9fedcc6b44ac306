//! The events of a consultation, and the fold that builds a snapshot from them.

use chrono::{DateTime, Utc};

use super::state::{CancelReason, Consultation, ConsultationState, Medium, Offer, OfferState};
use crate::{
    event::{events, is_false},
    ids::{ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    time::Timestamp,
    triage::TriageLevel,
};

events! {
    /// One change of state.
    pub enum ConsultationEvent, kinds ConsultationEventKind {
        /// A worker asked for care.
        Requested = "consultation.requested" to(worker) {
            consultation: ConsultationId,
            worker: WorkerId,
            at: DateTime<Utc>,
            /// Missing in logs written before 2026-11-29.
            #[serde(skip_serializing_if = "Option::is_none")]
            triage: Option<TriageLevel>,
            /// Text if missing, as in logs written before 2026-11-30.
            #[serde(default, skip_serializing_if = "is_text")]
            medium: Medium,
            /// Missing in logs written before 2026-11-30; then only the row names it.
            #[serde(skip_serializing_if = "Option::is_none")]
            department: Option<Department>,
        },
        /// A reading or an answer raised the triage level.
        Triaged = "consultation.triaged" to(worker, staff) { triage: TriageLevel, at: DateTime<Utc> },
        /// It was offered to one doctor.
        Offered = "consultation.offered" to(worker, staff) {
            offer: OfferId,
            doctor: StaffId,
            hospital: HospitalId,
            fence: i64,
            expires_at: DateTime<Utc>,
        },
        /// That doctor accepted it.
        Accepted = "consultation.accepted" to(worker, staff) {
            offer: OfferId,
            doctor: StaffId,
            hospital: HospitalId,
            fence: i64,
            at: DateTime<Utc>,
        },
        /// That doctor declined it.
        Declined = "consultation.declined" to(worker, staff) { offer: OfferId, doctor: StaffId },
        /// That doctor did not answer; the service sets the doctor's presence to away.
        OfferExpired = "consultation.offer_expired" to(worker, staff) { offer: OfferId, doctor: StaffId },
        /// The offer was withdrawn: the consultation was cancelled, its worker
        /// left, or its doctor signed out.
        OfferWithdrawn = "consultation.offer_withdrawn" to(worker, staff) { offer: OfferId, doctor: StaffId },
        /// Its doctor was lost; it is back in the queue with its original waiting time.
        Requeued = "consultation.requeued" to(worker, staff) {
            doctor: StaffId,
            at: DateTime<Utc>,
            /// The doctor signed out or may not act any more; otherwise their line was lost. Always
            /// false in logs written before 2026-11-30.
            #[serde(default, skip_serializing_if = "is_false")]
            released: bool,
        },
        /// Its doctor transferred it: to a department, where it waits with its original waiting time, or
        /// to a doctor, to whom it is offered at once.
        Transferred = "consultation.transferred" to(worker, staff) {
            doctor: StaffId,
            #[serde(skip_serializing_if = "Option::is_none")]
            to_department: Option<Department>,
            #[serde(skip_serializing_if = "Option::is_none")]
            to_doctor: Option<StaffId>,
            at: DateTime<Utc>,
        },
        /// Its worker is not checked in at any station: it is not offered to a doctor until they are.
        WorkerLeft = "consultation.worker_left" to(worker, staff) {
            at: DateTime<Utc>,
            /// Whose screen they left. Missing in logs written before 2026-11-30.
            #[serde(skip_serializing_if = "Option::is_none")]
            station: Option<StationId>,
        },
        /// Its worker is away and would be next: the screen that they left calls them.
        Called = "consultation.called" to(worker) { at: DateTime<Utc> },
        /// Its worker is checked in again.
        WorkerBack = "consultation.worker_back" to(worker, staff) { at: DateTime<Utc> },
        /// It ended without being completed.
        Cancelled = "consultation.cancelled" to(worker, staff) { reason: CancelReason, at: DateTime<Utc> },
        /// Its doctor completed it.
        Completed = "consultation.completed" to(worker, staff) { doctor: StaffId, at: DateTime<Utc> },
        /// No doctor could be found.
        Unserved = "consultation.unserved" to(worker, staff) { at: DateTime<Utc> },
        /// The worker rated it.
        Rated = "consultation.rated" to(worker, staff) { rating: u8 },
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_text(medium: &Medium) -> bool {
    *medium == Medium::Text
}

impl Consultation {
    /// A consultation in its first state; `None` unless `event` is the request.
    pub fn begin(event: &ConsultationEvent) -> Option<Self> {
        let ConsultationEvent::Requested { consultation, worker, at, triage, medium, department } = event
        else {
            return None;
        };
        Some(Self {
            id: *consultation,
            worker: *worker,
            state: ConsultationState::Waiting,
            waiting_since: *at,
            requeued_at: None,
            offer: None,
            fence: 0,
            doctor: None,
            hospital: None,
            accepted_at: None,
            ended_at: None,
            cancel_reason: None,
            left_at: None,
            left_station: None,
            called_at: None,
            rating: None,
            triage: triage.unwrap_or(TriageLevel::Standard),
            medium: *medium,
            department: department.unwrap_or(Department::GENERAL_PRACTICE),
            transferred_at: None,
        })
    }

    /// The consultation after `events`; `None` unless the first one is the request.
    pub fn fold(events: &[ConsultationEvent]) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let mut folded = Self::begin(first)?;
        rest.iter().for_each(|event| folded.apply(event));
        Some(folded)
    }

    /// Applies one event, unchecked: [`Consultation::decide`] produced it.
    pub fn apply(&mut self, event: &ConsultationEvent) {
        if let Some(offer) = &mut self.offer {
            offer.apply(event);
        }
        match event {
            // Always the first event of a log: `begin`.
            ConsultationEvent::Requested { .. } => {}
            ConsultationEvent::Triaged { triage, .. } => self.triage = *triage,
            ConsultationEvent::Offered { fence, .. } => {
                self.offer = Offer::begin(event);
                self.fence = *fence;
                self.state = ConsultationState::Offered;
            }
            ConsultationEvent::Accepted { doctor, hospital, at, .. } => {
                self.doctor = Some(*doctor);
                self.hospital = Some(*hospital);
                self.accepted_at = Some(*at);
                self.state = ConsultationState::Active;
            }
            ConsultationEvent::Declined { .. }
            | ConsultationEvent::OfferExpired { .. }
            | ConsultationEvent::OfferWithdrawn { .. } => self.state = ConsultationState::Waiting,
            ConsultationEvent::Requeued { at, .. } => self.wait_again(*at),
            ConsultationEvent::Transferred { to_department, at, .. } => {
                self.wait_again(*at);
                self.transferred_at = Some(*at);
                self.department = to_department.unwrap_or(self.department);
            }
            ConsultationEvent::WorkerLeft { at, station } => {
                self.left_at = Some(*at);
                self.left_station = *station;
            }
            ConsultationEvent::Called { at } => self.called_at = Some(*at),
            ConsultationEvent::WorkerBack { .. } => {
                (self.left_at, self.left_station, self.called_at) = (None, None, None);
            }
            ConsultationEvent::Cancelled { reason, at } => {
                self.cancel_reason = Some(*reason);
                self.end(ConsultationState::Cancelled, *at);
            }
            ConsultationEvent::Completed { at, .. } => self.end(ConsultationState::Completed, *at),
            ConsultationEvent::Unserved { at } => self.end(ConsultationState::Unserved, *at),
            ConsultationEvent::Rated { rating } => self.rating = Some(*rating),
        }
    }

    /// Its doctor has it no longer.
    fn wait_again(&mut self, at: Timestamp) {
        self.state = ConsultationState::Waiting;
        self.doctor = None;
        self.hospital = None;
        self.accepted_at = None;
        self.requeued_at = Some(at);
    }

    fn end(&mut self, state: ConsultationState, at: Timestamp) {
        self.state = state;
        self.ended_at = Some(at);
    }
}

impl Offer {
    /// An open offer; `None` unless `event` makes one.
    fn begin(event: &ConsultationEvent) -> Option<Self> {
        let ConsultationEvent::Offered { offer, doctor, hospital, fence, expires_at } = event else {
            return None;
        };
        Some(Self {
            id: *offer,
            doctor: *doctor,
            hospital: *hospital,
            fence: *fence,
            expires_at: *expires_at,
            state: OfferState::Open,
        })
    }

    /// Applies an event of the consultation to its last offer.
    fn apply(&mut self, event: &ConsultationEvent) {
        match event {
            ConsultationEvent::Accepted { .. } => self.state = OfferState::Accepted,
            // A transfer is a late refusal: it is not this doctor who has it again first.
            ConsultationEvent::Declined { .. } | ConsultationEvent::Transferred { .. } => {
                self.state = OfferState::Declined;
            }
            ConsultationEvent::OfferExpired { .. } => self.state = OfferState::Expired,
            // Otherwise no other doctor could accept: a consultation has one accepted offer at most.
            ConsultationEvent::OfferWithdrawn { .. } | ConsultationEvent::Requeued { .. } => {
                self.state = OfferState::Withdrawn;
            }
            ConsultationEvent::Requested { .. }
            | ConsultationEvent::Triaged { .. }
            | ConsultationEvent::Offered { .. }
            | ConsultationEvent::WorkerLeft { .. }
            | ConsultationEvent::Called { .. }
            | ConsultationEvent::WorkerBack { .. }
            | ConsultationEvent::Cancelled { .. }
            | ConsultationEvent::Completed { .. }
            | ConsultationEvent::Unserved { .. }
            | ConsultationEvent::Rated { .. } => {}
        }
    }
}
