//! The cabinet's door, counts, restocking and recalls.

use serde_json::{Value, json};

use crate::{
    import::{load, row_problems},
    support::{
        Caller, Code, TestApp, Worker,
        machine::DROP,
        vending::{OTC, RX, attempt_of, code_of},
    },
};
use domain::{ids::StaffId, vend::journal::Body};
use service::network::import::csv_file::ImportKind;

#[actix_web::test]
async fn a_recall_voids_what_is_issued_freezes_the_lot_and_lists_the_served() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let mut machine = app.cabinet().await;
    let (second, code) = (attempt_of(&order, 1), code_of(&order));
    machine.vend_pack(&order, 0, DROP).await;
    machine.report().await.expect_ok();
    let (operator, restocker) = (app.operator().await, app.restocker().await);
    let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "样例"});
    restocker.post("/api/v1/lots/recall", recall).await.expect_refused(Code::RoleNotAllowed);
    let recalled = operator.recall(RX, "L1").await.expect_ok();
    assert_eq!(recalled, json!({"slots_frozen": 1, "attempts_voided": 1, "workers_served": [worker.id]}));
    assert_eq!(app.packs_in(1).await, (1, 0, 0, json!("recalled")));
    machine.start(second, &code).await.expect_refused(Code::AttemptVoid);
    // The pack is taken from the other lot.
    let order = worker.order(&order).await;
    assert_eq!(order["units"][1]["slot_no"], 2);
    machine.vend_pack(&order, 1, DROP).await;
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    assert_eq!(operator.recall(RX, "L1").await.expect_ok()["attempts_voided"], 0);
    operator.recall("NOTHING", "L1").await.expect_refused(Code::NotFound);
    app.sound().await;
}

#[actix_web::test]
async fn whatever_lot_can_be_loaded_can_be_recalled() {
    let app = TestApp::open_filled().await;
    let mut machine = app.cabinet().await;
    for (number, lot_no, readable) in
        [(1, "批 1/甲", true), (2, "L\u{200B}1", false), (3, "0199\u{1D}L1", false)]
    {
        app.restocker().await.open_door(&mut machine);
        machine.count(number, 0);
        machine.load(number, (RX, lot_no), "2027-03-31", 4);
        machine.count(number, if readable { 4 } else { 0 });
        machine.close_door();
        machine.report().await.expect_ok();
        let answer = app.operator().await.recall(RX, lot_no).await;
        if readable {
            assert_eq!(answer.expect_ok()["slots_frozen"], 1);
            assert_eq!(app.packs_in(number.into()).await, (4, 0, 0, json!("recalled")));
        } else {
            assert!(answer.status.is_client_error(), "{}", answer.body);
            assert_eq!(app.packs_in(number.into()).await.3, "wrong_slot");
        }
    }
}

#[actix_web::test]
async fn a_recall_reaches_what_is_in_the_van_and_however_the_lot_is_typed() {
    let app = TestApp::open_filled().await;
    // Slot 1 has L1; the second lot is in no slot yet.
    for (typed, frozen) in [("l1", 1), ("van-7", 0)] {
        let recalled = app.operator().await.recall(RX, typed).await.expect_ok();
        assert_eq!(recalled["slots_frozen"], frozen, "{typed}");
    }
    assert_eq!(app.packs_in(1).await.3, "recalled");
    let mut machine = app.cabinet().await;
    app.restocker().await.open_door(&mut machine);
    machine.count(2, 0);
    machine.load(2, (RX, "VAN-7"), "2027-03-31", 4);
    machine.count(2, 4);
    machine.close_door();
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(2).await, (4, 0, 0, json!("recalled")));
    let row = |slot: i32, lot: &str| {
        format!(
            "station_code,slot_no,product_code,lot_no,expires_on,quantity,capacity\nzhifu-01,{slot},{RX},{lot},2027-03-31,2,9\n"
        )
    };
    for lot in ["Van-7", "VAN-7", "l1"] {
        let refused = load(&app, ImportKind::Stock, &row(41, lot)).await.expect_err("refused");
        assert_eq!(row_problems(refused), [(2, "lot_no".to_owned(), "recalled".to_owned())], "{lot}");
    }
    assert_eq!(load(&app, ImportKind::Stock, &row(41, "VAN-8")).await.expect("loaded"), 1);
    app.sound().await;
}

#[actix_web::test]
async fn a_lot_that_expires_after_it_was_paid_for_does_not_start() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    app.spoil("L1").await;
    machine.start_pack(&order, 0).await.expect_refused(Code::LotNotAllowed);
    app.sound().await;
}

#[actix_web::test]
async fn an_open_door_stops_start_and_a_slot_without_a_count_stays_closed() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    app.restocker().await.open_door(&mut machine);
    machine.report().await.expect_ok();
    machine.start_pack(&order, 0).await.expect_refused(Code::DoorOpen);
    machine.load(3, (OTC, "B1"), "2027-03-31", 4);
    machine.count(1, 2);
    machine.count(3, 7);
    machine.close_door();
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(3).await, (7, 0, 0, json!(null)));
    assert_eq!(app.packs_in(2).await.3, "uncounted");
    machine.count(2, 3);
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(2).await, (3, 0, 0, json!(null)));
    machine.vend_pack(&order, 0, DROP).await;
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    assert_eq!(app.operator().await.open_incidents().await, Vec::<String>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_count_that_differs_is_booked_and_what_is_missing_is_paid_back() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    // Both packs of slot 1 are reserved; slot 2 is empty too.
    let order = worker.reserve_and_pay(2).await;
    let mut machine = app.cabinet().await;
    machine.write(Body::DoorOpen { who: StaffId::generate() });
    machine.count(2, 0);
    machine.count(1, 1);
    machine.count(3, 5);
    machine.close_door();
    machine.report().await.expect_ok();
    let order = worker.order(&order).await;
    let states: Vec<&str> = (0..2).map(|n| order["units"][n]["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["authorised", "refunded"]);
    assert_eq!(app.packs_in(1).await, (0, 1, 0, json!(null)));
    assert_eq!(app.packs_in(3).await.0, 5);
    assert_eq!(
        app.operator().await.open_incidents().await,
        ["count_differs", "count_differs", "count_differs"]
    );
    app.sound().await;
}

#[actix_web::test]
async fn a_load_that_does_not_match_is_quarantined() {
    let app = TestApp::open_filled().await;
    let mut machine = app.cabinet().await;
    machine.load(1, (OTC, "B1"), "2027-03-31", 2);
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!("wrong_slot")));
    // Taken out, counted empty, and filled with another lot: it opens with its count.
    machine.count(1, 0);
    machine.load(1, (RX, "L9"), "2028-01-31", 2);
    machine.count(1, 2);
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    machine.load(1, (RX, "L9"), "2028-02-28", 2);
    machine.load(1, ("nothing", "L9"), "2028-01-31", 2);
    machine.write(Body::Temperature { tenths: 451 });
    // A scanner's fault must not make the whole journal unacceptable.
    machine.count(2, u32::MAX);
    machine.report().await.expect_ok();
    assert_eq!(app.packs_in(2).await, (3, 0, 0, json!("uncounted")));
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!("wrong_slot")));
    let wanted = ["wrong_slot", "count_differs", "wrong_slot", "wrong_slot", "temperature", "count_differs"];
    assert_eq!(app.operator().await.open_incidents().await, wanted);
    app.sound().await;
}

#[actix_web::test]
async fn the_audit_sees_what_was_written_past_the_rules() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.reserve_and_pay(1).await;
    let (operator, restocker) = (app.operator().await, app.restocker().await);
    assert_eq!(operator.broken_invariants().await, Vec::<Value>::new());
    restocker.get("/api/v1/audit/invariants").await.expect_refused(Code::RoleNotAllowed);
    app.forge_stock(app.network().await).await;
    let broken = operator.broken_invariants().await;
    assert_eq!(broken.len(), 1, "{broken:?}");
}
