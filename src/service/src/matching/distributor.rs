//! The distributor: offers waiting consultations to free doctors. It reads the departments for which
//! anybody waits, then the free doctors who may serve these, then the fronts of the queues that they
//! may serve; so a round costs as much as what it can match, however many wait elsewhere.
//! `domain::matching` decides. Several instances may run it at once: the database refuses the second
//! offer of a consultation, and a doctor's place too many.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::TimeDelta;

use super::{act_on, heard};
use crate::{
    Actor, AppState, Failure, Tx,
    jobs::rounds::{self, Done, Job},
};
use domain::{
    consultation::Command,
    ids::{ConsultationId, OfferId, StaffId},
    matching::{
        Chain, Department, MatchingPolicy, OverflowStep, Planned, Pool, Queue, ROUND, Refused, Request,
        Scene, Source, distribute,
    },
    time::Timestamp,
};
use storage::{
    Conn,
    matching::{
        doctor,
        offer::clock_and_open_offers,
        queue::{self as store, Since},
    },
};

/// A doctor who declined is not offered the same consultation again for this long.
const REOFFER_AFTER: TimeDelta = TimeDelta::minutes(2);

/// After so many lost races in a row the other distributor goes on alone.
const RACES: usize = 3;

/// Offers the waiting consultations to the free doctors, round after round until nobody who is free
/// can take any. Returns how many offers were made.
///
/// # Errors
/// Faults of the storage; losing a race to another transaction is no error.
pub async fn offer_waiting(app: &Arc<AppState>) -> Result<usize, Failure> {
    let (mut made, mut races) = (0, 0);
    loop {
        let round = round(app).await?;
        let offered = round.done.outcome()?;
        made += offered;
        // Another distributor was first with some: what it has changed is planned again.
        races = if offered < round.planned { races + 1 } else { 0 };
        if races > RACES || (races == 0 && round.planned < ROUND) {
            return Ok(made);
        }
    }
}

/// What a plan skips.
#[derive(Debug, Default, Clone)]
struct Skipped {
    /// Those whose row was locked.
    doctors: HashSet<StaffId>,
    /// Those whose row was locked.
    consultations: HashSet<ConsultationId>,
    /// Doctors whom nobody heard lately: they are not on call.
    silent: HashSet<StaffId>,
}

/// The result of a plan.
struct Tried {
    planned: usize,
    done: Done,
    made: HashSet<ConsultationId>,
    failed: Vec<Planned>,
}

async fn round(app: &Arc<AppState>) -> Result<Tried, Failure> {
    let first = try_plan(app, Skipped::default()).await?;
    if first.failed.is_empty() {
        return Ok(first);
    }
    // The row of the doctor or of the consultation is locked: offer the consultation to another
    // doctor, and if that fails too, the doctor another consultation.
    let doctors = first.failed.iter().map(|plan| plan.choice.doctor).collect();
    let second = try_plan(app, Skipped { doctors, ..Skipped::default() }).await?;
    let (doctors_locked, consultations_locked): (Vec<Planned>, Vec<Planned>) =
        first.failed.iter().partition(|plan| second.made.contains(&plan.consultation));
    let skipped = Skipped {
        doctors: doctors_locked.iter().map(|plan| plan.choice.doctor).collect(),
        consultations: consultations_locked
            .iter()
            .chain(&second.failed)
            .map(|plan| plan.consultation)
            .collect(),
        ..Skipped::default()
    };
    let both = first.and(second);
    if skipped.consultations.is_empty() {
        return Ok(both);
    }
    Ok(both.and(try_plan(app, skipped).await?))
}

impl Tried {
    fn and(mut self, later: Self) -> Self {
        self.planned = self.planned.max(later.planned);
        self.done = self.done.and(later.done);
        self.made.extend(later.made);
        self
    }
}

async fn try_plan(app: &Arc<AppState>, mut skipped: Skipped) -> Result<Tried, Failure> {
    // Concurrently: offers share commits, and no offer waits for another.
    const OFFER: Job = Job::new("offer").ignore_refusals().concurrent();
    let skip = skipped.clone();
    let (mut plans, free) = app.read(Actor::System, move |conn, app| plan(conn, app, &skip)).await?;
    if !plans.is_empty() {
        skipped.silent = heard::silent(app, &free).await;
        if !skipped.silent.is_empty() {
            (plans, _) = app.read(Actor::System, move |conn, app| plan(conn, app, &skipped)).await?;
        }
    }
    let planned = plans.len();
    let offered = rounds::each(app, OFFER, plans.clone(), |plan| plan.consultation, offer).await;
    let (failed, made): (Vec<Planned>, Vec<Planned>) =
        plans.into_iter().partition(|plan| offered.was_deferred(plan.consultation));
    let made = made.into_iter().map(|plan| plan.consultation).collect();
    Ok(Tried { planned, done: offered, made, failed })
}

fn offer(tx: &mut Tx<'_>, plan: &Planned) -> Result<usize, Failure> {
    let command = Command::Offer {
        offer: OfferId::generate(),
        doctor: plan.choice.doctor,
        hospital: plan.choice.hospital,
        fence: plan.fence + 1,
        expires_at: tx.app.policy.matching.offer_expires_at(tx.now),
    };
    let made = act_on(tx, plan.consultation, &command)?;
    if let Some(to) = plan.clocks.hospital {
        doctor::hospital_clock_advance(tx.conn, plan.choice.hospital, to)?;
    }
    if let Some(to) = plan.clocks.system {
        doctor::matching_clock_advance(tx.conn, to)?;
    }
    Ok(made)
}

/// Chooses doctors for those who wait, most urgent first; and who is free.
fn plan(conn: &mut Conn, app: &AppState, skipped: &Skipped) -> Result<(Vec<Planned>, Vec<StaffId>), Failure> {
    let now = app.now();
    let policy = &app.policy.matching;
    let waiting = store::departments_waiting(conn)?;
    if waiting.is_empty() {
        return Ok(Default::default());
    }
    let chains: HashMap<Department, Chain> =
        waiting.into_iter().map(|own| (own, chain_of(app, own))).collect();
    let reached: HashSet<Department> =
        chains.values().flat_map(|chain| chain.departments.iter().copied()).collect();
    let reached: Vec<Department> = reached.into_iter().collect();
    let (mut free, mut shares) = doctor::candidates(conn, &reached, now)?;
    free.retain(|one| !skipped.doctors.contains(&one.doctor) && !skipped.silent.contains(&one.doctor));
    if free.is_empty() {
        return Ok(Default::default());
    }
    let has_free: HashSet<Department> = free.iter().flat_map(|one| one.departments.iter().copied()).collect();
    let served: Vec<Department> = chains
        .iter()
        .filter(|(_, chain)| chain.departments.iter().any(|one| has_free.contains(one)))
        .map(|(own, _)| *own)
        .collect();
    let (system, open) = clock_and_open_offers(conn)?;
    for share in &mut shares {
        share.open_offers = open.get(&share.hospital).copied().unwrap_or(0);
    }
    let since = since(policy, now);
    let refused = refused(conn, since, skipped)?;
    let ids = free.iter().map(|one| one.doctor).collect();
    let queues = queues(conn, &served)?;
    let scene = Scene { queues, pool: Pool::new(free, &shares, system), chains, refused };
    let mut stored = Stored { conn, since, skipped, now };
    Ok((distribute(scene, &mut stored, now, policy)?, ids))
}

/// Where requests of a department are searched.
pub(crate) fn chain_of(app: &AppState, department: Department) -> Chain {
    let known = app.departments();
    Chain { departments: known.chain(department), patience: known.patience(department) }
}

/// Since when refusals, transfers and earlier visits count.
pub(crate) fn since(policy: &MatchingPolicy, now: Timestamp) -> Since {
    Since {
        refused: now - REOFFER_AFTER,
        transferred: now - REOFFER_AFTER.max(TimeDelta::seconds(i64::from(policy.wait_limit_s))),
        visited: now - TimeDelta::days(i64::from(policy.continuity_days)),
    }
}

/// `None` for a name that is none: all other queues are served.
pub(crate) fn queue_of(name: &str) -> Option<Queue> {
    let queue = Queue::parse(name);
    if queue.is_none() {
        tracing::error!(name, "a consultation waits in an unknown queue");
    }
    queue
}

fn queues(conn: &mut Conn, of: &[Department]) -> Result<Vec<(Queue, Timestamp)>, Failure> {
    let stored = store::queues(conn, of)?;
    Ok(stored.into_iter().filter_map(|(name, oldest)| Some((queue_of(&name)?, oldest))).collect())
}

fn refused(conn: &mut Conn, since: Since, skipped: &Skipped) -> Result<Vec<Refused>, Failure> {
    let mut all: Vec<Refused> = Vec::new();
    for (queue, request, doctor) in store::refused_lately(conn, since)? {
        match all.last_mut().filter(|last| last.request.consultation == request.consultation) {
            Some(last) => last.by.push(doctor),
            None if skipped.consultations.contains(&request.consultation) => {}
            None => all.extend(queue_of(&queue).map(|queue| Refused { queue, request, by: vec![doctor] })),
        }
    }
    Ok(all)
}

/// What a round reads on demand.
struct Stored<'a> {
    conn: &'a mut Conn,
    since: Since,
    skipped: &'a Skipped,
    now: Timestamp,
}

impl Source for Stored<'_> {
    type Error = Failure;

    fn front(
        &mut self,
        queue: &Queue,
        after: Option<(Timestamp, ConsultationId)>,
        limit: usize,
    ) -> Result<Vec<Request>, Failure> {
        // Those that are skipped take no place of others.
        let most = i64::try_from(limit + self.skipped.consultations.len()).unwrap_or(i64::MAX);
        let of = (queue.department, queue.name());
        let mut read = store::front(self.conn, (of.0, &of.1), after, self.since, most)?;
        read.retain(|request| !self.skipped.consultations.contains(&request.consultation));
        read.truncate(limit);
        Ok(read)
    }

    fn is_on_call(
        &mut self,
        queue: &Queue,
        step: OverflowStep,
        excluded: &[StaffId],
    ) -> Result<bool, Failure> {
        let excluded: Vec<StaffId> = self.skipped.silent.iter().chain(excluded).copied().collect();
        Ok(doctor::is_on_call(self.conn, queue, step, &excluded, self.now)?)
    }
}
