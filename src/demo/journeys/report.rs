//! What came of many journeys: how long each step took, how they ended, and
//! one line for programs.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;

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
    /// Something was not: where, and what.
    Failed {
        /// The step that it failed in.
        step: &'static str,
        /// What was wrong.
        why: String,
    },
}

/// One journey, with the time of each step that was finished.
#[derive(Debug, Clone)]
pub struct Journey {
    /// Steps in their order.
    pub steps: Vec<(&'static str, Duration)>,
    /// How it ended.
    pub ending: Ending,
}

/// All journeys of a run.
#[derive(Debug, Default)]
pub struct Report {
    order: Vec<&'static str>,
    steps: BTreeMap<&'static str, Vec<Duration>>,
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
    /// Takes one journey in.
    pub fn add(&mut self, journey: Journey) {
        for (step, took) in journey.steps {
            if !self.order.contains(&step) {
                self.order.push(step);
            }
            self.steps.entry(step).or_default().push(took);
        }
        let ending = match journey.ending {
            Ending::Vended => {
                self.vended += 1;
                "vended".to_owned()
            }
            Ending::Failed { step, why } => {
                self.failed += 1;
                format!("{step}: {why}")
            }
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
        let mut text =
            format!("{:<16}{:>8}{:>12}{:>12}{:>12}\n", "步骤 step", "次 n", "p50 ms", "p95 ms", "p99 ms");
        for step in &self.order {
            let mut times = self.steps.get(step).cloned().unwrap_or_default();
            times.sort_unstable();
            let at = |percent| percentile(&times, percent).unwrap_or_default().as_millis();
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{step:<16}{:>8}{:>12}{:>12}{:>12}", times.len(), at(50), at(95), at(99));
        }
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (ending, count) in endings {
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
        let why = "409 out_of_stock".to_owned();
        report.add(Journey { steps: steps[..1].to_vec(), ending: Ending::Failed { step: "order", why } });
        let totals = report.totals(Duration::from_millis(12_340));
        assert_eq!(totals, Totals { journeys: 3, vended: 2, failed: 1, seconds: 12.3 });
        let table = report.table();
        assert!(table.find("check_in").unwrap() < table.find("pay").unwrap(), "{table}");
        assert!(table.contains("1 x order: 409 out_of_stock") && table.contains("2 x vended"), "{table}");
        let line = serde_json::to_string(&totals).unwrap();
        assert_eq!(line, r#"{"journeys":3,"vended":2,"failed":1,"seconds":12.3}"#);
    }
}
