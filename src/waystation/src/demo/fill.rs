//! Fills an empty database with the sample network: for the demonstration, and
//! for load tests of a server (`waystation sample`).

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use anyhow::ensure;
use chrono::TimeDelta;
use indicatif::{ProgressBar, ProgressStyle};

use super::{plans::stocked_codes, sample};
use crate::build;
use base::{clock::SystemClock, config::Config, telemetry};
use domain::{network::import::ImportKind, staff::ShiftRecord, time::Timestamp};
use service::{Actor, AppState};
use simulation::sample::{MOST_WORKERS, SampleNetwork};
use storage::StoreError;

/// How far ahead shifts are planned.
const ROSTER: TimeDelta = TimeDelta::days(7);

/// Whether the database has neither stations nor staff.
///
/// # Errors
/// Storage errors.
pub async fn is_empty(app: &Arc<AppState>) -> anyhow::Result<bool> {
    let found = app.store.read::<_, StoreError>(|conn| {
        Ok(storage::network::places::stations_by_district(conn)?.is_empty()
            && storage::network::places::staff_by_email(conn)?.is_empty())
    });
    Ok(found.await?)
}

/// Loads the network, with a progress bar.
///
/// # Errors
/// Storage errors.
pub async fn fill(app: &Arc<AppState>, network: &Arc<SampleNetwork>, codes: &[String]) -> anyhow::Result<()> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} 装载样例网络 loading the sample network",
    )?);
    sample::load(app, network, codes, &bar).await?;
    bar.finish_and_clear();
    // Recorded like every imported file.
    let rows = network.worker_count();
    let recorded = app
        .write(Actor::System, move |tx| service::network::import::record_loaded(tx, ImportKind::Sample, rows))
        .await;
    recorded.map_err(|failure| anyhow::anyhow!("loading the sample: {failure}"))
}

/// Brings the roster up to date, and returns its new end. `from`: its previous end;
/// `more`: shifts in addition to those of the plan.
///
/// # Errors
/// Storage errors.
pub async fn roster(
    app: &Arc<AppState>,
    network: &SampleNetwork,
    from: Option<Timestamp>,
    more: impl IntoIterator<Item = ShiftRecord>,
) -> anyhow::Result<Timestamp> {
    let now = app.now();
    let until = now + ROSTER;
    let mut shifts = network.shifts(from.unwrap_or(now), until);
    // Shifts that start before the previous end are already in the database.
    shifts.retain(|shift| from.is_none_or(|from| shift.starts_at >= from) && shift.starts_at < until);
    shifts.extend(more);
    sample::load_shifts(app, shifts).await?;
    Ok(until)
}

/// `waystation sample`
///
/// # Errors
/// The database is not empty; storage errors.
pub async fn run(config: &Config, workers: usize, seed: u64) -> anyhow::Result<ExitCode> {
    ensure!((1..=MOST_WORKERS).contains(&workers), "--workers: must be 1 to {MOST_WORKERS}");
    telemetry::start(config.log, "warn");
    crate::serving::ensure_unchanged(config)?;
    let built = build(config, Arc::new(SystemClock)).await?;
    let app = &built.app;
    ensure!(
        is_empty(app).await?,
        "the database is not empty: the sample network is only put into one that holds nothing"
    );
    if !std::io::stderr().is_terminal() {
        eprintln!("装载样例网络 / loading the sample network: {workers} workers");
    }
    let network = Arc::new(SampleNetwork::plan(seed, workers, app.now()));
    fill(app, &network, &stocked_codes(app)?).await?;
    let until = roster(app, &network, None, []).await?;
    println!(
        "种子 {seed} 的样例网络已装载；排班到 {until} / loaded the sample network of seed {seed}: {} stations, \
         {workers} workers; its roster reaches until {until}",
        network.stations.len()
    );
    Ok(ExitCode::SUCCESS)
}
