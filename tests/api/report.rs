//! The worker's own report of a visit.

use serde_json::json;

use crate::{
    harness::TestApp,
    support::{Caller, Worker},
};

#[actix_web::test]
async fn a_visit_with_readings_only_has_a_report() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"readings": [
        {"kind": "blood_pressure", "value": 165, "second": 102, "unit": "mm[Hg]", "device": "cuff-1"},
    ]});
    app.post(&worker, "/api/v1/readings", body).await.expect(201);
    let report = app.get(&worker, "/api/v1/report").await.expect(200);
    assert_eq!(report["station"]["code"], "zhifu-01");
    assert_eq!(report["triage"]["findings"][0]["category"], "grade_2");
    let page = app.get(&worker, "/api/v1/report.html").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let text = page.expect(200);
    let text = text.as_str().expect("a page");
    assert!(text.contains("165/102") && text.contains("样例工人甲"), "{text}");
}

#[actix_web::test]
async fn the_report_contains_the_messages_and_escapes_markup() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let evil = json!({"text": "<script>alert(1)</script>"});
    app.post(&worker, &format!("/api/v1/consultations/{id}/messages"), evil).await.expect(201);
    let report = app.get(&worker, "/api/v1/report").await.expect(200);
    assert_eq!(report["consultations"][0]["messages"][0]["text"], "<script>alert(1)</script>");
    let page = app.get(&worker, "/api/v1/report.html").await.expect(200);
    let page = page.as_str().expect("a page");
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
    app.get(&seed.doctor.token, "/api/v1/report").await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn the_report_contains_every_message() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    for number in 0..105 {
        doctor.say(&id, &format!("{number}")).await.expect_created();
    }
    let report = worker.get("/api/v1/report").await.expect_ok();
    let messages = report["consultations"][0]["messages"].as_array().expect("a list");
    assert_eq!((messages.len(), &messages[104]["text"]), (105, &json!("104")));
}

#[actix_web::test]
async fn what_was_entered_when_the_doctor_was_asked_for_counts_however_often_the_worker_checks_in() {
    let app = TestApp::open().await;
    let (station, doctor) = (app.station().await, app.doctor().await);
    let worker = station.check_in(Worker::adult()).await;
    let readings = json!({"readings": [{"kind": "spo2", "value": 95, "unit": "%", "device": "oximeter-1"}],
        "context": {"consciousness": "A", "supplemental_oxygen": true}});
    worker.post("/api/v1/readings", readings).await.expect_created();
    let id = doctor.consult_with(&worker).await;
    let before = doctor.record(&id).await["triage"].clone();
    worker.leave().await.expect_ok();
    for _ in 0..22 {
        station.check_in(Worker::adult()).await.leave().await.expect_ok();
    }
    assert_eq!(doctor.record(&id).await["triage"], before);
}
