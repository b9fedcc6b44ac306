//! The demonstration: a server with an embedded database and the sample network,
//! open to everyone on this machine, with simulated people.

pub(crate) mod fill;
pub(crate) mod load;
mod plans;
mod sample;

use std::{
    collections::HashSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Built, build};
use base::{
    clock::{Clock, SystemClock},
    config::{Config, Flags},
    private_files, telemetry,
};
use crypto::keys::MasterSecret;
use domain::{staff::ShiftRecord, time::Timestamp};
use plans::{cabinet_plans, cards, guests, ready, station_plans, stocked_codes};
use service::{AppState, jobs::Jobs};
use simulation::{
    acknowledged::Acknowledged,
    banner::banner,
    cabinets::Fleet,
    client::{Api, As, Call},
    hatch::{self, Hatches},
    journeys::Driver,
    pace::Pace,
    running::Simulation,
    sample::{DEFAULT_WORKERS, SampleNetwork},
};
use storage::StoreError;

/// The demonstration's own files, which `--fresh` may delete.
const OWN_FILES: &[&str] = &[
    "demo.db",
    "demo.db-wal",
    "demo.db-shm",
    "demo.db.lock",
    "demo.db.server",
    "demo.json",
    "demo.json.tmp",
    "acknowledged.jsonl",
    "master-secret",
];
const OWN_FOLDERS: &[&str] = &["audit-witness", "cabinets", "letters", "mail"];
/// The guests of the ready file are on shift this long.
const GUEST_SHIFT: TimeDelta = TimeDelta::hours(24);
const HTTP_WORKERS: usize = 2;

/// `waystation demo`
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the network here; without it, it is gone afterwards
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the network in this empty database instead; its secret and the rest stay in --data
    #[arg(long, value_name = "URL", conflicts_with = "fresh")]
    database_url: Option<String>,
    /// The port on 127.0.0.1; 0 takes a free one; the hatches' keypads are on the next
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(0..65535))]
    port: u16,
    /// Begin anew: wipes the demonstration's own files in DIR, and no others
    #[arg(long, requires = "data")]
    fresh: bool,
    /// Write who may sign in here once the server answers
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Simulate nobody
    #[arg(long, conflicts_with = "journeys")]
    no_simulation: bool,
    /// Workers of the network
    #[arg(long, default_value_t = DEFAULT_WORKERS)]
    workers: usize,
    /// What the network is derived from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Drive this many workers from check-in to their packs
    #[arg(long, value_name = "N")]
    journeys: Option<usize>,
    /// End after the journeys; the status says whether all went well
    #[arg(long, requires = "journeys")]
    exit: bool,
}

/// What the demonstration stores in `demo.json`, next to its database.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    seed: u64,
    workers: usize,
    planned_at: Timestamp,
    /// `None` until all of the network is loaded.
    roster_until: Option<Timestamp>,
    /// Index of the next worker without a journey.
    next_worker: usize,
}

/// Runs until Ctrl-C, or until the journeys have ended.
///
/// # Errors
/// What could not be set up.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let temporary = if arguments.data.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = match (&arguments.data, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => anyhow::bail!("no folder for the demonstration"),
    };
    private_files::make_folder(&folder).with_context(|| format!("--data {}", folder.display()))?;
    if half_loaded(&folder) {
        anyhow::ensure!(
            arguments.database_url.is_none(),
            "an earlier run was killed while it filled the database: empty both it and --data"
        );
        wipe(&folder)?;
    } else if arguments.fresh {
        wipe(&folder)?;
    }
    let listener = listen(arguments.port)?;
    // With port 0 the system chooses a free port.
    let port = listener.local_addr()?.port();
    let config = config(&folder, port, arguments.database_url.as_deref())?;
    telemetry::start(config.log, "warn");
    let _serving = super::serving::acquire(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let built = build(&config, Arc::clone(&clock)).await?;
    let Built { app, mailer, texts, .. } = &built;
    let memory_path = folder.join("demo.json");
    let mut memory = load_memory(&memory_path, &arguments, clock.now())?;
    let network = Arc::new(SampleNetwork::plan(memory.seed, memory.workers, memory.planned_at));
    let codes = stocked_codes(app)?;
    load_sample(app, &network, &codes, &mut memory, &memory_path).await?;
    let server = built.serve(listener, HTTP_WORKERS)?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let mut jobs = Jobs::start(app, mailer);
    jobs.send_texts(app, texts);
    let demo = Demo { port, folder, app: Arc::clone(app), clock, network, codes };
    let outcome = run_demo(demo, &arguments, &mut memory).await;
    // The simulated callers have stopped; any other caller in a long poll can ask again.
    handle.stop(false).await;
    serving.await??;
    jobs.stop(std::time::Duration::from_secs(10)).await;
    outcome
}

/// Everything that a running demonstration needs.
struct Demo {
    port: u16,
    folder: PathBuf,
    app: Arc<AppState>,
    clock: Arc<dyn Clock>,
    network: Arc<SampleNetwork>,
    codes: Vec<String>,
}

/// Runs once the server answers requests.
async fn run_demo(demo: Demo, arguments: &Arguments, memory: &mut Memory) -> anyhow::Result<ExitCode> {
    let Demo { port, folder, app, clock, network, codes } = demo;
    let base = format!("http://127.0.0.1:{port}");
    let api = Api::new(&base, clock)?;
    let _: serde_json::Value = api.call(As::Nobody, Call::get("/healthz")).await?;
    let devices =
        app.store.read::<_, StoreError>(|conn| Ok(storage::network::places::devices_enrolled(conn)?)).await?;
    let mut ready = ready(&network, &devices, &base, memory.planned_at)?;
    let guest = ready.station.station_code.clone();
    let hatches = Arc::new(Hatches::default());
    let mut simulation = None;
    if !arguments.no_simulation {
        let keypad_port = if arguments.port == 0 { 0 } else { port.saturating_add(1) };
        let keypad_listener = listen(keypad_port)?;
        ready.hatch_url = Some(format!("http://{}", keypad_listener.local_addr()?));
        tokio::spawn(hatch::serve(&hatches, keypad_listener)?);
        let journals = Some(folder.join("cabinets"));
        let issuer = &app.policy.network;
        let fleet = Fleet::new(api.clone(), issuer, Arc::clone(&hatches), journals, Pace::lively());
        let cabinets = cabinet_plans(&network, &devices, &codes, &guest)?;
        let absent = HashSet::from([ready.doctor.email.clone(), ready.pharmacist.email.clone()]);
        let steps =
            app.store.read::<_, StoreError>(|conn| Ok(storage::network::places::staff_steps(conn)?)).await?;
        let steps =
            steps.into_iter().filter_map(|(email, step)| Some((email, u64::try_from(step).ok()?))).collect();
        simulation = Some(Simulation::start(&api, Arc::clone(&network), &fleet, cabinets, absent, steps));
    }
    if let Some(path) = &arguments.ready_file {
        ready.write(path).with_context(|| format!("--ready-file {}", path.display()))?;
    }
    println!("{}", banner(&ready, simulation.as_ref().map_or(0, Simulation::cabinets)));
    let mut code = ExitCode::SUCCESS;
    if let Some(count) = arguments.journeys {
        let cards = cards(&network, &mut memory.next_worker, count);
        anyhow::ensure!(
            cards.len() == count,
            "--journeys: the network has only {} workers left",
            cards.len()
        );
        save(&folder.join("demo.json"), memory)?;
        let stations = station_plans(&network, &devices, &guest)?;
        let acknowledged = Acknowledged::open(&folder.join("acknowledged.jsonl"))?;
        let driver = Driver::new(api.clone(), Arc::clone(&hatches), stations, cards, acknowledged);
        let totals = tokio::select! {
            totals = driver.run() => totals,
            ended = stop_requested() => { ended?; return Ok(ExitCode::FAILURE) }
        };
        if totals.failed > 0 {
            code = ExitCode::FAILURE;
        }
    }
    if !arguments.exit {
        stop_requested().await?;
    }
    if let Some(simulation) = simulation {
        simulation.stop();
    }
    Ok(code)
}

/// Loads the sample network into an empty database, and brings the roster up to date in any case.
async fn load_sample(
    app: &Arc<AppState>,
    network: &Arc<SampleNetwork>,
    codes: &[String],
    memory: &mut Memory,
    memory_path: &Path,
) -> anyhow::Result<()> {
    if fill::is_empty(app).await? {
        fill::fill(app, network, codes).await?;
    } else {
        anyhow::ensure!(
            memory.roster_until.is_some(),
            "the database holds something, and it was not put there from this --data folder"
        );
        sample::load_licences(app, network).await?;
    }
    let now = app.now();
    let (doctor, pharmacist) = guests(network, memory.planned_at)?;
    let guests = [doctor, pharmacist].map(|staff_email| ShiftRecord {
        staff_email,
        // One microsecond early, so that it never equals the start of a planned shift.
        starts_at: now - TimeDelta::microseconds(1),
        ends_at: now + GUEST_SHIFT,
        department: None,
    });
    memory.roster_until = Some(fill::roster(app, network, memory.roster_until, guests).await?);
    save(memory_path, memory)
}

fn config(folder: &Path, port: u16, database_url: Option<&str>) -> anyhow::Result<Config> {
    let mut config = Config::load(None, &Flags::default()).context("the settings are refused")?;
    config.listen = ([127, 0, 0, 1], port).into();
    config.public_url = format!("http://127.0.0.1:{port}");
    let own = || format!("sqlite:{}", folder.join("demo.db").display());
    config.database_url = database_url.map_or_else(own, str::to_owned).into();
    config.data_dir = folder.to_owned();
    config.http_workers = HTTP_WORKERS;
    config.master_secret = Some(master_secret(folder)?.into());
    config.policy.insert("cabinet_lane".into(), "institution_dispense".into());
    let lanes = serde_json::json!(["follow_up_with_evidence", "minor_ailment_pilot", "consultation_only"]);
    config.policy.insert("encounter_lanes".into(), lanes);
    // Simulated doctors write no notes, and few of them see many workers.
    config.policy.insert("matching".into(), serde_json::json!({"wrap_up_s": 1}));
    config.check_safe().context("the settings are refused")?;
    Ok(config)
}

/// The secret is generated once per folder; only the file's owner can read it.
fn master_secret(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("master-secret");
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    let secret = MasterSecret::generate().to_base64().expose_secret().to_owned();
    let mut file = private_files::options().write(true).create_new(true).open(&path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    Ok(secret)
}

fn load_memory(path: &Path, arguments: &Arguments, now: Timestamp) -> anyhow::Result<Memory> {
    if let Ok(text) = fs::read_to_string(path) {
        let known = serde_json::from_str(&text);
        return known.with_context(|| format!("{}: unreadable; --fresh begins anew", path.display()));
    }
    let (seed, workers) = (arguments.seed, arguments.workers);
    // Worker 0 is the one in the ready file.
    let fresh = Memory { seed, workers, planned_at: now, roster_until: None, next_worker: 1 };
    save(path, &fresh)?;
    Ok(fresh)
}

fn save(path: &Path, memory: &Memory) -> anyhow::Result<()> {
    let unfinished = path.with_extension("json.tmp");
    private_files::write(&unfinished, &serde_json::to_vec_pretty(memory)?)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

/// Whether an earlier run was killed while it loaded the network. That database was never
/// served, so nothing is lost by starting over.
fn half_loaded(folder: &Path) -> bool {
    let memory = fs::read_to_string(folder.join("demo.json")).ok();
    let memory = memory.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
    memory.is_some_and(|memory| memory.roster_until.is_none())
}

/// Deletes the demonstration's own files and folders. Anything else in the folder stays.
fn wipe(folder: &Path) -> anyhow::Result<()> {
    let gone = |done: std::io::Result<()>, path: &Path| match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("--fresh: {}", path.display()))
        }
        _deleted_or_missing => Ok(()),
    };
    for name in OWN_FILES {
        let path = folder.join(name);
        gone(fs::remove_file(&path), &path)?;
    }
    for name in OWN_FOLDERS {
        let path = folder.join(name);
        gone(fs::remove_dir_all(&path), &path)?;
    }
    Ok(())
}

/// Ctrl-C, or SIGTERM: the server listens to neither by itself.
async fn stop_requested() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminated.recv() => Ok(()),
    }
}

fn listen(port: u16) -> anyhow::Result<std::net::TcpListener> {
    std::net::TcpListener::bind(("127.0.0.1", port))
        .with_context(|| format!("--port: 127.0.0.1:{port} cannot be used"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_deletes_only_its_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("demo.db");
        let foreign = folder.path().join("thesis.odt");
        fs::write(&own, "x").unwrap();
        fs::write(&foreign, "x").unwrap();
        fs::create_dir_all(folder.path().join("cabinets/zhifu-01")).unwrap();
        wipe(folder.path()).unwrap();
        assert!(!own.exists() && foreign.exists() && !folder.path().join("cabinets").exists());
        wipe(folder.path()).unwrap();
    }

    #[test]
    fn a_half_loaded_network_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!half_loaded(folder.path()), "nothing there yet");
        let now = SystemClock.now();
        let mut memory = Memory { seed: 1, workers: 2, planned_at: now, roster_until: None, next_worker: 1 };
        let path = folder.path().join("demo.json");
        save(&path, &memory).unwrap();
        assert!(half_loaded(folder.path()));
        memory.roster_until = Some(now);
        save(&path, &memory).unwrap();
        assert!(!half_loaded(folder.path()));
    }

    #[test]
    fn the_secret_is_generated_once_and_readable_only_by_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = master_secret(folder.path()).unwrap();
        assert_eq!(master_secret(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join("master-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(config(folder.path(), 8080, None).is_ok());
    }
}
