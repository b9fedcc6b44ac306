//! Distribution of consultations: the distributor offers them to doctors; here are the ends of what
//! got no answer. The rules are in `domain::matching`.

mod distributor;
pub mod duty;
pub(crate) mod heard;
pub(crate) mod offer;
pub mod watch;

pub use distributor::offer_waiting;
pub(crate) use distributor::{chain_of, queue_of, since};
pub use heard::look_where_waited;
pub use watch::watch_queues;

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Actor, AppState, Failure, Tx, consultation};
use crate::jobs::rounds::{self, Job};
use coordination::LivenessKey;
use domain::{
    consultation::Command,
    ids::{ConsultationId, StaffId},
    time::Timestamp,
};
use storage::{Conn, Live, consultation as store, matching::offer::OfferRow};

/// How often the time at which a busy doctor was last heard is written to the database.
const HEARD_WRITE_INTERVAL: TimeDelta = TimeDelta::seconds(20);

fn act_on(tx: &mut Tx<'_>, id: ConsultationId, command: &Command) -> Result<usize, Failure> {
    consultation::act(tx, id, command).map(|_| 1)
}

/// Expires offers that were not answered in time; their doctors become away. Takes back those of doctors
/// who are off duty.
///
/// # Errors
/// Faults of the storage.
pub async fn expire_offers(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("offer-expiry").ignore_refusals();
    const TAKE_BACK: Job = Job::new("offers-off-duty").ignore_refusals();
    let now = app.now();
    let due = move |conn: &mut Conn, after| Ok(store::offers_expired(conn, now, after, rounds::PAGE)?);
    let expire = |tx: &mut Tx<'_>, offer: &OfferRow| {
        act_on(tx, offer.consultation_id, &Command::ExpireOffer { offer: offer.id })
    };
    let expired = rounds::every(app, JOB, |offer| offer.id, due, expire).await?;
    let off_duty = |conn: &mut Conn, after| Ok(store::offers_off_duty(conn, after, rounds::PAGE)?);
    let take_back = |tx: &mut Tx<'_>, offer: &OfferRow| {
        consultation::attendance::take_back(tx, offer.consultation_id, offer.doctor_id)
    };
    let taken_back = rounds::every(app, TAKE_BACK, |offer| offer.id, off_duty, take_back).await?;
    expired.and(taken_back).outcome()
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
        move |conn: &mut Conn, after| Ok(store::consultations_unserved(conn, before, after, rounds::PAGE)?);
    rounds::every(app, JOB, |id| *id, due, |tx, id| act_on(tx, *id, &Command::GiveUp)).await?.outcome()
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
    let keys: Vec<LivenessKey> = busy.iter().map(|(doctor, _)| LivenessKey::Staff(*doctor)).collect();
    let heard_of = heard_of(app, &keys).await;
    for ((doctor, noted), heard) in busy.into_iter().zip(heard_of) {
        let heard = heard.max(noted);
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

/// When each was last heard: one request to Redis, however many they are; what this instance heard itself
/// while Redis cannot be reached.
async fn heard_of(app: &AppState, keys: &[LivenessKey]) -> Vec<Option<Timestamp>> {
    if keys.is_empty() {
        return Vec::new();
    }
    if let Some(heard) = app.coordination.last_heard_of(keys).await {
        return heard;
    }
    let mut heard = Vec::with_capacity(keys.len());
    for key in keys {
        heard.push(app.coordination.last_heard(*key).await);
    }
    heard
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
