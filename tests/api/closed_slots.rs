//! What was promised from a slot that closed over another pack: it comes from
//! another slot or is paid back, at once, and never stays promised.

use serde_json::json;

use crate::{
    harness::TestApp,
    machine::{DROP, JAM, Machine},
    vending::{OTC, RX, attempt_of, code_of},
};
use domain::{
    prescription::CabinetLane,
    vend::{journal::Body, messages::WorkItem},
};

#[actix_web::test]
async fn a_jam_sends_the_packs_behind_it_to_another_slot() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let (code, behind) = (code_of(&order), attempt_of(&order, 1));
    let mut machine = Machine::on(&app, &seed).await;
    machine.vend(attempt_of(&order, 0), &code, JAM).await;
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    for unit in 0..2 {
        let unit = &order["units"][unit];
        assert_eq!((&unit["state"], &unit["slot_no"]), (&json!("authorised"), &json!(2)), "{order}");
    }
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!("jam")));
    assert_eq!(app.slot(&seed, 2).await, (1, 2, 0, json!(null)));
    // The cabinet is told, and so is whoever asks for the old one.
    assert!(machine.work().await.contains(&WorkItem::Void { attempt: behind }));
    machine.start_as(machine.side.boot_id(), behind, &code).await.problem(409, "attempt_void");
    for unit in 0..2 {
        machine.vend(attempt_of(&order, unit), &code, DROP).await;
    }
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn without_another_slot_all_of_it_is_paid_back_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    let visit = app.visit(&seed).await;
    app.answer(&visit.token).await;
    // Two orders: the one behind the jam is not the one that jammed.
    let mut orders = Vec::new();
    for packs in [1, 2] {
        let body = json!({"lines": [{"product_code": OTC, "packs": packs}]});
        let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
        let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
        orders.push(app.post(&visit.token, &path, json!({"method": "subsidy"})).await.expect(200));
    }
    let mut machine = Machine::on(&app, &seed).await;
    machine.vend(attempt_of(&orders[0], 0), &code_of(&orders[0]), JAM).await;
    machine.report().await.expect(200);
    for order in &orders {
        let order = app.order(&seed, order).await;
        assert_eq!((&order["state"], &order["pickup_code"]), (&json!("completed"), &json!(null)));
        assert_eq!(order["units"][0]["state"], "refunded");
    }
    assert_eq!(app.slot(&seed, 3).await, (3, 0, 0, json!("jam")));
    let visit = app.visit(&seed).await;
    assert_eq!(app.get(&visit.token, "/api/v1/account").await.expect(200)["balance_fen"], 20_000);
    app.sound().await;
}

#[actix_web::test]
async fn a_doubt_does_the_same_and_its_own_pack_stays_in_doubt() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let code = code_of(&order);
    let mut machine = Machine::on(&app, &seed).await;
    machine.run(attempt_of(&order, 0), &code).await;
    machine.power_cut().await;
    let order = app.order(&seed, &order).await;
    assert_eq!(order["units"][0]["state"], "in_doubt");
    assert_eq!(
        (&order["units"][1]["state"], &order["units"][1]["slot_no"]),
        (&json!("authorised"), &json!(2))
    );
    assert_eq!(app.slot(&seed, 1).await, (1, 0, 1, json!("in_doubt")));
    // Nothing starts before the journal is there, which says "unknown".
    machine.start(attempt_of(&order, 1), &code).await.problem(409, "cabinet_not_reconciled");
    machine.report().await.expect(200);
    machine.vend(attempt_of(&order, 1), &code, DROP).await;
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    assert_eq!((&order["state"], &order["units"][1]["state"]), (&json!("paid"), &json!("dispensed")));
    app.sound().await;
}

/// As when a database was restored that had not seen START: what the cabinet
/// tells is believed, and the pack that came out is not promised again.
#[actix_web::test]
async fn a_pack_that_came_out_without_start_is_not_authorised_elsewhere() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let (out, behind) = (attempt_of(&order, 0), attempt_of(&order, 1));
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::Dispensed { attempt: out, lot_no: "L1".to_owned(), serial: None });
    machine.report().await.expect(200);
    let after = app.order(&seed, &order).await;
    assert_eq!(attempt_of(&after, 0), out, "its one attempt is the old one: {after}");
    assert_eq!(after["units"][0]["slot_no"], 1, "{after}");
    assert_eq!(app.slot(&seed, 1).await.3, json!("incident"));
    let started = machine.start_as(machine.side.boot_id(), out, &code_of(&order)).await;
    assert_eq!(started.status, 409, "the slot takes no attempt: {}", started.body);
    // The pack behind it has nothing to do with that.
    assert_ne!(attempt_of(&after, 1), behind);
    assert_eq!(after["units"][1]["slot_no"], 2, "{after}");
    app.sound().await;
    // Nor is it promised again when it is withdrawn for another reason.
    let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "样例"});
    app.post(&seed.operator.token, "/api/v1/lots/recall", recall).await.expect(200);
    let after = app.order(&seed, &order).await;
    assert_eq!(after["units"][0]["state"], "refunded", "{after}");
    app.sound().await;
}
