//! The cost of a match as the network grows: 100 who wait and 10 doctors, against 100,000 and 10,000.
//!
//! Thirty departments, 300 hospitals in ten districts. One department, for which one in a hundred
//! waits, has a free doctor; all doctors of the others are full. Each match is a round of the
//! distributor after one place became free, with its committed offer. The two sizes take turns, and
//! the ratio of their medians is printed for each engine.
//!
//! `cargo bench --bench matching`; `BENCH_MATCHES` (200) are made at each size, `BENCH_WAITING` (100000)
//! wait at the larger one; `BENCH_ENGINE` selects `sqlite` or `postgres`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::connection::SimpleConnection;
use serde_json::json;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use base::{
    clock::SystemClock,
    config::{Config, Flags},
};
use service::{AppState, matching::offer_waiting};
use storage::Conn;
use support::network::{Engine, Network};

const DEPARTMENTS: usize = 30;
const HOSPITALS: usize = 300;
const DISTRICTS: usize = 10;
/// At the smaller size.
const FEW: usize = 100;
/// One doctor for so many who wait.
const WAITING_PER_DOCTOR: usize = 10;

fn main() -> anyhow::Result<()> {
    let number = |name: &str, default: usize| match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("{name} is not a number")),
        Err(_) => Ok(default),
    };
    let matches = number("BENCH_MATCHES", 200)?;
    let many = number("BENCH_WAITING", 100_000)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for engine in Engine::all() {
        let (small, large) = (Crowd::gather(&runtime, engine, FEW)?, Crowd::gather(&runtime, engine, many)?);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..matches {
            for (crowd, times) in [&small, &large].into_iter().zip(&mut times) {
                times.push(crowd.one_match(&runtime)?);
            }
        }
        let [few, all] = times.map(median);
        println!(
            "matching/{}: {:.2} ms a match with {FEW} waiting and {} doctors, {:.2} ms with {many} and {}; ratio \
             {:.2}",
            engine.name(),
            few.as_secs_f64() * 1e3,
            FEW / WAITING_PER_DOCTOR,
            all.as_secs_f64() * 1e3,
            many / WAITING_PER_DOCTOR,
            all.as_secs_f64() / few.as_secs_f64()
        );
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A network with so many who wait.
struct Crowd {
    network: Network,
    app: Arc<AppState>,
}

impl Crowd {
    fn gather(runtime: &tokio::runtime::Runtime, engine: Engine, waiting: usize) -> anyhow::Result<Self> {
        let network = Network::fill(engine, waiting.max(HOSPITALS))?;
        let mut conn = network.connection()?;
        for sql in statements(engine, waiting) {
            run(&mut conn, &sql)?;
        }
        drop(conn);
        let mut config = Config::load(None, &Flags::default())?;
        config.database_url = network.url.clone().into();
        config.data_dir = network.folder.path().to_owned();
        config.master_secret = Some(network.secret.clone());
        // Nobody polls for these doctors.
        config.policy.insert("matching".to_owned(), json!({"heard_within_s": 86_400}));
        let app = runtime.block_on(waystation::build(&config, Arc::new(SystemClock)))?.app;
        Ok(Self { network, app })
    }

    /// Frees one place, measures the round that uses it, and puts everything back.
    fn one_match(&self, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Duration> {
        let mut conn = self.network.connection()?;
        run(
            &mut conn,
            "UPDATE doctor SET live = live - 1 WHERE staff_id = (SELECT doctor_id FROM doctor_department \
             WHERE department = 'rare' ORDER BY doctor_id LIMIT 1)",
        )?;
        let began = Instant::now();
        let made = runtime.block_on(offer_waiting(&self.app));
        let took = began.elapsed();
        let made = made.map_err(|failure| anyhow::anyhow!("a round: {failure}"))?;
        anyhow::ensure!(made == 1, "{made} offers were made");
        run(
            &mut conn,
            "UPDATE consultation SET state = 'waiting', offer_id = NULL, fence = 0 WHERE state = 'offered'; \
             DELETE FROM offer",
        )?;
        Ok(took)
    }
}

fn run(conn: &mut Conn, sql: &str) -> anyhow::Result<()> {
    conn.batch_execute(sql).map_err(|error| anyhow::anyhow!("{error}: {sql}"))
}

/// Turns the workers of the sample network into a crowd; ids of workers serve for whatever is theirs.
fn statements(engine: Engine, waiting: usize) -> Vec<String> {
    let doctors = waiting / WAITING_PER_DOCTOR;
    let rare = waiting / 100;
    let numbered = "(SELECT id, created_at, row_number() OVER (ORDER BY id) - 1 AS i FROM worker)";
    let busy = DEPARTMENTS - 1;
    // The first one in a hundred, and the first doctor of thirty, are of the rare department.
    let asked = format!("CASE WHEN n.i < {rare} THEN 'rare' ELSE 'busy_' || (n.i % {busy}) END");
    let of = format!("CASE WHEN n.i % {DEPARTMENTS} = 0 THEN 'rare' ELSE 'busy_' || (n.i % {busy}) END");
    // No two ask at the same time: a microsecond later each.
    let since = match engine {
        Engine::Sqlite => "n.created_at + n.i",
        Engine::Postgres => "n.created_at + n.i * interval '1 microsecond'",
    };
    let station = "(SELECT st.id FROM st WHERE st.k = n.i % 200)";
    let hospital = format!("(SELECT h.id FROM n h WHERE h.i = n.i % {HOSPITALS})");
    vec![
        "CREATE TABLE n AS SELECT id, created_at, i FROM ".to_owned() + numbered + " one",
        "CREATE INDEX n_i ON n (i)".to_owned(),
        "CREATE TABLE st AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS k FROM station".to_owned(),
        "CREATE INDEX st_k ON st (k)".to_owned(),
        "DELETE FROM shift; DELETE FROM doctor_department; UPDATE doctor SET presence = 'off'".to_owned(),
        format!(
            "INSERT INTO department (code, name_zh, name_en, patience_s, overflow) SELECT 'busy_' || i, 'x', 'x', \
             7200, 'general_practice' FROM n WHERE i < {busy}"
        ),
        "INSERT INTO department (code, name_zh, name_en, patience_s, overflow) VALUES ('rare', 'x', 'x', 7200, \
         'general_practice')"
            .to_owned(),
        format!(
            "INSERT INTO hospital (id, code, name_zh, name_en, district, weight, virtual_time, created_at) SELECT id, \
             'bench-' || i, 'x', 'x', 'district-' || (i % {DISTRICTS}), 1, 0, created_at FROM n WHERE i < {HOSPITALS}"
        ),
        format!("UPDATE station SET district = 'district-' || (SELECT st.k % {DISTRICTS} FROM st WHERE st.id = station.id)"),
        format!(
            "INSERT INTO staff (id, role, email, name_zh, name_en, hospital_id, totp_step, pin_failures, created_at) \
             SELECT n.id, 'doctor', 'bench-' || n.i || '@example.cn', 'x', 'x', {hospital}, 0, 0, n.created_at FROM n \
             WHERE n.i < {doctors}"
        ),
        format!(
            "INSERT INTO doctor (staff_id, hospital_id, licence_no, licence_verified_at, licence_valid_until, \
             practising_since, languages, capacity, video_capacity, presence, idle_since, live) SELECT n.id, {hospital}, 'BENCH-' || \
             n.i, n.created_at, '2099-01-01', '2010-01-01', 'zh;en', 2, 0, 'available', n.created_at, 2 FROM n \
             WHERE n.i < {doctors}"
        ),
        format!(
            "INSERT INTO doctor_department (doctor_id, department) SELECT n.id, {of} FROM n WHERE n.i < {doctors}"
        ),
        format!(
            "INSERT INTO shift (id, staff_id, starts_at, ends_at) SELECT n.id, n.id, n.created_at, '2099-01-01 \
             00:00:00.000000+00:00' FROM n WHERE n.i < {doctors}"
        ),
        format!(
            "INSERT INTO check_in (id, worker_id, station_id, started_at, active_at, ended_at) SELECT n.id, n.id, \
             {station}, n.created_at, n.created_at, n.created_at FROM n WHERE n.i < {waiting}"
        ),
        format!(
            "INSERT INTO consultation (id, worker_id, check_in_id, station_id, lane, department, language, state, \
             complaint_sealed, symptoms, triage, requested_at, ranked_since, fence, queue) SELECT n.id, n.id, n.id, \
             {station}, 'consultation_only', {asked}, 'zh', 'waiting', '', '[]', 'standard', {since}, \
             {since}, 0, {asked} || '/standard/zh/text/district-' || (n.i % {DISTRICTS}) FROM n WHERE n.i < {waiting}"
        ),
        "ANALYZE".to_owned(),
    ]
}
