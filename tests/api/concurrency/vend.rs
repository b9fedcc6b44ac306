//! Stock, orders and cabinets, many times at once.

use futures_util::future::join_all;
use serde_json::json;

use super::{check_in, open_crowded_and_filled};
use crate::support::{
    Caller, Code, id_in,
    machine::DROP,
    over_the_counter,
    rush::{expect_tally, tally},
    vending::{OTC, attempt_of, code_of},
    worker::ORDERS,
};
use domain::prescription::CabinetLane;

#[actix_web::test]
async fn a_hundred_clients_for_the_last_unit_make_one_order() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    app.lane(app.network().await, CabinetLane::RetailBOnly).await;
    app.declare_no_allergies(&worker.token).await;
    // Two of the three packs are reserved.
    for _ in 0..2 {
        worker.buy(&[(OTC, 1)]).await.expect_created();
    }
    let answers = app.rush(100, &worker.token, ORDERS, &over_the_counter(&[(OTC, 1)])).await;
    expect_tally(&answers, &[("201 done", 1), ("409 out_of_stock", 99)]);
    assert_eq!(app.packs_in(3).await, (0, 3, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn one_prescription_is_ordered_paid_and_cancelled_once() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let body = json!({"prescription_id": worker.approved_prescription(2).await});
    let made = app.rush(10, &worker.token, ORDERS, &body).await;
    expect_tally(&made, &[("201 done", 1), ("409 units_exceeded", 9)]);
    let order = &made.iter().find(|answer| answer.status == 201).expect("one").body;
    let path = format!("{ORDERS}/{}", id_in(order));
    let paid = app.rush(10, &worker.token, &format!("{path}/pay"), &json!({"method": "subsidy"})).await;
    expect_tally(&paid, &[("200 done", 10)]);
    assert_eq!(worker.balance().await, 20_000 - 2400);
    let cancelled = app.rush(10, &worker.token, &format!("{path}/cancel"), &json!({})).await;
    let first = cancelled.iter().filter(|answer| answer.status == 200).count();
    assert!(first >= 1, "{:?}", tally(&cancelled));
    expect_tally(&cancelled, &[("200 done", first), ("409 state_moved_on", 10 - first)]);
    assert_eq!(worker.balance().await, 20_000);
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn paying_and_cancelling_and_expiring_at_once_end_one_way() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve(1).await;
    let path = format!("{ORDERS}/{}", id_in(&order));
    let (pay, cancel) = (format!("{path}/pay"), format!("{path}/cancel"));
    let method = json!({"method": "subsidy"});
    let answers = join_all((0..12).map(|n| match n % 2 {
        0 => worker.post(&pay, method.clone()),
        _ => worker.post(&cancel, json!({})),
    }))
    .await;
    tally(&answers);
    let sweeps = join_all((0..3).map(|_| app.sweep())).await;
    assert!(sweeps.iter().all(|swept| swept.2 == 0));
    let end = worker.order(&order).await;
    assert_eq!(end["state"], "cancelled", "one cancel came after the last pay");
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn starts_reports_and_sweeps_at_once_vend_once() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve_and_pay(2).await;
    let code = code_of(&order);
    let mut machine = app.cabinet().await;
    machine.work().await;
    let boot = machine.side.boot_id();
    let started = join_all((0..10).map(|_| machine.start_as(boot, attempt_of(&order, 0), &code))).await;
    expect_tally(&started, &[("200 done", 10)]);
    machine.vend(attempt_of(&order, 0), &code, DROP).await;
    machine.vend(attempt_of(&order, 1), &code, DROP).await;
    let all = machine.journal.from_seq(1).to_vec();
    let reports = join_all((0..8).map(|_| machine.events(1, all.clone())));
    let sweeps = join_all((0..4).map(|_| app.sweep()));
    let (reports, _) = futures_util::future::join(reports, sweeps).await;
    expect_tally(&reports, &[("200 done", 8)]);
    assert_eq!(worker.order(&order).await["state"], "completed");
    assert_eq!(app.packs_in(1).await, (0, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn a_recall_among_orders_leaves_no_pack_unaccounted_for() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    app.lane(app.network().await, CabinetLane::RetailBOnly).await;
    app.declare_no_allergies(&worker.token).await;
    let operator = app.operator().await.token();
    let order = over_the_counter(&[(OTC, 1)]);
    let recall = json!({"product_code": OTC, "lot_no": "B1", "reason": "样例"});
    let answers = join_all((0..16).map(|n| match n % 4 {
        3 => app.post(&operator, "/api/v1/lots/recall", recall.clone()),
        _ => app.post(&worker.token, ORDERS, order.clone()),
    }))
    .await;
    tally(&answers);
    let recalled = answers.iter().filter(|answer| answer.body.get("slots_frozen").is_some());
    assert_eq!(recalled.clone().count(), 4);
    assert_eq!(app.packs_in(3).await.3, json!("recalled"));
    worker.buy(&[(OTC, 1)]).await.expect_refused(Code::OutOfStock);
    app.sound().await;
}

#[actix_web::test]
async fn ten_operators_resolve_one_doubt_once() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve_and_pay(1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = app.cabinet().await;
    machine.run(attempt, &code_of(&order)).await;
    machine.power_cut().await;
    machine.count(1, 2);
    machine.report().await.expect_ok();
    let path = format!("/api/v1/attempts/{attempt}/resolve");
    let gone = json!({"decision": "not_dispensed"});
    let answers = app.rush(10, &app.operator().await.token(), &path, &gone).await;
    expect_tally(&answers, &[("200 done", 1), ("409 attempt_closed", 9)]);
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    app.sound().await;
}

#[actix_web::test]
async fn one_restocking_told_eight_times_counts_once() {
    let app = open_crowded_and_filled().await;
    let mut machine = app.cabinet().await;
    app.restocker().await.open_door(&mut machine);
    machine.load(3, (OTC, "B1"), "2027-03-31", 4);
    for (number, n) in [(1, 2), (2, 3), (3, 7)] {
        machine.count(number, n);
    }
    machine.close_door();
    let all = machine.journal.from_seq(1).to_vec();
    let reports = join_all((0..8).map(|_| machine.events(1, all.clone()))).await;
    expect_tally(&reports, &[("200 done", 8)]);
    assert_eq!(app.packs_in(3).await, (7, 0, 0, json!(null)));
    app.sound().await;
}
