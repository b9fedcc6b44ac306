//! One request for care, from start to end. `domain::consultation` decides; this module
//! stores the decision, counts the doctor's free places and notifies the parties. Every
//! change goes through [`act`].

pub(crate) mod attendance;
pub(crate) mod close;
pub(crate) mod estimate;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod start;
pub(crate) mod view;

pub use crate::matching::offer::{
    AcceptInput, DeclineInput, Declined, OfferView, OffersView, accept, decline, open_of,
};
pub(crate) use attendance::{alert_silent, release_signed_out};
pub use attendance::{no_show, sweep_absent, sweep_signed_out, worker_back, worker_left};
pub use close::{Completion, Diagnosis, RatingInput, cancel, complete, rate};
pub(crate) use estimate::EstimateCache;
pub use message::{MessageInput, MessageView, MessagesView, list as messages, say};
pub(crate) use record::in_care;
pub use record::{RecordView, read as read_record};
pub use start::{StartInput, start};
pub use view::{ConsultationView, ConsultationsView, fetch, list_for_doctor, list_for_worker};

use super::{
    Failure, Recipients, Tx,
    caller::WorkerCaller,
    triage::{self, TriageView},
};
use crate::alert;
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    consultation::{
        CancelReason, Command, Consultation, ConsultationEvent, ConsultationState, OfferState, apply, decide,
    },
    event::care::ConsultationNote,
    ids::{ConsultationId, StaffId, WorkerId},
    matching::{ranked_since, turns},
    refusal::{Code, Refusal},
    triage::TriageLevel,
};
use storage::consultation as store;

/// Applies `command` to the stored consultation and stores the resulting events.
///
/// # Errors
/// What the domain refuses; `StateMovedOn` when another transaction changed it first;
/// `DoctorAtCapacity` when the doctor has no place left.
pub(crate) fn act(tx: &mut Tx<'_>, id: ConsultationId, command: &Command) -> Result<Consultation, Failure> {
    let row = store::consultation_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    let before = store::consultation_snapshot(tx.conn, &row)?;
    let events = decide(&before, command, tx.now, &tx.app.policy.matching)?;
    if events.is_empty() {
        return Ok(before);
    }
    let mut after = before.clone();
    for event in &events {
        apply(&mut after, event);
    }
    // An offer's row must exist before the consultation can reference it.
    for event in &events {
        apply_side_effects(tx, &before, &after, event)?;
    }
    if !store::consultation_store(tx.conn, &before, &after)? {
        let now = store::consultation_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
        return Err(Refusal::moved_on(now.state).into());
    }
    for event in &events {
        let staff = doctor_of(event).or(after.doctor).or_else(|| asked_doctor(&after));
        let recipients = Recipients::both(after.worker, staff);
        tx.record(id, event.clone(), recipients)?;
        count(tx, event, &row);
    }
    tx.wake(Topic::Matching);
    Ok(after)
}

/// Counts an event for the operators' metrics.
fn count(tx: &mut Tx<'_>, event: &ConsultationEvent, row: &store::ConsultationRow) {
    let became = |outcome| Some(Fact::Consultation(outcome));
    let fact = match event {
        ConsultationEvent::Accepted { at, .. } => {
            #[expect(clippy::cast_precision_loss, reason = "a wait in milliseconds is far below 2^52")]
            let seconds = (*at - row.requested_at).num_milliseconds() as f64 / 1000.0;
            tx.count(Fact::Doctor { department: row.department.as_str(), seconds });
            Some(Fact::Offer("accepted"))
        }
        ConsultationEvent::Declined { .. } => Some(Fact::Offer("declined")),
        ConsultationEvent::OfferExpired { .. } => Some(Fact::Offer("expired")),
        ConsultationEvent::OfferWithdrawn { .. } => Some(Fact::Offer("withdrawn")),
        ConsultationEvent::Requested { .. } => became("requested"),
        ConsultationEvent::Requeued { .. } => became("requeued"),
        ConsultationEvent::Completed { .. } => became("completed"),
        ConsultationEvent::Cancelled { reason, .. } => became(match reason {
            CancelReason::ByWorker | CancelReason::ByOperator => "cancelled",
            CancelReason::NoShow => "no_show",
            CancelReason::WorkerLeft => "worker_left",
        }),
        ConsultationEvent::Unserved { .. } => became("unserved"),
        ConsultationEvent::Offered { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Triaged { .. }
        | ConsultationEvent::Rated { .. } => None,
    };
    if let Some(fact) = fact {
        tx.count(fact);
    }
}

/// Applies the changes of an event to other tables than the consultation's own.
fn apply_side_effects(
    tx: &mut Tx<'_>,
    before: &Consultation,
    after: &Consultation,
    event: &ConsultationEvent,
) -> Result<(), Failure> {
    match event {
        ConsultationEvent::Offered { doctor, .. } => {
            if !storage::matching::doctor::capacity_take(tx.conn, *doctor, tx.now)? {
                return Err(Code::DoctorAtCapacity.into());
            }
            let offer =
                after.offer.as_ref().ok_or_else(|| Failure::inconsistent("an offer without itself"))?;
            store::offer_add(tx.conn, after.id, offer, tx.now)?;
        }
        ConsultationEvent::Accepted { offer, hospital, .. } => {
            end_offer(tx, *offer, OfferState::Accepted)?;
            let (weight, clock) = storage::matching::doctor::hospital_turn(tx.conn, *hospital)?;
            let turn = turns(1, u32::try_from(weight).unwrap_or(1));
            storage::matching::doctor::hospital_turn_add(tx.conn, *hospital, clock, turn)?;
        }
        ConsultationEvent::Declined { offer, doctor } => {
            end_offer(tx, *offer, OfferState::Declined)?;
            storage::matching::doctor::capacity_release(tx.conn, *doctor)?;
        }
        ConsultationEvent::OfferExpired { offer, doctor } => {
            end_offer(tx, *offer, OfferState::Expired)?;
            storage::matching::doctor::capacity_release(tx.conn, *doctor)?;
            // Otherwise the next offer would go to the same absent doctor.
            storage::matching::doctor::presence_set_away(tx.conn, *doctor)?;
        }
        ConsultationEvent::OfferWithdrawn { offer, doctor } => {
            end_offer(tx, *offer, OfferState::Withdrawn)?;
            storage::matching::doctor::capacity_release(tx.conn, *doctor)?;
        }
        ConsultationEvent::Requeued { doctor, .. } => {
            // Otherwise nobody could accept it again.
            if let Some(accepted) = &before.offer {
                store::offer_take_back(tx.conn, accepted.id)?;
            }
            // The next doctor starts without the previous doctor's drafts.
            super::prescription::withdraw_unsigned_of(tx, after.id)?;
            storage::matching::doctor::capacity_release(tx.conn, *doctor)?;
            storage::matching::doctor::presence_set_away(tx.conn, *doctor)?;
        }
        ConsultationEvent::Completed { doctor, .. } => {
            storage::matching::doctor::capacity_release(tx.conn, *doctor)?;
        }
        ConsultationEvent::Cancelled { .. } => {
            // Free the doctor's place; an open offer was withdrawn before.
            if let Some(doctor) = before.doctor {
                storage::matching::doctor::capacity_release(tx.conn, doctor)?;
            }
        }
        ConsultationEvent::Triaged { triage, .. } => {
            let rank = ranked_since(*triage, after.waiting_since, &tx.app.policy.matching);
            storage::triage::triage_set(tx.conn, after.id, *triage, rank)?;
        }
        ConsultationEvent::Requested { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Unserved { .. }
        | ConsultationEvent::Rated { .. } => {}
    }
    Ok(())
}

fn end_offer(tx: &mut Tx<'_>, offer: domain::ids::OfferId, state: OfferState) -> Result<(), Failure> {
    if store::offer_end(tx.conn, offer, state, tx.now)? {
        return Ok(());
    }
    Err(Refusal::new(Code::OfferNotYours).into())
}

/// The doctor named in an event.
const fn doctor_of(event: &ConsultationEvent) -> Option<StaffId> {
    match event {
        ConsultationEvent::Offered { doctor, .. }
        | ConsultationEvent::Accepted { doctor, .. }
        | ConsultationEvent::Declined { doctor, .. }
        | ConsultationEvent::OfferExpired { doctor, .. }
        | ConsultationEvent::OfferWithdrawn { doctor, .. }
        | ConsultationEvent::Requeued { doctor, .. }
        | ConsultationEvent::Completed { doctor, .. } => Some(*doctor),
        ConsultationEvent::Requested { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Triaged { .. }
        | ConsultationEvent::Cancelled { .. }
        | ConsultationEvent::Unserved { .. }
        | ConsultationEvent::Rated { .. } => None,
    }
}

/// The doctor of the open offer.
fn asked_doctor(after: &Consultation) -> Option<StaffId> {
    let offer = after.offer.as_ref().filter(|offer| offer.state == OfferState::Open);
    offer.filter(|_| after.state == ConsultationState::Offered).map(|offer| offer.doctor)
}

/// Locks the row of the worker's live consultation, if it has not ended meanwhile.
pub(super) fn lock_live_of(
    tx: &mut Tx<'_>,
    worker: WorkerId,
) -> Result<Option<store::ConsultationRow>, Failure> {
    let Some(found) = store::consultation_live_of(tx.conn, worker)? else { return Ok(None) };
    let row = store::consultation_lock(tx.conn, found.id)?;
    Ok(row.filter(|row| row.state.is_live()))
}

/// Updates a live consultation, whose row the caller has locked, with a new triage
/// result: level, red flags (which stay once raised), and the alarm.
pub(super) fn raise_triage(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    row: &store::ConsultationRow,
    view: &TriageView,
) -> Result<(), Failure> {
    let codes = view.codes();
    if codes != triage::flags_of(row)? {
        storage::triage::red_flags_set(tx.conn, row.id, &serde_json::to_string(&codes)?)?;
    }
    let after = act(tx, row.id, &Command::Triage { level: view.level })?;
    if view.level == TriageLevel::Emergency {
        let doctor = after.doctor.or_else(|| asked_doctor(&after));
        if row.triage != TriageLevel::Emergency {
            red_flag(tx, row.id, caller, doctor)?;
        }
        alert::raise(tx, caller, Some(row.id), doctor, &codes)?;
    }
    Ok(())
}

/// Records that a consultation is an emergency: notifies the operator in addition to the
/// doctor, never instead.
fn red_flag(
    tx: &mut Tx<'_>,
    id: ConsultationId,
    caller: WorkerCaller,
    doctor: Option<StaffId>,
) -> Result<(), Failure> {
    let event = ConsultationNote::RedFlag { consultation: id, station: caller.station };
    tx.record(id, event, Recipients { worker: None, staff: doctor })
}
