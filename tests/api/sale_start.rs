//! What a worker says between paying and typing the pickup code reaches START: what
//! speaks against the drug withdraws the order and pays it back.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    machine::Machine,
    sale::{answers, counter, lines},
    seed::Seed,
    triage::reading,
    vending::{attempt_of, code_of},
};

const ORDERS: &str = "/api/v1/orders";
const SYMPTOMS: &str = "/api/v1/symptoms";

/// One pack, ordered and paid.
async fn bought(app: &TestApp, token: &str, code: &str) -> Value {
    let order = app.post(token, ORDERS, lines(&[(code, 1)])).await.expect(201);
    paid(app, token, &order).await
}

async fn paid(app: &TestApp, token: &str, order: &Value) -> Value {
    let pay = format!("{ORDERS}/{}/pay", order["id"].as_str().expect("an id"));
    app.post(token, &pay, json!({"method": "subsidy"})).await.expect(200)
}

async fn balance(app: &TestApp, token: &str) -> i64 {
    app.get(token, "/api/v1/account").await.expect(200)["balance_fen"].as_i64().expect("fen")
}

/// The packs of the order are back where they were, and their money too.
async fn paid_back(app: &TestApp, seed: &Seed, token: &str, order: &Value, had: i64) {
    let path = format!("{ORDERS}/{}", order["id"].as_str().expect("an id"));
    let now = app.get(token, &path).await.expect(200);
    assert_eq!(now["state"], "cancelled", "{now}");
    assert_eq!(now["units"][0]["state"], "refunded", "{now}");
    assert_eq!(now["units"][0]["attempt"]["state"], "voided", "{now}");
    assert_eq!(balance(app, token).await, had);
    let slot = now["units"][0]["slot_no"].as_i64().expect("a slot");
    let (_, reserved, in_doubt, closed) = app.slot(seed, slot).await;
    assert_eq!((reserved, in_doubt, closed), (0, 0, Value::Null));
}

#[actix_web::test]
async fn what_is_told_after_paying_stops_start_and_the_money_goes_back() {
    let (app, seed, _) = counter().await;
    let token = app.visit(&seed).await.token;
    answers(&app, &token, json!({"sex": "male"})).await;
    let had = balance(&app, &token).await;
    let mut machine = Machine::on(&app, &seed).await;
    let pressure = {
        let mut high = reading("blood_pressure", 184);
        high["second"] = json!(96);
        high
    };
    for told in ["an allergy", "a pressure", "a pain in the chest"] {
        let product = if told == "a pressure" { "IBU-T200" } else { "PCM-T500" };
        let order = bought(&app, &token, product).await;
        match told {
            "an allergy" => answers(&app, &token, json!({"allergies": ["paracetamol"]})).await,
            "a pressure" => drop(app.measure(&token, std::slice::from_ref(&pressure)).await),
            _ => drop(app.post(&token, SYMPTOMS, json!({"symptoms": ["chest_pain"]})).await.expect(201)),
        }
        let attempt = attempt_of(&order, 0);
        // Who does not know the code withdraws nobody's order.
        let wrong = if code_of(&order) == "000000" { "000001" } else { "000000" };
        machine.start(attempt, wrong).await.problem(422, "pickup_code_wrong");
        let refused = machine.start(attempt, &code_of(&order)).await.problem(422, "safety_blocked");
        assert_eq!(refused.get("data").unwrap_or(&Value::Null), &Value::Null, "a cabinet is no doctor");
        paid_back(&app, &seed, &token, &order, had).await;
        machine.start(attempt, &code_of(&order)).await.problem(409, "attempt_void");
        app.sound().await;
        if told == "an allergy" {
            answers(&app, &token, json!({"sex": "male"})).await;
        } else if told == "a pressure" {
            app.pass(30);
            let mut normal = reading("blood_pressure", 124);
            normal["second"] = json!(80);
            app.measure(&token, &[normal]).await;
        }
    }
}

#[actix_web::test]
async fn who_tells_nothing_new_or_only_what_the_label_warns_of_gets_their_pack() {
    let (app, seed, _) = counter().await;
    let token = app.visit(&seed).await.token;
    answers(&app, &token, json!({"sex": "male"})).await;
    app.pass(120);
    let mut machine = Machine::on(&app, &seed).await;
    let order = bought(&app, &token, "IBU-T200").await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    // The same GRANT again, whatever was said since: the pack may be on its way.
    answers(&app, &token, json!({"allergies": ["ibuprofen"]})).await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    answers(&app, &token, json!({"sex": "male"})).await;
    let order = bought(&app, &token, "PVI-S5").await;
    app.measure(&token, &[reading("temperature", 392)]).await;
    let warned = app.post(&token, ORDERS, lines(&[("PCM-T500", 1)])).await;
    warned.problem(422, "safety_warnings_unaccepted");
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn an_emergency_does_not_stop_a_prescribed_drug_and_an_allergy_does() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    answers(&app, &visit.token, json!({})).await;
    let had = balance(&app, &visit.token).await;
    let order = app.paid(&seed, &visit, 2).await;
    let price = order["units"][0]["price_fen"].as_i64().expect("fen");
    let mut machine = Machine::on(&app, &seed).await;
    app.post(&visit.token, SYMPTOMS, json!({"symptoms": ["chest_pain"]})).await.expect(201);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    // The second pack of it: what has started goes on, the rest is paid back.
    answers(&app, &visit.token, json!({"allergies": ["penicillins"]})).await;
    machine.start(attempt_of(&order, 1), &code_of(&order)).await.problem(422, "safety_blocked");
    let path = format!("{ORDERS}/{}", order["id"].as_str().expect("an id"));
    let now = app.get(&visit.token, &path).await.expect(200);
    let states: Vec<&Value> =
        now["units"].as_array().expect("units").iter().map(|unit| &unit["state"]).collect();
    assert_eq!(states, ["authorised", "refunded"], "{now}");
    assert_eq!(balance(&app, &visit.token).await, had - price);
    app.sound().await;
}

#[actix_web::test]
async fn a_warning_that_the_doctor_has_not_seen_goes_back_to_the_doctor() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    answers(&app, &visit.token, json!({})).await;
    let had = balance(&app, &visit.token).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    answers(&app, &visit.token, json!({"allergies": ["cephalosporins"]})).await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(422, "safety_recheck_needed");
    paid_back(&app, &seed, &visit.token, &order, had).await;
    app.sound().await;
}
