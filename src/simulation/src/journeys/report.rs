//! The results of many journeys: latencies by step, endings, and one line of JSON.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;

use crate::client::CallError;

/// The percentile of the `sorted` values by nearest rank; `None` if there are none.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every pack was dispensed and all checks passed.
    Vended,
    /// The worker gave up while waiting for a doctor.
    GivenUp,
    /// The worker cancelled the paid order.
    OrderCancelled,
    /// The motors jammed, and the order was refunded.
    Refunded,
    /// The cabinet did not have enough packs.
    SoldOut,
    /// A step failed.
    Failed { step: &'static str, error: JourneyError },
}

impl Ending {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Vended => "vended",
            Self::GivenUp => "given_up",
            Self::OrderCancelled => "order_cancelled",
            Self::Refunded => "refunded",
            Self::SoldOut => "sold_out",
            Self::Failed { .. } => "failed",
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum JourneyError {
    /// The server refused or did not respond.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The server's response is inconsistent.
    #[error("wrong answer ({name}): {detail}")]
    Wrong {
        /// A stable code of the check.
        name: &'static str,
        detail: String,
    },
    /// The expected change did not come in time.
    #[error("waited too long")]
    TooLong,
    /// No station was free.
    #[error("no station is free")]
    NoStation,
}

impl PartialEq for JourneyError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
impl Eq for JourneyError {}

/// One journey, with the time of each finished step.
#[derive(Debug, Clone)]
pub struct Journey {
    pub steps: Vec<(&'static str, Duration)>,
    pub ending: Ending,
}

impl Journey {
    /// A journey that failed outside its steps.
    pub fn failed(error: JourneyError) -> Self {
        Self { steps: Vec::new(), ending: Ending::Failed { step: "journey", error } }
    }
}

/// How long each step took, over all journeys.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    order: Vec<&'static str>,
    times: BTreeMap<&'static str, Vec<Duration>>,
}

/// The statistics of one step; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepFigures {
    pub n: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
}

impl Steps {
    /// Adds the steps of one journey.
    pub fn add(&mut self, steps: Vec<(&'static str, Duration)>) {
        for (step, took) in steps {
            if !self.order.contains(&step) {
                self.order.push(step);
            }
            self.times.entry(step).or_default().push(took);
        }
    }

    /// Every step with its statistics, in the order of the journey.
    pub fn figures(&self) -> Vec<(&'static str, StepFigures)> {
        let figures = self.order.iter().map(|step| {
            let mut times = self.times.get(step).cloned().unwrap_or_default();
            times.sort_unstable();
            let at = |percent| {
                let span = percentile(&times, percent).unwrap_or_default();
                (span.as_secs_f64() * 10_000.0).round() / 10.0
            };
            (*step, StepFigures { n: times.len(), p50_ms: at(50), p95_ms: at(95), p99_ms: at(99) })
        });
        figures.collect()
    }

    pub fn table(&self) -> String {
        let mut text =
            format!("{:<16}{:>8}{:>12}{:>12}{:>12}\n", "步骤 step", "次 n", "p50 ms", "p95 ms", "p99 ms");
        for (step, figures) in self.figures() {
            let StepFigures { n, p50_ms, p95_ms, p99_ms } = figures;
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{step:<16}{n:>8}{p50_ms:>12.1}{p95_ms:>12.1}{p99_ms:>12.1}");
        }
        text
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Steps,
    endings: BTreeMap<String, usize>,
    vended: usize,
    failed: usize,
}

/// The last line of the output, as JSON for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    pub journeys: usize,
    /// Journeys with every pack dispensed.
    pub vended: usize,
    /// Journeys with any other ending.
    pub failed: usize,
    /// The duration of the run.
    pub seconds: f64,
}

impl Report {
    /// Adds one journey. Every journey of the driver goes straight, so each must end
    /// with its packs vended.
    pub fn add(&mut self, journey: Journey) {
        self.steps.add(journey.steps);
        if journey.ending == Ending::Vended {
            self.vended += 1;
        } else {
            self.failed += 1;
        }
        let ending = match journey.ending {
            Ending::Failed { step, error } => format!("{step}: {error}"),
            ending => ending.code().to_owned(),
        };
        *self.endings.entry(ending).or_default() += 1;
    }

    /// The totals after `took`.
    pub fn totals(&self, took: Duration) -> Totals {
        let seconds = (took.as_secs_f64() * 10.0).round() / 10.0;
        Totals { journeys: self.vended + self.failed, vended: self.vended, failed: self.failed, seconds }
    }

    /// Latencies by step, then endings, the most frequent first.
    pub fn table(&self) -> String {
        let mut text = self.steps.table();
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (ending, count) in endings {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{count:>6} x {ending}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(numbers: &[u64]) -> Vec<Duration> {
        numbers.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (percent, expected) in [(50, 50), (95, 95), (99, 99), (100, 100), (0, 1), (1, 1)] {
            assert_eq!(percentile(&ms(&hundred), percent), Some(Duration::from_millis(expected)));
        }
        assert_eq!(percentile(&ms(&[7]), 99), Some(Duration::from_millis(7)));
        assert_eq!(percentile(&ms(&[1, 2, 3]), 50), Some(Duration::from_millis(2)));
        assert_eq!(percentile(&ms(&[1, 2, 3]), 99), Some(Duration::from_millis(3)));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn totals_count_every_ending_and_the_table_names_each() {
        let mut report = Report::default();
        let steps = vec![("check_in", Duration::from_millis(40)), ("pay", Duration::from_millis(9))];
        report.add(Journey { steps: steps.clone(), ending: Ending::Vended });
        report.add(Journey { steps: steps.clone(), ending: Ending::Vended });
        let error = JourneyError::Wrong { name: "order_total", detail: "the total is 1, not 2".to_owned() };
        report.add(Journey { steps: steps[..1].to_vec(), ending: Ending::Failed { step: "order", error } });
        let totals = report.totals(Duration::from_millis(12_340));
        assert_eq!(totals, Totals { journeys: 3, vended: 2, failed: 1, seconds: 12.3 });
        let table = report.table();
        assert!(table.find("check_in").unwrap() < table.find("pay").unwrap(), "{table}");
        assert!(table.contains("1 x order: wrong answer (order_total)"), "{table}");
        assert!(table.contains("2 x vended"), "{table}");
        let line = serde_json::to_string(&totals).unwrap();
        assert_eq!(line, r#"{"journeys":3,"vended":2,"failed":1,"seconds":12.3}"#);
    }
}
