//! State that may live outside the database because it may be lost: when a
//! caller was last heard, wake-ups, and rate counters. Losing it changes no
//! durable answer: a listener that misses a wake-up sees the change at its next
//! poll.
//!
//! Two implementations: one in the memory of this process, and one that shares
//! the same state among several instances through Redis. While Redis cannot be
//! reached, that state is unknown; nothing is ever concluded from it.

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
    ids::{CabinetId, StaffId, StationId, WorkerId},
    time::Timestamp,
};

/// What a listener can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A cabinet's vend authorizations, voids and recalls.
    Cabinet(CabinetId),
    /// One member of staff: offers, consultations, returned prescriptions.
    Staff(StaffId),
    /// The open offers of one doctor.
    Offers(StaffId),
    /// One worker: the station screen where they are checked in.
    Worker(WorkerId),
    /// The screen of one station: who is called there.
    Screen(StationId),
    /// The pharmacists' events: prescriptions from their signature on.
    Reviews,
    /// The pharmacists' queue of prescriptions that wait for review.
    ReviewQueue,
    /// The operators' board.
    Operators,
    /// The matching job.
    Matching,
    /// The job that sends letters.
    Letters,
    /// The edition of the catalogue that every instance holds.
    Catalogue,
}

/// A caller whose last-heard time is recorded. An id and not a text, because every
/// request records one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LivenessKey {
    Cabinet(CabinetId),
    Staff(StaffId),
}

/// The key in Redis.
impl fmt::Display for LivenessKey {
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
    complete: Arc<AtomicBool>,
}

impl Listener {
    /// How often the topic was woken since this process first used it; these wake-ups
    /// count as seen. The number has no meaning in any other process.
    pub fn seen(&mut self) -> u64 {
        *self.generation.borrow_and_update()
    }

    /// Waits for the next wake-up after the last one seen, at most `wait`. Returns
    /// whether there was one.
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

    /// Whether wake-ups from other instances may be getting lost, so that no wake-up
    /// does not mean no change: read the database then. Once wake-ups arrive again,
    /// every listener is woken once.
    pub fn may_have_missed(&self) -> bool {
        !self.complete.load(Ordering::Relaxed)
    }
}

/// The result of a method that may have to ask Redis.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Last-heard times, wake-ups and rate counters.
pub trait Coordination: Send + Sync {
    /// Records that `who` was heard at `at`.
    fn heard(&self, who: LivenessKey, at: Timestamp);

    /// When `who` was last heard, as far as this instance knows: another instance
    /// may have heard them later. `None` means unknown, never silent.
    fn last_heard(&self, who: LivenessKey) -> BoxFuture<'_, Option<Timestamp>>;

    /// When each of `who` was last heard by any instance, in their order; `None` in the list for
    /// who was not heard within the last hour. `None` for all: it cannot be known now.
    fn last_heard_of<'a>(&'a self, who: &'a [LivenessKey]) -> BoxFuture<'a, Option<Vec<Option<Timestamp>>>>;

    /// Wakes the listeners of `topic`; a hint that may be lost.
    fn wake(&self, topic: Topic);

    /// Wakes all listeners of this process.
    fn wake_all(&self);

    /// Listens to `topic` from now on.
    fn listen(&self, topic: Topic) -> Listener;

    /// Adds `by` to a counter that lives for `window`, and returns its new value.
    /// `by` = 0 only reads it.
    fn count<'a>(&'a self, key: &'a str, by: u32, window: Duration, now: Timestamp) -> BoxFuture<'a, u32>;

    /// Takes one of `most` permits in each `window`, atomically: of many concurrent
    /// calls at most `most` get one. Returns its number, from 1; `None` when all
    /// are taken.
    fn take<'a>(
        &'a self,
        key: &'a str,
        most: u32,
        window: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Option<u32>>;

    /// Returns a permit that was taken in this window.
    fn give_back<'a>(&'a self, key: &'a str, now: Timestamp) -> BoxFuture<'a, ()>;

    /// Whether this is the only instance, so that what is unknown here is unknown
    /// everywhere.
    fn is_single_instance(&self) -> bool;

    /// Notifies the other instances that this one ends.
    fn close(&self) -> BoxFuture<'_, ()>;
}
