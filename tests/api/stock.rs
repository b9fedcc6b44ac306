//! Doors, counts, restocking and recalls.

use chrono::NaiveDate;
use serde_json::json;

use crate::{
    harness::TestApp,
    import::{load, told},
    machine::{DROP, Machine},
    vending::{OTC, RX, attempt_of, code_of},
};
use domain::{ids::StaffId, stock::SlotNo, vend::journal::Body};
use service::network::import::csv_file::ImportKind;

fn slot(n: i32) -> SlotNo {
    SlotNo::new(n).expect("a slot")
}

#[actix_web::test]
async fn a_recall_voids_what_is_issued_freezes_the_lot_and_lists_the_served() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let mut machine = Machine::on(&app, &seed).await;
    let (first, second) = (attempt_of(&order, 0), attempt_of(&order, 1));
    machine.vend(first, &code_of(&order), DROP).await;
    machine.report().await.expect(200);
    let input = json!({"product_code": RX, "lot_no": "L1", "reason": "样例"});
    let path = "/api/v1/lots/recall";
    app.post(&seed.restocker.token, path, input.clone()).await.problem(403, "role_not_allowed");
    let told = app.post(&seed.operator.token, path, input.clone()).await.expect(200);
    assert_eq!(told, json!({"slots_frozen": 1, "attempts_voided": 1, "workers_served": [seed.worker]}));
    assert_eq!(app.slot(&seed, 1).await, (1, 0, 0, json!("recalled")));
    machine.start(second, &code_of(&order)).await.problem(409, "attempt_void");
    // The pack is taken from the other lot.
    let order = app.order(&seed, &order).await;
    assert_eq!(order["units"][1]["slot_no"], 2);
    machine.vend(attempt_of(&order, 1), &code_of(&order), DROP).await;
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    let again = app.post(&seed.operator.token, path, input).await.expect(200);
    assert_eq!(again["attempts_voided"], 0);
    let unknown = json!({"product_code": "NOTHING", "lot_no": "L1", "reason": "样例"});
    app.post(&seed.operator.token, path, unknown).await.problem(404, "not_found");
    app.sound().await;
}

#[actix_web::test]
async fn whatever_lot_can_be_loaded_can_be_recalled() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let mut machine = Machine::on(&app, &seed).await;
    let expires_on = NaiveDate::from_ymd_opt(2027, 3, 31).expect("a day");
    for (number, lot_no, readable) in
        [(1, "批 1/甲", true), (2, "L\u{200B}1", false), (3, "0199\u{1D}L1", false)]
    {
        machine.write(Body::DoorOpen { who: seed.restocker.id });
        machine.write(Body::Count { slot: slot(number), n: 0 });
        let (product_code, lot_no) = (RX.to_owned(), lot_no.to_owned());
        machine.write(Body::Restock {
            slot: slot(number),
            product_code,
            lot_no: lot_no.clone(),
            expires_on,
            packs: 4,
        });
        machine.write(Body::Count { slot: slot(number), n: if readable { 4 } else { 0 } });
        machine.write(Body::DoorClose {});
        machine.report().await.expect(200);
        let recall = json!({"product_code": RX, "lot_no": lot_no, "reason": "样例"});
        let answer = app.post(&seed.operator.token, "/api/v1/lots/recall", recall).await;
        if readable {
            assert_eq!(answer.expect(200)["slots_frozen"], 1);
            assert_eq!(app.slot(&seed, number.into()).await, (4, 0, 0, json!("recalled")));
        } else {
            assert!(answer.status.is_client_error(), "{}", answer.body);
            assert_eq!(app.slot(&seed, number.into()).await.3, "wrong_slot");
        }
    }
}

#[actix_web::test]
async fn a_recall_reaches_what_is_in_the_van_and_however_the_lot_is_typed() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let path = "/api/v1/lots/recall";
    // Slot 1 holds L1; the lot of the second is nowhere yet.
    for (typed, frozen) in [("l1", 1), ("van-7", 0)] {
        let recall = json!({"product_code": RX, "lot_no": typed, "reason": "样例"});
        let told = app.post(&seed.operator.token, path, recall).await.expect(200);
        assert_eq!(told["slots_frozen"], frozen, "{typed}");
    }
    assert_eq!(app.slot(&seed, 1).await.3, "recalled");
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::DoorOpen { who: seed.restocker.id });
    machine.write(Body::Count { slot: slot(2), n: 0 });
    let expires_on = NaiveDate::from_ymd_opt(2027, 3, 31).expect("a day");
    let (product_code, lot_no) = (RX.to_owned(), "VAN-7".to_owned());
    machine.write(Body::Restock { slot: slot(2), product_code, lot_no, expires_on, packs: 4 });
    machine.write(Body::Count { slot: slot(2), n: 4 });
    machine.write(Body::DoorClose {});
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 2).await, (4, 0, 0, json!("recalled")));
    let row = |slot: i32, lot: &str| {
        format!(
            "station_code,slot_no,product_code,lot_no,expires_on,quantity,capacity\nzhifu-01,{slot},{RX},{lot},2027-03-31,2,9\n"
        )
    };
    for lot in ["Van-7", "VAN-7", "l1"] {
        let refused = load(&app, ImportKind::Stock, &row(41, lot)).await.expect_err("refused");
        assert_eq!(told(refused), [(2, "lot_no".to_owned(), "recalled".to_owned())], "{lot}");
    }
    assert_eq!(load(&app, ImportKind::Stock, &row(41, "VAN-8")).await.expect("loaded"), 1);
    app.sound().await;
}

#[actix_web::test]
async fn a_lot_that_expires_after_it_was_paid_for_does_not_start() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    app.spoil("L1").await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(422, "lot_not_allowed");
    app.sound().await;
}

#[actix_web::test]
async fn an_open_door_stops_start_and_a_slot_without_a_count_stays_closed() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::DoorOpen { who: seed.restocker.id });
    machine.report().await.expect(200);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "door_open");
    let expires_on = NaiveDate::from_ymd_opt(2027, 3, 31).expect("a day");
    machine.write(Body::Restock {
        slot: slot(3),
        product_code: OTC.into(),
        lot_no: "B1".into(),
        expires_on,
        packs: 4,
    });
    machine.write(Body::Count { slot: slot(1), n: 2 });
    machine.write(Body::Count { slot: slot(3), n: 7 });
    machine.write(Body::DoorClose {});
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 3).await, (7, 0, 0, json!(null)));
    assert_eq!(app.slot(&seed, 2).await.3, "uncounted");
    machine.write(Body::Count { slot: slot(2), n: 3 });
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 2).await, (3, 0, 0, json!(null)));
    machine.vend(attempt_of(&order, 0), &code_of(&order), DROP).await;
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    assert_eq!(app.open_incidents(&seed).await, Vec::<String>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_count_that_differs_is_booked_and_what_is_missing_is_paid_back() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    // Both packs of slot 1 are promised; slot 2 is empty too.
    let order = app.paid(&seed, &visit, 2).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::DoorOpen { who: StaffId::generate() });
    machine.write(Body::Count { slot: slot(2), n: 0 });
    machine.write(Body::Count { slot: slot(1), n: 1 });
    machine.write(Body::Count { slot: slot(3), n: 5 });
    machine.write(Body::DoorClose {});
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    let states: Vec<&str> = (0..2).map(|n| order["units"][n]["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["authorised", "refunded"]);
    assert_eq!(app.slot(&seed, 1).await, (0, 1, 0, json!(null)));
    assert_eq!(app.slot(&seed, 3).await.0, 5);
    assert_eq!(app.open_incidents(&seed).await, ["count_differs", "count_differs", "count_differs"]);
    app.sound().await;
}

#[actix_web::test]
async fn a_load_that_does_not_match_is_quarantined() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let mut machine = Machine::on(&app, &seed).await;
    let load = |product: &str, lot: &str, day: &str| Body::Restock {
        slot: slot(1),
        product_code: product.into(),
        lot_no: lot.into(),
        expires_on: day.parse().expect("a day"),
        packs: 2,
    };
    machine.write(load(OTC, "B1", "2027-03-31"));
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!("wrong_slot")));
    // Taken out, counted empty, and filled with another lot: it opens with its count.
    machine.write(Body::Count { slot: slot(1), n: 0 });
    machine.write(load(RX, "L9", "2028-01-31"));
    machine.write(Body::Count { slot: slot(1), n: 2 });
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    machine.write(load(RX, "L9", "2028-02-28"));
    machine.write(load("nothing", "L9", "2028-01-31"));
    machine.write(Body::Temperature { tenths: 451 });
    // A scanner's fault must not make the whole journal unacceptable.
    machine.write(Body::Count { slot: slot(2), n: u32::MAX });
    machine.report().await.expect(200);
    assert_eq!(app.slot(&seed, 2).await, (3, 0, 0, json!("uncounted")));
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!("wrong_slot")));
    let wanted = ["wrong_slot", "count_differs", "wrong_slot", "wrong_slot", "temperature", "count_differs"];
    assert_eq!(app.open_incidents(&seed).await, wanted);
    app.sound().await;
}

#[actix_web::test]
async fn the_audit_sees_what_was_written_past_the_rules() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    app.paid(&seed, &visit, 1).await;
    let path = "/api/v1/audit/invariants";
    let audit = app.get(&seed.operator.token, path).await.expect(200);
    assert_eq!(audit["violations"], json!([]));
    app.get(&seed.restocker.token, path).await.problem(403, "role_not_allowed");
    app.forge_stock(&seed).await;
    let audit = app.get(&seed.operator.token, path).await.expect(200);
    assert_eq!(audit["violations"].as_array().expect("violations").len(), 1, "{audit}");
}
