//! What an employer may see of fitness, and when it sees nothing.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    prescribing::{Scene, draft_of},
    seed::Seed,
    triage::reading,
};

const PATH: &str = "/api/v1/employees/fitness";

async fn app_with_worker() -> (TestApp, Seed, String) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    (app, seed, worker)
}

impl TestApp {
    async fn fitness_seen(&self, seed: &Seed) -> Value {
        self.get(&seed.safety_officer.token, PATH).await.expect(200)["items"][0]["fit"].clone()
    }
}

fn purpose() -> Value {
    json!({"purpose": "employer_fitness"})
}

#[actix_web::test]
async fn the_employer_sees_fitness_only_with_the_separate_consent_and_until_it_is_withdrawn() {
    let (app, seed, worker) = app_with_worker().await;
    app.measure(&worker, &[reading("blood_pressure", 165)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "no_consent");
    assert_eq!(app.logged("record.read").await, 0);
    app.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    let seen = app.get(&seed.safety_officer.token, PATH).await.expect(200);
    let item = &seen["items"][0];
    assert_eq!(item["fit"], "hold");
    assert!(item["next"]["zh"].is_string());
    assert_eq!(item.as_object().map(serde_json::Map::len), Some(3), "never why: {item}");
    assert_eq!(app.logged("record.read").await, 1);
    app.post(&worker, "/api/v1/me/consents/withdraw", purpose()).await.expect(200);
    assert_eq!(app.fitness_seen(&seed).await, "no_consent");
    assert_eq!(app.logged("record.read").await, 1);
}

#[actix_web::test]
async fn a_worker_without_recent_readings_is_not_checked() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("fitness".to_owned(), json!({"check_holds_h": 1}));
    })
    .await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    app.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    assert_eq!(app.fitness_seen(&seed).await, "not_checked");
    app.measure(&worker, &[reading("breath_alcohol", 0)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "not_checked");
    app.measure(&worker, &[reading("blood_pressure", 118)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "fit");
    app.pass(3600);
    let officer = &seed.safety_officer;
    let token = app.staff_token(
        crypto::tokens::Role::Employer,
        officer.id,
        officer.session,
        None,
        Some(seed.employer),
    );
    let seen = app.get(&token, PATH).await.expect(200);
    assert_eq!(seen["items"][0]["fit"], "not_checked");
}

#[actix_web::test]
async fn alcohol_or_a_reading_above_the_cuffs_range_holds_and_a_retest_counts_after_the_wait() {
    let (app, seed, worker) = app_with_worker().await;
    app.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    app.measure(&worker, &[reading("blood_pressure", 118), reading("breath_alcohol", 90)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "hold");
    app.pass(60);
    app.measure(&worker, &[reading("breath_alcohol", 0)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "hold");
    app.pass(60);
    let high = json!({"kind": "blood_pressure", "beyond": "high", "unit": "mm[Hg]", "device": "cuff"});
    app.measure(&worker, &[high]).await;
    assert_eq!(app.fitness_seen(&seed).await, "hold");
}

#[actix_web::test]
async fn a_withdrawn_consent_to_care_closes_the_record_to_the_doctor() {
    let (app, seed, worker) = app_with_worker().await;
    app.measure(&worker, &[reading("blood_pressure", 118)]).await;
    let id = app.active(&seed, &worker).await;
    let record = format!("/api/v1/consultations/{id}/record");
    app.get(&seed.doctor.token, &record).await.expect(200);
    let care = json!({"purpose": "health_care"});
    app.post(&worker, "/api/v1/me/consents/withdraw", care.clone()).await.expect(200);
    app.get(&seed.doctor.token, &record).await.problem(422, "consent_missing");
    app.post(&worker, "/api/v1/me/consents", care).await.expect(201);
    app.get(&seed.doctor.token, &record).await.expect(200);
}

#[actix_web::test]
async fn without_the_consent_to_care_the_employer_sees_nothing_either() {
    let (app, seed, worker) = app_with_worker().await;
    app.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    app.measure(&worker, &[reading("blood_pressure", 165)]).await;
    assert_eq!(app.fitness_seen(&seed).await, "hold");
    let care = json!({"purpose": "health_care"});
    app.post(&worker, "/api/v1/me/consents/withdraw", care.clone()).await.expect(200);
    assert_eq!(app.fitness_seen(&seed).await, "no_consent");
    app.post(&worker, "/api/v1/me/consents", care).await.expect(201);
    assert_eq!(app.fitness_seen(&seed).await, "hold");
}

#[actix_web::test]
async fn every_answer_to_the_doctor_checks_for_a_withdrawn_consent_to_care() {
    let scene = Scene::open().await;
    let (app, seed, doctor) = (&scene.app, &scene.seed, &scene.seed.doctor.token);
    let signed = scene.signed(&["PCM-T500"]).await;
    let consultation = scene.drafts_path().trim_end_matches("/prescriptions").to_owned();
    app.post(&scene.worker_token, &format!("{consultation}/messages"), json!({"text": "头还痛"}))
        .await
        .expect(201);
    let care = json!({"purpose": "health_care"});
    app.post(&scene.worker_token, "/api/v1/me/consents/withdraw", care.clone()).await.expect(200);
    let id = consultation.rsplit('/').next().expect("an id").to_owned();
    let lines = draft_of(&["PCM-T500"])["lines"].clone();
    let check = json!({"consultation_id": id, "lines": lines});
    let path = format!("/api/v1/prescriptions/{signed}");
    app.get(doctor, &format!("{consultation}/messages")).await.problem(422, "consent_missing");
    app.get(doctor, &path).await.problem(422, "consent_missing");
    app.post(doctor, "/api/v1/prescriptions/check", check.clone()).await.problem(422, "consent_missing");
    app.post(doctor, &scene.drafts_path(), draft_of(&["PCM-T500"])).await.problem(422, "consent_missing");
    assert_eq!(app.get(doctor, "/api/v1/prescriptions").await.expect(200)["items"], json!([]));
    for view in [
        app.get(doctor, &consultation).await.expect(200),
        app.get(doctor, "/api/v1/consultations").await.expect(200)["items"][0].clone(),
    ] {
        assert_eq!((&view["complaint"], &view["symptoms"]), (&json!(""), &json!([])), "{view}");
    }
    // The reviewing pharmacist keeps access to what was signed, and the worker to their own data.
    app.get(&seed.pharmacist.token, &path).await.expect(200);
    app.get(&scene.worker_token, &path).await.expect(200);
    app.get(&scene.worker_token, &format!("{consultation}/messages")).await.expect(200);
    app.post(&scene.worker_token, "/api/v1/me/consents", care).await.expect(201);
    app.get(doctor, &path).await.expect(200);
    app.post(doctor, "/api/v1/prescriptions/check", check).await.expect(200);
}

#[actix_web::test]
async fn an_offer_shows_no_complaint_after_the_consent_to_care_is_withdrawn() {
    let (app, seed, worker) = app_with_worker().await;
    app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    assert_eq!(app.offer_of(&seed.doctor).await["complaint"], "喉咙痛三天");
    let care = json!({"purpose": "health_care"});
    app.post(&worker, "/api/v1/me/consents/withdraw", care).await.expect(200);
    assert_eq!(app.offers_to(&seed.doctor).await[0]["complaint"], "");
}
