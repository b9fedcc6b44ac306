//! People without a card: everybody gets care, and a verified phone or document
//! identifies the same person at the next visit.

use serde_json::json;

use crate::{
    harness::TestApp,
    phones::{resident_id, text},
};

const WHO: &str = "/check_in/worker_id";

async fn account(app: &TestApp, opened: &serde_json::Value) -> serde_json::Value {
    app.get(&text(opened, "/access_token"), "/api/v1/account").await.expect(200)
}

#[actix_web::test]
async fn no_phone_a_landline_and_a_foreign_number_get_care() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for phone in
        [json!(null), json!("0535-1234567"), json!("+82 10-1234-5678"), json!("１３８００１３８０００")]
    {
        let body = json!({"name": "样例甲", "phone": phone, "consent": true});
        let opened = app.walk_in(&seed, body).await.expect(201);
        assert_eq!(opened["identified_by"], "unchecked");
        let ask = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
        app.post(&text(&opened, "/access_token"), "/api/v1/consultations", ask).await.expect(201);
    }
    for (spelling, found) in
        [("05351234567", 1), ("+86 535 1234567", 1), ("+821012345678", 1), ("+86 13800138000", 1)]
    {
        let path = format!("/api/v1/workers?phone={}", spelling.replace('+', "%2B").replace(' ', "%20"));
        let list = app.get(&app.operator_token(&seed), &path).await.expect(200);
        assert_eq!(list["items"].as_array().expect("a list").len(), found, "{spelling}");
    }
    for bad in ["1234567", "12012345678", "0535-0234567", "+86 12345", "电话：没有没有"] {
        let body = json!({"name": "样例甲", "phone": bad, "consent": true});
        let refused = app.walk_in(&seed, body).await.problem(422, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], "phone", "{bad}");
    }
    // People without a phone share no limit that counts by phone; a phone is shown masked.
    let list = app.get(&app.operator_token(&seed), "/api/v1/workers?phone=13800138000").await.expect(200);
    assert_eq!(list["items"][0]["phone"], "138****8000");
}

#[actix_web::test]
async fn a_verified_phone_and_the_name_identify_the_same_person_at_the_next_visit() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let first = app.walk_in_by_phone(&seed, "样例甲", "13800138000").await;
    assert_eq!(first["identified_by"], "phone");
    let body = json!({"allergies": ["penicillins"]});
    app.put(&text(&first, "/access_token"), "/api/v1/me/profile", "\"0\"", body).await.expect(200);
    // Another spelling is still the same person.
    let again = app.walk_in_by_phone(&seed, " 样例 甲", "+86 138-0013-8000").await;
    assert_eq!(text(&again, WHO), text(&first, WHO));
    let profile = app.get(&text(&again, "/access_token"), "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(["penicillins"]));
    // The same phone with another name is another person with a record of their own.
    let wife = app.walk_in_by_phone(&seed, "样例乙", "13800138000").await;
    assert_ne!(text(&wife, WHO), text(&first, WHO));
    let profile = app.get(&text(&wife, "/access_token"), "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(null));
    assert_eq!(text(&app.walk_in_by_phone(&seed, "样例乙", "13800138000").await, WHO), text(&wife, WHO));
}

#[actix_web::test]
async fn unverified_claims_open_no_record() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let number = resident_id("19900501", 13);
    let first = app.walk_in_by_phone(&seed, "样例甲", "13800138000").await;
    let document = app.walk_in_by_document(&seed, "样例丙", &number).await;
    assert_eq!(document["identified_by"], "document");
    let claimed = json!({"name": "样例甲", "phone": "13800138000", "consent": true});
    let opened = app.walk_in(&seed, claimed).await.expect(201);
    assert_eq!(opened["identified_by"], "unchecked");
    assert_ne!(text(&opened, WHO), text(&first, WHO));
    let typed = json!({"name": "样例丙", "consent": true,
        "document": {"kind": "resident_id", "number": number, "evidence": "typed"}});
    let opened = app.walk_in(&seed, typed).await.expect(201);
    assert_eq!(opened["identified_by"], "unchecked");
    assert_ne!(text(&opened, WHO), text(&document, WHO));
    // A card's phone that was never verified does not find its worker.
    let card = app.walk_in_by_phone(&seed, "样例工人甲", "15400000001").await;
    assert_ne!(text(&card, WHO), seed.worker.to_string());
    // An operator finds both the person with the document and the one who only typed its number.
    let path = format!("/api/v1/workers?document_kind=resident_id&document_number={number}");
    let found = app.get(&app.operator_token(&seed), &path).await.expect(200);
    assert_eq!(found["items"].as_array().expect("a list").len(), 2);
    app.get(&app.operator_token(&seed), "/api/v1/workers?document_kind=passport")
        .await
        .problem(400, "invalid_parameter");
}

#[actix_web::test]
async fn a_document_identifies_its_owner_and_gives_birth_date_and_sex() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let number = resident_id("19880214", 122);
    let first = app.walk_in_by_document(&seed, "样例甲", &number).await;
    let me = app.get(&text(&first, "/access_token"), "/api/v1/me").await.expect(200);
    assert_eq!((&me["birth_date"], &me["sex"]), (&json!("1988-02-14"), &json!("female")));
    // Another name, for example after a marriage: the number belongs to one person.
    let again = app.walk_in_by_document(&seed, "样例乙", &number.to_lowercase()).await;
    assert_eq!(text(&again, WHO), text(&first, WHO));
    // A passport's number identifies a person only together with the name.
    let passport = |name: &str| {
        json!({"name": name, "consent": true,
            "document": {"kind": "passport", "number": "m12345678", "evidence": "reader"}})
    };
    let kim = app.walk_in(&seed, passport("Kim Min")).await.expect(201);
    assert_eq!(text(&app.walk_in(&seed, passport("KIM MIN")).await.expect(201), WHO), text(&kim, WHO));
    assert_ne!(text(&app.walk_in(&seed, passport("Li Wei")).await.expect(201), WHO), text(&kim, WHO));
    // A typing error is reported.
    let wrong = |number: &str| {
        json!({"name": "样例甲", "consent": true, "birth_date": "1988-02-15",
            "document": {"kind": "resident_id", "number": number, "evidence": "reader"}})
    };
    let flipped = format!("{}{}", &number[..16], "99");
    let refused = app.walk_in(&seed, wrong(&flipped)).await.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "document.number");
    let refused = app.walk_in(&seed, wrong(&number)).await.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["code"], "contradicts_document");
    // A verified phone does not find a person who has another document number.
    let both = |code: serde_json::Value, number: &str| {
        json!({"name": "样例甲", "consent": true, "phone": "13800138000", "phone_code": code,
            "document": {"kind": "resident_id", "number": number, "evidence": "reader"}})
    };
    let code = app.code(&seed, "13800138000", "check_in").await;
    let with_phone = app.walk_in(&seed, both(code, &number)).await.expect(201);
    assert_eq!(text(&with_phone, WHO), text(&first, WHO));
    let code = app.code(&seed, "13800138000", "check_in").await;
    let namesake = app.walk_in(&seed, both(code, &resident_id("19600101", 10))).await.expect(201);
    assert_ne!(text(&namesake, WHO), text(&first, WHO));
}

#[actix_web::test]
async fn a_code_is_valid_for_one_phone_one_purpose_five_tries_and_five_minutes() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let body_with = |code: &serde_json::Value, phone: &str| json!({"name": "样例甲", "phone": phone, "phone_code": code, "consent": true});
    let code = app.code(&seed, "13800138000", "check_in").await;
    let mut wrong = code.clone();
    wrong["code"] = json!(if code["code"] == "000000" { "000001" } else { "000000" });
    // A code for another phone; then one for another purpose.
    app.walk_in(&seed, body_with(&code, "13800138001")).await.problem(422, "phone_code_gone");
    let other = app.code(&seed, "13800138000", "change_phone").await;
    app.walk_in(&seed, body_with(&other, "13800138000")).await.problem(422, "phone_code_gone");
    // A new code invalidates the previous one.
    app.walk_in(&seed, body_with(&code, "13800138000")).await.problem(422, "phone_code_gone");
    let code = app.code(&seed, "13800138000", "check_in").await;
    wrong["id"] = code["id"].clone();
    wrong["code"] = json!(if code["code"] == "000000" { "000001" } else { "000000" });
    for _ in 0..5 {
        app.walk_in(&seed, body_with(&wrong, "13800138000")).await.problem(422, "phone_code_wrong");
    }
    app.walk_in(&seed, body_with(&code, "13800138000")).await.problem(422, "phone_code_gone");
    let code = app.code(&seed, "13800138000", "check_in").await;
    app.pass(301);
    app.walk_in(&seed, body_with(&code, "13800138000")).await.problem(422, "phone_code_gone");
    let code = app.code(&seed, "13800138000", "check_in").await;
    app.walk_in(&seed, body_with(&code, "13800138000")).await.expect(201);
    app.walk_in(&seed, body_with(&code, "13800138000")).await.problem(422, "phone_code_gone");
    // Five an hour to one phone, for all purposes together.
    let ask = json!({"phone": "138 0013 8000", "purpose": "check_in"});
    let token = app.station_token(&seed);
    let refused = app.post(&token, "/api/v1/phone-codes", ask).await;
    assert_eq!(refused.headers["retry-after"], "3600");
    refused.problem(429, "too_many_requests");
    for (phone, code) in
        [("0535-1234567", "takes_no_codes"), ("+821012345678", "takes_no_codes"), ("1234567", "bad_format")]
    {
        let ask = json!({"phone": phone, "purpose": "check_in"});
        let refused = app.post(&token, "/api/v1/phone-codes", ask).await;
        assert_eq!(refused.body["errors"][0]["code"], code, "{phone}: {}", refused.body);
    }
}

#[actix_web::test]
async fn a_message_names_the_purpose_of_its_code_and_is_not_sent_after_the_code_expires() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let ask = json!({"phone": "+86 138 0013 8000", "purpose": "check_in"});
    let sent = app.post(&app.station_token(&seed), "/api/v1/phone-codes", ask.clone()).await.expect(201);
    assert_eq!((&sent["phone"], &sent["tries"]), (&json!("138****8000"), &json!(5)));
    let texts = app.texts().await;
    assert_eq!(texts.len(), 1);
    let (to, message) = &texts[0];
    assert_eq!(to, "13800138000");
    assert!(
        message.contains("签到") && message.contains("to check in") && message.contains("5 min"),
        "{message}"
    );
    assert!(app.texts().await.is_empty(), "sent once");
    app.post(&app.station_token(&seed), "/api/v1/phone-codes", ask).await.expect(201);
    app.pass(301);
    assert!(app.texts().await.is_empty(), "of no use any more");
    let quiet = TestApp::open_with(|config| {
        config.policy.insert("check_in".to_owned(), json!({"phone_codes": false}));
    })
    .await;
    let seed = quiet.seed().await;
    let ask = json!({"phone": "13800138000", "purpose": "check_in"});
    quiet.post(&seed.station_token, "/api/v1/phone-codes", ask).await.problem(422, "phone_codes_off");
}

#[actix_web::test]
async fn an_allowance_is_granted_only_to_an_identified_person() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    for phone in ["13800138000", "13800138000", "13800138000"] {
        let body = json!({"name": "样例甲", "phone": phone, "consent": true});
        let opened = app.walk_in(&seed, body).await.expect(201);
        let account = account(&app, &opened).await;
        assert_eq!((&account["balance_fen"], &account["allowance"]), (&json!(0), &json!("not_identified")));
    }
    // A verified phone alone gives no allowance unless the deployment's policy says so.
    let opened = app.walk_in_by_phone(&seed, "样例甲", "13800138000").await;
    assert_eq!(account(&app, &opened).await["allowance"], "not_identified");
    let number = resident_id("19900501", 13);
    let opened = app.walk_in_by_document(&seed, "样例乙", &number).await;
    let first = account(&app, &opened).await;
    assert_eq!((&first["balance_fen"], &first["allowance"]), (&json!(20_000), &json!("granted")));
    let again = app.walk_in_by_document(&seed, "样例乙", &number).await;
    assert_eq!(account(&app, &again).await["balance_fen"], 20_000);
    app.sound().await;
}

#[actix_web::test]
async fn a_payment_refused_without_an_allowance_states_the_reason() {
    let app = TestApp::open().await;
    let mut seed = app.seed().await;
    app.fill(&seed).await;
    let body = json!({"name": "样例甲", "phone": "13800138000", "consent": true});
    let opened = app.walk_in(&seed, body).await.expect(201);
    let visit = crate::vending::Visit {
        token: text(&opened, "/access_token"),
        check_in: text(&opened, "/check_in/id").parse().expect("an id"),
    };
    seed.worker = text(&opened, WHO).parse().expect("an id");
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let order =
        app.post(&visit.token, "/api/v1/orders", json!({"prescription_id": prescription})).await.expect(201);
    let path = format!("/api/v1/orders/{}/pay", text(&order, "/id"));
    let refused =
        app.post(&visit.token, &path, json!({"method": "subsidy"})).await.problem(422, "balance_too_low");
    assert_eq!(refused["data"]["allowance"], "not_identified");
    assert_eq!(refused["data"]["total_fen"], order["total_fen"]);
}

async fn with_walk_in_subsidy() -> TestApp {
    TestApp::open_with(|config| {
        config.database_connections = 12;
        config.policy.insert("vending".to_owned(), json!({"walk_in_subsidy": true}));
    })
    .await
}

#[actix_web::test]
async fn with_walk_in_subsidy_there_is_one_allowance_per_verified_phone_and_month() {
    let app = with_walk_in_subsidy().await;
    let seed = app.seed().await;
    let husband = app.walk_in_by_phone(&seed, "样例甲", "13800138000").await;
    assert_eq!(account(&app, &husband).await["balance_fen"], 20_000);
    let wife = app.walk_in_by_phone(&seed, "样例乙", "13800138000").await;
    let none = account(&app, &wife).await;
    assert_eq!((&none["balance_fen"], &none["allowance"]), (&json!(0), &json!("phone_had_it")));
    let body = json!({"name": "样例丙", "phone": "13800138001", "consent": true});
    let unproved = app.walk_in(&seed, body).await.expect(201);
    assert_eq!(account(&app, &unproved).await["allowance"], "not_identified");
    // A document shown in the same month gives no second allowance.
    let code = app.code(&seed, "13800138000", "check_in").await;
    let body = json!({"name": "样例甲", "phone": "13800138000", "phone_code": code, "consent": true,
        "document": {"kind": "resident_id", "number": resident_id("19900501", 13), "evidence": "reader"}});
    let same = app.walk_in(&seed, body).await.expect(201);
    assert_eq!(text(&same, WHO), text(&husband, WHO));
    assert_eq!(account(&app, &same).await["balance_fen"], 20_000);
    app.sound().await;
}

#[actix_web::test]
async fn concurrent_people_with_one_phone_get_one_allowance() {
    let app = with_walk_in_subsidy().await;
    app.seed().await;
    let mut tokens = Vec::new();
    for (at, name) in ["甲", "乙", "丙", "丁"].into_iter().enumerate() {
        let station = app.another_screen(at).await;
        let ask = json!({"phone": "13800138000", "purpose": "check_in"});
        let sent = app.post(&station, "/api/v1/phone-codes", ask).await.expect(201);
        let texts = app.texts().await;
        let code = json!({"id": sent["id"], "code": crate::phones::digits_of(&texts[0].1)});
        let body = json!({"name": name, "phone": "13800138000", "phone_code": code, "consent": true});
        let opened = app.post(&station, "/api/v1/check-ins/walk-in", body).await.expect(201);
        tokens.push(text(&opened, "/access_token"));
    }
    let requests = (0..16).map(|at| app.get(&tokens[at % 4], "/api/v1/account"));
    for answer in futures_util::future::join_all(requests).await {
        answer.expect(200);
    }
    let mut balances = Vec::new();
    for token in &tokens {
        balances.push(app.get(token, "/api/v1/account").await.expect(200)["balance_fen"].as_i64());
    }
    balances.sort_unstable();
    assert_eq!(balances, [Some(0), Some(0), Some(0), Some(20_000)]);
    app.sound().await;
}

#[actix_web::test]
async fn one_document_at_many_screens_concurrently_is_one_person() {
    let app = with_walk_in_subsidy().await;
    app.seed().await;
    let mut stations = Vec::new();
    for at in 0..6 {
        stations.push(app.another_screen(at).await);
    }
    let number = resident_id("19900501", 13);
    let body = json!({"name": "样例甲", "consent": true,
        "document": {"kind": "resident_id", "number": number, "evidence": "reader"}});
    let check_ins = stations.iter().map(|token| app.post(token, "/api/v1/check-ins/walk-in", body.clone()));
    let mut people = std::collections::BTreeSet::new();
    for answer in futures_util::future::join_all(check_ins).await {
        people.insert(text(&answer.expect(201), WHO));
    }
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!(app.logged("worker.registered").await, 1);
    app.sound().await;
}

#[actix_web::test]
async fn concurrent_wrong_codes_are_all_counted() {
    let app = with_walk_in_subsidy().await;
    let seed = app.seed().await;
    let code = app.code(&seed, "13800138000", "check_in").await;
    let wrong = if code["code"] == "000000" { "000001" } else { "000000" };
    let body = json!({"name": "样例甲", "phone": "13800138000", "consent": true,
        "phone_code": {"id": code["id"], "code": wrong}});
    let answers = app.rush(12, &app.station_token(&seed), "/api/v1/check-ins/walk-in", &body).await;
    crate::concurrency::expect_tally(&answers, &[("422 phone_code_wrong", 5), ("422 phone_code_gone", 7)]);
}
