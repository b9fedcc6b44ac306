//! Packs reserved in a slot that is closed because of another pack: they come from
//! another slot or are refunded, at once, and never stay reserved.

use serde_json::json;

use crate::support::{
    Code, TestApp, Worker,
    machine::{DROP, JAM},
    vending::{OTC, RX, attempt_of, code_of},
};
use domain::{
    prescription::CabinetLane,
    vend::{journal::Body, messages::WorkItem},
};

#[actix_web::test]
async fn a_jam_sends_the_packs_behind_it_to_another_slot() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let (code, behind) = (code_of(&order), attempt_of(&order, 1));
    let mut machine = app.cabinet().await;
    machine.vend_pack(&order, 0, JAM).await;
    machine.report().await.expect_ok();
    let order = worker.order(&order).await;
    for unit in 0..2 {
        let unit = &order["units"][unit];
        assert_eq!((&unit["state"], &unit["slot_no"]), (&json!("authorised"), &json!(2)), "{order}");
    }
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!("jam")));
    assert_eq!(app.packs_in(2).await, (1, 2, 0, json!(null)));
    // The cabinet gets the void, and so does a START of the old attempt.
    assert!(machine.work().await.contains(&WorkItem::Void { attempt: behind }));
    machine.start_as(machine.side.boot_id(), behind, &code).await.expect_refused(Code::AttemptVoid);
    for unit in 0..2 {
        machine.vend_pack(&order, unit, DROP).await;
    }
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn without_another_slot_all_of_it_is_paid_back_at_once() {
    let app = TestApp::open_filled().await;
    app.lane(app.network().await, CabinetLane::RetailBOnly).await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    app.declare_no_allergies(&worker.token).await;
    // Two orders: the one behind the jam is not the one that jammed.
    let mut orders = Vec::new();
    for packs in [1, 2] {
        let order = worker.buy(&[(OTC, packs)]).await.expect_created();
        orders.push(worker.pay(&order).await.expect_ok());
    }
    let mut machine = app.cabinet().await;
    machine.vend_pack(&orders[0], 0, JAM).await;
    machine.report().await.expect_ok();
    for order in &orders {
        let order = worker.order(order).await;
        assert_eq!((&order["state"], &order["pickup_code"]), (&json!("completed"), &json!(null)));
        assert_eq!(order["units"][0]["state"], "refunded");
    }
    assert_eq!(app.packs_in(3).await, (3, 0, 0, json!("jam")));
    assert_eq!(worker.balance().await, 20_000);
    app.sound().await;
}

#[actix_web::test]
async fn a_doubt_does_the_same_and_its_own_pack_stays_in_doubt() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let mut machine = app.cabinet().await;
    machine.run_pack(&order, 0).await;
    machine.power_cut().await;
    let order = worker.order(&order).await;
    assert_eq!(order["units"][0]["state"], "in_doubt");
    assert_eq!(
        (&order["units"][1]["state"], &order["units"][1]["slot_no"]),
        (&json!("authorised"), &json!(2))
    );
    assert_eq!(app.packs_in(1).await, (1, 0, 1, json!("in_doubt")));
    // Nothing starts before the journal is there, in which the outcome is "unknown".
    machine.start_pack(&order, 1).await.expect_refused(Code::CabinetNotReconciled);
    machine.report().await.expect_ok();
    machine.vend_pack(&order, 1, DROP).await;
    machine.report().await.expect_ok();
    let order = worker.order(&order).await;
    assert_eq!((&order["state"], &order["units"][1]["state"]), (&json!("paid"), &json!("dispensed")));
    app.sound().await;
}

/// As after the restore of a database from before START: what the cabinet reports is
/// believed, and the pack that came out is not reserved again.
#[actix_web::test]
async fn a_pack_that_came_out_without_start_is_not_authorised_elsewhere() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let (out, behind) = (attempt_of(&order, 0), attempt_of(&order, 1));
    let mut machine = app.cabinet().await;
    machine.write(Body::Dispensed { attempt: out, lot_no: "L1".to_owned(), serial: None });
    machine.report().await.expect_ok();
    let after = worker.order(&order).await;
    assert_eq!(attempt_of(&after, 0), out, "its one attempt is the old one: {after}");
    assert_eq!(after["units"][0]["slot_no"], 1, "{after}");
    assert_eq!(app.packs_in(1).await.3, json!("incident"));
    let started = machine.start_as(machine.side.boot_id(), out, &code_of(&order)).await;
    assert_eq!(started.status, 409, "the slot takes no attempt: {}", started.body);
    // The pack behind it is not affected.
    assert_ne!(attempt_of(&after, 1), behind);
    assert_eq!(after["units"][1]["slot_no"], 2, "{after}");
    app.sound().await;
    // Nor is it reserved again when it is withdrawn for another reason.
    app.operator().await.recall(RX, "L1").await.expect_ok();
    let after = worker.order(&order).await;
    assert_eq!(after["units"][0]["state"], "refunded", "{after}");
    app.sound().await;
}
