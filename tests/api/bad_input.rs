//! Requests that are wrong on purpose: each gets a problem with a stable code,
//! a title in the caller's language, and every bad field by its name.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    machine::Machine,
    seed::{self, Seed},
};
use crypto::tokens::{Claims, TokenKey, TokenKeys};
use domain::{refusal::Code, staff::role::Role, words::Language};

/// A request of which the test chooses every part.
struct Ask<'a> {
    method: &'a str,
    path: String,
    token: &'a str,
    media: &'a str,
    body: Vec<u8>,
    if_match: Option<&'a str>,
}

impl<'a> Ask<'a> {
    fn new(method: &'a str, path: impl Into<String>, token: &'a str, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self { method, path: path.into(), token, media: "application/json", body, if_match: None }
    }
    fn get(path: impl Into<String>, token: &'a str) -> Self {
        Self { body: Vec::new(), ..Self::new("GET", path, token, &Value::Null) }
    }
    fn post(path: impl Into<String>, token: &'a str, body: &Value) -> Self {
        Self::new("POST", path, token, body)
    }

    /// Sends the request in both languages; both must be refused with `code`, with a title
    /// in that language, and name all of `fields`.
    async fn refused(self, app: &TestApp, status: u16, code: Code, fields: &[&str]) {
        for (tag, language) in [("zh", Language::Chinese), ("en", Language::English)] {
            let method = self.method.parse().expect("a method");
            let key = uuid::Uuid::now_v7().to_string();
            let request_text = (self.method, self.path.as_str());
            let signature = app.screen_signature(self.token, request_text, key.as_bytes(), &self.body);
            let mut request = app
                .client()
                .request(method, format!("{}{}", app.base, self.path))
                .header("Accept-Language", tag)
                .header("Content-Type", self.media)
                .header("Idempotency-Key", key)
                .body(self.body.clone());
            if let Some(signature) = signature {
                request = request.header("Waystation-Signature", signature);
            }
            if !self.token.is_empty() {
                request = request.bearer_auth(self.token);
            }
            if let Some(version) = self.if_match {
                request = request.header("If-Match", version);
            }
            let answer = Answer::of(request.send().await.expect("answered")).await;
            let request_text = format!("{} {} ({tag}): {}", self.method, self.path, answer.body);
            assert_eq!(answer.status.as_u16(), status, "{request_text}");
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{request_text}");
            assert_eq!(answer.body["code"], code.as_str(), "{request_text}");
            assert_eq!(answer.body["title"], code.title().in_language(language), "{request_text}");
            assert_eq!(answer.body["status"], status, "{request_text}");
            let named: Vec<&str> = answer.body["errors"].as_array().map_or_else(Vec::new, |errors| {
                errors.iter().filter_map(|error| error["field"].as_str()).collect()
            });
            for field in fields {
                assert!(named.contains(field), "{field} is not named: {request_text}");
            }
        }
    }
}

/// Routes of all steps, each with a body in which the named fields are wrong.
fn bad_bodies(
    seed: &Seed,
    worker: &str,
    consultation: &str,
) -> Vec<(String, String, Value, Vec<&'static str>)> {
    let id = uuid::Uuid::now_v7();
    let (doctor, operator) = (&seed.doctor.token, &seed.operator.token);
    let row = |path: String, token: &str, body: Value, fields: &[&'static str]| {
        (path, token.to_owned(), body, fields.to_vec())
    };
    let api = |path: &str| format!("/api/v1/{path}");
    vec![
        row(
            api("check-ins"),
            &seed.station_token,
            json!({"card_number": 5, "extra": 1}),
            &["card_number", "pin", "extra"],
        ),
        row(
            api("check-ins/walk-in"),
            &seed.station_token,
            json!({"name": "", "phone": "1", "consent": "yes", "birth_date": "1700-02-30"}),
            &["name", "phone", "consent", "birth_date"],
        ),
        row(api("readings"), worker, json!({"readings": "none", "more": 1}), &["readings", "more"]),
        row(
            api("consultations"),
            worker,
            json!({"complaint": 3, "department": "Garage 2"}),
            &["complaint", "department", "lane"],
        ),
        row(api(&format!("offers/{id}/accept")), doctor, json!({"fence": "one", "x": 1}), &["fence", "x"]),
        row(api(&format!("consultations/{consultation}/messages")), worker, json!({"text": ""}), &["text"]),
        row(
            api(&format!("consultations/{consultation}/messages")),
            worker,
            json!({"words": "x"}),
            &["text", "words"],
        ),
        row(
            api(&format!("consultations/{consultation}/prescriptions")),
            doctor,
            json!({"lines": 1, "x": 1}),
            &["lines", "diagnoses", "kind", "x"],
        ),
        row(api(&format!("prescriptions/{id}/sign")), doctor, json!({"x": 1}), &["pin", "x"]),
        row(
            api("orders"),
            worker,
            json!({"lines": [{"product_code": 1, "packs": "two"}]}),
            &["lines[0].product_code", "lines[0].packs"],
        ),
        row(api(&format!("orders/{id}/pay")), worker, json!({"method": "gold"}), &["method"]),
        row(
            api("stations"),
            operator,
            json!({"code": "UPPER", "name_zh": "站", "name_en": "S", "district": "d", "latitude_e6": 0, "longitude_e6": 0}),
            &["code", "latitude_e6", "longitude_e6"],
        ),
        row(
            api("staff"),
            operator,
            json!({"role": "wizard", "email": 1}),
            &["role", "email", "name_zh", "name_en"],
        ),
        row(
            api("tokens/staff"),
            "",
            json!({"email": 1, "password": 2, "x": 3}),
            &["email", "password", "totp", "x"],
        ),
        row(api("tokens/refresh"), "", json!({}), &["refresh_token"]),
    ]
}

#[actix_web::test]
async fn every_bad_field_of_every_step_is_named() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let consultation = app.active(&seed, &worker).await;
    for (path, token, body, fields) in bad_bodies(&seed, &worker, &consultation) {
        Ask::post(path, &token, &body).refused(&app, 422, Code::InvalidField, &fields).await;
    }
    let machine = Machine::on(&app, &seed).await;
    let mut hello = machine.hello_body(machine.side.boot_id());
    hello["epoch"] = json!("one");
    hello["extra"] = json!(1);
    let start = format!("/cabinet/v1/attempts/{}/start", uuid::Uuid::now_v7());
    for (path, body, fields) in [
        ("/cabinet/v1/hello", hello, ["epoch", "extra"]),
        (&start, json!({"boot_id": 1}), ["boot_id", "pickup_code"]),
        ("/cabinet/v1/events", json!({"epoch": "x"}), ["epoch", "entries"]),
    ] {
        let problem = machine.post(path, &body).await.problem(422, "invalid_field");
        for field in fields {
            let named = problem["errors"].as_array().expect("fields").iter().any(|bad| bad["field"] == field);
            assert!(named, "{path}: {field} is not named in {problem}");
        }
    }
}

#[actix_web::test]
async fn unreadable_requests_and_unknown_routes_have_their_own_codes() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    for (path, token) in [
        ("/api/v1/check-ins", &seed.station_token),
        ("/api/v1/readings", &worker),
        ("/api/v1/consultations", &worker),
        ("/api/v1/orders", &worker),
        ("/api/v1/stations", &seed.operator.token),
        ("/api/v1/staff", &seed.operator.token),
        ("/api/v1/tokens/staff", &String::new()),
    ] {
        let ask = || Ask::post(path, token, &json!({}));
        Ask { body: b"{".to_vec(), ..ask() }.refused(&app, 400, Code::MalformedBody, &[]).await;
        let large = vec![b' '; 256 * 1024 + 1];
        Ask { body: large, ..ask() }.refused(&app, 413, Code::BodyTooLarge, &[]).await;
        let text = Ask { media: "text/plain", ..ask() };
        text.refused(&app, 415, Code::UnsupportedMediaType, &[]).await;
        let method = Ask { method: "DELETE", ..ask() };
        method.refused(&app, 405, Code::MethodNotAllowed, &[]).await;
        let nowhere = Ask { path: format!("{path}/no/where"), ..ask() };
        nowhere.refused(&app, 404, Code::RouteNotFound, &[]).await;
    }
    let (operator, cabinet) = (&seed.operator.token, &seed.cabinet_token);
    for (path, token, field) in [
        ("/api/v1/stations?limit=0", operator, "limit"),
        ("/api/v1/staff?limit=101", operator, "limit"),
        ("/api/v1/employees/fitness?limit=-1", &seed.safety_officer.token, "limit"),
        ("/api/v1/orders?limit=101", &worker, "limit"),
        ("/api/v1/consultations?limit=0", &worker, "limit"),
        ("/api/v1/prescriptions?limit=0", &worker, "limit"),
        ("/api/v1/offers?wait=26", &seed.doctor.token, "wait"),
        ("/api/v1/offers?shown=one", &seed.doctor.token, "shown"),
        ("/api/v1/reviews?wait=26", &seed.pharmacist.token, "wait"),
        ("/cabinet/v1/work?cursor=0&wait=26", cabinet, "wait"),
        ("/api/v1/workers?name=x", operator, "name"),
    ] {
        Ask::get(path, token).refused(&app, 400, Code::InvalidParameter, &[field]).await;
    }
}

#[actix_web::test]
async fn a_token_of_another_network_is_refused() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let network = &app.state.policy.network;
    let issue = |network: &str, keys: &TokenKeys| {
        let mut claims =
            Claims::new(network, Role::Doctor, seed.doctor.id, app.now(), TimeDelta::seconds(300));
        claims.session = Some(seed.doctor.session);
        claims.session_version = Some(1);
        claims.hospital = Some(seed.hospital);
        keys.issue(&claims).expect("a token")
    };
    let others = TokenKeys::new(vec![TokenKey::generate(app.now()).expect("a key")]).expect("keys");
    let own = &app.state.keys.tokens;
    let good = issue(network, own);
    app.get(&good, "/api/v1/session").await.expect(200);
    let payload = good.split('.').nth(1).expect("a payload");
    // {"alg":"none","typ":"JWT"}
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    for token in [issue(network, &others), issue("elsewhere", own), unsigned, format!("{good}x")] {
        Ask::get("/api/v1/session", &token).refused(&app, 401, Code::TokenInvalid, &[]).await;
    }
    Ask::get("/api/v1/session", "").refused(&app, 401, Code::Unauthenticated, &[]).await;
    // Another person's id is treated like an unknown id.
    let id = uuid::Uuid::now_v7();
    for path in ["consultations", "orders", "prescriptions"] {
        Ask::get(format!("/api/v1/{path}/{id}"), &worker).refused(&app, 404, Code::NotFound, &[]).await;
    }
    // Clocks may differ by five seconds.
    app.pass(306);
    Ask::get("/api/v1/session", &good).refused(&app, 401, Code::TokenExpired, &[]).await;
}

#[actix_web::test]
async fn a_write_needs_the_current_version_and_a_key_belongs_to_one_body() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let put = |version| Ask {
        if_match: version,
        ..Ask::new("PUT", "/api/v1/me/profile", &worker, &json!({"weight_kg_tenths": 700}))
    };
    put(None).refused(&app, 428, Code::PreconditionMissing, &[]).await;
    put(Some("\"7\"")).refused(&app, 412, Code::PreconditionFailed, &[]).await;
    let light = Ask::new("PUT", "/api/v1/me/profile", &worker, &json!({"weight_kg_tenths": 1}));
    Ask { if_match: Some("\"0\""), ..light }
        .refused(&app, 422, Code::InvalidField, &["weight_kg_tenths"])
        .await;
    let (path, key) = ("/api/v1/check-ins", "key-00001");
    let body = json!({"card_number": seed::CARD, "pin": seed::PIN});
    app.post_with_key(&seed.station_token, path, key, body).await.expect(201);
    let other = json!({"card_number": seed::CARD, "pin": "111222"});
    let again = app.post_with_key(&seed.station_token, path, key, other).await;
    again.problem(422, "idempotency_key_reused");
}
