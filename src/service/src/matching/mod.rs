//! The call distributor at work: the front of the queue is put to doctors, and
//! offers that nobody answered come back. The rules are `domain::matching`'s.

pub mod duty;
pub(crate) mod offer;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;

use super::{Actor, AppState, Failure, Tx, consultation};
use crate::jobs::rounds::{self, Done, Job};
use coordination::Speaker;
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
    Conn,
    consultation::{self as store, ConsultationRow},
    matching::{doctor::LocatedCandidate, offer::OfferRow},
};

/// How much of the queue's front one round looks at.
const FRONT: i64 = 50;
/// How many candidates one consultation is held against.
const CANDIDATES: i64 = 200;
/// A doctor who refused is not asked again at once.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(2);

/// The last word of a doctor with patients is written down this often.
const NOTED_EVERY: TimeDelta = TimeDelta::seconds(20);

/// One planned offer.
#[derive(Debug, Clone, Copy)]
struct Plan {
    consultation: ConsultationId,
    fence: i64,
    choice: Choice,
}

/// What one round brings.
#[derive(Debug, Default)]
struct Round {
    plans: Vec<Plan>,
    /// The system's virtual time, where the round moved it on.
    clock: Option<i64>,
}

/// Puts as much of the queue's front to doctors as there are free ones.
/// Returns how many offers were made.
///
/// # Errors
/// Faults of the storage; a race that somebody else won is no error.
pub async fn offer_waiting(app: &Arc<AppState>) -> Result<usize, Failure> {
    let first = try_plan(app, Aside::default()).await?;
    if first.failed.is_empty() {
        return first.done.outcome();
    }
    // Somebody holds the doctor's row or the patient's: the patient is put to
    // another doctor, and if that fails too, the doctor to another patient.
    let doctors = first.failed.iter().map(|plan| plan.choice.doctor).collect();
    let second = try_plan(app, Aside { doctors, consultations: HashSet::new() }).await?;
    let (held_doctors, held): (Vec<Plan>, Vec<Plan>) =
        first.failed.iter().partition(|plan| second.made.contains(&plan.consultation));
    let aside = Aside {
        doctors: held_doctors.iter().map(|plan| plan.choice.doctor).collect(),
        consultations: held.iter().chain(&second.failed).map(|plan| plan.consultation).collect(),
    };
    let done = first.done.and(second.done);
    if aside.consultations.is_empty() {
        return done.outcome();
    }
    done.and(try_plan(app, aside).await?.done).outcome()
}

/// What a plan passes over because a row could not be had.
#[derive(Debug, Default, Clone)]
struct Aside {
    doctors: HashSet<StaffId>,
    consultations: HashSet<ConsultationId>,
}

/// What became of a plan.
struct Tried {
    done: Done,
    made: HashSet<ConsultationId>,
    failed: Vec<Plan>,
}

async fn try_plan(app: &Arc<AppState>, aside: Aside) -> Result<Tried, Failure> {
    const CLOCK: Job = Job::new("matching-clock");
    // Side by side: they share commits, and no worker waits for another's.
    const OFFER: Job = Job::new("offer").may_be_overtaken().side_by_side();
    let Round { plans, clock } = app.read(Actor::System, move |conn, app| plan(conn, app, &aside)).await?;
    let mut done = Done::default();
    if let Some(clock) = clock {
        let advance = move |tx: &mut Tx<'_>| {
            Ok(storage::matching::doctor::matching_clock_advance(tx.conn, clock).map(|_| 0)?)
        };
        done = rounds::one(app, CLOCK, advance).await;
    }
    let offered = rounds::each(app, OFFER, plans.clone(), |plan| plan.consultation, offer).await;
    let (failed, made): (Vec<Plan>, Vec<Plan>) =
        plans.into_iter().partition(|plan| offered.has_left(plan.consultation));
    Ok(Tried {
        done: done.and(offered),
        made: made.into_iter().map(|plan| plan.consultation).collect(),
        failed,
    })
}

fn offer(tx: &mut Tx<'_>, plan: &Plan) -> Result<usize, Failure> {
    let command = Command::Offer {
        offer: OfferId::generate(),
        doctor: plan.choice.doctor,
        hospital: plan.choice.hospital,
        fence: plan.fence + 1,
        expires_at: tx.app.policy.matching.offer_expires_at(tx.now),
    };
    act_on(tx, plan.consultation, &command)
}

fn act_on(tx: &mut Tx<'_>, id: ConsultationId, command: &Command) -> Result<usize, Failure> {
    consultation::act(tx, id, command).map(|_| 1)
}

/// Ends offers whose time is over; their doctors become away.
///
/// # Errors
/// Faults of the storage.
pub async fn expire_offers(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("offer-expiry").may_be_overtaken();
    let now = app.now();
    let due = app.read(Actor::System, move |conn, _| Ok(store::offers_expired(conn, now, 200)?)).await?;
    let expire = |tx: &mut Tx<'_>, offer: &OfferRow| {
        act_on(tx, offer.consultation_id, &Command::ExpireOffer { offer: offer.id })
    };
    rounds::each(app, JOB, due, |offer| offer.id, expire).await.outcome()
}

/// Ends consultations that no doctor could be found for, far beyond the limit,
/// so that the failure is seen and the worker is told.
///
/// # Errors
/// Faults of the storage.
pub async fn give_up_unserved(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("unserved").may_be_overtaken();
    let before = app.now() - TimeDelta::seconds(i64::from(app.policy.matching.unserved_after_s));
    let due =
        app.read(Actor::System, move |conn, _| Ok(store::consultations_unserved(conn, before, 100)?)).await?;
    rounds::each(app, JOB, due, |id| *id, |tx, id| act_on(tx, *id, &Command::GiveUp)).await.outcome()
}

/// Puts consultations back whose doctor was silent beyond the grace: as far
/// as this instance heard, as Redis tells and as the database knows. Whatever
/// of these is out of reach can keep a patient with their doctor, never take
/// them away; and nobody is silent until this instance has listened as long.
///
/// # Errors
/// Faults of the storage; a doctor who came back in time is no error.
pub async fn requeue_lost(app: &Arc<AppState>) -> Result<usize, Failure> {
    const REQUEUE: Job = Job::new("lost-doctors").may_be_overtaken();
    const NOTE: Job = Job::new("heard-doctors");
    let busy = app.read(Actor::System, |conn, _| Ok(storage::matching::doctor::doctors_busy(conn)?)).await?;
    let (mut lost, mut words) = (Vec::new(), Vec::new());
    for (doctor, noted) in busy {
        let heard = app.coordination.last_heard(Speaker::Staff(doctor)).await.max(noted);
        match heard {
            Some(at) if !grace_is_over(app, at) => {
                words.extend(is_news(app, at, noted).then_some((doctor, at)));
            }
            Some(_) | None if grace_is_over(app, app.opened_at) => {
                lost.extend(patients_of_lost(app, doctor, heard).await?);
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
    let noted = rounds::each(app, NOTE, words, |(doctor, _)| *doctor, note).await;
    requeued.and(noted).outcome()
}

fn grace_is_over(app: &AppState, since: Timestamp) -> bool {
    app.now() >= app.policy.matching.grace_ends_at(since) + app.hearsay()
}

/// Whether the other instances cannot have heard it themselves, so that it is
/// written down.
fn is_news(app: &AppState, at: Timestamp, noted: Option<Timestamp>) -> bool {
    let fresh = noted.is_some_and(|noted| at <= noted || app.now() < noted + NOTED_EVERY);
    !app.coordination.alone() && !fresh
}

/// The patients of a doctor who was heard last at `heard`, with what puts each back.
async fn patients_of_lost(
    app: &Arc<AppState>,
    doctor: StaffId,
    heard: Option<Timestamp>,
) -> Result<Vec<(ConsultationId, Command)>, Failure> {
    let (active_at, held) = app
        .read(Actor::System, move |conn, _| {
            Ok((
                storage::authority::staff_active_at(conn, doctor)?,
                store::consultations_of_doctor(conn, doctor)?,
            ))
        })
        .await?;
    let of_lost = held.into_iter().filter_map(|row| {
        // Who accepted, or wrote anything, was there.
        let lost_since = heard.max(active_at).max(row.accepted_at).unwrap_or(app.opened_at);
        grace_is_over(app, lost_since).then_some((row.id, Command::Requeue { doctor, lost_since }))
    });
    Ok(of_lost.collect())
}

/// Chooses doctors for the front of the queue, most pressing first. A doctor
/// chosen once has one place less for the rest of the round, and their hospital
/// has had a turn; so has one that did not answer an offer yet.
fn plan(conn: &mut Conn, app: &AppState, aside: &Aside) -> Result<Round, Failure> {
    let now = app.now();
    let policy = &app.policy.matching;
    let mut waiting = store::consultations_waiting(conn, FRONT)?;
    if waiting.is_empty() {
        return Ok(Round::default());
    }
    waiting.retain(|row| !aside.consultations.contains(&row.id));
    waiting.sort_by_key(|row| QueueKey::of(row.triage, row.requested_at, row.id, now, policy));
    let mut candidates = storage::matching::doctor::candidates(conn, now, CANDIDATES)?;
    candidates.retain(|known| !aside.doctors.contains(&known.candidate.doctor));
    if candidates.is_empty() {
        return Ok(Round::default());
    }
    let system = storage::matching::doctor::matching_clock(conn)?;
    let starts = start_together(conn, &mut candidates, system)?;
    let mut reached = system;
    let mut plans = Vec::new();
    for row in &waiting {
        if candidates.iter().all(|known| known.candidate.live >= known.candidate.capacity) {
            break;
        }
        let request = request_for(conn, app, row, now)?;
        let seen =
            seen_from(&candidates, &storage::matching::doctor::station_district(conn, row.station_id)?);
        if let Some(choice) = choose_doctor(&request, &seen, now, policy) {
            // A doctor whom the worker knows is chosen out of turn.
            if choice.reason == ChoiceReason::Fairness {
                reached = reached.max(starts.get(&choice.hospital).copied().unwrap_or(system));
            }
            hold_place(&mut candidates, &choice);
            plans.push(Plan { consultation: row.id, fence: row.fence, choice });
        }
    }
    Ok(Round { plans, clock: (reached > system).then_some(reached) })
}

/// Lifts each hospital's virtual time to the system's, and counts the offers
/// that are open as turns. Returns where each hospital starts without these.
fn start_together(
    conn: &mut Conn,
    candidates: &mut [LocatedCandidate],
    system: i64,
) -> Result<HashMap<HospitalId, i64>, Failure> {
    let open: HashMap<HospitalId, i64> = store::offers_open_by_hospital(conn)?.into_iter().collect();
    let mut starts = HashMap::new();
    for known in candidates {
        let hospital = known.candidate.hospital;
        let start = start_time(known.candidate.hospital_virtual_time, system);
        starts.insert(hospital, start);
        let pending = turns(open.get(&hospital).copied().unwrap_or(0), known.weight);
        known.candidate.hospital_virtual_time = start.saturating_add(pending);
    }
    Ok(starts)
}

/// The candidates as a station sees them: hospitals elsewhere are neighbours.
fn seen_from(candidates: &[LocatedCandidate], district: &str) -> Vec<Candidate> {
    candidates
        .iter()
        .map(|known| Candidate { neighbouring: known.district != district, ..known.candidate.clone() })
        .collect()
}

fn hold_place(candidates: &mut [LocatedCandidate], choice: &Choice) {
    if let Some(chosen) = candidates.iter_mut().find(|known| known.candidate.doctor == choice.doctor) {
        chosen.candidate.live += 1;
    }
    for known in candidates.iter_mut().filter(|known| known.candidate.hospital == choice.hospital) {
        let later = known.candidate.hospital_virtual_time.saturating_add(turns(1, known.weight));
        known.candidate.hospital_virtual_time = later;
    }
}

fn request_for(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
    now: Timestamp,
) -> Result<MatchRequest, Failure> {
    let since = now - TimeDelta::days(i64::from(app.policy.matching.continuity_days));
    let previous_doctor = store::doctor_of_last_visit(conn, row.worker_id, since, now)?
        .map(|(doctor, seen_at)| PreviousDoctor { doctor, seen_at });
    Ok(MatchRequest {
        consultation: row.id,
        department: row.department,
        language: row.language,
        level: row.triage,
        waiting_since: row.requested_at,
        previous_doctor,
        excluded: store::offers_refused(conn, row.id, now - ASK_AGAIN_AFTER)?,
    })
}
