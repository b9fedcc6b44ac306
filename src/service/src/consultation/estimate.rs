//! Estimate of a wait, from who is on call and who waits for the same doctors. Both are read at most once
//! every few seconds, so that many clients polling cost no more than one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Loaded;
use crate::{
    AppState, Failure,
    matching::{chain_of, queue_of, since},
};
use domain::{
    consultation::Medium,
    matching::{Department, DoctorsOnCall, EstimateBasis, Outlook, Queue, Waits},
    time::Timestamp,
    words::Language,
};
use storage::{
    Conn,
    consultation::requested_since,
    matching::{load, queue},
    network::roster::coverage::next_on_call,
};

/// Median of a video consultation: 7.4 minutes (2,216 visits, US).
/// Source: the project's load assumptions.
const HANDLING_S: f64 = 444.0;
/// How long figures are cached.
const MAX_AGE: TimeDelta = TimeDelta::seconds(5);

/// How long a worker may wait.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Estimate {
    /// Which department will probably serve them: theirs, or the next one where anybody is on call.
    pub department: Department,
    /// From so many minutes; none when nobody is on call.
    pub from_minutes: Option<u32>,
    /// To so many minutes: four of five do not wait longer. None when nobody is on call.
    pub to_minutes: Option<u32>,
    /// How it was calculated.
    pub basis: EstimateBasis,
    /// When nobody is on call: when the next shift begins, if one is on the roster.
    pub on_call_from: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Figures {
    outlook: Outlook,
    /// When the next shift begins, for those for whom nobody is on call.
    next_on_call: Mutex<HashMap<(Department, Language, Medium), Option<Timestamp>>>,
}

/// The last figures read, and since when somebody has been reading newer ones.
#[derive(Debug, Default)]
pub(crate) struct EstimateCache(Mutex<Option<(Timestamp, Arc<Figures>)>>);

impl EstimateCache {
    /// The next estimate reads its figures.
    pub(crate) fn forget(&self) {
        *lock(&self.0) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The estimated wait of one that waits behind `ahead` others of the same department; `None` if it is in
/// no queue.
pub(super) fn wait(
    conn: &mut Conn,
    app: &AppState,
    known: &Loaded,
    ahead: i64,
) -> Result<Option<Estimate>, Failure> {
    let (now, policy, row) = (app.now(), &app.policy.matching, &known.full.row);
    let Some(queue) = queue_of(&row.queue) else { return Ok(None) };
    let figures = figures(conn, app, now)?;
    let chain = chain_of(app, queue.department);
    // Nobody has refused what was not offered yet.
    let excluded = match row.fence {
        0 => Vec::new(),
        _ => queue::refused_by(conn, row.id, since(policy, now))?,
    };
    let waits = Waits {
        queue: &queue,
        consultation: row.id,
        waiting_since: row.requested_at,
        in_department_since: row.transferred_at.map_or(row.requested_at, |at| at.max(row.requested_at)),
        ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
        excluded: &excluded,
    };
    let forecast = figures.outlook.wait(&waits, &chain, now, policy);
    let on_call_from = match forecast.range.basis {
        EstimateBasis::NobodyOnCall => {
            let key = (queue.department, queue.language, queue.medium);
            let found = lock(&figures.next_on_call).get(&key).copied();
            match found {
                Some(found) => found,
                None => {
                    let next = next_on_call(conn, &chain.departments, (queue.language, queue.medium), now)?;
                    lock(&figures.next_on_call).insert(key, next);
                    next
                }
            }
        }
        EstimateBasis::Free | EstimateBasis::ErlangC | EstimateBasis::Backlog => None,
    };
    let (from_minutes, to_minutes) = forecast.range.minutes.unzip();
    let (department, basis) = (forecast.department, forecast.range.basis);
    Ok(Some(Estimate { department, from_minutes, to_minutes, basis, on_call_from }))
}

/// The cached figures, unless they are old: then one caller reads new ones, and others go on with the
/// old ones meanwhile.
fn figures(conn: &mut Conn, app: &AppState, now: Timestamp) -> Result<Arc<Figures>, Failure> {
    if let Some((read_at, known)) = &mut *lock(&app.estimates.0) {
        if now - *read_at < MAX_AGE {
            return Ok(Arc::clone(known));
        }
        *read_at = now;
    }
    let fresh = Arc::new(read(conn, app, now)?);
    *lock(&app.estimates.0) = Some((now, Arc::clone(&fresh)));
    Ok(fresh)
}

fn read(conn: &mut Conn, app: &AppState, now: Timestamp) -> Result<Figures, Failure> {
    let mut known: HashMap<String, Option<Queue>> = HashMap::new();
    let mut parsed = |name: String| known.entry(name).or_insert_with_key(|name| queue_of(name)).clone();
    let mut requested = HashMap::new();
    for (name, count) in requested_since(conn, now - TimeDelta::hours(1))? {
        requested.extend(parsed(name).map(|queue| (queue, u32::try_from(count).unwrap_or(u32::MAX))));
    }
    let mut waiting = Vec::new();
    for (name, since, id) in queue::waiting_all(conn)? {
        waiting.extend(parsed(name).map(|queue| (queue, since, id)));
    }
    let departments = requested.keys().chain(waiting.iter().map(|(queue, ..)| queue));
    let chains = departments.map(|queue| (queue.department, chain_of(app, queue.department))).collect();
    let on_call = DoctorsOnCall::new(load::on_call_all(conn, &app.silent_doctors.known(), now)?);
    let outlook = Outlook::new(on_call, chains, waiting, requested, HANDLING_S, (now, &app.policy.matching));
    Ok(Figures { outlook, ..Figures::default() })
}
