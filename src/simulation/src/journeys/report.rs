//! What came of many journeys: how long each step took, how they ended, and
//! one line for programs.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;

use crate::client::CallError;

/// The value below or at which `percent` of the sorted `values` lie (nearest
/// rank); `None` of none.
pub fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// How one journey ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every pack came out, and everything was as it should be.
    Vended,
    /// The worker gave up while waiting for a doctor.
    GivenUp,
    /// The worker cancelled the paid order.
    OrderCancelled,
    /// The motors jammed, and the money came back.
    Refunded,
    /// The cabinet had not enough.
    SoldOut,
    /// Something was not as it should be: where, and what.
    Failed {
        /// The step that it failed in.
        step: &'static str,
        /// What was wrong.
        trouble: Trouble,
    },
}

impl Ending {
    /// A stable word.
    pub const fn word(&self) -> &'static str {
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

/// What went wrong on a journey.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// The house said no, or nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The house said something that cannot be true.
    #[error("wrong answer ({name}): {detail}")]
    Wrong {
        /// A stable word for what was checked.
        name: &'static str,
        /// What was seen instead.
        detail: String,
    },
    /// What was waited for did not come.
    #[error("waited too long")]
    TooLong,
    /// There was no place to begin at.
    #[error("no station is free")]
    NoStation,
}

impl PartialEq for Trouble {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
impl Eq for Trouble {}

/// One journey, with the time of each step that was finished.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Steps in their order.
    pub steps: Vec<(&'static str, Duration)>,
    /// How it ended.
    pub ending: Ending,
}

impl Journey {
    /// One that came to nothing as a whole.
    pub fn failed(trouble: Trouble) -> Self {
        Self { steps: Vec::new(), ending: Ending::Failed { step: "journey", trouble } }
    }
}

/// How long each step took, over all journeys.
#[derive(Debug, Default)]
pub struct Steps {
    order: Vec<&'static str>,
    times: BTreeMap<&'static str, Vec<Duration>>,
}

/// One step in figures; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepFigures {
    /// How often it was done.
    pub n: usize,
    /// The median.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
}

impl Steps {
    /// Takes the steps of one journey in.
    pub fn add(&mut self, steps: Vec<(&'static str, Duration)>) {
        for (step, took) in steps {
            if !self.order.contains(&step) {
                self.order.push(step);
            }
            self.times.entry(step).or_default().push(took);
        }
    }

    /// Every step with its figures, in the order of the journey.
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

    /// The same as a table.
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

/// All journeys of a run.
#[derive(Debug, Default)]
pub struct Report {
    steps: Steps,
    endings: BTreeMap<String, usize>,
    vended: usize,
    failed: usize,
}

/// The last line: what a program reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// All of them.
    pub journeys: usize,
    /// Whose every pack came out.
    pub vended: usize,
    /// That did not end as they should.
    pub failed: usize,
    /// How long all of it took.
    pub seconds: f64,
}

impl Report {
    /// Takes one journey in. Whoever goes straight comes back with packs.
    pub fn add(&mut self, journey: Journey) {
        self.steps.add(journey.steps);
        if journey.ending == Ending::Vended {
            self.vended += 1;
        } else {
            self.failed += 1;
        }
        let ending = match journey.ending {
            Ending::Failed { step, trouble } => format!("{step}: {trouble}"),
            ending => ending.word().to_owned(),
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
        let trouble = Trouble::Wrong { name: "order_total", detail: "the total is 1, not 2".to_owned() };
        report.add(Journey { steps: steps[..1].to_vec(), ending: Ending::Failed { step: "order", trouble } });
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
