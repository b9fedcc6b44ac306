//! The composition root: the only place that chooses a backend.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};

use crate::settings;
use base::{
    clock::Clock,
    config::{Config, ConfigError, Instances},
};
use coordination::{Coordination, Memory, Redis};
use crypto::{keyring::Keyring, keys::MasterSecret, seal::SealKeyId};
use http::{
    process::{Process, bodies::Bodies},
    validation::schemas::Schemas,
};
use mail::{Mailer, SmsSender};
use service::{AppState, Failure};
use signing::Signing;
use storage::{DatabaseUrl, Store, Waits};

/// The assembled server, before it listens.
pub struct Built {
    pub app: Arc<AppState>,
    pub process: Arc<Process>,
    /// Sends letters; used by the jobs.
    pub mailer: Arc<Mailer>,
    /// Sends text messages; used by the jobs.
    pub texts: Arc<SmsSender>,
}

/// Opens the database, loads the keys and builds the application state.
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
    let app = app.with_public_url(&config.public_url).with_witness_dir(&config.data_dir);
    let app = Arc::new(app.with_signing(Signing::new(&config.signing)?));
    let bodies =
        Bodies::new(Duration::from_millis(config.body_ms), Duration::from_millis(config.body_pause_ms));
    let schemas = Schemas::under(&app.policy);
    let process = Process::new(&config.trusted_proxies, config.connections_per_address, bodies, schemas);
    service::idempotency::move_old_answers(&app).await?;
    let products = service::formulary::load(&app).await?;
    tracing::info!(products, "formulary is in force");
    let mailer = Arc::new(Mailer::new(&config.mail, &config.data_dir)?.with_public_url(&config.public_url));
    let texts = Arc::new(SmsSender::new(&config.sms, &config.data_dir)?);
    Ok(Built { app, process: Arc::new(process), mailer, texts })
}

/// The database timeouts.
fn waits(config: &Config) -> Waits {
    Waits {
        lock: Duration::from_millis(config.database_lock_ms),
        statement: Duration::from_millis(config.database_statement_ms),
        idle: Duration::from_millis(config.database_idle_ms),
        checkout: Duration::from_millis(config.database_checkout_ms),
    }
}

/// The backend for state that may be lost: in memory, or Redis when several instances share it.
fn coordination(config: &Config, url: &DatabaseUrl, network: &str) -> anyhow::Result<Arc<dyn Coordination>> {
    if let Some(shared_at) = &config.redis_url {
        let shared = Redis::connect(shared_at.expose_secret(), network)
            .map_err(|why| anyhow::anyhow!("setting `redis_url`: {why}"))?;
        return Ok(Arc::new(shared));
    }
    Ok(Arc::new(match (url, config.instances) {
        (DatabaseUrl::Sqlite(_), _) | (DatabaseUrl::Postgres(_), Instances::One) => Memory::single_instance(),
        (DatabaseUrl::Postgres(_), Instances::Several) => {
            tracing::warn!(
                "other instances are heard only through the database, at the end of each poll: set \
                 `redis_url`, or `instances = \"one\"` if there are none"
            );
            Memory::one_of_several()
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
