//! Packs are set aside, paid for, and withdrawn.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code, TestApp, Worker, over_the_counter,
    vending::{OTC, RX},
};
use domain::prescription::CabinetLane;

#[actix_web::test]
async fn a_prescription_becomes_an_order_from_the_lot_that_expires_first() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve(3).await;
    assert_eq!(order["state"], "reserved");
    assert_eq!(order["total_fen"], 3600);
    assert_eq!(order["pickup_code"], json!(null));
    let slots: Vec<i64> =
        order["units"].as_array().expect("units").iter().map(|u| u["slot_no"].as_i64().expect("n")).collect();
    assert_eq!(slots, [1, 1, 2]);
    let prescription = order["prescription_id"].as_str().expect("an id");
    worker.order_prescribed(prescription).await.expect_refused(Code::UnitsExceeded);
    assert_eq!(worker.cancel(&order).await.expect_ok()["state"], "cancelled");
    assert_eq!(app.packs_in(1).await.0, 2);
    worker.order_prescribed(prescription).await.expect_created();
    app.sound().await;
}

#[actix_web::test]
async fn what_may_not_be_ordered_is_refused_with_its_reason() {
    let app = TestApp::open_filled().await;
    let seed = app.network().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    app.declare_no_allergies(&worker.token).await;
    let order = |body| worker.post("/api/v1/orders", body);
    order(json!({})).await.expect_refused(Code::InvalidField);
    order(json!({"lines": []})).await.expect_refused(Code::InvalidField);
    worker.buy(&[(OTC, 0)]).await.expect_refused(Code::InvalidField);
    worker.buy(&[("nothing", 1)]).await.expect_refused(Code::InvalidField);
    // A hospital's locker sells nothing without a prescription.
    worker.buy(&[(OTC, 1)]).await.expect_refused(Code::LaneNotVendable);
    app.lane(seed, CabinetLane::RetailBOnly).await;
    worker.buy(&[(RX, 1)]).await.expect_refused(Code::LaneNotVendable);
    worker.buy(&[(OTC, 4)]).await.expect_refused(Code::OutOfStock);
    let prescription = worker.approved_prescription(1).await;
    worker.order_prescribed(prescription).await.expect_refused(Code::LaneNotVendable);
    app.lane(seed, CabinetLane::InstitutionDispense).await;
    app.tamper_prescription(prescription).await;
    worker.order_prescribed(prescription).await.expect_refused(Code::PrescriptionExpired);
    worker.order_prescribed(uuid::Uuid::now_v7()).await.expect_refused(Code::NotFound);
    for token in [&seed.doctor.token, &seed.cabinet_token, &seed.station_token] {
        app.post(token, "/api/v1/orders", json!({})).await.expect_refused(Code::RoleNotAllowed);
    }
    app.sound().await;
}

#[actix_web::test]
async fn fifty_clients_for_the_last_three_packs_make_three_orders() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("vending".to_owned(), json!({"unpaid_orders": 50}));
    })
    .await;
    let seed = app.network().await;
    app.fill(seed).await;
    app.lane(seed, CabinetLane::RetailBOnly).await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    app.declare_no_allergies(&worker.token).await;
    let answers = app.rush(50, &worker.token, "/api/v1/orders", &over_the_counter(&[(OTC, 1)])).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 3);
    for answer in refused {
        answer.expect_refused(Code::OutOfStock);
    }
    assert_eq!(app.packs_in(3).await, (0, 3, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn paying_twice_at_once_takes_the_money_once() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve(2).await;
    let answers = join_all((0..10).map(|_| worker.pay(&order))).await;
    let codes: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.expect_ok()["pickup_code"].as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(codes.len(), 1);
    assert_eq!(worker.balance().await, 20_000 - 2400);
    app.sound().await;
}

#[actix_web::test]
async fn another_workers_order_is_not_found() {
    let app = TestApp::open_filled().await;
    let station = app.station().await;
    let order = station.check_in(Worker::adult()).await.reserve_and_pay(1).await;
    let other = station.check_in(Worker::walk_in().phone("15400000002")).await;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    other.get(&path).await.expect_refused(Code::NotFound);
    other.cancel(&order).await.expect_refused(Code::NotFound);
    other.pay(&order).await.expect_refused(Code::NotFound);
    assert_eq!(other.list("/api/v1/orders").await, Vec::<Value>::new());
    other.get("/api/v1/orders?limit=0").await.expect_refused(Code::InvalidParameter);
    other.get("/api/v1/orders?limit=101").await.expect_refused(Code::InvalidParameter);
}

#[actix_web::test]
async fn an_unpaid_order_gives_its_packs_back_after_its_time() {
    let app = TestApp::open_filled().await;
    let station = app.station().await;
    let order = station.check_in(Worker::adult()).await.reserve(2).await;
    app.pass(14 * 60);
    assert_eq!(app.sweep().await, (0, 0, 0));
    app.pass(60);
    assert_eq!(app.sweep().await, (0, 0, 1));
    let worker = station.check_in(Worker::adult()).await;
    assert_eq!(worker.order(&order).await["state"], "expired");
    let late = worker.pay(&order).await.expect_refused(Code::StateMovedOn);
    assert_eq!(late["state"], "expired");
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}
