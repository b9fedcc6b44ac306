//! Workers with cards, screens, and doctors of two hospitals in two districts: the single steps of a
//! consultation. Whenever the distributor runs, it must offer what a plain one would.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{card, desk::Desk, plain, trail::Trail};
use crate::support::{
    Answer, Caller, Station, TestApp, Worker as AtScreen, id_in,
    places::Place,
    seed::{Person, SIGNING_PIN},
};
use crypto::tokens::Role;
use domain::{
    ids::{CheckInId, HospitalId, ShiftId, StaffId, WorkerId},
    matching::Department,
    network::roster::Span,
    time::Timestamp,
};
use service::{Actor, Failure};
use storage::{Conn, network as store, on_backend, schema::shift, sql_types::At};

const OTHER_DISTRICT: &str = "laishan";
/// What workers ask for; nobody is of the last one.
const DEPARTMENTS: [&str; 3] = ["general_practice", "dermatology", "psychiatry"];

/// A worker with a card.
pub struct Worker<'h> {
    pub id: WorkerId,
    card: String,
    /// The last check-in, and where it was.
    pub at: Option<(CheckInId, Station<'h>)>,
    consultation: Option<String>,
}

pub struct Doctor {
    pub desk: Desk,
    /// Every offer they ever got: answered again, and too late, on purpose.
    pub offers: Vec<Value>,
    pub consultations: Vec<String>,
}

pub struct Clinic<'h> {
    pub app: &'h TestApp,
    /// Another instance on the same database, whose distributor runs as well.
    pub beside: Option<TestApp>,
    pub trail: Trail,
    pub screens: Vec<Station<'h>>,
    pub workers: Vec<Worker<'h>>,
    pub doctors: Vec<Doctor>,
    pub operator: Desk,
    /// The lane that workers ask for.
    lane: &'static str,
}

impl<'h> Clinic<'h> {
    pub async fn open(app: &'h TestApp, trail: Trail, lane: &'static str) -> Self {
        let seed = app.network().await;
        let mut screens = Vec::new();
        let mut workers = Vec::new();
        for (number, district) in ["zhifu", "zhifu", OTHER_DISTRICT].into_iter().enumerate() {
            let place = Place { district, ..Place::nearby(format!("walk-{number}")) };
            screens.push(app.open_station(place).await);
            let (digits, phone) = (format!("9900000088{number}"), format!("1570000000{number}"));
            let (id, card) = card::register(app, &seed.operator.token, &digits, &phone).await;
            workers.push(Worker { id, card, at: None, consultation: None });
        }
        let body = json!({"code": "walk-2", "name_zh": "样例医院", "name_en": "Sample Hospital",
            "district": OTHER_DISTRICT, "weight": 2});
        let made = app.post(&seed.operator.token, "/api/v1/hospitals", body).await.expect_created();
        let other: HospitalId = id_in(&made).parse().expect("an id");
        let third = app.person(Role::Doctor, "walk-c@example.cn", Some(other), None).await;
        let mut doctors = Vec::new();
        for person in [&seed.doctor, &seed.doctor_b, &third] {
            on_shift_for_days(app, person).await;
            let of = if person.id == seed.doctor.id { &DEPARTMENTS[..1] } else { &DEPARTMENTS[..2] };
            app.of_departments(person, of).await;
            let desk = Desk::of(app, person);
            doctors.push(Doctor { desk, offers: vec![], consultations: vec![] });
        }
        let operator = Desk::of(app, &seed.operator);
        Self { app, beside: None, trail, screens, workers, doctors, operator, lane }
    }

    fn worker_token(&self, worker: usize) -> Option<String> {
        let (check_in, station) = self.workers[worker].at?;
        Some(self.app.worker_token(self.workers[worker].id, check_in, station.id))
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
        let screen = self.screens[screen];
        let answer = screen.try_check_in(&AtScreen::with_card(&self.workers[worker].card)).await;
        let answer = self.trail.no_fault(answer);
        if answer.status == 201 {
            self.workers[worker].at = Some((screen.opened(&answer.body).check_in, screen));
            let consent = json!({"purpose": "health_care"});
            self.worker_posts(worker, "/api/v1/me/consents", consent).await;
        }
    }

    pub async fn leave(&mut self, worker: usize) {
        let Some((id, station)) = self.workers[worker].at else { return };
        let answer = station.post(&format!("/api/v1/check-ins/{id}/leave"), json!({})).await;
        self.trail.no_fault(answer);
    }

    pub async fn worker_posts(&mut self, worker: usize, path: &str, body: Value) -> Option<Answer> {
        let token = self.worker_token(worker)?;
        let answer = self.app.post(&token, path, body).await;
        Some(self.trail.no_fault(answer))
    }

    pub async fn ask(&mut self, worker: usize) {
        let symptoms = if self.trail.chance.once_in(4) { json!(["chest_pain"]) } else { json!([]) };
        // Mostly what most doctors serve, so that consultations get far.
        let department =
            if self.trail.chance.once_in(3) { self.trail.chance.one(&DEPARTMENTS) } else { DEPARTMENTS[0] };
        let medium = self.trail.chance.one(&["text", "text", "text", "video"]);
        let body = json!({"complaint": "头痛", "lane": self.lane, "symptoms": symptoms,
            "department": department, "medium": medium});
        if let Some(answer) = self.worker_posts(worker, "/api/v1/consultations", body).await
            && answer.status == 201
        {
            self.workers[worker].consultation = answer.body["id"].as_str().map(str::to_owned);
        }
    }

    pub async fn worker_talks(&mut self, worker: usize, verb: &str, body: Value) -> Option<Answer> {
        let id = self.workers[worker].consultation.clone()?;
        self.worker_posts(worker, &format!("/api/v1/consultations/{id}/{verb}"), body).await
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
        let active = self.trail.no_fault(answer).body["items"].as_array().cloned().unwrap_or_default();
        self.doctors[doctor].consultations =
            active.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    }

    /// A doctor who has an open offer.
    pub fn asked(&self) -> Option<usize> {
        let open = plain::open_offers(self.app);
        (0..self.doctors.len()).find(|doctor| {
            let of = self.doctors[*doctor].desk.person.id;
            open.iter().any(|(_, asked)| *asked == of)
        })
    }

    pub async fn answer(&mut self, doctor: usize, verb: &str, which: usize) {
        let Some(offer) = self.doctors[doctor].offers.get(which).cloned() else { return };
        let path = format!("/api/v1/offers/{}/{verb}", id_in(&offer));
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
            self.doctors[doctor].consultations.push(id.to_owned());
        }
    }

    pub async fn doctor_talks(&mut self, doctor: usize, verb: &str, body: Value) {
        let Some(id) = self.doctors[doctor].consultations.last().cloned() else { return };
        let path = format!("/api/v1/consultations/{id}/{verb}");
        let token = self.doctor_token(doctor).await;
        let answer = self.app.post(&token, &path, body).await;
        self.trail.no_fault(answer);
    }

    /// A doctor hands a consultation on, to a department or to any of the doctors; one who accepts it just
    /// now, unless somebody has one.
    pub async fn transfer(&mut self) {
        self.jobs().await;
        let mut busy = None;
        for number in 0..self.doctors.len() {
            self.look(number).await;
            if let Some(newest) = self.doctors[number].offers.len().checked_sub(1) {
                self.answer(number, "accept", newest).await;
            }
            busy = busy.or((!self.doctors[number].consultations.is_empty()).then_some(number));
        }
        let Some(doctor) = busy else { return };
        let mut body = json!({"reason": "样例"});
        if self.trail.chance.once_in(2) {
            body["department"] = json!(self.trail.chance.one(&DEPARTMENTS[..2]));
        } else {
            let other = self.trail.chance.below(self.doctors.len());
            body["doctor"] = json!(self.doctors[other].desk.person.id);
        }
        self.doctor_talks(doctor, "transfer", body).await;
    }

    /// Signs out, and in again with a new session.
    pub async fn sign_out(&mut self, doctor: usize) {
        let token = self.doctor_token(doctor).await;
        let answer = self.app.post(&token, "/api/v1/session/sign-out", json!({})).await;
        self.trail.no_fault(answer);
        self.doctors[doctor].desk.sign_in(self.app).await;
    }

    /// Every worker checks in, and the doctors see everybody who waits.
    pub async fn see_everybody(&mut self) {
        for number in 0..self.workers.len() {
            self.check_in(number, number).await;
        }
        // A doctor who declined is offered the same consultation again after a while.
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
            for id in self.doctors[number].consultations.clone() {
                self.doctors[number].consultations = vec![id];
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
        if self.trail.chance.once_in(2)
            && let Some(beside) = &self.beside
        {
            let both =
                (service::matching::offer_waiting(app), service::matching::offer_waiting(&beside.state));
            let (one, other) = tokio::join!(both.0, both.1);
            one.and(other).expect("two rounds");
            let due = plain::due(self.app);
            assert!(due.is_empty(), "two distributors left {due:?} undone{}", self.trail.shown());
            return;
        }
        let due = plain::due(self.app);
        let before = plain::open_offers(self.app);
        service::matching::offer_waiting(app).await.expect("a round");
        let mut made = plain::open_offers(self.app);
        made.retain(|offer| !before.contains(offer));
        made.sort_unstable();
        assert_eq!(made, due, "the offers, and those of a plain distributor{}", self.trail.shown());
    }

    /// The doctor's shifts end now, or a new one begins: for one department, or for all of theirs.
    pub async fn shift(&mut self, doctor: usize, begins: bool, of: Option<Department>) {
        let (staff_id, now) = (self.doctors[doctor].desk.person.id, self.app.now());
        self.app
            .state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                if begins {
                    if storage::matching::doctor::on_shift_until(tx.conn, staff_id, now)?.is_some() {
                        return Ok(());
                    }
                    let (id, span) =
                        (ShiftId::generate(), Span { from: now, until: now + TimeDelta::days(60) });
                    return Ok(store::roster::shift_add(tx.conn, id, staff_id, span, of).map(drop)?);
                }
                Ok(on_backend!(tx.conn, c => diesel::update(shift::table)
                    .filter(shift::staff_id.eq(staff_id))
                    .filter(shift::ends_at.gt(At(now)))
                    .filter(shift::starts_at.lt(At(now)))
                    .set(shift::ends_at.eq(At(now)))
                    .execute(c)
                    .map(drop))?)
            })
            .await
            .expect("a shift");
    }
}

pub fn summary() -> Value {
    json!({"summary": "休息", "diagnoses": []})
}

/// The shifts of the next days.
async fn on_shift_for_days(app: &TestApp, person: &Person) {
    let staff_id = person.id;
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            let (from, to) = (tx.now + TimeDelta::hours(24), tx.now + TimeDelta::days(60));
            Ok(add_shift(tx.conn, staff_id, from, to)?)
        })
        .await
        .expect("a shift");
}

fn add_shift(conn: &mut Conn, staff_id: StaffId, from: Timestamp, to: Timestamp) -> QueryResult<()> {
    let shift = store::NewShift { id: ShiftId::generate(), staff_id, starts_at: At(from), ends_at: At(to) };
    store::shifts_insert(conn, &[shift])
}
