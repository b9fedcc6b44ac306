//! A consultation in which a doctor prescribes, with open signing windows.

use base::clock::{Clock, SystemClock};
use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    Caller, Code, Doctor, Pharmacist, TestApp, Worker, WorkerAtStation, id_in,
    seed::{Person, Seed},
};
use crypto::tokens::Role;
use domain::{
    consultation::ConsultationState,
    ids::{CheckInId, ConsultationId, PrescriptionId, StaffId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};
use service::{Actor, Failure};
use storage::{on_backend, schema::consultation, sql_types::At};

/// An active consultation of the first doctor with the worker of the small network.
pub struct Scene {
    pub app: TestApp,
    pub seed: Seed,
    pub worker_token: String,
    pub check_in: CheckInId,
    pub consultation: ConsultationId,
}

impl Scene {
    /// A consultation in which anything of the formulary may be prescribed.
    pub async fn open() -> Self {
        Self::in_lane(EncounterLane::FollowUpWithEvidence).await
    }

    pub async fn in_lane(lane: EncounterLane) -> Self {
        Self::on(TestApp::open().await, lane).await
    }

    /// With the clock of this computer, so that another process sees the same time.
    pub async fn today() -> Self {
        let app = TestApp::open().await;
        app.pass((SystemClock.now() - app.now()).num_seconds());
        Self::on(app, EncounterLane::FollowUpWithEvidence).await
    }

    /// With another value in the policy of reviews.
    pub async fn open_with(key: &'static str, value: Value) -> Self {
        let app = TestApp::open_with(|config| {
            config.policy.insert("review".to_owned(), json!({key: value}));
        });
        Self::on(app.await, EncounterLane::FollowUpWithEvidence).await
    }

    /// On a server with other settings.
    pub async fn on(app: TestApp, lane: EncounterLane) -> Self {
        let seed = app.seed().await;
        let checked_in = app.station().await.check_in(Worker::adult()).await;
        let (worker_token, check_in) = (checked_in.token(), checked_in.check_in);
        let id = app.in_care(&seed, (seed.worker, check_in), lane, TriageLevel::Routine).await;
        let scene = Self { app, seed, worker_token, check_in, consultation: id };
        scene.open_window(&scene.seed.doctor).await;
        scene.open_window(&scene.seed.pharmacist).await;
        scene
    }

    /// Another worker in an active consultation of the first doctor.
    pub async fn another_patient(&self, phone: &str, triage: TriageLevel) -> ConsultationId {
        let worker = self
            .app
            .station()
            .await
            .check_in(Worker::walk_in().phone(phone).born("1990-05-01").sex("male"))
            .await;
        let lane = EncounterLane::FollowUpWithEvidence;
        self.app.in_care(&self.seed, (worker.id, worker.check_in), lane, triage).await
    }

    /// Signs a draft of these drugs in this consultation; see `draft_of`.
    pub async fn signed_in(&self, consultation: ConsultationId, draft: Value) -> String {
        let drafted = self.doctor().draft(consultation, draft).await.expect_created();
        self.sign_answering(id_in(&drafted)).await
    }

    /// Signs a draft, with a reason for every warning.
    pub async fn sign_answering(&self, id: &str) -> String {
        let first = self.doctor().sign(id).await;
        if first.status != 200 {
            let problem = first.expect_refused(Code::SafetyWarningsUnanswered);
            let found = problem["data"].as_array().expect("findings");
            let rules: Vec<&str> = found.iter().filter_map(|one| one["rule"].as_str()).collect();
            self.doctor().sign_overriding(id, &rules, "asked, and none of it is so").await.expect_ok();
        }
        id.to_owned()
    }

    /// Asserts that no invariant is broken, except that the consultation has no events.
    pub async fn sound(&self) {
        let read = self.app.state.read(Actor::System, |conn, _| service::stock::check::invariants(conn));
        let mut wrong = read.await.expect("audited");
        wrong.retain(|one| !one.contains(&format!("consultation {} is", self.consultation)));
        assert_eq!(wrong, Vec::<String>::new());
    }

    /// Ends the shifts of somebody.
    pub async fn off_shift(&self, staff: StaffId) {
        let operator = self.app.operator().await;
        for shift in operator.list(&format!("/api/v1/shifts?staff_id={staff}")).await {
            operator.post(&format!("/api/v1/shifts/{}/cancel", id_in(&shift)), json!({})).await.expect_ok();
        }
    }

    /// Plans a shift of somebody, that begins in so many minutes and lasts eight hours.
    pub async fn shift_in(&self, staff: StaffId, minutes: i64) -> Timestamp {
        let starts_at = self.app.now() + TimeDelta::minutes(minutes);
        let shift =
            json!({"staff_id": staff, "starts_at": starts_at, "ends_at": starts_at + TimeDelta::hours(8)});
        self.app.operator().await.post("/api/v1/shifts", shift).await.expect_created();
        starts_at
    }

    pub fn worker(&self) -> WorkerAtStation<'_> {
        WorkerAtStation {
            app: &self.app,
            station: self.app.station_of(&self.seed),
            id: self.seed.worker,
            check_in: self.check_in,
            token: self.worker_token.clone(),
        }
    }

    pub fn doctor(&self) -> Doctor<'_> {
        Doctor::new(&self.app, &self.seed.doctor)
    }

    /// A doctor of the same hospital who has nothing to do with the consultation.
    pub fn other_doctor(&self) -> Doctor<'_> {
        Doctor::new(&self.app, &self.seed.doctor_b)
    }

    pub fn pharmacist(&self) -> Pharmacist<'_> {
        Pharmacist::new(&self.app, &self.seed.pharmacist)
    }

    /// One more pharmacist, with a signing window.
    pub async fn another_pharmacist(&self, email: &str) -> Pharmacist<'_> {
        let person = self.app.person(Role::Pharmacist, email, None, None).await;
        self.open_window(&person).await;
        Pharmacist::new(&self.app, &person)
    }

    /// Opens a signing window for ten minutes from now.
    pub async fn open_window(&self, person: &Person) {
        assert!(self.app.open_signing_window(person, 10).await, "signed out");
    }

    /// Moves the clock, and gives the doctor and the pharmacist fresh tokens and
    /// signing windows.
    pub async fn pass(&mut self, seconds: i64) {
        self.app.pass(seconds);
        self.seed.doctor.token = self.app.token_of(&self.seed.doctor);
        self.seed.pharmacist.token = self.app.token_of(&self.seed.pharmacist);
        self.open_window(&self.seed.doctor).await;
        self.open_window(&self.seed.pharmacist).await;
    }

    pub fn drafts_path(&self) -> String {
        format!("/api/v1/consultations/{}/prescriptions", self.consultation)
    }

    /// A draft of these drugs; see `draft_of`.
    pub async fn draft(&self, products: &[&str]) -> String {
        let drafted = self.doctor().prescribe(self.consultation, products).await.expect_created();
        id_in(&drafted).to_owned()
    }

    /// A draft that its doctor has signed.
    pub async fn signed(&self, products: &[&str]) -> String {
        let id = self.draft(products).await;
        self.doctor().sign(&id).await.expect_ok();
        id
    }

    /// A prescription that a pharmacist has approved.
    pub async fn approved(&self, products: &[&str]) -> String {
        let id = self.signed(products).await;
        self.pharmacist().approve(&id).await.expect_ok();
        id
    }

    /// Writes the worker's first profile.
    pub async fn profile(&self, profile: Value) {
        self.worker().put("/api/v1/me/profile", "\"0\"", profile).await.expect_ok();
    }
}

impl TestApp {
    /// An active consultation of the first doctor with this worker.
    pub async fn in_care(
        &self,
        seed: &Seed,
        (worker, check_in): (WorkerId, CheckInId),
        lane: EncounterLane,
        triage: TriageLevel,
    ) -> ConsultationId {
        let id = ConsultationId::generate();
        let (station, doctor, hospital) = (seed.station, seed.doctor.id, seed.hospital);
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let at = At(tx.now);
                let complaint = tx.app.seal("consultation", "complaint_sealed", id, "样例")?;
                on_backend!(tx.conn, c => diesel::insert_into(consultation::table)
                    .values((
                        (
                            consultation::id.eq(id),
                            consultation::worker_id.eq(worker),
                            consultation::check_in_id.eq(check_in),
                            consultation::station_id.eq(station),
                            consultation::lane.eq(lane),
                            consultation::department.eq(Department::GENERAL_PRACTICE),
                            consultation::language.eq(Language::Chinese),
                            consultation::state.eq(ConsultationState::Active),
                        ),
                        (
                            consultation::complaint_sealed.eq(complaint),
                            consultation::symptoms.eq("[]"),
                            consultation::triage.eq(triage),
                            consultation::requested_at.eq(at),
                            consultation::ranked_since.eq(at),
                            consultation::queue.eq("general_practice/standard/zh/text/zhifu"),
                            consultation::fence.eq(1_i64),
                            consultation::doctor_id.eq(Some(doctor)),
                            consultation::hospital_id.eq(Some(hospital)),
                            consultation::accepted_at.eq(Some(at)),
                        ),
                    ))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("a consultation");
        id
    }
}

/// The body of a draft: of each drug one unit, three times a day, for three days.
pub fn draft_of(products: &[&str]) -> Value {
    let line = |code: &&str| json!({"product_code": code, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3});
    json!({"lines": products.iter().map(line).collect::<Vec<_>>(),
        "diagnoses": [{"code": "J00", "name": "普通感冒"}], "kind": "ordinary"})
}

/// A prescription's id from its text.
pub fn id_of(text: &str) -> PrescriptionId {
    text.parse().expect("an id")
}
