//! Pharmacists, who review prescriptions.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{
    Answer, Caller, TestApp, id_in,
    people::{Person, SIGNING_PIN},
};

/// A pharmacist at work. Their tokens are always fresh.
pub struct Pharmacist<'a> {
    app: &'a TestApp,
    pub person: Person,
}

impl Caller for Pharmacist<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.app.token_of(&self.person)
    }
}

impl<'a> Pharmacist<'a> {
    pub fn new(app: &'a TestApp, person: &Person) -> Self {
        Self { app, person: person.clone() }
    }

    /// The queue of what is signed and not reviewed.
    pub async fn reviews(&self) -> Vec<Value> {
        self.list("/api/v1/reviews").await
    }

    /// A prescription with what must be known of the patient.
    pub async fn review(&self, prescription: impl Display) -> Answer {
        self.get(&format!("/api/v1/reviews/{prescription}")).await
    }

    pub async fn claim(&self, prescription: impl Display) -> Answer {
        self.post(&format!("/api/v1/reviews/{prescription}/claim"), json!({})).await
    }

    pub async fn release(&self, prescription: impl Display) -> Answer {
        self.post(&format!("/api/v1/reviews/{prescription}/release"), json!({})).await
    }

    /// Asks the doctor; returns the id of the question.
    pub async fn ask(&self, prescription: impl Display, text: &str) -> String {
        let asked = self.try_to_ask(prescription, text).await.expect_ok();
        let newest = asked["questions"].as_array().and_then(|all| all.last()).expect("a question");
        id_in(newest).to_owned()
    }

    pub async fn try_to_ask(&self, prescription: impl Display, text: &str) -> Answer {
        self.post(&format!("/api/v1/prescriptions/{prescription}/ask"), json!({"text": text})).await
    }

    pub async fn approve(&self, prescription: impl Display) -> Answer {
        let pin = json!({"pin": SIGNING_PIN});
        self.post(&format!("/api/v1/prescriptions/{prescription}/approve"), pin).await
    }

    pub async fn send_back(&self, prescription: impl Display, reason: Value) -> Answer {
        self.post(&format!("/api/v1/prescriptions/{prescription}/return"), reason).await
    }
}
