//! A lost authenticator is replaced with the approval of two operators.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{PASSWORD, Person, Seed},
    staff_tokens::{code, token_of_newest_letter},
};
use crypto::totp::{TotpSecret, code_at, step_of};
use domain::staff::role::Role;

fn path(who: &Person, verb: &str) -> String {
    format!("/api/v1/staff/{}/authenticator-reset{verb}", who.id)
}

async fn open() -> (TestApp, Seed, Person) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let second = app.person(Role::Operator, "operator-b@example.cn", None, None).await;
    (app, seed, second)
}

fn why() -> Value {
    json!({"reason": "Lost the phone; known in person."})
}

#[actix_web::test]
async fn two_operators_reset_a_doctors_authenticator() {
    let (app, seed, second) = open().await;
    let doctor = &seed.doctor;
    let asked = app.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    assert_eq!(asked["asked_by"], json!(seed.operator.id));
    // Nothing changes until the request is approved.
    app.get(&doctor.token, "/api/v1/session").await.expect(200);
    let seen = app.get(&second.token, &format!("/api/v1/staff/{}", doctor.id)).await.expect(200);
    assert_eq!(seen["authenticator_reset"]["asked_by"], json!(seed.operator.id));
    app.post(&second.token, &path(doctor, "/approve"), json!({})).await.expect(200);
    app.get(&doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    let old = json!({"email": doctor.email, "password": PASSWORD, "totp": code(&app, doctor)});
    app.post("", "/api/v1/tokens/staff", old).await.problem(401, "credentials_wrong");
    // The letter to the owner came first, the new invitation after it.
    let token = token_of_newest_letter(&app).await;
    let set = json!({"token": token, "password": "plums under a grey roof"});
    let opened = app.post("", "/api/v1/staff/password", set).await.expect(200);
    // The signing PIN is unchanged.
    assert_eq!(opened["signing_pin_needed"], false);
    let secret = TotpSecret::from_base32(opened["totp_secret"].as_str().expect("a secret")).expect("base32");
    let now = code_at(&secret, step_of(app.now()));
    let fresh = json!({"email": doctor.email, "password": "plums under a grey roof", "totp": now});
    app.post("", "/api/v1/tokens/staff", fresh).await.expect(200);
}

#[actix_web::test]
async fn nobody_approves_their_own_request_or_account() {
    let (app, seed, second) = open().await;
    let (doctor, first) = (&seed.doctor, &seed.operator);
    app.post(&second.token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    app.post(&first.token, &path(doctor, ""), why()).await.expect(200);
    app.post(&first.token, &path(doctor, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    // Repeating the request does not change who requested it first.
    let again = app.post(&second.token, &path(doctor, ""), why()).await.expect(200);
    assert_eq!(again["asked_by"], json!(first.id));
    app.post(&first.token, &path(first, ""), why()).await.problem(403, "role_not_allowed");
    app.post(&first.token, &path(&second, ""), why()).await.expect(200);
    app.post(&second.token, &path(&second, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    for token in [&seed.doctor_b.token, &seed.pharmacist.token, &seed.restocker.token] {
        app.post(token, &path(doctor, ""), why()).await.problem(403, "role_not_allowed");
        app.post(token, &path(doctor, "/approve"), json!({})).await.problem(403, "role_not_allowed");
    }
    app.get(&doctor.token, "/api/v1/session").await.expect(200);
}

#[actix_web::test]
async fn a_request_can_be_withdrawn_and_expires() {
    let (app, seed, second) = open().await;
    let doctor = &seed.doctor;
    app.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    app.post(&second.token, &path(doctor, "/withdraw"), json!({})).await.expect(200);
    app.post(&second.token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    app.post(&seed.operator.token, &path(doctor, ""), why()).await.expect(200);
    app.pass(11 * 3600);
    let late = |app: &TestApp, session| app.staff_token(Role::Operator, second.id, session, None, None);
    app.pass(13 * 3600 + 1);
    // The operator signs in again: a session lasts 12 hours.
    let sign_in = json!({"email": second.email, "password": PASSWORD, "totp": code(&app, &second)});
    let opened = app.post("", "/api/v1/tokens/staff", sign_in).await.expect(200);
    let token = opened["access_token"].as_str().expect("a token");
    app.post(token, &path(doctor, "/approve"), json!({})).await.problem(409, "state_moved_on");
    app.get(&late(&app, second.session), "/api/v1/session").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn the_owner_is_notified_of_the_request() {
    let (app, seed, _) = open().await;
    app.post(&seed.operator.token, &path(&seed.doctor, ""), why()).await.expect(200);
    let page = app.get(&seed.operator.token, "/api/v1/letters?state=waiting").await.expect(200);
    assert_eq!(page["items"][0]["kind"], "authenticator_reset");
    assert_eq!(page["items"][0]["email"], seed.doctor.email.as_str());
    // A notice contains no token.
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    assert!(letters.iter().all(|letter| !letter.link.contains("token")));
}
