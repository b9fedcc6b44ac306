//! How many whole journeys a second the server handles on this machine, with the
//! load generator on the same machine.
//!
//! For each engine: a fresh database with the sample network, `waystation
//! serve` as a process of its own, and `waystation load --max` as another one.
//! SQLite runs with `synchronous=FULL`, as always.
//!
//! The baseline, in the same run: a bare actix-web handler that reads a small
//! JSON body and answers with one, called by the generator's own client as
//! often as a journey calls the server. It has no token, signature, rule, database
//! or disk, so it shows what the machine could do if all of those cost nothing; the
//! ratio shows how much of that is left.
//!
//! `BENCH_SECONDS` (20) is how long workers arrive,
//! `TEST_POSTGRES_URL` names a PostgreSQL server; without it the one
//! on 127.0.0.1:5432 is tried. `BENCH_ENGINE` selects `sqlite` or
//! `postgres`; `BENCH_BINARY` names another build of the program.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use base::clock::SystemClock;
use simulation::client::{Api, As, Call};
use support::{
    network::{Arrivals, Engine, Network, WORKERS},
    process::{children_cpu_time, cpu_time},
};

const CARDS: usize = 20_000;
/// How long the baseline runs.
const BASELINE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let seconds = std::env::var("BENCH_SECONDS").unwrap_or_else(|_| "20".to_owned());
    let mut bare = None;
    for engine in Engine::all() {
        let (per_second, requests) = trial(engine, &seconds)?;
        let bare = *bare.get_or_insert(baseline()?);
        let baseline = bare / requests;
        println!(
            "journeys/{}: baseline {baseline:.1} journeys/s ({bare:.0} bare requests/s); ratio {:.2}",
            engine.name(),
            per_second / baseline
        );
    }
    Ok(())
}

/// Journeys a second, and requests a journey.
fn trial(engine: Engine, seconds: &str) -> anyhow::Result<(f64, f64)> {
    let network = Network::fill(engine, CARDS)?;
    let bytes = network.bytes()?;
    let server = network.serve()?;
    let (server_before, own_before) = (cpu_time(server.pid())?, children_cpu_time()?);
    let load = server.load(Arrivals::Max, seconds)?;
    let server_cpu = cpu_time(server.pid())? - server_before;
    let load_cpu = children_cpu_time()? - own_before;
    let a_journey = |total: f64| total / load.journeys;
    let requests = a_journey(load.requests);
    println!(
        "journeys/{}: {:.1} journeys/s; a journey: {:.1} ms of CPU in the server and {:.1} ms in the generator, \
         {requests:.1} requests, {:.0} statements, {:.1} commits, {:.1} kB of database",
        engine.name(),
        load.per_second,
        a_journey(server_cpu.as_secs_f64() * 1000.0),
        a_journey(load_cpu.as_secs_f64() * 1000.0),
        a_journey(server.counter("waystation_storage_statements_total")?),
        a_journey(server.counter("waystation_storage_commits_total")?),
        a_journey((network.bytes()? - bytes) / 1000.0),
    );
    Ok((load.per_second, requests))
}

/// Bare requests a second, with as many concurrent callers as workers.
fn baseline() -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base = format!("http://{}", listener.local_addr()?);
    let bare = async |body: web::Json<Value>| HttpResponse::Ok().json(body.into_inner());
    let server = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            HttpServer::new(move || App::new().route("/bare", web::post().to(bare)))
                .disable_signals()
                .listen(listener)?
                .run()
                .await
        })
    });
    let done = actix_web::rt::System::new().block_on(async {
        let api = Api::new(&base, Arc::new(SystemClock))?;
        let body = json!({"complaint": "x".repeat(300), "department": null, "values": [1, 2, 3, 4, 5]});
        let end = Instant::now() + BASELINE;
        let callers = (0..WORKERS).map(|_| async {
            let mut done = 0_u32;
            while Instant::now() < end {
                let _: Value = api.call(As::Nobody, Call::post("/bare", &body)).await?;
                done += 1;
            }
            Ok::<_, anyhow::Error>(done)
        });
        let counts = futures_util::future::try_join_all(callers).await?;
        Ok::<_, anyhow::Error>(counts.into_iter().map(f64::from).sum::<f64>())
    })?;
    // The server thread ends with this process.
    drop(server);
    Ok(done / BASELINE.as_secs_f64())
}
