//! A writer sends the version that they read in If-Match, in every form that HTTP allows.

use serde_json::json;

use crate::{harness::TestApp, seed::pharmacist_licence};

const PATH: &str = "/api/v1/me/profile";

#[actix_web::test]
async fn weak_tags_lists_and_any_are_accepted() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let body = json!({"weight_kg_tenths": 705});
    for (version, tag) in [
        ("W/\"0\"", "\"1\""),
        ("\"0\", W/\"1\"", "\"2\""),
        ("*", "\"3\""),
        ("W/\"3\"", "\"4\""),
        ("4", "\"5\""),
    ] {
        let written = app.put(&token, PATH, version, body.clone()).await;
        assert_eq!(written.status, 200, "{version}: {}", written.body);
        assert_eq!(written.headers["etag"], tag, "{version}");
    }
    let stale =
        app.put(&token, PATH, "W/\"1\", \"2\"", body.clone()).await.problem(412, "precondition_failed");
    assert_eq!(stale["data"], json!({"version": 5}));
    // A tag that is not one of our versions never matches, and gets the same answer.
    app.put(&token, PATH, "\"abc\"", body.clone()).await.problem(412, "precondition_failed");
    for wrong in ["x", "\"", "W/5", "w/\"5\"", "*, \"5\"", "\"5\" \"6\"", "\"5\","] {
        app.put(&token, PATH, wrong, body.clone()).await.problem(400, "precondition_invalid");
    }
}

#[actix_web::test]
async fn concurrent_writes_with_any_version_all_succeed() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let writes = (0..6).map(|at| app.put(&token, PATH, "*", json!({"weight_kg_tenths": 700 + at})));
    for answer in futures_util::future::join_all(writes).await {
        answer.expect(200);
    }
    assert_eq!(app.get(&token, PATH).await.headers["etag"], "\"6\"");
}

#[actix_web::test]
async fn every_editable_document_accepts_them() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let person = format!("/api/v1/staff/{}", seed.pharmacist.id);
    let names = json!({"name_zh": "药师", "name_en": "Pharmacist", "pharmacist": pharmacist_licence("P-1")});
    assert_eq!(app.get(operator, &person).await.headers["etag"], "\"1\"");
    assert_eq!(app.put(operator, &person, "W/\"1\"", names.clone()).await.headers["etag"], "\"2\"");
    assert_eq!(app.put(operator, &person, "*", names.clone()).await.headers["etag"], "\"3\"");
    app.put(operator, &person, "\"1\"", names.clone()).await.problem(412, "precondition_failed");
    app.put(operator, &person, "x", names).await.problem(400, "precondition_invalid");
    let shift = json!({"staff_id": seed.doctor.id, "starts_at": "2026-12-01T00:00:00Z",
        "ends_at": "2026-12-01T08:00:00Z"});
    let made = app.post(operator, "/api/v1/shifts", shift).await.expect(201);
    let path = format!("/api/v1/shifts/{}", made["id"].as_str().expect("an id"));
    let hours = json!({"starts_at": "2026-12-01T01:00:00Z", "ends_at": "2026-12-01T09:00:00Z"});
    assert_eq!(app.put(operator, &path, "W/\"1\"", hours.clone()).await.headers["etag"], "\"2\"");
    app.put(operator, &path, "\"1\"", hours.clone()).await.problem(412, "precondition_failed");
    app.put(operator, &path, "W/", hours).await.problem(400, "precondition_invalid");
}
