//! Estimate of a wait, from the live figures of the department that will serve the worker: their own,
//! or the first of its chain where anybody is on call. The figures are read at most once every few
//! seconds, so that many clients polling cost no more than one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AppState, Failure};
use domain::{
    consultation::Medium,
    matching::{Department, EstimateBasis, LiveFigures, estimate_wait},
    time::Timestamp,
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

/// The figures of one department.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    /// Consultations requested within the last hour.
    requested: u32,
    waiting: u32,
    /// For text and for video.
    places: [u32; 2],
    taken: [u32; 2],
    /// Who waits, and who asked within the last hour, for departments where nobody is on call and that
    /// overflow into this one.
    overflow: [Overflow; 2],
}

#[derive(Debug, Clone, Copy, Default)]
struct Overflow {
    requested: u32,
    waiting: u32,
}

#[derive(Debug, Default)]
struct Figures {
    loads: HashMap<Department, Load>,
    /// When the next shift begins, for departments where nobody is on call.
    next_on_call: Mutex<HashMap<Department, Option<Timestamp>>>,
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

/// The estimated wait behind `ahead` other consultations of the same department, for a doctor's place
/// of this medium.
pub(super) fn wait(
    conn: &mut Conn,
    app: &AppState,
    (department, medium): (Department, Medium),
    ahead: i64,
) -> Result<Estimate, Failure> {
    let now = app.now();
    let figures = figures(conn, app, now)?;
    let chain = app.departments().chain(department);
    let load = |department| figures.loads.get(&department).copied().unwrap_or_default();
    let of = match medium {
        Medium::Text => 0,
        Medium::Video => 1,
    };
    let serving = serving(&figures.loads, &chain, of).unwrap_or(department);
    let Load { requested, waiting, places, taken, overflow } = load(serving);
    let (places, taken, overflow) = (places[of], taken[of], overflow[of]);
    let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
    // Those of other departments who wait for the same doctors may all wait for longer.
    let others = if serving == department {
        overflow.waiting
    } else {
        waiting.saturating_add(overflow.waiting).saturating_sub(load(department).waiting)
    };
    let estimate = estimate_wait(&LiveFigures {
        offered_erlangs: f64::from(requested.saturating_add(overflow.requested)) * HANDLING_S / 3600.0,
        places,
        free: places.saturating_sub(taken),
        mean_handling_s: HANDLING_S,
        ahead: ahead.saturating_add(others),
    });
    let on_call_from = match estimate.basis {
        EstimateBasis::NobodyOnCall => {
            let known = lock(&figures.next_on_call).get(&department).copied();
            match known {
                Some(known) => known,
                None => {
                    let next = next_on_call(conn, &chain, now)?;
                    lock(&figures.next_on_call).insert(department, next);
                    next
                }
            }
        }
        EstimateBasis::Free | EstimateBasis::ErlangC | EstimateBasis::Backlog => None,
    };
    let (from_minutes, to_minutes) = estimate.minutes.unzip();
    Ok(Estimate { department: serving, from_minutes, to_minutes, basis: estimate.basis, on_call_from })
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
    let mut loads: HashMap<Department, Load> = HashMap::new();
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    for (department, requested) in requested_since(conn, now - TimeDelta::hours(1))? {
        loads.entry(department).or_default().requested = count(requested);
    }
    for (department, waiting) in queue::waiting_by_department(conn)? {
        loads.entry(department).or_default().waiting = count(waiting);
    }
    for known in load::loads(conn, &app.silent_doctors.known(), now)? {
        let of = loads.entry(known.department).or_default();
        (of.places, of.taken) = (known.places.map(count), known.taken.map(count));
    }
    let departments = app.departments();
    let asked: Vec<(Department, Load)> = loads.iter().map(|(of, load)| (*of, *load)).collect();
    for (department, Load { requested, waiting, .. }) in asked {
        let chain = departments.chain(department);
        for medium in 0..2 {
            let found = serving(&loads, &chain, medium).filter(|found| *found != department);
            if let Some(load) = found.and_then(|found| loads.get_mut(&found)) {
                let overflow = &mut load.overflow[medium];
                overflow.requested = overflow.requested.saturating_add(requested);
                overflow.waiting = overflow.waiting.saturating_add(waiting);
            }
        }
    }
    Ok(Figures { loads, ..Figures::default() })
}

/// The first department of a chain in which anybody is on call for this medium.
fn serving(loads: &HashMap<Department, Load>, chain: &[Department], medium: usize) -> Option<Department> {
    chain.iter().copied().find(|one| loads.get(one).is_some_and(|load| load.places[medium] > 0))
}
