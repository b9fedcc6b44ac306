//! A doctor who was inactive for fifteen minutes must enter the signing PIN before
//! accepting an offer: somebody else may be sitting at their page.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::{PASSWORD, SIGNING_PIN, Seed},
    staff_tokens::code,
};
use crypto::tokens::Role;

const MINUTE: i64 = 60;

impl TestApp {
    /// A fresh token of the doctor's session, as their open page has.
    fn page(&self, seed: &Seed) -> String {
        self.staff_token(Role::Doctor, seed.doctor.id, seed.doctor.session, Some(seed.hospital), None)
    }

    async fn go_on_duty(&self, doctor: &str) {
        self.put(doctor, "/api/v1/duty", "0", json!({"presence": "available"})).await.expect(200);
    }

    /// A worker asks for a consultation; returns the doctor's offer.
    async fn offered(&self, seed: &Seed) -> Value {
        let visit = self.visit(seed).await;
        self.ask(&visit.token).await;
        service::matching::offer_waiting(&self.state).await.expect("a round");
        self.get(&self.page(seed), "/api/v1/offers").await.expect(200)["items"][0].clone()
    }

    async fn accept(&self, seed: &Seed, offer: &Value, pin: Option<&str>) -> Answer {
        let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
        self.post(&self.page(seed), &path, json!({"fence": offer["fence"], "pin": pin})).await
    }
}

#[actix_web::test]
async fn after_fifteen_inactive_minutes_accepting_needs_the_pin() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.go_on_duty(&app.page(&seed)).await;
    app.pass(16 * MINUTE);
    let offer = app.offered(&seed).await;
    app.accept(&seed, &offer, None).await.problem(403, "reauthentication_needed");
    // A request for the PIN, and a wrong PIN, do not count as activity.
    app.accept(&seed, &offer, Some("000000")).await.problem(403, "signing_pin_wrong");
    app.accept(&seed, &offer, None).await.problem(403, "reauthentication_needed");
    assert_eq!(app.accept(&seed, &offer, Some(SIGNING_PIN)).await.expect(200)["state"], "active");
    // After the right PIN it is not requested again.
    let done = json!({"summary": "好", "diagnoses": []});
    let path =
        format!("/api/v1/consultations/{}/complete", offer["consultation_id"].as_str().expect("an id"));
    app.post(&app.page(&seed), &path, done).await.expect(200);
    app.pass(MINUTE);
    let next = app.offered(&seed).await;
    app.accept(&seed, &next, None).await.expect(200);
}

#[actix_web::test]
async fn polling_streaming_and_token_renewal_do_not_count_as_the_doctors_activity() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.go_on_duty(&app.page(&seed)).await;
    let signed_in = sign_in(&app, &seed).await;
    let mut refresh = signed_in["refresh_token"].as_str().expect("a token").to_owned();
    let mut token = signed_in["access_token"].as_str().expect("a token").to_owned();
    app.go_on_duty(&token).await;
    for _ in 0..4 {
        app.pass(4 * MINUTE);
        let renewed = json!({"refresh_token": refresh});
        let renewed = app.post("", "/api/v1/tokens/refresh", renewed).await.expect(200);
        refresh = renewed["refresh_token"].as_str().expect("a token").to_owned();
        token = renewed["access_token"].as_str().expect("a token").to_owned();
        for path in ["/api/v1/offers", "/api/v1/duty", "/api/v1/session", "/api/v1/consultations"] {
            app.get(&token, path).await.expect(200);
        }
        let stream = app.client().get(format!("{}/api/v1/events", app.base)).bearer_auth(&token);
        assert_eq!(stream.send().await.expect("answered").status(), 200);
    }
    let offer = app.offered(&seed).await;
    let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
    let fence = json!({"fence": offer["fence"]});
    app.post(&token, &path, fence.clone()).await.problem(403, "reauthentication_needed");
    // Another action with that token does not count either.
    app.go_on_duty(&token).await;
    app.post(&token, &path, fence).await.problem(403, "reauthentication_needed");
}

#[actix_web::test]
async fn an_active_doctor_needs_no_pin() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for _ in 0..6 {
        app.go_on_duty(&app.page(&seed)).await;
        app.pass(14 * MINUTE);
    }
    let offer = app.offered(&seed).await;
    app.accept(&seed, &offer, None).await.expect(200);
}

async fn sign_in(app: &TestApp, seed: &Seed) -> Value {
    let body = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(app, &seed.doctor)});
    app.post("", "/api/v1/tokens/staff", body).await.expect(200)
}
