//! Erlang C: the expected wait for a given load and number of doctors on call.
//! Computed with the Erlang B recursion, which does not overflow or lose precision for
//! thousands of doctors, unlike the textbook formula with factorials.

use serde::Serialize;

/// Bounds the length of the recursion; more doctors than the country has.
const MAX_DOCTORS: u32 = 10_000_000;

/// The forecast for a stable queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QueueForecast {
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

pub(crate) fn usable(offered_erlangs: f64, mean_handling_s: f64, target_s: f64) -> bool {
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

/// A question of staffing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaffingQuestion {
    /// Arrivals per second x mean handling time in seconds.
    pub offered_erlangs: f64,
    /// Consultations at a time, of all doctors together.
    pub doctors: u32,
    pub mean_handling_s: f64,
    /// A worker who is served within this time counts as served in time.
    pub target_s: f64,
    /// The wanted share of workers who are served within the target.
    pub service_level: Option<f64>,
}

/// The answer to a question of staffing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Staffing {
    /// `None` on overload: the queue grows without limit.
    pub forecast: Option<QueueForecast>,
    /// The fewest doctors that reach the wanted service level; `None` if none is wanted, or if more
    /// than ten million were needed.
    pub doctors_needed: Option<u32>,
}

/// Answers a question of staffing, in time proportional to the doctors asked about or needed.
/// `None` if a figure is negative or not a number, or there are no doctors.
pub fn staffing(question: &StaffingQuestion) -> Option<Staffing> {
    let StaffingQuestion { offered_erlangs, doctors, mean_handling_s, target_s, service_level } = *question;
    if !usable(offered_erlangs, mean_handling_s, target_s) || !(1..=MAX_DOCTORS).contains(&doctors) {
        return None;
    }
    let forecast = erlang_c(offered_erlangs, doctors, mean_handling_s, target_s);
    let doctors_needed =
        service_level.and_then(|level| doctors_for(offered_erlangs, mean_handling_s, target_s, level));
    Some(Staffing { forecast, doctors_needed })
}

/// The fewest doctors with whom the share served within the target is `level` or more: one pass of
/// the recursion, which a binary search would repeat.
fn doctors_for(offered: f64, mean_handling_s: f64, target_s: f64, level: f64) -> Option<u32> {
    let mut blocked = 1.0;
    (1..=MAX_DOCTORS).find(|doctors| {
        blocked = erlang_b_step(blocked, offered, *doctors);
        f64::from(*doctors) > offered
            && forecast(blocked, offered, *doctors, mean_handling_s, target_s).service_level >= level
    })
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
    fn the_doctors_needed_are_the_fewest_that_reach_the_level() {
        for offered in [0.0, 0.3, 1.0, 7.5, 99.0, 5_000.0] {
            for level in [0.0, 0.5, 0.8, 0.95, 0.9999] {
                let question = StaffingQuestion {
                    offered_erlangs: offered,
                    doctors: 1,
                    mean_handling_s: 180.0,
                    target_s: 20.0,
                    service_level: Some(level),
                };
                let needed = staffing(&question).expect("usable").doctors_needed.expect("reached");
                let reached = |doctors| {
                    erlang_c(offered, doctors, 180.0, 20.0).is_some_and(|found| found.service_level >= level)
                };
                assert!(reached(needed), "{needed} for {offered} and {level}");
                assert!(needed == 1 || !reached(needed - 1), "{needed} for {offered} and {level}");
            }
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
}
