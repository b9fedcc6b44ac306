//! FLOOR 2: what may live outside the database because it may be lost: when
//! someone was last heard, wake-ups, and rate counters. Emptying it changes no
//! durable answer: whoever sleeps through a lost wake-up looks again at the
//! next poll.
//!
//! Two implementations: one in the memory of this process, and one that adds
//! what Redis lets several instances tell each other. Redis that cannot be
//! reached makes things unknown, never otherwise.

mod memory;
mod redis;

pub use self::redis::Redis;
pub use memory::Memory;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{
    ids::{CabinetId, StaffId, WorkerId},
    time::Timestamp,
};

/// Who wants to know when something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A cabinet's vend authorizations, voids and recalls.
    Cabinet(CabinetId),
    /// One member of staff: offers, consultations, returned prescriptions.
    Staff(StaffId),
    /// One worker: the station screen where they are checked in.
    Worker(WorkerId),
    /// The pharmacists' review queue.
    Reviews,
    /// The operators' board.
    Operators,
    /// The matching job.
    Matching,
    /// The job that sends letters.
    Letters,
    /// The edition of the catalogue that every instance holds.
    Catalogue,
}

/// Whoever is listened for. An id and no text: every request names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// A cabinet.
    Cabinet(CabinetId),
    /// A member of staff.
    Staff(StaffId),
}

/// As a key of a store that knows only text.
impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cabinet(id) => write!(f, "cabinet:{id}"),
            Self::Staff(id) => write!(f, "staff:{id}"),
        }
    }
}

/// A wait for the next change of one topic.
pub struct Listener {
    generation: tokio::sync::watch::Receiver<u64>,
    whole: Arc<AtomicBool>,
}

impl Listener {
    /// How often the topic was woken since this process first heard of it. It
    /// means nothing to any other process.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Returns at the next wake-up after the last one seen, or after `wait`.
    pub async fn changed_within(&mut self, wait: Duration) -> bool {
        if wait.is_zero() {
            // Even the shortest timer sleeps until the next whole millisecond.
            let changed = self.generation.has_changed().unwrap_or(false);
            if changed {
                self.generation.mark_unchanged();
            }
            return changed;
        }
        matches!(tokio::time::timeout(wait, self.generation.changed()).await, Ok(Ok(())))
    }

    /// Whether hints from other instances may be lost now, so that nothing
    /// heard does not mean nothing changed: then look at the database. Once
    /// hints arrive again, every listener is woken once.
    pub fn may_have_missed(&self) -> bool {
        !self.whole.load(Ordering::Relaxed)
    }
}

/// An answer that an implementation may have to fetch from elsewhere.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Last heard, wake-ups, rate counters.
pub trait Coordination: Send + Sync {
    /// Notes that `who` was heard.
    fn heard(&self, who: Speaker, at: Timestamp);

    /// When `who` was last heard, as far as is known here: another instance
    /// may have heard them later. `None` is "unknown", never "silent".
    fn last_heard(&self, who: Speaker) -> Soon<'_, Option<Timestamp>>;

    /// Wakes whoever listens to `topic`; a hint that may be lost.
    fn wake(&self, topic: Topic);

    /// Wakes everybody who listens in this process.
    fn wake_all(&self);

    /// Listens to `topic` from now on.
    fn listen(&self, topic: Topic) -> Listener;

    /// Adds `by` to a counter that lives for `window`, and tells its new value.
    /// `by` = 0 only looks.
    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> Soon<'a, u32>;

    /// Takes one of the `most` that a counter has in each `window`, in one step:
    /// of many at once no more than `most` get one. Tells its number, from 1;
    /// `None` when all are taken.
    fn take<'a>(&'a self, key: &'a str, most: u32, window: Duration, now: Timestamp)
    -> Soon<'a, Option<u32>>;

    /// Gives one back that was taken in this window.
    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> Soon<'a, ()>;

    /// Whether this is the only instance, so that what is unknown here is
    /// unknown everywhere.
    fn alone(&self) -> bool;

    /// Says good-bye to the other instances.
    fn close(&self) -> Soon<'_, ()>;
}
