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
//! `WAYSTATION_BENCH_SECONDS` (20) is how long workers arrive,
//! `WAYSTATION_TEST_POSTGRES_URL` names a PostgreSQL server; without it the one
//! on 127.0.0.1:5432 is tried.

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use diesel::connection::SimpleConnection;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use base::clock::SystemClock;
use crypto::keys::MasterSecret;
use simulation::client::{Api, As, Call};
use storage::{Conn, DatabaseUrl, conn::Purpose};

type Outcome<T> = Result<T, Box<dyn Error>>;

const BINARY: &str = env!("CARGO_BIN_EXE_waystation");
const STATIONS: &str = "200";
const WORKERS: usize = 64;
const CARDS: &str = "20000";
const SEED: &str = "1";
/// How long the baseline runs.
const BASELINE: Duration = Duration::from_secs(5);
/// How long a server may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> Outcome<()> {
    let seconds = std::env::var("WAYSTATION_BENCH_SECONDS").unwrap_or_else(|_| "20".to_owned());
    let folder = tempfile::tempdir()?;
    let sqlite = format!("sqlite:{}", folder.path().join("journeys.db").display());
    let figures = trial("SQLite, synchronous=FULL", &sqlite, folder.path(), &seconds)?;
    let bare = baseline()?;
    print_ratio(&figures, bare);
    match Postgres::find() {
        Some(server) => {
            let folder = tempfile::tempdir()?;
            let figures = trial("PostgreSQL", &server.database, folder.path(), &seconds)?;
            print_ratio(&figures, bare);
        }
        None => println!("journeys/PostgreSQL: skipped, no server was found"),
    }
    Ok(())
}

/// The results of a trial.
struct Figures {
    engine: &'static str,
    per_second: f64,
    requests_per_journey: f64,
}

fn trial(engine: &'static str, database: &str, folder: &Path, seconds: &str) -> Outcome<Figures> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let secret = MasterSecret::generate().to_base64();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("WAYSTATION_DATABASE_URL", database)
            .env("WAYSTATION_DATA_DIR", folder)
            .env("WAYSTATION_MASTER_SECRET", secret.expose_secret())
            .env("WAYSTATION_LISTEN", format!("127.0.0.1:{port}"))
            .env("WAYSTATION_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
        command
    };
    let filled = command(&["sample", "--workers", CARDS, "--seed", SEED]).stdout(Stdio::null()).status()?;
    if !filled.success() {
        return Err(format!("{engine}: the sample network could not be loaded").into());
    }
    let mut server = Running(command(&["serve"]).stdout(Stdio::null()).spawn()?);
    server.wait_until_ready(port)?;
    let (server_before, ours_before) = (cpu_seconds(server.0.id(), CpuOf::Own)?, our_children()?);
    let url = format!("http://127.0.0.1:{port}");
    let workers = WORKERS.to_string();
    let load = Command::new(BINARY)
        .args(["load", "--url", &url, "--stations", STATIONS, "--workers", &workers, "--max"])
        .args(["--seconds", seconds, "--seed", SEED])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let server_cpu = cpu_seconds(server.0.id(), CpuOf::Own)? - server_before;
    let load_cpu = our_children()? - ours_before;
    let text = String::from_utf8(load.stdout)?;
    println!("{text}");
    if !load.status.success() {
        return Err(format!("{engine}: the trial found errors or wrong answers").into());
    }
    let summary: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let number = |name: &str| summary[name].as_f64().ok_or(format!("no {name} in the summary"));
    let (per_second, journeys, requests) = (number("per_second")?, number("journeys")?, number("requests")?);
    println!(
        "journeys/{engine}: {per_second:.1} journeys/s; {:.1} ms of CPU a journey in the server and {:.1} ms in \
         the generator; {:.1} requests a journey",
        server_cpu * 1000.0 / journeys,
        load_cpu * 1000.0 / journeys,
        requests / journeys
    );
    Ok(Figures { engine, per_second, requests_per_journey: requests / journeys })
}

fn print_ratio(figures: &Figures, bare: f64) {
    let baseline = bare / figures.requests_per_journey;
    println!(
        "journeys/{}: baseline {baseline:.1} journeys/s ({bare:.0} bare requests/s); ratio {:.2}",
        figures.engine,
        figures.per_second / baseline
    );
}

/// A server process that is killed on drop.
struct Running(Child);

impl Running {
    fn wait_until_ready(&mut self, port: u16) -> Outcome<()> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            if let Some(status) = self.0.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
            if answers(port).unwrap_or(false) {
                return Ok(());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "another process is watched, and nothing wakes this one"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("the server does not answer".into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn answers(port: u16) -> std::io::Result<bool> {
    let mut line = TcpStream::connect(("127.0.0.1", port))?;
    line.set_read_timeout(Some(Duration::from_secs(2)))?;
    line.write_all(b"GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    line.read_exact(&mut start)?;
    Ok(&start == b"HTTP/1.1 200")
}

/// Bare requests a second, with as many concurrent callers as workers.
fn baseline() -> Outcome<f64> {
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
            Ok::<_, Box<dyn Error>>(done)
        });
        let counts = futures_util::future::try_join_all(callers).await?;
        Ok::<_, Box<dyn Error>>(counts.into_iter().map(f64::from).sum::<f64>())
    })?;
    // The server thread ends with this process.
    drop(server);
    Ok(done / BASELINE.as_secs_f64())
}

/// A new database on an existing PostgreSQL server.
struct Postgres {
    server: String,
    name: String,
    database: String,
}

impl Postgres {
    fn find() -> Option<Self> {
        let server = std::env::var("WAYSTATION_TEST_POSTGRES_URL")
            .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
        let name = format!("waystation_bench_{}", std::process::id());
        run_on(&server, &format!("CREATE DATABASE {name}")).ok()?;
        let (place, _) = server.rsplit_once('/')?;
        let database = format!("{place}/{name}");
        Some(Self { server, name, database })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = run_on(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)) {
            eprintln!("the bench's database stays: {error}");
        }
    }
}

fn run_on(server: &str, sql: &str) -> Outcome<()> {
    let mut conn = Conn::open(&DatabaseUrl::parse(server)?, Purpose::Write)?;
    Ok(conn.batch_execute(sql)?)
}

enum CpuOf {
    Own,
    Children,
}

/// Seconds of CPU that a process has used, by itself or in its ended children.
fn cpu_seconds(pid: u32, of: CpuOf) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may contain spaces; field 3 comes after it.
    let rest = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let at = match of {
        CpuOf::Own => 11,
        CpuOf::Children => 13,
    };
    let ticks = |index: usize| -> Outcome<f64> { Ok(fields.get(index).ok_or("a short stat")?.parse()?) };
    // A tick is a hundredth of a second on every Linux in use.
    Ok((ticks(at)? + ticks(at + 1)?) / 100.0)
}

fn our_children() -> Outcome<f64> {
    cpu_seconds(std::process::id(), CpuOf::Children)
}
