//! The events of a consultation, and the fold that builds a snapshot from them.

use chrono::{DateTime, Utc};

use super::state::{CancelReason, Consultation, ConsultationState, Offer, OfferState};
use crate::{
    event::events,
    ids::{ConsultationId, HospitalId, OfferId, StaffId, WorkerId},
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
            // Missing in logs written before 2026-11-29.
            #[serde(default = "default_triage")]
            triage: TriageLevel,
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
        Requeued = "consultation.requeued" to(worker, staff) { doctor: StaffId, at: DateTime<Utc> },
        /// Its worker is not checked in at any station: it is not offered to a doctor until they are.
        WorkerLeft = "consultation.worker_left" to(worker, staff) { at: DateTime<Utc> },
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

const fn default_triage() -> TriageLevel {
    TriageLevel::Standard
}

/// The first event of every consultation: `worker` asks for care at `now`.
pub fn request(
    consultation: ConsultationId,
    worker: WorkerId,
    triage: TriageLevel,
    now: Timestamp,
) -> ConsultationEvent {
    ConsultationEvent::Requested { consultation, worker, at: now, triage }
}

/// The snapshot after `events`; `None` unless the first one is the request.
pub fn fold(events: &[ConsultationEvent]) -> Option<Consultation> {
    let (first, rest) = events.split_first()?;
    let ConsultationEvent::Requested { consultation, worker, at, triage } = first else { return None };
    let mut snapshot = Consultation {
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
        rating: None,
        triage: *triage,
    };
    for event in rest {
        apply(&mut snapshot, event);
    }
    Some(snapshot)
}

/// Applies one event to the snapshot, unchecked: [`super::decide`] produced the event.
pub fn apply(consultation: &mut Consultation, event: &ConsultationEvent) {
    match event {
        // Always the first event of a log; `fold` starts from it.
        ConsultationEvent::Requested { .. } => {}
        ConsultationEvent::Triaged { triage, .. } => consultation.triage = *triage,
        ConsultationEvent::Offered { offer, doctor, hospital, fence, expires_at } => {
            let (id, doctor, hospital, fence, expires_at) = (*offer, *doctor, *hospital, *fence, *expires_at);
            consultation.offer =
                Some(Offer { id, doctor, hospital, fence, expires_at, state: OfferState::Open });
            consultation.fence = fence;
            consultation.state = ConsultationState::Offered;
        }
        ConsultationEvent::Accepted { doctor, hospital, at, .. } => {
            close_offer(consultation, OfferState::Accepted);
            consultation.doctor = Some(*doctor);
            consultation.hospital = Some(*hospital);
            consultation.accepted_at = Some(*at);
            consultation.state = ConsultationState::Active;
        }
        ConsultationEvent::Declined { .. } => back_to_queue(consultation, OfferState::Declined),
        ConsultationEvent::OfferExpired { .. } => back_to_queue(consultation, OfferState::Expired),
        ConsultationEvent::OfferWithdrawn { .. } => back_to_queue(consultation, OfferState::Withdrawn),
        ConsultationEvent::Requeued { at, .. } => {
            back_to_queue(consultation, OfferState::Withdrawn);
            consultation.doctor = None;
            consultation.hospital = None;
            consultation.accepted_at = None;
            consultation.requeued_at = Some(*at);
        }
        ConsultationEvent::WorkerLeft { at } => consultation.left_at = Some(*at),
        ConsultationEvent::WorkerBack { .. } => consultation.left_at = None,
        ConsultationEvent::Cancelled { reason, at } => {
            consultation.cancel_reason = Some(*reason);
            end(consultation, ConsultationState::Cancelled, *at);
        }
        ConsultationEvent::Completed { at, .. } => end(consultation, ConsultationState::Completed, *at),
        ConsultationEvent::Unserved { at } => end(consultation, ConsultationState::Unserved, *at),
        ConsultationEvent::Rated { rating } => consultation.rating = Some(*rating),
    }
}

fn close_offer(consultation: &mut Consultation, state: OfferState) {
    if let Some(offer) = &mut consultation.offer {
        offer.state = state;
    }
}

fn back_to_queue(consultation: &mut Consultation, offer: OfferState) {
    close_offer(consultation, offer);
    consultation.state = ConsultationState::Waiting;
}

fn end(consultation: &mut Consultation, state: ConsultationState, at: Timestamp) {
    consultation.state = state;
    consultation.ended_at = Some(at);
}
