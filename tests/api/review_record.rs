//! What a pharmacist sees of the person whose prescription is judged.

use serde_json::json;

use crate::{prescribing::Scene, seed::SIGNING_PIN, triage::reading};
use crypto::tokens::Role;

#[actix_web::test]
async fn a_pharmacist_sees_what_must_be_judged_and_no_name() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    scene
        .profile(json!({"weight_kg_tenths": 615, "pregnant": false, "breastfeeding": true,
            "allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["ibuprofen"], "egfr": 75,
            "creatinine_clearance": 80}))
        .await;
    app.measure(&scene.worker_token, &[reading("blood_pressure", 132), reading("spo2", 97)]).await;
    let id = scene.signed(&["PCM-T500"]).await;
    let path = format!("/api/v1/reviews/{id}");
    let before = app.logged("record.read").await;
    let seen = app.get(&seed.pharmacist.token, &path).await.expect(200);
    let patient = &seen["patient"];
    assert_eq!(seen["prescription"]["id"], json!(id));
    assert!(seen["prescription"]["diagnoses"].is_array());
    for (field, wanted) in [
        ("weight_kg_tenths", json!(615)),
        ("pregnant", json!(false)),
        ("breastfeeding", json!(true)),
        ("allergies", json!(["penicillins"])),
        ("conditions", json!(["asthma"])),
        ("egfr", json!(75)),
        ("creatinine_clearance", json!(80)),
    ] {
        assert_eq!(patient[field], wanted, "{field}");
    }
    for field in ["age_years", "sex", "job"] {
        assert!(patient.get(field).is_some(), "{field}");
    }
    assert_eq!(patient["taking"][0]["reported"], "ibuprofen");
    assert_eq!(patient["readings"][0]["display"], "132/50 mmHg");
    assert!(patient["triage"]["level"].is_string());
    let text = seen.to_string();
    assert!(!text.contains("样例工人甲") && !text.contains("15400000001"), "no name, no phone");
    // The prescription, and the record of whom it is for.
    assert_eq!(app.logged("record.read").await, before + 2);
    // A weight that was measured goes before one that was told.
    app.measure(&scene.worker_token, &[reading("weight", 580)]).await;
    let seen = app.get(&seed.pharmacist.token, &path).await.expect(200);
    assert_eq!(seen["patient"]["weight_kg_tenths"], 580);
}

#[actix_web::test]
async fn only_a_prescription_under_review_or_reviewed_by_the_caller_is_read() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.draft(&["PCM-T500"]).await;
    let path = format!("/api/v1/reviews/{id}");
    app.get(&seed.pharmacist.token, &path).await.problem(404, "not_found");
    app.get(&seed.doctor.token, &path).await.problem(403, "role_not_allowed");
    let pin = json!({"pin": SIGNING_PIN});
    app.post(&seed.doctor.token, &format!("/api/v1/prescriptions/{id}/sign"), pin.clone()).await.expect(200);
    let other = app.person(Role::Pharmacist, "pharmacist-b@example.cn", None, None).await;
    app.get(&other.token, &path).await.expect(200);
    app.post(&seed.pharmacist.token, &format!("/api/v1/prescriptions/{id}/approve"), pin).await.expect(200);
    app.get(&seed.pharmacist.token, &path).await.expect(200);
    app.get(&other.token, &path).await.problem(404, "not_found");
}

#[actix_web::test]
async fn after_the_consent_is_withdrawn_the_person_is_withheld() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.signed(&["PCM-T500"]).await;
    let care = json!({"purpose": "health_care"});
    app.post(&scene.worker_token, "/api/v1/me/consents/withdraw", care).await.expect(200);
    let seen = app.get(&seed.pharmacist.token, &format!("/api/v1/reviews/{id}")).await.expect(200);
    assert_eq!((&seen["patient"], &seen["withheld"]), (&json!(null), &json!("consent_missing")));
}
