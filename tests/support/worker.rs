//! Workers: what they bring to a screen, and what they do once they are checked in.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{
    Answer, Caller, TestApp, id_in,
    seed::{CARD, PIN, Seed},
    station::Station,
};
use domain::ids::{CheckInId, PrescriptionId, WorkerId};

/// What is typed or read at a screen to check somebody in.
#[derive(Clone)]
pub struct Worker {
    pub(super) path: &'static str,
    pub(super) body: Value,
}

impl Worker {
    /// The worker of the small network, born in 1990, with card and PIN.
    pub fn adult() -> Self {
        Self::with_card(CARD)
    }

    /// Somebody with this card, and the PIN that tests give everybody.
    pub fn with_card(card: &str) -> Self {
        Self { path: "/api/v1/check-ins", body: json!({"card_number": card, "pin": PIN}) }
    }

    /// Somebody without a card, of whom nothing is known but a name.
    pub fn walk_in() -> Self {
        Self { path: "/api/v1/check-ins/walk-in", body: json!({"name": "样例甲", "consent": true}) }
    }

    pub fn phone(self, phone: &str) -> Self {
        self.with("phone", phone)
    }

    /// Born on this day (`1990-05-01`).
    pub fn born(self, day: &str) -> Self {
        self.with("birth_date", day)
    }

    pub fn sex(self, sex: &str) -> Self {
        self.with("sex", sex)
    }

    fn with(mut self, field: &str, value: &str) -> Self {
        self.body[field] = json!(value);
        self
    }
}

/// A worker who is checked in.
#[derive(Clone)]
pub struct WorkerAtStation<'a> {
    pub(super) app: &'a TestApp,
    pub station: Station<'a>,
    pub id: WorkerId,
    pub check_in: CheckInId,
    /// Issued at the check-in, valid for five minutes.
    pub token: String,
}

impl Caller for WorkerAtStation<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.token.clone()
    }
}

impl WorkerAtStation<'_> {
    pub async fn leave(&self) -> Answer {
        self.station.check_out(self).await
    }

    /// Writes the profile over whatever version it has.
    pub async fn write_profile(&self, profile: Value) -> Answer {
        let path = "/api/v1/me/profile";
        let version = self.get(path).await.headers["etag"].to_str().expect("text").to_owned();
        self.put(path, &version, profile).await
    }

    /// Answers every health question with "no" or "nothing", except for `answers`.
    pub async fn answer_health_questions(&self, answers: Value) {
        let mut profile = json!({"allergies": [], "conditions": [], "medicines": [], "pregnant": false,
            "breastfeeding": false});
        let fields = profile.as_object_mut().expect("an object");
        fields.extend(answers.as_object().expect("an object").clone());
        self.write_profile(profile).await.expect_ok();
    }

    pub async fn withdraw_consent(&self, purpose: &str) -> Answer {
        self.post("/api/v1/me/consents/withdraw", json!({"purpose": purpose})).await
    }

    /// Measures, and returns the triage of it.
    pub async fn measure(&self, readings: &[Value]) -> Value {
        self.app.measure(&self.token, readings).await
    }

    pub async fn report_symptoms(&self, symptoms: &[&str]) -> Answer {
        self.post("/api/v1/symptoms", json!({"symptoms": symptoms})).await
    }

    pub async fn triage(&self) -> Value {
        self.get("/api/v1/triage").await.expect_ok()
    }

    pub async fn request_consultation(&self, request: Value) -> Answer {
        self.post("/api/v1/consultations", request).await
    }

    /// Asks for a doctor because of a sore throat; returns the consultation's id.
    pub async fn ask_for_doctor(&self) -> String {
        self.app.ask(&self.token).await
    }

    /// Asks for a doctor because of chest pain, which is an emergency.
    pub async fn ask_with_chest_pain(&self) -> Answer {
        let request = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
        self.request_consultation(request).await
    }

    pub async fn consultation(&self, id: impl Display) -> Value {
        self.get(&format!("/api/v1/consultations/{id}")).await.expect_ok()
    }

    pub async fn cancel_consultation(&self, id: impl Display) -> Answer {
        self.post(&format!("/api/v1/consultations/{id}/cancel"), json!({})).await
    }

    pub async fn say(&self, consultation: impl Display, text: &str) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/messages"), json!({"text": text})).await
    }

    pub async fn rate(&self, consultation: impl Display, rating: u8) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/rating"), json!({"rating": rating})).await
    }

    /// Orders over the counter: products with their numbers of packs.
    pub async fn buy(&self, wanted: &[(&str, u32)]) -> Answer {
        self.post(ORDERS, over_the_counter(wanted)).await
    }

    /// Orders one pack, accepting the warnings of these rules.
    pub async fn buy_accepting(&self, product: &str, rules: &[&str]) -> Answer {
        let mut order = over_the_counter(&[(product, 1)]);
        order["accepted_warnings"] = json!(rules);
        self.post(ORDERS, order).await
    }

    pub async fn order_prescribed(&self, prescription: impl Display) -> Answer {
        self.post(ORDERS, json!({"prescription_id": prescription.to_string()})).await
    }

    /// An approved prescription for packs of `RX`, written into the database.
    pub async fn approved_prescription(&self, packs: i32) -> PrescriptionId {
        let seed = Seed { station: self.station.id, ..self.app.seed().await };
        self.app.prescribe_to(&seed, (self.id, self.check_in), packs).await
    }

    /// An order of approved packs of `RX`, not paid yet.
    pub async fn reserve(&self, packs: i32) -> Value {
        let prescription = self.approved_prescription(packs).await;
        self.order_prescribed(prescription).await.expect_created()
    }

    /// An order of approved packs of `RX`, paid.
    pub async fn reserve_and_pay(&self, packs: i32) -> Value {
        let order = self.reserve(packs).await;
        self.pay(&order).await.expect_ok()
    }

    pub async fn pay(&self, order: &Value) -> Answer {
        self.post(&format!("{ORDERS}/{}/pay", id_in(order)), json!({"method": "subsidy"})).await
    }

    pub async fn cancel(&self, order: &Value) -> Answer {
        self.post(&format!("{ORDERS}/{}/cancel", id_in(order)), json!({})).await
    }

    /// The order as it is now.
    pub async fn order(&self, order: &Value) -> Value {
        self.get(&format!("{ORDERS}/{}", id_in(order))).await.expect_ok()
    }

    /// In fen.
    pub async fn balance(&self) -> i64 {
        self.get("/api/v1/account").await.expect_ok()["balance_fen"].as_i64().expect("an amount")
    }
}

pub const ORDERS: &str = "/api/v1/orders";

/// The body of an order over the counter.
pub fn over_the_counter(wanted: &[(&str, u32)]) -> Value {
    let one = |(code, packs): &(&str, u32)| json!({"product_code": code, "packs": packs});
    json!({"lines": wanted.iter().map(one).collect::<Vec<_>>()})
}
