//! Estimate of the wait: Erlang C over the live figures. The figures are read at most once
//! every few seconds, so that many clients polling cost no more than one.

use std::sync::Mutex;

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AppState, Failure};
use domain::{
    matching::{EstimateBasis, LiveFigures, estimate_wait},
    time::Timestamp,
};
use storage::{Conn, consultation as store};

/// Median of a video consultation: 7.4 minutes (2,216 visits, US).
/// Source: the project's load assumptions.
const HANDLING_S: f64 = 444.0;
/// How long figures are cached.
const MAX_AGE: TimeDelta = TimeDelta::seconds(5);

/// How long a worker may wait.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Estimate {
    /// Mean seconds; none when nobody is on call.
    pub seconds: Option<u32>,
    /// How it was calculated.
    pub basis: EstimateBasis,
}

#[derive(Debug, Clone, Copy)]
struct Figures {
    read_at: Timestamp,
    doctors: u32,
    offered_erlangs: f64,
}

/// The last figures read.
#[derive(Debug, Default)]
pub(crate) struct EstimateCache(Mutex<Option<Figures>>);

/// The estimated wait behind `ahead` other consultations.
pub(super) fn wait(conn: &mut Conn, app: &AppState, ahead: i64) -> Result<Estimate, Failure> {
    let figures = figures(conn, app)?;
    let estimate = estimate_wait(&LiveFigures {
        offered_erlangs: figures.offered_erlangs,
        doctors: figures.doctors,
        mean_handling_s: HANDLING_S,
        ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
    });
    Ok(Estimate { seconds: estimate.seconds, basis: estimate.basis })
}

fn figures(conn: &mut Conn, app: &AppState) -> Result<Figures, Failure> {
    let now = app.now();
    let lock = || app.estimates.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(cached) = *lock()
        && now - cached.read_at < MAX_AGE
    {
        return Ok(cached);
    }
    let asked = store::consultations_since(conn, now - TimeDelta::hours(1))?;
    let doctors = u32::try_from(storage::matching::doctor::doctors_available(conn)?).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "an hour's consultations are far below 2^52")]
    let offered_erlangs = asked as f64 * HANDLING_S / 3600.0;
    let fresh = Figures { read_at: now, doctors, offered_erlangs };
    *lock() = Some(fresh);
    Ok(fresh)
}
