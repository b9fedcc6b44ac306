//! The wait of one worker as a range, from the live figures of the department that will serve them.
//!
//! While places are taken, one becomes free on average every `mean_handling_s / places` seconds, and
//! the worker's turn comes after as many of these as there are workers ahead, and one more. The sum
//! of that many such waits is Erlang distributed; the range goes from its 20 % to its 80 % quantile,
//! in whole minutes. In a stable queue it reaches at least to the mean wait of Erlang C, since others
//! of higher priority still arrive.

use super::erlang_c::{erlang_c, usable};

/// The 80 % quantile of the standard normal distribution.
const Z_80: f64 = 0.841_621_2;
const MINUTE_S: f64 = 60.0;

crate::text_enum! {
    /// How a wait estimate was computed.
    pub enum EstimateBasis {
        /// A doctor of the department has a free place.
        Free = "free",
        /// From load and doctors.
        ErlangC = "erlang_c",
        /// From the workers ahead only, because load exceeds capacity.
        Backlog = "backlog",
        /// No doctor is on call: no estimate.
        NobodyOnCall = "nobody_on_call",
    }
}

/// The current load of one department.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveFigures {
    /// Arrivals per second x mean handling time in seconds.
    pub offered_erlangs: f64,
    /// Sum of the capacities of the doctors on call.
    pub places: u32,
    /// How many of them are free.
    pub free: u32,
    pub mean_handling_s: f64,
    /// Number of workers ahead of this one.
    pub ahead: u32,
}

/// How long a worker may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitRange {
    /// From so many minutes, to so many; `None` if no estimate is possible.
    pub minutes: Option<(u32, u32)>,
    pub basis: EstimateBasis,
}

/// Estimates the wait of one worker.
pub fn estimate_wait(figures: &LiveFigures) -> WaitRange {
    let LiveFigures { offered_erlangs, places, free, mean_handling_s, ahead } = *figures;
    if places == 0 || !usable(offered_erlangs, mean_handling_s, 0.0) {
        return WaitRange { minutes: None, basis: EstimateBasis::NobodyOnCall };
    }
    if ahead < free {
        return WaitRange { minutes: Some((0, 1)), basis: EstimateBasis::Free };
    }
    let between_s = mean_handling_s / f64::from(places);
    let turns = f64::from(ahead - free) + 1.0;
    let from_s = quantile(turns, -Z_80) * between_s;
    let to_s = quantile(turns, Z_80) * between_s;
    let (to_s, basis) = match erlang_c(offered_erlangs, places, mean_handling_s, 0.0) {
        Some(forecast) => (to_s.max(forecast.mean_wait_s), EstimateBasis::ErlangC),
        None => (to_s, EstimateBasis::Backlog),
    };
    WaitRange { minutes: Some((minutes(from_s, f64::floor), minutes(to_s, f64::ceil).max(1))), basis }
}

/// Within how many seconds something ends that takes `mean_s` on average, like the range of a wait: from
/// the 20 % to the 80 % quantile.
pub(crate) fn likely_seconds(mean_s: f64) -> (f64, f64) {
    (quantile(1.0, -Z_80) * mean_s, quantile(1.0, Z_80) * mean_s)
}

/// A quantile of the sum of `turns` exponential waits of mean 1, by the approximation of Wilson and
/// Hilferty. Source: Wilson, Hilferty, "The distribution of chi-square", PNAS 1931.
fn quantile(turns: f64, z: f64) -> f64 {
    let spread = 1.0 / (9.0 * turns);
    turns * (1.0 - spread + z * spread.sqrt()).max(0.0).powi(3)
}

fn minutes(seconds: f64, round: fn(f64) -> f64) -> u32 {
    round(seconds / MINUTE_S).clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: LiveFigures =
        LiveFigures { offered_erlangs: 1.0, places: 2, free: 0, mean_handling_s: 600.0, ahead: 0 };

    fn range(figures: LiveFigures) -> (Option<(u32, u32)>, EstimateBasis) {
        let WaitRange { minutes, basis } = estimate_wait(&figures);
        (minutes, basis)
    }

    #[test]
    fn the_range_holds_the_mean_and_grows_with_those_ahead() {
        assert_eq!(range(LiveFigures { free: 1, ..QUIET }), (Some((0, 1)), EstimateBasis::Free));
        // Every 5 minutes a place becomes free.
        assert_eq!(range(QUIET), (Some((1, 8)), EstimateBasis::ErlangC));
        let mut before = (0, 0);
        for ahead in 1..200 {
            let (minutes, _) = range(LiveFigures { ahead, ..QUIET });
            let (from, to) = minutes.expect("an estimate");
            let mean = (ahead + 1) * 5;
            assert!(from <= mean && mean <= to, "{from} to {to} with {ahead} ahead");
            assert!(from >= before.0 && to >= before.1);
            before = (from, to);
        }
        assert!(before.1 - before.0 < 140, "{before:?}: the range narrows against its mean");
    }

    #[test]
    fn overload_counts_the_backlog_and_without_doctors_there_is_none() {
        let overload = LiveFigures { offered_erlangs: 5.0, ahead: 4, ..QUIET };
        assert_eq!(range(overload), (Some((15, 34)), EstimateBasis::Backlog));
        let nobody = LiveFigures { places: 0, ..QUIET };
        assert_eq!(range(nobody), (None, EstimateBasis::NobodyOnCall));
    }

    #[test]
    fn the_quantiles_are_those_of_the_erlang_distribution() {
        // Exact for one turn: -ln(1 - p).
        assert!((quantile(1.0, -Z_80) - 0.223).abs() < 0.02);
        assert!((quantile(1.0, Z_80) - 1.609).abs() < 0.02);
        // Chi-square with 20 degrees of freedom, 80 %: 25.038, halved.
        assert!((quantile(10.0, Z_80) - 12.519).abs() < 0.02);
    }
}
