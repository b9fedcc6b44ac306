//! An answer may be lost on its way, and two tabs may refresh at once: the same
//! caller who sends a refresh token again within seconds gets the same answer,
//! and nobody else does.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::{PASSWORD, Person},
    staff_tokens::code,
};
use service::Actor;
use storage::{on_backend, schema::refresh_token};

const OURS: &str = "Screen/1.0";

async fn sign_in(app: &TestApp, person: &Person) -> Value {
    let body = json!({"email": person.email, "password": PASSWORD, "totp": code(app, person)});
    app.post("", "/api/v1/tokens/staff", body).await.expect(200)
}

async fn refresh(app: &TestApp, token: &Value, agent: &str) -> Answer {
    let request = app
        .client()
        .post(format!("{}/api/v1/tokens/refresh", app.base))
        .header("User-Agent", agent)
        .json(&json!({"refresh_token": token}));
    Answer::of(request.send().await.expect("answered")).await
}

#[actix_web::test]
async fn a_refresh_whose_answer_was_lost_gets_the_same_answer_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let first = sign_in(&app, &seed.doctor).await;
    let lost = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    app.pass(9);
    let again = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    assert_eq!(again, lost);
    let access = again["access_token"].as_str().expect("a token");
    app.get(access, "/api/v1/session").await.expect(200);
    refresh(&app, &again["refresh_token"], OURS).await.expect(200);
}

#[actix_web::test]
async fn concurrent_refreshes_at_two_instances_get_the_same_answer() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let seed = app.seed().await;
    let first = sign_in(&app, &seed.doctor).await;
    let token = &first["refresh_token"];
    let requests = (0..12).map(|at| refresh(if at % 2 == 0 { &app } else { &other }, token, OURS));
    let answers: Vec<Value> = join_all(requests).await.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    refresh(&other, &answers[0]["refresh_token"], OURS).await.expect(200);
}

#[actix_web::test]
async fn another_caller_with_a_used_token_ends_the_session() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    // Another caller, at once.
    let first = sign_in(&app, &seed.doctor).await;
    let second = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    refresh(&app, &first["refresh_token"], "Thief/1.0").await.problem(401, "refresh_reused");
    refresh(&app, &second["refresh_token"], OURS).await.problem(401, "session_ended");
    // The same caller, too late.
    let first = sign_in(&app, &seed.pharmacist).await;
    let second = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    app.pass(11);
    refresh(&app, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
    refresh(&app, &second["refresh_token"], OURS).await.problem(401, "session_ended");
    // The same caller, after the new token was used: both tokens are in use, one is stolen.
    let first = sign_in(&app, &seed.operator).await;
    let second = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    let third = refresh(&app, &second["refresh_token"], OURS).await.expect(200);
    refresh(&app, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
    refresh(&app, &third["refresh_token"], OURS).await.problem(401, "session_ended");
    // A revoked session stays ended, also within the grace seconds.
    let first = sign_in(&app, &seed.restocker).await;
    let second = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    app.post("", "/api/v1/tokens/revoke", json!({"refresh_token": second["refresh_token"]}))
        .await
        .expect(200);
    refresh(&app, &first["refresh_token"], OURS).await.problem(401, "session_ended");
}

#[actix_web::test]
async fn without_grace_seconds_every_second_use_ends_the_session() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("sessions".to_owned(), json!({"refresh_grace_seconds": 0}));
    })
    .await;
    let seed = app.seed().await;
    let first = sign_in(&app, &seed.doctor).await;
    refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    refresh(&app, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
}

#[actix_web::test]
async fn the_stored_answer_is_sealed_and_deleted() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let first = sign_in(&app, &seed.doctor).await;
    let second = refresh(&app, &first["refresh_token"], OURS).await.expect(200);
    let stored_answers = || {
        app.state.read(Actor::System, |conn, _| {
            let rows: Vec<Vec<u8>> = on_backend!(conn, c => refresh_token::table
                .filter(refresh_token::answer_sealed.is_not_null())
                .select(refresh_token::answer_sealed.assume_not_null())
                .load(c))?;
            Ok(rows)
        })
    };
    let rows = stored_answers().await.expect("read");
    assert_eq!(rows.len(), 1);
    let token = second["refresh_token"].as_str().expect("a token").as_bytes();
    assert!(!rows[0].windows(token.len()).any(|part| part == token), "it is stored in clear");
    app.pass(11);
    service::housekeeping::forget(&app.state).await.expect("forgotten");
    assert!(stored_answers().await.expect("read").is_empty());
}
