//! What the operator does. Whatever happened at a cabinet, its people bring everything to
//! an end: every order, every doubt, every slot, every alarm.

use serde_json::{Value, json};

use super::{super::slots::Slot, DispensingWalk};
use crate::support::{id_in, machine::drawn_boot};
use domain::vend::{AttemptState, journal::Body};
use service::{Actor, Failure};
use storage::vend::attempt::AttemptRow;

impl DispensingWalk<'_> {
    pub(super) async fn resolve(&mut self) {
        let all = self.attempts().await;
        let doubted: Vec<&AttemptRow> = all.iter().filter(|row| row.state == AttemptState::InDoubt).collect();
        let Some(row) = self.trail.chance.any(&doubted).cloned() else { return };
        // Somebody restarts the cabinet and counts, or forgets to.
        if !self.trail.chance.once_in(3) {
            self.cabinet.restart(drawn_boot());
            self.hello(json!([])).await;
            self.count_truly().await;
            self.report().await;
        }
        self.decide_about(&row).await;
    }

    pub(super) async fn decide_about(&mut self, row: &AttemptRow) {
        let out = self.fell.contains_key(&row.order_unit_id);
        let decision = if out { "dispensed" } else { "not_dispensed" };
        self.operator_posts(&format!("/api/v1/attempts/{}/resolve", row.id), json!({"decision": decision}))
            .await;
    }

    pub(super) async fn close_incidents(&mut self) {
        let token = self.operator_token().await;
        let list = self.app.get(&token, "/api/v1/incidents?open=true").await.expect_ok();
        for item in list["items"].as_array().expect("a list") {
            let path = format!("/api/v1/incidents/{}/close", id_in(item));
            self.operator_posts(&path, json!({"note": "样例"})).await;
        }
    }

    pub(super) async fn recall(&mut self) {
        let found = self.slots().await;
        if let Some(slot) = self.trail.chance.any(&found) {
            let body = json!({"product_code": slot.product, "lot_no": slot.lot, "reason": "样例"});
            self.operator_posts("/api/v1/lots/recall", body).await;
        }
    }

    /// Settles everything when a cabinet has stopped: it is restarted or enrolled again,
    /// refilled and counted, and every doubt is decided.
    pub(super) async fn put_right(&mut self) {
        // A cabinet whose key was revoked is enrolled again.
        self.cabinet.restart(drawn_boot());
        let mut heard = self.hello(json!([])).await;
        if heard.body["code"] == "boot_unknown" {
            self.app.pass(1);
            heard = self.hello(json!([])).await;
        }
        if heard.status == 401 {
            self.enrol().await;
        }
        // A journal that differs from what the server received ends with its key.
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
            if row.state == AttemptState::InDoubt {
                self.decide_about(&row).await;
            }
        }
        self.count_truly().await;
        self.cabinet.write(Body::DoorClose {});
        self.report().await;
        // All slots may be empty by now, and one more pack is to be sold.
        for slot in self.slots().await {
            self.cabinet.write(slot.load(1));
        }
        self.report().await;
        self.count_truly().await;
        self.report().await;
        self.close_incidents().await;
        self.cabinet.restart(drawn_boot());
        let reports: Vec<Value> = self.slots().await.iter().map(Slot::report).collect();
        self.hello(Value::Array(reports)).await;
        self.report().await;
    }

    /// Everything that has not ended.
    pub(super) async fn open(&self) -> Vec<String> {
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
                    for slot in storage::stock::slots_stocked(conn, &[row.id])? {
                        let slot = slot.row;
                        let closed = slot.closed_reason.map(|reason| format!("{} is {reason}", slot.slot_no));
                        open.extend(closed.map(|closed| format!("slot {closed}")));
                    }
                    for found in storage::vend::reconcile::discrepancies_of(conn, row.id)? {
                        open.push(format!("{} at slot {}", found.kind, found.slot_no));
                    }
                    if storage::vend::journal::cabinet_standing(conn, row.id)?.device.is_none() {
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
