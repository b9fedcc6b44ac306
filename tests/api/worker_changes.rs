//! Changes of a worker's phone, name, card and PIN. A change that gives access to a
//! record needs a second operator, or the worker with a verified phone.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    phones::{resident_id, text},
    seed::{self, Person, Seed},
};
use domain::staff::role::Role;

const NEW_CARD: &str = "887766554430";
const NEW_PIN: &str = "305817";

struct Office {
    app: TestApp,
    seed: Seed,
    second: Person,
}

impl Office {
    async fn open() -> Self {
        let app = TestApp::open_with(|config| {
            config.database_connections = 12;
            config.policy.insert("check_in".to_owned(), json!({"change_hours": 1}));
        })
        .await;
        let seed = app.seed().await;
        let second = app.person(Role::Operator, "operator-b@example.cn", None, None).await;
        Self { app, seed, second }
    }

    async fn ask(&self, worker: impl std::fmt::Display, body: Value) -> Answer {
        let path = format!("/api/v1/workers/{worker}/changes");
        self.app.post(&self.seed.operator.token, &path, body).await
    }

    async fn approve(&self, change: &Value) -> Answer {
        self.app.post(&self.second.token, &approval(change), json!({})).await
    }

    async fn check_in(&self, card: &str, pin: &str) -> Answer {
        let body = json!({"card_number": card, "pin": pin});
        self.app.post(&self.app.station_token(&self.seed), "/api/v1/check-ins", body).await
    }
}

fn approval(change: &Value) -> String {
    format!("/api/v1/worker-changes/{}/approve", text(change, "/id"))
}

#[actix_web::test]
async fn a_lost_card_stops_at_once_and_a_new_one_needs_two_operators() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let mine = app.check_in(seed).await;
    let change = office.ask(seed.worker, json!({"kind": "card", "card_number": NEW_CARD})).await.expect(201);
    assert_eq!(change["state"], "waiting");
    // The old card and its check-ins have ended; the new card does not work yet.
    app.get(&mine, "/api/v1/me").await.problem(401, "check_in_ended");
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "card_stopped");
    // Without its PIN a stopped card is answered like an unknown card.
    office.check_in(seed::CARD, "000111").await.problem(401, "pin_wrong");
    office.check_in(NEW_CARD, seed::PIN).await.problem(401, "pin_wrong");
    let waiting = app.get(&office.second.token, "/api/v1/worker-changes").await.expect(200);
    assert_eq!(waiting["items"][0]["id"], change["id"]);
    assert!(!waiting.to_string().contains(NEW_CARD));
    // The operator who requested the change cannot approve it.
    app.post(&seed.operator.token, &approval(&change), json!({})).await.problem(403, "own_approval");
    app.post(&seed.doctor.token, &approval(&change), json!({})).await.problem(403, "role_not_allowed");
    let done = office.approve(&change).await.expect(200);
    assert_eq!((&done["state"], &done["decided_by"]), (&json!("approved"), &json!(office.second.id)));
    let opened = office.check_in(NEW_CARD, seed::PIN).await.expect(201);
    assert_eq!(text(&opened, "/check_in/worker_id"), seed.worker.to_string());
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "pin_wrong");
    let again = office.approve(&change).await.problem(409, "state_moved_on");
    assert_eq!(again["state"], "approved");
    let waiting = app.get(&office.second.token, "/api/v1/worker-changes").await.expect(200);
    assert_eq!(waiting["items"], json!([]));
}

#[actix_web::test]
async fn one_operator_stops_a_card_and_reactivating_it_needs_two() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let stop = format!("/api/v1/workers/{}/card/stop", seed.worker);
    let stopped = app.post(&seed.operator.token, &stop, json!({})).await.expect(200);
    assert!(stopped["card_stopped_at"].is_string(), "{stopped}");
    app.post(&seed.operator.token, &stop, json!({})).await.expect(200);
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "card_stopped");
    let change =
        office.ask(seed.worker, json!({"kind": "card", "card_number": seed::CARD})).await.expect(201);
    office.approve(&change).await.expect(200);
    office.check_in(seed::CARD, seed::PIN).await.expect(201);
    assert_eq!(app.logged("card.stopped").await, 1);
}

#[actix_web::test]
async fn resetting_a_pin_needs_two_operators_and_ends_open_check_ins() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let mine = app.check_in(seed).await;
    let change = office.ask(seed.worker, json!({"kind": "pin", "pin": NEW_PIN})).await.expect(201);
    app.get(&mine, "/api/v1/me").await.expect(200);
    office.approve(&change).await.expect(200);
    app.get(&mine, "/api/v1/me").await.problem(401, "check_in_ended");
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "pin_wrong");
    office.check_in(seed::CARD, NEW_PIN).await.expect(201);
    for (body, field) in [
        (json!({"kind": "pin", "pin": "123456"}), "pin"),
        (json!({"kind": "pin"}), "pin"),
        (json!({"kind": "pin", "pin": NEW_PIN, "card_number": NEW_CARD}), "card_number"),
        (json!({"kind": "card", "card_number": "887766554431"}), "card_number"),
        (
            json!({"kind": "document", "document_kind": "resident_id", "document_number": "110105194912310021"}),
            "document_number",
        ),
        (json!({"kind": "merge", "into": seed.worker}), "into"),
    ] {
        let refused = office.ask(seed.worker, body).await.problem(422, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], field);
    }
    // A withdrawn change, and one that has expired.
    let change = office.ask(seed.worker, json!({"kind": "pin", "pin": "582930"})).await.expect(201);
    let refuse = format!("/api/v1/worker-changes/{}/refuse", text(&change, "/id"));
    app.post(&seed.operator.token, &refuse, json!({})).await.expect(200);
    assert_eq!(office.approve(&change).await.problem(409, "state_moved_on")["state"], "refused");
    let change = office.ask(seed.worker, json!({"kind": "pin", "pin": "582930"})).await.expect(201);
    app.pass(3600);
    let token = app.staff_token(Role::Operator, office.second.id, office.second.session, None, None);
    let late = app.post(&token, &approval(&change), json!({})).await.problem(409, "state_moved_on");
    assert_eq!(late["state"], "lapsed");
}

#[actix_web::test]
async fn workers_change_their_pin_with_the_old_one_and_wrong_pins_are_counted() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let mine = app.check_in(seed).await;
    let change = |old: &str, new: &str| json!({"old_pin": old, "new_pin": new});
    let easy = app.post(&mine, "/api/v1/me/pin", change(seed::PIN, "111111")).await;
    assert_eq!(easy.problem(422, "invalid_field")["errors"][0]["field"], "new_pin");
    let view = app.post(&mine, "/api/v1/me/pin", change(seed::PIN, NEW_PIN)).await.expect(200);
    assert_eq!((&view["card"], &view["phone"]), (&json!(true), &json!("154****0001")));
    app.get(&mine, "/api/v1/me").await.expect(200);
    for _ in 0..4 {
        app.post(&mine, "/api/v1/me/pin", change("000111", "582930")).await.problem(401, "pin_wrong");
    }
    app.post(&mine, "/api/v1/me/pin", change("000111", "582930")).await.problem(429, "pin_locked");
    office.check_in(seed::CARD, NEW_PIN).await.problem(429, "pin_locked");
    let opened = app.walk_in(seed, json!({"name": "样例甲", "consent": true})).await.expect(201);
    let guest = text(&opened, "/access_token");
    let refused = app.post(&guest, "/api/v1/me/pin", change("000111", "582930")).await;
    assert_eq!(refused.problem(409, "state_moved_on")["state"], "no_card");
}

#[actix_web::test]
async fn a_verified_phone_and_the_card_reset_a_forgotten_pin() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let forgotten = |phone: &str, code: &Value| json!({"card_number": seed::CARD, "phone": phone, "phone_code": code, "new_pin": NEW_PIN});
    let reset = async |body: Value| app.post(&app.station_token(seed), "/api/v1/check-ins/pin", body).await;
    // The card's phone was entered by staff and never verified.
    let code = app.code(seed, "15400000001", "reset_pin").await;
    reset(forgotten("15400000001", &code)).await.problem(401, "pin_wrong");
    let mine = app.check_in(seed).await;
    let code = app.code(seed, "13800138000", "change_phone").await;
    let body = json!({"phone": "13800138000", "phone_code": code, "pin": seed::PIN});
    let view = app.post(&mine, "/api/v1/me/phone", body).await.expect(200);
    assert_eq!((&view["phone"], &view["phone_checked"]), (&json!("138****8000"), &json!(true)));
    // A code for another purpose is not accepted.
    let code = app.code(seed, "13800138000", "check_in").await;
    reset(forgotten("13800138000", &code)).await.problem(422, "phone_code_gone");
    let code = app.code(seed, "13800138000", "reset_pin").await;
    let opened = reset(forgotten("13800138000", &code)).await.expect(201);
    assert_eq!(text(&opened, "/check_in/worker_id"), seed.worker.to_string());
    app.get(&mine, "/api/v1/me").await.problem(401, "check_in_ended");
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "pin_wrong");
    office.check_in(seed::CARD, NEW_PIN).await.expect(201);
    // The worker with a card is also found by the verified phone and the name.
    let again = app.walk_in_by_phone(seed, "样例工人甲", "13800138000").await;
    assert_eq!(text(&again, "/check_in/worker_id"), seed.worker.to_string());
    // For a stopped card the PIN cannot be reset this way.
    let stop = format!("/api/v1/workers/{}/card/stop", seed.worker);
    app.post(&seed.operator.token, &stop, json!({})).await.expect(200);
    let code = app.code(seed, "13800138000", "reset_pin").await;
    reset(forgotten("13800138000", &code)).await.problem(401, "card_stopped");
}

#[actix_web::test]
async fn an_abandoned_check_in_cannot_move_a_record_to_another_phone() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let change = async |mine: &str, code: &Value, more: Value| {
        let mut body = json!({"phone": "13900139000", "phone_code": code});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.post(mine, "/api/v1/me/phone", body).await
    };
    let assert_missing = |answer: Answer, field: &str| {
        let problem = answer.problem(422, "invalid_field");
        let entry = (&problem["errors"][0]["field"], &problem["errors"][0]["code"]);
        assert_eq!(entry, (&json!(field), &json!("missing_field")));
    };
    // A worker with a card needs its PIN; wrong PINs are counted as at check-in.
    let mine = app.check_in(seed).await;
    let code = app.code(seed, "13900139000", "change_phone").await;
    assert_missing(change(&mine, &code, json!({})).await, "pin");
    for _ in 0..4 {
        change(&mine, &code, json!({"pin": "000111"})).await.problem(401, "pin_wrong");
    }
    change(&mine, &code, json!({"pin": seed::PIN})).await.expect(200);
    // A worker identified by phone needs a code sent to the old phone.
    let opened = app.walk_in_by_phone(seed, "样例甲", "13800138000").await;
    let mine = text(&opened, "/access_token");
    let code = app.code(seed, "13900139000", "change_phone").await;
    assert_missing(change(&mine, &code, json!({})).await, "old_phone_code");
    // A code for one phone does not invalidate a code for another.
    let old = app.code(seed, "13800138000", "change_phone").await;
    let digits = if old["code"] == "000000" { "000001" } else { "000000" };
    let wrong = json!({"old_phone_code": {"id": old["id"], "code": digits}});
    change(&mine, &code, wrong).await.problem(422, "phone_code_wrong");
    change(&mine, &code, json!({"old_phone_code": old})).await.expect(200);
    // A worker identified by document needs the document again.
    let (number, another) = (resident_id("19900307", 1), resident_id("19900307", 3));
    let opened = app.walk_in_by_document(seed, "样例乙", &number).await;
    let mine = text(&opened, "/access_token");
    let code = app.code(seed, "13900139000", "change_phone").await;
    let paper = |number: &str, evidence: &str| json!({"document": {"kind": "resident_id", "number": number, "evidence": evidence}});
    assert_missing(change(&mine, &code, json!({})).await, "document");
    assert_missing(change(&mine, &code, paper(&number, "typed")).await, "document");
    let other = change(&mine, &code, paper(&another, "reader")).await.problem(422, "invalid_field");
    assert_eq!(other["errors"][0]["code"], "not_yours");
    change(&mine, &code, paper(&number, "reader")).await.expect(200);
}

#[actix_web::test]
async fn an_operators_change_of_name_or_phone_updates_how_a_worker_is_identified() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let opened = app.walk_in_by_phone(seed, "样例甲", "13800138000").await;
    let who = text(&opened, "/check_in/worker_id");
    let path = format!("/api/v1/workers/{who}/details");
    let body = json!({"name": "样例 乙", "birth_date": "1990-01-01", "sex": "female", "job": "driver"});
    let changed = app.post(&seed.operator.token, &path, body).await.expect(200);
    assert_eq!((&changed["name"], &changed["job"]), (&json!("样例 乙"), &json!("driver")));
    // Found by the new name, and no longer by the old one.
    let again = app.walk_in_by_phone(seed, "样例乙", "13800138000").await;
    assert_eq!(text(&again, "/check_in/worker_id"), who);
    assert_ne!(text(&app.walk_in_by_phone(seed, "样例甲", "13800138000").await, "/check_in/worker_id"), who);
    // A phone entered by an operator is not verified, and the old phone finds nobody.
    let body = json!({"phone": "+86 139-0013-9000"});
    let changed = app.post(&seed.operator.token, &path, body).await.expect(200);
    assert_eq!((&changed["phone"], &changed["phone_checked_at"]), (&json!("139****9000"), &json!(null)));
    assert_eq!(changed["identified_by"], "unchecked");
    assert_ne!(text(&app.walk_in_by_phone(seed, "样例乙", "13800138000").await, "/check_in/worker_id"), who);
    let none = app.post(&seed.operator.token, &path, json!({"no_phone": true})).await.expect(200);
    assert_eq!(none["phone"], json!(null));
    for (body, field) in [
        (json!({"phone": "12345678"}), "phone"),
        (json!({"phone": "13800138000", "no_phone": true}), "no_phone"),
        (json!({"birth_date": "1800-01-01"}), "birth_date"),
        (json!({"employer_id": who}), "employer_id"),
    ] {
        let refused = app.post(&seed.operator.token, &path, body).await.problem(422, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], field);
    }
    assert_eq!(app.logged("worker.changed").await, 3);
}

#[actix_web::test]
async fn a_change_of_employer_ends_the_fitness_consent() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let mine = app.check_in(seed).await;
    let fitness = json!({"purpose": "employer_fitness"});
    app.post(&mine, "/api/v1/me/consents", fitness).await.expect(201);
    let firm = json!({"code": "employer-2", "name_zh": "样例外卖", "name_en": "Sample Meals"});
    let firm = app.post(&seed.operator.token, "/api/v1/employers", firm).await.expect(201);
    let path = format!("/api/v1/workers/{}/details", seed.worker);
    app.post(&seed.operator.token, &path, json!({"employer_id": firm["id"]})).await.expect(200);
    assert_eq!(app.get(&mine, "/api/v1/me").await.expect(200)["consents"], json!(["health_care"]));
}

#[actix_web::test]
async fn adding_a_document_and_merging_an_identified_record_need_two_operators() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let number = resident_id("19900501", 13);
    let request = json!({"kind": "document", "document_kind": "resident_id", "document_number": number});
    let change = office.ask(seed.worker, request.clone()).await.expect(201);
    office.approve(&change).await.expect(200);
    // Without the card, the document reader identifies its owner.
    let opened = app.walk_in_by_document(seed, "样例工人甲", &number).await;
    assert_eq!(text(&opened, "/check_in/worker_id"), seed.worker.to_string());
    assert_eq!(opened["identified_by"], "card");
    // A walk-in with a verified phone: a record that belongs to an identified person.
    let guest = app.walk_in_by_phone(seed, "样例甲", "13800138000").await;
    let token = text(&guest, "/access_token");
    app.put(&token, "/api/v1/me/profile", "\"0\"", json!({"allergies": ["nsaids"]})).await.expect(200);
    app.walk_in(seed, json!({"name": "样例", "consent": true})).await.expect(201);
    let guest = text(&guest, "/check_in/worker_id");
    let merge = format!("/api/v1/workers/{guest}/merge");
    let into = json!({"into": seed.worker});
    app.post(&seed.operator.token, &merge, into).await.problem(403, "approval_needed");
    let change = office.ask(&guest, json!({"kind": "merge", "into": seed.worker})).await.expect(201);
    app.post(&seed.operator.token, &approval(&change), json!({})).await.problem(403, "own_approval");
    office.approve(&change).await.expect(200);
    // The verified phone now finds the merged record.
    let again = app.walk_in_by_phone(seed, "样例甲", "13800138000").await;
    assert_eq!(text(&again, "/check_in/worker_id"), seed.worker.to_string());
    let profile = app.get(&text(&again, "/access_token"), "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(["nsaids"]));
    // What was recorded after the merge under that phone moves back with the record.
    let measure = json!({"readings": [{"kind": "blood_pressure", "value": 120, "second": 80,
        "unit": "mm[Hg]", "device": "cuff", "measured_at": null}]});
    app.post(&text(&again, "/access_token"), "/api/v1/readings", measure).await.expect(201);
    let undo = format!("/api/v1/workers/{guest}/unmerge");
    app.post(&seed.operator.token, &undo, json!({})).await.expect(200);
    let mine = app.check_in(seed).await;
    let items = async |token: &str| app.get(token, "/api/v1/readings").await.expect(200)["items"].clone();
    assert_eq!(items(&mine).await, json!([]));
    let again = app.walk_in_by_phone(seed, "样例甲", "13800138000").await;
    assert_eq!(text(&again, "/check_in/worker_id"), guest);
    app.sound().await;
}

#[actix_web::test]
async fn two_cards_of_one_person_are_merged_and_chained_merges_are_undone() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let worker = json!({"card_number": NEW_CARD, "pin": NEW_PIN, "name": "样例工人甲", "phone": "15400000003",
        "birth_date": "1990-05-01", "sex": "male", "job": "construction_at_height"});
    let made = app.post(&seed.operator.token, "/api/v1/workers", worker).await.expect(201);
    let second = text(&made, "/id");
    let opened = office.check_in(NEW_CARD, NEW_PIN).await.expect(201);
    let token = text(&opened, "/access_token");
    app.post(&token, "/api/v1/me/consents", json!({"purpose": "health_care"})).await.expect(201);
    app.put(&token, "/api/v1/me/profile", "\"0\"", json!({"allergies": ["macrolides"]})).await.expect(200);
    assert_eq!(app.get(&token, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    // A walk-in is merged into the second card, which is merged into the first.
    let guest = app.walk_in(seed, json!({"name": "样例甲", "consent": true})).await.expect(201);
    let token = text(&guest, "/access_token");
    app.put(&token, "/api/v1/me/profile", "\"0\"", json!({"allergies": ["nsaids"]})).await.expect(200);
    let leave = format!("/api/v1/check-ins/{}/leave", text(&guest, "/check_in/id"));
    app.post(&app.station_token(seed), &leave, json!({})).await.expect(200);
    let guest = text(&guest, "/check_in/worker_id");
    let mine = app.check_in(seed).await;
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    app.spend_all(seed).await;
    let merge = |who: &str| format!("/api/v1/workers/{who}/merge");
    app.post(&seed.operator.token, &merge(&guest), json!({"into": second})).await.expect(200);
    let change = office.ask(&second, json!({"kind": "merge", "into": seed.worker})).await.expect(201);
    office.approve(&change).await.expect(200);
    let mine = app.check_in(seed).await;
    let profile = app.get(&mine, "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(["macrolides", "nsaids"]));
    let me = app.get(&mine, "/api/v1/me").await.expect(200);
    assert_eq!((&me["job"], &me["sex"]), (&json!("construction_at_height"), &json!("male")));
    // The first record had spent 19,999 of the allowance: the merged one keeps that.
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 1);
    office.check_in(NEW_CARD, NEW_PIN).await.problem(401, "card_stopped");
    let undo = |who: &str| format!("/api/v1/workers/{who}/unmerge");
    let early = app.post(&seed.operator.token, &undo(&guest), json!({})).await.problem(409, "state_moved_on");
    assert_eq!(early["state"], "merged_on");
    app.post(&seed.operator.token, &undo(&second), json!({})).await.expect(200);
    let opened = office.check_in(NEW_CARD, NEW_PIN).await.expect(201);
    let profile = app.get(&text(&opened, "/access_token"), "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(["macrolides", "nsaids"]));
    assert_eq!(
        app.get(&text(&opened, "/access_token"), "/api/v1/account").await.expect(200)["balance_fen"],
        20_000
    );
    let mine = app.check_in(seed).await;
    assert_eq!(app.get(&mine, "/api/v1/me/profile").await.expect(200)["allergies"], json!(null));
    assert_eq!(app.get(&mine, "/api/v1/me").await.expect(200)["job"], "courier");
    assert_eq!(app.get(&mine, "/api/v1/account").await.expect(200)["balance_fen"], 1);
    let leave = format!("/api/v1/check-ins/{}/leave", text(&opened, "/check_in/id"));
    app.post(&app.station_token(seed), &leave, json!({})).await;
    app.post(&seed.operator.token, &undo(&guest), json!({})).await.expect(200);
    let opened = office.check_in(NEW_CARD, NEW_PIN).await.expect(201);
    let profile = app.get(&text(&opened, "/access_token"), "/api/v1/me/profile").await.expect(200);
    assert_eq!(profile["allergies"], json!(["macrolides"]));
    app.sound().await;
}

/// Registers a second card of the seed's worker as a new worker; returns that worker's id.
async fn register_again(office: &Office) -> String {
    let worker = json!({"card_number": NEW_CARD, "pin": NEW_PIN, "name": "样例工人甲",
        "phone": "15400000003", "birth_date": "1990-05-01", "sex": "male", "job": "courier"});
    let made = office.app.post(&office.seed.operator.token, "/api/v1/workers", worker).await.expect(201);
    text(&made, "/id")
}

#[actix_web::test]
async fn a_merge_after_a_lost_card_makes_the_new_card_work_for_the_record() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let operator = &seed.operator.token;
    let second = register_again(&office).await;
    let preview = async || {
        let path = format!("/api/v1/workers/{second}/merge-preview?into={}", seed.worker);
        app.get(operator, &path).await.expect(200)["card_comes_over"].clone()
    };
    assert_eq!(preview().await, json!(false));
    let stop = format!("/api/v1/workers/{}/card/stop", seed.worker);
    app.post(operator, &stop, json!({})).await.expect(200);
    assert_eq!(preview().await, json!(true));
    let change = office.ask(&second, json!({"kind": "merge", "into": seed.worker})).await.expect(201);
    office.approve(&change).await.expect(200);
    let opened = office.check_in(NEW_CARD, NEW_PIN).await.expect(201);
    assert_eq!(text(&opened, "/check_in/worker_id"), seed.worker.to_string());
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "card_stopped");
    // After the undo each card belongs to its former record again.
    let undo = format!("/api/v1/workers/{second}/unmerge");
    app.post(operator, &undo, json!({})).await.expect(200);
    let opened = office.check_in(NEW_CARD, NEW_PIN).await.expect(201);
    assert_eq!(text(&opened, "/check_in/worker_id"), second);
    office.check_in(seed::CARD, seed::PIN).await.problem(401, "card_stopped");
    let leave = format!("/api/v1/check-ins/{}/leave", text(&opened, "/check_in/id"));
    app.post(&app.station_token(seed), &leave, json!({})).await.expect(200);
    // Merged again, then given a third card: that card stays, and the second one moves back.
    let change = office.ask(&second, json!({"kind": "merge", "into": seed.worker})).await.expect(201);
    office.approve(&change).await.expect(200);
    let third = "887766554448";
    let change = office.ask(seed.worker, json!({"kind": "card", "card_number": third})).await.expect(201);
    office.approve(&change).await.expect(200);
    app.post(operator, &undo, json!({})).await.expect(200);
    // A replaced card stays stopped.
    office.check_in(NEW_CARD, NEW_PIN).await.problem(401, "card_stopped");
    let opened = office.check_in(third, NEW_PIN).await.expect(201);
    assert_eq!(text(&opened, "/check_in/worker_id"), seed.worker.to_string());
    app.sound().await;
}

#[actix_web::test]
async fn a_change_is_approved_once_and_a_card_number_is_given_once() {
    let office = Office::open().await;
    let (app, seed) = (&office.app, &office.seed);
    let change = office.ask(seed.worker, json!({"kind": "card", "card_number": NEW_CARD})).await.expect(201);
    let answers = app.rush(8, &office.second.token, &approval(&change), &json!({})).await;
    crate::concurrency::expect_tally(&answers, &[("200 done", 1), ("409 state_moved_on", 7)]);
    assert_eq!(app.logged("card.replaced").await, 1);
    // One card number given to two people concurrently: one of them gets it.
    let other = app.walk_in(seed, json!({"name": "样例甲", "consent": true})).await.expect(201);
    let other = text(&other, "/check_in/worker_id");
    let third = "887766554422";
    let third =
        format!("{}{}", &third[..11], domain::network::luhn_check_digit(&third[..11]).expect("digits"));
    let one = office.ask(seed.worker, json!({"kind": "card", "card_number": third})).await.expect(201);
    let two =
        office.ask(&other, json!({"kind": "card", "card_number": third, "pin": NEW_PIN})).await.expect(201);
    let (one, two) = (approval(&one), approval(&two));
    let both =
        [app.post(&office.second.token, &one, json!({})), app.post(&office.second.token, &two, json!({}))];
    let answers = futures_util::future::join_all(both).await;
    crate::concurrency::expect_tally(&answers, &[("200 done", 1), ("409 already_exists", 1)]);
}
