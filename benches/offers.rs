//! How soon an offer reaches its doctor: from the acknowledged request for care to the answer of the
//! doctor's long poll, while whole journeys run.
//!
//! The baseline, in the same run and beside the same load: a bare actix-web server that commits one row
//! durably to a database of the same engine and then answers a long poll that waits for it. It has no
//! token, rule, queue or choice. It is timed from the request, ours from the acknowledgement.
//!
//! On SQLite 30 journeys begin a second; on PostgreSQL half of the maximum, which is measured first.
//! `BENCH_SECONDS` (20) is how long workers arrive; `BENCH_ENGINE` selects `sqlite` or `postgres`.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use tokio::sync::watch;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use base::clock::SystemClock;
use simulation::client::{Api, As, Call};
use storage::Conn;
use support::network::{Arrivals, Engine, Network};

const CARDS: usize = 20_000;
/// Journeys that begin a second on SQLite.
const RATE: f64 = 30.0;
/// Between two commits of the baseline.
const PACE: Duration = Duration::from_millis(30);
/// How long the baseline runs alone.
const ALONE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let seconds = std::env::var("BENCH_SECONDS").unwrap_or_else(|_| "20".to_owned());
    for engine in Engine::all() {
        let network = Network::fill(engine, CARDS)?;
        let server = network.serve()?;
        let rate = match engine {
            Engine::Sqlite => RATE,
            Engine::Postgres => server.load(Arrivals::Max, &seconds)?.per_second / 2.0,
        };
        let baseline = Baseline::start(engine)?;
        let alone = baseline.during(|| {
            #[expect(clippy::disallowed_methods, reason = "the baseline runs meanwhile")]
            std::thread::sleep(ALONE);
            Ok(())
        })?;
        let mut load = None;
        let beside = baseline.during(|| {
            load = Some(server.load(Arrivals::Rate(rate), &seconds)?);
            Ok(())
        })?;
        let load = load.context("no load")?;
        let of = |name: &str| load.summary["steps"]["offer"][name].as_f64().context("no offers were timed");
        let (p50, p99) = (of("p50_ms")?, of("p99_ms")?);
        println!(
            "offers/{}: {rate:.1} journeys begin a second, {:.1} end; an offer arrives after {p50:.1} ms (p50), \
             {p99:.1} ms (p99); a bare commit and echo beside it {:.1} ms (p50), {:.1} ms (p99), alone {:.1} ms \
             (p50), {:.1} ms (p99); ratio of p99 {:.2}, wanted at most 5",
            engine.name(),
            load.per_second,
            percentile(&beside, 50),
            percentile(&beside, 99),
            percentile(&alone, 50),
            percentile(&alone, 99),
            p99 / percentile(&beside, 99),
        );
    }
    Ok(())
}

/// In milliseconds.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// What the bare handlers share.
struct Bare {
    conn: Mutex<Conn>,
    /// The number of the last committed row.
    committed: watch::Sender<u64>,
}

/// The bare server, with a database of its own.
struct Baseline {
    base: String,
    _network: Network,
}

impl Baseline {
    fn start(engine: Engine) -> anyhow::Result<Self> {
        let network = Network::bare(engine)?;
        let mut conn = network.connection()?;
        conn.batch_execute("CREATE TABLE bare (number BIGINT NOT NULL)")?;
        let bare = web::Data::new(Bare { conn: Mutex::new(conn), committed: watch::channel(0).0 });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base = format!("http://{}", listener.local_addr()?);
        // It ends with this process.
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                HttpServer::new(move || {
                    App::new()
                        .app_data(bare.clone())
                        .route("/commit", web::post().to(commit))
                        .route("/echo/{number}", web::get().to(echo))
                })
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run()
                .await
            })
        });
        Ok(Self { base, _network: network })
    }

    /// Commits and waits for the echo, again and again while `work` runs; returns what each took.
    fn during(&self, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Vec<Duration>> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, base) = (Arc::clone(&stop), self.base.clone());
        let timing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(commits(&base, &ends))
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let times = timing.join().map_err(|_| anyhow::anyhow!("the baseline panicked"))??;
        done?;
        Ok(times)
    }
}

async fn commits(base: &str, ends: &AtomicBool) -> anyhow::Result<Vec<Duration>> {
    let api = Api::new(base, Arc::new(SystemClock))?;
    let mut times = Vec::new();
    let mut number: u64 = api.call(As::Nobody, Call::get("/echo/0")).await?;
    let mut ticks = tokio::time::interval(PACE);
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        number += 1;
        let path = format!("/echo/{number}");
        let (echo, body) = (api.call::<u64>(As::Nobody, Call::get(path)), json!({"number": number}));
        let began = Instant::now();
        // The poll waits before the commit is asked for: it is polled first.
        let asked = api.call::<Value>(As::Nobody, Call::post("/commit", &body));
        let (echoed, _) = tokio::try_join!(async { echo.await.map(|_| began.elapsed()) }, asked)?;
        times.push(echoed);
    }
    Ok(times)
}

async fn commit(bare: web::Data<Bare>, body: web::Json<Value>) -> HttpResponse {
    let number = body["number"].as_u64().unwrap_or_default();
    let shared = bare.clone();
    let written = web::block(move || {
        let mut conn = shared.conn.lock().unwrap_or_else(PoisonError::into_inner);
        conn.batch_execute(&format!("INSERT INTO bare (number) VALUES ({number})"))
    });
    match written.await {
        Ok(Ok(())) => {
            bare.committed.send_replace(number);
            HttpResponse::Ok().json(json!({}))
        }
        _failed => HttpResponse::InternalServerError().finish(),
    }
}

/// Answers once so many are committed.
async fn echo(bare: web::Data<Bare>, path: web::Path<u64>) -> HttpResponse {
    let mut committed = bare.committed.subscribe();
    let wanted = path.into_inner();
    let found = committed.wait_for(|number| *number >= wanted).await.map(|number| *number);
    found.map_or_else(
        |_| HttpResponse::InternalServerError().finish(),
        |number| HttpResponse::Ok().json(number),
    )
}
