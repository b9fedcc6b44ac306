//! The first steps of a consultation, and readings, for tests that work with tokens;
//! `WorkerAtStation` and `Doctor` are the same with names.

use serde_json::{Value, json};

use super::{Doctor, TestApp, people::Person, seed::Seed};

impl TestApp {
    /// Asks for a doctor because of a sore throat; returns the consultation's id.
    pub async fn ask(&self, worker: &str) -> String {
        let body = json!({"complaint": "喉咙痛三天", "department": null, "lane": "minor_ailment_pilot"});
        let view = self.post(worker, "/api/v1/consultations", body).await.expect_created();
        super::id_in(&view).to_owned()
    }

    pub async fn on_duty(&self, doctor: &Person) {
        Doctor::new(self, doctor).go_on_duty().await;
    }

    /// The doctor's first offer after a round of the matcher, or null.
    pub async fn offer_of(&self, doctor: &Person) -> Value {
        Doctor::new(self, doctor).offer().await
    }

    /// Whatever this doctor is offered after a round of the matcher.
    pub async fn offers_to(&self, doctor: &Person) -> Vec<Value> {
        Doctor::new(self, doctor).offers().await
    }

    /// Presence and number of live consultations.
    pub async fn duty_of(&self, doctor: &Person) -> (Value, Value) {
        Doctor::new(self, doctor).duty().await
    }

    /// Asks and is accepted by the first doctor; returns the consultation's id.
    pub async fn active(&self, seed: &Seed, worker: &str) -> String {
        let id = self.ask(worker).await;
        let doctor = Doctor::new(self, &seed.doctor);
        doctor.go_on_duty().await;
        doctor.accept(&doctor.offer().await).await.expect_ok();
        id
    }

    /// Measures, and returns the triage of it.
    pub async fn measure(&self, worker: &str, readings: &[Value]) -> Value {
        let body = json!({"readings": readings});
        self.post(worker, "/api/v1/readings", body).await.expect_created()["triage"].clone()
    }
}

/// A reading in the unit of its kind; the diastolic pressure is 50.
pub fn reading(kind: &str, value: i64) -> Value {
    let unit = match kind {
        "blood_pressure" => "mm[Hg]",
        "spo2" => "%",
        "temperature" => "dCel",
        "glucose" => "10*-1.mmol/L",
        "weight" => "hg",
        "breath_alcohol" => "ug/L",
        _ => "/min",
    };
    let mut reading = json!({"kind": kind, "value": value, "unit": unit, "device": "sample-device"});
    if kind == "blood_pressure" {
        reading["second"] = json!(50);
    }
    reading
}

pub fn pressure(systolic: i64, diastolic: i64) -> Value {
    let mut reading = reading("blood_pressure", systolic);
    reading["second"] = json!(diastolic);
    reading
}

/// The codes of the red flags in a triage.
pub fn flags(triage: &Value) -> Vec<&str> {
    let flags = triage["red_flags"].as_array().expect("red flags");
    flags.iter().filter_map(|flag| flag["code"].as_str()).collect()
}
