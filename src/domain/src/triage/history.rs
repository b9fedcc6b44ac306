//! The readings that count: the latest of each kind, and the one before it.

use crate::{time::Timestamp, vitals::ValidReading};

/// A reading with the time at which the server received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedReading {
    pub reading: ValidReading,
    /// When the server received it.
    pub recorded_at: Timestamp,
}

/// The latest reading of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub reading: ValidReading,
    /// When the server received it.
    pub recorded_at: Timestamp,
    /// The measurement of this kind before it.
    pub previous: Option<ValidReading>,
}

/// The latest reading of each kind by measuring time; of two with the same time, the one received
/// later. A reading that was sent twice counts once.
pub fn latest_of_each_kind(history: &[TimedReading]) -> Vec<Latest> {
    let mut ordered: Vec<&TimedReading> = history.iter().collect();
    // Stable sort: the order of arrival decides between equal times.
    ordered.sort_by_key(|timed| timed.reading.measured_at);
    let mut latest: Vec<Latest> = Vec::new();
    for timed in ordered {
        let known = latest.iter_mut().find(|known| known.reading.kind == timed.reading.kind);
        match known {
            Some(known) if known.reading == timed.reading => {}
            Some(known) => {
                known.previous = Some(std::mem::replace(&mut known.reading, timed.reading.clone()));
                known.recorded_at = timed.recorded_at;
            }
            None => latest.push(Latest {
                reading: timed.reading.clone(),
                recorded_at: timed.recorded_at,
                previous: None,
            }),
        }
    }
    latest
}
