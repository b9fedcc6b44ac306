//! A consultation in which a doctor prescribes, with open signing windows.

use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    Caller, Doctor, Pharmacist, TestApp, Worker, WorkerAtStation, id_in,
    seed::{Person, Seed},
};
use crypto::tokens::Role;
use domain::{
    consultation::ConsultationState,
    ids::{CheckInId, ConsultationId, PrescriptionId},
    matching::Department,
    prescription::EncounterLane,
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

    /// On a server with other settings.
    pub async fn on(app: TestApp, lane: EncounterLane) -> Self {
        let seed = app.seed().await;
        let checked_in = app.station().await.check_in(Worker::adult()).await;
        let (worker_token, check_in) = (checked_in.token(), checked_in.check_in);
        let id = ConsultationId::generate();
        let (worker, station, doctor, hospital) = (seed.worker, seed.station, seed.doctor.id, seed.hospital);
        app.state
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
                            consultation::triage.eq(TriageLevel::Routine),
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
        let scene = Self { app, seed, worker_token, check_in, consultation: id };
        scene.open_window(&scene.seed.doctor).await;
        scene.open_window(&scene.seed.pharmacist).await;
        scene
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
