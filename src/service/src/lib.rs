//! The service layer: one module per area of the product, one transaction per operation. An
//! operation checks who may do it, reads what it needs, asks `domain` to decide, and writes what
//! was decided. This crate contains no HTTP and no SQL, and takes the time from [`AppState::clock`]
//! only.

pub mod alert;
pub mod audit;
pub mod backup;
pub mod caller;
pub mod check_in;
pub mod consultation;
pub mod devices;
mod failure;
pub mod formulary;
pub mod health_access;
pub mod housekeeping;
mod idempotency;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod letter;
#[allow(dead_code)]
mod machine;
pub mod matching;
pub mod metrics;
pub mod network;
pub mod order;
pub mod page;
pub mod prescription;
pub mod profile;
pub mod rate_limit;
pub mod readiness;
pub mod report;
pub mod review;
pub mod safety;
pub mod staff;
pub mod stock;
pub mod triage;
mod tx;
pub mod vend;
pub mod vitals;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;

pub use caller::Actor;
pub use failure::Failure;
pub(crate) use health_access::HealthAccess;
pub use health_access::Part;
pub use idempotency::{Answer, IdempotentRequest};
pub use tx::{Recipients, Tx};

use base::{clock::Clock, telemetry::metrics::Metrics};
use coordination::{Coordination, Topic};
use crypto::{keyring::Keyring, seal::FieldPlace};
use domain::{ids::Id, policy::Policy, time::Timestamp};
use storage::{Conn, Store};

/// A write whose caller's row another transaction is changing is rolled back and run again this
/// many times; after that it waits for the row.
const WAIT_AFTER_TRIES: u32 = 3;

/// The state that all operations share, built once at startup.
pub struct AppState {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub policy: Policy,
    /// Keys and secrets.
    pub keys: Keyring,
    /// Counters and wake-ups (Redis at scale); their loss changes no durable answer.
    pub coordination: Arc<dyn Coordination>,
    /// Live figures behind the estimates of waiting time.
    pub(crate) estimates: consultation::EstimateCache,
    /// The cursor of the work that each cabinet last received: an idle poll then needs no database
    /// query.
    pub work_cursors: vend::WorkCursorCache,
    /// When this instance started: it heard nobody before, so silence is counted from here.
    pub(crate) opened_at: Timestamp,
    /// The public URL under which callers reach this server.
    pub public_url: String,
    pub metrics: Metrics,
    /// Where the seals of the audit chain are also written, outside the database.
    pub(crate) witness: Option<audit::Witness>,
    /// Items that jobs left for their next rounds.
    left: jobs::rounds::Left,
    pub(crate) metrics_cache: metrics::MetricsCache,
    /// The drugs that may be prescribed here; replaced whole when imported.
    edition: formulary::edition::Edition,
}

impl AppState {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        policy: Policy,
        keys: Keyring,
        coordination: Arc<dyn Coordination>,
    ) -> Self {
        let estimates = consultation::EstimateCache::default();
        // An evicted cabinet costs one more database read.
        let work_cursors = vend::WorkCursorCache::new(200_000);
        let opened_at = clock.now();
        let public_url = "http://127.0.0.1:8080".to_owned();
        let metrics = Metrics::default();
        metrics.describe(store.engine());
        store.register_metrics(&metrics);
        Self {
            store,
            clock,
            policy,
            keys,
            coordination,
            estimates,
            work_cursors,
            opened_at,
            public_url,
            metrics,
            witness: None,
            left: jobs::rounds::Left::default(),
            metrics_cache: metrics::MetricsCache::default(),
            edition: formulary::edition::Edition::default(),
        }
    }

    /// Sets the URL under which callers reach this server: links in letters and the audience of
    /// device assertions are made from it.
    pub fn with_public_url(mut self, public_url: &str) -> Self {
        public_url.trim_end_matches('/').clone_into(&mut self.public_url);
        self
    }

    /// Sets the folder in which the audit chain's witness file is stored.
    pub fn with_witness_dir(mut self, data_dir: &std::path::Path) -> Self {
        self.witness = Some(audit::Witness::under(data_dir));
        self
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The delay after which the database contains at the latest what other instances have heard.
    /// Callers and cabinets that seem silent to this instance get this much extra time.
    pub(crate) fn presence_lag(&self) -> TimeDelta {
        if self.coordination.is_single_instance() { TimeDelta::zero() } else { TimeDelta::seconds(15) }
    }

    /// Runs a read after checking that the caller's authority still holds. A read that shows
    /// another person's health data uses [`AppState::read_health`] instead.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        self.store
            .read(move |conn| {
                actor.ensure_live(conn, app.now())?;
                work(conn, &app)
            })
            .await
    }

    /// Runs an operation in one transaction, then wakes the listeners it concerns. The database may
    /// run `work` more than once ([`Store::write`]); its effects are committed once.
    ///
    /// The caller's authority is checked first and again in the last step: nothing is committed for
    /// a caller whose authority ended meanwhile.
    ///
    /// # Errors
    /// A refusal rolls the operation back, unless it called `commit_on_refusal`; a fault always does.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.write_with_lock_timeout(None, actor, work).await
    }

    /// As [`AppState::write`], but each locked row is waited for once, for `lock_timeout`: for
    /// jobs, which do in the next round what they cannot do now.
    async fn write_with_lock_timeout<T: Send + 'static>(
        self: &Arc<Self>,
        lock_timeout: Option<Duration>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        let tries = AtomicU32::new(0);
        // The health data that a rolled back operation has shown: a refusal may reveal a record.
        let refused_accesses = Arc::new(Mutex::new(Vec::new()));
        let refused_in_work = Arc::clone(&refused_accesses);
        let done = self
            .store
            .write_with_lock_timeout(lock_timeout, move |conn| {
                let wait = tries.fetch_add(1, Ordering::Relaxed) >= WAIT_AFTER_TRIES;
                let standing = actor.lock_live(conn, app.now())?;
                let mut tx = Tx::new(conn, &app, actor, standing);
                let outcome = work(&mut tx);
                let now = tx.now;
                let (mut after, keep) = tx.finish();
                let outcome = match outcome {
                    Ok(value) => Ok(value),
                    Err(Failure::Refused(refusal)) if keep => Err(Failure::Refused(refusal)),
                    Err(failure) => {
                        *refused_in_work.lock().unwrap_or_else(PoisonError::into_inner) = after.accesses;
                        return Err(failure);
                    }
                };
                if health_access::record(conn, actor, &after.accesses, now)? > 0 {
                    after.wakes.push(Topic::Operators);
                }
                if !after.ended_own {
                    actor.confirm(conn, now, after.seen(standing), wait)?;
                }
                Ok((outcome, after))
            })
            .await;
        if let Err(Failure::Refused(_)) = &done {
            let accesses =
                std::mem::take(&mut *refused_accesses.lock().unwrap_or_else(PoisonError::into_inner));
            self.record_accesses(actor, accesses).await?;
        }
        let (outcome, after) = done?;
        self.wake(after.wakes);
        for fact in after.facts {
            self.metrics.count(fact);
        }
        outcome
    }

    /// Encrypts a field, bound to its table, column and row.
    pub fn seal<K>(&self, table: &str, column: &str, row: Id<K>, plain: &str) -> Result<Vec<u8>, Failure> {
        Ok(self.keys.sealer.seal_text(&FieldPlace::of(&self.policy.network, table, column, row), plain)?)
    }

    /// Decrypts a field that [`AppState::seal`] encrypted for this table, column and row.
    pub fn open<K>(&self, table: &str, column: &str, row: Id<K>, sealed: &[u8]) -> Result<String, Failure> {
        Ok(self.keys.sealer.open_text(&FieldPlace::of(&self.policy.network, table, column, row), sealed)?)
    }

    /// Wakes listeners, each topic once.
    pub(crate) fn wake(&self, mut topics: Vec<Topic>) {
        let mut seen = std::collections::HashSet::new();
        topics.retain(|topic| seen.insert(*topic));
        for topic in topics {
            self.coordination.wake(topic);
        }
    }
}
