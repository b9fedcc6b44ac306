//! The demonstration is killed repeatedly in the middle of journeys. It loses
//! nothing that it acknowledged and vends nothing twice, on either database.

#![expect(clippy::disallowed_methods, reason = "polls another process, which cannot wake this one")]

mod compare;
mod signing;

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{QueryableByName, RunQueryDsl, sql_types::BigInt};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::de::DeserializeOwned;

use crate::engines::Database;
use base::{
    clock::SystemClock,
    config::{Config, Flags},
};
use compare::{Attempt, Journals, Moment, Stored};
use domain::{
    ids::AttemptId,
    vend::{
        AttemptState,
        journal::{Body, JournalEntry},
    },
};
use service::Actor;
use simulation::{
    acknowledged::{Acknowledged, Acknowledgement},
    cabinets::Fallen,
};
use storage::{Conn, DatabaseUrl, conn::Purpose};

const JOURNEYS: &str = "40";
/// Long enough for a debug build on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The files and the database that outlive a run.
struct Place {
    folder: PathBuf,
    /// The cabinets' disks, and the file of acknowledgements.
    data: PathBuf,
    database: Database,
}

impl Place {
    fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), data: folder.join("data"), database: Database::empty(folder) }
    }

    fn open(&self) -> Conn {
        let url = DatabaseUrl::parse(&self.database.url).expect("a URL");
        Conn::open(&url, Purpose::Read).expect("opened")
    }

    /// Waits until nobody else is connected to the database: PostgreSQL finishes the
    /// statement of a killed client before it notices that the client is gone.
    fn until_left(&self) {
        let mut conn = self.open();
        let began = Instant::now();
        while others(&mut conn) > 0 {
            assert!(began.elapsed() < TIMEOUT, "another client is still connected to the database");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[derive(QueryableByName)]
struct Others {
    #[diesel(sql_type = BigInt)]
    others: i64,
}

/// Counts other connections to the same database; with SQLite none outlives its process.
fn others(conn: &mut Conn) -> i64 {
    const SQL: &str = "SELECT count(*) AS others FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    match conn {
        Conn::Sqlite(_) => 0,
        Conn::Pg(pg) => diesel::sql_query(SQL).get_result::<Others>(pg).expect("counted").others,
    }
}

/// A running demonstration; it is killed when the test ends early.
struct Demo<'p> {
    place: &'p Place,
    child: Child,
    log: PathBuf,
}

impl<'p> Demo<'p> {
    fn start(place: &'p Place, life: usize, journeys: &[&str]) -> Self {
        let ready = place.folder.join("ready.json");
        let _absent = fs::remove_file(&ready);
        let log = place.folder.join(format!("life-{life}.log"));
        let output = File::create(&log).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_waystation"))
            .args(["demo", "--port", "0", "--workers", "200", "--data"])
            .arg(&place.data)
            .args(["--database-url", &place.database.url])
            .arg("--ready-file")
            .arg(&ready)
            .args(journeys)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .spawn()
            .expect("the demonstration starts");
        let mut demo = Self { place, child, log };
        demo.until("the server answers", || ready.exists());
        demo
    }

    /// Waits until `condition` is true; the demonstration must not end meanwhile.
    fn until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let began = Instant::now();
        while !condition() {
            let ended = self.child.try_wait().expect("its status");
            assert!(ended.is_none(), "it ended before {what}: {}", self.output());
            assert!(began.elapsed() < TIMEOUT, "waited too long until {what}: {}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    fn kill(mut self) {
        assert!(self.child.try_wait().expect("its status").is_none(), "it had ended: {}", self.output());
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        self.place.until_left();
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Demo<'_> {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Reads complete lines only and repairs nothing: the demonstration may be writing.
fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("a line of the cabinet")).collect()
}

fn fallen(data: &Path) -> Vec<Fallen> {
    let Ok(folders) = fs::read_dir(data.join("cabinets")) else { return Vec::new() };
    folders.flat_map(|folder| lines(&folder.expect("a folder").path().join("drops.log"))).collect()
}

/// The states that everything acknowledged is in, or has been in.
fn stored(conn: &mut Conn, acknowledged: &[Acknowledgement]) -> Stored {
    let mut stored = Stored::new();
    let mut add = |kind: &str, id: &str, states: Vec<String>| {
        stored.insert((kind.to_owned(), id.to_owned()), states.into_iter().collect());
    };
    for one in acknowledged {
        match one.kind.as_str() {
            "check_in" => {
                let row =
                    storage::check_in::check_in_fetch(conn, one.id.parse().expect("an id")).expect("read");
                if let Some(row) = row {
                    let ended = row.ended_at.map(|_| "ended".to_owned());
                    add("check_in", &one.id, ["open".to_owned()].into_iter().chain(ended).collect());
                }
            }
            "consultation" | "rating" => {
                let id = one.id.parse().expect("an id");
                let Some(row) = storage::consultation::consultation_fetch(conn, id).expect("read") else {
                    continue;
                };
                let mut states = vec!["waiting".to_owned(), row.state.to_string()];
                if row.fence > 0 {
                    states.push("offered".to_owned());
                }
                if row.accepted_at.is_some() || row.requeued_at.is_some() {
                    states.push("active".to_owned());
                }
                add("consultation", &one.id, states);
                add("rating", &one.id, row.rating.iter().map(ToString::to_string).collect());
            }
            "order" | "unit" => {}
            other => panic!("an acknowledgement of the kind {other}"),
        }
    }
    for row in storage::order::orders_all(conn).expect("read") {
        let mut states = vec!["reserved".to_owned(), row.state.to_string()];
        if row.paid_at.is_some() {
            states.push("paid".to_owned());
        }
        add("order", &row.id.to_string(), states);
    }
    for row in storage::order::units_all(conn).expect("read") {
        add("unit", &row.id.to_string(), vec![row.state.to_string()]);
    }
    stored
}

/// All faults found. The database is read before the cabinets' disks, so what
/// happens in between is additional on the disks, never missing.
fn faults(place: &Place, moment: Moment) -> Vec<String> {
    let data = &place.data;
    let acknowledged = Acknowledged::read(&data.join("acknowledged.jsonl")).expect("readable");
    let mut conn = place.open();
    let mut found = service::stock::check::invariants(&mut conn).expect("audited");
    found.extend(compare::lost(&acknowledged, &stored(&mut conn, &acknowledged)));
    let rows = storage::vend::attempt::attempts_all(&mut conn).expect("read");
    let rows: Vec<Attempt> =
        rows.iter().map(|row| Attempt { id: row.id, unit: row.order_unit_id, state: row.state }).collect();
    let mut pairs = Vec::new();
    let mut sensed: HashSet<AttemptId> = HashSet::new();
    for device in storage::network::places::devices_enrolled(&mut conn).expect("read") {
        let Some(cabinet) = device.cabinet_id else { continue };
        let hashes = storage::vend::journal::journal_hashes(&mut conn, cabinet, device.epoch, 1, i64::MAX)
            .expect("read");
        let path = data.join("cabinets").join(&device.station_code).join("journal.log");
        let entries: Vec<JournalEntry> = lines(&path);
        for entry in &entries {
            if let Body::DropSensed { attempt } | Body::Dispensed { attempt, .. } = &entry.body {
                sensed.insert(*attempt);
            }
        }
        let own: BTreeMap<i64, String> =
            entries.iter().map(|entry| (entry.seq, entry.hash.to_string())).collect();
        pairs.push(Journals { station: device.station_code, own, stored: hashes.into_iter().collect() });
    }
    found.extend(compare::journals(&pairs, moment));
    let packs: Vec<AttemptId> = fallen(data).iter().map(|one| one.attempt).collect();
    found.extend(compare::drops(&packs, &sensed, &rows, moment));
    found
}

/// Counts acknowledged consultations that are still live.
fn open_consultations(place: &Place) -> usize {
    let acknowledged = Acknowledged::read(&place.data.join("acknowledged.jsonl")).expect("readable");
    let mut conn = place.open();
    let ids: HashSet<&str> =
        acknowledged.iter().filter(|one| one.kind == "consultation").map(|one| one.id.as_str()).collect();
    let live = |id: &&str| {
        let row =
            storage::consultation::consultation_fetch(&mut conn, id.parse().expect("an id")).expect("read");
        row.is_some_and(|row| row.state.is_live())
    };
    ids.into_iter().filter(live).count()
}

/// Verifies the audit chain with the demonstration's own secret; returns the last sealed
/// position. Only while no demonstration runs.
async fn audit_chain(place: &Place) -> i64 {
    let mut config = Config::load(None, &Flags::default()).expect("the defaults");
    config.database_url = place.database.url.clone().into();
    config.data_dir.clone_from(&place.data);
    let secret = fs::read_to_string(place.data.join("master-secret")).expect("a secret");
    config.master_secret = Some(secret.trim().to_owned().into());
    let app = waystation::build(&config, Arc::new(SystemClock)).await.expect("built").app;
    while service::audit::seal(&app).await.expect("sealed") > 0 {}
    let chain = app.read(Actor::System, service::audit::verify).await.expect("walked");
    assert!(chain.unbroken, "the audit chain is broken: {chain:?}");
    chain.sealed_to
}

#[actix_web::test]
async fn a_demo_killed_during_journeys_loses_nothing_and_vends_nothing_twice() {
    let seed = std::env::var("WAYSTATION_CRASH_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    println!("WAYSTATION_CRASH_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let place = Place::new(folder.path());
    let began = Instant::now();
    // The first run takes workers through their journeys; the next ones only restart
    // the cabinets, which must finish what was interrupted.
    let mut demo = Demo::start(&place, 0, &["--journeys", JOURNEYS]);
    let enough = chance.random_range(1..12);
    demo.until("packs fell", || fallen(&place.data).len() >= enough);
    std::thread::sleep(Duration::from_millis(chance.random_range(0..400)));
    demo.kill();
    assert_eq!(faults(&place, Moment::Killed), Vec::<String>::new(), "after the first kill");
    let sealed_to = audit_chain(&place).await;
    println!(
        "killed after {:.1?}; {} packs fell, {} consultations open, {sealed_to} events in the chain",
        began.elapsed(),
        fallen(&place.data).len(),
        open_consultations(&place)
    );
    let demo = Demo::start(&place, 1, &[]);
    std::thread::sleep(Duration::from_millis(chance.random_range(0..400)));
    demo.kill();
    assert_eq!(faults(&place, Moment::Killed), Vec::<String>::new(), "after the second kill");
    let mut demo = Demo::start(&place, 2, &[]);
    demo.until("the cabinets have reported everything", || faults(&place, Moment::Settled).is_empty());
    demo.kill();
    assert_eq!(faults(&place, Moment::Settled), Vec::<String>::new(), "at the end");
    let rows = storage::vend::attempt::attempts_all(&mut place.open()).expect("read");
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    println!(
        "{} packs fell; {} attempts dispensed, {} in doubt, {} waiting; {} events in the chain; {:.1?}",
        fallen(&place.data).len(),
        count(AttemptState::Dispensed),
        count(AttemptState::InDoubt),
        count(AttemptState::Issued),
        audit_chain(&place).await,
        began.elapsed()
    );
}
