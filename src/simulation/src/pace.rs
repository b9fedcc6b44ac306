//! How fast simulated people and machines are. A demonstration should look like
//! life; a trial of the house should wait for nothing but the house.

use std::{ops::Range, time::Duration};

use rand::Rng;

/// The pauses of everybody who is simulated.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Milliseconds that a doctor thinks before prescribing.
    pub thinks_ms: Range<u64>,
    /// Milliseconds that a motor turns.
    pub turns_ms: Range<u64>,
    /// Between two looks after a signed prescription that a doctor waits for.
    pub review: Duration,
    /// Before the list of reviews is looked at again, when all of it is a colleague's.
    pub colleague: Duration,
    /// Before offers are looked at again, when the one there is will not be answered.
    pub unanswered: Duration,
    /// Whether a doctor stays until the pharmacist has spoken.
    pub stays_for_review: bool,
}

impl Pace {
    /// As in life, but shorter.
    pub fn lively() -> Self {
        Self {
            thinks_ms: 150..600,
            turns_ms: 150..450,
            review: Duration::from_secs(1),
            colleague: Duration::from_millis(500),
            unanswered: Duration::from_millis(500),
            stays_for_review: true,
        }
    }

    /// Nobody pauses.
    pub fn quick() -> Self {
        Self {
            thinks_ms: 0..1,
            turns_ms: 0..1,
            review: Duration::from_millis(100),
            colleague: Duration::from_millis(20),
            unanswered: Duration::from_millis(200),
            stays_for_review: false,
        }
    }

    /// The doctor's pause.
    pub async fn think(&self) {
        pause(&self.thinks_ms).await;
    }

    /// How long this turn of a motor takes.
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
