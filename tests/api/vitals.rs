//! Readings and their scores.

use serde_json::{Value, json};

use crate::{harness::TestApp, support::Worker};
use domain::triage::SymptomFlag;
use storage::vitals::CareSpan;

fn reading(kind: &str, value: i64, unit: &str) -> Value {
    json!({"kind": kind, "value": value, "unit": unit, "device": "sample-device"})
}

#[actix_web::test]
async fn readings_are_stored_with_units_and_scored_together() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let mut pressure = reading("blood_pressure", 118, "mm[Hg]");
    pressure["second"] = json!(76);
    let body = json!({
        "readings": [pressure, reading("heart_rate", 72, "/min"), reading("spo2", 98, "%"),
            reading("temperature", 370, "dCel"), reading("respiratory_rate", 16, "/min")],
        "context": {"consciousness": "A", "supplemental_oxygen": false},
    });
    let stored = app.post(&worker, "/api/v1/readings", body).await.expect(201);
    assert_eq!(stored["readings"][0]["display"], "118/76 mmHg");
    assert_eq!(stored["readings"][3]["display"], "37.0 ℃");
    assert_eq!(stored["triage"]["news2"]["total"], 0);
    assert_eq!(stored["triage"]["level"], "routine");
    let listed = app.get(&worker, "/api/v1/readings").await.expect(200);
    assert_eq!(listed["items"].as_array().expect("items").len(), 5);
}

#[actix_web::test]
async fn impossible_readings_are_refused_with_the_allowed_range_and_nothing_is_stored() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"readings": [reading("heart_rate", 72, "/min"), reading("spo2", 140, "%"),
        reading("temperature", 37, "Cel")]});
    let problem = app.post(&worker, "/api/v1/readings", body).await.problem(422, "invalid_field");
    let errors = problem["errors"].as_array().expect("errors");
    assert_eq!(errors[0]["field"], "readings[1].value");
    assert!(errors[0]["message"].as_str().expect("a message").contains("100"), "{errors:?}");
    assert_eq!(errors[1]["field"], "readings[2].unit");
    let listed = app.get(&worker, "/api/v1/readings").await.expect(200);
    assert_eq!(listed["items"], json!([]));
}

#[actix_web::test]
async fn without_consent_no_reading_is_accepted() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let purpose = json!({"purpose": "health_care"});
    app.post(&worker, "/api/v1/me/consents/withdraw", purpose.clone()).await.expect(200);
    let body = json!({"readings": [reading("heart_rate", 72, "/min")]});
    app.post(&worker, "/api/v1/readings", body.clone()).await.problem(422, "consent_missing");
    app.post(&worker, "/api/v1/me/consents", purpose).await.expect(201);
    app.post(&worker, "/api/v1/readings", body).await.expect(201);
}

#[actix_web::test]
async fn news2_scores_match_the_test_vectors() {
    let app = TestApp::open().await;
    let text = include_str!("../facts/news2.json");
    let facts: Value = serde_json::from_str(text).expect("JSON");
    for vector in facts["vectors"].as_array().expect("vectors") {
        let score = app.post("", "/api/v1/triage/assess", vector["input"].clone()).await.expect(200);
        assert_eq!(score["total"], vector["total"], "{vector}");
        assert_eq!(score["band"], vector["band"], "{vector}");
    }
    let bad = json!({"spo2_percent": 101, "pulse": 3});
    let problem = app.post("", "/api/v1/triage/assess", bad).await.problem(422, "invalid_field");
    let errors = problem["errors"].as_array().expect("errors");
    assert!(
        errors.iter().any(|error| error["field"] == "pulse" && error["code"] == "unknown_field"),
        "{problem}"
    );
    assert!(errors.iter().any(|error| error["field"] == "spo2_percent"), "{problem}");
}

/// Whoever comes to a screen every day has more check-ins after a consultation than are read at once.
#[actix_web::test]
async fn what_was_entered_during_a_consultation_is_found_however_often_the_worker_came_later() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let station = app.station().await;
    let first = station.check_in(Worker::adult()).await;
    first.report_symptoms(&["chest_pain"]).await.expect_created();
    first.measure(&[reading("heart_rate", 72, "/min")]).await;
    let span =
        CareSpan { worker: seed.worker, check_in: first.check_in, since: app.now(), until: Some(app.now()) };
    first.leave().await.expect_ok();
    for _ in 0..21 {
        app.pass(60);
        let later = station.check_in(Worker::adult()).await;
        later.measure(&[reading("heart_rate", 90, "/min")]).await;
        later.leave().await.expect_ok();
    }
    let mut conn = app.connection();
    let said = storage::vitals::entered_in_care(&mut conn, span).expect("read");
    assert_eq!(said.symptoms, [SymptomFlag::ChestPain]);
    assert_eq!(storage::vitals::readings_of_care(&mut conn, span).expect("read").len(), 1);
    let now = CareSpan { until: None, ..span };
    assert_eq!(storage::vitals::readings_of_care(&mut conn, now).expect("read").len(), 22);
}
