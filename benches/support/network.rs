//! The sample network in a database of its own, `waystation serve` on it as one process, and
//! `waystation load` as another.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use diesel::{connection::SimpleConnection, sql_types::BigInt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crypto::keys::MasterSecret;
use storage::{Conn, DatabaseUrl, conn::Purpose, on_backend};

/// Of the sample network and of the load.
pub const SEED: u64 = 1;
const STATIONS: &str = "200";
/// Workers who are on their way at once.
pub const WORKERS: usize = 64;
/// How long a server may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The program; `BENCH_BINARY` names another build, to compare two in turn.
fn binary() -> PathBuf {
    env::var_os("BENCH_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_waystation")), PathBuf::from)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite, synchronous=FULL",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Both engines, or SQLite alone where no PostgreSQL server is found. `BENCH_ENGINE`
    /// (`sqlite`, `postgres`) selects one.
    pub fn all() -> Vec<Self> {
        let only = env::var("BENCH_ENGINE").unwrap_or_default();
        let mut engines = vec![Self::Sqlite, Self::Postgres];
        engines.retain(|engine| only.is_empty() || format!("{engine:?}").to_lowercase() == only);
        if engines.contains(&Self::Postgres) && connection(&postgres_server()).is_err() {
            println!("PostgreSQL: skipped, no server was found");
            engines.retain(|engine| *engine != Self::Postgres);
        }
        engines
    }
}

/// `TEST_POSTGRES_URL`, or the server on this machine.
fn postgres_server() -> String {
    env::var("TEST_POSTGRES_URL").unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

fn connection(url: &str) -> anyhow::Result<Conn> {
    let url = DatabaseUrl::parse(url).map_err(anyhow::Error::msg)?;
    Ok(Conn::open(&url, Purpose::Write)?)
}

/// A network in a database that is removed on drop.
pub struct Network {
    pub engine: Engine,
    pub url: String,
    pub secret: SecretString,
    pub folder: tempfile::TempDir,
    keeps: bool,
}

impl Network {
    /// Fills a fresh database with the sample network.
    ///
    /// # Errors
    /// When it cannot.
    pub fn fill(engine: Engine, workers: usize) -> anyhow::Result<Self> {
        let network = Self::empty(engine, MasterSecret::generate().to_base64(), None)?;
        let (workers, seed) = (workers.to_string(), SEED.to_string());
        let filled = network
            .command(&["sample", "--workers", &workers, "--seed", &seed])
            .stdout(Stdio::null())
            .status()?;
        ensure!(filled.success(), "{}: the sample network could not be loaded", engine.name());
        Ok(network)
    }

    /// A copy of a network that no process uses.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn copy(&self) -> anyhow::Result<Self> {
        Self::empty(self.engine, self.secret.clone(), Some(self))
    }

    /// An empty database.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn bare(engine: Engine) -> anyhow::Result<Self> {
        Self::empty(engine, MasterSecret::generate().to_base64(), None)
    }

    fn empty(engine: Engine, secret: SecretString, like: Option<&Self>) -> anyhow::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir()?;
        let url = match engine {
            Engine::Sqlite => {
                if let Some(like) = like {
                    // A process that has ended may have left what it wrote beside the file.
                    like.connection()?.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
                    fs::copy(like.file(), folder.path().join("bench.db"))?;
                }
                format!("sqlite:{}", folder.path().join("bench.db").display())
            }
            Engine::Postgres => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let name = format!("waystation_bench_{}_{number}", std::process::id());
                let template = like.map(|like| format!(" TEMPLATE {}", like.name())).unwrap_or_default();
                let server = postgres_server();
                connection(&server)?.batch_execute(&format!("CREATE DATABASE {name}{template}"))?;
                let (place, _) = server.rsplit_once('/').context("a PostgreSQL URL ends with a database")?;
                format!("{place}/{name}")
            }
        };
        Ok(Self { engine, url, secret, folder, keeps: false })
    }

    fn file(&self) -> PathBuf {
        Path::new(self.url.trim_start_matches("sqlite:")).to_owned()
    }

    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// Does not remove the database on drop, and prints how to open it.
    pub fn keep(mut self) {
        self.keeps = true;
        self.folder.disable_cleanup(true);
        println!("{} with master secret {}", self.url, self.secret.expose_secret());
    }

    /// A command on this database.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env("WAYSTATION_DATABASE_URL", &self.url)
            .env("WAYSTATION_DATA_DIR", self.folder.path())
            .env("WAYSTATION_MASTER_SECRET", self.secret.expose_secret())
            // Otherwise the doctors of a load, not the server, are the limit.
            .env("WAYSTATION_POLICY__MATCHING__WRAP_UP_S", "0")
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null());
        command
    }

    pub fn connection(&self) -> anyhow::Result<Conn> {
        connection(&self.url)
    }

    /// Bytes of the database, free pages included.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self) -> anyhow::Result<f64> {
        #[derive(diesel::QueryableByName)]
        struct Bytes {
            #[diesel(sql_type = BigInt)]
            bytes: i64,
        }
        let sql = match self.engine {
            Engine::Sqlite => {
                "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()"
            }
            Engine::Postgres => "SELECT pg_database_size(current_database()) AS bytes",
        };
        let mut conn = self.connection()?;
        let found: Bytes =
            on_backend!(&mut conn, c => diesel::RunQueryDsl::get_result(diesel::sql_query(sql), c))?;
        #[expect(clippy::cast_precision_loss, reason = "a size")]
        Ok(found.bytes as f64)
    }

    /// Starts a server.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn serve(&self) -> anyhow::Result<Server> {
        let (port, metrics) = (free_port()?, free_port()?);
        let child = self
            .command(&["serve"])
            .env("WAYSTATION_LISTEN", format!("127.0.0.1:{port}"))
            .env("WAYSTATION_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .env("WAYSTATION_METRICS_LISTEN", format!("127.0.0.1:{metrics}"))
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Server { child, port, metrics };
        server.wait_until_ready()?;
        Ok(server)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.engine == Engine::Postgres && !self.keeps {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name());
            let dropped = connection(&postgres_server())
                .and_then(|mut conn| conn.batch_execute(&drop).map_err(anyhow::Error::from));
            if let Err(error) = dropped {
                eprintln!("the bench's database stays: {error}");
            }
        }
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server process that is killed on drop.
pub struct Server {
    child: Child,
    pub port: u16,
    metrics: u16,
}

/// The result of a load.
pub struct Load {
    pub per_second: f64,
    pub journeys: f64,
    pub requests: f64,
    /// What the load printed as its last line.
    pub summary: Value,
}

/// How the workers of a load arrive.
#[derive(Debug, Clone, Copy)]
pub enum Arrivals {
    /// As many as the server can do.
    Max,
    /// So many a second.
    Rate(f64),
}

impl Server {
    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if get(self.port, "/healthz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "another process is watched, and nothing wakes this one"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the server does not answer")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A counter of the server; not a number where the server has none of this name.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn counter(&self, name: &str) -> anyhow::Result<f64> {
        let text = get(self.metrics, "/metrics")?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Ok(value.unwrap_or(f64::NAN))
    }

    /// Whole journeys for some seconds.
    ///
    /// # Errors
    /// When the load finds errors or wrong answers.
    pub fn load(&self, arrivals: Arrivals, seconds: &str) -> anyhow::Result<Load> {
        let (workers, seed, url) = (WORKERS.to_string(), SEED.to_string(), self.url());
        let arrive = match arrivals {
            Arrivals::Max => vec!["--max".to_owned()],
            Arrivals::Rate(rate) => vec!["--rate".to_owned(), rate.to_string()],
        };
        let load = Command::new(binary())
            .args(["load", "--url", &url, "--stations", STATIONS, "--workers", &workers])
            .args(arrive)
            .args(["--seconds", seconds, "--seed", &seed])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(load.stdout)?;
        println!("{text}");
        ensure!(load.status.success(), "the load found errors or wrong answers");
        let summary: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        let number = |name: &str| summary[name].as_f64().with_context(|| format!("no {name} in the summary"));
        Ok(Load {
            per_second: number("per_second")?,
            journeys: number("journeys")?,
            requests: number("requests")?,
            summary,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The whole response of a GET, as text.
fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut line = TcpStream::connect(("127.0.0.1", port))?;
    line.set_read_timeout(Some(Duration::from_secs(5)))?;
    line.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    line.read_to_string(&mut text)?;
    Ok(text)
}
