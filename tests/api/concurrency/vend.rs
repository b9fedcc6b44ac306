//! Stock, orders and cabinets, many times at once.

use futures_util::future::join_all;
use serde_json::json;

use super::{at_the_cabinet, told};
use crate::{
    machine::{DROP, Machine},
    vending::{OTC, attempt_of, code_of},
};
use domain::{prescription::CabinetLane, stock::SlotNo, vend::journal::Body};

fn slot(number: i32) -> SlotNo {
    SlotNo::new(number).expect("a slot")
}

#[actix_web::test]
async fn a_hundred_clients_for_the_last_unit_make_one_order() {
    let (app, seed, visit) = at_the_cabinet().await;
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    app.answer(&visit.token).await;
    let body = json!({"lines": [{"product_code": OTC, "packs": 1}]});
    // Two of the three are gone.
    for _ in 0..2 {
        app.post(&visit.token, "/api/v1/orders", body.clone()).await.expect(201);
    }
    let answers = app.rush(100, &visit.token, "/api/v1/orders", &body).await;
    told(&answers, &[("201 done", 1), ("409 out_of_stock", 99)]);
    assert_eq!(app.slot(&seed, 3).await, (0, 3, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn one_prescription_is_ordered_paid_and_cancelled_once() {
    let (app, seed, visit) = at_the_cabinet().await;
    let prescription = app.prescribe(&seed, &visit, 2).await;
    let body = json!({"prescription_id": prescription});
    let made = app.rush(10, &visit.token, "/api/v1/orders", &body).await;
    told(&made, &[("201 done", 1), ("409 units_exceeded", 9)]);
    let order = &made.iter().find(|answer| answer.status == 201).expect("one").body;
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    let paid = app.rush(10, &visit.token, &format!("{path}/pay"), &json!({"method": "subsidy"})).await;
    told(&paid, &[("200 done", 10)]);
    let account = app.get(&visit.token, "/api/v1/account").await.expect(200);
    assert_eq!(account["balance_fen"], 20_000 - 2400);
    let cancelled = app.rush(10, &visit.token, &format!("{path}/cancel"), &json!({})).await;
    let first = cancelled.iter().filter(|answer| answer.status == 200).count();
    assert!(first >= 1, "{:?}", super::tally(&cancelled));
    told(&cancelled, &[("200 done", first), ("409 state_moved_on", 10 - first)]);
    let account = app.get(&visit.token, "/api/v1/account").await.expect(200);
    assert_eq!(account["balance_fen"], 20_000);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn paying_and_cancelling_and_expiring_at_once_end_one_way() {
    let (app, seed, visit) = at_the_cabinet().await;
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let order =
        app.post(&visit.token, "/api/v1/orders", json!({"prescription_id": prescription})).await.expect(201);
    let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    let (pay, cancel) = (format!("{path}/pay"), format!("{path}/cancel"));
    let method = json!({"method": "subsidy"});
    let answers = join_all((0..12).map(|n| match n % 2 {
        0 => app.post(&visit.token, &pay, method.clone()),
        _ => app.post(&visit.token, &cancel, json!({})),
    }))
    .await;
    super::tally(&answers);
    let sweeps = join_all((0..3).map(|_| app.sweep())).await;
    assert!(sweeps.iter().all(|swept| swept.2 == 0));
    let end = app.get(&visit.token, &path).await.expect(200);
    assert_eq!(end["state"], "cancelled", "one cancel came after the last pay");
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn starts_reports_and_sweeps_at_once_vend_once() {
    let (app, seed, visit) = at_the_cabinet().await;
    let order = app.paid(&seed, &visit, 2).await;
    let code = code_of(&order);
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let boot = machine.side.boot_id();
    let started = join_all((0..10).map(|_| machine.start_as(boot, attempt_of(&order, 0), &code))).await;
    told(&started, &[("200 done", 10)]);
    machine.vend(attempt_of(&order, 0), &code, DROP).await;
    machine.vend(attempt_of(&order, 1), &code, DROP).await;
    let all = machine.journal.from_seq(1).to_vec();
    let reports = join_all((0..8).map(|_| machine.events(1, all.clone())));
    let sweeps = join_all((0..4).map(|_| app.sweep()));
    let (reports, _) = futures_util::future::join(reports, sweeps).await;
    told(&reports, &[("200 done", 8)]);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    assert_eq!(app.slot(&seed, 1).await, (0, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn a_recall_among_orders_leaves_no_pack_unaccounted_for() {
    let (app, seed, visit) = at_the_cabinet().await;
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    app.answer(&visit.token).await;
    let order = json!({"lines": [{"product_code": OTC, "packs": 1}]});
    let recall = json!({"product_code": OTC, "lot_no": "B1", "reason": "样例"});
    let answers = join_all((0..16).map(|n| match n % 4 {
        3 => app.post(&seed.operator.token, "/api/v1/lots/recall", recall.clone()),
        _ => app.post(&visit.token, "/api/v1/orders", order.clone()),
    }))
    .await;
    super::tally(&answers);
    let recalled = answers.iter().filter(|answer| answer.body.get("slots_frozen").is_some());
    assert_eq!(recalled.clone().count(), 4);
    assert_eq!(app.slot(&seed, 3).await.3, json!("recalled"));
    app.post(&visit.token, "/api/v1/orders", order).await.problem(409, "out_of_stock");
    app.sound().await;
}

#[actix_web::test]
async fn ten_operators_resolve_one_doubt_once() {
    let (app, seed, visit) = at_the_cabinet().await;
    let order = app.paid(&seed, &visit, 1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = Machine::on(&app, &seed).await;
    machine.run(attempt, &code_of(&order)).await;
    machine.power_cut().await;
    machine.write(Body::Count { slot: slot(1), n: 2 });
    machine.report().await.expect(200);
    let path = format!("/api/v1/attempts/{attempt}/resolve");
    let gone = json!({"decision": "not_dispensed"});
    let answers = app.rush(10, &app.operator_token(&seed), &path, &gone).await;
    told(&answers, &[("200 done", 1), ("409 attempt_closed", 9)]);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn one_restocking_told_eight_times_counts_once() {
    let (app, seed, _) = at_the_cabinet().await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::DoorOpen { who: seed.restocker.id });
    machine.write(Body::Restock {
        slot: slot(3),
        product_code: OTC.into(),
        lot_no: "B1".into(),
        expires_on: "2027-03-31".parse().expect("a day"),
        packs: 4,
    });
    for (number, n) in [(1, 2), (2, 3), (3, 7)] {
        machine.write(Body::Count { slot: slot(number), n });
    }
    machine.write(Body::DoorClose {});
    let all = machine.journal.from_seq(1).to_vec();
    let reports = join_all((0..8).map(|_| machine.events(1, all.clone()))).await;
    told(&reports, &[("200 done", 8)]);
    assert_eq!(app.slot(&seed, 3).await, (7, 0, 0, json!(null)));
    app.sound().await;
}
