//! How long other requests take while staff sign in by the hundred.
//!
//! `waystation serve` on the sample network runs as a process of its own. Callers with a connection
//! each send a request every 50 ms: some read (`GET /api/v1/session`), some write
//! (`PUT /api/v1/duty`). First they are alone; then, for as long as it takes, all doctors of the
//! trial sign in at once with password and one-time code. Prints the percentiles of both.
//!
//! `cargo bench --bench sign_in [-- --doctors 300 --callers 16 --seconds 10]`

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use base::clock::{Clock, SystemClock};
use simulation::{
    client::Api,
    sample::{SAMPLE_PASSWORD, SampleNetwork},
    sessions::Staff,
};
use support::{
    arguments,
    client::{Connection, get},
    network::{Engine, Network, SEED},
    table,
};

/// The pause of a caller between two requests.
const PAUSE: Duration = Duration::from_millis(50);
const CARDS: usize = 100;

fn main() -> anyhow::Result<()> {
    let doctors = arguments::number("doctors", 300)?;
    let callers = arguments::number("callers", 16)?;
    let seconds = arguments::number("seconds", 10)?;
    for engine in Engine::all() {
        trial(engine, doctors, callers, Duration::from_secs(seconds as u64))?;
    }
    Ok(())
}

fn trial(engine: Engine, doctors: usize, callers: usize, alone_for: Duration) -> anyhow::Result<()> {
    let network = Network::fill(engine, CARDS)?;
    let server = network.serve()?;
    let clock = Arc::new(SystemClock);
    let sample = SampleNetwork::plan(SEED, CARDS, clock.now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let api = Api::new(&server.url(), clock)?;
    let staff: Vec<Staff> = sample
        .doctors
        .iter()
        .take(doctors + 1)
        .map(|doctor| {
            let (secret, pin) = (sample.totp_secret(&doctor.email), sample.signing_pin(&doctor.email));
            Staff::new(api.clone(), &doctor.email, SAMPLE_PASSWORD, &secret, pin)
        })
        .collect::<Result<_, _>>()?;
    let (caller, others) = staff.split_first().context("no doctors")?;
    let token = runtime.block_on(caller.token())?;

    let callers = |stop: &Arc<AtomicBool>| -> Vec<_> {
        let caller = |number: usize| {
            let (port, token, stop) = (server.port, token.clone(), Arc::clone(stop));
            thread::spawn(move || ask(port, &token, number.is_multiple_of(4), &stop))
        };
        (0..callers).map(caller).collect()
    };
    let stop = Arc::new(AtomicBool::new(false));
    let running = callers(&stop);
    pause(alone_for);
    stop.store(true, Ordering::Relaxed);
    let alone = Answered::of(running)?;

    let stop = Arc::new(AtomicBool::new(false));
    let running = callers(&stop);
    let began = Instant::now();
    runtime.block_on(try_join_all(others.iter().map(sign_in)))?;
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let beside = Answered::of(running)?;

    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = others.len() as f64 / took.as_secs_f64();
    table::print(
        &format!("sign_in/{}: {} sign-ins at once, {rate:.1} a second", engine.name(), others.len()),
        &["milliseconds", "requests", "median", "p99", "most"],
        &[
            row("reads alone", alone.reads),
            row("reads beside sign-ins", beside.reads),
            row("writes alone", alone.writes),
            row("writes beside sign-ins", beside.writes),
        ],
    );
    Ok(())
}

/// The queue of sign-ins has an end: whoever finds it full tries again, as a person would.
async fn sign_in(staff: &Staff) -> anyhow::Result<()> {
    loop {
        match staff.token().await {
            Ok(_) => return Ok(()),
            Err(error) if error.status() == 503 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Seconds of each answered request.
#[derive(Default)]
struct Answered {
    reads: Vec<f64>,
    writes: Vec<f64>,
}

impl Answered {
    fn of(running: Vec<thread::JoinHandle<anyhow::Result<Self>>>) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for caller in running {
            let one = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
            all.reads.extend(one.reads);
            all.writes.extend(one.writes);
        }
        Ok(all)
    }
}

/// Sends requests on one connection until `stop`.
fn ask(port: u16, token: &str, writes: bool, stop: &AtomicBool) -> anyhow::Result<Answered> {
    let mut connection = Connection::open(port)?;
    let request = if writes { put_duty(token) } else { get("/api/v1/session", token) };
    let mut answered = Answered::default();
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = connection.ask(&request)?;
        let took = began.elapsed();
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
        if writes { &mut answered.writes } else { &mut answered.reads }.push(took.as_secs_f64());
        pause(PAUSE.saturating_sub(took));
    }
    Ok(answered)
}

fn put_duty(token: &str) -> Vec<u8> {
    let body = r#"{"presence":"off"}"#;
    format!(
        "PUT /api/v1/duty HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nif-match: \"0\"\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[expect(clippy::disallowed_methods, reason = "the load of people who pause")]
fn pause(span: Duration) {
    thread::sleep(span);
}

fn row(name: &str, mut seconds: Vec<f64>) -> Vec<String> {
    seconds.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let index = (seconds.len() * percent / 100).min(seconds.len().saturating_sub(1));
        format!("{:.1}", seconds.get(index).copied().unwrap_or(f64::NAN) * 1000.0)
    };
    vec![name.to_owned(), seconds.len().to_string(), at(50), at(99), at(100)]
}
