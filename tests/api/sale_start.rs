//! What a worker reports between paying and typing the pickup code is checked at START:
//! a new finding against the drug withdraws the order and refunds it.

use serde_json::{Value, json};

use crate::support::{
    Code, TestApp, Worker, WorkerAtStation,
    care::{pressure, reading},
    counter::counter,
    vending::{attempt_of, code_of},
};

/// One pack, ordered and paid.
async fn bought(worker: &WorkerAtStation<'_>, product: &str) -> Value {
    let order = worker.buy(&[(product, 1)]).await.expect_created();
    worker.pay(&order).await.expect_ok()
}

/// The packs of the order are back where they were, and so is the money.
async fn expect_refunded(app: &TestApp, worker: &WorkerAtStation<'_>, order: &Value, balance: i64) {
    let now = worker.order(order).await;
    assert_eq!(now["state"], "cancelled", "{now}");
    assert_eq!(now["units"][0]["state"], "refunded", "{now}");
    assert_eq!(now["units"][0]["attempt"]["state"], "voided", "{now}");
    assert_eq!(worker.balance().await, balance);
    let slot = now["units"][0]["slot_no"].as_i64().expect("a slot");
    let (_, reserved, in_doubt, closed) = app.packs_in(slot).await;
    assert_eq!((reserved, in_doubt, closed), (0, 0, Value::Null));
}

#[actix_web::test]
async fn what_is_told_after_paying_stops_start_and_the_money_goes_back() {
    let app = counter().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({"sex": "male"})).await;
    let balance = worker.balance().await;
    let mut machine = app.cabinet().await;
    for reported in ["an allergy", "a pressure", "a pain in the chest"] {
        let product = if reported == "a pressure" { "IBU-T200" } else { "PCM-T500" };
        let order = bought(&worker, product).await;
        match reported {
            "an allergy" => worker.answer_health_questions(json!({"allergies": ["paracetamol"]})).await,
            "a pressure" => drop(worker.measure(&[pressure(184, 96)]).await),
            _ => drop(worker.report_symptoms(&["chest_pain"]).await.expect_created()),
        }
        // Whoever does not know the code withdraws nobody's order.
        let wrong = if code_of(&order) == "000000" { "000001" } else { "000000" };
        machine.start(attempt_of(&order, 0), wrong).await.expect_refused(Code::PickupCodeWrong);
        let refused = machine.start_pack(&order, 0).await.expect_refused(Code::SafetyBlocked);
        assert_eq!(refused.get("data").unwrap_or(&Value::Null), &Value::Null, "no health data for a cabinet");
        expect_refunded(&app, &worker, &order, balance).await;
        machine.start_pack(&order, 0).await.expect_refused(Code::AttemptVoid);
        app.sound().await;
        if reported == "an allergy" {
            worker.answer_health_questions(json!({"sex": "male"})).await;
        } else if reported == "a pressure" {
            app.pass(30);
            worker.measure(&[pressure(124, 80)]).await;
        }
    }
}

#[actix_web::test]
async fn who_tells_nothing_new_or_only_what_the_label_warns_of_gets_their_pack() {
    let app = counter().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({"sex": "male"})).await;
    app.pass(120);
    let mut machine = app.cabinet().await;
    let order = bought(&worker, "IBU-T200").await;
    machine.start_pack(&order, 0).await.expect_ok();
    // The same GRANT again, whatever was reported since: the pack may be on its way.
    worker.answer_health_questions(json!({"allergies": ["ibuprofen"]})).await;
    machine.start_pack(&order, 0).await.expect_ok();
    worker.answer_health_questions(json!({"sex": "male"})).await;
    let order = bought(&worker, "PVI-S5").await;
    worker.measure(&[reading("temperature", 392)]).await;
    worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyWarningsUnaccepted);
    machine.start_pack(&order, 0).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn an_emergency_does_not_stop_a_prescribed_drug_and_an_allergy_does() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({})).await;
    let balance = worker.balance().await;
    let order = worker.reserve_and_pay(2).await;
    let price = order["units"][0]["price_fen"].as_i64().expect("fen");
    let mut machine = app.cabinet().await;
    worker.report_symptoms(&["chest_pain"]).await.expect_created();
    machine.start_pack(&order, 0).await.expect_ok();
    // The second pack of it: what has started goes on, the rest is refunded.
    worker.answer_health_questions(json!({"allergies": ["carbocisteine"]})).await;
    machine.start_pack(&order, 1).await.expect_refused(Code::SafetyBlocked);
    let now = worker.order(&order).await;
    let states: Vec<&Value> =
        now["units"].as_array().expect("units").iter().map(|unit| &unit["state"]).collect();
    assert_eq!(states, ["authorised", "refunded"], "{now}");
    assert_eq!(worker.balance().await, balance - price);
    app.sound().await;
}

#[actix_web::test]
async fn a_warning_that_the_doctor_has_not_seen_goes_back_to_the_doctor() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({})).await;
    let balance = worker.balance().await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    worker.answer_health_questions(json!({"medicines": ["pentoxyverine"]})).await;
    machine.start_pack(&order, 0).await.expect_refused(Code::SafetyRecheckNeeded);
    expect_refunded(&app, &worker, &order, balance).await;
    app.sound().await;
}
