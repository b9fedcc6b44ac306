//! Doctors: duty, offers, consultations and prescriptions.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{
    Answer, Caller, TestApp, id_in,
    people::{Person, SIGNING_PIN},
    prescribing::draft_of,
    worker::WorkerAtStation,
};

/// A doctor at work. Their tokens are always fresh.
pub struct Doctor<'a> {
    app: &'a TestApp,
    pub person: Person,
}

impl Caller for Doctor<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.app.token_of(&self.person)
    }
}

impl TestApp {
    /// The first doctor of the small network.
    pub async fn doctor(&self) -> Doctor<'_> {
        Doctor::new(self, &self.network().await.doctor)
    }

    /// Another doctor of the same hospital.
    pub async fn second_doctor(&self) -> Doctor<'_> {
        Doctor::new(self, &self.network().await.doctor_b)
    }
}

impl<'a> Doctor<'a> {
    pub fn new(app: &'a TestApp, person: &Person) -> Self {
        Self { app, person: person.clone() }
    }

    async fn set_presence(&self, presence: &str) {
        self.put("/api/v1/duty", "0", json!({"presence": presence})).await.expect_ok();
    }

    pub async fn go_on_duty(&self) {
        self.set_presence("available").await;
    }

    pub async fn go_off_duty(&self) {
        self.set_presence("off").await;
    }

    /// Presence and number of live consultations.
    pub async fn duty(&self) -> (Value, Value) {
        let duty = self.get("/api/v1/duty").await.expect_ok();
        (duty["presence"].clone(), duty["live"].clone())
    }

    /// The open offers, after a round of the matcher.
    pub async fn offers(&self) -> Vec<Value> {
        service::matching::offer_waiting(&self.app.state).await.expect("a round");
        self.open_offers().await
    }

    pub async fn open_offers(&self) -> Vec<Value> {
        self.list("/api/v1/offers").await
    }

    /// The first open offer after a round of the matcher, or null.
    pub async fn offer(&self) -> Value {
        self.offers().await.first().cloned().unwrap_or_default()
    }

    async fn answer(&self, offer: &Value, verb: &str) -> Answer {
        self.post(&format!("/api/v1/offers/{}/{verb}", id_in(offer)), json!({"fence": offer["fence"]})).await
    }

    pub async fn accept(&self, offer: &Value) -> Answer {
        self.answer(offer, "accept").await
    }

    pub async fn decline(&self, offer: &Value) -> Answer {
        self.answer(offer, "decline").await
    }

    /// The worker asks and this doctor accepts; returns the consultation's id.
    pub async fn consult_with(&self, worker: &WorkerAtStation<'_>) -> String {
        let id = worker.ask_for_doctor().await;
        self.go_on_duty().await;
        self.accept(&self.offer().await).await.expect_ok();
        id
    }

    pub async fn say(&self, consultation: impl Display, text: &str) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/messages"), json!({"text": text})).await
    }

    /// The health record that the consultation shows.
    pub async fn record(&self, consultation: impl Display) -> Value {
        self.get(&format!("/api/v1/consultations/{consultation}/record")).await.expect_ok()
    }

    pub async fn complete(&self, consultation: impl Display) -> Answer {
        self.complete_with(consultation, json!({"summary": "休息，多喝水", "diagnoses": []})).await
    }

    pub async fn complete_with(&self, consultation: impl Display, summary: Value) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/complete"), summary).await
    }

    pub async fn report_no_show(&self, consultation: impl Display) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/no-show"), json!({})).await
    }

    /// Hands the consultation on: `to` has the `department` or the `doctor`.
    pub async fn transfer(&self, consultation: impl Display, mut to: Value) -> Answer {
        if to["reason"].is_null() {
            to["reason"] = json!("样例：请会诊");
        }
        self.post(&format!("/api/v1/consultations/{consultation}/transfer"), to).await
    }

    /// Drafts a prescription for these drugs.
    pub async fn prescribe(&self, consultation: impl Display, products: &[&str]) -> Answer {
        self.draft(consultation, draft_of(products)).await
    }

    pub async fn draft(&self, consultation: impl Display, draft: Value) -> Answer {
        self.post(&format!("/api/v1/consultations/{consultation}/prescriptions"), draft).await
    }

    /// Writes a draft over this version of it.
    pub async fn edit(&self, prescription: impl Display, version: u32, products: &[&str]) -> Answer {
        let path = format!("/api/v1/prescriptions/{prescription}");
        self.put(&path, &format!("\"{version}\""), draft_of(products)).await
    }

    pub async fn sign(&self, prescription: impl Display) -> Answer {
        self.sign_with(prescription, json!({"pin": SIGNING_PIN})).await
    }

    pub async fn sign_with(&self, prescription: impl Display, body: Value) -> Answer {
        self.post(&format!("/api/v1/prescriptions/{prescription}/sign"), body).await
    }

    /// Signs, giving `reason` for every one of these rules.
    pub async fn sign_overriding(&self, prescription: impl Display, rules: &[&str], reason: &str) -> Answer {
        let reasons: Vec<Value> = rules.iter().map(|rule| json!({"rule": rule, "reason": reason})).collect();
        self.sign_with(prescription, json!({"pin": SIGNING_PIN, "overrides": reasons})).await
    }

    pub async fn withdraw(&self, prescription: impl Display, reason: &str) -> Answer {
        self.post(&format!("/api/v1/prescriptions/{prescription}/void"), json!({"reason": reason})).await
    }

    pub async fn answer_question(&self, prescription: impl Display, question: &str, text: &str) -> Answer {
        let answer = json!({"question_id": question, "text": text});
        self.post(&format!("/api/v1/prescriptions/{prescription}/answer"), answer).await
    }

    pub async fn check(&self, draft: Value) -> Answer {
        self.post("/api/v1/prescriptions/check", draft).await
    }

    pub async fn sign_out(&self) -> Answer {
        self.post("/api/v1/session/sign-out", json!({})).await
    }
}
