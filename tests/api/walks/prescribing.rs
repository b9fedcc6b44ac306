//! Prescriptions and their review, while doctors and pharmacists sign out or are
//! disabled.

use diesel::prelude::*;
use futures_util::future::join;
use serde_json::{Value, json};

use super::{
    Walk,
    chance::Bag,
    clinic::{Clinic, summary},
    desk::Desk,
    folds, reviews,
    trail::Trail,
    transitions::Taken,
    truth,
};
use crate::support::{
    Answer, CabinetMachine, TestApp,
    machine::{DROP, JAM},
    prescribing::draft_of,
    seed::SIGNING_PIN,
    vending::{RX, attempt_of, code_of},
};
use crypto::tokens::Role;
use domain::{
    ids::{PrescriptionId, StaffId, WorkerId},
    prescription::PrescriptionState,
};
use service::Actor;
use storage::{on_backend, schema::prescription};

/// The steps, and how often each is drawn.
const STEPS: &[(&str, usize)] = &[
    ("see somebody", 5),
    ("draft", 5),
    ("draft late", 3),
    ("edit", 5),
    ("sign", 8),
    ("approve", 8),
    ("return", 5),
    ("claim", 6),
    ("release", 2),
    ("ask", 3),
    ("answer", 4),
    ("supply", 8),
    ("decide at once", 3),
    ("withdraw", 3),
    ("order", 6),
    ("cancel the order", 1),
    ("complete", 2),
    ("no show", 1),
    ("leave", 1),
    ("doctor signs out", 1),
    ("pharmacist signs out", 1),
    ("disable a doctor", 1),
    ("enable the doctors", 2),
    ("disable a pharmacist", 1),
    ("pass", 6),
    ("midnight", 2),
    ("jobs", 6),
];

/// A prescription as stored.
#[derive(Debug, Clone, Queryable)]
struct Row {
    id: PrescriptionId,
    state: PrescriptionState,
    version: i64,
    doctor: StaffId,
    worker: WorkerId,
}

pub struct PrescribingWalk<'h> {
    clinic: Clinic<'h>,
    pharmacists: Vec<Desk>,
    cabinet: CabinetMachine<'h>,
    /// The index of the screen at the cabinet's station.
    counter: usize,
    orders: Vec<(usize, String)>,
    /// Consultations in which somebody has prescribed.
    consultations: Vec<(usize, String)>,
    bag: Bag,
}

impl<'h> PrescribingWalk<'h> {
    pub async fn begin(app: &'h TestApp, trail: Trail) -> Self {
        let seed = app.network().await;
        app.fill(seed).await;
        let mut clinic = Clinic::open(app, trail, "minor_ailment_pilot").await;
        let counter = clinic.screens.len();
        clinic.screens.push(app.station().await);
        let second = app.person(Role::Pharmacist, "pharmacist-2@example.cn", None, None).await;
        let pharmacists = [&seed.pharmacist, &second].map(|one| Desk::of(app, one)).into();
        let (cabinet, bag) = (app.cabinet().await, Bag::of(STEPS));
        Self { clinic, pharmacists, cabinet, counter, orders: vec![], consultations: vec![], bag }
    }
}

impl Walk for PrescribingWalk<'_> {
    async fn step(&mut self) {
        let what = self.bag.draw(&mut self.clinic.trail.chance);
        self.clinic.trail.note(what);
        let doctor = self.clinic.trail.chance.below(self.clinic.doctors.len());
        let pharmacist = self.clinic.trail.chance.below(self.pharmacists.len());
        match what {
            "see somebody" => self.see_somebody(doctor).await,
            "draft" => self.draft(doctor).await,
            "draft late" => self.draft_late().await,
            "edit" => self.edit().await,
            "sign" => self.sign().await,
            "approve" => self.approve(pharmacist).await,
            "return" => self.send_back(pharmacist).await,
            "claim" => self.claim(pharmacist).await,
            "release" => self.release(pharmacist).await,
            "ask" => self.ask(pharmacist).await,
            "answer" => self.answer().await,
            "supply" => self.supply(pharmacist).await,
            "decide at once" => self.decide_at_once().await,
            "withdraw" => self.withdraw().await,
            "order" => self.order().await,
            "cancel the order" => self.cancel_order().await,
            "complete" => {
                self.clinic.look(doctor).await;
                self.clinic.doctor_talks(doctor, "complete", summary()).await;
            }
            "no show" => {
                self.clinic.look(doctor).await;
                self.clinic.doctor_talks(doctor, "no-show", json!({})).await;
            }
            "leave" => {
                let worker = self.clinic.trail.chance.below(self.clinic.workers.len());
                self.clinic.leave(worker).await;
            }
            "doctor signs out" => self.clinic.sign_out(doctor).await,
            "pharmacist signs out" => self.pharmacist_signs_out(pharmacist).await,
            "disable a doctor" => self.staff(doctor, "disable").await,
            "enable the doctors" => self.enable_everybody().await,
            "disable a pharmacist" => {
                let id = self.pharmacists[pharmacist].person.id;
                self.clinic.operator_posts(&format!("/api/v1/staff/{id}/disable"), json!({})).await;
            }
            "pass" => {
                let seconds = self.clinic.trail.chance.one(&[1, 5, 21, 60, 95, 301, 1801, 3 * 3600]);
                self.clinic.trail.note(format!("  {seconds} s"));
                self.clinic.app.pass(seconds);
            }
            // A second after midnight in Shanghai.
            "midnight" => {
                if self.wants(PrescriptionState::Returned).await {
                    self.send_back(pharmacist).await;
                }
                let now = self.clinic.app.now().timestamp() + 8 * 3600;
                self.clinic.app.pass(86_400 - now % 86_400 + 1);
                self.jobs().await;
            }
            "jobs" => self.jobs().await,
            other => unreachable!("{other}"),
        }
    }

    async fn check(&mut self) {
        let mut wrong = folds::wrong(self.clinic.app, &mut Taken::default()).await;
        wrong.extend(truth::wrong(self.clinic.app).await);
        wrong.extend(reviews::wrong(self.clinic.app).await);
        let token = self.clinic.operator.token(self.clinic.app).await;
        let audit = self.clinic.app.get(&token, "/api/v1/audit/invariants").await.expect_ok();
        wrong.extend(audit["violations"].as_array().expect("a list").iter().map(ToString::to_string));
        self.clinic.trail.right(&wrong);
    }

    /// The doctors decide about what they have not decided yet; the other prescriptions
    /// end with their validity.
    async fn end(&mut self) {
        for round in 0..4 {
            if self.live().await.is_empty() && truth::live(self.clinic.app).await.is_empty() {
                break;
            }
            self.clinic.see_everybody().await;
            for row in self.live().await {
                // What is signed may be left until it expires.
                let unsigned = row.state == PrescriptionState::Draft;
                if round > 0 || unsigned || self.clinic.trail.chance.once_in(4) {
                    self.withdraw_one(&row).await;
                }
            }
            self.clinic.app.pass(31 * 60);
            self.jobs().await;
            self.clinic.app.pass(3 * 86_400);
            self.jobs().await;
        }
        let live = self.live().await;
        assert!(live.is_empty(), "never ends: {live:#?}{}", self.clinic.trail.shown());
        let consultations = truth::live(self.clinic.app).await;
        assert!(consultations.is_empty(), "never ends: {consultations:#?}{}", self.clinic.trail.shown());
    }

    async fn finished(mut self) -> Taken {
        self.check().await;
        self.clinic.app.sound().await;
        let mut taken = Taken::default();
        folds::wrong(self.clinic.app, &mut taken).await;
        taken
    }
}

impl PrescribingWalk<'_> {
    async fn rows(&self) -> Vec<Row> {
        self.clinic
            .app
            .state
            .read(Actor::System, |conn, _| {
                Ok(on_backend!(conn, c => prescription::table
                    .order(prescription::id)
                    .select((
                        prescription::id,
                        prescription::state,
                        prescription::version,
                        prescription::doctor_id,
                        prescription::worker_id,
                    ))
                    .load(c))?)
            })
            .await
            .expect("read")
    }

    /// Whether no prescription is in this state, and one should mostly be brought there.
    async fn wants(&mut self, state: PrescriptionState) -> bool {
        !self.rows().await.iter().any(|row| row.state == state) && !self.clinic.trail.chance.once_in(4)
    }

    async fn live(&self) -> Vec<Row> {
        self.rows().await.into_iter().filter(|row| row.state.is_live()).collect()
    }

    /// A prescription in one of these states, or now and then any other.
    async fn some(&mut self, states: &[PrescriptionState]) -> Option<Row> {
        let all = self.rows().await;
        let fit: Vec<Row> = all.iter().filter(|row| states.contains(&row.state)).cloned().collect();
        if fit.is_empty() || self.clinic.trail.chance.once_in(10) {
            return self.clinic.trail.chance.any(&all);
        }
        self.clinic.trail.chance.any(&fit)
    }

    fn doctor_of(&self, row: &Row) -> usize {
        self.clinic.doctors.iter().position(|one| one.desk.person.id == row.doctor).expect("a doctor")
    }

    async fn doctor_posts(&mut self, doctor: usize, path: &str, body: Value) -> Answer {
        let token = self.clinic.doctor_token(doctor).await;
        self.clinic.doctors[doctor].desk.open_window(self.clinic.app).await;
        let answer = self.clinic.app.post(&token, path, body).await;
        self.clinic.trail.no_fault(answer)
    }

    async fn pharmacist_posts(&mut self, pharmacist: usize, path: &str, body: Value) -> Answer {
        let token = self.pharmacists[pharmacist].token(self.clinic.app).await;
        self.pharmacists[pharmacist].open_window(self.clinic.app).await;
        let answer = self.clinic.app.post(&token, path, body).await;
        self.clinic.trail.no_fault(answer)
    }

    /// Check-in, request, offer and acceptance, if all goes well.
    async fn see_somebody(&mut self, doctor: usize) {
        let worker = self.clinic.trail.chance.below(self.clinic.workers.len());
        let screen = self.clinic.trail.chance.below(self.clinic.screens.len());
        self.clinic.check_in(worker, screen).await;
        self.clinic.ask(worker).await;
        self.clinic.duty(doctor, "available").await;
        self.clinic.jobs().await;
        self.clinic.look(doctor).await;
        let newest = self.clinic.doctors[doctor].offers.len().saturating_sub(1);
        self.clinic.answer(doctor, "accept", newest).await;
    }

    fn some_drug(&mut self) -> Value {
        let chance = &mut self.clinic.trail.chance;
        // The cabinet has nothing of the second: the worker gets the first when that is dropped.
        if chance.once_in(3) {
            return draft_of(&[RX, "PCM-T500"]);
        }
        let first = chance.one(&[RX, RX, "PCM-T500", "LOR-T10", "IBU-T200", "AMB-T30"]);
        draft_of(&[first])
    }

    async fn draft(&mut self, doctor: usize) {
        self.clinic.look(doctor).await;
        let active = self.clinic.doctors[doctor].consultations.clone();
        if let Some(id) = self.clinic.trail.chance.any(&active) {
            self.consultations.push((doctor, id.clone()));
            self.draft_in(doctor, &id).await;
        }
    }

    /// Drafts in a consultation that may be over.
    async fn draft_late(&mut self) {
        if let Some((doctor, id)) = self.clinic.trail.chance.any(&self.consultations) {
            self.draft_in(doctor, &id).await;
        }
    }

    async fn draft_in(&mut self, doctor: usize, consultation: &str) {
        let body = self.some_drug();
        let path = format!("/api/v1/consultations/{consultation}/prescriptions");
        self.doctor_posts(doctor, &path, body).await;
    }

    async fn edit(&mut self) {
        let states = [PrescriptionState::Returned, PrescriptionState::Draft];
        if self.wants(PrescriptionState::Returned).await {
            self.send_back(0).await;
        }
        let Some(row) = self.some(&states).await else { return };
        let doctor = self.doctor_of(&row);
        let token = self.clinic.doctor_token(doctor).await;
        let version = if self.clinic.trail.chance.once_in(8) { row.version - 1 } else { row.version };
        let (path, body) = (format!("/api/v1/prescriptions/{}", row.id), self.some_drug());
        let answer = self.clinic.app.put(&token, &path, &format!("\"{version}\""), body).await;
        self.clinic.trail.no_fault(answer);
    }

    /// Signs, and gives a reason for every warning.
    async fn sign(&mut self) {
        if self.wants(PrescriptionState::Draft).await {
            let doctor = self.clinic.trail.chance.below(self.clinic.doctors.len());
            self.see_somebody(doctor).await;
            self.draft(doctor).await;
        }
        let Some(row) = self.some(&[PrescriptionState::Draft]).await else { return };
        let (doctor, path) = (self.doctor_of(&row), format!("/api/v1/prescriptions/{}/sign", row.id));
        let days = self.clinic.trail.chance.one(&[1, 1, 2, 3]);
        let mut body = json!({"pin": SIGNING_PIN, "valid_days": days});
        let first = self.doctor_posts(doctor, &path, body.clone()).await;
        if first.body["code"] == "safety_warnings_unanswered" {
            let warnings = first.body["data"].as_array().expect("findings").iter();
            let answers: Vec<_> =
                warnings.map(|one| json!({"rule": one["rule"], "reason": "已问明，可以使用"})).collect();
            body["overrides"] = json!(answers);
            self.doctor_posts(doctor, &path, body).await;
        }
    }

    async fn approve(&mut self, pharmacist: usize) {
        if self.wants(PrescriptionState::Signed).await {
            self.sign().await;
        }
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        let path = format!("/api/v1/prescriptions/{}/approve", row.id);
        self.pharmacist_posts(pharmacist, &path, json!({"pin": SIGNING_PIN})).await;
    }

    async fn send_back(&mut self, pharmacist: usize) {
        if self.wants(PrescriptionState::Signed).await {
            self.sign().await;
        }
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        let path = format!("/api/v1/prescriptions/{}/return", row.id);
        self.pharmacist_posts(pharmacist, &path, json!({"reason": "剂量请再核对", "code": "dose"})).await;
    }

    async fn claim(&mut self, pharmacist: usize) {
        if self.wants(PrescriptionState::Signed).await {
            self.sign().await;
        }
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        self.pharmacist_posts(pharmacist, &format!("/api/v1/reviews/{}/claim", row.id), json!({})).await;
    }

    async fn release(&mut self, pharmacist: usize) {
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        self.pharmacist_posts(pharmacist, &format!("/api/v1/reviews/{}/release", row.id), json!({})).await;
    }

    async fn ask(&mut self, pharmacist: usize) {
        if self.wants(PrescriptionState::Signed).await {
            self.sign().await;
        }
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        let path = format!("/api/v1/prescriptions/{}/ask", row.id);
        self.pharmacist_posts(pharmacist, &path, json!({"text": "是否有肝病？"})).await;
    }

    /// The doctor answers the newest question, whether it is open or not.
    async fn answer(&mut self) {
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        let doctor = self.doctor_of(&row);
        let token = self.clinic.doctor_token(doctor).await;
        let path = format!("/api/v1/prescriptions/{}", row.id);
        let seen = self.clinic.app.get(&token, &path).await;
        let seen = self.clinic.trail.no_fault(seen);
        let Some(question) = seen.body["questions"].as_array().and_then(|all| all.last()).cloned() else {
            return;
        };
        let body = json!({"question_id": question["id"], "text": "没有肝病"});
        self.doctor_posts(doctor, &format!("{path}/answer"), body).await;
    }

    async fn supply(&mut self, pharmacist: usize) {
        if self.wants(PrescriptionState::Approved).await {
            self.approve(pharmacist).await;
        }
        let states = [PrescriptionState::Signed, PrescriptionState::Approved];
        let Some(row) = self.some(&states).await else { return };
        let (line_no, packs) = (1 + self.clinic.trail.chance.below(2), self.clinic.trail.chance.below(2));
        let body = json!({"line_no": line_no, "packs": packs, "reason": "药柜已无此药"});
        let path = format!("/api/v1/prescriptions/{}/supply", row.id);
        if row.state == PrescriptionState::Approved || self.clinic.trail.chance.once_in(2) {
            self.doctor_posts(self.doctor_of(&row), &path, body).await;
        } else {
            self.pharmacist_posts(pharmacist, &path, body).await;
        }
    }

    /// Both pharmacists decide about the same prescription.
    async fn decide_at_once(&mut self) {
        if self.wants(PrescriptionState::Signed).await {
            self.sign().await;
        }
        let Some(row) = self.some(&[PrescriptionState::Signed]).await else { return };
        let app = self.clinic.app;
        let mut tokens = Vec::new();
        for pharmacist in &mut self.pharmacists {
            tokens.push(pharmacist.token(app).await);
            pharmacist.open_window(app).await;
        }
        let approve = format!("/api/v1/prescriptions/{}/approve", row.id);
        let back = format!("/api/v1/prescriptions/{}/return", row.id);
        let (one, other) = join(
            app.post(&tokens[0], &approve, json!({"pin": SIGNING_PIN})),
            app.post(&tokens[1], &back, json!({"reason": "剂量请再核对", "code": "dose"})),
        )
        .await;
        let decided = [one, other].map(|answer| self.clinic.trail.no_fault(answer).status == 200);
        assert!(decided != [true, true], "decided twice{}", self.clinic.trail.shown());
    }

    async fn withdraw(&mut self) {
        let all = self.live().await;
        if let Some(row) = self.clinic.trail.chance.any(&all) {
            self.withdraw_one(&row).await;
        }
    }

    async fn withdraw_one(&mut self, row: &Row) {
        let path = format!("/api/v1/prescriptions/{}/void", row.id);
        self.doctor_posts(self.doctor_of(row), &path, json!({"reason": "病人已好转"})).await;
    }

    /// The worker orders an approved prescription at the cabinet.
    async fn order(&mut self) {
        if self.wants(PrescriptionState::Approved).await {
            self.approve(0).await;
        }
        let Some(row) = self.some(&[PrescriptionState::Approved]).await else { return };
        let Some(worker) = self.clinic.workers.iter().position(|one| one.id == row.worker) else { return };
        self.clinic.check_in(worker, self.counter).await;
        let body = json!({"prescription_id": row.id});
        let Some(made) = self.clinic.worker_posts(worker, "/api/v1/orders", body).await else { return };
        let Some(id) = made.body["id"].as_str().filter(|_| made.status == 201) else { return };
        self.orders.push((worker, id.to_owned()));
        let fate = self.clinic.trail.chance.below(6);
        if fate == 0 {
            return;
        }
        let pay = format!("/api/v1/orders/{id}/pay");
        let Some(paid) = self.clinic.worker_posts(worker, &pay, json!({"method": "subsidy"})).await else {
            return;
        };
        if paid.status != 200 || fate == 1 {
            return;
        }
        self.cabinet.work().await;
        let answer = self.cabinet.start(attempt_of(&paid.body, 0), &code_of(&paid.body)).await;
        let granted = self.clinic.trail.no_fault(answer);
        if granted.status == 200 && self.cabinet.granted(attempt_of(&paid.body, 0), granted.body) {
            let sensed = if fate == 2 { JAM } else { DROP };
            let steps = self.cabinet.side.sensed(attempt_of(&paid.body, 0), sensed, None);
            self.cabinet.carry_out(steps);
            let answer = self.cabinet.report().await;
            self.clinic.trail.no_fault(answer);
        }
    }

    async fn cancel_order(&mut self) {
        if let Some((worker, id)) = self.clinic.trail.chance.any(&self.orders) {
            self.clinic.check_in(worker, self.counter).await;
            self.clinic.worker_posts(worker, &format!("/api/v1/orders/{id}/cancel"), json!({})).await;
        }
    }

    async fn pharmacist_signs_out(&mut self, pharmacist: usize) {
        let token = self.pharmacists[pharmacist].token(self.clinic.app).await;
        let answer = self.clinic.app.post(&token, "/api/v1/session/sign-out", json!({})).await;
        self.clinic.trail.no_fault(answer);
        self.pharmacists[pharmacist].sign_in(self.clinic.app).await;
    }

    async fn staff(&mut self, doctor: usize, verb: &str) {
        let id = self.clinic.doctors[doctor].desk.person.id;
        self.clinic.operator_posts(&format!("/api/v1/staff/{id}/{verb}"), json!({})).await;
    }

    async fn enable_everybody(&mut self) {
        for doctor in 0..self.clinic.doctors.len() {
            self.staff(doctor, "enable").await;
            self.clinic.doctors[doctor].desk.sign_in(self.clinic.app).await;
        }
        for pharmacist in 0..self.pharmacists.len() {
            let id = self.pharmacists[pharmacist].person.id;
            self.clinic.operator_posts(&format!("/api/v1/staff/{id}/enable"), json!({})).await;
            self.pharmacists[pharmacist].sign_in(self.clinic.app).await;
        }
    }

    async fn jobs(&mut self) {
        self.clinic.jobs().await;
        self.clinic.app.sweep().await;
        let app = &self.clinic.app.state;
        service::review::watch::release_expired(app).await.expect("a round");
        service::review::watch::watch_queue(app).await.expect("a round");
        service::prescription::dispense::expire_due(app).await.expect("a round");
    }
}
