//! Staff sign in, refresh, sign out, and set passwords with links.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::{PASSWORD, Person, pharmacist_licence},
};
use crypto::totp::{TotpSecret, code_at, step_of};

pub fn code(app: &TestApp, person: &Person) -> String {
    let secret = TotpSecret::from_bytes(&person.totp).expect("a secret");
    code_at(&secret, step_of(app.now()))
}

async fn sign_in(app: &TestApp, email: &str, password: &str, totp: &str) -> Answer {
    let body = json!({"email": email, "password": password, "totp": totp});
    app.post("", "/api/v1/tokens/staff", body).await
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("{field} in {body}"))
}

#[actix_web::test]
async fn every_failed_sign_in_gets_the_same_answer() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let right = code(&app, &seed.doctor);
    let mut problems = Vec::new();
    for (email, password, totp) in [
        ("nobody@example.cn", PASSWORD, right.as_str()),
        (&seed.doctor.email, "wrong horse battery", &right),
        (&seed.doctor.email, PASSWORD, "000000"),
    ] {
        problems.push(sign_in(&app, email, password, totp).await.problem(401, "credentials_wrong"));
    }
    assert!(problems.windows(2).all(|pair| pair[0] == pair[1]), "{problems:?}");
    let opened = sign_in(&app, &seed.doctor.email, PASSWORD, &right).await.expect(200);
    assert_eq!(opened["staff"]["role"], "doctor");
    assert_eq!(opened["expires_in"], 300);
    let session = app.get(text(&opened, "access_token"), "/api/v1/session").await.expect(200);
    assert_eq!(session["staff"]["email"], seed.doctor.email.as_str());
    assert_eq!(session["signing_until"], Value::Null);
}

#[actix_web::test]
async fn of_ten_sign_ins_with_one_code_exactly_one_succeeds() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let totp = code(&app, &seed.doctor);
    let all = join_all((0..10).map(|_| sign_in(&app, &seed.doctor.email, PASSWORD, &totp))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(all.iter().filter(|answer| answer.status == 401).count(), 9);
}

#[actix_web::test]
async fn ten_failures_slow_down_one_account_and_no_other() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for _ in 0..10 {
        sign_in(&app, &seed.doctor.email, "wrong horse battery", "000000")
            .await
            .problem(401, "credentials_wrong");
    }
    let totp = code(&app, &seed.doctor);
    let slowed = sign_in(&app, &seed.doctor.email, "wrong horse battery", &totp).await;
    assert_eq!(slowed.headers["retry-after"], "900");
    slowed.problem(429, "too_many_requests");
    sign_in(&app, &seed.doctor.email, PASSWORD, &totp).await.expect(200);
    let other = code(&app, &seed.pharmacist);
    sign_in(&app, &seed.pharmacist.email, PASSWORD, &other).await.expect(200);
    app.pass(901);
    let totp = code(&app, &seed.doctor);
    sign_in(&app, &seed.doctor.email, PASSWORD, &totp).await.expect(200);
}

#[actix_web::test]
async fn a_reused_refresh_token_ends_the_whole_session() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let totp = code(&app, &seed.doctor);
    let first = sign_in(&app, &seed.doctor.email, PASSWORD, &totp).await.expect(200);
    let refresh = |token: String| {
        let app = &app;
        async move { app.post("", "/api/v1/tokens/refresh", json!({"refresh_token": token})).await }
    };
    let stolen = text(&first, "refresh_token").to_owned();
    let second = refresh(stolen.clone()).await.expect(200);
    app.get(text(&second, "access_token"), "/api/v1/session").await.expect(200);
    // After the seconds in which a lost answer may be requested again.
    app.pass(11);
    refresh(stolen).await.problem(401, "refresh_reused");
    app.get(text(&second, "access_token"), "/api/v1/session").await.problem(401, "session_ended");
    let next = text(&second, "refresh_token").to_owned();
    refresh(next).await.problem(401, "session_ended");
    refresh("no-such-token".to_owned()).await.problem(401, "token_invalid");
}

#[actix_web::test]
async fn a_session_lasts_twelve_hours_and_sign_out_ends_it_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.post(&seed.operator.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    app.get(&seed.operator.token, "/api/v1/session").await.problem(401, "session_ended");
    let totp = code(&app, &seed.doctor);
    let opened = sign_in(&app, &seed.doctor.email, PASSWORD, &totp).await.expect(200);
    app.pass(12 * 3600 + 1);
    let body = json!({"refresh_token": text(&opened, "refresh_token")});
    app.post("", "/api/v1/tokens/refresh", body).await.problem(401, "session_ended");
}

#[actix_web::test]
async fn a_one_time_code_opens_the_signing_window_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/session/signing-window";
    let totp = json!({"totp": code(&app, &seed.doctor)});
    app.post(&seed.operator.token, path, totp.clone()).await.problem(403, "role_not_allowed");
    app.post(&seed.doctor.token, path, totp.clone()).await.expect(200);
    app.post(&seed.doctor.token, path, totp).await.problem(401, "totp_used");
    let session = app.get(&seed.doctor.token, "/api/v1/session").await.expect(200);
    assert!(session["signing_until"].is_string());
    for _ in 0..4 {
        app.post(&seed.doctor_b.token, path, json!({"totp": "000000"}))
            .await
            .problem(401, "credentials_wrong");
    }
    app.post(&seed.doctor_b.token, path, json!({"totp": "000000"})).await.problem(429, "pin_locked");
}

#[actix_web::test]
async fn an_invitation_is_accepted_once_and_then_the_person_signs_in() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let input = json!({"role": "pharmacist", "email": "New@Example.cn", "name_zh": "新药师", "name_en": "New",
        "pharmacist": pharmacist_licence("P-1")});
    let made = app.post(&seed.operator.token, "/api/v1/staff", input.clone()).await.expect(201);
    assert_eq!(made["invited"], true);
    let token = token_of_newest_letter(&app).await;
    let path = "/api/v1/staff/password";
    let short = json!({"token": token, "password": "short", "signing_pin": "1"});
    let problem = app.post("", path, short).await.problem(422, "invalid_field");
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() == 2), "{problem}");
    let weak = json!({"token": token, "password": "aaaaaaaaaaaa", "signing_pin": "111111"});
    let problem = app.post("", path, weak).await.problem(422, "invalid_field");
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() >= 2), "{problem}");
    let good = json!({"token": token, "password": "plums under a grey roof", "signing_pin": "739154"});
    let set = app.post("", path, good.clone()).await.expect(200);
    assert_eq!(set["signing_pin_needed"], false);
    app.post("", path, good).await.problem(401, "link_invalid");
    app.post(&seed.operator.token, "/api/v1/staff", input).await.problem(409, "already_exists");
    let secret = TotpSecret::from_base32(text(&set, "totp_secret")).expect("a secret");
    let totp = code_at(&secret, step_of(app.now()));
    sign_in(&app, "new@example.cn", "plums under a grey roof", &totp).await.expect(200);
}

#[actix_web::test]
async fn a_reset_ends_every_session_and_expires_after_half_an_hour() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let ask = "/api/v1/staff/password-reset";
    let known = app.post("", ask, json!({"email": seed.doctor.email})).await.expect(202);
    let unknown = app.post("", ask, json!({"email": "nobody@example.cn"})).await.expect(202);
    assert_eq!(known, unknown);
    let token = token_of_newest_letter(&app).await;
    let set = json!({"token": token, "password": "plums under a grey roof"});
    let answer = app.post("", "/api/v1/staff/password", set).await.expect(200);
    assert_eq!(answer["totp_secret"], Value::Null);
    app.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    app.post("", ask, json!({"email": seed.doctor.email})).await.expect(202);
    let late = token_of_newest_letter(&app).await;
    app.pass(30 * 60 + 1);
    let set = json!({"token": late, "password": "plums under a grey roof"});
    app.post("", "/api/v1/staff/password", set).await.problem(401, "link_invalid");
}

/// Claims the due letters, as the job does, and returns the token in the newest one's link.
pub async fn token_of_newest_letter(app: &TestApp) -> String {
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    let link = &letters.last().expect("a letter").link;
    link.split("#token=").nth(1).expect("a token").to_owned()
}
