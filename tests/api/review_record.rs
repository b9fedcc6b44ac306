//! What a pharmacist sees of the patient whose prescription they review.

use serde_json::json;

use crate::support::{Caller, Code, care::reading, machine::DROP, prescribing::Scene};

#[actix_web::test]
async fn a_pharmacist_sees_what_must_be_judged_and_no_name() {
    let scene = Scene::open().await;
    let (app, worker, pharmacist) = (&scene.app, scene.worker(), scene.pharmacist());
    scene
        .profile(json!({"weight_kg_tenths": 615, "pregnant": false, "breastfeeding": false,
            "allergies": ["penicillins"], "conditions": ["asthma"], "medicines": ["ibuprofen"], "egfr": 75,
            "creatinine_clearance": 80}))
        .await;
    worker.measure(&[reading("blood_pressure", 132), reading("spo2", 97)]).await;
    let id = scene.signed(&["PCM-T500"]).await;
    let before = app.logged("record.read").await;
    let seen = pharmacist.review(&id).await.expect_ok();
    let patient = &seen["patient"];
    assert_eq!(seen["prescription"]["id"], json!(id));
    assert!(seen["prescription"]["diagnoses"].is_array());
    for (field, wanted) in [
        ("weight_kg_tenths", json!(615)),
        ("pregnant", json!(false)),
        ("breastfeeding", json!(false)),
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
    // Two reads: of the prescription, and of the patient's record.
    assert_eq!(app.logged("record.read").await, before + 2);
    // A measured weight takes precedence over a reported one.
    worker.measure(&[reading("weight", 580)]).await;
    let seen = pharmacist.review(&id).await.expect_ok();
    assert_eq!(seen["patient"]["weight_kg_tenths"], 580);
}

#[actix_web::test]
async fn only_a_prescription_under_review_or_reviewed_by_the_caller_is_read() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let id = scene.draft(&["PCM-T500"]).await;
    pharmacist.review(&id).await.expect_refused(Code::NotFound);
    doctor.get(&format!("/api/v1/reviews/{id}")).await.expect_refused(Code::RoleNotAllowed);
    doctor.sign(&id).await.expect_ok();
    let other = scene.another_pharmacist("pharmacist-b@example.cn").await;
    other.review(&id).await.expect_ok();
    pharmacist.approve(&id).await.expect_ok();
    pharmacist.review(&id).await.expect_ok();
    other.review(&id).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn after_the_consent_is_withdrawn_the_person_is_withheld() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    scene.worker().withdraw_consent("health_care").await.expect_ok();
    let seen = scene.pharmacist().review(&id).await.expect_ok();
    assert_eq!((&seen["patient"], &seen["withheld"]), (&json!(null), &json!("consent_missing")));
}

#[actix_web::test]
async fn a_review_names_the_consultation_and_what_was_vended_lately() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-C300", 2).await;
    let worker = scene.worker();
    let vended = scene.approved(&["PCM-C300"]).await;
    let order = worker.order_prescribed(&vended).await.expect_created();
    let paid = worker.pay(&order).await.expect_ok();
    let mut cabinet = scene.app.cabinet().await;
    cabinet.vend_pack(&paid, 0, DROP).await;
    cabinet.report().await.expect_ok();
    let id = scene.signed(&["IBU-T200"]).await;
    let seen = scene.pharmacist().review(&id).await.expect_ok();
    let recent = &seen["patient"]["recent"];
    assert_eq!(recent.as_array().map(Vec::len), Some(1), "{recent}");
    assert_eq!((&recent[0]["product_code"], &recent[0]["in_doubt"]), (&json!("PCM-C300"), &json!(false)));
    assert_eq!(recent[0]["dispensed_at"], "2026-11-23T02:00:00Z");
    assert!(recent[0]["generic_zh"].is_string() && recent[0]["generic_en"].is_string());
    let consultation = &seen["consultation"];
    assert_eq!(consultation["id"], json!(scene.consultation));
    assert_eq!(
        (&consultation["department"], &consultation["department_name"]["en"]),
        (&json!("general_practice"), &json!("general practice"))
    );
    assert_eq!(consultation["doctor"]["id"], json!(scene.seed.doctor.id));
    assert!(consultation["doctor"]["name_zh"].is_string());
}
