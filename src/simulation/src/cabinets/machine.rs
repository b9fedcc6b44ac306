//! One simulated cabinet: the connection to the server, the keypad, the motor and
//! the disk, around the state machine of `domain`.

use std::{collections::HashSet, convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    CabinetPlan, Fleet,
    journal_file::{Disk, bodies},
};
use crate::{
    client::{As, Call, CallError},
    hatch::{KeypadAnswer, Typed},
    sessions::Device,
};
use crypto::random;
use domain::{
    ids::{AttemptId, StaffId},
    stock::SlotNo,
    time::Timestamp,
    vend::{
        BootId, Epoch, NotDispensedReason,
        cabinet_side::{CabinetSide, Permission, Step},
        journal::{Body, Journal},
        messages::{
            EventsAnswer, EventsRequest, HelloAnswer, HelloRequest, SlotReport, Versions, WorkAnswer,
            WorkItem,
        },
    },
};

/// Seconds that a long poll waits on the server.
const POLL_SECONDS: u32 = domain::policy::LONGEST_POLL_S;
/// How long a code is kept that was typed before its authorization arrived.
pub(super) const EARLY_CODE_LIFETIME: Duration = Duration::from_secs(15);

/// Why a cabinet stopped serving.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The server refused, or did not respond.
    Call(CallError),
    /// Something could not be made durable, so nothing may be done on it.
    Disk(io::Error),
}
impl From<CallError> for Halt {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}
impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// An authorized pack that waits for its pickup code.
pub(super) struct Pending {
    pub(super) attempt: AttemptId,
    product_code: String,
    lot_no: String,
    /// Equal for all packs of one order, which are authorised together.
    pub(super) issued_at: Timestamp,
}

pub struct Machine {
    pub(super) fleet: Arc<Fleet>,
    device: Arc<Device>,
    station_code: String,
    epoch: Epoch,
    pub(super) boot: BootId,
    started_at: Instant,
    /// `None`: the journal is lost when the process ends.
    pub(super) disk: Option<Arc<Disk>>,
    journal: Journal,
    pub(super) side: CabinetSide,
    pub(super) slots: Vec<SlotReport>,
    /// Slots whose motor jammed since they were counted.
    pub(super) jammed: HashSet<SlotNo>,
    /// `None`: nobody fills the cabinet.
    pub(super) restocker: Option<StaffId>,
    /// The door was left open.
    pub(super) door_left_open: bool,
    cursor: i64,
    pub(super) pending: Vec<Pending>,
    keypad: mpsc::Receiver<Typed>,
    pub(super) early_code: Option<(Typed, Instant)>,
}

impl Machine {
    /// Boots from what is on disk.
    pub async fn boot(fleet: &Arc<Fleet>, plan: CabinetPlan) -> io::Result<Self> {
        let (disk, journal, drops) = match &fleet.root {
            None => (None, Journal::default(), Vec::new()),
            Some(root) => {
                let folder = root.join(&plan.station_code);
                on_disk(move || {
                    let disk = Disk::open(folder)?;
                    let (journal, drops) = (disk.load_journal()?, disk.load_drops()?);
                    Ok((Some(Arc::new(disk)), journal, drops))
                })
                .await?
            }
        };
        let boot = BootId::from_bytes(random::bytes());
        let (side, steps) = CabinetSide::boot(boot, &bodies(&journal));
        let mut slots = plan.slots;
        for slot in &mut slots {
            let fallen = drops.iter().filter(|drop| drop.slot == slot.slot).count();
            slot.count = slot.count.saturating_sub(u32::try_from(fallen).unwrap_or(u32::MAX));
        }
        let mut machine = Self {
            keypad: fleet.hatches.install(&plan.station_code),
            device: Arc::new(Device::new(fleet.api.clone(), plan.device, plan.key)),
            fleet: Arc::clone(fleet),
            station_code: plan.station_code,
            epoch: Epoch(plan.epoch),
            boot,
            started_at: Instant::now(),
            disk,
            journal,
            side,
            slots,
            jammed: HashSet::new(),
            restocker: plan.restocker,
            door_left_open: plan.door_open,
            cursor: 0,
            pending: Vec::new(),
            early_code: None,
        };
        for step in steps {
            if let Step::Write(body) = step {
                machine.write(body).await?;
            }
        }
        Ok(machine)
    }

    /// Sends hello and then the unacknowledged journal entries.
    pub async fn connect(&mut self) -> Result<(), Halt> {
        let fleet = Arc::clone(&self.fleet);
        let _turn = fleet.starts.acquire().await;
        let hello = HelloRequest {
            epoch: self.epoch,
            boot_id: self.boot,
            mono_ms: self.mono_ms(),
            wall: self.wall(),
            journal: self.journal.head(),
            open_intents: self.open_intents(),
            door_open: self.side.door_is_open(),
            tampered: false,
            slots: self.slots.clone(),
            versions: Versions { firmware: "simulated-1".into(), protocol: 1 },
        };
        let response: HelloAnswer = self.post("/cabinet/v1/hello".to_owned(), &hello).await?;
        self.journal.ack(response.acked_seq);
        self.report().await?;
        self.restock_if_low().await
    }

    /// Processes work and typed codes until a call fails.
    pub async fn serve(&mut self) -> Result<Infallible, Halt> {
        loop {
            let (api, device) = (self.fleet.api.clone(), Arc::clone(&self.device));
            let path = format!("/cabinet/v1/work?cursor={}&wait={POLL_SECONDS}", self.cursor);
            // In a task of its own, which is polled whatever this one does. The long
            // poll may hold the lock of the device's token while renewing it: if it
            // were not polled while a typed code waits for that lock, both would
            // deadlock.
            let mut poll = JoinSet::new();
            poll.spawn(
                async move { api.call::<WorkAnswer>(As::Cabinet(&device), Call::get(path).once()).await },
            );
            let response = loop {
                let early_code_until = self.early_code.as_ref().map(|(_, until)| *until);
                tokio::select! {
                    biased;
                    Some(typed) = self.keypad.recv() => {
                        self.handle_code(typed).await?;
                        self.restock_if_low().await?;
                    }
                    response = poll.join_next() => break poll_result(response)?,
                    () = deadline(early_code_until) => self.reject_early_code("nothing_waits"),
                }
            };
            self.handle_work(response).await?;
            self.report().await?;
            if !self.pending.is_empty()
                && let Some((typed, _)) = self.early_code.take()
            {
                self.handle_code(typed).await?;
            }
            self.restock_if_low().await?;
        }
    }

    async fn handle_work(&mut self, response: WorkAnswer) -> Result<(), Halt> {
        self.cursor = response.cursor;
        for item in response.items {
            match item {
                WorkItem::Vend { attempt, authorization } => {
                    self.handle_authorization(attempt, &authorization).await?
                }
                WorkItem::Void { attempt } => {
                    self.side.void(attempt);
                    self.forget(attempt);
                }
                WorkItem::Recall { product_code, lot_no } => {
                    let recalled: Vec<AttemptId> = self
                        .pending
                        .iter()
                        .filter(|pack| pack.product_code == product_code && pack.lot_no == lot_no)
                        .map(|pack| pack.attempt)
                        .collect();
                    for attempt in recalled {
                        let steps = self.side.decline(attempt, NotDispensedReason::Recalled);
                        self.write_all(steps).await?;
                        self.forget(attempt);
                    }
                }
            }
        }
        self.show_waiting();
        Ok(())
    }

    async fn handle_authorization(&mut self, attempt: AttemptId, jws: &str) -> Result<(), Halt> {
        let checked = self.fleet.verify(jws, self.device.id, self.epoch.0).await;
        let authorization = match checked {
            Ok(authorization) if authorization.attempt == attempt => authorization,
            Ok(_) | Err(CallError::Ours(_)) => {
                tracing::warn!(%attempt, station = self.station_code, "a vend authorization does not verify");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some(slot) = authorization.slot.parse().ok().and_then(SlotNo::new) else {
            tracing::warn!(%attempt, "a vend authorization names no slot");
            return Ok(());
        };
        let lot_no = authorization.lot;
        if self.side.authorize(Permission { attempt, slot, lot_no: lot_no.clone() }) {
            let product_code = authorization.product_code;
            self.pending.push(Pending { attempt, product_code, lot_no, issued_at: authorization.issued_at });
        }
        Ok(())
    }

    /// Sends journal entries until the server has acknowledged all of them.
    pub(super) async fn report(&mut self) -> Result<(), Halt> {
        loop {
            let entries = self.journal.unacked().to_vec();
            let Some(first) = entries.first().map(|entry| entry.seq) else { return Ok(()) };
            let batch = EventsRequest { epoch: self.epoch, entries };
            let response: EventsAnswer = self.post("/cabinet/v1/events".to_owned(), &batch).await?;
            if response.acked_seq < first {
                let path = "/cabinet/v1/events".to_owned();
                let why = format!("asked for entry {} again", response.acked_seq + 1);
                return Err(CallError::Unreadable { path, why }.into());
            }
            self.journal.ack(response.acked_seq);
        }
    }

    pub(super) async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        body: &impl serde::Serialize,
    ) -> Result<T, CallError> {
        self.fleet.api.call(As::Cabinet(&self.device), Call::post_plain(path, body).once()).await
    }

    pub(super) async fn write_all(&mut self, steps: Vec<Step>) -> io::Result<()> {
        for step in steps {
            if let Step::Write(body) = step {
                self.write(body).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn write(&mut self, body: Body) -> io::Result<()> {
        let (mono_ms, wall) = (self.mono_ms(), self.wall());
        let entry = self.journal.append(self.boot, mono_ms, wall, body).clone();
        match &self.disk {
            None => Ok(()),
            Some(disk) => {
                let disk = Arc::clone(disk);
                on_disk(move || disk.append_entry(&entry)).await
            }
        }
    }

    /// Attempts with an INTENT but no outcome in the journal.
    fn open_intents(&self) -> Vec<AttemptId> {
        self.side.running().collect()
    }

    pub(super) fn forget(&mut self, attempt: AttemptId) {
        self.pending.retain(|pack| pack.attempt != attempt);
    }

    pub(super) fn show_waiting(&self) {
        let attempts = self.pending.iter().map(|pack| pack.attempt).collect();
        self.fleet.hatches.set_waiting(&self.station_code, attempts);
    }

    pub(super) fn reject_early_code(&mut self, refused: &str) {
        if let Some((typed, _)) = self.early_code.take() {
            let _gone = typed.display.send(KeypadAnswer::nothing(Some(refused.to_owned())));
        }
    }

    pub(super) fn mono_ms(&self) -> i64 {
        i64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn wall(&self) -> Timestamp {
        self.fleet.api.clock.now()
    }
}

fn poll_result(
    response: Option<Result<Result<WorkAnswer, CallError>, tokio::task::JoinError>>,
) -> Result<WorkAnswer, CallError> {
    match response {
        Some(Ok(response)) => response,
        Some(Err(error)) => Err(CallError::Ours(error.to_string())),
        None => Err(CallError::Ours("the poll was answered twice".to_owned())),
    }
}

async fn deadline(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Runs file work in the blocking pool.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
