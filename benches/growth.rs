//! Journeys a second on a database that contains a year of a city, compared with an empty one in
//! the same run.
//!
//! For each engine: the sample network of a whole city; some journeys that are really played on a
//! copy of it; a year of such journeys, written as rows into another copy (`support/history.rs`),
//! sealed by the audit job and checked for every invariant. Then `waystation load --max` runs on the
//! empty and on the filled database in turn.
//!
//! `BENCH_JOURNEYS` (270000) is how many journeys the year has, `BENCH_SECONDS`
//! (20) how long workers arrive in each run, `BENCH_WORKERS` (225000) how many there are; `BENCH_ENGINE` selects `sqlite` or `postgres`.
//! With `BENCH_KEEP`, the filled database stays, and its URL and secret are printed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use base::{
    clock::SystemClock,
    config::{Config, Flags},
};
use service::{Actor, AppState};
use simulation::sample::MOST_WORKERS;
use support::{
    history, median,
    network::{Arrivals, Engine, Network},
    table::whole,
};

/// The empty and the filled database, so many times in turn.
const ROUNDS: usize = 3;
/// How long journeys are played that are then repeated.
const PLAYED_SECONDS: &str = "10";

fn main() -> anyhow::Result<()> {
    let number = |name: &str, default: usize| match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("{name} is not a number")),
        Err(_) => Ok(default),
    };
    let journeys = number("BENCH_JOURNEYS", 270_000)?;
    let workers = number("BENCH_WORKERS", MOST_WORKERS)?;
    let seconds = number("BENCH_SECONDS", 20)?.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for engine in Engine::all() {
        trial(&runtime, engine, (workers, journeys), &seconds)?;
    }
    Ok(())
}

fn trial(
    runtime: &tokio::runtime::Runtime,
    engine: Engine,
    (workers, journeys): (usize, usize),
    seconds: &str,
) -> anyhow::Result<()> {
    let empty = Network::fill(engine, workers)?;
    let (played, filled) = (empty.copy()?, empty.copy()?);
    played.serve()?.load(Arrivals::Max, PLAYED_SECONDS)?;
    runtime.block_on(fill(engine, journeys, &filled, &played))?;
    drop(played);

    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (network, rates) in [&empty, &filled].into_iter().zip(&mut rates) {
            rates.push(network.serve()?.load(Arrivals::Max, seconds)?.per_second);
        }
    }
    println!("growth/{}: empty {:.1?}, filled {:.1?} journeys/s", engine.name(), rates[0], rates[1]);
    let [empty, filled_rate] = rates.map(median);
    println!(
        "growth/{}: {empty:.1} journeys/s empty, {filled_rate:.1} with {journeys} journeys; ratio {:.2}",
        engine.name(),
        filled_rate / empty
    );
    if std::env::var_os("BENCH_KEEP").is_some() {
        filled.keep();
    }
    Ok(())
}

/// Writes the year, seals it and checks it.
async fn fill(engine: Engine, journeys: usize, filled: &Network, played: &Network) -> anyhow::Result<()> {
    let before = filled.bytes()?;
    let began = Instant::now();
    // Both have the same keys, and nothing else may have the filled database open.
    let keys = open(played).await?;
    let rows = history::write(&keys, filled, played, journeys)?;
    let written = began.elapsed();
    let app = open(filled).await?;
    let (sealed, sealing) = seal(&app).await?;
    let began = Instant::now();
    let violations = app.read(Actor::System, |conn, _| service::stock::check::invariants(conn)).await;
    let violations = violations.map_err(|failure| anyhow::anyhow!("the invariants: {failure}"))?;
    anyhow::ensure!(violations.is_empty(), "{} violations, e.g. {}", violations.len(), violations[0]);
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let a_journey = (filled.bytes()? - before) / journeys as f64;
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let rows = whole(rows as f64);
    println!(
        "growth/{}: {journeys} journeys as {rows} rows in {:.0} s; {sealed} events sealed in {:.0} s; every \
         invariant holds ({:.0} s); {:.1} kB a journey",
        engine.name(),
        written.as_secs_f64(),
        sealing.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        a_journey / 1000.0
    );
    Ok(())
}

/// Runs the audit job until every event is sealed.
async fn seal(app: &Arc<AppState>) -> anyhow::Result<(usize, Duration)> {
    let (began, mut sealed) = (Instant::now(), 0);
    loop {
        let more =
            service::audit::seal(app).await.map_err(|failure| anyhow::anyhow!("sealing: {failure}"))?;
        sealed += more;
        if more == 0 {
            return Ok((sealed, began.elapsed()));
        }
    }
}

/// The application on this database, without a server.
async fn open(network: &Network) -> anyhow::Result<Arc<AppState>> {
    let mut config = Config::load(None, &Flags::default())?;
    config.database_url = network.url.clone().into();
    config.data_dir = network.folder.path().to_owned();
    config.master_secret = Some(network.secret.clone());
    Ok(waystation::build(&config, Arc::new(SystemClock)).await?.app)
}
