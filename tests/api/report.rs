//! The worker's own report of a visit.

use serde_json::json;

use crate::harness::TestApp;

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
