//! Who gets no offers because nobody heard from them lately.

use std::collections::HashSet;

use crate::AppState;
use coordination::LivenessKey;
use domain::ids::StaffId;

/// Those of `doctors` who were not heard from for longer than the policy's `heard_within_s`: neither
/// by this instance, nor according to Redis. One request to Redis at most, however many they are.
///
/// What is unknown counts as heard: nobody is silent while Redis cannot be reached, nor until this
/// instance has listened for as long. Each of several instances publishes what it hears every few
/// seconds, for which there is extra time.
pub(crate) async fn silent(app: &AppState, doctors: &[StaffId]) -> HashSet<StaffId> {
    let now = app.now();
    let is_silent = |heard| now > app.policy.matching.silent_from(heard) + app.presence_lag();
    if doctors.is_empty() || !is_silent(app.opened_at) {
        return HashSet::new();
    }
    let keys: Vec<LivenessKey> = doctors.iter().map(|doctor| LivenessKey::Staff(*doctor)).collect();
    let Some(heard) = app.coordination.last_heard_of(&keys).await else { return HashSet::new() };
    let known = doctors.iter().zip(heard);
    known.filter(|(_, heard)| heard.is_none_or(is_silent)).map(|(doctor, _)| *doctor).collect()
}
