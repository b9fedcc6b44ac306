//! The phases of a shutdown: first the process reports that it is not ready, then it ends long
//! polls and streams. Accepted requests are finished.

use std::sync::atomic::{AtomicU8, Ordering};

const SERVING: u8 = 0;
/// No longer ready; new requests are still served as before.
const DRAINING: u8 = 1;
/// Long polls and streams are ended.
const CLOSING: u8 = 2;

/// The phase; it only advances.
#[derive(Debug, Default)]
pub(super) struct Lifecycle(AtomicU8);

impl Lifecycle {
    fn reach(&self, phase: u8) {
        self.0.fetch_max(phase, Ordering::SeqCst);
    }

    fn has_reached(&self, phase: u8) -> bool {
        self.0.load(Ordering::SeqCst) >= phase
    }

    pub(super) fn drain(&self) {
        self.reach(DRAINING);
    }

    pub(super) fn close(&self) {
        self.reach(CLOSING);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.has_reached(DRAINING)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.has_reached(CLOSING)
    }

    /// Why the process is not ready, if it is shutting down.
    pub(super) fn obstacle(&self) -> Option<&'static str> {
        match self.0.load(Ordering::SeqCst) {
            SERVING => None,
            DRAINING => Some("draining"),
            _ => Some("closing"),
        }
    }
}
