//! Whether worker and doctor are present. A worker who is checked in nowhere is offered to
//! no doctor; a doctor who signs out keeps nobody waiting.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Loaded, act, called,
    view::{ConsultationView, lock_of_doctor, view},
};
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::{self, StaffCaller},
    jobs::rounds::{self, Job},
};
use coordination::Topic;
use domain::{
    consultation::Command,
    event::{
        care::{ConsultationNote, ConsultationNoteKind},
        staff::{OffDutyBy, StaffEvent},
    },
    ids::{ConsultationId, Id, StaffId, StationId, WorkerId},
    matching::presence::Presence,
    time::Timestamp,
    triage::TriageLevel,
};
use storage::{Conn, Live, StoreError, consultation as store};

/// Where the worker of a consultation is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerPresence {
    /// Whether they are checked in at some screen now.
    pub checked_in: bool,
    /// At which station.
    pub station_id: Option<StationId>,
    /// When they were last active: touched the screen, measured, wrote. Talking to a
    /// doctor does not count.
    pub last_heard_at: Option<DateTime<Utc>>,
    /// Since when they have been checked in nowhere, while the consultation is live.
    pub left_at: Option<DateTime<Utc>>,
    /// Since when the screen that they left calls them: their turn has come.
    pub called_at: Option<DateTime<Utc>>,
    /// Until when their place in the queue is held while they are away.
    pub held_until: Option<DateTime<Utc>>,
}

pub(crate) fn presence(app: &AppState, known: &Loaded) -> WorkerPresence {
    let (full, now) = (&known.full, &known.snapshot);
    WorkerPresence {
        checked_in: full.here.is_some(),
        station_id: full.here.map(|(station, _)| station),
        last_heard_at: Some(full.here.map_or(full.active_at, |(_, active_at)| active_at)),
        left_at: now.left_at.filter(|_| now.state.is_live()),
        called_at: now.called_at.filter(|_| now.state.is_live()),
        held_until: now.held_until(&app.policy.matching),
    }
}

/// The doctor ends a consultation because the worker did not come: unsigned drafts are
/// withdrawn, and the worker may ask again.
///
/// # Errors
/// `NotFound`; `StateMovedOn`, with `retry_after_s` while it is too early.
pub fn no_show(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    let known = lock_of_doctor(tx, caller.staff, id)?;
    let command =
        Command::NoShow { doctor: caller.staff, last_heard: presence(tx.app, &known).last_heard_at };
    let ended = known.act(tx, &command)?;
    view(tx.conn, tx.app, &ended)
}

/// The worker is no longer checked in anywhere: an offer is withdrawn, and a waiting
/// consultation is offered to nobody. The operator is notified of an emergency. `station` is whose
/// screen they left; that of the request if it is not known.
///
/// # Errors
/// Faults of the storage.
pub fn worker_left(tx: &mut Tx<'_>, worker: WorkerId, station: Option<StationId>) -> Result<(), Failure> {
    let Some(live) = lock_live_of(tx, worker)? else { return Ok(()) };
    let row = &live.full.row;
    live.act(tx, &Command::WorkerLeft { station: station.unwrap_or(row.station_id) })?;
    if row.triage == TriageLevel::Emergency {
        let event = ConsultationNote::EmergencyLeft { station: row.station_id, check_in: row.check_in_id };
        tx.record(row.id, event, Recipients::nobody())?;
    }
    Ok(())
}

/// The worker is checked in again: a waiting consultation is offered to doctors again.
///
/// # Errors
/// Faults of the storage.
pub fn worker_back(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    if let Some(live) = lock_live_of(tx, worker)? {
        live.act(tx, &Command::WorkerBack)?;
    }
    Ok(())
}

/// The worker's live consultation, with its row locked.
fn lock_live_of(tx: &mut Tx<'_>, worker: WorkerId) -> Result<Option<Loaded>, Failure> {
    Ok(store::full::full_lock_live_of(tx.conn, worker)?.map(Loaded::from))
}

/// Whether the command was applied. A refusal means that another transaction changed the
/// consultation first, which is no fault.
fn applied<T>(outcome: Result<T, Failure>) -> Result<bool, Failure> {
    match outcome {
        Ok(_) => Ok(true),
        Err(Failure::Refused(refusal)) => {
            tracing::debug!(%refusal, "a consultation moved on meanwhile");
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

/// Notifies the operator, once per idle span, of an emergency that waits for a doctor
/// while its screen has been idle since `since`. Returns whether it did.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn alert_silent(
    tx: &mut Tx<'_>,
    id: ConsultationId,
    station: StationId,
    since: Timestamp,
) -> Result<bool, Failure> {
    Loaded::lock(tx, id)?;
    let known = storage::events::events_of(tx.conn, Id::from_uuid(id.uuid()))?;
    let kind = ConsultationNoteKind::EmergencySilent.as_str();
    if known.iter().any(|event| event.kind == kind && event.at >= since) {
        return Ok(false);
    }
    tx.record(id, ConsultationNote::EmergencySilent { station, since }, Recipients::nobody())?;
    Ok(true)
}

/// Corrects consultations whose presence state does not match the check-ins, as after two
/// concurrent transactions, calls the workers who are away and whose turn has come, and ends the consultations
/// of those who did not come back in time. Returns how many ended.
///
/// # Errors
/// Faults of the storage.
pub async fn sweep_absent(app: &Arc<AppState>) -> Result<usize, Failure> {
    const RECONCILE: Job = Job::new("astray-workers");
    const CALL: Job = Job::new("called-workers").ignore_refusals();
    const END: Job = Job::new("absent-workers").ignore_refusals();
    let before = app.now() - TimeDelta::seconds(i64::from(app.policy.matching.worker_return_s));
    let astray =
        |conn: &mut Conn, after| Ok(store::consultations_with_wrong_presence(conn, after, rounds::PAGE)?);
    let seen = rounds::every(app, RECONCILE, |(id, ..)| *id, astray, reconcile_presence).await?;
    // Before the end: whose turn comes now has the whole time again.
    let due = called::whose_turn_came(app).await?;
    let call = |tx: &mut Tx<'_>, id: &ConsultationId| act(tx, *id, &Command::Call).map(|_| 0);
    let called = rounds::each(app, CALL, due, |id| *id, call).await;
    let absent =
        move |conn: &mut Conn, after| Ok(store::consultations_absent(conn, before, after, rounds::PAGE)?);
    let end = |tx: &mut Tx<'_>, id: &ConsultationId| act(tx, *id, &Command::EndAbsent).map(|_| 1);
    let ended = rounds::every(app, END, |id| *id, absent, end).await?;
    seen.and(called).and(ended).outcome()
}

fn reconcile_presence(
    tx: &mut Tx<'_>,
    &(_, worker, left_at): &(ConsultationId, WorkerId, Option<Timestamp>),
) -> Result<usize, Failure> {
    let here = storage::check_in::check_in_open_of(tx.conn, worker)?.is_some();
    match (left_at, here) {
        (None, false) => worker_left(tx, worker, None)?,
        (Some(_), true) => worker_back(tx, worker)?,
        (None, true) | (Some(_), false) => {}
    }
    Ok(0)
}

/// Releases the consultations of a doctor who has no live session left: offers are
/// withdrawn, workers go back to the queue with their original time, and the doctor is
/// off duty. Does nothing for other staff, or while another session is live.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn release_signed_out(tx: &mut Tx<'_>, doctor: StaffId) -> Result<bool, Failure> {
    let oldest = caller::oldest_session(tx.now);
    release_unless_signed_in(tx, doctor, oldest)
}

fn release_unless_signed_in(tx: &mut Tx<'_>, doctor: StaffId, oldest: Timestamp) -> Result<bool, Failure> {
    if storage::matching::doctor::doctor_fetch(tx.conn, doctor)?.is_none()
        || storage::staff::session::signed_in(tx.conn, doctor, oldest)?
    {
        return Ok(false);
    }
    off_duty(tx, doctor, GivesBack::Everything, Some(OffDutyBy::SignedOut))?;
    tx.wake(Topic::Matching);
    Ok(true)
}

/// What goes back to the queue when its doctor goes off duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivesBack {
    Offers,
    /// Active consultations, too.
    Everything,
}

/// Sets a doctor off duty; returns whether they were not yet. What they give back keeps its original
/// time, and nobody is made away for it. Rows are locked as by every verb of a consultation: the
/// consultations first, in the order of their ids, and then the doctor's.
///
/// # Errors
/// Faults of the storage; `Contended` when an offer was made at the same moment, so that it runs again.
pub(crate) fn off_duty(
    tx: &mut Tx<'_>,
    doctor: StaffId,
    gives_back: GivesBack,
    by: Option<OffDutyBy>,
) -> Result<bool, Failure> {
    let held = held(tx.conn, doctor, gives_back)?;
    let locked = held.into_iter().map(|id| Loaded::lock(tx, id)).collect::<Result<Vec<_>, _>>()?;
    for one in locked {
        // It may have been accepted before it was locked.
        if gives_back == GivesBack::Everything || one.asked_doctor() == Some(doctor) {
            applied(one.act(tx, &Command::Release { doctor }))?;
        }
    }
    let presence = Presence::Off;
    if !storage::matching::doctor::presence_set(tx.conn, doctor, presence, tx.now)? {
        return Ok(false);
    }
    // From here on no offer can be made.
    if !self::held(tx.conn, doctor, gives_back)?.is_empty() {
        return Err(StoreError::Contended.into());
    }
    let event = StaffEvent::DutyChanged { presence, reason: None, by, away_because: None };
    tx.record(doctor, event, Recipients::staff(doctor))?;
    tx.wake(Topic::Matching);
    Ok(true)
}

fn held(conn: &mut Conn, doctor: StaffId, gives_back: GivesBack) -> Result<Vec<ConsultationId>, Failure> {
    let mut all = store::full::full_offered_to(conn, Live::always(), doctor)?;
    if gives_back == GivesBack::Everything {
        all.extend(store::full::full_of_doctor(conn, Live::always(), doctor)?);
    }
    let mut ids: Vec<ConsultationId> = all.into_iter().map(|one| one.row.id).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Takes back an offer to a doctor who went off duty otherwise than by themselves: their licence ended,
/// or their shift was cancelled.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn take_back(tx: &mut Tx<'_>, id: ConsultationId, doctor: StaffId) -> Result<usize, Failure> {
    let known = Loaded::lock(tx, id)?;
    if known.asked_doctor() != Some(doctor) {
        return Ok(0);
    }
    known.act(tx, &Command::Release { doctor }).map(|_| 1)
}

/// Releases the consultations of doctors whose sessions have all expired. A shift may be longer than a
/// session: whoever signs in again within the grace of a lost line goes on with what they have.
///
/// # Errors
/// Faults of the storage.
pub async fn sweep_signed_out(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("signed-out-doctors");
    let oldest = caller::oldest_session(app.policy.matching.lost_until(app.now()));
    let signed_out = move |conn: &mut Conn, after| {
        Ok(storage::matching::doctor::doctors_signed_out(conn, oldest, after, rounds::PAGE)?)
    };
    let release = move |tx: &mut Tx<'_>, doctor: &StaffId| {
        release_unless_signed_in(tx, *doctor, oldest).map(usize::from)
    };
    rounds::every(app, JOB, |doctor| *doctor, signed_out, release).await?.outcome()
}
