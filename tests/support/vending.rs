//! Orders and their packs, and what is read of them.

use diesel::prelude::*;
use serde_json::{Value, json};

pub use super::stock::{OTC, RX};
use super::{Caller, TestApp, id_in, seed::Seed, worker::Worker};
use domain::{
    ids::{AttemptId, CheckInId, OrderId, PrescriptionId},
    ledger,
    money::Fen,
};
use service::{Actor, Failure};
use storage::{on_backend, schema::device, sql_types::At};

/// A worker at the screen, by their token alone; `WorkerAtStation` has the verbs.
pub struct Visit {
    pub token: String,
    pub check_in: CheckInId,
}

impl TestApp {
    /// Checks the seeded worker in.
    pub async fn visit(&self, seed: &Seed) -> Visit {
        let worker = self.station_of(seed).check_in(Worker::adult()).await;
        Visit { token: worker.token(), check_in: worker.check_in }
    }

    /// Declares no allergies in a first profile: all that a sale of `OTC` asks for.
    pub async fn declare_no_allergies(&self, token: &str) {
        let profile = json!({"allergies": []});
        let answer = self.put(token, "/api/v1/me/profile", "\"0\"", profile).await;
        assert!(matches!(answer.status.as_u16(), 200 | 412), "{}", answer.body);
    }

    /// A prescription for packs of `RX` to the seeded worker, signed and approved.
    pub async fn prescribe(&self, seed: &Seed, visit: &Visit, packs: i32) -> PrescriptionId {
        self.prescribe_to(seed, (seed.worker, visit.check_in), packs).await
    }

    /// An order for packs of `RX`, paid.
    pub async fn paid(&self, seed: &Seed, visit: &Visit, packs: i32) -> Value {
        let prescription = self.prescribe(seed, visit, packs).await;
        let body = json!({"prescription_id": prescription});
        let order = self.post(&visit.token, "/api/v1/orders", body).await.expect_created();
        let path = format!("/api/v1/orders/{}/pay", id_in(&order));
        self.post(&visit.token, &path, json!({"method": "subsidy"})).await.expect_ok()
    }

    /// An order as it is now; checks the worker in to see it.
    pub async fn order(&self, seed: &Seed, order: &Value) -> Value {
        self.station_of(seed).check_in(Worker::adult()).await.order(order).await
    }

    /// Asserts that no invariant is broken.
    pub async fn sound(&self) {
        let violations = self
            .state
            .read(Actor::System, |conn, _| service::stock::check::invariants(conn))
            .await
            .expect("audited");
        assert_eq!(violations, Vec::<String>::new());
    }

    /// Runs the sweeps of the vending jobs; returns the numbers of attempts that are in
    /// doubt now, of voided attempts, and of expired orders.
    pub async fn sweep(&self) -> (usize, usize, usize) {
        let doubted = service::vend::doubt_silent(&self.state).await.expect("doubted");
        let voided = service::vend::void_expired(&self.state).await.expect("voided");
        (doubted, voided, service::vend::expire_orders(&self.state).await.expect("expired"))
    }

    /// Spends the worker's allowance, except for 1 fen.
    pub async fn spend_all(&self, seed: &Seed) {
        let worker = seed.worker;
        self.state
            .write(Actor::System, move |tx| {
                service::ledger::allowance(tx, worker)?;
                let spent = ledger::pay_order(worker, OrderId::generate(), Fen(19_999))?.expect("a sum");
                service::ledger::book(tx, &spent, worker)
            })
            .await
            .expect("spent");
    }

    /// Revokes the cabinet's key, in the database alone.
    pub async fn revoke_cabinet(&self, seed: &Seed) {
        let id = seed.cabinet_device;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(device::table.find(id))
                    .set(device::revoked_at.eq(Some(At(tx.now))))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("revoked");
    }
}

/// The newest attempt of an order's pack.
pub fn attempt_of(order: &Value, unit: usize) -> AttemptId {
    order["units"][unit]["attempt"]["id"].as_str().expect("an attempt").parse().expect("an id")
}

/// The pickup code of an order.
pub fn code_of(order: &Value) -> String {
    order["pickup_code"].as_str().expect("a code").to_owned()
}
