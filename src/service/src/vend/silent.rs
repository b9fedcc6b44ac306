//! Which cabinets nobody heard from lately: a doctor does not count on their packs.

use std::collections::HashSet;

use chrono::TimeDelta;

use crate::AppState;
use coordination::LivenessKey;
use domain::{ids::CabinetId, time::Timestamp};
use storage::vend::journal::CabinetRow;

/// Those of `cabinets` that were not heard from for longer than the policy's `silence_seconds`: neither by
/// this instance nor according to Redis or the database. One request to Redis at most. As for doctors
/// (`matching::heard`), what is unknown counts as heard.
pub(crate) async fn silent(app: &AppState, cabinets: &[&CabinetRow]) -> HashSet<CabinetId> {
    if cabinets.is_empty() || !is_silent(app, app.opened_at) {
        return HashSet::new();
    }
    let keys: Vec<LivenessKey> = cabinets.iter().map(|row| LivenessKey::Cabinet(row.id)).collect();
    let Some(heard) = app.coordination.last_heard_of(&keys).await else { return HashSet::new() };
    let known = cabinets.iter().zip(heard).map(|(row, heard)| (row.id, heard.max(row.heard_at)));
    known.filter(|(_, heard)| heard.is_none_or(|at| is_silent(app, at))).map(|(id, _)| id).collect()
}

fn is_silent(app: &AppState, heard: Timestamp) -> bool {
    let silence = TimeDelta::seconds(i64::from(app.policy.vending.silence_seconds));
    app.now() > heard + silence + app.presence_lag()
}
