//! Devices enrol with a code, authenticate with assertions, and are replaced.

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use crypto::device::{DeviceKey, make_assertion};
use domain::ids::DeviceId;

async fn token(app: &TestApp, key: &DeviceKey, device: DeviceId, audience: &str, jti: &str) -> Answer {
    let assertion = make_assertion(key, device, audience, jti, app.now()).expect("signed");
    app.post("", "/api/v1/tokens/device", json!({"client_assertion": assertion})).await
}

fn audience(app: &TestApp) -> String {
    format!("{}/api/v1/tokens/device", app.state.public_url)
}

#[actix_web::test]
async fn a_code_enrols_one_device_of_its_kind_and_replaces_the_old() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let request = json!({"kind": "cabinet", "station_id": seed.station});
    app.post(&seed.doctor.token, "/api/v1/enrolment-codes", request.clone())
        .await
        .problem(403, "role_not_allowed");
    let made = app.post(&seed.operator.token, "/api/v1/enrolment-codes", request).await.expect(201);
    let key = DeviceKey::generate().expect("a key");
    let body_with = |public: String| json!({"code": made["code"], "public_key": public});
    let good = body_with(key.public_key().to_string());
    app.post("", "/cabinet/v1/enrol", body_with("short".to_owned())).await.problem(422, "invalid_field");
    app.post("", "/api/v1/tokens/enrol", good.clone()).await.problem(401, "enrolment_code_invalid");
    let enrolled = app.post("", "/cabinet/v1/enrol", good.clone()).await.expect(201);
    assert_eq!(enrolled["epoch"], 2);
    app.post("", "/cabinet/v1/enrol", good).await.problem(401, "enrolment_code_invalid");

    let old = token(&app, &seed.cabinet_key, seed.cabinet_device, &audience(&app), "a-1").await;
    old.problem(401, "device_revoked");
    let device: DeviceId = enrolled["device_id"].as_str().expect("an id").parse().expect("an id");
    let fresh = token(&app, &key, device, &audience(&app), "a-1").await.expect(200);
    assert_eq!((&fresh["role"], &fresh["epoch"]), (&json!("cabinet"), &json!(2)));
}

#[actix_web::test]
async fn a_code_expires_after_fifteen_minutes() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let request = json!({"kind": "station", "station_id": seed.station});
    let made = app.post(&seed.operator.token, "/api/v1/enrolment-codes", request).await.expect(201);
    app.pass(15 * 60);
    let key = DeviceKey::generate().expect("a key");
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    app.post("", "/api/v1/tokens/enrol", body).await.problem(401, "enrolment_code_invalid");
}

#[actix_web::test]
async fn an_assertion_is_valid_once_for_a_minute_and_for_this_server() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (key, id) = (&seed.station_key, seed.station_device);
    let here = audience(&app);
    let assertion = make_assertion(key, id, &here, "jti-1", app.now()).expect("signed");
    let body = json!({"client_assertion": assertion});
    let opened = app.post("", "/api/v1/tokens/device", body.clone()).await.expect(200);
    assert_eq!((&opened["role"], &opened["cabinet_id"]), (&json!("station"), &Value::Null));
    app.post("", "/api/v1/tokens/device", body).await.problem(401, "token_invalid");
    token(&app, key, id, "https://elsewhere.example/api/v1/tokens/device", "jti-2")
        .await
        .problem(401, "token_invalid");
    token(&app, &seed.cabinet_key, id, &here, "jti-3").await.problem(401, "token_invalid");
    let late = make_assertion(key, id, &here, "jti-4", app.now()).expect("signed");
    app.pass(70);
    app.post("", "/api/v1/tokens/device", json!({"client_assertion": late}))
        .await
        .problem(401, "token_expired");
}

#[actix_web::test]
async fn a_revoked_device_is_refused_at_once_and_tokens_do_not_cross() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.post(&seed.cabinet_token, "/api/v1/check-ins", json!({})).await.problem(403, "role_not_allowed");
    app.get(&seed.station_token, "/api/v1/session").await.problem(403, "role_not_allowed");
    let path = format!("/api/v1/devices/{}/revoke", seed.station_device);
    app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    let card = json!({"card_number": crate::seed::CARD, "pin": crate::seed::PIN});
    app.post(&seed.station_token, "/api/v1/check-ins", card).await.problem(401, "device_revoked");
}
