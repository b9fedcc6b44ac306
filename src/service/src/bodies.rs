//! How long a request's body may take, and how much memory the unfinished ones
//! have between them. Bytes are counted as they arrive and not as they are
//! announced; callers who have proven nothing have a store of their own, so that
//! they cannot keep the others' bodies out.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory of unfinished bodies is counted in units of so many bytes.
const UNIT: usize = 1024;
/// Units for callers with a token: 32 MiB, or 128 of the largest bodies. Our default.
const KNOWN: usize = 32 * 1024;
/// Units for callers without: 16 MiB, or 1,024 of their largest. Our default.
const STRANGERS: usize = 16 * 1024;

/// The bounds of bodies.
#[derive(Debug, Clone)]
pub struct Bodies {
    /// A body is there after this.
    pub whole: Duration,
    /// Its next bytes come within this.
    pub pause: Duration,
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(Duration::from_secs(30), Duration::from_secs(10))
    }
}

impl Bodies {
    /// Bounds with these times.
    pub fn new(whole: Duration, pause: Duration) -> Self {
        let store = |units| Arc::new(Semaphore::new(units));
        Self { whole, pause, known: store(KNOWN), strangers: store(STRANGERS) }
    }

    /// A body that has not begun to arrive.
    pub fn arriving(&self, known: bool) -> Held {
        Held { store: Arc::clone(if known { &self.known } else { &self.strangers }), units: None }
    }
}

/// The memory of one unfinished body; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    store: Arc<Semaphore>,
    units: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// The body has grown to so many bytes; `false` where there is no room for them.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let has = self.units.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(has)).unwrap_or(u32::MAX);
        if more == 0 {
            return true;
        }
        let Ok(units) = Arc::clone(&self.store).try_acquire_many_owned(more) else { return false };
        match &mut self.units {
            Some(held) => held.merge(units),
            None => self.units = Some(units),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_their_own_store_and_what_is_dropped_is_given_back() {
        let bodies = Bodies::default();
        let mut held: Vec<Held> = Vec::new();
        loop {
            let mut next = bodies.arriving(false);
            if !next.grow_to(16 * 1024) {
                break;
            }
            assert!(next.grow_to(10) && next.grow_to(16 * 1024));
            held.push(next);
        }
        assert_eq!(held.len(), 1024);
        assert!(bodies.arriving(true).grow_to(256 * 1024));
        held.pop();
        assert!(bodies.arriving(false).grow_to(1));
    }
}
