//! The subsidy: granted once a month, spent once, and refunded.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    harness::TestApp,
    machine::{JAM, Machine},
    vending::{attempt_of, code_of},
};

#[actix_web::test]
async fn the_allowance_is_granted_once_in_a_civil_month() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let visit = app.visit(&seed).await;
    join_all((0..10).map(|_| app.get(&visit.token, "/api/v1/account"))).await;
    let account = app.get(&visit.token, "/api/v1/account").await.expect(200);
    assert_eq!(account["balance_fen"], 20_000);
    assert_eq!(account["entries"].as_array().expect("entries").len(), 1);
    // 30 November, 23:59 in Shanghai; then December.
    app.pass((7 * 24 + 13) * 3600 + 59 * 60);
    let visit = app.visit(&seed).await;
    assert_eq!(app.get(&visit.token, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    app.pass(60);
    assert_eq!(app.get(&visit.token, "/api/v1/account").await.expect(200)["balance_fen"], 40_000);
    app.sound().await;
}

#[actix_web::test]
async fn nobody_spends_more_than_the_balance() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    app.spend_all(&seed).await;
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let body = json!({"prescription_id": prescription});
    let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
    app.post(&visit.token, &path, json!({"method": "subsidy"})).await.problem(422, "balance_too_low");
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    assert_eq!(app.get(&visit.token, &path).await.expect(200)["state"], "reserved");
    app.sound().await;
}

#[actix_web::test]
async fn a_jammed_pack_is_tried_once_from_another_slot_and_then_refunded() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let first = attempt_of(&order, 0);
    machine.vend(first, &code_of(&order), JAM).await;
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    assert_eq!(order["state"], "paid");
    assert_eq!(order["units"][0]["slot_no"], 2);
    let second = attempt_of(&order, 0);
    assert_ne!(first, second);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!("jam")));
    machine.vend(second, &code_of(&order), JAM).await;
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    assert_eq!(order["state"], "completed");
    assert_eq!(order["units"][0]["state"], "refunded");
    assert_eq!(order["units"][0]["attempt"]["outcome"], "jam");
    let visit = app.visit(&seed).await;
    let account = app.get(&visit.token, "/api/v1/account").await.expect(200);
    assert_eq!(account["balance_fen"], 20_000);
    let reasons: Vec<&str> = account["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| entry["reason"].as_str().expect("a reason"))
        .collect();
    assert_eq!(reasons, ["unit_refunded", "order_paid", "allowance_granted"]);
    app.sound().await;
}
