//! The end of a process, from the inside: first it asks to be given no more
//! work, then it lets go of whoever merely waits. What was accepted is finished.

use std::time::Duration;

use tokio::sync::watch;

use super::House;
use crate::{coordination::Listener, telemetry::figures::Held};

/// How far a process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Not ready any more, but as good as ever to whoever still comes.
    Draining,
    /// Nobody is kept waiting.
    Closing,
}

/// Tells everybody in the process.
#[derive(Debug)]
pub struct Lifecycle(watch::Sender<Phase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Lifecycle {
    /// From now on this process is not ready.
    pub fn drain(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// From now on nobody is kept waiting: held polls are answered at once.
    pub fn close(&self) {
        self.0.send_replace(Phase::Closing);
    }

    /// Whether the process is on its way out.
    pub fn is_ending(&self) -> bool {
        *self.0.borrow() != Phase::Serving
    }

    /// Whether nobody may be kept waiting any more.
    pub fn is_closing(&self) -> bool {
        *self.0.borrow() == Phase::Closing
    }

    /// Why the process is not ready, if it is on its way out.
    pub(super) fn word(&self) -> Option<&'static str> {
        match *self.0.borrow() {
            Phase::Serving => None,
            Phase::Draining => Some("draining"),
            Phase::Closing => Some("closing"),
        }
    }
}

impl House {
    /// Holds a caller until `listener` hears something: `true`. After `wait`,
    /// and at once when the process ends, it is `false`: the caller asks again,
    /// elsewhere if need be.
    pub async fn hold(&self, listener: &mut Listener, wait: Duration) -> bool {
        let mut phase = self.lifecycle.0.subscribe();
        let closing = async {
            // The sender is the house's own, so this ends only by closing.
            let _ = phase.wait_for(|phase| *phase == Phase::Closing).await;
        };
        tokio::select! {
            biased;
            () = closing => false,
            heard = listener.changed_within(wait) => heard,
        }
    }

    /// The same for a long poll, which is counted while it is held.
    pub async fn hold_poll(&self, listener: &mut Listener, wait: Duration) -> bool {
        let _held = Held::by(&self.figures.held_polls);
        self.hold(listener, wait).await
    }
}
