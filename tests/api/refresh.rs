//! An answer may be lost on its way, and two tabs may wake at once: the same
//! caller who sends a refresh token again within seconds gets the same answer,
//! and nobody else does.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestHouse},
    seed::{PASSWORD, Person},
    staff_tokens::code,
};
use service::Actor;
use storage::{each, schema::refresh_token};

const OURS: &str = "Screen/1.0";

async fn sign_in(house: &TestHouse, person: &Person) -> Value {
    let body = json!({"email": person.email, "password": PASSWORD, "totp": code(house, person)});
    house.post("", "/api/v1/tokens/staff", body).await.expect(200)
}

async fn refresh(house: &TestHouse, token: &Value, agent: &str) -> Answer {
    let request = house
        .client()
        .post(format!("{}/api/v1/tokens/refresh", house.base))
        .header("User-Agent", agent)
        .json(&json!({"refresh_token": token}));
    Answer::of(request.send().await.expect("answered")).await
}

#[actix_web::test]
async fn a_refresh_whose_answer_was_lost_gets_the_same_answer_again() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let first = sign_in(&house, &seed.doctor).await;
    let lost = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    house.pass(9);
    let again = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    assert_eq!(again, lost);
    let access = again["access_token"].as_str().expect("a token");
    house.get(access, "/api/v1/session").await.expect(200);
    refresh(&house, &again["refresh_token"], OURS).await.expect(200);
}

#[actix_web::test]
async fn many_at_once_at_two_instances_get_one_answer() {
    let house = TestHouse::open().await;
    let other = house.another().await;
    let seed = house.seed().await;
    let first = sign_in(&house, &seed.doctor).await;
    let token = &first["refresh_token"];
    let asked = (0..12).map(|at| refresh(if at % 2 == 0 { &house } else { &other }, token, OURS));
    let answers: Vec<Value> = join_all(asked).await.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    refresh(&other, &answers[0]["refresh_token"], OURS).await.expect(200);
}

#[actix_web::test]
async fn who_else_comes_with_a_used_token_ends_the_session() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    // Somebody else, at once.
    let first = sign_in(&house, &seed.doctor).await;
    let second = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    refresh(&house, &first["refresh_token"], "Thief/1.0").await.problem(401, "refresh_reused");
    refresh(&house, &second["refresh_token"], OURS).await.problem(401, "session_ended");
    // The same caller, too late.
    let first = sign_in(&house, &seed.pharmacist).await;
    let second = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    house.pass(11);
    refresh(&house, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
    refresh(&house, &second["refresh_token"], OURS).await.problem(401, "session_ended");
    // The same caller, after the new token was used: somebody has both.
    let first = sign_in(&house, &seed.operator).await;
    let second = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    let third = refresh(&house, &second["refresh_token"], OURS).await.expect(200);
    refresh(&house, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
    refresh(&house, &third["refresh_token"], OURS).await.problem(401, "session_ended");
    // Signed out is signed out, also within the seconds.
    let first = sign_in(&house, &seed.restocker).await;
    let second = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    house
        .post("", "/api/v1/tokens/revoke", json!({"refresh_token": second["refresh_token"]}))
        .await
        .expect(200);
    refresh(&house, &first["refresh_token"], OURS).await.problem(401, "session_ended");
}

#[actix_web::test]
async fn without_the_seconds_every_second_use_ends_the_session() {
    let house = TestHouse::open_with(|config| {
        config.policy.insert("sessions".to_owned(), json!({"refresh_grace_seconds": 0}));
    })
    .await;
    let seed = house.seed().await;
    let first = sign_in(&house, &seed.doctor).await;
    refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    refresh(&house, &first["refresh_token"], OURS).await.problem(401, "refresh_reused");
}

#[actix_web::test]
async fn the_kept_answer_is_sealed_and_forgotten() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let first = sign_in(&house, &seed.doctor).await;
    let second = refresh(&house, &first["refresh_token"], OURS).await.expect(200);
    let kept = || {
        house.house.read(Actor::System, |conn, _| {
            let rows: Vec<Vec<u8>> = each!(conn, c => refresh_token::table
                .filter(refresh_token::answer_sealed.is_not_null())
                .select(refresh_token::answer_sealed.assume_not_null())
                .load(c))?;
            Ok(rows)
        })
    };
    let rows = kept().await.expect("read");
    assert_eq!(rows.len(), 1);
    let token = second["refresh_token"].as_str().expect("a token").as_bytes();
    assert!(!rows[0].windows(token.len()).any(|part| part == token), "it stands there in clear");
    house.pass(11);
    service::housekeeping::forget(&house.house).await.expect("forgotten");
    assert!(kept().await.expect("read").is_empty());
}
