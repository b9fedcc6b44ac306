//! `waystation load`: a load test of a running server.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::ensure;
use clap::Args;

use base::{clock::SystemClock, config::LogFormat, telemetry};
use simulation::load::{self, Arrivals, Plan};

/// Default number of workers at once, if there are as many stations; suits most machines.
const WORKERS: usize = 64;
/// Longest test in seconds: a staff shift is eight hours.
const LONGEST: f64 = 7.0 * 3600.0;

/// `waystation load`
#[derive(Debug, Args)]
pub struct Arguments {
    /// The server, by the address that it has as its `public_url`
    #[arg(long, value_name = "URL")]
    url: String,
    /// Stations with a screen and a cabinet each, up to 226
    #[arg(long, value_name = "S")]
    stations: usize,
    /// Workers on their way at once, at most; the screens of other stations are idle [default: 64 or S]
    #[arg(long, value_name = "W")]
    workers: Option<usize>,
    /// So many workers come each second, whether or not the server keeps up
    #[arg(long, value_name = "R", required_unless_present = "max", allow_negative_numbers = true)]
    rate: Option<f64>,
    /// The next worker comes as soon as one has left
    #[arg(long, conflicts_with = "rate")]
    max: bool,
    /// For how many seconds workers come
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    seconds: f64,
    /// What the server's sample network is derived from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn plan(self) -> anyhow::Result<Plan> {
        ensure!(
            self.url.starts_with("http://") || self.url.starts_with("https://"),
            "--url: must begin with http:// or https://"
        );
        ensure!(self.stations >= 1, "--stations: must be 1 or more");
        let workers = self.workers.unwrap_or_else(|| WORKERS.min(self.stations));
        ensure!(workers >= 1, "--workers: must be 1 or more");
        ensure!(
            workers <= self.stations,
            "--workers {workers}: a station serves one worker at a time, and --stations is {}",
            self.stations
        );
        let arrivals = match self.rate {
            Some(rate) => {
                ensure!(rate.is_finite() && rate > 0.0, "--rate: must be more than 0");
                Arrivals::Rate(rate)
            }
            None => Arrivals::Max,
        };
        ensure!(
            self.seconds > 0.0 && self.seconds <= LONGEST,
            "--seconds: must be more than 0 and at most {LONGEST}"
        );
        let span = Duration::from_secs_f64(self.seconds);
        Ok(Plan { url: self.url, stations: self.stations, workers, arrivals, span, seed: self.seed })
    }
}

/// Runs the load test; the exit status is success if it found no failures.
///
/// # Errors
/// Why it could not start.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    telemetry::start(LogFormat::Text, "warn");
    let outcome = load::run(arguments.plan()?, Arc::new(SystemClock)).await?;
    println!("{}", outcome.text);
    println!("{}", serde_json::to_string(&outcome.summary)?);
    Ok(if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        Arguments {
            url: "http://127.0.0.1:1".to_owned(),
            stations: 10,
            workers: None,
            rate: Some(2.5),
            max: false,
            seconds: 30.0,
            seed: 7,
        }
    }

    #[test]
    fn each_bad_argument_is_named_and_good_ones_become_a_plan() {
        let plan = arguments().plan().unwrap();
        assert_eq!((plan.workers, plan.arrivals), (10, Arrivals::Rate(2.5)));
        let bad = [
            ("--rate", Arguments { rate: Some(0.0), ..arguments() }),
            ("--rate", Arguments { rate: Some(-1.0), ..arguments() }),
            ("--rate", Arguments { rate: Some(f64::NAN), ..arguments() }),
            ("--seconds", Arguments { seconds: 0.0, ..arguments() }),
            ("--stations", Arguments { stations: 0, ..arguments() }),
            ("--workers", Arguments { workers: Some(0), ..arguments() }),
            ("--workers", Arguments { workers: Some(11), ..arguments() }),
            ("--url", Arguments { url: "127.0.0.1:8080".to_owned(), ..arguments() }),
        ];
        for (name, arguments) in bad {
            let message = arguments.plan().unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }
}
