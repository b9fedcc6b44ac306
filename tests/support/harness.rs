//! A server of its own for every test: a database copied from a migrated one,
//! a socket on port 0, and a clock that the test moves.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub use super::answer::Answer;
use super::{
    engines::{Database, Engine, engine},
    screen::DeviceKeys,
    seed::Seed,
};
use base::{
    clock::{Clock, ManualClock},
    config::{Config, Flags, Instances},
};
use domain::time::Timestamp;
use service::AppState;
use storage::{Conn, DatabaseUrl, conn::Purpose};

/// Connections in the pool of a server.
pub const CONNECTIONS: u32 = 4;

/// A running server.
pub struct TestApp {
    pub base: String,
    pub state: Arc<AppState>,
    pub process: Arc<http::process::Process>,
    pub clock: ManualClock,
    /// The private keys of the devices, with which the harness signs their requests.
    pub keys: DeviceKeys,
    client: Client,
    server: actix_web::dev::ServerHandle,
    config: Config,
    /// The small network, once a test asks for it; shared by all instances.
    pub(super) network: Arc<OnceCell<Seed>>,
    // Dropped in this order: the database is removed when no request is under way any more.
    database: Arc<Database>,
    _dir: Arc<tempfile::TempDir>,
}

/// What all instances on one database have in common.
#[derive(Default)]
struct Shared {
    keys: DeviceKeys,
    network: Arc<OnceCell<Seed>>,
}

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Monday 2026-11-23, 10:00 in Shanghai.
pub fn start_of_test() -> Timestamp {
    "2026-11-23T02:00:00Z".parse().expect("a date")
}

impl TestApp {
    /// Starts a server with an empty network.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// Starts a server with changed settings.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::migrated(dir.path());
        let clock = ManualClock::at(start_of_test());
        let mut config = Self::config(dir.path(), &database);
        change(&mut config);
        Self::build(config, clock, Arc::new(database), Arc::new(dir), Shared::default()).await
    }

    fn config(folder: &Path, database: &Database) -> Config {
        let mut config = Config::load(None, &Flags::default()).expect("the defaults");
        config.database_url = database.url.clone().into();
        config.database_connections = CONNECTIONS;
        config.instances = Instances::One;
        config.data_dir = folder.join("data");
        config.master_secret = Some("d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=".to_owned().into());
        config.policy.insert("cabinet_lane".to_owned(), json!("institution_dispense"));
        // Tests that are not about it let hours pass, and complete several consultations at once.
        let matching = json!({"wrap_up_s": 0, "heard_within_s": 86_400});
        config.policy.insert("matching".to_owned(), matching);
        config
    }

    /// Starts a server on the database of a released version. Its records are from
    /// another time, so the test sets the clock.
    pub async fn open_released(version: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::released(dir.path(), version);
        let engine = match engine() {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        };
        let folder = root().join("tests/released").join(version);
        let secret =
            std::fs::read_to_string(folder.join(format!("{engine}-master-secret"))).expect("a secret");
        let mut config = Self::config(dir.path(), &database);
        config.master_secret = Some(secret.trim().to_owned().into());
        // Releases since the audit chain has a witness keep its files beside the database.
        if let Ok(file) = std::fs::File::open(folder.join(format!("{engine}-witness.jsonl.gz"))) {
            let witness = config.data_dir.join("audit-witness");
            std::fs::create_dir_all(&witness).expect("a folder");
            let mut written = std::fs::File::create(witness.join("released.jsonl")).expect("a file");
            std::io::copy(&mut flate2::read::GzDecoder::new(file), &mut written).expect("unpacked");
        }
        let clock = ManualClock::at(start_of_test());
        Self::build(config, clock, Arc::new(database), Arc::new(dir), Shared::default()).await
    }

    /// A second instance on the same database, under the same clock.
    pub async fn another(&self) -> Self {
        let (database, dir) = (Arc::clone(&self.database), Arc::clone(&self._dir));
        let shared = Shared { keys: self.keys.clone(), network: Arc::clone(&self.network) };
        Self::build(self.config.clone(), self.clock.clone(), database, dir, shared).await
    }

    async fn build(
        config: Config,
        clock: ManualClock,
        database: Arc<Database>,
        dir: Arc<tempfile::TempDir>,
        shared: Shared,
    ) -> Self {
        let built = waystation::build(&config, Arc::new(clock.clone())).await.expect("built");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = built.serve(listener, 2).expect("served");
        let handle = server.handle();
        // actix runs on the test's own runtime.
        tokio::spawn(server);
        Self {
            base,
            state: built.app,
            process: built.process,
            clock,
            keys: shared.keys,
            client: Client::new(),
            server: handle,
            config,
            network: shared.network,
            database,
            _dir: dir,
        }
    }

    /// The URL of the server's database.
    pub fn database(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.database.url).expect("a URL")
    }

    /// The URL of the database as text, for a command.
    pub fn url(&self) -> &str {
        &self.database.url
    }

    /// Where the server stores its files.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// A separate connection to the server's database.
    pub fn connection(&self) -> Conn {
        Conn::open(&self.database(), Purpose::Write).expect("opened")
    }

    /// Moves the clock forward.
    pub fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(token);
        Answer::of(request.send().await.expect("answered")).await
    }

    /// POST with a fresh idempotency key.
    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.post_with_key(token, path, &uuid::Uuid::now_v7().to_string(), body).await
    }

    /// POST with a chosen idempotency key.
    pub async fn post_with_key(&self, token: &str, path: &str, key: &str, body: Value) -> Answer {
        let body = body.to_string();
        let signature = self.screen_signature(token, ("POST", path), key.as_bytes(), body.as_bytes());
        let mut request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("Idempotency-Key", key)
            .header("Accept-Language", "en")
            .header("Content-Type", "application/json")
            .body(body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(signature) = signature {
            request = request.header("Waystation-Signature", signature);
        }
        Answer::of(request.send().await.expect("answered")).await
    }

    /// PUT with an `If-Match`.
    pub async fn put(&self, token: &str, path: &str, version: &str, body: Value) -> Answer {
        let request = self
            .client
            .put(format!("{}{path}", self.base))
            .header("If-Match", version)
            .bearer_auth(token)
            .json(&body);
        Answer::of(request.send().await.expect("answered")).await
    }

    /// The HTTP client itself, for requests that are wrong on purpose.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let handle = self.server.clone();
        tokio::spawn(async move { handle.stop(false).await });
    }
}
