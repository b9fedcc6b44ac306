//! How long offers take: from the answer that acknowledges a request for care to the answer that brings
//! its first offer to a doctor. Workers and doctors of one simulation are in one process, with one clock.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use domain::ids::ConsultationId;

/// The times of one client.
#[derive(Debug, Default)]
pub struct OfferTimes(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    /// Of consultations of which only the one or the other was seen.
    half: HashMap<ConsultationId, Half>,
    done: Vec<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Half {
    AcknowledgedAt(Instant),
    /// The doctor was faster than the worker.
    Offered,
}

impl OfferTimes {
    /// The server has acknowledged a request.
    pub fn acknowledged(&self, consultation: ConsultationId) {
        self.note(consultation, Half::AcknowledgedAt(Instant::now()));
    }

    /// A doctor has received the first offer of a consultation.
    pub fn offered(&self, consultation: ConsultationId) {
        self.note(consultation, Half::Offered);
    }

    fn note(&self, consultation: ConsultationId, half: Half) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (times.half.remove(&consultation), half) {
            (Some(Half::AcknowledgedAt(at)), Half::Offered) => times.done.push(at.elapsed()),
            (Some(Half::Offered), Half::AcknowledgedAt(_)) => times.done.push(Duration::ZERO),
            (_, half) => drop(times.half.insert(consultation, half)),
        }
    }

    /// All times until now; they are forgotten.
    pub fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_consultation_counts_once_whoever_is_faster() {
        let (times, one, other) =
            (OfferTimes::default(), ConsultationId::generate(), ConsultationId::generate());
        times.acknowledged(one);
        assert!(times.take().is_empty());
        times.offered(one);
        times.offered(other);
        times.acknowledged(other);
        let taken = times.take();
        assert_eq!((taken.len(), taken[1]), (2, Duration::ZERO));
        assert!(times.take().is_empty());
    }
}
