//! Simulated cabinets, each a task: an idle one is just a long poll, so that
//! hundreds fit one process. They run the state machine of
//! `domain::vend::cabinet_side` and have a journal that survives a kill.
//!
//! Invariant: a motor never runs before its INTENT is on disk, and never again
//! after a restart.

mod journal_file;
mod machine;
mod restock;
mod vending;

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::{RwLock, Semaphore};

pub use journal_file::Fallen;

use super::{
    client::{Api, As, Call, CallError},
    hatch::Hatches,
    pace::Pace,
};
use crypto::{CryptoError, device::DeviceKey, public_key::PublicKeys, vend_auth};
use domain::{
    ids::{DeviceId, StaffId},
    vend::messages::SlotReport,
};
use machine::{Halt, Machine};

/// Cabinets that connect at the same time; the others wait.
const STARTS_AT_ONCE: usize = 12;
/// Pauses between tries to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// One cabinet to simulate.
#[derive(Debug, Clone)]
pub struct CabinetPlan {
    pub station_code: String,
    pub device: DeviceId,
    pub key: DeviceKey,
    pub epoch: i64,
    /// The initial stock; packs that dropped since are subtracted.
    pub slots: Vec<SlotReport>,
    /// Whether the door was open in its last report.
    pub door_open: bool,
    /// Who fills it when it runs low; `None`: nobody.
    pub restocker: Option<StaffId>,
}

/// What all simulated cabinets share.
pub struct Fleet {
    api: Api,
    issuer: String,
    hatches: Arc<Hatches>,
    keys: RwLock<PublicKeys>,
    root: Option<PathBuf>,
    pace: Pace,
    starts: Semaphore,
}

impl Fleet {
    /// A fleet with its journals under `root`, or in memory if `None`. `issuer` is the
    /// network's name, which a real cabinet has in its settings.
    pub fn new(
        api: Api,
        issuer: &str,
        hatches: Arc<Hatches>,
        root: Option<PathBuf>,
        pace: Pace,
    ) -> Arc<Self> {
        let keys = RwLock::new(PublicKeys::default());
        let starts = Semaphore::new(STARTS_AT_ONCE);
        Arc::new(Self { api, issuer: issuer.to_owned(), hatches, keys, root, pace, starts })
    }

    /// Runs one cabinet until its key is revoked or its disk fails.
    pub async fn run(self: Arc<Self>, plan: CabinetPlan) {
        let station = plan.station_code.clone();
        let mut machine = match Machine::boot(&self, plan).await {
            Ok(machine) => machine,
            Err(error) => {
                tracing::error!(%error, station, "a simulated cabinet does not start");
                return;
            }
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match machine.connect().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(halt) => {
                    if self.stopped_by(&halt, &station) {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            }
            match machine.serve().await {
                Ok(never) => match never {},
                Err(halt) if self.stopped_by(&halt, &station) => return,
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
    }

    fn stopped_by(&self, halt: &Halt, station: &str) -> bool {
        match halt {
            Halt::Call(error) if matches!(error.code(), "epoch_revoked" | "device_revoked") => {
                tracing::info!(station, "a simulated cabinet was replaced or revoked");
                true
            }
            Halt::Call(error) => {
                tracing::debug!(%error, station, "a simulated cabinet lost the server");
                false
            }
            Halt::Disk(error) => {
                tracing::error!(%error, station, "a simulated cabinet's disk fails; it stops");
                true
            }
        }
    }

    /// Checks a vend authorization; fetches the server's keys if its key is unknown.
    async fn verify(
        &self,
        jws: &str,
        device: DeviceId,
        epoch: i64,
    ) -> Result<vend_auth::VendAuthorization, CallError> {
        let checked = vend_auth::verify(&*self.keys.read().await, jws, &self.issuer, device, epoch);
        match checked {
            Err(CryptoError::KeyUnknown) => {}
            checked => return Ok(checked?),
        }
        let served: Value = self.api.call(As::Nobody, Call::get("/.well-known/jwks.json")).await?;
        let keys = PublicKeys::from_jwks(&served)?;
        let checked = vend_auth::verify(&keys, jws, &self.issuer, device, epoch);
        *self.keys.write().await = keys;
        Ok(checked?)
    }
}
