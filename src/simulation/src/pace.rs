//! How fast simulated people and machines are. A demonstration should look
//! realistic; a load trial should wait for nothing but the server.

use std::{ops::Range, time::Duration};

use rand::Rng;

/// The pauses of all simulated people and machines.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Milliseconds that a doctor thinks before prescribing.
    pub thinks_ms: Range<u64>,
    /// Milliseconds that a motor turns.
    pub turns_ms: Range<u64>,
    /// A doctor's poll interval while a signed prescription is reviewed.
    pub review: Duration,
    /// Pause before the review list is polled again, when all of it is a colleague's share.
    pub colleague: Duration,
    /// Whether a doctor waits for the pharmacist's review.
    pub stays_for_review: bool,
}

impl Pace {
    /// Realistic, but shorter.
    pub fn lively() -> Self {
        Self {
            thinks_ms: 150..600,
            turns_ms: 150..450,
            review: Duration::from_secs(1),
            colleague: Duration::from_millis(500),
            stays_for_review: true,
        }
    }

    /// No pauses.
    pub fn quick() -> Self {
        Self {
            thinks_ms: 0..1,
            turns_ms: 0..1,
            review: Duration::from_millis(100),
            colleague: Duration::from_millis(20),
            stays_for_review: false,
        }
    }

    pub(crate) async fn think(&self) {
        pause(&self.thinks_ms).await;
    }

    /// A random duration of a motor's turn.
    pub fn turn(&self) -> Duration {
        Duration::from_millis(drawn(&self.turns_ms))
    }
}

fn drawn(range: &Range<u64>) -> u64 {
    rand::rng().random_range(range.clone())
}

async fn pause(range: &Range<u64>) {
    match drawn(range) {
        0 => {}
        ms => tokio::time::sleep(Duration::from_millis(ms)).await,
    }
}
