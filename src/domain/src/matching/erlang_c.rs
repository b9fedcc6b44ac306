//! Erlang C: how long people wait, given the load and the doctors on call.
//! Computed from the Erlang B recursion, which neither overflows nor loses
//! precision for thousands of doctors, as the factorials of the textbook do.

use serde::Serialize;

/// More doctors than the country has; keeps the recursion's length bounded.
const MAX_DOCTORS: u32 = 10_000_000;

/// What a queue in balance does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QueueForecast {
    /// Share of people who wait at all, 0 to 1.
    pub p_wait: f64,
    /// Mean wait over everybody, in seconds.
    pub mean_wait_s: f64,
    /// Share of people who are served within the target, 0 to 1.
    pub service_level: f64,
}

/// The forecast for `offered_erlangs` of load (arrivals a second x mean handling
/// time in seconds) on `doctors`. `None` on overload (the queue grows without end),
/// without doctors, or for a figure that is negative or not a number.
pub fn erlang_c(
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
        // Beyond this the next doctors change nothing: nobody waits.
        if blocked == 0.0 {
            break;
        }
    }
    Some(forecast(blocked, offered_erlangs, doctors, mean_handling_s, target_s))
}

/// The fewest doctors with whom at least `service_level` (0 to 1, below 1) are served
/// within the target. `None` for figures that no number of doctors can meet.
pub fn doctors_needed(
    offered_erlangs: f64,
    mean_handling_s: f64,
    target_s: f64,
    service_level: f64,
) -> Option<u32> {
    let reachable = (0.0..1.0).contains(&service_level);
    if !usable(offered_erlangs, mean_handling_s, target_s) || !reachable {
        return None;
    }
    let mut blocked = 1.0;
    for doctors in 1..=MAX_DOCTORS {
        blocked = erlang_b_step(blocked, offered_erlangs, doctors);
        let stable = offered_erlangs < f64::from(doctors);
        if stable
            && forecast(blocked, offered_erlangs, doctors, mean_handling_s, target_s).service_level
                >= service_level
        {
            return Some(doctors);
        }
    }
    None
}

fn usable(offered_erlangs: f64, mean_handling_s: f64, target_s: f64) -> bool {
    [offered_erlangs, mean_handling_s, target_s].iter().all(|figure| figure.is_finite() && *figure >= 0.0)
        && mean_handling_s > 0.0
}

/// Erlang B for one doctor more.
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
    /// What a shown wait rests on.
    pub enum EstimateBasis {
        /// The balance of load and doctors.
        ErlangC = "erlang_c",
        /// The people ahead alone: there is more load than doctors.
        Backlog = "backlog",
        /// Nobody is on call: no number would be honest.
        NobodyOnCall = "nobody_on_call",
    }
}

/// The live figures of one department.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveFigures {
    /// Load: arrivals a second x mean handling time in seconds.
    pub offered_erlangs: f64,
    /// Places on call: the doctors' capacities, summed.
    pub doctors: u32,
    /// Mean handling time, in seconds.
    pub mean_handling_s: f64,
    /// How many wait ahead of this worker.
    pub ahead: u32,
}

/// An honest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WaitEstimate {
    /// Seconds, rounded up; `None` where no number would be honest.
    pub seconds: Option<u32>,
    /// What it rests on.
    pub basis: EstimateBasis,
}

/// How long one worker will wait: the mean wait in balance, but never less than
/// the people who already stand ahead need.
pub fn estimate_wait(figures: &LiveFigures) -> WaitEstimate {
    let handling_s = figures.mean_handling_s;
    if figures.doctors == 0 || !usable(figures.offered_erlangs, handling_s, 0.0) {
        return WaitEstimate { seconds: None, basis: EstimateBasis::NobodyOnCall };
    }
    let places = f64::from(figures.doctors);
    let (mean_s, basis) = match erlang_c(figures.offered_erlangs, figures.doctors, handling_s, 0.0) {
        Some(forecast) => (forecast.mean_wait_s, EstimateBasis::ErlangC),
        // The worker's own turn also takes until a place is free.
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
    fn the_vectors_hold() {
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
    fn overload_and_nonsense_give_none() {
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
    fn the_fewest_doctors_meet_the_level_and_one_fewer_does_not() {
        let needed = doctors_needed(45.0, 444.0, 20.0, 0.8).expect("can be met");
        let level = |doctors| erlang_c(45.0, doctors, 444.0, 20.0).map_or(0.0, |found| found.service_level);
        assert!(level(needed) >= 0.8 && level(needed - 1) < 0.8, "{needed}");
        assert_eq!(doctors_needed(45.0, 444.0, 20.0, 1.0), None);
    }

    #[test]
    fn a_wait_is_never_shown_where_nobody_is_on_call() {
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
