//! The composition root: the only place that sees every floor, and the only
//! one that chooses a backend.

mod allocator;
mod audit;
mod backup;
pub mod cli;
mod demo;
mod import;
mod keys;
mod serving;
mod settings;
mod shutdown;

use std::{sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use base::{
    clock::Clock,
    config::{Config, ConfigError, Instances},
};
use coordination::{Coordination, Memory, Redis};
use crypto::{keyring::Keyring, keys::MasterSecret, seal::SealKeyId};
use mail::{Mailer, TextSender};
use service::{AppState, Failure, bodies::Bodies};
use storage::{DatabaseUrl, Store, Waits};

/// A house whose doors are not open yet.
pub struct Built {
    /// The services.
    pub app: Arc<AppState>,
    /// How letters leave: for the jobs.
    pub mailer: Arc<Mailer>,
    /// How text messages leave: for the jobs.
    pub texts: Arc<TextSender>,
}

/// Opens the database, loads the keys and puts the house together.
///
/// # Errors
/// What could not be opened or read, and why.
pub async fn build(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Built> {
    let policy = settings::policy(config).map_err(ConfigError::Refused)?;
    let url = DatabaseUrl::parse(config.database_url.expose_secret())
        .map_err(|why| anyhow::anyhow!("setting `database_url`: {why}"))?;
    let store = Store::open_with(&url, config.database_connections, waits(config))?;
    tracing::info!(engine = store.engine(), "database is open");
    let secret = config.master_secret.as_ref().context("setting `master_secret` is missing")?;
    let keys = keyring(config, secret, &store, clock.as_ref(), &policy.network).await?;
    let coordination = coordination(config, &url, &policy.network)?;
    let app = AppState::new(store, clock, policy, keys, coordination);
    let bodies =
        Bodies::new(Duration::from_millis(config.body_ms), Duration::from_millis(config.body_pause_ms));
    let app = Arc::new(
        app.reached_at(&config.public_url)
            .behind(&config.trusted_proxies)
            .taking(bodies)
            .admitting(config.connections_per_address)
            .witnessed_under(&config.data_dir),
    );
    let products = service::formulary::load(&app).await?;
    tracing::info!(products, "formulary is in force");
    let mailer = Arc::new(Mailer::new(&config.mail, &config.data_dir)?.reached_at(&config.public_url));
    let texts = Arc::new(TextSender::new(&config.sms, &config.data_dir)?);
    Ok(Built { app, mailer, texts })
}

/// How long the database is waited for.
fn waits(config: &Config) -> Waits {
    Waits {
        lock: Duration::from_millis(config.database_lock_ms),
        statement: Duration::from_millis(config.database_statement_ms),
        idle: Duration::from_millis(config.database_idle_ms),
        checkout: Duration::from_millis(config.database_checkout_ms),
    }
}

/// What may be lost: in memory, or shared with other instances.
fn coordination(config: &Config, url: &DatabaseUrl, network: &str) -> anyhow::Result<Arc<dyn Coordination>> {
    if let Some(shared_at) = &config.redis_url {
        let shared = Redis::connect(shared_at.expose_secret(), network)
            .map_err(|why| anyhow::anyhow!("setting `redis_url`: {why}"))?;
        return Ok(Arc::new(shared));
    }
    Ok(Arc::new(match (url, config.instances) {
        (DatabaseUrl::Sqlite(_), _) | (DatabaseUrl::Postgres(_), Instances::One) => Memory::alone(),
        (DatabaseUrl::Postgres(_), Instances::Several) => {
            tracing::warn!(
                "other instances are heard only through the database, at the end of each poll: set \
                 `redis_url`, or `instances = \"one\"` if there are none"
            );
            Memory::beside_others()
        }
    }))
}

async fn keyring(
    config: &Config,
    secret: &SecretString,
    store: &Store,
    clock: &dyn Clock,
    network: &str,
) -> anyhow::Result<Keyring> {
    let master = MasterSecret::from_base64(secret.expose_secret()).context("setting `master_secret`")?;
    let configured: Vec<SealKeyId> = config.seal_keys.iter().copied().map(SealKeyId).collect();
    let (network, now) = (network.to_owned(), clock.now());
    let loading = store
        .write::<_, Failure>(move |conn| service::keys::load(conn, &master, &configured, &network, now))
        .await;
    Ok(loading?)
}

/// What was sent and not acknowledged for so long, or what a caller does not read
/// for so long, ends the connection. Our default.
const UNREAD: Duration = Duration::from_secs(60);

/// Bounds what the system keeps for a caller who does not read: connections that
/// are accepted inherit it.
fn end_unread(listener: &std::net::TcpListener) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(listener).set_tcp_user_timeout(Some(UNREAD)) {
        tracing::warn!(%error, "connections of callers who do not read are not ended");
    }
}

/// How long accepted requests may take to end, unless the settings say so.
const SHUTDOWN_SECONDS: u64 = 30;

/// Opens the operators' door: `/metrics` and nothing else.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve_metrics(
    app: &Arc<AppState>,
    listener: std::net::TcpListener,
    token: Option<&SecretString>,
) -> std::io::Result<Server> {
    let app = web::Data::new(Arc::clone(app));
    let token = http::metrics::MetricsToken::new(token.map(ExposeSecret::expose_secret));
    let token = web::Data::new(token);
    let server = HttpServer::new(move || {
        App::new().app_data(app.clone()).app_data(token.clone()).configure(http::metrics::configure)
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

/// Opens the doors on `listener`. The caller ends the server: it listens to
/// no signals.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve(
    app: &Arc<AppState>,
    listener: std::net::TcpListener,
    http_workers: usize,
) -> std::io::Result<Server> {
    serve_for(app, listener, http_workers, SHUTDOWN_SECONDS)
}

/// The same; accepted requests have `shutdown_seconds` to end.
fn serve_for(
    app: &Arc<AppState>,
    listener: std::net::TcpListener,
    http_workers: usize,
    shutdown_seconds: u64,
) -> std::io::Result<Server> {
    end_unread(&listener);
    let connections = http::connections::Connections::of(app);
    let app = web::Data::new(Arc::clone(app));
    let tokens = web::Data::new(http::token_cache::TokenCache::default());
    let mut server = HttpServer::new(move || {
        App::new()
            .wrap(actix_web::middleware::from_fn(http::span::surround))
            .app_data(app.clone())
            .app_data(tokens.clone())
            .configure(http::configure)
    })
    .on_connect(move |connection, known| connections.accept(connection, known))
    .shutdown_timeout(shutdown_seconds)
    .disable_signals()
    .listen(listener)?;
    if http_workers > 0 {
        server = server.workers(http_workers);
    }
    Ok(server.run())
}
