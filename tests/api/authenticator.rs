//! Whoever has lost their authenticator gets another one, by two operators.

use serde_json::{Value, json};

use crate::{
    harness::TestHouse,
    seed::{PASSWORD, Person, Seed},
    staff_tokens::{code, token_of_newest_letter},
};
use crypto::totp::{TotpSecret, code_at, step_of};
use domain::staff::role::Role;

fn path(who: &Person, verb: &str) -> String {
    format!("/api/v1/staff/{}/authenticator-reset{verb}", who.id)
}

async fn open() -> (TestHouse, Seed, Person) {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let second = house.person(Role::Operator, "operator-b@example.cn", None, None).await;
    (house, seed, second)
}

fn why() -> Value {
    json!({"reason": "Lost the phone; known in person."})
}

#[actix_web::test]
async fn two_operators_let_a_doctor_begin_anew() {
    let (house, seed, second) = open().await;
    let doctor = &seed.doctor;
    let asked = house.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    assert_eq!(asked["asked_by"], json!(seed.operator.id));
    // Until it is approved, nothing has changed.
    house.get(&doctor.token, "/api/v1/session").await.expect(200);
    let seen = house.get(&second.token, &format!("/api/v1/staff/{}", doctor.id)).await.expect(200);
    assert_eq!(seen["authenticator_reset"]["asked_by"], json!(seed.operator.id));
    house.post(&second.token, &path(doctor, "/approve"), json!({})).await.expect(200);
    house.get(&doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    let old = json!({"email": doctor.email, "password": PASSWORD, "totp": code(&house, doctor)});
    house.post("", "/api/v1/tokens/staff", old).await.problem(401, "credentials_wrong");
    // The letter to the owner came first, the new invitation after it.
    let token = token_of_newest_letter(&house).await;
    let set = json!({"token": token, "password": "plums under a grey roof"});
    let opened = house.post("", "/api/v1/staff/password", set).await.expect(200);
    // The signing PIN is still theirs.
    assert_eq!(opened["signing_pin_needed"], false);
    let secret = TotpSecret::from_base32(opened["totp_secret"].as_str().expect("a secret")).expect("base32");
    let now = code_at(&secret, step_of(house.now()));
    let fresh = json!({"email": doctor.email, "password": "plums under a grey roof", "totp": now});
    house.post("", "/api/v1/tokens/staff", fresh).await.expect(200);
}

#[actix_web::test]
async fn nobody_is_the_second_of_their_own_request_or_account() {
    let (house, seed, second) = open().await;
    let (doctor, first) = (&seed.doctor, &seed.operator);
    house.post(&second.token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    house.post(&first.token, &path(doctor, ""), why()).await.expect(200);
    house.post(&first.token, &path(doctor, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    // To ask again does not make another one the first.
    let again = house.post(&second.token, &path(doctor, ""), why()).await.expect(200);
    assert_eq!(again["asked_by"], json!(first.id));
    house.post(&first.token, &path(first, ""), why()).await.problem(403, "role_not_allowed");
    house.post(&first.token, &path(&second, ""), why()).await.expect(200);
    house.post(&second.token, &path(&second, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    for token in [&seed.doctor_b.token, &seed.pharmacist.token, &seed.restocker.token] {
        house.post(token, &path(doctor, ""), why()).await.problem(403, "role_not_allowed");
        house.post(token, &path(doctor, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    }
    house.get(&doctor.token, "/api/v1/session").await.expect(200);
}

#[actix_web::test]
async fn a_request_is_withdrawn_or_lapses() {
    let (house, seed, second) = open().await;
    let doctor = &seed.doctor;
    house.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    house.post(&second.token, &path(doctor, "/withdraw"), json!({})).await.expect(200);
    house.post(&second.token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    house.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    house.pass(11 * 3600);
    let late = |house: &TestHouse, session| house.staff_token(Role::Operator, second.id, session, None, None);
    house.pass(13 * 3600 + 1);
    // Signed in anew since: a session lasts 12 hours.
    let sign_in = json!({"email": second.email, "password": PASSWORD, "totp": code(&house, &second)});
    let opened = house.post("", "/api/v1/tokens/staff", sign_in).await.expect(200);
    let token = opened["access_token"].as_str().expect("a token");
    house.post(token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    house.get(&late(&house, second.session), "/api/v1/session").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn the_owner_is_told_when_it_is_asked() {
    let (house, seed, _) = open().await;
    house.post(&seed.operator.token, &path(&seed.doctor, ""), why()).await.expect(200);
    let page = house.get(&seed.operator.token, "/api/v1/letters?state=waiting").await.expect(200);
    assert_eq!(page["items"][0]["kind"], "authenticator_reset");
    assert_eq!(page["items"][0]["email"], seed.doctor.email.as_str());
    // A notice opens nothing.
    let letters = service::letter::claim_due(&house.house).await.expect("claimed");
    assert!(letters.iter().all(|letter| !letter.link.contains("token")));
}
