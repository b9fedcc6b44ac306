//! Packs are set aside, paid for, and withdrawn.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    harness::TestApp,
    vending::{OTC, RX},
};
use domain::prescription::CabinetLane;

#[actix_web::test]
async fn a_prescription_becomes_an_order_from_the_lot_that_expires_first() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let prescription = app.prescribe(&seed, &visit, 3).await;
    let body = json!({"prescription_id": prescription});
    let order = app.post(&visit.token, "/api/v1/orders", body.clone()).await.expect(201);
    assert_eq!(order["state"], "reserved");
    assert_eq!(order["total_fen"], 3600);
    assert_eq!(order["pickup_code"], json!(null));
    let slots: Vec<i64> =
        order["units"].as_array().expect("units").iter().map(|u| u["slot_no"].as_i64().expect("n")).collect();
    assert_eq!(slots, [1, 1, 2]);
    app.post(&visit.token, "/api/v1/orders", body.clone()).await.problem(409, "units_exceeded");
    let path = format!("/api/v1/orders/{}/cancel", order["id"].as_str().expect("an id"));
    let cancelled = app.post(&visit.token, &path, json!({})).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(app.slot(&seed, 1).await.0, 2);
    app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    app.sound().await;
}

#[actix_web::test]
async fn what_may_not_be_ordered_is_refused_with_its_reason() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    app.answer(&visit.token).await;
    let post = |body| app.post(&visit.token, "/api/v1/orders", body);
    post(json!({})).await.problem(422, "invalid_field");
    post(json!({"lines": []})).await.problem(422, "invalid_field");
    let over = |code: &str, packs: u32| json!({"lines": [{"product_code": code, "packs": packs}]});
    post(over(OTC, 0)).await.problem(422, "invalid_field");
    post(over("nothing", 1)).await.problem(422, "invalid_field");
    // A hospital's locker sells nothing without a prescription.
    post(over(OTC, 1)).await.problem(422, "lane_not_vendable");
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    post(over(RX, 1)).await.problem(422, "lane_not_vendable");
    post(over(OTC, 4)).await.problem(409, "out_of_stock");
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let prescribed = json!({"prescription_id": prescription});
    post(prescribed.clone()).await.problem(422, "lane_not_vendable");
    app.lane(&seed, CabinetLane::InstitutionDispense).await;
    app.tamper_prescription(prescription).await;
    post(prescribed).await.problem(422, "prescription_expired");
    let unknown = json!({"prescription_id": uuid::Uuid::now_v7()});
    post(unknown).await.problem(404, "not_found");
    for token in [&seed.doctor.token, &seed.cabinet_token, &seed.station_token] {
        app.post(token, "/api/v1/orders", json!({})).await.problem(403, "role_not_allowed");
    }
    app.sound().await;
}

#[actix_web::test]
async fn fifty_clients_for_the_last_three_packs_make_three_orders() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("vending".to_owned(), json!({"unpaid_orders": 50}));
    })
    .await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    let visit = app.visit(&seed).await;
    app.answer(&visit.token).await;
    let body = json!({"lines": [{"product_code": OTC, "packs": 1}]});
    let answers = join_all((0..50).map(|_| app.post(&visit.token, "/api/v1/orders", body.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 3);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "out_of_stock");
    }
    assert_eq!(app.slot(&seed, 3).await, (0, 3, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn paying_twice_at_once_takes_the_money_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let prescription = app.prescribe(&seed, &visit, 2).await;
    let body = json!({"prescription_id": prescription});
    let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
    let pay = json!({"method": "subsidy"});
    let answers = join_all((0..10).map(|_| app.post(&visit.token, &path, pay.clone()))).await;
    let codes: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.expect(200)["pickup_code"].as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(codes.len(), 1);
    let account = app.get(&visit.token, "/api/v1/account").await.expect(200);
    assert_eq!(account["balance_fen"], 20_000 - 2400);
    app.sound().await;
}

#[actix_web::test]
async fn another_workers_order_is_not_found() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let walk_in = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let opened = app.post(&seed.station_token, "/api/v1/check-ins/walk-in", walk_in).await.expect(201);
    let other = opened["access_token"].as_str().expect("a token");
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    app.get(other, &path).await.problem(404, "not_found");
    app.post(other, &format!("{path}/cancel"), json!({})).await.problem(404, "not_found");
    let pay = json!({"method": "subsidy"});
    app.post(other, &format!("{path}/pay"), pay).await.problem(404, "not_found");
    let mine = app.get(other, "/api/v1/orders").await.expect(200);
    assert_eq!(mine["items"], json!([]));
    app.get(other, "/api/v1/orders?limit=0").await.problem(400, "invalid_parameter");
    app.get(other, "/api/v1/orders?limit=101").await.problem(400, "invalid_parameter");
}

#[actix_web::test]
async fn an_unpaid_order_gives_its_packs_back_after_its_time() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let prescription = app.prescribe(&seed, &visit, 2).await;
    let body = json!({"prescription_id": prescription});
    let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    app.pass(14 * 60);
    assert_eq!(app.sweep().await, (0, 0, 0));
    app.pass(60);
    assert_eq!(app.sweep().await, (0, 0, 1));
    let visit = app.visit(&seed).await;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    assert_eq!(app.get(&visit.token, &path).await.expect(200)["state"], "expired");
    let pay = json!({"method": "subsidy"});
    let late = app.post(&visit.token, &format!("{path}/pay"), pay).await;
    assert_eq!(late.problem(409, "state_moved_on")["state"], "expired");
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}
