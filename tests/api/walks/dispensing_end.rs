//! Whatever happened at a cabinet, its people bring everything to an end: every
//! order, every doubt, every slot, every alarm.

use serde_json::{Value, json};

use super::dispensing::Walk;
use crate::machine::drawn_boot;
use domain::{prescription::CabinetLane, vend::journal::Body};
use service::{Actor, Failure};

/// Rounds that a diligent operator and a restocker may need.
const ROUNDS: usize = 5;

impl Walk<'_> {
    /// Until nothing is open any more, and then one more pack is sold.
    pub async fn end(&mut self) {
        self.app.lane(self.seed, CabinetLane::InstitutionDispense).await;
        for round in 0..ROUNDS {
            if round > 0 && self.open().await.is_empty() {
                break;
            }
            self.trail.note("a round of putting right");
            self.put_right().await;
            self.app.pass(31 * 60);
            self.jobs().await;
        }
        let open = self.open().await;
        assert!(open.is_empty(), "never ends: {open:#?}{}", self.trail.shown());
        self.check().await;
        let buyer = self.newcomer().await;
        self.whole_vend(buyer).await;
    }

    /// What people do when a cabinet has stopped: it is restarted or enrolled again,
    /// refilled, counted, and every doubt is decided.
    pub(super) async fn put_right(&mut self) {
        // Whoever cannot speak is enrolled again.
        self.cabinet.restart(drawn_boot());
        let mut heard = self.hello(json!([])).await;
        if heard.body["code"] == "boot_unknown" {
            self.app.pass(1);
            heard = self.hello(json!([])).await;
        }
        if heard.status == 401 {
            self.enrol().await;
        }
        // A journal that is another than what arrived ends with its key.
        if self.report().await.body["code"] == "cabinet_tampered" {
            self.enrol().await;
        }
        self.report_old().await;
        self.close_incidents().await;
        for slot in self.slots().await {
            if slot.wants_another_lot() && slot.in_doubt == 0 {
                self.refill(&slot, false);
            }
        }
        self.report().await;
        self.count_truly().await;
        self.report().await;
        for row in self.attempts().await {
            if row.state == domain::vend::AttemptState::InDoubt {
                self.decide_about(&row).await;
            }
        }
        self.count_truly().await;
        self.cabinet.write(Body::DoorClose {});
        self.report().await;
        // What holds the last packs may be empty by now: one more is to be sold.
        for slot in self.slots().await {
            self.cabinet.write(slot.load(1));
        }
        self.report().await;
        self.count_truly().await;
        self.report().await;
        self.close_incidents().await;
        self.cabinet.restart(drawn_boot());
        let told: Vec<Value> = self.slots().await.iter().map(super::slots::Slot::told).collect();
        self.hello(Value::Array(told)).await;
        self.report().await;
    }

    /// What has not ended.
    async fn open(&self) -> Vec<String> {
        self.app
            .state
            .read(Actor::System, |conn, _| -> Result<_, Failure> {
                let mut open = Vec::new();
                let orders = storage::order::orders_all(conn)?;
                let live = orders.iter().filter(|row| row.state.is_live());
                open.extend(live.map(|row| format!("order {} is {}", row.id, row.state)));
                let attempts = storage::vend::attempt::attempts_all(conn)?;
                let live = attempts.iter().filter(|row| row.state.is_live());
                open.extend(live.map(|row| format!("attempt {} is {}", row.id, row.state)));
                for row in storage::vend::journal::cabinets_after(conn, None, 100)? {
                    if row.door_open || row.tampered {
                        open.push(format!("door open: {}, alarm: {}", row.door_open, row.tampered));
                    }
                    for slot in storage::stock::slots_of(conn, row.id)? {
                        let closed = slot.closed_reason.map(|reason| format!("{} is {reason}", slot.slot_no));
                        open.extend(closed.map(|closed| format!("slot {closed}")));
                    }
                    for found in storage::vend::reconcile::discrepancies_of(conn, row.id)? {
                        open.push(format!("{} at slot {}", found.kind, found.slot_no));
                    }
                    if storage::vend::journal::cabinet_device(conn, row.id)?.is_none() {
                        open.push("the cabinet has no key".to_owned());
                    }
                }
                for incident in storage::vend::incident::incidents_after(conn, true, None, 1000)? {
                    open.push(format!("incident {} over slot {:?}", incident.kind, incident.slot_no));
                }
                Ok(open)
            })
            .await
            .expect("read")
    }
}
