//! Buyers: they order, pay and cancel.

use serde_json::{Value, json};

use super::{super::card, DispensingWalk};
use crate::support::{
    Answer, TestApp, Worker, id_in,
    machine::DROP,
    vending::{OTC, attempt_of, code_of},
};
use domain::{
    ids::{CheckInId, WorkerId},
    prescription::CabinetLane,
};

/// A worker with a card.
pub struct Buyer {
    pub id: WorkerId,
    pub card: String,
    pub check_in: Option<CheckInId>,
    /// Has consented and answered the health questions.
    pub known: bool,
}

impl Buyer {
    pub async fn register(app: &TestApp, operator: &str, number: usize) -> Self {
        let (digits, phone) = (format!("99000000{number:03}"), format!("15700000{number:03}"));
        let (id, card) = card::register(app, operator, &digits, &phone).await;
        Self { id, card, check_in: None, known: false }
    }
}

impl DispensingWalk<'_> {
    /// Checks a buyer in.
    pub(super) async fn visit(&mut self, buyer: usize) -> Option<String> {
        let station = self.app.station_of(self.seed);
        let answer = station.try_check_in(&Worker::with_card(&self.buyers[buyer].card)).await;
        let opened = self.trail.no_fault(answer);
        let token = opened.body["access_token"].as_str()?.to_owned();
        let check_in = opened.body["check_in"]["id"].as_str()?.parse().ok();
        self.buyers[buyer].check_in = check_in;
        if !self.buyers[buyer].known {
            let consent = json!({"purpose": "health_care"});
            let answer = self.app.post(&token, "/api/v1/me/consents", consent).await;
            self.trail.no_fault(answer);
            self.app.declare_no_allergies(&token).await;
            self.buyers[buyer].known = true;
        }
        Some(token)
    }

    pub(super) async fn buyer_posts(&mut self, buyer: usize, path: &str, body: Value) -> Option<Answer> {
        let token = self.visit(buyer).await?;
        let answer = self.app.post(&token, path, body).await;
        Some(self.trail.no_fault(answer))
    }

    pub(super) async fn order(&mut self, buyer: usize, body: Value) {
        if let Some(answer) = self.buyer_posts(buyer, "/api/v1/orders", body).await
            && answer.status == 201
            && let Some(id) = answer.body["id"].as_str()
        {
            self.orders.push((buyer, id.to_owned()));
            if !self.trail.chance.once_in(3) {
                self.pay_for(buyer, id).await;
            }
        }
    }

    pub(super) async fn order_over_the_counter(&mut self) {
        let buyer = self.trail.chance.below(self.buyers.len());
        let packs = 1 + self.trail.chance.below(2);
        self.app.lane(self.seed, CabinetLane::RetailBOnly).await;
        self.order(buyer, json!({"lines": [{"product_code": OTC, "packs": packs}]})).await;
        self.app.lane(self.seed, CabinetLane::InstitutionDispense).await;
    }

    pub(super) async fn order_prescribed(&mut self) {
        let buyer = self.trail.chance.below(self.buyers.len());
        if self.visit(buyer).await.is_none() {
            return;
        }
        let who = (self.buyers[buyer].id, self.buyers[buyer].check_in.expect("checked in"));
        let packs = self.trail.chance.one(&[1, 1, 2, 3]);
        let id = self.app.prescribe_to(self.seed, who, packs).await;
        self.prescriptions.push((buyer, id));
        self.order(buyer, json!({"prescription_id": id})).await;
    }

    pub(super) async fn order_again(&mut self) {
        if let Some((buyer, id)) = self.trail.chance.any(&self.prescriptions) {
            self.order(buyer, json!({"prescription_id": id})).await;
        }
    }

    /// One of the orders, mostly a recent one.
    pub(super) fn some_order(&mut self) -> Option<(usize, String)> {
        let from = if self.trail.chance.once_in(4) { 0 } else { self.orders.len().saturating_sub(2) };
        self.trail.chance.any(&self.orders[from..])
    }

    pub(super) async fn pay(&mut self) {
        if let Some((buyer, id)) = self.some_order() {
            self.pay_for(buyer, &id).await;
        }
    }

    pub(super) async fn pay_for(&mut self, buyer: usize, id: &str) {
        let path = format!("/api/v1/orders/{id}/pay");
        if let Some(answer) = self.buyer_posts(buyer, &path, json!({"method": "subsidy"})).await
            && let Some(code) = answer.body["pickup_code"].as_str()
        {
            self.codes.insert(id.parse().expect("an id"), code.to_owned());
        }
    }

    pub(super) async fn cancel(&mut self) {
        if let Some((buyer, id)) = self.some_order() {
            self.buyer_posts(buyer, &format!("/api/v1/orders/{id}/cancel"), json!({})).await;
        }
    }

    /// A buyer who has bought nothing yet.
    pub(super) async fn newcomer(&mut self) -> usize {
        let number = self.buyers.len();
        let token = self.operator_token().await;
        self.buyers.push(Buyer::register(self.app, &token, number).await);
        number
    }

    /// One pack for this buyer, from the prescription to the hatch.
    pub(super) async fn whole_vend(&mut self, buyer: usize) {
        let visit = self.visit(buyer).await.expect("checked in");
        let who = (self.buyers[buyer].id, self.buyers[buyer].check_in.expect("checked in"));
        let id = self.app.prescribe_to(self.seed, who, 1).await;
        let order =
            self.app.post(&visit, "/api/v1/orders", json!({"prescription_id": id})).await.expect_created();
        let path = format!("/api/v1/orders/{}", id_in(&order));
        let pay = json!({"method": "subsidy"});
        let paid = self.app.post(&visit, &format!("{path}/pay"), pay).await.expect_ok();
        let attempt = attempt_of(&paid, 0);
        self.cabinet.vend(attempt, &code_of(&paid), DROP).await;
        self.report().await.expect_ok();
        let done = self.app.get(&visit, &path).await.expect_ok();
        assert_eq!(done["state"], "completed", "{done}{}", self.trail.shown());
    }
}
