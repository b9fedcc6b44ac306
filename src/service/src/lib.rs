//! FLOOR 3: one transaction per verb; who may do it, and what follows. A verb
//! reads what it needs, asks `domain` to decide, and writes what was decided:
//! check, plan, write. It knows no HTTP, no SQL and no clock of its own.

pub mod alert;
pub mod audit;
pub mod backup;
pub mod bodies;
pub mod caller;
pub mod check_in;
pub mod consultation;
pub mod devices;
pub(crate) mod failure;
pub mod figures;
pub mod formulary;
pub mod housekeeping;
pub mod jobs;
pub mod keys;
pub mod ledger;
pub mod letter;
pub mod lifecycle;
pub mod limits;
pub mod matching;
pub mod network;
pub(crate) mod once;
pub mod order;
pub mod prescription;
pub mod profile;
pub mod readiness;
pub mod report;
pub mod review;
pub mod safety;
pub mod shown;
pub mod staff;
pub mod stock;
pub mod triage;
pub(crate) mod tx;
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
use ipnet::IpNet;

pub use caller::Actor;
pub use failure::Failure;
pub use once::{Answer, Once};
pub use shown::{Part, Shown};
pub use tx::{Hearers, Tx};

use base::{clock::Clock, telemetry::figures::Figures};
use coordination::{Coordination, Topic};
use crypto::{keyring::Keyring, seal::FieldPlace};
use domain::{ids::Id, policy::Policy, time::Timestamp};
use storage::{Conn, Store};

/// So often a write is undone and run again when its caller's row is being
/// changed in its last step; after that it waits for the row.
const PATIENT_AFTER: u32 = 3;

/// Everything a verb may lean on, built once by the composition root.
pub struct AppState {
    /// The door to the database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The rules' values.
    pub policy: Policy,
    /// Keys and secrets.
    pub keys: Keyring,
    /// What may be lost.
    pub coordination: Arc<dyn Coordination>,
    /// Live figures behind the estimates of waiting time.
    pub(crate) estimates: consultation::EstimateCache,
    /// What cabinets were told: their idle polls then ask no database.
    pub work_seen: vend::WorkSeen,
    /// Since when this instance listens: nobody was silent before.
    pub(crate) opened_at: Timestamp,
    /// The address that callers use, as they see it.
    pub public_url: String,
    /// Networks whose word on a caller's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that one address may hold.
    pub connections_per_address: usize,
    /// The bounds of requests' bodies.
    pub bodies: bodies::Bodies,
    /// What an operator watches.
    pub figures: Figures,
    /// Where the seals of the audit chain are written down outside the database.
    pub(crate) witness: Option<audit::Witness>,
    /// How far the process is on its way out.
    pub lifecycle: lifecycle::Lifecycle,
    /// What jobs left for their next rounds.
    left: jobs::rounds::Left,
    pub(crate) figures_cache: figures::FiguresCache,
    pub(crate) readiness: readiness::ReadinessCache,
    /// The drugs that may be prescribed here; replaced whole when imported.
    edition: formulary::edition::Edition,
}

impl AppState {
    /// Puts the parts together.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        policy: Policy,
        keys: Keyring,
        coordination: Arc<dyn Coordination>,
    ) -> Self {
        let estimates = consultation::EstimateCache::default();
        // A cabinet that drops out is read again; nothing more.
        let work_seen = vend::WorkSeen::new(200_000);
        let opened_at = clock.now();
        let public_url = "http://127.0.0.1:8080".to_owned();
        let figures = Figures::default();
        figures.describe(store.engine());
        store.add_figures(&figures);
        Self {
            store,
            clock,
            policy,
            keys,
            coordination,
            estimates,
            work_seen,
            opened_at,
            public_url,
            trusted_proxies: Vec::new(),
            connections_per_address: usize::MAX,
            bodies: bodies::Bodies::default(),
            figures,
            witness: None,
            lifecycle: lifecycle::Lifecycle::default(),
            left: jobs::rounds::Left::default(),
            figures_cache: figures::FiguresCache::default(),
            readiness: readiness::ReadinessCache::default(),
            edition: formulary::edition::Edition::default(),
        }
    }

    /// Says under which address callers reach this house: links in letters and
    /// the audience of device assertions are made of it.
    pub fn reached_at(mut self, public_url: &str) -> Self {
        public_url.trim_end_matches('/').clone_into(&mut self.public_url);
        self
    }

    /// Says under which folder the audit chain's witness is kept.
    pub fn witnessed_under(mut self, data_dir: &std::path::Path) -> Self {
        self.witness = Some(audit::Witness::under(data_dir));
        self
    }

    /// Says which proxies stand in front of this house.
    pub fn behind(mut self, proxies: &[IpNet]) -> Self {
        proxies.clone_into(&mut self.trusted_proxies);
        self
    }

    /// Says how many connections one address may hold.
    pub fn admitting(mut self, connections_per_address: usize) -> Self {
        self.connections_per_address = connections_per_address;
        self
    }

    /// Says how long bodies may take.
    pub fn taking(mut self, bodies: bodies::Bodies) -> Self {
        self.bodies = bodies;
        self
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// After this long the database knows at the latest what another instance
    /// has heard: who seems silent here is left alone so much longer.
    pub(crate) fn hearsay(&self) -> TimeDelta {
        if self.coordination.alone() { TimeDelta::zero() } else { TimeDelta::seconds(15) }
    }

    /// Runs a read for a caller whose authority still holds. What shows anybody
    /// else's health data runs in [`AppState::read_health`] instead.
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

    /// Runs a verb in one transaction, then wakes whoever it concerns. The
    /// database may have it run more than once ([`Store::write`]); it is kept once.
    ///
    /// The caller's authority is looked at first, and once more in the last step:
    /// nothing is kept that a caller did whose authority ended meanwhile.
    ///
    /// # Errors
    /// A refusal undoes the verb's work, unless it said `keep_on_refusal`;
    /// a fault always does.
    pub async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.write_waiting(None, actor, work).await
    }

    /// The same, and each held row is waited for once, for `only` so long: where
    /// what is not done now is done in the next round.
    async fn write_waiting<T: Send + 'static>(
        self: &Arc<Self>,
        only: Option<Duration>,
        actor: Actor,
        work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        let tries = AtomicU32::new(0);
        // What an undone verb has shown: a refusal may tell of a record.
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let done = self
            .store
            .write_in(only, move |conn| {
                let patient = tries.fetch_add(1, Ordering::Relaxed) >= PATIENT_AFTER;
                let standing = actor.hold_live(conn, app.now())?;
                let mut tx = Tx::new(conn, &app, actor, standing);
                let outcome = work(&mut tx);
                let now = tx.now;
                let (mut after, keep) = tx.finish();
                let kept = match outcome {
                    Ok(value) => Ok(value),
                    Err(Failure::Refused(refusal)) if keep => Err(Failure::Refused(refusal)),
                    Err(failure) => {
                        *tell.lock().unwrap_or_else(PoisonError::into_inner) = after.readings;
                        return Err(failure);
                    }
                };
                if shown::record(conn, actor, &after.readings, now)? > 0 {
                    after.woken.push(Topic::Operators);
                }
                if !after.ended_own {
                    actor.confirm(conn, now, after.seen(standing), patient)?;
                }
                Ok((kept, after))
            })
            .await;
        if let Err(Failure::Refused(_)) = &done {
            let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
            self.record_readings(actor, told).await?;
        }
        let (outcome, after) = done?;
        self.wake(after.woken);
        for fact in after.facts {
            self.figures.count(fact);
        }
        outcome
    }

    /// Seals a field for the row it stands in.
    pub fn seal<K>(&self, table: &str, column: &str, row: Id<K>, plain: &str) -> Result<Vec<u8>, Failure> {
        Ok(self.keys.sealer.seal_text(&FieldPlace::of(&self.policy.network, table, column, row), plain)?)
    }

    /// Opens a field of the row it stands in.
    pub fn open<K>(&self, table: &str, column: &str, row: Id<K>, sealed: &[u8]) -> Result<String, Failure> {
        Ok(self.keys.sealer.open_text(&FieldPlace::of(&self.policy.network, table, column, row), sealed)?)
    }

    /// Wakes listeners, each topic once.
    pub(crate) fn wake(&self, mut topics: Vec<Topic>) {
        let mut told = std::collections::HashSet::new();
        topics.retain(|topic| told.insert(*topic));
        for topic in topics {
            self.coordination.wake(topic);
        }
    }
}
