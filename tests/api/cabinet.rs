//! The cabinet protocol: whatever is lost, doubled or late, a drug never comes
//! out twice, and never without anybody knowing.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    harness::TestApp,
    machine::{DROP, Machine},
    vending::{attempt_of, code_of},
};
use crypto::device::DeviceKey;
use domain::vend::{BootId, journal::Body, messages::WorkItem};
use service::Actor;

#[actix_web::test]
async fn a_whole_vend() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    assert_eq!(code_of(&order).len(), 6);
    let mut machine = Machine::on(&app, &seed).await;
    let items = machine.work().await;
    assert_eq!(items.iter().filter(|item| matches!(item, WorkItem::Vend { .. })).count(), 2);
    // A poll with a current cursor has nothing to tell.
    assert_eq!(machine.work().await, []);
    for unit in 0..2 {
        machine.vend(attempt_of(&order, unit), &code_of(&order), DROP).await;
    }
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    assert_eq!(order["state"], "completed");
    assert_eq!(order["pickup_code"], json!(null));
    assert_eq!(app.slot(&seed, 1).await, (0, 0, 0, json!(null)));
    // Redeemed once.
    let visit = app.visit(&seed).await;
    let body = json!({"prescription_id": order["prescription_id"]});
    let again = app.post(&visit.token, "/api/v1/orders", body).await;
    assert_eq!(again.problem(409, "state_moved_on")["state"], "fulfilled");
    // The same report again changes nothing.
    let all = machine.journal.from_seq(1).to_vec();
    machine.events(1, all).await.expect(200);
    assert_eq!(machine.hello().await.expect(200)["acked_seq"], machine.journal.head().seq);
    app.sound().await;
}

#[actix_web::test]
async fn wrong_codes_are_counted_and_slow_the_hatch_down() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let (attempt, right) = (attempt_of(&order, 0), code_of(&order));
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..6 {
        machine.start(attempt, wrong).await.problem(422, "pickup_code_wrong");
    }
    let slow = machine.start(attempt, &right).await;
    assert_eq!(slow.headers["retry-after"], "10");
    slow.problem(429, "pickup_code_locked");
    app.pass(10);
    machine.vend(attempt, &right, DROP).await;
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn one_boot_gets_one_grant_however_often_it_asks_and_another_gets_none() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let machine = Machine::on(&app, &seed).await;
    let boot = machine.side.boot_id();
    let stranger = BootId::from_bytes([7; 16]);
    machine.start_as(stranger, attempt, &code).await.problem(409, "boot_unknown");
    let asked = join_all((0..10).map(|_| machine.start_as(boot, attempt, &code))).await;
    for answer in asked {
        assert_eq!(answer.expect(200), json!({"boot_id": boot, "ttl_ms": 30_000}));
    }
    // A new boot: the old one's START is in doubt, for both of them.
    machine.post("/cabinet/v1/hello", &machine.hello_body(stranger)).await.expect(200);
    for asks in [boot, stranger] {
        machine.start_as(asks, attempt, &code).await.problem(409, "attempt_in_doubt");
    }
    // The old boot's hello, late on the line, is no restart.
    machine.hello().await.problem(409, "boot_unknown");
    assert_eq!(app.slot(&seed, 1).await, (1, 0, 1, json!("in_doubt")));
    app.sound().await;
}

#[actix_web::test]
async fn a_power_cut_leaves_a_doubt_that_late_evidence_ends() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = Machine::on(&app, &seed).await;
    machine.run(attempt, &code_of(&order)).await;
    // The light curtain saw it; the outcome is lost with the power.
    machine.write(Body::DropSensed { attempt });
    machine.power_cut().await;
    let order = app.order(&seed, &order).await;
    assert_eq!(order["units"][0]["state"], "in_doubt");
    app.sound().await;
    machine.report().await.expect(200);
    let order = app.order(&seed, &order).await;
    assert_eq!((&order["state"], &order["units"][0]["state"]), (&json!("completed"), &json!("dispensed")));
    app.sound().await;
}

#[actix_web::test]
async fn a_person_resolves_a_doubt_after_a_restart_and_a_count() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let attempt = attempt_of(&order, 0);
    let mut machine = Machine::on(&app, &seed).await;
    machine.run(attempt, &code_of(&order)).await;
    app.pass(119);
    assert_eq!(app.sweep().await.0, 0);
    app.pass(1);
    assert_eq!(app.sweep().await.0, 1);
    // A timeout is not "not vended": nothing is paid back, nothing is freed.
    assert_eq!(app.slot(&seed, 1).await, (1, 0, 1, json!("in_doubt")));
    let resolve = format!("/api/v1/attempts/{attempt}/resolve");
    let gone = json!({"decision": "not_dispensed"});
    let say = async |token: String| app.post(&token, &resolve, gone.clone()).await;
    say(visit.token.clone()).await.problem(403, "role_not_allowed");
    say(app.operator_token(&seed)).await.problem(409, "cabinet_not_rebooted");
    machine.power_cut().await;
    say(app.operator_token(&seed)).await.problem(409, "cabinet_not_rebooted");
    machine.write(Body::Count { slot: domain::stock::SlotNo::new(1).expect("one"), n: 2 });
    machine.report().await.expect(200);
    let resolved = say(app.operator_token(&seed)).await.expect(200);
    assert_eq!(resolved["state"], "not_dispensed");
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!(null)));
    say(app.operator_token(&seed)).await.problem(409, "attempt_closed");
    // Evidence against it changes no state: it opens an incident.
    machine.write(Body::Dispensed { attempt, lot_no: "L1".into(), serial: None });
    machine.report().await.expect(200);
    assert_eq!(app.open_incidents(&seed).await, ["contradiction"]);
    assert_eq!(app.slot(&seed, 1).await, (2, 0, 0, json!("incident")));
    assert_eq!(app.order(&seed, &order).await["units"][0]["state"], "refunded");
    app.sound().await;
}

#[actix_web::test]
async fn an_abandonment_counts_from_the_boot_that_held_the_grant_only() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let code = code_of(&order);
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let (first, second) = (attempt_of(&order, 0), attempt_of(&order, 1));
    machine.start(first, &code).await.expect(200);
    let steps = machine.side.abandon(first);
    machine.carry_out(steps);
    machine.report().await.expect(200);
    let after = app.order(&seed, &order).await;
    assert_eq!(after["units"][0]["state"], "authorised", "tried from another slot");
    machine.start(second, &code).await.expect(200);
    machine.power_cut().await;
    machine.write(Body::Abandoned { attempt: second });
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["units"][1]["state"], "in_doubt");
    app.sound().await;
}

#[actix_web::test]
async fn a_gap_is_asked_for_and_a_fork_raises_the_alarm() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    for tenths in 200..205 {
        machine.write(Body::Temperature { tenths });
    }
    let entries = machine.journal.from_seq(1).to_vec();
    let gap = machine.events(1, entries[2..].to_vec()).await.problem(409, "journal_gap");
    assert_eq!(gap["data"]["expected_seq"], 1);
    machine.events(1, entries[..3].to_vec()).await.expect(200);
    let overlap = machine.events(1, entries[1..].to_vec()).await.expect(200);
    assert_eq!(overlap["acked_seq"], 5);
    machine.events(2, vec![]).await.problem(401, "epoch_revoked");
    // The same seq with another hash.
    let mut other = Machine::on(&app, &seed).await;
    other.write(Body::Temperature { tenths: 100 });
    other.report().await.problem(409, "cabinet_tampered");
    other.report().await.problem(409, "cabinet_tampered");
    assert_eq!(app.open_incidents(&seed).await, ["journal_lost", "journal_fork"]);
    other.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "cabinet_tampered");
    // Closing the incident ends the alarm.
    let token = app.operator_token(&seed);
    let list = app.get(&token, "/api/v1/incidents").await.expect(200);
    let fork = list["items"].as_array().expect("items").iter().find(|item| item["kind"] == "journal_fork");
    let id = fork.expect("a fork")["id"].as_str().expect("an id");
    let path = format!("/api/v1/incidents/{id}/close");
    app.post(&token, &path, json!({"note": " "})).await.problem(422, "invalid_field");
    app.post(&token, &path, json!({"note": "样例"})).await.expect(200);
    app.post(&token, &path, json!({"note": "样例"})).await.problem(409, "state_moved_on");
    // The journal is still another than the one that arrived.
    other.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "cabinet_not_reconciled");
    machine.runs_on();
    machine.hello().await.expect(200);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn only_the_cabinets_own_key_and_token_speak_for_it() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let mut machine = Machine::on(&app, &seed).await;
    let own = machine.key.clone();
    machine.key = DeviceKey::generate().expect("a key");
    machine.hello().await.problem(401, "signature_invalid");
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
        let answer = crate::harness::Answer::of(request.send().await.expect("answered")).await;
        answer.problem(401, "signature_invalid");
    }
    for token in [&seed.station_token, &seed.doctor.token] {
        app.get(token, "/cabinet/v1/work").await.problem(403, "role_not_allowed");
    }
    app.get(&seed.cabinet_token, "/api/v1/orders").await.problem(403, "role_not_allowed");
    app.get(&seed.cabinet_token, "/api/v1/cabinets").await.problem(403, "role_not_allowed");
    app.pass(400);
    app.get(&seed.cabinet_token, "/cabinet/v1/work").await.problem(401, "token_expired");
}

#[actix_web::test]
async fn an_authorization_that_ran_out_does_not_start_and_its_pack_is_paid_back() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    app.pass(30 * 60);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "attempt_void");
    // Expired is not voided: the pack is not free before that commit.
    assert_eq!(app.slot(&seed, 1).await.1, 1);
    assert_eq!(app.sweep().await, (0, 1, 0));
    assert_eq!(app.slot(&seed, 1).await.1, 0);
    let voided = machine.work().await;
    assert!(voided.contains(&WorkItem::Void { attempt: attempt_of(&order, 0) }), "{voided:?}");
    app.sound().await;
}

#[actix_web::test]
async fn cancelling_voids_what_was_not_started_and_nothing_else() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.run(attempt_of(&order, 0), &code_of(&order)).await;
    let cancel = format!("/api/v1/orders/{}/cancel", order["id"].as_str().expect("an id"));
    let after = app.post(&visit.token, &cancel, json!({})).await.expect(200);
    let states = [&after["units"][0]["state"], &after["units"][1]["state"]];
    assert_eq!(states, ["authorised", "refunded"]);
    app.post(&visit.token, &cancel, json!({})).await.problem(409, "state_moved_on");
    machine.start(attempt_of(&order, 1), &code_of(&order)).await.problem(409, "attempt_void");
    let steps = machine.side.sensed(attempt_of(&order, 0), DROP, None);
    machine.carry_out(steps);
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn a_replaced_cabinet_leaves_voids_and_doubts_and_its_late_journal_counts() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    let mut machine = Machine::on(&app, &seed).await;
    let (first, second) = (attempt_of(&order, 0), attempt_of(&order, 1));
    machine.run(first, &code_of(&order)).await;
    let cabinet = seed.cabinet;
    app.state
        .write(Actor::System, move |tx| service::vend::epoch_replaced(tx, cabinet))
        .await
        .expect("replaced");
    let after = app.order(&seed, &order).await;
    assert_eq!([&after["units"][0]["state"], &after["units"][1]["state"]], ["in_doubt", "refunded"]);
    machine.start(second, &code_of(&order)).await.problem(409, "attempt_void");
    let steps = machine.side.sensed(first, DROP, None);
    machine.carry_out(steps);
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["units"][0]["state"], "dispensed");
    app.sound().await;
}

#[actix_web::test]
async fn a_waiting_poll_hears_of_a_payment_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let path = format!("/cabinet/v1/work?cursor={}&wait=25", machine.cursor);
    let token = app.cabinet_token(&seed);
    let began = std::time::Instant::now();
    let (told, order) = futures_util::future::join(app.get(&token, &path), app.paid(&seed, &visit, 1)).await;
    let told = told.expect(200);
    assert_eq!(told["items"][0]["kind"], "vend");
    assert_eq!(told["items"][0]["attempt"], order["units"][0]["attempt"]["id"]);
    assert_ne!(told["cursor"], machine.cursor);
    assert!(began.elapsed().as_secs() < 20, "it was not woken");
}

#[actix_web::test]
async fn a_revoked_cabinet_is_refused_although_its_token_is_young() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let mut machine = Machine::on(&app, &seed).await;
    app.revoke_cabinet(&seed).await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(401, "device_revoked");
    machine.hello().await.problem(401, "device_revoked");
    machine.report().await.problem(401, "device_revoked");
    // Nobody can be authorised at a cabinet without a key.
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let body = json!({"prescription_id": prescription});
    let other = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let pay = format!("/api/v1/orders/{}/pay", other["id"].as_str().expect("an id"));
    app.post(&visit.token, &pay, json!({"method": "subsidy"})).await.problem(409, "cabinet_closed");
    app.sound().await;
}
