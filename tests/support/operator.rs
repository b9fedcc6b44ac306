//! The operator of the network, and its restocker.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{Answer, Caller, TestApp, id_in, machine::CabinetMachine, people::Person};
use domain::{ids::WorkerId, vend::journal::Body};

/// The operator at work. Their tokens are always fresh.
pub struct Operator<'a> {
    app: &'a TestApp,
    pub person: &'a Person,
}

/// Whoever fills the cabinet.
pub struct Restocker<'a> {
    app: &'a TestApp,
    pub person: &'a Person,
}

impl Caller for Operator<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.app.token_of(self.person)
    }
}

impl Caller for Restocker<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.app.token_of(self.person)
    }
}

impl TestApp {
    pub async fn operator(&self) -> Operator<'_> {
        Operator { app: self, person: &self.network().await.operator }
    }

    pub async fn restocker(&self) -> Restocker<'_> {
        Restocker { app: self, person: &self.network().await.restocker }
    }
}

impl Operator<'_> {
    pub async fn open_alerts(&self) -> Vec<Value> {
        self.list("/api/v1/alerts?open=true").await
    }

    pub async fn close_alert(&self, alert: &Value, note: &str) -> Answer {
        self.post(&format!("/api/v1/alerts/{}/close", id_in(alert)), json!({"note": note})).await
    }

    /// The kinds of the open incidents.
    pub async fn open_incidents(&self) -> Vec<String> {
        let items = self.list("/api/v1/incidents?open=true").await;
        items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect()
    }

    pub async fn close_incident(&self, incident: &Value, note: &str) -> Answer {
        self.post(&format!("/api/v1/incidents/{}/close", id_in(incident)), json!({"note": note})).await
    }

    pub async fn close_incidents(&self) {
        for incident in self.list("/api/v1/incidents?open=true").await {
            self.close_incident(&incident, "样例").await.expect_ok();
        }
    }

    /// The kinds of what differs between the cabinet and the server.
    pub async fn discrepancies(&self) -> Vec<String> {
        let path = format!("/api/v1/cabinets/{}", self.app.network().await.cabinet);
        let view = self.get(&path).await.expect_ok();
        let items = view["discrepancies"].as_array().expect("a list");
        items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect()
    }

    pub async fn recall(&self, product: &str, lot: &str) -> Answer {
        let recall = json!({"product_code": product, "lot_no": lot, "reason": "样例"});
        self.post("/api/v1/lots/recall", recall).await
    }

    /// Decides about a vend in doubt: `dispensed` or `not_dispensed`.
    pub async fn resolve(&self, attempt: impl Display, decision: &str) -> Answer {
        self.post(&format!("/api/v1/attempts/{attempt}/resolve"), json!({"decision": decision})).await
    }

    pub async fn revoke(&self, device: impl Display) -> Answer {
        self.post(&format!("/api/v1/devices/{device}/revoke"), json!({})).await
    }

    pub async fn disable(&self, staff: &Person) -> Answer {
        self.post(&format!("/api/v1/staff/{}/disable", staff.id), json!({})).await
    }

    /// Merges a walk-in into the worker with a card whom they turned out to be.
    pub async fn merge(&self, walk_in: WorkerId, merge: Value) -> Answer {
        self.post(&format!("/api/v1/workers/{walk_in}/merge"), merge).await
    }

    pub async fn broken_invariants(&self) -> Vec<Value> {
        let audit = self.get("/api/v1/audit/invariants").await.expect_ok();
        audit["violations"].as_array().expect("a list").clone()
    }
}

impl Restocker<'_> {
    pub fn open_door(&self, machine: &mut CabinetMachine<'_>) {
        machine.write(Body::DoorOpen { who: self.person.id });
    }
}
