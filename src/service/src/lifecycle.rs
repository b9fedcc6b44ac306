//! The end of a process, from the inside: first it asks to be given no more
//! work, then it lets go of whoever merely waits. What was accepted is finished.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use super::AppState;
use base::telemetry::figures::Held;
use coordination::Listener;

const SERVING: u8 = 0;
/// Not ready any more, but as good as ever to whoever still comes.
const DRAINING: u8 = 1;
/// Nobody is kept waiting.
const CLOSING: u8 = 2;

/// How far a process is on its way out; it never turns back.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    fn reach(&self, phase: u8) {
        self.0.fetch_max(phase, Ordering::SeqCst);
    }

    fn has_reached(&self, phase: u8) -> bool {
        self.0.load(Ordering::SeqCst) >= phase
    }

    /// From now on this process is not ready.
    pub fn drain(&self) {
        self.reach(DRAINING);
    }

    /// Whether the process is on its way out.
    pub fn is_ending(&self) -> bool {
        self.has_reached(DRAINING)
    }

    /// Whether nobody may be kept waiting any more.
    pub fn is_closing(&self) -> bool {
        self.has_reached(CLOSING)
    }

    /// Why the process is not ready, if it is on its way out.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self.0.load(Ordering::SeqCst) {
            SERVING => None,
            DRAINING => Some("draining"),
            _ => Some("closing"),
        }
    }
}

impl AppState {
    /// From now on nobody is kept waiting: whoever is held is let go at once.
    pub fn let_go(&self) {
        self.lifecycle.reach(CLOSING);
        self.coordination.wake_all();
    }

    /// Holds a caller until `listener` hears something: `true`. After `wait`,
    /// and at once when the process ends, it is `false`: the caller asks again,
    /// elsewhere if need be.
    pub async fn hold(&self, listener: &mut Listener, wait: Duration) -> bool {
        // Who began to listen after everybody was woken sees it before the wait.
        !self.lifecycle.is_closing() && listener.changed_within(wait).await && !self.lifecycle.is_closing()
    }

    /// The same for a long poll, which is counted while it is held.
    pub async fn hold_poll(&self, listener: &mut Listener, wait: Duration) -> bool {
        let _held = Held::by(&self.figures.held_polls);
        self.hold(listener, wait).await
    }
}
