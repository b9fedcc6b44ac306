//! Who gets no offers because nobody heard from them lately. Estimates and alerts count on them no more
//! than the distributor does.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;

use crate::{Actor, AppState, Failure};
use coordination::LivenessKey;
use domain::{ids::StaffId, matching::Department, time::Timestamp};
use storage::matching::{load, queue};

/// Those of `doctors` who were not heard from for longer than the policy's `heard_within_s`: neither
/// by this instance, nor according to Redis. One request to Redis at most, however many they are.
///
/// What is unknown counts as heard: nobody is silent while Redis cannot be reached, nor until this
/// instance has listened for as long. Each of several instances publishes what it hears every few
/// seconds, for which there is extra time.
pub(crate) async fn silent(app: &AppState, doctors: &[StaffId]) -> HashSet<StaffId> {
    if doctors.is_empty() || !is_silent(app, app.opened_at) {
        return HashSet::new();
    }
    let keys: Vec<LivenessKey> = doctors.iter().map(|doctor| LivenessKey::Staff(*doctor)).collect();
    let Some(heard) = app.coordination.last_heard_of(&keys).await else { return HashSet::new() };
    let known = doctors.iter().zip(heard);
    known.filter(|(_, heard)| heard.is_none_or(|at| is_silent(app, at))).map(|(doctor, _)| *doctor).collect()
}

fn is_silent(app: &AppState, heard: Timestamp) -> bool {
    app.now() > app.policy.matching.silent_from(heard) + app.presence_lag()
}

/// How long what was found of a department is good.
const MAX_AGE: TimeDelta = TimeDelta::seconds(5);

/// Doctors on call whom nobody heard lately, for those who cannot ask Redis while they read.
#[derive(Debug, Default)]
pub(crate) struct SilentDoctors(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    doctors: HashSet<StaffId>,
    looked_at: HashMap<Department, Timestamp>,
}

impl SilentDoctors {
    fn with<T>(&self, work: impl FnOnce(&mut Found) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those of the departments that were looked at.
    pub(crate) fn known(&self) -> Vec<StaffId> {
        self.with(|found| found.doctors.iter().copied().collect())
    }
}

/// Looks at the doctors on call who may serve these departments, unless that was done lately: many who
/// ask cost one read, and one request to Redis.
///
/// # Errors
/// Faults of the storage.
pub(crate) async fn look(app: &Arc<AppState>, departments: &[Department]) -> Result<(), Failure> {
    // Nobody is silent yet.
    if !is_silent(app, app.opened_at) {
        return Ok(());
    }
    let (now, known) = (app.now(), app.departments());
    // Whoever asks meanwhile goes on with what was known before.
    let due: HashSet<Department> = app.silent_doctors.with(|found| {
        // What a request names may be no department.
        let asked = departments.iter().filter(|own| known.contains(**own));
        let reached = asked.flat_map(|own| known.chain(*own));
        let is_due = |one: &Department| found.looked_at.get(one).is_none_or(|at| now - *at >= MAX_AGE);
        let due: HashSet<Department> = reached.filter(is_due).collect();
        found.looked_at.extend(due.iter().map(|one| (*one, now)));
        due
    });
    if due.is_empty() {
        return Ok(());
    }
    let of: Vec<Department> = due.into_iter().collect();
    let doctors = app.read(Actor::System, move |conn, _| Ok(load::on_call_of(conn, &of, now)?)).await?;
    let silent = silent(app, &doctors).await;
    let changed = app.silent_doctors.with(|found| {
        let before = found.doctors.clone();
        for doctor in &doctors {
            found.doctors.remove(doctor);
        }
        found.doctors.extend(silent);
        found.doctors != before
    });
    if changed {
        app.estimates.forget();
    }
    Ok(())
}

/// As [`look`], at the departments for which anybody waits.
///
/// # Errors
/// Faults of the storage.
pub async fn look_where_waited(app: &Arc<AppState>) -> Result<usize, Failure> {
    let waiting = app.read(Actor::System, |conn, _| Ok(queue::departments_waiting(conn)?)).await?;
    look(app, &waiting).await.map(|()| 0)
}
