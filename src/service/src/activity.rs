//! When callers were last active. A member of staff who was inactive for long proves by their PIN
//! that they are present; a worker's check-in ends some time after their last act.

use chrono::TimeDelta;
use moka::sync::Cache;
use uuid::Uuid;

use crate::Actor;
use domain::time::Timestamp;
use storage::authority::{Activity, Authority, TOUCH_EVERY};

/// After this much inactivity, accepting an offer requires the PIN. Source: security check 20.
const QUIET: TimeDelta = TimeDelta::minutes(15);

/// When a member of staff was last certainly present: at sign-in, at each write that followed
/// another within [`QUIET`], and at each PIN. Reads, long polls, streams and renewed tokens come from
/// their program and do not count; and a write after a quiet span may come from anybody at the
/// screen.
fn attended_at(activity: Activity) -> Option<Timestamp> {
    activity.attended_at.or(activity.active_at)
}

/// Whether a member of staff was inactive for so long that only their PIN shows who is present.
pub(crate) fn is_quiet(activity: Activity, now: Timestamp) -> bool {
    attended_at(activity).is_some_and(|at| now - at > QUIET)
}

/// Whether it is worth a write that `actor` was active, which was last at `before`; and if so, whether
/// a member of staff was certainly there in person. `proven`: by their PIN.
pub(crate) fn touch(actor: Actor, before: Activity, proven: bool, now: Timestamp) -> Option<bool> {
    let due = |at: Option<Timestamp>| at.is_none_or(|at| now - at > TOUCH_EVERY);
    match actor {
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Cabinet(_) => None,
        Actor::Worker(worker) => (worker.acts && due(before.active_at)).then_some(false),
        Actor::Staff(_) if proven || !is_quiet(before, now) && due(attended_at(before)) => Some(true),
        Actor::Staff(_) => due(before.active_at).then_some(false),
    }
}

/// What this instance knows of the activity of callers. Other instances may know of later activity,
/// never of less: who is active by this is active.
pub(crate) struct KnownActivity(Cache<Uuid, Activity>);

impl Default for KnownActivity {
    fn default() -> Self {
        // An evicted entry costs one read.
        Self(Cache::new(200_000))
    }
}

impl KnownActivity {
    /// `None` when this instance knows nothing of it.
    pub(crate) fn get(&self, authority: Authority) -> Option<Activity> {
        self.0.get(&key(authority)?)
    }

    /// Notes committed activity.
    pub(crate) fn note(&self, authority: Authority, activity: Activity) {
        if let Some(key) = key(authority) {
            self.0.insert(key, activity);
        }
    }
}

/// A device has no such times.
fn key(authority: Authority) -> Option<Uuid> {
    match authority {
        Authority::CheckIn(id) => Some(id.uuid()),
        Authority::Session { id, .. } => Some(id.uuid()),
        Authority::Device { .. } => None,
    }
}
