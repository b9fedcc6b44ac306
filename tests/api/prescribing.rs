//! What the stories of prescriptions and reviews share: a consultation that a
//! doctor has, open signing windows, and drafts.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Person, SIGNING_PIN, Seed},
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

/// A doctor with a worker in front of them.
pub struct Scene {
    pub app: TestApp,
    pub seed: Seed,
    pub worker_token: String,
    pub check_in: CheckInId,
    pub consultation: ConsultationId,
}

impl Scene {
    /// Checked in, consulting, signing windows open.
    pub async fn open() -> Self {
        Self::in_lane(EncounterLane::FollowUpWithEvidence).await
    }

    pub async fn in_lane(lane: EncounterLane) -> Self {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let worker_token = app.check_in(&seed).await;
        let id = ConsultationId::generate();
        let (worker, station, doctor, hospital) = (seed.worker, seed.station, seed.doctor.id, seed.hospital);
        let check_in = app
            .state
            .write(Actor::System, move |tx| -> Result<CheckInId, Failure> {
                let at = At(tx.now);
                let complaint = tx.app.seal("consultation", "complaint_sealed", id, "样例")?;
                let check_in = storage::check_in::check_ins_in_the_way(tx.conn, worker, station)?[0].id;
                on_backend!(tx.conn, c => diesel::insert_into(consultation::table)
                    .values((
                        (
                            consultation::id.eq(id),
                            consultation::worker_id.eq(worker),
                            consultation::check_in_id.eq(check_in),
                            consultation::station_id.eq(station),
                            consultation::lane.eq(lane),
                            consultation::department.eq(Department::GeneralPractice),
                            consultation::language.eq(Language::Chinese),
                            consultation::state.eq(ConsultationState::Active),
                        ),
                        (
                            consultation::complaint_sealed.eq(complaint),
                            consultation::symptoms.eq("[]"),
                            consultation::triage.eq(TriageLevel::Routine),
                            consultation::requested_at.eq(at),
                            consultation::ranked_since.eq(at),
                            consultation::fence.eq(1_i64),
                            consultation::doctor_id.eq(Some(doctor)),
                            consultation::hospital_id.eq(Some(hospital)),
                            consultation::accepted_at.eq(Some(at)),
                        ),
                    ))
                    .execute(c))?;
                Ok(check_in)
            })
            .await
            .expect("a consultation");
        let scene = Self { app, seed, worker_token, check_in, consultation: id };
        scene.open_window(&scene.seed.doctor).await;
        scene.open_window(&scene.seed.pharmacist).await;
        scene
    }

    /// Opens a signing window for ten minutes from now.
    pub async fn open_window(&self, person: &Person) {
        let session = person.session;
        self.app
            .state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let until = tx.now + TimeDelta::minutes(10);
                assert!(storage::staff::session::signing_window_open(tx.conn, session, until)?);
                Ok(())
            })
            .await
            .expect("a signing window");
    }

    /// Moves the clock, and gives the doctor and the pharmacist fresh tokens
    /// and windows.
    pub async fn pass(&mut self, seconds: i64) {
        self.app.pass(seconds);
        let (doctor, pharmacist) = (self.seed.doctor.clone(), self.seed.pharmacist.clone());
        let hospital = Some(self.seed.hospital);
        self.seed.doctor.token =
            self.app.staff_token(Role::Doctor, doctor.id, doctor.session, hospital, None);
        self.seed.pharmacist.token =
            self.app.staff_token(Role::Pharmacist, pharmacist.id, pharmacist.session, None, None);
        self.open_window(&doctor).await;
        self.open_window(&pharmacist).await;
    }

    pub fn drafts_path(&self) -> String {
        format!("/api/v1/consultations/{}/prescriptions", self.consultation)
    }

    /// A draft of these drugs: one unit, three times a day, for three days.
    pub async fn draft(&self, codes: &[&str]) -> String {
        let drafted =
            self.app.post(&self.seed.doctor.token, &self.drafts_path(), draft_of(codes)).await.expect(201);
        drafted["id"].as_str().expect("an id").to_owned()
    }

    /// A draft that its doctor has signed.
    pub async fn signed(&self, codes: &[&str]) -> String {
        let id = self.draft(codes).await;
        let path = format!("/api/v1/prescriptions/{id}/sign");
        self.app.post(&self.seed.doctor.token, &path, json!({"pin": SIGNING_PIN})).await.expect(200);
        id
    }

    /// One that a pharmacist has approved.
    pub async fn approved(&self, codes: &[&str]) -> String {
        let id = self.signed(codes).await;
        let path = format!("/api/v1/prescriptions/{id}/approve");
        self.app.post(&self.seed.pharmacist.token, &path, json!({"pin": SIGNING_PIN})).await.expect(200);
        id
    }

    /// Writes the worker's profile over version 0.
    pub async fn profile(&self, body: Value) {
        self.app.put(&self.worker_token, "/api/v1/me/profile", "\"0\"", body).await.expect(200);
    }
}

/// The body of a draft.
pub fn draft_of(codes: &[&str]) -> Value {
    let line = |code: &&str| json!({"product_code": code, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3});
    json!({"lines": codes.iter().map(line).collect::<Vec<_>>(),
        "diagnoses": [{"code": "J00", "name": "普通感冒"}], "kind": "ordinary"})
}

/// An id out of its text.
pub fn id_of(text: &str) -> PrescriptionId {
    text.parse().expect("an id")
}
