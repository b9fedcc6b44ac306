//! The demonstration: an embedded house with the sample network in it, open
//! for everyone on this machine, with simulated people at work.

use std::{
    collections::HashSet,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use chrono::TimeDelta;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::{Built, build, load, serve};
use crate::{
    clock::{Clock, SystemClock},
    config::{Config, Flags},
    crypto::{device::DeviceKey, keys::MasterSecret},
    demo::{
        acknowledged::Acknowledged,
        banner::banner,
        cabinets::{CabinetPlan, Fleet},
        client::{Api, As, Call},
        complaints,
        hatch::{self, Hatches},
        journeys::{Card, Driver, StationPlan},
        ready::{CabinetCredentials, Credentials, Ready, StationCredentials, WorkerCredentials, private_key},
        sample::{DEFAULT_WORKERS, SampleNetwork},
        simulation::{Simulation, on_shift},
    },
    domain::{
        formulary::Formulary, matching::Department, network::ShiftRecord, stock::SlotNo, time::Timestamp,
        vend::messages::SlotReport,
    },
    jobs::Jobs,
    service::House,
    storage::{
        StoreError,
        places::{self, EnrolledDevice},
    },
    telemetry,
};

/// Everything of the demonstration that `--fresh` may wipe.
const OWN_FILES: &[&str] =
    &["demo.db", "demo.db-wal", "demo.db-shm", "demo.json", "acknowledged.jsonl", "master-secret"];
const OWN_FOLDERS: &[&str] = &["cabinets", "letters"];
/// How far ahead the roster reaches.
const ROSTER: TimeDelta = TimeDelta::days(7);
/// The guests of the ready file are on shift this long.
const GUEST_SHIFT: TimeDelta = TimeDelta::hours(24);
const HTTP_WORKERS: usize = 2;

/// `waystation demo`
#[derive(Debug, Args)]
pub struct Arguments {
    /// Keep the network here; without it, it is gone afterwards
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 takes a free one; the hatches' keypads are on the next
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(0..65535))]
    port: u16,
    /// Begin anew: wipes the demonstration's own files in DIR, and no others
    #[arg(long, requires = "data")]
    fresh: bool,
    /// Write who may sign in here once the house answers
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

/// What the demonstration remembers beside its database.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    seed: u64,
    workers: usize,
    planned_at: Timestamp,
    /// `None` until all of the network is loaded.
    roster_until: Option<Timestamp>,
    /// The next worker who has not been on a journey.
    next_worker: usize,
}

/// Runs until Ctrl-C, or until the journeys have ended.
///
/// # Errors
/// What could not be set up.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let kept_only_now = if arguments.data.is_none() { Some(tempfile::tempdir()?) } else { None };
    let folder = match (&arguments.data, &kept_only_now) {
        (Some(folder), _) => folder.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => anyhow::bail!("no folder for the demonstration"),
    };
    fs::create_dir_all(&folder).with_context(|| format!("--data {}", folder.display()))?;
    if arguments.fresh || half_loaded(&folder) {
        wipe(&folder)?;
    }
    let listener = listen(arguments.port)?;
    // Port 0 takes whichever is free.
    let port = listener.local_addr()?.port();
    let config = config(&folder, port)?;
    telemetry::start(config.log, "warn");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Built { house, mailer } = build(&config, Arc::clone(&clock)).await?;
    let memory_path = folder.join("demo.json");
    let mut memory = remember(&memory_path, &arguments, clock.now())?;
    let network = Arc::new(SampleNetwork::plan(memory.seed, memory.workers, memory.planned_at));
    let codes = stocked_codes(&house)?;
    fill(&house, &network, &codes, &mut memory, &memory_path).await?;
    let server = serve(&house, listener, HTTP_WORKERS)?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let jobs = Jobs::start(&house, &mailer);
    let outcome = open(&arguments, port, &folder, &house, clock, network, &codes, &mut memory).await;
    // The simulated callers are gone; whoever else holds a poll may ask again.
    handle.stop(false).await;
    serving.await??;
    jobs.stop().await;
    outcome
}

/// From the moment the house answers.
#[expect(clippy::too_many_arguments, reason = "the pieces of one demonstration, used once")]
async fn open(
    arguments: &Arguments,
    port: u16,
    folder: &Path,
    house: &Arc<House>,
    clock: Arc<dyn Clock>,
    network: Arc<SampleNetwork>,
    codes: &[String],
    memory: &mut Memory,
) -> anyhow::Result<ExitCode> {
    let base = format!("http://127.0.0.1:{port}");
    let api = Api::new(&base, clock)?;
    let _: serde_json::Value = api.call(As::Nobody, Call::get("/healthz")).await?;
    let devices = house.store.read::<_, StoreError>(|conn| Ok(places::devices_enrolled(conn)?)).await?;
    let mut ready = ready(&network, &devices, &base, memory.planned_at)?;
    let guest = ready.station.station_code.clone();
    let hatches = Arc::new(Hatches::default());
    let mut simulation = None;
    if !arguments.no_simulation {
        let keypad_port = if arguments.port == 0 { 0 } else { port.saturating_add(1) };
        let keypad_listener = listen(keypad_port)?;
        ready.hatch_url = Some(format!("http://{}", keypad_listener.local_addr()?));
        tokio::spawn(hatch::serve(&hatches, keypad_listener)?);
        let fleet =
            Fleet::new(api.clone(), &house.policy.network, Arc::clone(&hatches), folder.join("cabinets"));
        let cabinets = cabinet_plans(&network, &devices, codes, &guest)?;
        let absent = HashSet::from([ready.doctor.email.clone(), ready.pharmacist.email.clone()]);
        let steps = house.store.read::<_, StoreError>(|conn| Ok(places::staff_steps(conn)?)).await?;
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
        let cards = cards(&network, memory, count);
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
            ended = told_to_end() => { ended?; return Ok(ExitCode::FAILURE) }
        };
        if totals.failed > 0 {
            code = ExitCode::FAILURE;
        }
    }
    if !arguments.exit {
        told_to_end().await?;
    }
    if let Some(simulation) = simulation {
        simulation.stop();
    }
    Ok(code)
}

/// Loads an empty house, and brings the roster up to date in any case.
async fn fill(
    house: &Arc<House>,
    network: &Arc<SampleNetwork>,
    codes: &[String],
    memory: &mut Memory,
    memory_path: &Path,
) -> anyhow::Result<()> {
    let stations = house.store.read::<_, StoreError>(|conn| Ok(places::stations_by_district(conn)?)).await?;
    if stations.is_empty() {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template(
            "{bar:40} {pos}/{len} 装载样例网络 loading the sample network",
        )?);
        load::load(house, network, codes, &bar).await?;
        bar.finish_and_clear();
    }
    let now = house.now();
    let (from, until) = (memory.roster_until, now + ROSTER);
    let mut shifts = network.shifts(from.unwrap_or(now), until);
    // A shift that began before the last roster's end is there already.
    shifts.retain(|shift| from.is_none_or(|from| shift.starts_at >= from) && shift.starts_at < until);
    let (doctor, pharmacist) = guests(network, memory.planned_at)?;
    shifts.extend([doctor, pharmacist].map(|staff_email| ShiftRecord {
        staff_email,
        // An odd instant, so that it never is the start of a rostered shift.
        starts_at: now - TimeDelta::microseconds(1),
        ends_at: now + GUEST_SHIFT,
    }));
    load::load_shifts(house, shifts).await?;
    memory.roster_until = Some(until);
    save(memory_path, memory)
}

/// The doctor and the pharmacist that scripts may act as: on shift when the
/// network was planned, and the same ones ever after.
fn guests(network: &SampleNetwork, planned_at: Timestamp) -> anyhow::Result<(String, String)> {
    let ends = on_shift(network, planned_at);
    let doctor = network
        .doctors
        .iter()
        .find(|one| {
            one.departments.first() == Some(&Department::GeneralPractice) && ends.contains_key(&one.email)
        })
        .context("the sample has no general practitioner on shift")?;
    let pharmacist = network.pharmacists.iter().find(|one| ends.contains_key(&one.email));
    let pharmacist = pharmacist.context("the sample has no pharmacist on shift")?;
    Ok((doctor.email.clone(), pharmacist.email.clone()))
}

fn ready(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    base: &str,
    planned_at: Timestamp,
) -> anyhow::Result<Ready> {
    let (doctor, pharmacist) = guests(network, planned_at)?;
    let code = &network.stations.first().context("the sample has no station")?.code;
    let find = |kind: &str| {
        let found = devices.iter().find(|one| one.kind == kind && one.station_code == *code);
        found.with_context(|| format!("the {kind} {code} is not enrolled"))
    };
    let (station, cabinet) = (find("station")?, find("cabinet")?);
    let worker = network.worker(0);
    let staff = |email: Option<&String>| -> anyhow::Result<Credentials> {
        Ok(Credentials::sample(network, email.context("the sample lacks a role")?))
    };
    Ok(Ready {
        base_url: base.to_owned(),
        hatch_url: None,
        operator: staff(network.operators.first().map(|one| &one.email))?,
        doctor: staff(Some(&doctor))?,
        pharmacist: staff(Some(&pharmacist))?,
        restocker: staff(network.restockers.first().map(|one| &one.email))?,
        employer: staff(network.safety_officers.first().map(|one| &one.email))?,
        station: StationCredentials {
            device_id: station.id,
            private_key: private_key(&DeviceKey::from_seed(&network.station_device_seed(code))?),
            station_id: station.station_id,
            station_code: code.clone(),
        },
        cabinet: CabinetCredentials {
            device_id: cabinet.id,
            private_key: private_key(&DeviceKey::from_seed(&network.cabinet_device_seed(code))?),
            cabinet_id: cabinet.cabinet_id.context("a cabinet's key belongs to no cabinet")?,
            station_id: cabinet.station_id,
        },
        worker: WorkerCredentials {
            card_number: worker.card_number.clone(),
            pin: worker.pin.expose().to_owned(),
        },
    })
}

/// Keys that are still those of the plan, other than the guests'. A device that
/// was enrolled anew belongs to whoever did that.
fn own_keys<'d>(
    network: &SampleNetwork,
    devices: &'d [EnrolledDevice],
    kind: &str,
    guest: &str,
) -> anyhow::Result<Vec<(&'d EnrolledDevice, DeviceKey)>> {
    let mut own = Vec::new();
    for device in devices.iter().filter(|one| one.kind == kind && one.station_code != guest) {
        let code = &device.station_code;
        let seed = match kind {
            "station" => network.station_device_seed(code),
            _cabinet => network.cabinet_device_seed(code),
        };
        let key = DeviceKey::from_seed(&seed)?;
        if key.public_key().to_string() == device.public_key {
            own.push((device, key));
        }
    }
    Ok(own)
}

fn station_plans(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    guest: &str,
) -> anyhow::Result<Vec<StationPlan>> {
    let own = own_keys(network, devices, "station", guest)?.into_iter();
    Ok(own.map(|(one, key)| StationPlan { code: one.station_code.clone(), device: one.id, key }).collect())
}

fn cabinet_plans(
    network: &SampleNetwork,
    devices: &[EnrolledDevice],
    codes: &[String],
    guest: &str,
) -> anyhow::Result<Vec<CabinetPlan>> {
    let mut slots = std::collections::HashMap::<String, Vec<SlotReport>>::new();
    for one in network.stock(codes) {
        let slot = SlotNo::new(one.slot_no).context("a slot number below 1")?;
        slots.entry(one.station_code).or_default().push(SlotReport {
            slot,
            product_code: Some(one.product_code),
            lot_no: Some(one.lot_no),
            expires_on: Some(one.expires_on),
            count: u32::try_from(one.quantity).unwrap_or(0),
        });
    }
    let own = own_keys(network, devices, "cabinet", guest)?.into_iter();
    Ok(own
        .map(|(one, key)| CabinetPlan {
            slots: slots.remove(&one.station_code).unwrap_or_default(),
            station_code: one.station_code.clone(),
            device: one.id,
            key,
            epoch: one.epoch,
        })
        .collect())
}

/// The cards of the next workers; each goes on one journey only, so that no
/// journey meets another's drugs in the safety check.
fn cards(network: &SampleNetwork, memory: &mut Memory, count: usize) -> Vec<Card> {
    let end = (memory.next_worker + count).min(network.worker_count());
    let taken = memory.next_worker..end;
    memory.next_worker = end;
    taken
        .map(|index| network.worker(index))
        .map(|worker| Card { number: worker.card_number.clone(), pin: worker.pin.expose().to_owned() })
        .collect()
}

/// What cabinets hold: the drugs of the simulated treatments first.
fn stocked_codes(house: &House) -> anyhow::Result<Vec<String>> {
    let formulary: Arc<Formulary> = house.formulary();
    let mut codes: Vec<String> = complaints::product_codes()
        .into_iter()
        .filter(|code| formulary.find(code).is_some())
        .map(str::to_owned)
        .collect();
    let rest: Vec<String> = formulary
        .iter()
        .filter(|product| product.prescribable())
        .map(|product| product.code.as_str().to_owned())
        .filter(|code| !codes.contains(code))
        .collect();
    codes.extend(rest);
    Ok(codes)
}

fn config(folder: &Path, port: u16) -> anyhow::Result<Config> {
    let mut config = Config::load(None, &Flags::default()).context("the settings are refused")?;
    config.listen = ([127, 0, 0, 1], port).into();
    config.public_url = format!("http://127.0.0.1:{port}");
    config.database_url = format!("sqlite:{}", folder.join("demo.db").display()).into();
    config.data_dir = folder.to_owned();
    config.http_workers = HTTP_WORKERS;
    config.master_secret = Some(master_secret(folder)?.into());
    config.policy.insert("cabinet_lane".into(), "institution_dispense".into());
    let lanes = serde_json::json!(["follow_up_with_evidence", "minor_ailment_pilot", "consultation_only"]);
    config.policy.insert("encounter_lanes".into(), lanes);
    config.check_safe().context("the settings are refused")?;
    Ok(config)
}

/// The secret is made once, for this folder, and only its owner can read it.
fn master_secret(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("master-secret");
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    }
    let secret = MasterSecret::generate().to_base64().expose_secret().to_owned();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    Ok(secret)
}

fn remember(path: &Path, arguments: &Arguments, now: Timestamp) -> anyhow::Result<Memory> {
    if let Ok(text) = fs::read_to_string(path) {
        let known = serde_json::from_str(&text);
        return known.with_context(|| format!("{}: unreadable; --fresh begins anew", path.display()));
    }
    let (seed, workers) = (arguments.seed, arguments.workers);
    // Worker 0 is the one of the ready file.
    let fresh = Memory { seed, workers, planned_at: now, roster_until: None, next_worker: 1 };
    save(path, &fresh)?;
    Ok(fresh)
}

fn save(path: &Path, memory: &Memory) -> anyhow::Result<()> {
    let unfinished = path.with_extension("json.tmp");
    fs::write(&unfinished, serde_json::to_vec_pretty(memory)?)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

/// Whether an earlier run was killed while it loaded the network. Nobody was
/// served from it, so nothing is lost by beginning anew.
fn half_loaded(folder: &Path) -> bool {
    let memory = fs::read_to_string(folder.join("demo.json")).ok();
    let memory = memory.and_then(|text| serde_json::from_str::<Memory>(&text).ok());
    memory.is_some_and(|memory| memory.roster_until.is_none())
}

/// Wipes what the demonstration made. A folder with anything else in it keeps that.
fn wipe(folder: &Path) -> anyhow::Result<()> {
    let gone = |done: std::io::Result<()>, path: &Path| match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("--fresh: {}", path.display()))
        }
        _done_or_not_there => Ok(()),
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

/// Ctrl-C, or SIGTERM: the server ends on either by itself, and so must the rest.
async fn told_to_end() -> std::io::Result<()> {
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
    fn fresh_wipes_its_own_files_and_no_others() {
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
    fn a_network_that_was_loaded_by_half_is_begun_anew() {
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
    fn the_secret_is_made_once_and_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = master_secret(folder.path()).unwrap();
        assert_eq!(master_secret(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join("master-secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(config(folder.path(), 8080).is_ok());
    }
}
