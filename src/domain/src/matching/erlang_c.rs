//! Erlang C: the expected wait for a given load and number of doctors on call.
//! Computed with the Erlang B recursion, which does not overflow or lose precision for
//! thousands of doctors, unlike the textbook formula with factorials.

use serde::Serialize;

/// Bounds the length of the recursion; more doctors than the country has.
const MAX_DOCTORS: u32 = 10_000_000;

/// The forecast for a stable queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct QueueForecast {
    /// Share of workers who have to wait, 0 to 1.
    pub p_wait: f64,
    /// Mean wait of all workers, in seconds.
    pub mean_wait_s: f64,
    /// Share of workers who are served within the target, 0 to 1.
    pub service_level: f64,
}

/// The forecast for a load of `offered_erlangs` (arrivals per second x mean handling
/// time in seconds) on `doctors`. `None` on overload (the queue grows without limit),
/// without doctors, or if a value is negative or not a number.
pub(crate) fn erlang_c(
    offered_erlangs: f64,
    doctors: u32,
    mean_handling_s: f64,
    target_s: f64,
) -> Option<QueueForecast> {
    if !usable(offered_erlangs, mean_handling_s, target_s) || doctors == 0 || doctors > MAX_DOCTORS {
        return None;
    }
    if offered_erlangs >= f64::from(doctors) {
        return None;
    }
    let mut blocked = 1.0;
    for count in 1..=doctors {
        blocked = erlang_b_step(blocked, offered_erlangs, count);
        // From here on more doctors change nothing: nobody waits.
        if blocked == 0.0 {
            break;
        }
    }
    Some(forecast(blocked, offered_erlangs, doctors, mean_handling_s, target_s))
}

fn usable(offered_erlangs: f64, mean_handling_s: f64, target_s: f64) -> bool {
    [offered_erlangs, mean_handling_s, target_s].iter().all(|figure| figure.is_finite() && *figure >= 0.0)
        && mean_handling_s > 0.0
}

/// One step of the Erlang B recursion: one more doctor.
fn erlang_b_step(blocked: f64, offered: f64, doctors: u32) -> f64 {
    offered * blocked / (f64::from(doctors) + offered * blocked)
}

fn forecast(blocked: f64, offered: f64, doctors: u32, mean_handling_s: f64, target_s: f64) -> QueueForecast {
    let doctors = f64::from(doctors);
    let free = doctors - offered;
    let p_wait = doctors * blocked / (doctors - offered * (1.0 - blocked));
    let mean_wait_s = p_wait * mean_handling_s / free;
    let service_level = 1.0 - p_wait * (-free * target_s / mean_handling_s).exp();
    QueueForecast { p_wait, mean_wait_s, service_level }
}

crate::text_enum! {
    /// How a wait estimate was computed.
    pub enum EstimateBasis {
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
    pub doctors: u32,
    pub mean_handling_s: f64,
    /// Number of workers ahead of this one.
    pub ahead: u32,
}

/// The estimated wait of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WaitEstimate {
    /// Rounded up; `None` if no estimate is possible.
    pub seconds: Option<u32>,
    pub basis: EstimateBasis,
}

/// Estimates the wait of one worker: the mean wait of a stable queue, but at least the
/// time that the workers ahead need.
pub fn estimate_wait(figures: &LiveFigures) -> WaitEstimate {
    let handling_s = figures.mean_handling_s;
    if figures.doctors == 0 || !usable(figures.offered_erlangs, handling_s, 0.0) {
        return WaitEstimate { seconds: None, basis: EstimateBasis::NobodyOnCall };
    }
    let places = f64::from(figures.doctors);
    let (mean_s, basis) = match erlang_c(figures.offered_erlangs, figures.doctors, handling_s, 0.0) {
        Some(forecast) => (forecast.mean_wait_s, EstimateBasis::ErlangC),
        // Overload: add the time until a place becomes free for this worker.
        None => (handling_s / places, EstimateBasis::Backlog),
    };
    let ahead_s = f64::from(figures.ahead) * handling_s / places;
    let seconds = match basis {
        EstimateBasis::Backlog => mean_s + ahead_s,
        EstimateBasis::ErlangC | EstimateBasis::NobodyOnCall => mean_s.max(ahead_s),
    };
    WaitEstimate { seconds: Some(seconds.ceil().min(f64::from(u32::MAX)) as u32), basis }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: &serde_json::Value) -> bool {
        let expected = expected.as_f64().expect("a number");
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
    }

    #[test]
    fn the_reference_vectors_match() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/facts/erlang_c.json"));
        let facts: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let vectors = facts["vectors"].as_array().expect("a list");
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let number = |name: &str| vector[name].as_f64().expect("a number");
            let doctors = number("doctors") as u32;
            let found =
                erlang_c(number("offered_erlangs"), doctors, number("mean_handling_s"), number("target_s"))
                    .expect("in balance");
            assert!(close(found.p_wait, &vector["p_wait"]), "{found:?} {vector}");
            assert!(close(found.mean_wait_s, &vector["mean_wait_s"]), "{found:?} {vector}");
            assert!(close(found.service_level, &vector["service_level"]), "{found:?} {vector}");
        }
    }

    #[test]
    fn thousands_of_doctors_stay_stable() {
        for doctors in [1_000_u32, 5_000, 50_000] {
            let near = erlang_c(f64::from(doctors) - 1.0, doctors, 444.0, 20.0).expect("in balance");
            assert!(near.p_wait > 0.9 && near.p_wait < 1.0 && near.mean_wait_s.is_finite(), "{near:?}");
            let idle = erlang_c(f64::from(doctors) / 2.0, doctors, 444.0, 20.0).expect("in balance");
            assert!(idle.p_wait < 1e-9 && idle.service_level > 0.999_999, "{idle:?}");
        }
    }

    #[test]
    fn overload_and_invalid_values_give_none() {
        assert_eq!(erlang_c(10.0, 10, 60.0, 20.0), None);
        assert_eq!(erlang_c(11.0, 10, 60.0, 20.0), None);
        assert_eq!(erlang_c(0.0, 0, 60.0, 20.0), None);
        assert_eq!(erlang_c(f64::NAN, 10, 60.0, 20.0), None);
        assert_eq!(erlang_c(-1.0, 10, 60.0, 20.0), None);
        assert_eq!(erlang_c(1.0, 10, 0.0, 20.0), None);
        assert_eq!(erlang_c(1.0, u32::MAX, 60.0, 20.0), None);
        assert_eq!(erlang_c(0.0, 3, 60.0, 20.0).map(|found| found.p_wait), Some(0.0));
    }

    #[test]
    fn there_is_no_estimate_without_doctors_on_call() {
        let figures = LiveFigures { offered_erlangs: 1.0, doctors: 2, mean_handling_s: 60.0, ahead: 0 };
        assert_eq!(
            estimate_wait(&figures),
            WaitEstimate { seconds: Some(21), basis: EstimateBasis::ErlangC }
        );
        let queued = LiveFigures { ahead: 4, ..figures };
        assert_eq!(estimate_wait(&queued).seconds, Some(120));
        let overload = LiveFigures { offered_erlangs: 5.0, ahead: 4, ..figures };
        assert_eq!(
            estimate_wait(&overload),
            WaitEstimate { seconds: Some(150), basis: EstimateBasis::Backlog }
        );
        let nobody = LiveFigures { doctors: 0, ..figures };
        assert_eq!(
            estimate_wait(&nobody),
            WaitEstimate { seconds: None, basis: EstimateBasis::NobodyOnCall }
        );
    }
}
