//! One simulated cabinet: the wire to the house, the keypad, the motor, and
//! the disk, around the machine that decides.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use rand::Rng;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use super::{
    CabinetPlan, Fleet,
    journal_file::{Disk, Fallen, bodies},
};
use crate::{
    crypto::random,
    demo::{
        client::{As, Call, CallError},
        hatch::{KeypadAnswer, Typed},
        sessions::Device,
    },
    domain::{
        ids::AttemptId,
        stock::SlotNo,
        time::Timestamp,
        vend::{
            BootId, Epoch, NotDispensedReason,
            cabinet_side::{CabinetSide, Permission, Sensed, Step},
            journal::{Body, Journal},
            messages::{
                EventsAnswer, EventsRequest, Grant, HelloAnswer, HelloRequest, SlotReport, StartRequest,
                Versions, WorkAnswer, WorkItem,
            },
        },
    },
};

/// Seconds that an idle poll waits at the house.
const POLL_SECONDS: u32 = 25;
/// How long a code that was typed before its work came is kept.
const CODE_KEPT: Duration = Duration::from_secs(15);
/// How long START is asked for before the attempt is given up.
const START_PATIENCE: Duration = Duration::from_secs(25);

/// Why a cabinet left its work.
#[derive(Debug)]
pub enum Halt {
    /// The house said no, or did not answer.
    Call(CallError),
    /// Something could not be made durable: nothing may follow.
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

/// A pack that waits for its code.
struct Pending {
    attempt: AttemptId,
    product_code: String,
    lot_no: String,
    /// Packs of one order are authorised at one moment.
    issued_at: Timestamp,
}

/// One cabinet in one boot.
pub struct Machine {
    fleet: Arc<Fleet>,
    device: Arc<Device>,
    station_code: String,
    epoch: Epoch,
    boot: BootId,
    began: Instant,
    disk: Arc<Disk>,
    journal: Journal,
    side: CabinetSide,
    slots: Vec<SlotReport>,
    cursor: i64,
    pending: Vec<Pending>,
    keypad: mpsc::Receiver<Typed>,
    held: Option<(Typed, Instant)>,
}

impl Machine {
    /// Starts up on what the disk still holds.
    pub async fn boot(fleet: &Arc<Fleet>, plan: CabinetPlan) -> io::Result<Self> {
        let folder = fleet.root.join(&plan.station_code);
        let (disk, journal, drops) = on_disk(move || {
            let disk = Disk::open(folder)?;
            let (journal, drops) = (disk.load_journal()?, disk.load_drops()?);
            Ok((disk, journal, drops))
        })
        .await?;
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
            began: Instant::now(),
            disk: Arc::new(disk),
            journal,
            side,
            slots,
            cursor: 0,
            pending: Vec::new(),
            held: None,
        };
        for step in steps {
            if let Step::Write(body) = step {
                machine.write(body).await?;
            }
        }
        Ok(machine)
    }

    /// Says hello and hands in what the house has not heard.
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
        let answer: HelloAnswer = self.say("/cabinet/v1/hello".to_owned(), &hello).await?;
        self.journal.ack(answer.acked_seq);
        self.report().await
    }

    /// Takes work and codes until the wire breaks.
    pub async fn serve(&mut self) -> Result<Infallible, Halt> {
        loop {
            let (api, device) = (self.fleet.api.clone(), Arc::clone(&self.device));
            let path = format!("/cabinet/v1/work?cursor={}&wait={POLL_SECONDS}", self.cursor);
            let poll =
                async move { api.call::<WorkAnswer>(As::Cabinet(&device), Call::get(path).once()).await };
            tokio::pin!(poll);
            let answer = loop {
                let kept_until = self.held.as_ref().map(|(_, until)| *until);
                tokio::select! {
                    biased;
                    Some(typed) = self.keypad.recv() => self.on_code(typed).await?,
                    answer = &mut poll => break answer?,
                    () = passes(kept_until) => self.show_held("nothing_waits"),
                }
            };
            self.take_work(answer).await?;
            self.report().await?;
            if !self.pending.is_empty()
                && let Some((typed, _)) = self.held.take()
            {
                self.on_code(typed).await?;
            }
        }
    }

    async fn take_work(&mut self, answer: WorkAnswer) -> Result<(), Halt> {
        self.cursor = answer.cursor;
        for item in answer.items {
            match item {
                WorkItem::Vend { attempt, authorization } => {
                    self.take_authorization(attempt, &authorization).await?
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

    async fn take_authorization(&mut self, attempt: AttemptId, jws: &str) -> Result<(), Halt> {
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

    /// A code was typed. The latest order is tried first, and each order with
    /// one pack: wrong codes are counted, and a code opens one order only.
    async fn on_code(&mut self, typed: Typed) -> Result<(), Halt> {
        if self.pending.is_empty() {
            self.show_held("nothing_waits");
            self.held = Some((typed, Instant::now() + CODE_KEPT));
            return Ok(());
        }
        let mut shown = KeypadAnswer { dispensed: 0, failed: 0, refused: None };
        let mut moments: Vec<Timestamp> = self.pending.iter().map(|pack| pack.issued_at).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        moments.dedup();
        for moment in moments {
            let packs: Vec<AttemptId> =
                self.pending.iter().filter(|p| p.issued_at == moment).map(|p| p.attempt).collect();
            let mut opened = false;
            for attempt in packs {
                match self.start(attempt, &typed.code).await? {
                    Ok(grant) => {
                        opened = true;
                        let fell = self.vend(attempt, &grant).await?;
                        if fell {
                            shown.dispensed += 1
                        } else {
                            shown.failed += 1
                        }
                        self.report().await?;
                    }
                    Err(refused) => {
                        let wrong = refused == "pickup_code_wrong";
                        shown.refused = Some(refused);
                        if wrong {
                            break;
                        }
                        shown.failed += 1;
                    }
                }
            }
            if opened {
                shown.refused = None;
                break;
            }
        }
        self.show_waiting();
        // Whoever typed may have gone; the packs are in the hatch all the same.
        let _gone = typed.display.send(shown);
        Ok(())
    }

    /// Asks START until there is an answer, or gives the attempt up for good.
    async fn start(&mut self, attempt: AttemptId, code: &str) -> Result<Result<Grant, String>, Halt> {
        let path = format!("/cabinet/v1/attempts/{attempt}/start");
        let request = StartRequest { boot_id: self.boot, pickup_code: code.to_owned() };
        let until = Instant::now() + START_PATIENCE;
        loop {
            if self.side.ask_start(attempt, self.mono_ms()).is_empty() {
                return Ok(Err("not_now".to_owned()));
            }
            match self.say::<Grant>(path.clone(), &request).await {
                Ok(grant) => return Ok(Ok(grant)),
                Err(error @ CallError::Refused { .. }) if !matches!(error.status(), 500 | 503) => {
                    let over =
                        ["attempt_void", "attempt_closed", "attempt_in_doubt", "state_moved_on", "not_found"];
                    if over.contains(&error.code()) {
                        self.forget(attempt);
                    }
                    if error.status() == 401 {
                        return Err(error.into());
                    }
                    return Ok(Err(error.code().to_owned()));
                }
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(500)).await,
                Err(error) => {
                    // The GRANT may be on its way: refuse it durably before anything else.
                    let steps = self.side.abandon(attempt);
                    self.write_all(steps).await?;
                    self.forget(attempt);
                    return Err(error.into());
                }
            }
        }
    }

    /// INTENT on disk, then the motor, then the outcome on disk. Answers whether
    /// the pack fell.
    async fn vend(&mut self, attempt: AttemptId, grant: &Grant) -> Result<bool, Halt> {
        let steps = self.side.grant(attempt, grant, self.mono_ms());
        self.forget(attempt);
        let mut fell = false;
        for step in steps {
            match step {
                Step::Write(body) => self.write(body).await?,
                Step::RunMotor { attempt, slot } => {
                    self.run_motor(attempt, slot).await?;
                    let sensed = Sensed { drop: true, hatch_empty: false };
                    let outcome = self.side.sensed(attempt, sensed, None);
                    self.write_all(outcome).await?;
                    fell = true;
                }
                Step::AskStart { .. } => {}
            }
        }
        Ok(fell)
    }

    /// The motor turns and the pack falls, whether or not anybody lives to note it.
    async fn run_motor(&mut self, attempt: AttemptId, slot: SlotNo) -> Result<(), Halt> {
        let lot_no = self.side.job(attempt).and_then(|job| job.permission.as_ref()).map(|p| p.lot_no.clone());
        let drop =
            Fallen { attempt, slot, lot_no: lot_no.unwrap_or_default(), boot_id: self.boot, at: self.wall() };
        let turning = rand::rng().random_range(150..450);
        sleep(Duration::from_millis(turning)).await;
        let disk = Arc::clone(&self.disk);
        on_disk(move || disk.append_drop(&drop)).await?;
        if let Some(report) = self.slots.iter_mut().find(|report| report.slot == slot) {
            report.count = report.count.saturating_sub(1);
        }
        // Between the fall and the sensor's word: where a power cut leaves a doubt.
        sleep(Duration::from_millis(turning / 3)).await;
        Ok(())
    }

    /// Hands the journal in until the house has all of it.
    async fn report(&mut self) -> Result<(), Halt> {
        loop {
            let entries = self.journal.unacked().to_vec();
            let Some(first) = entries.first().map(|entry| entry.seq) else { return Ok(()) };
            let batch = EventsRequest { epoch: self.epoch, entries };
            let answer: EventsAnswer = self.say("/cabinet/v1/events".to_owned(), &batch).await?;
            if answer.acked_seq < first {
                let path = "/cabinet/v1/events".to_owned();
                let why = format!("asked for entry {} again", answer.acked_seq + 1);
                return Err(CallError::Unreadable { path, why }.into());
            }
            self.journal.ack(answer.acked_seq);
        }
    }

    async fn say<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        body: &impl serde::Serialize,
    ) -> Result<T, CallError> {
        self.fleet.api.call(As::Cabinet(&self.device), Call::post_plain(path, body).once()).await
    }

    async fn write_all(&mut self, steps: Vec<Step>) -> io::Result<()> {
        for step in steps {
            if let Step::Write(body) = step {
                self.write(body).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, body: Body) -> io::Result<()> {
        let (mono_ms, wall) = (self.mono_ms(), self.wall());
        let entry = self.journal.append(self.boot, mono_ms, wall, body).clone();
        let disk = Arc::clone(&self.disk);
        on_disk(move || disk.append_entry(&entry)).await
    }

    /// Attempts whose motor had its chance, with no outcome in the journal.
    fn open_intents(&self) -> Vec<AttemptId> {
        self.side.running().collect()
    }

    fn forget(&mut self, attempt: AttemptId) {
        self.pending.retain(|pack| pack.attempt != attempt);
    }

    fn show_waiting(&self) {
        let attempts = self.pending.iter().map(|pack| pack.attempt).collect();
        self.fleet.hatches.set_waiting(&self.station_code, attempts);
    }

    fn show_held(&mut self, refused: &str) {
        if let Some((typed, _)) = self.held.take() {
            let shown = KeypadAnswer { dispensed: 0, failed: 0, refused: Some(refused.to_owned()) };
            let _gone = typed.display.send(shown);
        }
    }

    fn mono_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn wall(&self) -> Timestamp {
        self.fleet.api.clock.now()
    }
}

async fn passes(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Runs work on files where it blocks nobody.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
