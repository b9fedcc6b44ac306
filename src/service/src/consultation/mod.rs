//! One request for care, from start to end. `domain::consultation` decides; this module
//! stores the decision, counts the doctor's free places and notifies the parties. Every
//! change goes through [`Loaded::act`].

pub(crate) mod attendance;
pub(crate) mod called;
pub(crate) mod close;
pub(crate) mod colleague;
pub(crate) mod estimate;
pub(crate) mod message;
pub(crate) mod record;
pub(crate) mod start;
pub(crate) mod transfer;
pub(crate) mod view;

pub use crate::matching::offer::{
    AcceptInput, DeclineInput, Declined, OfferView, OffersView, accept, decline, open_of,
};
pub(crate) use attendance::{alert_silent, release_signed_out};
pub use attendance::{no_show, sweep_absent, sweep_signed_out, worker_back, worker_left};
pub use called::{CalledView, CalledWorkersView, called};
pub use close::{Completion, Diagnosis, RatingInput, cancel, complete, rate};
pub use colleague::{ColleagueView, ColleaguesQuery, ColleaguesView, colleagues};
pub(crate) use estimate::EstimateCache;
pub use message::{
    MessageInput, MessageView, MessagesView, list as messages, of_worker as messages_of_worker, say,
};
pub(crate) use record::in_care;
pub use record::{RecordView, read as read_record};
pub use start::{StartInput, prepare_start, start};
pub use transfer::{TransferInput, TransferView, Transferred, is_silent, transfer};
pub use view::{
    ConsultationView, ConsultationsView, fetch_for_doctor, fetch_for_worker, list_for_doctor, list_for_worker,
};

use super::{
    Failure, Recipients, Tx,
    caller::Visit,
    machine::{Machine, commit},
    triage::{self, TriageView},
};
use crate::{alert, matching::duty};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    consultation::{CancelReason, Command, Consultation, ConsultationEvent, Medium, Offer, OfferState},
    event::care::ConsultationNote,
    ids::{ConsultationId, StaffId},
    matching::{Queue, presence::AwayReason, ranked_since, turns},
    refusal::{Code, Refusal},
    triage::TriageLevel,
};
use storage::consultation::{self as store, FullConsultation, Queued};

/// A consultation as it was loaded, with what a verb has decided since.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The rows as they were read. The summary and diagnoses may be replaced before a decision is
    /// committed; the decision writes them.
    pub full: FullConsultation,
    pub snapshot: Consultation,
}

impl From<FullConsultation> for Loaded {
    fn from(full: FullConsultation) -> Self {
        Self { snapshot: full.snapshot(), full }
    }
}

impl Loaded {
    /// Locks the consultation's row.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn lock(tx: &mut Tx<'_>, id: ConsultationId) -> Result<Self, Failure> {
        let found = store::full::full_lock(tx.conn, id)?;
        Ok(found.ok_or(Code::NotFound)?.into())
    }

    /// Carries out a command; returns what the consultation became.
    ///
    /// # Errors
    /// What the domain refuses; `StateMovedOn` when another transaction changed it first;
    /// `DoctorAtCapacity` when the doctor has no place left.
    pub fn act(&self, tx: &mut Tx<'_>, command: &Command) -> Result<Self, Failure> {
        let events = self.snapshot.decide(command, tx.now, &tx.app.policy.matching)?;
        commit(tx, self, &events)
    }

    /// Where it waits once it has become `after`.
    fn queued(&self, after: &Consultation, tx: &Tx<'_>) -> Result<Queued, Failure> {
        let row = &self.full.row;
        let before = &self.snapshot;
        if (after.triage, after.department) == (before.triage, before.department) {
            return Ok(Queued { queue: row.queue.clone(), ranked_since: row.ranked_since });
        }
        let queue = Queue::parse(&row.queue)
            .ok_or_else(|| Failure::inconsistent("a consultation in an unknown queue"))?;
        Ok(Queued {
            queue: Queue { level: after.triage, department: after.department, ..queue }.name(),
            ranked_since: ranked_since(after.triage, after.waiting_since, &tx.app.policy.matching),
        })
    }

    /// The doctor of the open offer.
    fn asked_doctor(&self) -> Option<StaffId> {
        let offer = self.snapshot.offer.as_ref();
        offer.filter(|offer| offer.state == OfferState::Open).map(|offer| offer.doctor)
    }
}

/// Loads and locks a consultation, and carries out a command.
///
/// # Errors
/// As [`Loaded::act`]; `NotFound`.
pub(crate) fn act(tx: &mut Tx<'_>, id: ConsultationId, command: &Command) -> Result<Loaded, Failure> {
    Loaded::lock(tx, id)?.act(tx, command)
}

impl Machine for Loaded {
    type Event = ConsultationEvent;

    fn apply(&mut self, event: &ConsultationEvent) {
        self.snapshot.apply(event);
    }

    fn write(&self, after: &Self, events: &[ConsultationEvent], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let (was, is) = (&self.snapshot, &after.snapshot);
        let queued = self.queued(is, tx)?;
        // An offer's row must exist before the consultation can reference it.
        if !write_offers(tx, was, events)?
            || !store::consultation_store(tx.conn, was, is, &after.full.row, &queued)?
        {
            return Ok(false);
        }
        for event in events {
            change_others(tx, was, event)?;
        }
        Ok(true)
    }

    fn record(&self, event: &ConsultationEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let now = &self.snapshot;
        let staff = doctor_of(event).or(now.doctor).or_else(|| self.asked_doctor());
        let recipients = Recipients::both(now.worker, staff);
        tx.record(now.id, event.clone(), recipients)?;
        count(tx, event, &self.full.row);
        if may_match(event) {
            tx.wake(Topic::Matching);
        }
        if matches!(event, ConsultationEvent::Called { .. }) {
            tx.wake(Topic::Screen(now.left_station.unwrap_or(self.full.row.station_id)));
        }
        Ok(())
    }

    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure> {
        let row = store::consultation_fetch(tx.conn, self.snapshot.id)?;
        Ok(row.map_or(Refusal::new(Code::NotFound), |row| Refusal::moved_on(row.state)))
    }
}

/// Writes what the events do to the last offer, and the offers that they make; false when another
/// transaction has changed one first.
fn write_offers(tx: &mut Tx<'_>, was: &Consultation, events: &[ConsultationEvent]) -> Result<bool, Failure> {
    let mut step = was.clone();
    for event in events {
        let before = step.offer.clone();
        step.apply(event);
        if !write_offer(tx, was.id, before.as_ref(), step.offer.as_ref())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the last offer; false when another transaction has changed it first.
fn write_offer(
    tx: &mut Tx<'_>,
    id: ConsultationId,
    was: Option<&Offer>,
    is: Option<&Offer>,
) -> Result<bool, Failure> {
    let Some(is) = is else { return Ok(true) };
    match was.filter(|was| was.id == is.id) {
        Some(was) if was.state == is.state => Ok(true),
        Some(was) => Ok(store::offer_store(tx.conn, was, is, tx.now)?),
        None => Ok(store::offer_add(tx.conn, id, is, tx.now).map(|()| true)?),
    }
}

/// Whether a consultation waits or a doctor's place is free since this event.
const fn may_match(event: &ConsultationEvent) -> bool {
    match event {
        ConsultationEvent::Requested { .. }
        | ConsultationEvent::Triaged { .. }
        | ConsultationEvent::Declined { .. }
        | ConsultationEvent::OfferExpired { .. }
        | ConsultationEvent::OfferWithdrawn { .. }
        | ConsultationEvent::Requeued { .. }
        | ConsultationEvent::Transferred { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Cancelled { .. }
        | ConsultationEvent::Completed { .. } => true,
        ConsultationEvent::Offered { .. }
        | ConsultationEvent::Accepted { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::Called { .. }
        | ConsultationEvent::Unserved { .. }
        | ConsultationEvent::Rated { .. } => false,
    }
}

/// Counts an event for the operators' metrics.
fn count(tx: &mut Tx<'_>, event: &ConsultationEvent, row: &store::ConsultationRow) {
    let became = |outcome| Some(Fact::Consultation(outcome));
    let fact = match event {
        ConsultationEvent::Accepted { at, .. } => {
            #[expect(clippy::cast_precision_loss, reason = "a wait in milliseconds is far below 2^52")]
            let seconds = (*at - row.requested_at).num_milliseconds() as f64 / 1000.0;
            tx.count(Fact::Doctor { department: row.department.to_string(), seconds });
            Some(Fact::Offer("accepted"))
        }
        ConsultationEvent::Declined { .. } => Some(Fact::Offer("declined")),
        ConsultationEvent::OfferExpired { .. } => Some(Fact::Offer("expired")),
        ConsultationEvent::OfferWithdrawn { .. } => Some(Fact::Offer("withdrawn")),
        ConsultationEvent::Requested { .. } => became("requested"),
        ConsultationEvent::Requeued { .. } => became("requeued"),
        ConsultationEvent::Transferred { .. } => became("transferred"),
        ConsultationEvent::Called { .. } => became("called"),
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

/// What an event changes beside the consultation and its offer.
fn change_others(tx: &mut Tx<'_>, before: &Consultation, event: &ConsultationEvent) -> Result<(), Failure> {
    use storage::matching::doctor;
    let medium = before.medium;
    match event {
        ConsultationEvent::Offered { doctor, .. } => {
            if !doctor::capacity_take(tx.conn, *doctor, medium, tx.now)? {
                return Err(Code::DoctorAtCapacity.into());
            }
        }
        ConsultationEvent::Accepted { hospital, .. } => {
            let weight = doctor::hospital_weight(tx.conn, *hospital)?;
            let turn = turns(1, u32::try_from(weight).unwrap_or(1));
            doctor::hospital_turn_take(tx.conn, *hospital, turn)?;
        }
        ConsultationEvent::Declined { doctor, .. } | ConsultationEvent::OfferWithdrawn { doctor, .. } => {
            doctor::capacity_release(tx.conn, *doctor, medium)?;
        }
        ConsultationEvent::Completed { doctor, .. } => free_after_care(tx, *doctor, medium)?,
        ConsultationEvent::Transferred { doctor, .. } => {
            // As when the doctor was lost; and they have notes to write as after any other.
            super::prescription::withdraw_unsigned_of(tx, before.id, Some(*doctor))?;
            free_after_care(tx, *doctor, medium)?;
        }
        ConsultationEvent::OfferExpired { doctor, .. } => {
            doctor::capacity_release(tx.conn, *doctor, medium)?;
            // Otherwise the next offer would go to the same absent doctor.
            duty::make_away(tx, *doctor, AwayReason::OfferExpired)?;
        }
        ConsultationEvent::Requeued { doctor, released, .. } => {
            // The next doctor starts without the previous doctor's drafts.
            super::prescription::withdraw_unsigned_of(tx, before.id, Some(*doctor))?;
            doctor::capacity_release_idle(tx.conn, *doctor, medium, None, tx.now)?;
            if !released {
                duty::make_away(tx, *doctor, AwayReason::LostLine)?;
            }
        }
        ConsultationEvent::Cancelled { .. } => {
            // An open offer was withdrawn before.
            if let Some(doctor) = before.doctor {
                free_after_care(tx, doctor, medium)?;
            }
            withdraw_unsigned(tx, before)?;
        }
        ConsultationEvent::Unserved { .. } => withdraw_unsigned(tx, before)?,
        ConsultationEvent::Requested { .. }
        | ConsultationEvent::Triaged { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::Called { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Rated { .. } => {}
    }
    Ok(())
}

/// Withdraws what nobody will sign any more, if a doctor has or had the consultation that ends.
fn withdraw_unsigned(tx: &mut Tx<'_>, before: &Consultation) -> Result<(), Failure> {
    if before.doctor.is_some() || before.requeued_at.is_some() {
        super::prescription::withdraw_unsigned_of(tx, before.id, None)?;
    }
    Ok(())
}

/// Releases the doctor's place, and gives them the time to write their notes.
fn free_after_care(tx: &mut Tx<'_>, doctor: StaffId, medium: Medium) -> Result<(), Failure> {
    let until = tx.app.policy.matching.wrap_up_until(tx.now);
    storage::matching::doctor::capacity_release_idle(tx.conn, doctor, medium, until, tx.now)?;
    Ok(())
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
        | ConsultationEvent::Transferred { doctor, .. }
        | ConsultationEvent::Completed { doctor, .. } => Some(*doctor),
        ConsultationEvent::Requested { .. }
        | ConsultationEvent::WorkerLeft { .. }
        | ConsultationEvent::Called { .. }
        | ConsultationEvent::WorkerBack { .. }
        | ConsultationEvent::Triaged { .. }
        | ConsultationEvent::Cancelled { .. }
        | ConsultationEvent::Unserved { .. }
        | ConsultationEvent::Rated { .. } => None,
    }
}

/// Updates a live consultation with a new triage result: level, red flags (which stay once raised),
/// and the alarm. The caller has locked the worker's row, so nobody else raises it. Returns false
/// when the consultation has ended meanwhile.
pub(super) fn raise_triage(
    tx: &mut Tx<'_>,
    visit: Visit,
    row: &store::ConsultationRow,
    view: &TriageView,
) -> Result<bool, Failure> {
    let codes = view.codes();
    let (new_flags, emergency) = (codes != triage::flags_of(row)?, view.level == TriageLevel::Emergency);
    if !new_flags && !emergency && view.level >= row.triage {
        return Ok(true);
    }
    let Some(known) = store::full::full_lock_live_of(tx.conn, visit.worker)?.map(Loaded::from) else {
        return Ok(false);
    };
    if new_flags {
        storage::triage::red_flags_set(tx.conn, row.id, &serde_json::to_string(&codes)?)?;
    }
    let after = known.act(tx, &Command::Triage { level: view.level })?;
    if emergency {
        let doctor = after.snapshot.doctor.or_else(|| after.asked_doctor());
        if row.triage != TriageLevel::Emergency {
            red_flag(tx, row.id, visit, doctor)?;
        }
        alert::raise(tx, visit, Some(row.id), doctor, &codes)?;
    }
    Ok(true)
}

/// Records that a consultation is an emergency: notifies the operator in addition to the
/// doctor, never instead.
fn red_flag(
    tx: &mut Tx<'_>,
    id: ConsultationId,
    visit: Visit,
    doctor: Option<StaffId>,
) -> Result<(), Failure> {
    let event = ConsultationNote::RedFlag { consultation: id, station: visit.station };
    tx.record(id, event, Recipients { worker: None, staff: doctor })
}
