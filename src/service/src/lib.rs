//! The service layer: one module per area of the product, one transaction per operation. An
//! operation checks who may do it, reads what it needs, asks `domain` to decide, and writes what
//! was decided. This crate contains no HTTP and no SQL, and takes the time from [`AppState::clock`]
//! only.

mod activity;
pub mod alert;
pub mod audit;
pub mod backup;
pub mod bounds;
pub mod caller;
pub mod check_in;
pub mod consultation;
pub mod devices;
pub mod edition;
mod event_stream;
mod failure;
pub mod formulary;
pub mod health_access;
pub mod housekeeping;
pub mod idempotency;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod letter;
mod machine;
pub mod matching;
pub mod metrics;
pub mod network;
pub mod order;
mod packed;
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

use std::sync::Arc;

use chrono::TimeDelta;

pub use caller::Actor;
pub use failure::Failure;
pub(crate) use health_access::HealthAccess;
pub use health_access::Part;
pub use idempotency::{Answer, IdempotentRequest};
pub use tx::{Recipients, Tx};

use base::{clock::Clock, telemetry::metrics::Metrics};
use coordination::Coordination;
use crypto::{keyring::Keyring, seal::FieldPlace};
use domain::{ids::Id, policy::Policy, time::Timestamp};
use signing::Signing;
use storage::Store;

/// The state that all operations share, built once at startup.
pub struct AppState {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub policy: Policy,
    /// Keys and secrets.
    pub keys: Keyring,
    /// Doctors' signatures that are made, and certificates that are issued, elsewhere.
    pub(crate) signing: Signing,
    /// Counters and wake-ups (Redis at scale); their loss changes no durable answer.
    pub coordination: Arc<dyn Coordination>,
    /// Live figures behind the estimates of waiting time.
    pub(crate) estimates: consultation::EstimateCache,
    pub(crate) silent_doctors: matching::heard::SilentDoctors,
    /// The cursor of the work that each cabinet last received: an idle poll then needs no database
    /// query.
    pub work_cursors: vend::WorkCursorCache,
    pub(crate) device_keys: vend::DeviceKeyCache,
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
    pub(crate) activity: activity::KnownActivity,
    pub(crate) recorded_accesses: health_access::RecordedAccesses,
    pub(crate) access_queue: health_access::AccessQueue,
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
        let device_keys = vend::DeviceKeyCache::new(200_000);
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
            signing: Signing::default(),
            coordination,
            estimates,
            silent_doctors: matching::heard::SilentDoctors::default(),
            work_cursors,
            device_keys,
            opened_at,
            public_url,
            metrics,
            witness: None,
            left: jobs::rounds::Left::default(),
            metrics_cache: metrics::MetricsCache::default(),
            activity: activity::KnownActivity::default(),
            recorded_accesses: health_access::RecordedAccesses::default(),
            access_queue: health_access::AccessQueue::default(),
            edition: formulary::edition::Edition::default(),
        }
    }

    /// Sets the URL under which callers reach this server: links in letters and the audience of
    /// device assertions are made from it.
    pub fn with_public_url(mut self, public_url: &str) -> Self {
        public_url.trim_end_matches('/').clone_into(&mut self.public_url);
        self
    }

    /// Sets where doctors' signatures are made and whose certificates are trusted.
    pub fn with_signing(mut self, signing: Signing) -> Self {
        self.signing = signing;
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

    /// Encrypts a field, bound to its table, column and row.
    pub fn seal<K>(&self, table: &str, column: &str, row: Id<K>, plain: &str) -> Result<Vec<u8>, Failure> {
        let place = FieldPlace::of(&self.policy.network, table, column, row);
        let sealed = self.keys.sealer.seal_text(&place, plain);
        sealed.map_err(|error| Failure::caused(format!("{table}.{column} of {row}"), error))
    }

    /// Decrypts a field that [`AppState::seal`] encrypted for this table, column and row.
    pub fn open<K>(&self, table: &str, column: &str, row: Id<K>, sealed: &[u8]) -> Result<String, Failure> {
        let place = FieldPlace::of(&self.policy.network, table, column, row);
        let opened = self.keys.sealer.open_text(&place, sealed);
        opened.map_err(|error| Failure::caused(format!("{table}.{column} of {row}"), error))
    }
}
