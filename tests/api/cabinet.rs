//! The cabinet protocol: whatever is lost, repeated or late, a drug never comes out
//! twice, and never unnoticed.

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::support::{
    Answer, Caller, Code, TestApp, Worker,
    machine::DROP,
    vending::{attempt_of, code_of},
};
use crypto::device::DeviceKey;
use domain::vend::{BootId, journal::Body, messages::WorkItem};
use service::Actor;

#[actix_web::test]
async fn a_whole_vend() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    assert_eq!(code_of(&order).len(), 6);
    let mut machine = app.cabinet().await;
    let items = machine.work().await;
    assert_eq!(items.iter().filter(|item| matches!(item, WorkItem::Vend { .. })).count(), 2);
    // A poll with a current cursor returns nothing.
    assert_eq!(machine.work().await, []);
    for unit in 0..2 {
        machine.vend_pack(&order, unit, DROP).await;
    }
    machine.report().await.expect_ok();
    let order = worker.order(&order).await;
    assert_eq!(order["state"], "completed");
    assert_eq!(order["pickup_code"], json!(null));
    assert_eq!(app.packs_in(1).await, (0, 0, 0, json!(null)));
    // Redeemed once.
    let again = worker.order_prescribed(order["prescription_id"].as_str().expect("an id")).await;
    assert_eq!(again.expect_refused(Code::StateMovedOn)["state"], "fulfilled");
    // The same report again changes nothing.
    let all = machine.journal.from_seq(1).to_vec();
    machine.events(1, all).await.expect_ok();
    assert_eq!(machine.hello().await.expect_ok()["acked_seq"], machine.journal.head().seq);
    app.sound().await;
}

#[actix_web::test]
async fn wrong_codes_are_counted_and_slow_the_hatch_down() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let (attempt, right) = (attempt_of(&order, 0), code_of(&order));
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..6 {
        machine.start(attempt, wrong).await.expect_refused(Code::PickupCodeWrong);
    }
    let slow = machine.start(attempt, &right).await;
    assert_eq!(slow.headers["retry-after"], "10");
    slow.expect_refused(Code::PickupCodeLocked);
    app.pass(10);
    machine.vend(attempt, &right, DROP).await;
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn one_boot_gets_one_grant_however_often_it_asks_and_another_gets_none() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let machine = app.cabinet().await;
    let boot = machine.side.boot_id();
    let stranger = BootId::from_bytes([7; 16]);
    machine.start_as(stranger, attempt, &code).await.expect_refused(Code::BootUnknown);
    let asked = join_all((0..10).map(|_| machine.start_as(boot, attempt, &code))).await;
    for answer in asked {
        assert_eq!(answer.expect_ok(), json!({"boot_id": boot, "ttl_ms": 30_000}));
    }
    // After a new boot the old one's START is in doubt, for both of them.
    machine.post("/cabinet/v1/hello", &machine.hello_body(stranger)).await.expect_ok();
    for asks in [boot, stranger] {
        machine.start_as(asks, attempt, &code).await.expect_refused(Code::AttemptInDoubt);
    }
    // A late hello of the old boot is no restart.
    machine.hello().await.expect_refused(Code::BootUnknown);
    assert_eq!(app.packs_in(1).await, (1, 0, 1, json!("in_doubt")));
    app.sound().await;
}

#[actix_web::test]
async fn a_power_cut_leaves_a_doubt_that_late_evidence_ends() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = app.cabinet().await;
    machine.run(attempt, &code_of(&order)).await;
    // The light curtain saw it; the outcome is lost with the power.
    machine.write(Body::DropSensed { attempt });
    machine.power_cut().await;
    let order = worker.order(&order).await;
    assert_eq!(order["units"][0]["state"], "in_doubt");
    app.sound().await;
    machine.report().await.expect_ok();
    let order = worker.order(&order).await;
    assert_eq!((&order["state"], &order["units"][0]["state"]), (&json!("completed"), &json!("dispensed")));
    app.sound().await;
}

#[actix_web::test]
async fn the_policy_says_how_long_a_cabinet_may_be_silent() {
    for seconds in [60, 900] {
        let app = TestApp::open_with(|config| {
            config.policy.insert("vending".to_owned(), json!({"silence_seconds": seconds}));
        })
        .await;
        app.fill(app.network().await).await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        let order = worker.reserve_and_pay(1).await;
        let mut machine = app.cabinet().await;
        machine.run(attempt_of(&order, 0), &code_of(&order)).await;
        app.pass(seconds - 1);
        assert_eq!(app.sweep().await.0, 0, "{seconds}");
        app.pass(1);
        assert_eq!(app.sweep().await.0, 1, "{seconds}");
    }
}

#[actix_web::test]
async fn a_person_resolves_a_doubt_after_a_restart_and_a_count() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = app.cabinet().await;
    machine.run(attempt, &code_of(&order)).await;
    app.pass(119);
    assert_eq!(app.sweep().await.0, 0);
    app.pass(1);
    assert_eq!(app.sweep().await.0, 1);
    // A timeout is not "not vended": nothing is refunded, nothing is freed.
    assert_eq!(app.packs_in(1).await, (1, 0, 1, json!("in_doubt")));
    let operator = app.operator().await;
    let resolve = format!("/api/v1/attempts/{attempt}/resolve");
    let gone = json!({"decision": "not_dispensed"});
    worker.post(&resolve, gone).await.expect_refused(Code::RoleNotAllowed);
    operator.resolve(attempt, "not_dispensed").await.expect_refused(Code::CabinetNotRebooted);
    machine.power_cut().await;
    operator.resolve(attempt, "not_dispensed").await.expect_refused(Code::CabinetNotRebooted);
    machine.count(1, 2);
    machine.report().await.expect_ok();
    let resolved = operator.resolve(attempt, "not_dispensed").await.expect_ok();
    assert_eq!(resolved["state"], "not_dispensed");
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!(null)));
    operator.resolve(attempt, "not_dispensed").await.expect_refused(Code::AttemptClosed);
    // Evidence against it changes no state: it opens an incident.
    machine.write(Body::Dispensed { attempt, lot_no: "L1".into(), serial: None });
    machine.report().await.expect_ok();
    assert_eq!(operator.open_incidents().await, ["contradiction"]);
    assert_eq!(app.packs_in(1).await, (2, 0, 0, json!("incident")));
    let worker = app.station().await.check_in(Worker::adult()).await;
    assert_eq!(worker.order(&order).await["units"][0]["state"], "refunded");
    app.sound().await;
}

#[actix_web::test]
async fn an_abandonment_counts_from_the_boot_that_held_the_grant_only() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let code = code_of(&order);
    let mut machine = app.cabinet().await;
    machine.work().await;
    let (first, second) = (attempt_of(&order, 0), attempt_of(&order, 1));
    machine.start(first, &code).await.expect_ok();
    let steps = machine.side.abandon(first);
    machine.carry_out(steps);
    machine.report().await.expect_ok();
    let after = worker.order(&order).await;
    assert_eq!(after["units"][0]["state"], "authorised", "tried from another slot");
    machine.start(second, &code).await.expect_ok();
    machine.power_cut().await;
    machine.write(Body::Abandoned { attempt: second });
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["units"][1]["state"], "in_doubt");
    app.sound().await;
}

#[actix_web::test]
async fn a_gap_is_asked_for_and_a_fork_raises_the_alarm() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    for tenths in 200..205 {
        machine.write(Body::Temperature { tenths });
    }
    let entries = machine.journal.from_seq(1).to_vec();
    let gap = machine.events(1, entries[2..].to_vec()).await.expect_refused(Code::JournalGap);
    assert_eq!(gap["data"]["expected_seq"], 1);
    machine.events(1, entries[..3].to_vec()).await.expect_ok();
    let overlap = machine.events(1, entries[1..].to_vec()).await.expect_ok();
    assert_eq!(overlap["acked_seq"], 5);
    machine.events(2, vec![]).await.expect_refused(Code::EpochRevoked);
    // The same seq with another hash.
    let mut other = app.cabinet().await;
    other.write(Body::Temperature { tenths: 100 });
    other.report().await.expect_refused(Code::CabinetTampered);
    other.report().await.expect_refused(Code::CabinetTampered);
    assert_eq!(app.operator().await.open_incidents().await, ["journal_lost", "journal_fork"]);
    other.start_pack(&order, 0).await.expect_refused(Code::CabinetTampered);
    // Closing the incident ends the alarm.
    let operator = app.operator().await;
    let incidents = operator.list("/api/v1/incidents").await;
    let fork = incidents.iter().find(|item| item["kind"] == "journal_fork").expect("a fork");
    operator.close_incident(fork, " ").await.expect_refused(Code::InvalidField);
    operator.close_incident(fork, "样例").await.expect_ok();
    operator.close_incident(fork, "样例").await.expect_refused(Code::StateMovedOn);
    // The journal is still another than the one that arrived.
    other.start_pack(&order, 0).await.expect_refused(Code::CabinetNotReconciled);
    machine.runs_on();
    machine.hello().await.expect_ok();
    machine.start_pack(&order, 0).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn only_the_cabinets_own_key_and_token_speak_for_it() {
    let app = TestApp::open().await;
    let seed = app.network().await;
    let mut machine = app.cabinet().await;
    let own = machine.key.clone();
    machine.key = DeviceKey::generate().expect("a key");
    machine.hello().await.expect_refused(Code::SignatureInvalid);
    machine.key = own;
    // Signed for another path, and not signed at all.
    let body = machine.hello_body(machine.side.boot_id()).to_string();
    let other = crypto::device::sign_request(
        &machine.key,
        seed.cabinet_device,
        "POST",
        "/cabinet/v1/events",
        body.as_bytes(),
    );
    for signature in [other.expect("signed"), String::new()] {
        let request = app
            .client()
            .post(format!("{}/cabinet/v1/hello", app.base))
            .header("Content-Type", "application/json")
            .header("Waystation-Signature", signature)
            .bearer_auth(&seed.cabinet_token)
            .body(body.clone());
        let answer = Answer::of(request.send().await.expect("answered")).await;
        answer.expect_refused(Code::SignatureInvalid);
    }
    for token in [&seed.station_token, &seed.doctor.token] {
        app.get(token, "/cabinet/v1/work").await.expect_refused(Code::RoleNotAllowed);
    }
    app.get(&seed.cabinet_token, "/api/v1/orders").await.expect_refused(Code::RoleNotAllowed);
    app.get(&seed.cabinet_token, "/api/v1/cabinets").await.expect_refused(Code::RoleNotAllowed);
    app.pass(400);
    app.get(&seed.cabinet_token, "/cabinet/v1/work").await.expect_refused(Code::TokenExpired);
}

#[actix_web::test]
async fn an_authorization_that_ran_out_does_not_start_and_its_pack_is_paid_back() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    machine.work().await;
    app.pass(30 * 60);
    machine.start_pack(&order, 0).await.expect_refused(Code::AttemptVoid);
    // Expired is not voided: the pack is not free before that commit.
    assert_eq!(app.packs_in(1).await.1, 1);
    assert_eq!(app.sweep().await, (0, 1, 0));
    assert_eq!(app.packs_in(1).await.1, 0);
    let voided = machine.work().await;
    assert!(voided.contains(&WorkItem::Void { attempt: attempt_of(&order, 0) }), "{voided:?}");
    app.sound().await;
}

#[actix_web::test]
async fn cancelling_voids_what_was_not_started_and_nothing_else() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let mut machine = app.cabinet().await;
    machine.run_pack(&order, 0).await;
    let after = worker.cancel(&order).await.expect_ok();
    let states = [&after["units"][0]["state"], &after["units"][1]["state"]];
    assert_eq!(states, ["authorised", "refunded"]);
    worker.cancel(&order).await.expect_refused(Code::StateMovedOn);
    machine.start_pack(&order, 1).await.expect_refused(Code::AttemptVoid);
    let steps = machine.side.sensed(attempt_of(&order, 0), DROP, None);
    machine.carry_out(steps);
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn a_replaced_cabinet_leaves_voids_and_doubts_and_its_late_journal_counts() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    let mut machine = app.cabinet().await;
    let (first, second) = (attempt_of(&order, 0), attempt_of(&order, 1));
    machine.run(first, &code_of(&order)).await;
    let cabinet = app.network().await.cabinet;
    app.state
        .write(Actor::System, move |tx| service::vend::epoch_replaced(tx, cabinet))
        .await
        .expect("replaced");
    let after = worker.order(&order).await;
    assert_eq!([&after["units"][0]["state"], &after["units"][1]["state"]], ["in_doubt", "refunded"]);
    machine.start(second, &code_of(&order)).await.expect_refused(Code::AttemptVoid);
    let steps = machine.side.sensed(first, DROP, None);
    machine.carry_out(steps);
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["units"][0]["state"], "dispensed");
    app.sound().await;
}

#[actix_web::test]
async fn a_waiting_poll_hears_of_a_payment_at_once() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let mut machine = app.cabinet().await;
    machine.work().await;
    let path = format!("/cabinet/v1/work?cursor={}&wait=25", machine.cursor);
    let token = machine.token();
    let began = std::time::Instant::now();
    let (work, order) = join(app.get(&token, &path), worker.reserve_and_pay(1)).await;
    let work = work.expect_ok();
    assert_eq!(work["items"][0]["kind"], "vend");
    assert_eq!(work["items"][0]["attempt"], order["units"][0]["attempt"]["id"]);
    assert_ne!(work["cursor"], machine.cursor);
    assert!(began.elapsed().as_secs() < 20, "the payment did not end the long poll");
}

#[actix_web::test]
async fn a_revoked_cabinet_is_refused_although_its_token_is_young() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    app.revoke_cabinet(app.network().await).await;
    machine.start_pack(&order, 0).await.expect_refused(Code::DeviceRevoked);
    machine.hello().await.expect_refused(Code::DeviceRevoked);
    machine.report().await.expect_refused(Code::DeviceRevoked);
    // Nobody can be authorised at a cabinet without a key.
    let other = worker.reserve(1).await;
    worker.pay(&other).await.expect_refused(Code::CabinetClosed);
    app.sound().await;
}
