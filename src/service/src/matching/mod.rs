//! Distribution of consultations: offers the front of the queue to doctors and expires
//! unanswered offers. The rules are in `domain::matching`.

pub mod duty;
pub(crate) mod offer;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;

use super::{Actor, AppState, Failure, Tx, consultation};
use crate::jobs::rounds::{self, Done, Job};
use coordination::LivenessKey;
use domain::{
    consultation::Command,
    ids::{ConsultationId, HospitalId, OfferId, StaffId},
    matching::{
        Candidate, Choice, ChoiceReason, MatchRequest, PreviousDoctor, QueueKey, choose_doctor, start_time,
        turns,
    },
    time::Timestamp,
};
use storage::{
    Conn, Live,
    consultation::{self as store, Waiting},
    matching::{doctor::LocatedCandidate, offer::OfferRow},
};

/// How many consultations at the front of the queue one round considers.
const FRONT: i64 = 50;
/// How many candidate doctors one round considers, at most.
const CANDIDATES: i64 = 200;
/// A doctor who declined is not offered the same consultation again for this long.
const REOFFER_AFTER: TimeDelta = TimeDelta::minutes(2);

/// How often the time at which a busy doctor was last heard is written to the database.
const HEARD_WRITE_INTERVAL: TimeDelta = TimeDelta::seconds(20);

/// One planned offer.
#[derive(Debug, Clone, Copy)]
struct Plan {
    consultation: ConsultationId,
    fence: i64,
    choice: Choice,
    /// The system's virtual time, if this offer advances it.
    clock: Option<i64>,
}

/// Offers the front of the queue to the free doctors. Returns how many offers were made.
///
/// # Errors
/// Faults of the storage; losing a race to another transaction is no error.
pub async fn offer_waiting(app: &Arc<AppState>) -> Result<usize, Failure> {
    let first = try_plan(app, Skipped::default()).await?;
    if first.failed.is_empty() {
        return first.done.outcome();
    }
    // The row of the doctor or of the consultation is locked: offer the consultation to another
    // doctor, and if that fails too, the doctor another consultation.
    let doctors = first.failed.iter().map(|plan| plan.choice.doctor).collect();
    let second = try_plan(app, Skipped { doctors, consultations: HashSet::new() }).await?;
    let (doctors_locked, consultations_locked): (Vec<Plan>, Vec<Plan>) =
        first.failed.iter().partition(|plan| second.made.contains(&plan.consultation));
    let skipped = Skipped {
        doctors: doctors_locked.iter().map(|plan| plan.choice.doctor).collect(),
        consultations: consultations_locked
            .iter()
            .chain(&second.failed)
            .map(|plan| plan.consultation)
            .collect(),
    };
    let done = first.done.and(second.done);
    if skipped.consultations.is_empty() {
        return done.outcome();
    }
    done.and(try_plan(app, skipped).await?.done).outcome()
}

/// What a plan skips because a row was locked.
#[derive(Debug, Default, Clone)]
struct Skipped {
    doctors: HashSet<StaffId>,
    consultations: HashSet<ConsultationId>,
}

/// The result of a plan.
struct Tried {
    done: Done,
    made: HashSet<ConsultationId>,
    failed: Vec<Plan>,
}

async fn try_plan(app: &Arc<AppState>, skipped: Skipped) -> Result<Tried, Failure> {
    // Concurrently: offers share commits, and no offer waits for another.
    const OFFER: Job = Job::new("offer").ignore_refusals().concurrent();
    let plans = app.read(Actor::System, move |conn, app| plan(conn, app, &skipped)).await?;
    let offered = rounds::each(app, OFFER, plans.clone(), |plan| plan.consultation, offer).await;
    let (failed, made): (Vec<Plan>, Vec<Plan>) =
        plans.into_iter().partition(|plan| offered.was_deferred(plan.consultation));
    Ok(Tried { done: offered, made: made.into_iter().map(|plan| plan.consultation).collect(), failed })
}

fn offer(tx: &mut Tx<'_>, plan: &Plan) -> Result<usize, Failure> {
    let command = Command::Offer {
        offer: OfferId::generate(),
        doctor: plan.choice.doctor,
        hospital: plan.choice.hospital,
        fence: plan.fence + 1,
        expires_at: tx.app.policy.matching.offer_expires_at(tx.now),
    };
    let made = act_on(tx, plan.consultation, &command)?;
    if let Some(clock) = plan.clock {
        storage::matching::doctor::matching_clock_advance(tx.conn, clock)?;
    }
    Ok(made)
}

fn act_on(tx: &mut Tx<'_>, id: ConsultationId, command: &Command) -> Result<usize, Failure> {
    consultation::act(tx, id, command).map(|_| 1)
}

/// Expires offers that were not answered in time; their doctors become away.
///
/// # Errors
/// Faults of the storage.
pub async fn expire_offers(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("offer-expiry").ignore_refusals();
    let now = app.now();
    let due = app.read(Actor::System, move |conn, _| Ok(store::offers_expired(conn, now, 200)?)).await?;
    let expire = |tx: &mut Tx<'_>, offer: &OfferRow| {
        act_on(tx, offer.consultation_id, &Command::ExpireOffer { offer: offer.id })
    };
    rounds::each(app, JOB, due, |offer| offer.id, expire).await.outcome()
}

/// Ends consultations for which no doctor was found until far beyond the limit, so that the
/// failure is visible and the worker is notified.
///
/// # Errors
/// Faults of the storage.
pub async fn give_up_unserved(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("unserved").ignore_refusals();
    let before = app.now() - TimeDelta::seconds(i64::from(app.policy.matching.unserved_after_s));
    let due =
        app.read(Actor::System, move |conn, _| Ok(store::consultations_unserved(conn, before, 100)?)).await?;
    rounds::each(app, JOB, due, |id| *id, |tx, id| act_on(tx, *id, &Command::GiveUp)).await.outcome()
}

/// Requeues consultations whose doctor was not heard for longer than the grace: neither by
/// this instance, nor according to Redis or the database. If one of these sources is
/// unavailable, a worker may keep their doctor longer, but never loses them early; and nobody
/// counts as lost until this instance has listened for as long as the grace.
///
/// # Errors
/// Faults of the storage; a doctor who came back in time is no error.
pub async fn requeue_lost(app: &Arc<AppState>) -> Result<usize, Failure> {
    const REQUEUE: Job = Job::new("lost-doctors").ignore_refusals();
    const NOTE: Job = Job::new("heard-doctors");
    let busy = app.read(Actor::System, |conn, _| Ok(storage::matching::doctor::doctors_busy(conn)?)).await?;
    let (mut lost, mut heard_doctors) = (Vec::new(), Vec::new());
    for (doctor, noted) in busy {
        let heard = app.coordination.last_heard(LivenessKey::Staff(doctor)).await.max(noted);
        match heard {
            Some(at) if !grace_is_over(app, at) => {
                heard_doctors.extend(should_record(app, at, noted).then_some((doctor, at)));
            }
            Some(_) | None if grace_is_over(app, app.opened_at) => {
                lost.extend(requeues_of_lost(app, doctor, heard).await?);
            }
            Some(_) | None => {}
        }
    }
    let requeue = |tx: &mut Tx<'_>, (id, command): &(ConsultationId, Command)| act_on(tx, *id, command);
    let requeued = rounds::each(app, REQUEUE, lost, |(id, _)| *id, requeue).await;
    let note = |tx: &mut Tx<'_>, (doctor, at): &(StaffId, Timestamp)| {
        storage::matching::doctor::doctor_heard(tx.conn, *doctor, *at)?;
        Ok(0)
    };
    let noted = rounds::each(app, NOTE, heard_doctors, |(doctor, _)| *doctor, note).await;
    requeued.and(noted).outcome()
}

fn grace_is_over(app: &AppState, since: Timestamp) -> bool {
    app.now() >= app.policy.matching.grace_ends_at(since) + app.presence_lag()
}

/// Whether to write `at` to the database, for other instances that have not heard the doctor
/// themselves.
fn should_record(app: &AppState, at: Timestamp, noted: Option<Timestamp>) -> bool {
    let fresh = noted.is_some_and(|noted| at <= noted || app.now() < noted + HEARD_WRITE_INTERVAL);
    !app.coordination.is_single_instance() && !fresh
}

/// The consultations of a doctor who was last heard at `heard`, each with the command that
/// requeues it.
async fn requeues_of_lost(
    app: &Arc<AppState>,
    doctor: StaffId,
    heard: Option<Timestamp>,
) -> Result<Vec<(ConsultationId, Command)>, Failure> {
    let (active_at, live) = app
        .read(Actor::System, move |conn, _| {
            Ok((
                storage::authority::staff_active_at(conn, doctor)?,
                store::full::full_of_doctor(conn, Live::always(), doctor)?,
            ))
        })
        .await?;
    let of_lost = live.into_iter().map(|known| known.row).filter_map(|row| {
        // A doctor who accepted or wrote anything was present then.
        let lost_since = heard.max(active_at).max(row.accepted_at).unwrap_or(app.opened_at);
        grace_is_over(app, lost_since).then_some((row.id, Command::Requeue { doctor, lost_since }))
    });
    Ok(of_lost.collect())
}

/// Chooses doctors for the front of the queue, most urgent first. Within the round each choice
/// uses one of the doctor's places and one turn of their hospital; an open offer also counts
/// as a turn.
fn plan(conn: &mut Conn, app: &AppState, skipped: &Skipped) -> Result<Vec<Plan>, Failure> {
    let now = app.now();
    let policy = &app.policy.matching;
    let visited_since = now - TimeDelta::days(i64::from(policy.continuity_days));
    let mut waiting = store::consultations_waiting(conn, visited_since, FRONT)?;
    waiting.retain(|one| !skipped.consultations.contains(&one.row.id));
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    waiting
        .sort_by_key(|Waiting { row, .. }| QueueKey::of(row.triage, row.requested_at, row.id, now, policy));
    let mut candidates = storage::matching::doctor::candidates(conn, now, CANDIDATES)?;
    candidates.retain(|known| !skipped.doctors.contains(&known.candidate.doctor));
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let (system, open) = storage::matching::offer::clock_and_open_offers(conn)?;
    let starts = align_virtual_times(&mut candidates, system, &open);
    let refused = refused_lately(conn, &waiting, now)?;
    let mut reached = system;
    let mut plans = Vec::new();
    for one in &waiting {
        if candidates.iter().all(|known| known.candidate.live >= known.candidate.capacity) {
            break;
        }
        let seen = seen_from(&candidates, &one.district);
        let Some(choice) = choose_doctor(&request(one, &refused), &seen, now, policy) else { continue };
        // A choice for continuity of care is made out of turn.
        let start = starts.get(&choice.hospital).filter(|_| choice.reason == ChoiceReason::Fairness);
        let clock = start.copied().filter(|start| *start > reached);
        reached = clock.unwrap_or(reached);
        take_place(&mut candidates, &choice);
        plans.push(Plan { consultation: one.row.id, fence: one.row.fence, choice, clock });
    }
    Ok(plans)
}

/// Raises each hospital's virtual time to at least the system's, and counts open offers as
/// turns. Returns the start time of each hospital without these turns.
fn align_virtual_times(
    candidates: &mut [LocatedCandidate],
    system: i64,
    open: &HashMap<HospitalId, i64>,
) -> HashMap<HospitalId, i64> {
    let mut starts = HashMap::new();
    for known in candidates {
        let hospital = known.candidate.hospital;
        let start = start_time(known.candidate.hospital_virtual_time, system);
        starts.insert(hospital, start);
        let pending = turns(open.get(&hospital).copied().unwrap_or(0), known.weight);
        known.candidate.hospital_virtual_time = start.saturating_add(pending);
    }
    starts
}

/// The candidates from a station's view: hospitals of other districts are neighbouring.
fn seen_from(candidates: &[LocatedCandidate], district: &str) -> Vec<Candidate> {
    candidates
        .iter()
        .map(|known| Candidate { neighbouring: known.district != district, ..known.candidate.clone() })
        .collect()
}

fn take_place(candidates: &mut [LocatedCandidate], choice: &Choice) {
    if let Some(chosen) = candidates.iter_mut().find(|known| known.candidate.doctor == choice.doctor) {
        chosen.candidate.live += 1;
    }
    for known in candidates.iter_mut().filter(|known| known.candidate.hospital == choice.hospital) {
        let later = known.candidate.hospital_virtual_time.saturating_add(turns(1, known.weight));
        known.candidate.hospital_virtual_time = later;
    }
}

/// Who did not take these consultations lately.
fn refused_lately(
    conn: &mut Conn,
    waiting: &[Waiting],
    now: Timestamp,
) -> Result<Vec<(ConsultationId, StaffId)>, Failure> {
    let offered = waiting.iter().filter(|one| one.row.fence > 0);
    let offered: Vec<ConsultationId> = offered.map(|one| one.row.id).collect();
    if offered.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::offers_refused(conn, &offered, now - REOFFER_AFTER)?)
}

fn request(one: &Waiting, refused: &[(ConsultationId, StaffId)]) -> MatchRequest {
    let row = &one.row;
    let refused = refused.iter().filter(|(id, _)| *id == row.id);
    MatchRequest {
        consultation: row.id,
        department: row.department,
        language: row.language,
        level: row.triage,
        waiting_since: row.requested_at,
        previous_doctor: one.last_visit.map(|(doctor, seen_at)| PreviousDoctor { doctor, seen_at }),
        excluded: refused.map(|(_, doctor)| *doctor).collect(),
    }
}
