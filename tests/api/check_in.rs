//! A worker becomes known to one station screen for a short time.

use serde_json::json;

use crate::{harness::TestApp, seed};

#[actix_web::test]
async fn requests_without_a_valid_token_are_refused() {
    let app = TestApp::open().await;
    app.post("", "/api/v1/check-ins", json!({})).await.problem(401, "unauthenticated");
    app.post("not-a-token", "/api/v1/check-ins", json!({})).await.problem(401, "token_invalid");
    app.get("x", "/api/v1/nowhere").await.problem(404, "route_not_found");
}

#[actix_web::test]
async fn a_card_and_its_pin_open_a_check_in_and_a_new_one_ends_it() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let body = json!({"card_number": seed::CARD, "pin": seed::PIN});
    let first = app.post(&seed.station_token, "/api/v1/check-ins", body.clone()).await.expect(201);
    assert_eq!(first["greeting"], "样**");
    let id = first["check_in"]["id"].as_str().expect("an id").to_owned();
    app.post(&seed.station_token, "/api/v1/check-ins", body).await.expect(201);
    let ended = app.get(&seed.station_token, &format!("/api/v1/check-ins/{id}")).await.expect(200);
    assert_eq!(ended["end_reason"], "new_check_in");
    let renew = format!("/api/v1/check-ins/{id}/token");
    app.post(&seed.station_token, &renew, json!({})).await.problem(401, "check_in_ended");
}

#[actix_web::test]
async fn five_wrong_pins_lock_the_card_for_a_while() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let wrong = json!({"card_number": seed::CARD, "pin": "000111"});
    for _ in 0..4 {
        app.post(&seed.station_token, "/api/v1/check-ins", wrong.clone()).await.problem(401, "pin_wrong");
    }
    app.post(&seed.station_token, "/api/v1/check-ins", wrong).await.problem(429, "pin_locked");
    let right = json!({"card_number": seed::CARD, "pin": seed::PIN});
    let locked = app.post(&seed.station_token, "/api/v1/check-ins", right.clone()).await;
    assert_eq!(locked.headers["retry-after"], "900");
    app.pass(901);
    // The station's own token is five minutes old by now.
    app.post(&seed.station_token, "/api/v1/check-ins", right).await.problem(401, "token_expired");
}

#[actix_web::test]
async fn the_same_key_gives_the_same_answer_and_another_body_is_refused() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let right = json!({"card_number": seed::CARD, "pin": seed::PIN});
    let path = "/api/v1/check-ins";
    let first = app.post_with_key(&seed.station_token, path, "key-00001", right.clone()).await.expect(201);
    let again = app.post_with_key(&seed.station_token, path, "key-00001", right).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201), first);
    let other = json!({"card_number": seed::CARD, "pin": "111222"});
    let refused = app.post_with_key(&seed.station_token, path, "key-00001", other).await;
    refused.problem(422, "idempotency_key_reused");
}

#[actix_web::test]
async fn a_request_refused_with_429_can_be_repeated_with_the_same_key() {
    let app = TestApp::open().await;
    let screen = app.open_screen().await;
    app.seed().await;
    let body = |pin: &str| json!({"card_number": seed::CARD, "pin": pin});
    let path = "/api/v1/check-ins";
    for _ in 0..5 {
        app.post(&app.token_of_screen(&screen), path, body("000111")).await;
    }
    let key = "the-very-same-request-1";
    for _ in 0..2 {
        let again = app.post_with_key(&app.token_of_screen(&screen), path, key, body(seed::PIN)).await;
        again.problem(429, "pin_locked");
    }
    app.pass(901);
    app.post_with_key(&app.token_of_screen(&screen), path, key, body(seed::PIN)).await.expect(201);
    // The answer is stored now, and the next request gets the same one.
    let replayed = app.post_with_key(&app.token_of_screen(&screen), path, key, body(seed::PIN)).await;
    replayed.expect(201);
}
