//! Three workers with cards, three screens, three doctors of two hospitals.

use std::collections::VecDeque;

use chrono::TimeDelta;
use serde_json::{Value, json};
use waystation::{
    crypto::tokens::{Claims, Role},
    domain::{
        ids::{CheckInId, HospitalId, SessionId, StationId, WorkerId},
        network::luhn_check_digit,
    },
    service::{Actor, Failure, check_in, consultation, matching},
    storage::sessions,
};

use super::{chance::Chance, truth};
use crate::{
    care::Screen,
    harness::{Answer, TestHouse},
    seed::{PIN, Person, SIGNING_PIN, Seed},
};

/// A worker with a card, and where they stand.
struct Worker {
    id: WorkerId,
    card: String,
    at: Option<(CheckInId, StationId)>,
    talk: Option<String>,
}

struct Doctor {
    person: Person,
    hospital: HospitalId,
    /// What they were ever offered: answered again, and too late, on purpose.
    offers: Vec<Value>,
    talks: Vec<String>,
}

pub struct Walk {
    house: TestHouse,
    _seed: Seed,
    chance: Chance,
    screens: Vec<Screen>,
    workers: Vec<Worker>,
    doctors: Vec<Doctor>,
    steps: VecDeque<String>,
}

/// What a step may be.
const STEPS: &[&str] = &[
    "check_in",
    "check_in",
    "leave",
    "touch",
    "ask",
    "ask",
    "cancel",
    "worker_says",
    "available",
    "available",
    "off",
    "look",
    "look",
    "accept",
    "accept",
    "accept",
    "decline",
    "complete",
    "no_show",
    "doctor_says",
    "sign_out",
    "pass",
    "pass",
    "pass",
    "jobs",
    "jobs",
    "jobs",
    "late",
];

impl Walk {
    pub async fn begin(chance: Chance) -> Self {
        let house = TestHouse::open().await;
        let seed = house.seed().await;
        let mut screens = Vec::new();
        let mut workers = Vec::new();
        for number in 0..3 {
            screens.push(house.open_screen().await);
            let digits = format!("9900000088{number}");
            let card = format!("{digits}{}", luhn_check_digit(&digits).expect("digits"));
            let body = json!({"card_number": card, "pin": PIN, "name": "样例丁",
                "phone": format!("1570000000{number}"), "birth_date": "1990-01-01", "sex": "male",
                "job": "courier", "employer_id": null, "language": "zh"});
            let made = house.post(&seed.operator.token, "/api/v1/workers", body).await.expect(201);
            let id = made["id"].as_str().expect("an id").parse().expect("an id");
            workers.push(Worker { id, card, at: None, talk: None });
        }
        let body = json!({"code": "walk-2", "name_zh": "样例医院", "name_en": "Sample Hospital",
            "district": "zhifu", "weight": 2});
        let made = house.post(&seed.operator.token, "/api/v1/hospitals", body).await.expect(201);
        let other: HospitalId = made["id"].as_str().expect("an id").parse().expect("an id");
        let third = house.person(Role::Doctor, "walk-c@example.cn", Some(other), None).await;
        let doctor = |person: &Person, hospital| Doctor {
            person: person.clone(),
            hospital,
            offers: vec![],
            talks: vec![],
        };
        let doctors = vec![
            doctor(&seed.doctor, seed.hospital),
            doctor(&seed.doctor_b, seed.hospital),
            doctor(&third, other),
        ];
        Self { house, _seed: seed, chance, screens, workers, doctors, steps: VecDeque::new() }
    }

    /// Does something.
    pub async fn step(&mut self) {
        let what = self.chance.one(STEPS);
        let (worker, doctor) = (self.chance.below(self.workers.len()), self.chance.below(self.doctors.len()));
        self.note(format!("{what} worker {worker} doctor {doctor}"));
        match what {
            "check_in" => {
                let screen = self.chance.below(self.screens.len());
                self.check_in(worker, screen).await;
            }
            "leave" => self.leave(worker).await,
            "touch" => drop(self.worker_posts(worker, "/api/v1/me/presence", json!({})).await),
            "ask" => self.ask(worker).await,
            "cancel" => drop(self.worker_talks(worker, "cancel", json!({})).await),
            "worker_says" => drop(self.worker_talks(worker, "messages", json!({"text": "好"})).await),
            "available" | "off" => self.duty(doctor, what).await,
            "look" => self.look(doctor).await,
            "accept" | "decline" => {
                self.look(doctor).await;
                self.answer(doctor, what, self.doctors[doctor].offers.len().saturating_sub(1)).await;
            }
            "late" => {
                let known = self.doctors[doctor].offers.len();
                if known > 0 {
                    let which = self.chance.below(known);
                    let verb = self.chance.one(&["accept", "decline"]);
                    self.answer(doctor, verb, which).await;
                }
            }
            "complete" => self.doctor_talks(doctor, "complete", summary()).await,
            "no_show" => self.doctor_talks(doctor, "no-show", json!({})).await,
            "doctor_says" => self.doctor_talks(doctor, "messages", json!({"text": "请说"})).await,
            "sign_out" => self.sign_out(doctor).await,
            "pass" => {
                let seconds = self.chance.one(&[1, 5, 15, 21, 60, 95, 125, 181, 301]);
                self.note(format!("{seconds} s pass"));
                self.house.pass(seconds);
            }
            _ => self.jobs().await,
        }
        let wrong = truth::wrong(&self.house).await;
        assert!(wrong.is_empty(), "{wrong:?}{}", self.told());
    }

    /// Whatever is live can be brought to an end by people who are there.
    pub async fn end(mut self) {
        for _ in 0..12 {
            if truth::live(&self.house).await.is_empty() {
                break;
            }
            for number in 0..self.workers.len() {
                self.check_in(number, number).await;
            }
            // A doctor who turned somebody down is asked again after a while.
            self.house.pass(125);
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
        let left = truth::live(&self.house).await;
        assert!(left.is_empty(), "{left:?} never ends{}", self.told());
        let wrong = truth::wrong(&self.house).await;
        assert!(wrong.is_empty(), "{wrong:?}{}", self.told());
        self.house.sound().await;
    }

    fn note(&mut self, step: String) {
        self.steps.push_back(step);
        if self.steps.len() > 60 {
            self.steps.pop_front();
        }
    }

    fn told(&self) -> String {
        let steps: Vec<&str> = self.steps.iter().map(String::as_str).collect();
        format!("\nWALK_SEED={} after\n  {}", self.chance.seed, steps.join("\n  "))
    }

    /// A refusal is an answer; a fault never is.
    fn no_fault(&mut self, answer: Answer) -> Answer {
        self.note(format!("  {}", answer.status));
        assert!(!answer.status.is_server_error(), "{} {}{}", answer.status, answer.body, self.told());
        answer
    }

    fn worker_token(&self, worker: usize) -> Option<String> {
        let (check_in, station) = self.workers[worker].at?;
        let life = TimeDelta::seconds(300);
        let network = &self.house.house.policy.network;
        let mut claims = Claims::new(network, Role::Worker, self.workers[worker].id, self.house.now(), life);
        claims.check_in = Some(check_in);
        claims.station = Some(station);
        Some(self.house.house.keys.tokens.issue(&claims).expect("a token"))
    }

    fn doctor_token(&self, doctor: usize) -> String {
        let Doctor { person, hospital, .. } = &self.doctors[doctor];
        self.house.staff_token(Role::Doctor, person.id, person.session, Some(*hospital), None)
    }

    async fn check_in(&mut self, worker: usize, screen: usize) {
        let token = self.house.token_of_screen(&self.screens[screen]);
        let body = json!({"card_number": self.workers[worker].card, "pin": PIN});
        let answer = self.house.post(&token, "/api/v1/check-ins", body).await;
        let answer = self.no_fault(answer);
        if answer.status == 201 {
            let id = answer.body["check_in"]["id"].as_str().expect("an id").parse().expect("an id");
            self.workers[worker].at = Some((id, self.screens[screen].station));
            let consent = json!({"purpose": "health_care"});
            self.worker_posts(worker, "/api/v1/me/consents", consent).await;
        }
    }

    async fn leave(&mut self, worker: usize) {
        let Some((id, station)) = self.workers[worker].at else { return };
        let screen = self.screens.iter().find(|screen| screen.station == station).expect("a screen");
        let token = self.house.token_of_screen(screen);
        let answer = self.house.post(&token, &format!("/api/v1/check-ins/{id}/leave"), json!({})).await;
        self.no_fault(answer);
    }

    async fn worker_posts(&mut self, worker: usize, path: &str, body: Value) -> Option<Answer> {
        let token = self.worker_token(worker)?;
        let answer = self.house.post(&token, path, body).await;
        Some(self.no_fault(answer))
    }

    async fn ask(&mut self, worker: usize) {
        let symptoms = if self.chance.below(4) == 0 { json!(["chest_pain"]) } else { json!([]) };
        let body = json!({"complaint": "头痛", "lane": "consultation_only", "symptoms": symptoms});
        if let Some(answer) = self.worker_posts(worker, "/api/v1/consultations", body).await
            && answer.status == 201
        {
            self.workers[worker].talk = answer.body["id"].as_str().map(str::to_owned);
        }
    }

    async fn worker_talks(&mut self, worker: usize, verb: &str, body: Value) -> Option<Answer> {
        let talk = self.workers[worker].talk.clone()?;
        self.worker_posts(worker, &format!("/api/v1/consultations/{talk}/{verb}"), body).await
    }

    async fn duty(&mut self, doctor: usize, presence: &str) {
        let token = self.doctor_token(doctor);
        let answer = self.house.put(&token, "/api/v1/duty", "0", json!({"presence": presence})).await;
        self.no_fault(answer);
    }

    async fn look(&mut self, doctor: usize) {
        let answer = self.house.get(&self.doctor_token(doctor), "/api/v1/offers").await;
        let offers = self.no_fault(answer).body["items"].as_array().cloned().unwrap_or_default();
        self.doctors[doctor].offers.extend(offers);
        let answer = self.house.get(&self.doctor_token(doctor), "/api/v1/consultations").await;
        let held = self.no_fault(answer).body["items"].as_array().cloned().unwrap_or_default();
        self.doctors[doctor].talks =
            held.iter().filter_map(|talk| talk["id"].as_str().map(str::to_owned)).collect();
    }

    async fn answer(&mut self, doctor: usize, verb: &str, which: usize) {
        let Some(offer) = self.doctors[doctor].offers.get(which).cloned() else { return };
        let path = format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().expect("an offer"));
        let mut body = json!({"fence": offer["fence"]});
        if verb == "accept" {
            body["pin"] = json!(SIGNING_PIN);
        }
        let answer = self.house.post(&self.doctor_token(doctor), &path, body).await;
        let answer = self.no_fault(answer);
        if answer.status == 200
            && verb == "accept"
            && let Some(id) = answer.body["id"].as_str()
        {
            self.doctors[doctor].talks.push(id.to_owned());
        }
    }

    async fn doctor_talks(&mut self, doctor: usize, verb: &str, body: Value) {
        let Some(talk) = self.doctors[doctor].talks.last().cloned() else { return };
        let path = format!("/api/v1/consultations/{talk}/{verb}");
        let answer = self.house.post(&self.doctor_token(doctor), &path, body).await;
        self.no_fault(answer);
    }

    /// Out, and in again with a session of its own.
    async fn sign_out(&mut self, doctor: usize) {
        let token = self.doctor_token(doctor);
        let answer = self.house.post(&token, "/api/v1/session/sign-out", json!({})).await;
        self.no_fault(answer);
        let (session, id) = (SessionId::generate(), self.doctors[doctor].person.id);
        self.house
            .house
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                Ok(sessions::session_open(tx.conn, session, id, tx.now)?)
            })
            .await
            .expect("signed in");
        self.doctors[doctor].person.session = session;
    }

    async fn jobs(&mut self) {
        let house = &self.house.house;
        matching::expire_offers(house).await.expect("a round");
        matching::requeue_lost(house).await.expect("a round");
        check_in::sweep_idle(house).await.expect("a round");
        consultation::sweep_absent(house).await.expect("a round");
        consultation::sweep_signed_out(house).await.expect("a round");
        matching::give_up_unserved(house).await.expect("a round");
        matching::offer_waiting(house).await.expect("a round");
    }
}

fn summary() -> Value {
    json!({"summary": "休息", "diagnoses": []})
}
