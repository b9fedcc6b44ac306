//! Rate limits slow down only the caller who fails: not other devices behind the
//! same address, not the owner of an account that strangers try, not the next
//! person at a screen or a hatch.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    concurrency::tally,
    harness::{Answer, TestApp},
    seed::{self, PASSWORD, Seed},
    staff_tokens::{code, token_of_newest_letter},
};
use crypto::device::{DeviceKey, make_assertion};
use domain::{ids::DeviceId, letter::LetterKind};
use service::letter::claim_due;

/// POST as if from the address `source`, through the trusted proxy on this machine.
async fn post_from(app: &TestApp, source: &str, path: &str, body: &Value) -> Answer {
    let request = app
        .client()
        .post(format!("{}{path}", app.base))
        .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
        .header("X-Forwarded-For", source)
        .header("Accept-Language", "en")
        .json(body);
    Answer::of(request.send().await.expect("answered")).await
}

async fn assertion(app: &TestApp, key: &DeviceKey, id: DeviceId, ahead: i64) -> Answer {
    let audience = format!("{}/api/v1/tokens/device", app.state.public_url);
    let now = app.now() + TimeDelta::seconds(ahead);
    let made = make_assertion(key, id, &audience, &uuid::Uuid::now_v7().to_string(), now).expect("signed");
    app.post("", "/api/v1/tokens/device", json!({"client_assertion": made})).await
}

#[track_caller]
fn codes(answers: &[Answer]) -> Vec<&str> {
    answers.iter().map(|answer| answer.body["code"].as_str().unwrap_or("done")).collect()
}

#[actix_web::test]
async fn one_bad_device_is_slowed_down_and_others_at_its_address_are_not() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (honest, revoked) = (&seed.cabinet_key, &seed.station_key);
    // Invented device ids, and text that is not an assertion.
    let mut answers = Vec::new();
    let stranger = DeviceKey::generate().expect("a key");
    for _ in 0..70 {
        answers.push(assertion(&app, &stranger, DeviceId::generate(), 0).await);
    }
    let junk = json!({"client_assertion": "eyJhbGciOiJFZERTQSJ9.e30.AAAA"});
    answers.push(app.post("", "/api/v1/tokens/device", junk).await);
    let refusals = codes(&answers);
    assert_eq!(
        (refusals[0], refusals[59], refusals[60], refusals[70]),
        ("token_invalid", "token_invalid", "too_many_requests", "too_many_requests")
    );
    assertion(&app, honest, seed.cabinet_device, 0).await.expect(200);
    // Repeated assertions for the honest cabinet with another key: only those are refused.
    for _ in 0..30 {
        assertion(&app, &stranger, seed.cabinet_device, 0).await;
    }
    assertion(&app, honest, seed.cabinet_device, 0).await.expect(200);
    // A clock that is ten seconds fast, until it is corrected.
    let mut answers = Vec::new();
    for _ in 0..22 {
        answers.push(assertion(&app, revoked, seed.station_device, 10).await);
    }
    assert_eq!((codes(&answers)[0], codes(&answers)[20]), ("token_invalid", "too_many_requests"));
    assertion(&app, revoked, seed.station_device, 0).await.expect(200);
    // A revoked screen that keeps requesting tokens.
    let path = format!("/api/v1/devices/{}/revoke", seed.station_device);
    app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    for _ in 0..70 {
        let refused = assertion(&app, revoked, seed.station_device, 0).await;
        assert!(matches!(refused.status.as_u16(), 401 | 429), "{}", refused.body);
    }
    assertion(&app, honest, seed.cabinet_device, 0).await.expect(200);
}

#[actix_web::test]
async fn a_valid_code_link_or_refresh_token_passes_from_a_limited_address() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let opened = app
        .post(
            "",
            "/api/v1/tokens/staff",
            json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(&app, &seed.doctor)}),
        )
        .await
        .expect(200);
    let key = DeviceKey::generate().expect("a key").public_key().to_string();
    let password = "plums under a grey roof";
    let enrol = |code: &str| json!({"code": code, "public_key": key});
    let no_code = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA";
    for (path, body, most) in [
        ("/api/v1/tokens/refresh", json!({"refresh_token": "no-such-token"}), 60),
        ("/api/v1/tokens/enrol", enrol(no_code), 60),
        ("/api/v1/staff/password", json!({"token": "no-such-link", "password": password}), 20),
    ] {
        let mut answers = Vec::new();
        for _ in 0..most + 2 {
            answers.push(app.post("", path, body.clone()).await);
        }
        let codes = codes(&answers);
        assert!(codes[most - 1].ends_with("_invalid"), "{path}: {codes:?}");
        assert_eq!(codes[most], "too_many_requests", "{path}");
    }
    app.post("", "/api/v1/tokens/refresh", json!({"refresh_token": opened["refresh_token"]}))
        .await
        .expect(200);
    let request = json!({"kind": "station", "station_id": seed.station});
    let made = app.post(&seed.operator.token, "/api/v1/enrolment-codes", request).await.expect(201);
    let good = enrol(made["code"].as_str().expect("a code"));
    app.post("", "/api/v1/tokens/enrol", good).await.expect(201);
    let reset_request = json!({"email": seed.pharmacist.email});
    app.post("", "/api/v1/staff/password-reset", reset_request).await.expect(202);
    let link = token_of_newest_letter(&app).await;
    let set = json!({"token": link, "password": password});
    app.post("", "/api/v1/staff/password", set).await.expect(200);
}

#[actix_web::test]
async fn an_owner_signs_in_from_another_address_and_is_notified_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/tokens/staff";
    let wrong = json!({"email": seed.doctor.email, "password": "wrong horse battery", "totp": "000000"});
    for source in ["203.0.113.7", "203.0.113.8"] {
        for _ in 0..10 {
            post_from(&app, source, path, &wrong).await.problem(401, "credentials_wrong");
        }
        post_from(&app, source, path, &wrong).await.problem(429, "too_many_requests");
    }
    let right = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(&app, &seed.doctor)});
    post_from(&app, "198.51.100.9", path, &right).await.expect(200);
    assert_eq!(app.logged("sign_in.failed_often").await, 2);
    let letters = claim_due(&app.state).await.expect("claimed");
    let kinds: Vec<_> = letters.iter().map(|letter| (letter.kind, letter.email.as_str())).collect();
    assert_eq!(kinds, [(LetterKind::SignInAlarm, seed.doctor.email.as_str())]);
    // The same is logged for an account that does not exist.
    let nobody = json!({"email": "nobody@example.cn", "password": "wrong horse battery", "totp": "000000"});
    for _ in 0..10 {
        post_from(&app, "203.0.113.7", path, &nobody).await.problem(401, "credentials_wrong");
    }
    post_from(&app, "203.0.113.7", path, &nobody).await.problem(429, "too_many_requests");
    assert_eq!(app.logged("sign_in.failed_often").await, 3);
    assert!(claim_due(&app.state).await.expect("claimed").is_empty());
}

#[actix_web::test]
async fn an_owner_signs_in_from_the_address_that_others_guess_from() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (path, hospital) = ("/api/v1/tokens/staff", "203.0.113.7");
    let wrong = json!({"email": seed.doctor.email, "password": "wrong horse battery", "totp": "000000"});
    for _ in 0..10 {
        post_from(&app, hospital, path, &wrong).await.problem(401, "credentials_wrong");
    }
    // The right code without the password is answered like everything else.
    let half = json!({"email": seed.doctor.email, "password": "x", "totp": code(&app, &seed.doctor)});
    for tried in [&wrong, &half, &wrong] {
        post_from(&app, hospital, path, tried).await.problem(429, "too_many_requests");
    }
    let right = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(&app, &seed.doctor)});
    post_from(&app, hospital, path, &right).await.expect(200);
}

#[actix_web::test]
async fn guesses_are_limited_per_hour_and_the_owners_device_and_letter_still_work() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/tokens/staff";
    let mine = |device: &Value| {
        let mut body =
            json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(&app, &seed.doctor)});
        if !device.is_null() {
            body["device_token"] = device.clone();
        }
        body
    };
    let opened = post_from(&app, "203.0.113.7", path, &mine(&Value::Null)).await.expect(200);
    let device = opened["device_token"].clone();
    assert!(device.is_string(), "{opened}");
    app.pass(30);
    // An attacker knows the password and guesses the code from many addresses.
    let guess = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": "000000"});
    let mut checked = 0;
    for source in 0..25 {
        for _ in 0..10 {
            let answer = post_from(&app, &format!("198.51.100.{source}"), path, &guess).await;
            checked += usize::from(answer.status == 401);
        }
    }
    // Thirty fast ones, and eighty slow ones an hour.
    assert_eq!(checked, 110);
    // A device of somebody else, or an invented one, is not a device of this account.
    let forged = json!("AABRFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for device in [Value::Null, forged] {
        post_from(&app, "203.0.113.7", path, &mine(&device)).await.problem(429, "too_many_requests");
    }
    post_from(&app, "203.0.113.7", path, &mine(&device)).await.expect(200);
    // A new device gets in with a letter.
    app.pass(30);
    let reset_request = json!({"email": seed.doctor.email});
    app.post("", "/api/v1/staff/password-reset", reset_request).await.expect(202);
    let link = token_of_newest_letter(&app).await;
    let set = json!({"token": link, "password": PASSWORD});
    let set = app.post("", "/api/v1/staff/password", set).await.expect(200);
    post_from(&app, "203.0.113.9", path, &mine(&set["device_token"])).await.expect(200);
}

#[actix_web::test]
async fn of_sixty_four_concurrent_sign_ins_ten_are_checked() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let wrong = json!({"email": seed.doctor.email, "password": "wrong horse battery", "totp": "000000"});
    let answers = app.rush(64, "", "/api/v1/tokens/staff", &wrong).await;
    let counts = tally(&answers);
    assert_eq!(counts.get("401 credentials_wrong"), Some(&10), "{counts:?}");
    assert_eq!(counts.get("429 too_many_requests"), Some(&54), "{counts:?}");
}

#[actix_web::test]
async fn an_address_that_guesses_at_many_accounts_locks_no_owner_out() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/tokens/staff";
    for account in 0..9 {
        let wrong =
            json!({"email": format!("nobody-{account}@example.cn"), "password": "x", "totp": "000000"});
        let answers = join_all((0..9).map(|_| app.post("", path, wrong.clone()))).await;
        assert!(answers.iter().all(|answer| answer.status == 401), "{:?}", tally(&answers));
    }
    let right =
        |person| json!({"email": person_email(person), "password": PASSWORD, "totp": code(&app, person)});
    app.post("", path, right(&seed.doctor)).await.expect(200);
    // The one-time code alone does not sign in.
    let half = json!({"email": seed.pharmacist.email, "password": "x", "totp": code(&app, &seed.pharmacist)});
    app.post("", path, half).await.problem(401, "credentials_wrong");
    app.post("", path, right(&seed.pharmacist)).await.expect(200);
}

fn person_email(person: &seed::Person) -> &str {
    &person.email
}

#[actix_web::test]
async fn one_ipv6_subnet_counts_as_one_source() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/tokens/staff";
    let wrong = json!({"email": seed.doctor.email, "password": "x", "totp": "000000"});
    for n in 0..10 {
        let source = format!("2001:db8:7:7:{n:x}::{n:x}");
        post_from(&app, &source, path, &wrong).await.problem(401, "credentials_wrong");
    }
    post_from(&app, "2001:db8:7:7:ffff::1", path, &wrong).await.problem(429, "too_many_requests");
    post_from(&app, "2001:db8:7:8::1", path, &wrong).await.problem(401, "credentials_wrong");
}

async fn check_in(app: &TestApp, screen: &str, card: &str, pin: &str) -> Answer {
    app.post(screen, "/api/v1/check-ins", json!({"card_number": card, "pin": pin})).await
}

/// Adds another station with an enrolled screen; returns the screen's token.
async fn another_screen(app: &TestApp, seed: &Seed, number: u32) -> String {
    let station = json!({"code": format!("zhifu-9{number}"), "name_zh": "样例站", "name_en": "Sample",
        "district": "zhifu", "latitude_e6": 37_540_000, "longitude_e6": 121_390_000});
    let operator = &app.operator_token(seed);
    let made = app.post(operator, "/api/v1/stations", station).await.expect(201);
    let request = json!({"kind": "station", "station_id": made["id"]});
    let code = app.post(operator, "/api/v1/enrolment-codes", request).await.expect(201);
    let key = DeviceKey::generate().expect("a key");
    let enrol = json!({"code": code["code"], "public_key": key.public_key().to_string()});
    let enrolled = app.post("", "/api/v1/tokens/enrol", enrol).await.expect(201);
    let id: DeviceId = enrolled["device_id"].as_str().expect("an id").parse().expect("an id");
    app.keys.keep(id, &key);
    let token = assertion(app, &key, id, 0).await.expect(200);
    token["access_token"].as_str().expect("a token").to_owned()
}

#[actix_web::test]
async fn an_unknown_card_is_locked_like_a_known_one() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let mut by_card = Vec::new();
    for card in [seed::CARD, "690000000018"] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let answer = check_in(&app, &seed.station_token, card, "000111").await;
            let wait = answer.headers.get("retry-after").map(|wait| wait.to_str().expect("text").to_owned());
            answers.push((
                answer.status.as_u16(),
                answer.body["code"].clone(),
                answer.body["title"].clone(),
                wait,
            ));
        }
        by_card.push(answers);
    }
    assert_eq!(by_card[0], by_card[1]);
    assert_eq!((by_card[0][3].0, by_card[0][4].0, by_card[0][6].0), (401, 429, 429));
}

#[actix_web::test]
async fn a_card_locked_at_one_screen_works_at_another() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for _ in 0..5 {
        check_in(&app, &seed.station_token, seed::CARD, "000111").await;
    }
    check_in(&app, &seed.station_token, seed::CARD, seed::PIN).await.problem(429, "pin_locked");
    let elsewhere = another_screen(&app, &seed, 1).await;
    check_in(&app, &elsewhere, seed::CARD, seed::PIN).await.expect(201);
    // After the owner's check-in there, it works here as well.
    check_in(&app, &seed.station_token, seed::CARD, seed::PIN).await.expect(201);
}

#[actix_web::test]
async fn a_card_tried_at_many_screens_is_locked_at_all_screens() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("check_in".to_owned(), json!({"pin_tries": 2}));
    })
    .await;
    let seed = app.seed().await;
    let mut screens = vec![seed.station_token.clone()];
    for number in 1..5 {
        screens.push(another_screen(&app, &seed, number).await);
    }
    for screen in &screens[..4] {
        check_in(&app, screen, seed::CARD, "000111").await;
        check_in(&app, screen, seed::CARD, "000111").await.problem(429, "pin_locked");
    }
    check_in(&app, &screens[4], seed::CARD, seed::PIN).await.problem(429, "pin_locked");
    app.pass(901);
    check_in(&app, &app.station_token(&seed), seed::CARD, seed::PIN).await.expect(201);
}

#[actix_web::test]
async fn a_screen_that_tries_many_cards_is_slowed_down_and_the_next_screen_is_not() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let elsewhere = another_screen(&app, &seed, 1).await;
    let tries = (0..64_u64).map(|n| {
        let card = format!("{:012}", 700_000_000_000_u64 + n);
        let (app, screen) = (&app, &seed.station_token);
        async move { check_in(app, screen, &card, "000111").await }
    });
    let counts = tally(&join_all(tries).await);
    assert_eq!(counts.get("401 pin_wrong"), Some(&20), "{counts:?}");
    assert_eq!(counts.get("429 too_many_requests"), Some(&44), "{counts:?}");
    assert_eq!(app.logged("station.pins_tried_often").await, 1);
    check_in(&app, &elsewhere, seed::CARD, seed::PIN).await.expect(201);
    app.pass(301);
    check_in(&app, &app.station_token(&seed), seed::CARD, seed::PIN).await.expect(201);
}

#[actix_web::test]
async fn right_pins_are_never_counted_against_a_screen() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for _ in 0..30 {
        check_in(&app, &seed.station_token, seed::CARD, seed::PIN).await.expect(201);
    }
    for _ in 0..4 {
        check_in(&app, &seed.station_token, "690000000018", "000111").await.problem(401, "pin_wrong");
        check_in(&app, &seed.station_token, seed::CARD, seed::PIN).await.expect(201);
    }
}

#[actix_web::test]
async fn of_many_concurrent_pins_five_are_checked() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("check_in".to_owned(), json!({"screen_tries": 200}));
    })
    .await;
    let seed = app.seed().await;
    let wrong = json!({"card_number": seed::CARD, "pin": "000111"});
    let answers = app.rush(40, &seed.station_token, "/api/v1/check-ins", &wrong).await;
    let counts = tally(&answers);
    assert_eq!(counts.get("401 pin_wrong"), Some(&4), "{counts:?}");
    assert_eq!(counts.get("429 pin_locked"), Some(&36), "{counts:?}");
}

#[actix_web::test]
async fn a_repeated_request_gets_the_same_answer_and_is_not_counted_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (screen, key) = (&seed.station_token, "the-same-request");
    let wrong = |card: u64| json!({"card_number": format!("{card:012}"), "pin": "000111"});
    for _ in 0..25 {
        let again = app.post_with_key(screen, "/api/v1/check-ins", key, wrong(700_000_000_000)).await;
        again.problem(401, "pin_wrong");
    }
    for card in 1..20 {
        let answer = app.post(screen, "/api/v1/check-ins", wrong(700_000_000_000 + card)).await;
        answer.problem(401, "pin_wrong");
    }
    let more = app.post(screen, "/api/v1/check-ins", wrong(700_000_000_020)).await;
    more.problem(429, "too_many_requests");
    let again = app.post_with_key(screen, "/api/v1/check-ins", key, wrong(700_000_000_000)).await;
    again.problem(401, "pin_wrong");
    // A code for a phone: one message, however often it is requested with one key.
    let ask = json!({"phone": "13800138000", "purpose": "check_in"});
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(app.post_with_key(screen, "/api/v1/phone-codes", key, ask.clone()).await.expect(201));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(app.texts().await.len(), 1);
    for _ in 0..4 {
        app.post(screen, "/api/v1/phone-codes", ask.clone()).await.expect(201);
    }
    app.post(screen, "/api/v1/phone-codes", ask.clone()).await.problem(429, "too_many_requests");
    app.post_with_key(screen, "/api/v1/phone-codes", key, ask).await.expect(201);
    // The same for a password reset.
    let ask = json!({"email": seed.doctor.email});
    for _ in 0..40 {
        app.post_with_key("", "/api/v1/staff/password-reset", key, ask.clone()).await.expect(202);
    }
    app.post("", "/api/v1/staff/password-reset", ask).await.expect(202);
}

#[actix_web::test]
async fn the_wrong_pin_that_locks_a_card_counts_against_the_screen_too() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("check_in".to_owned(), json!({"pin_tries": 2, "screen_tries": 5}));
    })
    .await;
    let seed = app.seed().await;
    let screen = &seed.station_token;
    for card in ["700000000001", "700000000002"] {
        check_in(&app, screen, card, "000111").await.problem(401, "pin_wrong");
        check_in(&app, screen, card, "000111").await.problem(429, "pin_locked");
        // This PIN is not checked, so it is not counted as a try.
        if card.ends_with('1') {
            check_in(&app, screen, card, "000111").await.problem(429, "pin_locked");
        }
    }
    check_in(&app, screen, "700000000003", "000111").await.problem(401, "pin_wrong");
    check_in(&app, screen, "700000000004", "000111").await.problem(429, "too_many_requests");
}

#[actix_web::test]
async fn limits_of_other_screens_do_not_block_a_phone() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let ask = json!({"phone": "13800138000", "purpose": "check_in"});
    let send = async |screen: &str| app.post(screen, "/api/v1/phone-codes", ask.clone()).await;
    for nth in 0..5 {
        let screen = app.another_screen(nth).await;
        // All screens together may send twenty an hour, then each may send two.
        for _ in 0..if nth < 4 { 5 } else { 2 } {
            send(&screen).await.expect(201);
        }
        send(&screen).await.problem(429, "too_many_requests");
    }
    send(&seed.station_token).await.expect(201);
    send(&seed.station_token).await.expect(201);
    send(&seed.station_token).await.problem(429, "too_many_requests");
}
