//! The results of a trial: counted while it runs, reported at its end.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::Plan;
use crate::{
    client::{CallError, Tallied},
    journeys::{Ending, Journey, JourneyError, StepFigures, Steps},
    turns::Turn,
};

/// Wrong answers that are printed in full.
const SHOWN: usize = 20;

/// The counts of a running trial.
pub struct Figures {
    span: Duration,
    inner: Mutex<Counts>,
}

struct Counts {
    began_at: Instant,
    begun: usize,
    ended: usize,
    /// Ended while workers were still arriving.
    within: usize,
    never_begun: usize,
    cards_ran_out: bool,
    steps: Steps,
    expected: BTreeMap<&'static str, usize>,
    seen: BTreeMap<&'static str, usize>,
    errors: BTreeMap<String, u64>,
    wrong: BTreeMap<String, u64>,
    shown: Vec<String>,
}

/// The last line of the output, as JSON for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Journeys that ended, with any outcome.
    pub journeys: usize,
    /// Journeys that ended while workers were still arriving, per second.
    pub per_second: f64,
    /// For how long workers arrived.
    pub seconds: f64,
    /// Requests sent by all simulated people and devices, including the preparation.
    pub requests: u64,
    /// The seed of the sample network.
    pub seed: u64,
    /// Maximum number of concurrent journeys.
    pub workers: usize,
    pub stations: usize,
    pub endings: BTreeMap<&'static str, usize>,
    pub steps: BTreeMap<&'static str, StepFigures>,
    /// Unexpected errors, by code.
    pub errors: BTreeMap<String, u64>,
    /// Responses after which a call was retried, by code.
    pub put_off: BTreeMap<String, u64>,
    /// Inconsistent responses, by check.
    pub wrong_answers: BTreeMap<String, u64>,
    /// Workers who arrived and never got a station.
    pub never_begun: usize,
}

pub struct Outcome {
    pub summary: Summary,
    pub text: String,
}

impl Outcome {
    /// No unexpected error, no wrong answer, and at least one journey.
    pub fn is_good(&self) -> bool {
        let Summary { journeys, errors, wrong_answers, .. } = &self.summary;
        *journeys > 0 && errors.is_empty() && wrong_answers.is_empty()
    }
}

/// The expected ending of a turn.
const fn expected(turn: Turn) -> Ending {
    match turn {
        Turn::Straight | Turn::Decline | Turn::Lapse | Turn::Return => Ending::Vended,
        Turn::GiveUp => Ending::GivenUp,
        Turn::CancelOrder => Ending::OrderCancelled,
        Turn::Jam => Ending::Refunded,
    }
}

impl Figures {
    pub fn new(span: Duration) -> Self {
        let counts = Counts {
            began_at: Instant::now(),
            begun: 0,
            ended: 0,
            within: 0,
            never_begun: 0,
            cards_ran_out: false,
            steps: Steps::default(),
            expected: BTreeMap::new(),
            seen: BTreeMap::new(),
            errors: BTreeMap::new(),
            wrong: BTreeMap::new(),
            shown: Vec::new(),
        };
        Self { span, inner: Mutex::new(counts) }
    }

    /// Starts the clock: workers arrive from now on.
    pub fn begin(&self) -> Instant {
        let now = Instant::now();
        self.locked().began_at = now;
        now
    }

    /// Counts what offers took from the acknowledged request to the doctor; it is no step of the
    /// worker's, so it is part of no other.
    pub(crate) fn offers(&self, took: Vec<Duration>) {
        self.locked().steps.add(took.into_iter().map(|took| ("offer", took)).collect());
    }

    /// Counts a started journey.
    pub fn begun(&self) {
        self.locked().begun += 1;
    }

    /// Counts a worker who found no free station until the end.
    pub(crate) fn never_begun(&self) {
        self.locked().never_begun += 1;
    }

    /// Notes that no unused card is left.
    pub(crate) fn cards_ran_out(&self) {
        self.locked().cards_ran_out = true;
    }

    /// Counts a journey that ended.
    pub fn ended(&self, turn: Turn, journey: Journey) {
        let mut counts = self.locked();
        counts.ended += 1;
        if counts.began_at.elapsed() <= self.span {
            counts.within += 1;
        }
        counts.steps.add(journey.steps);
        *counts.expected.entry(expected(turn).code()).or_default() += 1;
        *counts.seen.entry(journey.ending.code()).or_default() += 1;
        let Ending::Failed { step, error } = journey.ending else { return };
        let description = format!("{step}: {error}");
        match error {
            JourneyError::Wrong { name, .. } => *counts.wrong.entry(name.to_owned()).or_default() += 1,
            JourneyError::TooLong => *counts.errors.entry(format!("waited_{step}")).or_default() += 1,
            JourneyError::NoStation => *counts.errors.entry("no_station".to_owned()).or_default() += 1,
            // Refusals are counted by the client's tally.
            JourneyError::Call(CallError::Refused { .. } | CallError::Lost { .. }) => {}
            JourneyError::Call(CallError::Unreadable { .. } | CallError::Ours(_)) => {
                *counts.errors.entry("unreadable_answer".to_owned()).or_default() += 1;
            }
        }
        if counts.shown.len() < SHOWN {
            counts.shown.push(description);
        }
    }

    /// One line of progress.
    pub fn line(&self) -> String {
        let counts = self.locked();
        let seconds = counts.began_at.elapsed().as_secs_f64();
        let on_way = counts.begun - counts.ended;
        let per_second = per_second(counts.ended, seconds);
        let failed = counts.seen.get("failed").copied().unwrap_or(0);
        format!(
            "{seconds:.0} s  完成 done {}  在途 on their way {on_way}  {per_second:.1}/s  失败 failed {failed}",
            counts.ended
        )
    }

    /// The result, with the client's tally and the findings of the server's audit.
    pub fn outcome(&self, plan: &Plan, tallied: Tallied, violations: Vec<String>) -> Outcome {
        let mut counts = self.locked();
        for line in violations {
            *counts.wrong.entry("invariants".to_owned()).or_default() += 1;
            counts.shown.push(format!("invariants: {line}"));
        }
        let mut errors = tallied.refused;
        for (code, count) in &counts.errors {
            *errors.entry(code.clone()).or_default() += count;
        }
        if counts.begun > counts.ended {
            errors.insert("never_ended".to_owned(), (counts.begun - counts.ended) as u64);
        }
        let summary = Summary {
            journeys: counts.ended,
            per_second: per_second(counts.within, self.span.as_secs_f64()),
            seconds: self.span.as_secs_f64(),
            requests: tallied.sent,
            seed: plan.seed,
            workers: plan.workers,
            stations: plan.stations,
            endings: counts.seen.clone(),
            steps: counts.steps.figures().into_iter().collect(),
            errors,
            put_off: tallied.put_off,
            wrong_answers: counts.wrong.clone(),
            never_begun: counts.never_begun,
        };
        let text = text(&counts, &summary);
        Outcome { summary, text }
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn per_second(count: usize, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "journeys are far below 2^52")]
    let rate = count as f64 / seconds.max(0.001);
    (rate * 10.0).round() / 10.0
}

// Writing into a string cannot fail.
fn text(counts: &Counts, summary: &Summary) -> String {
    let mut text = counts.steps.table();
    let _ = writeln!(text, "\n{:<16}{:>10}{:>10}", "结局 ending", "应有 due", "见到 seen");
    let endings: std::collections::BTreeSet<_> = counts.expected.keys().chain(counts.seen.keys()).collect();
    for ending in endings {
        let count = |map: &BTreeMap<&'static str, usize>| map.get(*ending).copied().unwrap_or(0);
        let _ = writeln!(text, "{ending:<16}{:>10}{:>10}", count(&counts.expected), count(&counts.seen));
    }
    let tables = [
        ("错误 errors", &summary.errors),
        ("稍后重试 put off", &summary.put_off),
        ("错误回答 wrong answers", &summary.wrong_answers),
    ];
    for (title, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
        let _ = writeln!(text, "\n{title}");
        for (code, count) in table {
            let _ = writeln!(text, "{count:>8} x {code}");
        }
    }
    for line in &counts.shown {
        let _ = writeln!(text, "  {line}");
    }
    if summary.never_begun > 0 {
        let _ = writeln!(
            text,
            "\n{} 名工人等不到站点 / workers came and never got a station: more a second than were served",
            summary.never_begun
        );
    }
    if counts.cards_ran_out {
        let _ = writeln!(text, "\n卡已用完，提前结束 / ended early: no card is left that was not used");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            url: String::new(),
            stations: 4,
            workers: 2,
            arrivals: super::super::Arrivals::Max,
            span: Duration::from_secs(10),
            seed: 7,
        }
    }

    #[test]
    fn a_wrong_answer_is_counted_named_and_fails_the_trial() {
        let figures = Figures::new(Duration::from_secs(10));
        figures.begin();
        let steps = vec![("check_in", Duration::from_millis(12))];
        figures.begun();
        figures.ended(Turn::Decline, Journey { steps: steps.clone(), ending: Ending::Vended });
        let good = figures.outcome(&plan(), Tallied::default(), Vec::new());
        assert!(good.is_good(), "{}", good.text);
        figures.begun();
        let unfinished = figures.outcome(&plan(), Tallied::default(), Vec::new());
        assert_eq!(unfinished.summary.errors["never_ended"], 1);
        let error = JourneyError::Wrong { name: "balance", detail: "fell by 1".to_owned() };
        figures.ended(Turn::Jam, Journey { steps, ending: Ending::Failed { step: "account", error } });
        let bad = figures.outcome(&plan(), Tallied::default(), vec!["packs are missing".to_owned()]);
        assert!(!bad.is_good());
        assert_eq!(bad.summary.wrong_answers["balance"], 1);
        assert_eq!(bad.summary.wrong_answers["invariants"], 1);
        assert_eq!((bad.summary.endings["vended"], bad.summary.endings["failed"]), (1, 1));
        assert!(bad.text.contains("fell by 1") && bad.text.contains("packs are missing"), "{}", bad.text);
        assert!((bad.summary.per_second - 0.2).abs() < 1e-9);
        let refused =
            Tallied { refused: BTreeMap::from([("not_found".to_owned(), 1)]), ..Tallied::default() };
        let figures = Figures::new(Duration::from_secs(10));
        figures.begun();
        figures.ended(Turn::Straight, Journey { steps: Vec::new(), ending: Ending::Vended });
        assert!(!figures.outcome(&plan(), refused, Vec::new()).is_good());
    }
}
