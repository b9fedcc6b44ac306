//! Boots, journals and keys of the cabinet, and how they fail.

use serde_json::{Value, json};

use super::{super::folds, DispensingWalk};
use crate::support::{Answer, CabinetMachine};
use crypto::device::DeviceKey;
use domain::vend::{BootId, journal::Body, reconcile::BootVerdict};
use storage::vend::attempt::AttemptRow;

impl DispensingWalk<'_> {
    pub(super) async fn report(&mut self) -> Answer {
        let answer = self.cabinet.report().await;
        self.trail.no_fault(answer)
    }

    pub(super) async fn report_from(&mut self, seq: i64) {
        let entries: Vec<_> = self.cabinet.journal.from_seq(seq).iter().take(200).cloned().collect();
        let answer = self.cabinet.events(self.cabinet.epoch, entries).await;
        self.trail.no_fault(answer);
    }

    pub(super) async fn report_old(&mut self) {
        for (epoch, journal) in std::mem::take(&mut self.old) {
            let answer = self.cabinet.events(epoch, journal.unacked().to_vec()).await;
            if self.trail.no_fault(answer).status == 401 {
                self.old.push((epoch, journal));
            }
        }
    }

    /// Memory is lost, the journal is not. Not every boot sends its hello at once.
    pub(super) async fn power_cut(&mut self, boot: BootId) {
        let was = self.cabinet.side.boot_id();
        self.late.push((self.cabinet.token(), self.cabinet.hello_body(was)));
        self.cabinet.restart(boot);
        if !self.trail.chance.once_in(3) {
            self.hello(json!([])).await;
        }
    }

    pub(super) async fn hello(&mut self, slots: Value) -> Answer {
        self.cabinet.runs_on();
        let mut body = self.cabinet.hello_body(self.cabinet.side.boot_id());
        body["slots"] = slots;
        let token = self.cabinet.token();
        self.say_hello(&token, &body).await
    }

    pub(super) async fn say_hello(&mut self, token: &str, body: &Value) -> Answer {
        let answer = self.cabinet.post_with(token, "/cabinet/v1/hello", body).await;
        let answer = self.trail.no_fault(answer);
        if answer.body["code"] == "boot_unknown" {
            self.taken.note("boot", "heard", folds::verdict_name(BootVerdict::Late));
        }
        answer
    }

    /// The hello of an old boot arrives late; or that boot is the live one after all, and
    /// goes on.
    pub(super) async fn late_hello(&mut self) {
        let Some((token, mut body)) = self.trail.chance.any(&self.late) else { return };
        let lives = self.trail.chance.once_in(2);
        if lives {
            let heard = body["mono_ms"].as_i64().expect("a time");
            body["mono_ms"] = json!(heard + 100_000);
        }
        let token = if lives { self.cabinet.token() } else { token };
        self.say_hello(&token, &body).await;
    }

    pub(super) async fn revoke(&mut self) {
        let path = format!("/api/v1/devices/{}/revoke", self.cabinet.device);
        self.operator_posts(&path, json!({})).await;
    }

    /// Another key with another journal; entries of the old one may still arrive.
    pub(super) async fn enrol(&mut self) {
        let wanted = json!({"kind": "cabinet", "station_id": self.seed.station});
        let made = self.operator_posts("/api/v1/enrolment-codes", wanted).await.expect_created();
        let key = DeviceKey::generate().expect("a key");
        let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
        let answer = self.app.post("", "/cabinet/v1/enrol", body).await;
        let enrolled = self.trail.no_fault(answer).expect(201);
        let device = enrolled["device_id"].as_str().expect("an id").parse().expect("an id");
        let epoch = enrolled["epoch"].as_i64().expect("an epoch");
        let next = CabinetMachine::off(self.app, self.seed, (device, &key, epoch));
        let before = std::mem::replace(&mut self.cabinet, next);
        self.old.push((before.epoch, before.journal));
        self.late.clear();
        self.hello(json!([])).await;
    }

    /// Another disk under the same key: it has nothing of what the server received.
    pub(super) async fn another_journal(&mut self) {
        let place = (self.cabinet.device, &self.cabinet.key.clone(), self.cabinet.epoch);
        let mut other = CabinetMachine::off(self.app, self.seed, place);
        let answer = other.hello().await;
        self.trail.no_fault(answer);
        other.write(Body::Temperature { tenths: 100 });
        let answer = other.report().await;
        self.trail.no_fault(answer);
        self.cabinet.waits(10);
    }

    /// As after the restore of a database from before START.
    pub(super) async fn vend_without_start(&mut self) {
        let all = self.attempts().await;
        let quiet: Vec<&AttemptRow> = all.iter().filter(|row| row.started_at.is_none()).collect();
        if let Some(row) = self.trail.chance.any(&quiet) {
            let body = Body::Dispensed { attempt: row.id, lot_no: row.lot_no.clone(), serial: None };
            self.cabinet.write(body);
            self.report().await;
        }
    }
}
