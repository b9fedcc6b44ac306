//! Workers with cards, screens, and doctors of two hospitals: what they do in a
//! consultation, each as one step.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{desk::Desk, trail::Trail};
use crate::{
    care::Screen,
    harness::{Answer, TestApp},
    seed::{PIN, Person, SIGNING_PIN, Seed},
};
use crypto::tokens::{Claims, Role};
use domain::{
    ids::{CheckInId, HospitalId, ShiftId, StationId, WorkerId},
    network::luhn_check_digit,
};
use service::{Actor, Failure};
use storage::{network as store, sql_types::At};

/// A worker with a card, and where they stand.
pub struct Worker {
    pub id: WorkerId,
    card: String,
    pub at: Option<(CheckInId, StationId)>,
    talk: Option<String>,
}

pub struct Doctor {
    pub desk: Desk,
    /// What they were ever offered: answered again, and too late, on purpose.
    pub offers: Vec<Value>,
    pub talks: Vec<String>,
}

pub struct Clinic<'h> {
    pub app: &'h TestApp,
    pub trail: Trail,
    pub screens: Vec<Screen>,
    pub workers: Vec<Worker>,
    pub doctors: Vec<Doctor>,
    pub operator: Desk,
    /// What workers ask for.
    lane: &'static str,
}

impl<'h> Clinic<'h> {
    pub async fn open(app: &'h TestApp, seed: &'h Seed, trail: Trail, lane: &'static str) -> Self {
        let mut screens = Vec::new();
        let mut workers = Vec::new();
        for number in 0..3 {
            screens.push(app.open_screen().await);
            let digits = format!("9900000088{number}");
            let card = format!("{digits}{}", luhn_check_digit(&digits).expect("digits"));
            let body = json!({"card_number": card, "pin": PIN, "name": "样例丁",
                "phone": format!("1570000000{number}"), "birth_date": "1990-01-01", "sex": "male",
                "job": "courier", "employer_id": null, "language": "zh"});
            let made = app.post(&seed.operator.token, "/api/v1/workers", body).await.expect(201);
            let id = made["id"].as_str().expect("an id").parse().expect("an id");
            workers.push(Worker { id, card, at: None, talk: None });
        }
        let body = json!({"code": "walk-2", "name_zh": "样例医院", "name_en": "Sample Hospital",
            "district": "zhifu", "weight": 2});
        let made = app.post(&seed.operator.token, "/api/v1/hospitals", body).await.expect(201);
        let other: HospitalId = made["id"].as_str().expect("an id").parse().expect("an id");
        let third = app.person(Role::Doctor, "walk-c@example.cn", Some(other), None).await;
        let mut doctors = Vec::new();
        for (person, hospital) in
            [(&seed.doctor, seed.hospital), (&seed.doctor_b, seed.hospital), (&third, other)]
        {
            on_shift_for_days(app, person).await;
            let desk = Desk::of(app, person, Role::Doctor, Some(hospital));
            doctors.push(Doctor { desk, offers: vec![], talks: vec![] });
        }
        let operator = Desk::of(app, &seed.operator, Role::Operator, None);
        Self { app, trail, screens, workers, doctors, operator, lane }
    }

    fn worker_token(&self, worker: usize) -> Option<String> {
        let (check_in, station) = self.workers[worker].at?;
        let life = TimeDelta::seconds(300);
        let network = &self.app.state.policy.network;
        let mut claims = Claims::new(network, Role::Worker, self.workers[worker].id, self.app.now(), life);
        claims.check_in = Some(check_in);
        claims.station = Some(station);
        Some(self.app.state.keys.tokens.issue(&claims).expect("a token"))
    }

    pub async fn doctor_token(&mut self, doctor: usize) -> String {
        self.doctors[doctor].desk.token(self.app).await
    }

    pub async fn operator_posts(&mut self, path: &str, body: Value) -> Answer {
        let token = self.operator.token(self.app).await;
        let answer = self.app.post(&token, path, body).await;
        self.trail.no_fault(answer)
    }

    pub async fn check_in(&mut self, worker: usize, screen: usize) {
        let token = self.app.token_of_screen(&self.screens[screen]);
        let body = json!({"card_number": self.workers[worker].card, "pin": PIN});
        let answer = self.app.post(&token, "/api/v1/check-ins", body).await;
        let answer = self.trail.no_fault(answer);
        if answer.status == 201 {
            let id = answer.body["check_in"]["id"].as_str().expect("an id").parse().expect("an id");
            self.workers[worker].at = Some((id, self.screens[screen].station));
            let consent = json!({"purpose": "health_care"});
            self.worker_posts(worker, "/api/v1/me/consents", consent).await;
        }
    }

    pub async fn leave(&mut self, worker: usize) {
        let Some((id, station)) = self.workers[worker].at else { return };
        let screen = self.screens.iter().find(|screen| screen.station == station).expect("a screen");
        let token = self.app.token_of_screen(screen);
        let answer = self.app.post(&token, &format!("/api/v1/check-ins/{id}/leave"), json!({})).await;
        self.trail.no_fault(answer);
    }

    pub async fn worker_posts(&mut self, worker: usize, path: &str, body: Value) -> Option<Answer> {
        let token = self.worker_token(worker)?;
        let answer = self.app.post(&token, path, body).await;
        Some(self.trail.no_fault(answer))
    }

    pub async fn ask(&mut self, worker: usize) {
        let symptoms = if self.trail.chance.once_in(4) { json!(["chest_pain"]) } else { json!([]) };
        let body = json!({"complaint": "头痛", "lane": self.lane, "symptoms": symptoms});
        if let Some(answer) = self.worker_posts(worker, "/api/v1/consultations", body).await
            && answer.status == 201
        {
            self.workers[worker].talk = answer.body["id"].as_str().map(str::to_owned);
        }
    }

    pub async fn worker_talks(&mut self, worker: usize, verb: &str, body: Value) -> Option<Answer> {
        let talk = self.workers[worker].talk.clone()?;
        self.worker_posts(worker, &format!("/api/v1/consultations/{talk}/{verb}"), body).await
    }

    pub async fn duty(&mut self, doctor: usize, presence: &str) {
        let token = self.doctor_token(doctor).await;
        let answer = self.app.put(&token, "/api/v1/duty", "0", json!({"presence": presence})).await;
        self.trail.no_fault(answer);
    }

    pub async fn look(&mut self, doctor: usize) {
        let token = self.doctor_token(doctor).await;
        let answer = self.app.get(&token, "/api/v1/offers").await;
        let offers = self.trail.no_fault(answer).body["items"].as_array().cloned().unwrap_or_default();
        self.doctors[doctor].offers.extend(offers);
        let answer = self.app.get(&token, "/api/v1/consultations").await;
        let held = self.trail.no_fault(answer).body["items"].as_array().cloned().unwrap_or_default();
        self.doctors[doctor].talks =
            held.iter().filter_map(|talk| talk["id"].as_str().map(str::to_owned)).collect();
    }

    pub async fn answer(&mut self, doctor: usize, verb: &str, which: usize) {
        let Some(offer) = self.doctors[doctor].offers.get(which).cloned() else { return };
        let path = format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().expect("an offer"));
        let mut body = json!({"fence": offer["fence"]});
        if verb == "accept" {
            body["pin"] = json!(SIGNING_PIN);
        }
        let token = self.doctor_token(doctor).await;
        let answer = self.app.post(&token, &path, body).await;
        let answer = self.trail.no_fault(answer);
        if answer.status == 200
            && verb == "accept"
            && let Some(id) = answer.body["id"].as_str()
        {
            self.doctors[doctor].talks.push(id.to_owned());
        }
    }

    pub async fn doctor_talks(&mut self, doctor: usize, verb: &str, body: Value) {
        let Some(talk) = self.doctors[doctor].talks.last().cloned() else { return };
        let path = format!("/api/v1/consultations/{talk}/{verb}");
        let token = self.doctor_token(doctor).await;
        let answer = self.app.post(&token, &path, body).await;
        self.trail.no_fault(answer);
    }

    /// Out, and in again with a session of its own.
    pub async fn sign_out(&mut self, doctor: usize) {
        let token = self.doctor_token(doctor).await;
        let answer = self.app.post(&token, "/api/v1/session/sign-out", json!({})).await;
        self.trail.no_fault(answer);
        self.doctors[doctor].desk.sign_in(self.app).await;
    }

    /// Every worker is there, and every doctor sees whoever waits.
    pub async fn see_everybody(&mut self) {
        for number in 0..self.workers.len() {
            self.check_in(number, number).await;
        }
        // A doctor who turned somebody down is asked again after a while.
        self.app.pass(125);
        self.jobs().await;
        for number in 0..self.workers.len() {
            self.check_in(number, number).await;
        }
        for number in 0..self.doctors.len() {
            self.duty(number, "available").await;
        }
        self.jobs().await;
        for number in 0..self.doctors.len() {
            self.doctors[number].offers.clear();
            self.look(number).await;
            for which in 0..self.doctors[number].offers.len() {
                self.answer(number, "accept", which).await;
            }
            for talk in self.doctors[number].talks.clone() {
                self.doctors[number].talks = vec![talk];
                self.doctor_talks(number, "complete", summary()).await;
            }
        }
    }

    pub async fn jobs(&mut self) {
        let app = &self.app.state;
        service::matching::expire_offers(app).await.expect("a round");
        service::matching::requeue_lost(app).await.expect("a round");
        service::check_in::sweep_idle(app).await.expect("a round");
        service::consultation::sweep_absent(app).await.expect("a round");
        service::consultation::sweep_signed_out(app).await.expect("a round");
        service::matching::give_up_unserved(app).await.expect("a round");
        service::matching::offer_waiting(app).await.expect("a round");
    }
}

pub fn summary() -> Value {
    json!({"summary": "休息", "diagnoses": []})
}

/// As the roster has it: shifts follow each other.
async fn on_shift_for_days(app: &TestApp, person: &Person) {
    let staff_id = person.id;
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            let (from, to) = (tx.now + TimeDelta::hours(24), tx.now + TimeDelta::days(60));
            let shift =
                store::NewShift { id: ShiftId::generate(), staff_id, starts_at: At(from), ends_at: At(to) };
            Ok(store::shifts_insert(tx.conn, &[shift])?)
        })
        .await
        .expect("a shift");
}
