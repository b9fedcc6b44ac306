//! A house of its own for every test: a database copied from a migrated one,
//! a socket on port 0, and a clock that the test moves.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    engines::{Database, Engine, engine},
    screen::DeviceKeys,
};
use base::{
    clock::{Clock, ManualClock},
    config::{Config, Flags, Instances},
};
use domain::time::Timestamp;
use service::AppState;
use storage::{Conn, DatabaseUrl, conn::Purpose};

/// A running house.
pub struct TestApp {
    pub base: String,
    pub state: Arc<AppState>,
    pub clock: ManualClock,
    /// By these the harness signs for screens.
    pub keys: DeviceKeys,
    client: Client,
    server: actix_web::dev::ServerHandle,
    config: Config,
    // Dropped in this order: PostgreSQL's database is taken away under a house
    // that nobody asks any more.
    database: Arc<Database>,
    _dir: Arc<tempfile::TempDir>,
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
    /// Builds and opens a house with an empty network.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// The same under settings of its own.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::migrated(dir.path());
        let clock = ManualClock::at(start_of_test());
        let mut config = Self::config(dir.path(), &database);
        change(&mut config);
        Self::build(config, clock, Arc::new(database), Arc::new(dir), DeviceKeys::default()).await
    }

    fn config(folder: &Path, database: &Database) -> Config {
        let mut config = Config::load(None, &Flags::default()).expect("the defaults");
        config.database_url = database.url.clone().into();
        config.database_connections = 4;
        config.instances = Instances::One;
        config.data_dir = folder.join("data");
        config.master_secret = Some("d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=".to_owned().into());
        config.policy.insert("cabinet_lane".to_owned(), json!("institution_dispense"));
        config
    }

    /// Opens what a released version left; its people went on at another time,
    /// so the test sets the clock.
    pub async fn open_released(version: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let database = Database::released(dir.path(), version);
        let name = match engine() {
            Engine::Sqlite => "sqlite-master-secret",
            Engine::Postgres => "postgres-master-secret",
        };
        let kept = root().join("tests/released").join(version);
        let secret = std::fs::read_to_string(kept.join(name)).expect("a secret");
        let mut config = Self::config(dir.path(), &database);
        config.master_secret = Some(secret.trim().to_owned().into());
        let clock = ManualClock::at(start_of_test());
        Self::build(config, clock, Arc::new(database), Arc::new(dir), DeviceKeys::default()).await
    }

    /// A second instance on the same database, under the same clock.
    pub async fn another(&self) -> Self {
        let (database, dir) = (Arc::clone(&self.database), Arc::clone(&self._dir));
        Self::build(self.config.clone(), self.clock.clone(), database, dir, self.keys.clone()).await
    }

    async fn build(
        config: Config,
        clock: ManualClock,
        database: Arc<Database>,
        dir: Arc<tempfile::TempDir>,
        keys: DeviceKeys,
    ) -> Self {
        let built = waystation::build(&config, Arc::new(clock.clone())).await.expect("built");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = waystation::serve(&built.app, listener, 2).expect("served");
        let handle = server.handle();
        // actix runs on the test's own runtime.
        tokio::spawn(server);
        Self {
            base,
            state: built.app,
            clock,
            keys,
            client: Client::new(),
            server: handle,
            config,
            database,
            _dir: dir,
        }
    }

    /// The house's database.
    pub fn database(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.database.url).expect("a URL")
    }

    /// The same as text, for a command.
    pub fn url(&self) -> &str {
        &self.database.url
    }

    /// Where the house keeps its files.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// A connection of one's own to the house's database.
    pub fn connection(&self) -> Conn {
        Conn::open(&self.database(), Purpose::Write).expect("opened")
    }

    /// Moves the clock.
    pub fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// GET
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

    /// The raw client, for requests that are wrong on purpose.
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

/// A status with its JSON body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    pub headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, body, headers }
    }

    /// The body, if the status is `status`; else the test fails showing both.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Checks a problem's status and code, and gives its body.
    #[track_caller]
    pub fn problem(mut self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["code"], code, "{}", self.body);
        // Problems are compared, and no two requests have the same id.
        let id = self.body.as_object_mut().and_then(|body| body.remove("request_id"));
        assert_eq!(id.as_ref().and_then(Value::as_str), self.headers["x-request-id"].to_str().ok());
        self.body
    }
}
