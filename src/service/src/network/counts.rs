//! Counts over the whole network, without personal data.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppState, Failure};
use domain::time::end_of_civil_day;
use storage::{Conn, network::listing as store};

/// The network in figures.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct NetworkCounts {
    pub stations: i64,
    pub cabinets: i64,
    pub hospitals: i64,
    pub doctors_available: i64,
    pub doctors_on_shift: i64,
    /// Waiting or offered.
    pub waiting: i64,
    pub active: i64,
    pub completed_today: i64,
    pub vended_today: i64,
    pub in_doubt: i64,
}

/// The network in figures.
pub fn counts(conn: &mut Conn, app: &AppState) -> Result<NetworkCounts, Failure> {
    let now = app.now();
    let today = end_of_civil_day(now, 0) + TimeDelta::microseconds(1) - TimeDelta::days(1);
    let figures = store::figures(conn, now, today)?;
    Ok(NetworkCounts {
        stations: figures.stations,
        cabinets: figures.cabinets,
        hospitals: figures.hospitals,
        doctors_available: figures.doctors_available,
        doctors_on_shift: figures.doctors_on_shift,
        waiting: figures.waiting,
        active: figures.active,
        completed_today: figures.completed_today,
        vended_today: figures.vended_today,
        in_doubt: figures.in_doubt,
    })
}
