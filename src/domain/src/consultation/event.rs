//! The events of a consultation, and the fold that builds a snapshot from them.

use serde::{Deserialize, Serialize};

use super::state::{CancelReason, Consultation, ConsultationState, Offer, OfferState};
use crate::{
    ids::{ConsultationId, HospitalId, OfferId, StaffId, WorkerId},
    time::Timestamp,
    triage::TriageLevel,
};

/// One change of state. Contains ids, codes and times only, never personal data, so
/// that the log can be stored and chained while people's data is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", deny_unknown_fields)]
pub enum ConsultationEvent {
    /// A worker asked for care.
    #[serde(rename = "consultation.requested")]
    Requested {
        consultation: ConsultationId,
        worker: WorkerId,
        at: Timestamp,
        // Missing in logs written before 2026-11-29.
        #[serde(default = "default_triage")]
        triage: TriageLevel,
    },
    /// A reading or an answer raised the triage level.
    #[serde(rename = "consultation.triaged")]
    Triaged { triage: TriageLevel, at: Timestamp },
    /// It was offered to one doctor.
    #[serde(rename = "consultation.offered")]
    Offered { offer: OfferId, doctor: StaffId, hospital: HospitalId, fence: i64, expires_at: Timestamp },
    /// That doctor accepted it.
    #[serde(rename = "consultation.accepted")]
    Accepted { offer: OfferId, doctor: StaffId, hospital: HospitalId, fence: i64, at: Timestamp },
    /// That doctor declined it.
    #[serde(rename = "consultation.declined")]
    Declined { offer: OfferId, doctor: StaffId },
    /// That doctor did not answer; the service sets the doctor's presence to away.
    #[serde(rename = "consultation.offer_expired")]
    OfferExpired { offer: OfferId, doctor: StaffId },
    /// The offer was withdrawn: the consultation was cancelled, its worker
    /// left, or its doctor signed out.
    #[serde(rename = "consultation.offer_withdrawn")]
    OfferWithdrawn { offer: OfferId, doctor: StaffId },
    /// Its doctor was lost; it is back in the queue with its original waiting time.
    #[serde(rename = "consultation.requeued")]
    Requeued { doctor: StaffId, at: Timestamp },
    /// Its worker is not checked in at any station: it is not offered to a doctor until they are.
    #[serde(rename = "consultation.worker_left")]
    WorkerLeft { at: Timestamp },
    /// Its worker is checked in again.
    #[serde(rename = "consultation.worker_back")]
    WorkerBack { at: Timestamp },
    /// It ended without being completed.
    #[serde(rename = "consultation.cancelled")]
    Cancelled { reason: CancelReason, at: Timestamp },
    /// Its doctor completed it.
    #[serde(rename = "consultation.completed")]
    Completed { doctor: StaffId, at: Timestamp },
    /// No doctor could be found.
    #[serde(rename = "consultation.unserved")]
    Unserved { at: Timestamp },
    /// The worker rated it.
    #[serde(rename = "consultation.rated")]
    Rated { rating: u8 },
}

const fn default_triage() -> TriageLevel {
    TriageLevel::Standard
}

impl ConsultationEvent {
    /// The kind in the event log, e.g. `consultation.accepted`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "consultation.requested",
            Self::Triaged { .. } => "consultation.triaged",
            Self::Offered { .. } => "consultation.offered",
            Self::Accepted { .. } => "consultation.accepted",
            Self::Declined { .. } => "consultation.declined",
            Self::OfferExpired { .. } => "consultation.offer_expired",
            Self::OfferWithdrawn { .. } => "consultation.offer_withdrawn",
            Self::Requeued { .. } => "consultation.requeued",
            Self::WorkerLeft { .. } => "consultation.worker_left",
            Self::WorkerBack { .. } => "consultation.worker_back",
            Self::Cancelled { .. } => "consultation.cancelled",
            Self::Completed { .. } => "consultation.completed",
            Self::Unserved { .. } => "consultation.unserved",
            Self::Rated { .. } => "consultation.rated",
        }
    }

    /// The payload as stored in the event log.
    pub fn payload(&self) -> serde_json::Value {
        let mut whole = serde_json::to_value(self).expect("ids, codes and times are always JSON");
        whole["payload"].take()
    }

    /// Parses an event from the log.
    ///
    /// # Errors
    /// If `kind` is not a consultation event, or `payload` does not match it.
    pub fn read(kind: &str, payload: serde_json::Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::json!({ "kind": kind, "payload": payload }))
    }
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
