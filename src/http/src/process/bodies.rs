//! Limits for request bodies: how long one may take, and how much memory all unfinished ones
//! together may use. Bytes are counted as they arrive, not as announced. Unauthenticated callers
//! have a separate memory budget, so that they cannot block the bodies of the others.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes per unit; memory is counted in units.
const UNIT: usize = 1024;
/// Units for callers with a token: 32 MiB, or 128 of the largest bodies. Our default.
const AUTHENTICATED_UNITS: usize = 32 * 1024;
/// Units for callers without a token: 16 MiB, or 1,024 of their largest bodies. Our default.
const UNAUTHENTICATED_UNITS: usize = 16 * 1024;

/// The limits, with the memory in use.
#[derive(Debug, Clone)]
pub struct Bodies {
    /// Time limit for a complete body.
    pub whole: Duration,
    /// Time limit between two chunks.
    pub pause: Duration,
    authenticated: Arc<Semaphore>,
    unauthenticated: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(10))
    }
}

impl Bodies {
    pub fn new(whole: Duration, pause: Duration) -> Self {
        let budget = |units| Arc::new(Semaphore::new(units));
        Self {
            whole,
            pause,
            authenticated: budget(AUTHENTICATED_UNITS),
            unauthenticated: budget(UNAUTHENTICATED_UNITS),
        }
    }

    /// For a body that has not begun to arrive.
    pub fn begin(&self, authenticated: bool) -> BodyMemory {
        let budget = if authenticated { &self.authenticated } else { &self.unauthenticated };
        BodyMemory { budget: Arc::clone(budget), units: None }
    }
}

/// The memory reserved for one unfinished body; released on drop.
#[derive(Debug)]
pub struct BodyMemory {
    budget: Arc<Semaphore>,
    units: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    /// Reserves memory for a body that has grown to `bytes`; `false` if the budget is used up.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let reserved = self.units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(reserved)).unwrap_or(u32::MAX);
        if more == 0 {
            return true;
        }
        let Ok(units) = Arc::clone(&self.budget).try_acquire_many_owned(more) else { return false };
        match &mut self.units {
            Some(reserved) => reserved.merge(units),
            None => self.units = Some(units),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unauthenticated_callers_have_a_separate_budget_and_drop_releases_memory() {
        let bodies = Bodies::default();
        let mut open: Vec<BodyMemory> = Vec::new();
        loop {
            let mut next = bodies.begin(false);
            if !next.grow_to(16 * 1024) {
                break;
            }
            assert!(next.grow_to(10) && next.grow_to(16 * 1024));
            open.push(next);
        }
        assert_eq!(open.len(), 1024);
        assert!(bodies.begin(true).grow_to(256 * 1024));
        open.pop();
        assert!(bodies.begin(false).grow_to(1));
    }
}
