//! A station's screen signs its requests, as a cabinet does; and when it is
//! revoked, replaced or idle, nobody stays checked in at it.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::{CARD, PIN, Seed},
};
use crypto::device::{BoundRequest, DeviceKey, sign_bound_request, sign_request};
use domain::{ids::DeviceId, staff::role::Role};
use http::{
    api::routes,
    routes::{KEY, SCREEN_SIGNATURE, SIGNATURE},
};

const CHECK_IN: &str = "/api/v1/check-ins";

/// A request as a screen sends it, each part chosen by the test.
#[derive(Clone)]
struct Sent {
    path: String,
    token: String,
    key: String,
    body: String,
    signature: Option<String>,
}

impl Sent {
    /// With a valid signature.
    fn valid(seed: &Seed, path: &str, body: &Value) -> Self {
        let mut sent = Self {
            path: path.to_owned(),
            token: seed.station_token.clone(),
            key: uuid::Uuid::now_v7().to_string(),
            body: body.to_string(),
            signature: None,
        };
        sent.signature = Some(sent.signed_by(&seed.station_key, seed.station_device));
        sent
    }

    fn bound(&self) -> BoundRequest<'_> {
        BoundRequest {
            method: "POST",
            path: &self.path,
            body: self.body.as_bytes(),
            access_token: &self.token,
            idempotency_key: self.key.as_bytes(),
        }
    }

    fn signed_by(&self, key: &DeviceKey, device: DeviceId) -> String {
        sign_bound_request(key, device, &self.bound()).expect("signed")
    }

    async fn send(&self, app: &TestApp) -> Answer {
        let mut request = app
            .client()
            .post(format!("{}{}", app.base, self.path))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &self.key)
            .bearer_auth(&self.token)
            .body(self.body.clone());
        if let Some(signature) = &self.signature {
            request = request.header("Waystation-Signature", signature);
        }
        Answer::of(request.send().await.expect("answered")).await
    }
}

fn card(pin: &str) -> Value {
    json!({"card_number": CARD, "pin": pin})
}

#[actix_web::test]
async fn a_request_without_a_valid_screen_signature_is_refused_before_anything_is_done() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let right = Sent::valid(&seed, CHECK_IN, &card(PIN));
    let stranger = DeviceKey::generate().expect("a key");
    let other_token = {
        app.pass(1);
        app.station_token(&seed)
    };
    assert_ne!(other_token, right.token);
    let with = |signature: String| Sent { signature: Some(signature), ..right.clone() };
    let bytes = right.body.as_bytes();
    let old_kind = sign_request(&seed.station_key, seed.station_device, "POST", CHECK_IN, bytes);
    let other_method = BoundRequest { method: "PUT", ..right.bound() };
    let other_method = sign_bound_request(&seed.station_key, seed.station_device, &other_method);
    let wrong = [
        ("not signed", Sent { signature: None, ..right.clone() }),
        ("an empty signature", with(String::new())),
        ("a stranger's key", with(right.signed_by(&stranger, seed.station_device))),
        ("the cabinet's key and name", with(right.signed_by(&seed.cabinet_key, seed.cabinet_device))),
        ("in another device's name", with(right.signed_by(&seed.station_key, seed.cabinet_device))),
        ("as a cabinet signs", with(old_kind.expect("signed"))),
        ("for another method", with(other_method.expect("signed"))),
        ("for another path", Sent { path: format!("{CHECK_IN}/walk-in"), ..right.clone() }),
        ("for another body", Sent { body: card("000111").to_string(), ..right.clone() }),
        ("for the same body, spelt otherwise", Sent { body: format!("{} ", right.body), ..right.clone() }),
        ("for another idempotency key", Sent { key: "another-key-1".to_owned(), ..right.clone() }),
        ("for another token of the same screen", Sent { token: other_token, ..right.clone() }),
    ];
    for (why, sent) in wrong {
        println!("{why}");
        sent.send(&app).await.problem(401, "signature_invalid");
    }
    // Unsigned PIN guesses are not counted, or anybody with a token could lock every card.
    for _ in 0..8 {
        let guess = Sent { signature: None, ..Sent::valid(&seed, CHECK_IN, &card("000111")) };
        guess.send(&app).await.problem(401, "signature_invalid");
    }
    right.send(&app).await.expect(201);
}

#[actix_web::test]
async fn a_recorded_request_of_a_screen_does_nothing_a_second_time() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let right = Sent::valid(&seed, CHECK_IN, &card(PIN));
    let first = right.send(&app).await.expect(201);
    let check_in = first["check_in"]["id"].as_str().expect("an id").to_owned();
    let again = right.send(&app).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201), first);

    let renew = Sent::valid(&seed, &format!("{CHECK_IN}/{check_in}/token"), &json!({}));
    let fresh = renew.send(&app).await.expect(200);
    app.pass(2);
    // A replay gets the token of the first answer, not a fresh one.
    assert_eq!(renew.send(&app).await.expect(200), fresh);
    let leave = Sent::valid(&seed, &format!("{CHECK_IN}/{check_in}/leave"), &json!({}));
    leave.send(&app).await.expect(200);
    right.send(&app).await.expect(201);
    let view = app.get(&seed.station_token, &format!("{CHECK_IN}/{check_in}")).await.expect(200);
    assert_eq!(view["end_reason"], "left", "the old check-in is over, and the replay opened no new one");

    // The token ends long before the key is deleted, and the signature fits no other token.
    app.pass(400);
    right.send(&app).await.problem(401, "token_expired");
    let renewed = Sent { token: app.station_token(&seed), ..right };
    renewed.send(&app).await.problem(401, "signature_invalid");
}

#[actix_web::test]
async fn requests_of_a_worker_need_no_signature() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"purpose": "employer_fitness"});
    app.post(&worker, "/api/v1/me/consents", body).await.expect(201);
}

/// A new route for devices cannot omit the signature.
#[test]
fn every_route_by_which_a_device_changes_something_needs_its_signature() {
    let table = routes();
    let moving = || table.lines().iter().filter(|line| line.moves());
    let mut screens = 0;
    for line in moving().filter(|line| line.roles.contains(&Role::Station)) {
        assert!(line.takes(SCREEN_SIGNATURE), "{} {} is not signed", line.method, line.path);
        assert!(line.takes(KEY), "{} {}: without a key it could be replayed", line.method, line.path);
        screens += 1;
    }
    assert!(screens >= 4, "only {screens}");
    for line in moving().filter(|line| line.roles.contains(&Role::Cabinet)) {
        assert!(line.takes(SIGNATURE), "{} {} is not signed", line.method, line.path);
    }
}

/// Enrols another screen for the same station; returns its device id.
async fn replace(app: &TestApp, seed: &Seed) -> DeviceId {
    let request = json!({"kind": "station", "station_id": seed.station});
    let made = app.post(&app.operator_token(seed), "/api/v1/enrolment-codes", request).await.expect(201);
    let key = DeviceKey::generate().expect("a key");
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    let enrolled = app.post("", "/api/v1/tokens/enrol", body).await.expect(201);
    enrolled["device_id"].as_str().expect("an id").parse().expect("an id")
}

async fn revoke(app: &TestApp, seed: &Seed) {
    let path = format!("/api/v1/devices/{}/revoke", seed.station_device);
    app.post(&app.operator_token(seed), &path, json!({})).await.expect(200);
}

/// Checks that a token of the check-in is refused everywhere.
async fn assert_checked_out(app: &TestApp, worker: &str) {
    for path in ["/api/v1/me", "/api/v1/readings", "/api/v1/orders", "/api/v1/me/profile"] {
        app.get(worker, path).await.problem(401, "check_in_ended");
    }
    let body = json!({"purpose": "employer_fitness"});
    app.post(worker, "/api/v1/me/consents", body).await.problem(401, "check_in_ended");
    app.post(worker, "/api/v1/me/presence", json!({})).await.problem(401, "check_in_ended");
}

#[actix_web::test]
async fn revoking_a_screen_ends_its_workers_tokens_at_every_instance() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let other = app.another().await;
    let visit = app.visit(&seed).await;
    // Both instances have seen the token.
    app.get(&visit.token, "/api/v1/me").await.expect(200);
    other.get(&visit.token, "/api/v1/me").await.expect(200);
    revoke(&other, &seed).await;
    assert_checked_out(&app, &visit.token).await;
    assert_checked_out(&other, &visit.token).await;
    // Revoking it again is not an error, and ends nothing else.
    revoke(&app, &seed).await;
    app.sound().await;
}

#[actix_web::test]
async fn a_new_screen_begins_with_nobody_checked_in() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    replace(&app, &seed).await;
    assert_checked_out(&app, &visit.token).await;
    app.get(&app.station_token(&seed), &format!("{CHECK_IN}/{}", visit.check_in))
        .await
        .problem(401, "device_revoked");
    app.sound().await;
}

#[actix_web::test]
async fn revoking_the_cabinet_does_not_end_check_ins_at_the_screen() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    let path = format!("/api/v1/devices/{}/revoke", seed.cabinet_device);
    app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    app.get(&visit.token, "/api/v1/me").await.expect(200);
}

#[actix_web::test]
async fn a_check_in_concurrent_with_the_screens_revocation_does_not_stay_open() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for _ in 0..6 {
        let right = Sent::valid(&seed, CHECK_IN, &card(PIN));
        let path = format!("/api/v1/devices/{}/revoke", seed.station_device);
        let (opened, revoked) =
            futures_util::future::join(right.send(&app), app.post(&seed.operator.token, &path, json!({})))
                .await;
        revoked.expect(200);
        match opened.status.as_u16() {
            201 => assert_checked_out(&app, opened.body["access_token"].as_str().expect("a token")).await,
            _ => drop(opened.problem(401, "device_revoked")),
        }
    }
}

/// What a screen may request for its worker without any action by the worker.
const POLLS: [&str; 8] = [
    "/api/v1/me",
    "/api/v1/me/profile",
    "/api/v1/readings",
    "/api/v1/triage",
    "/api/v1/account",
    "/api/v1/consultations",
    "/api/v1/orders",
    "/api/v1/products",
];

#[actix_web::test]
async fn a_screen_that_only_polls_goes_idle() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    let url = format!("{}/api/v1/events?after=0", app.base);
    let stream = app.client().get(url).bearer_auth(&visit.token).send().await.expect("answered");
    assert_eq!(stream.status(), 200);
    let view = format!("{CHECK_IN}/{}", visit.check_in);
    for second in (10..=90).step_by(10) {
        app.pass(10);
        for poll in POLLS {
            app.get(&visit.token, poll).await.expect(200);
        }
        let screen = app.station_token(&seed);
        app.get(&screen, &view).await.expect(200);
        // Renewing the token is done by the screen as well.
        app.post(&screen, &format!("{view}/token"), json!({})).await.expect(200);
        let ended = service::check_in::sweep_idle(&app.state).await.expect("a round");
        assert_eq!(ended, 0, "after {second} s");
    }
    app.pass(1);
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 1);
    assert_checked_out(&app, &visit.token).await;
    let ended = app.get(&app.station_token(&seed), &view).await.expect(200);
    assert_eq!(ended["end_reason"], "idle");
}

#[actix_web::test]
async fn a_worker_who_acts_or_confirms_presence_stays_checked_in() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    let body = json!({"purpose": "employer_fitness"});
    for round in 0..6 {
        app.pass(80);
        let renew = format!("{CHECK_IN}/{}/token", visit.check_in);
        let fresh = app.post(&app.station_token(&seed), &renew, json!({})).await.expect(200);
        let token = fresh["access_token"].as_str().expect("a token");
        if round % 2 == 0 {
            app.post(token, "/api/v1/me/consents", body.clone()).await.expect(201);
        } else {
            let response = app.post(token, "/api/v1/me/presence", json!({})).await.expect(200);
            assert_eq!(response, json!({"idle_seconds": 90}));
        }
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
    }
    app.pass(91);
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 1);
}

#[actix_web::test]
async fn a_worker_who_waits_for_a_doctor_and_touches_the_screen_does_not_go_idle() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    app.post(&visit.token, "/api/v1/consultations", ask).await.expect(201);
    for _ in 0..3 {
        app.pass(80);
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
        app.post(&visit.token, "/api/v1/me/presence", json!({})).await.expect(200);
    }
    app.get(&visit.token, "/api/v1/me").await.expect(200);
}
