//! A cabinet that runs the reference firmware, with a journal that survives
//! power cuts.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Answer, TestApp,
    seed::Seed,
    vending::{attempt_of, code_of},
};
use crypto::{
    device::{DeviceKey, sign_request},
    vend_auth,
};
use domain::{
    ids::{AttemptId, DeviceId},
    stock::SlotNo,
    vend::{
        BootId, Epoch,
        cabinet_side::{CabinetSide, Permission, Sensed, Step},
        journal::{Body, Journal},
        messages::{Grant, WorkAnswer, WorkItem},
    },
};

pub use CabinetMachine as Machine;

/// A cabinet that runs the reference firmware.
pub struct CabinetMachine<'h> {
    pub app: &'h TestApp,
    pub seed: &'h Seed,
    pub side: CabinetSide,
    pub journal: Journal,
    pub key: DeviceKey,
    /// The device that it is enrolled as, and the number of that enrolment.
    pub device: DeviceId,
    pub epoch: i64,
    pub cursor: i64,
    mono_ms: i64,
}

/// A boot id as firmware draws it.
pub fn drawn_boot() -> BootId {
    BootId::from_bytes(crypto::random::bytes())
}

impl TestApp {
    /// The cabinet of the small network, switched on.
    pub async fn cabinet(&self) -> CabinetMachine<'_> {
        CabinetMachine::on(self, self.network().await).await
    }
}

impl<'h> CabinetMachine<'h> {
    /// Switches the cabinet on, and sends its hello.
    pub async fn on(app: &'h TestApp, seed: &'h Seed) -> Self {
        let machine = Self::off(app, seed, (seed.cabinet_device, &seed.cabinet_key, 1));
        machine.hello().await.expect(200);
        machine
    }

    /// A cabinet with an empty journal that has sent nothing yet, enrolled as this device.
    pub fn off(app: &'h TestApp, seed: &'h Seed, (device, key, epoch): (DeviceId, &DeviceKey, i64)) -> Self {
        let (side, _) = CabinetSide::boot(drawn_boot(), []);
        let (key, journal) = (key.clone(), Journal::default());
        Self { app, seed, side, journal, key, device, epoch, cursor: 0, mono_ms: 0 }
    }

    /// The power fails and comes back: memory is lost, the journal is not.
    pub async fn power_cut(&mut self) {
        self.restart(drawn_boot());
        self.hello().await.expect(200);
    }

    /// Restarts without sending a hello.
    pub fn restart(&mut self, boot: BootId) {
        let (side, steps) = CabinetSide::boot(boot, self.journal.bodies());
        (self.side, self.mono_ms) = (side, 0);
        self.carry_out(steps);
    }

    /// Writes what is to be written; returns whether the motor runs.
    pub fn carry_out(&mut self, steps: Vec<Step>) -> bool {
        let mut ran = false;
        for step in steps {
            match step {
                Step::Write(body) => self.write(body),
                Step::RunMotor { attempt, .. } => {
                    self.write(Body::Motor { attempt });
                    ran = true;
                }
                Step::AskStart { .. } => {}
            }
        }
        ran
    }

    /// A millisecond passes on its clock.
    pub fn runs_on(&mut self) {
        self.waits(1);
    }

    pub fn waits(&mut self, milliseconds: i64) {
        self.mono_ms += milliseconds;
    }

    /// A fresh token of this cabinet.
    pub fn token(&self) -> String {
        self.app.token_of_cabinet(self.seed, self.device, self.epoch)
    }

    pub fn write(&mut self, body: Body) {
        self.runs_on();
        self.journal.append(self.side.boot_id(), self.mono_ms, self.app.now(), body);
    }

    /// A signed POST.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.post_with(&self.token(), path, body).await
    }

    /// A signed POST with another token.
    pub async fn post_with(&self, token: &str, path: &str, body: &impl Serialize) -> Answer {
        let bytes = serde_json::to_vec(body).expect("JSON");
        let signature = sign_request(&self.key, self.device, "POST", path, &bytes).expect("signed");
        let request = self
            .app
            .client()
            .post(format!("{}{path}", self.app.base))
            .header("Content-Type", "application/json")
            .header("Waystation-Signature", signature)
            .bearer_auth(token)
            .body(bytes);
        Answer::of(request.send().await.expect("answered")).await
    }

    pub fn hello_body(&self, boot: BootId) -> Value {
        json!({
            "epoch": self.epoch, "boot_id": boot, "mono_ms": self.mono_ms, "wall": self.app.now(),
            "journal": self.journal.head(), "open_intents": [], "door_open": self.side.door_is_open(),
            "tampered": false, "slots": [], "versions": {"firmware": "test", "protocol": 1},
        })
    }

    pub async fn hello(&self) -> Answer {
        self.post("/cabinet/v1/hello", &self.hello_body(self.side.boot_id())).await
    }

    /// Polls once and takes the work.
    pub async fn work(&mut self) -> Vec<WorkItem> {
        let answer = self.poll().await.expect(200);
        self.take(answer)
    }

    pub async fn poll(&self) -> Answer {
        let path = format!("/cabinet/v1/work?cursor={}&wait=0", self.cursor);
        self.app.get(&self.token(), &path).await
    }

    /// Takes the work in the answer to a poll.
    pub fn take(&mut self, answer: Value) -> Vec<WorkItem> {
        let answer: WorkAnswer = serde_json::from_value(answer).expect("work");
        self.cursor = answer.cursor;
        for item in &answer.items {
            match item {
                WorkItem::Vend { authorization, .. } => self.authorize(authorization),
                WorkItem::Void { attempt } => self.side.void(*attempt),
                WorkItem::Recall { .. } => {}
            }
        }
        answer.items
    }

    fn authorize(&mut self, jws: &str) {
        let app = &self.app.state;
        let keys = app.keys.tokens.public_keys();
        let claims = vend_auth::verify(&keys, jws, &app.policy.network, self.device, self.epoch)
            .expect("an authorization for this cabinet");
        let slot = slot(claims.slot.parse().expect("a number"));
        self.side.authorize(Permission { attempt: claims.attempt, slot, lot_no: claims.lot });
    }

    /// Asks for START in the current boot.
    pub async fn start(&mut self, attempt: AttemptId, code: &str) -> Answer {
        self.ask(attempt);
        self.start_as(self.side.boot_id(), attempt, code).await
    }

    /// A code was typed: whether the cabinet asks for START now.
    pub fn ask(&mut self, attempt: AttemptId) -> bool {
        !self.side.ask_start(attempt, self.mono_ms).is_empty()
    }

    /// A GRANT arrives; returns whether the motor runs.
    pub fn granted(&mut self, attempt: AttemptId, grant: Value) -> bool {
        let grant: Grant = serde_json::from_value(grant).expect("a grant");
        let steps = self.side.grant(attempt, &grant, self.mono_ms);
        self.carry_out(steps)
    }

    /// Asks for START in the name of any boot.
    pub async fn start_as(&self, boot: BootId, attempt: AttemptId, code: &str) -> Answer {
        let path = format!("/cabinet/v1/attempts/{attempt}/start");
        self.post(&path, &json!({"boot_id": boot, "pickup_code": code})).await
    }

    /// START, and the motor runs.
    pub async fn run(&mut self, attempt: AttemptId, code: &str) {
        self.work().await;
        let grant = self.start(attempt, code).await.expect(200);
        assert!(self.granted(attempt, grant), "the motor runs");
    }

    /// START, the motor, and what the sensor sees.
    pub async fn vend(&mut self, attempt: AttemptId, code: &str, sensed: Sensed) {
        self.run(attempt, code).await;
        let steps = self.side.sensed(attempt, sensed, None);
        self.carry_out(steps);
    }

    /// START for one pack of a paid order, by its pickup code.
    pub async fn start_pack(&mut self, order: &Value, unit: usize) -> Answer {
        self.start(attempt_of(order, unit), &code_of(order)).await
    }

    /// START for one pack of a paid order, and the motor runs.
    pub async fn run_pack(&mut self, order: &Value, unit: usize) {
        self.run(attempt_of(order, unit), &code_of(order)).await;
    }

    /// START for one pack of a paid order, the motor, and what the sensor sees.
    pub async fn vend_pack(&mut self, order: &Value, unit: usize, sensed: Sensed) {
        self.vend(attempt_of(order, unit), &code_of(order), sensed).await;
    }

    /// Somebody counts the packs in a slot.
    pub fn count(&mut self, slot_no: i32, n: u32) {
        self.write(Body::Count { slot: slot(slot_no), n });
    }

    /// Somebody puts packs of a lot into a slot.
    pub fn load(&mut self, slot_no: i32, (product, lot): (&str, &str), expires_on: &str, packs: u32) {
        self.write(Body::Restock {
            slot: slot(slot_no),
            product_code: product.into(),
            lot_no: lot.into(),
            expires_on: expires_on.parse().expect("a day"),
            packs,
        });
    }

    pub fn close_door(&mut self) {
        self.write(Body::DoorClose {});
    }

    /// Sends the journal entries that are not acknowledged.
    pub async fn report(&mut self) -> Answer {
        let answer = self.events(self.epoch, self.journal.unacked().to_vec()).await;
        if let Some(seq) = answer.body["acked_seq"].as_i64() {
            self.journal.ack(seq);
        }
        answer
    }

    /// Sends these journal entries.
    pub async fn events(&self, epoch: i64, entries: Vec<domain::vend::journal::JournalEntry>) -> Answer {
        self.post("/cabinet/v1/events", &json!({"epoch": Epoch(epoch), "entries": entries})).await
    }
}

pub const DROP: Sensed = Sensed { drop: true, hatch_empty: false };
pub const JAM: Sensed = Sensed { drop: false, hatch_empty: true };

pub fn slot(number: i32) -> SlotNo {
    SlotNo::new(number).expect("a slot")
}
