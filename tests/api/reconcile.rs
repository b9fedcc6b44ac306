//! What the server knows stops START: a journal or a slot that differs from the stock
//! records, a clock that has gone back, a key that was revoked meanwhile.

use diesel::prelude::*;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::support::{
    CabinetMachine, Caller, Code, TestApp, Worker,
    engines::{Engine, engine},
    machine::DROP,
    vending::{OTC, RX, attempt_of, code_of},
    waiting::until_a_statement_waits,
};
use domain::vend::{BootId, journal::Body};
use service::Actor;
use storage::{on_backend, schema::cabinet};

const HELLO: &str = "/cabinet/v1/hello";

fn boot(number: u8) -> BootId {
    BootId::from_bytes([number; 16])
}

/// A slot as a cabinet reports it.
fn reported(slot: i32, product: &str, lot: &str, count: u32) -> Value {
    json!({"slot": slot, "product_code": product, "lot_no": lot, "expires_on": "2027-06-30", "count": count})
}

#[actix_web::test]
async fn nothing_starts_while_a_slot_holds_another_product_than_the_books() {
    let app = TestApp::open_filled().await;
    let other = app.another().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let machine = app.cabinet().await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let say_hello = async |slots: Value| {
        let mut hello = machine.hello_body(machine.side.boot_id());
        hello["slots"] = slots;
        machine.post(HELLO, &hello).await.expect_ok()
    };
    for slots in [
        json!([reported(1, OTC, "B1", 2)]),
        json!([reported(1, RX, "L9", 2)]),
        // Another slot than the attempt's: as if all were shifted by one.
        json!([reported(1, RX, "L1", 2), reported(2, OTC, "B1", 3)]),
        json!([{"slot": 1, "product_code": null, "lot_no": null, "expires_on": null, "count": 1}]),
        // A slot that the server does not know.
        json!([reported(9, RX, "L1", 1)]),
    ] {
        assert_eq!(say_hello(slots.clone()).await["must_reconcile"], true);
        let refused = machine.start_as(machine.side.boot_id(), attempt, &code).await;
        refused.expect_refused(Code::CabinetNotReconciled);
        assert!(
            app.operator().await.discrepancies().await.iter().all(|kind| kind == "other_product"),
            "{slots}"
        );
    }
    // A slot that is not reported is not put right.
    assert_eq!(say_hello(json!([])).await["must_reconcile"], true);
    let refused = machine.start_as(machine.side.boot_id(), attempt, &code).await;
    refused.expect_refused(Code::CabinetNotReconciled);
    say_hello(json!([{"slot": 9, "product_code": null, "lot_no": null, "expires_on": null, "count": 0}]))
        .await;
    assert_eq!(
        app.operator().await.discrepancies().await,
        ["other_product", "other_product"],
        "slots 1 and 2"
    );
    // It is stored in the database: another instance knows it as well.
    assert_eq!(other.operator().await.discrepancies().await, ["other_product", "other_product"]);
    let mut elsewhere = other.cabinet().await;
    let mut wrong = elsewhere.hello_body(elsewhere.side.boot_id());
    wrong["slots"] = json!([reported(1, OTC, "B1", 2)]);
    elsewhere.post(HELLO, &wrong).await.expect_ok();
    assert!(app.operator().await.open_incidents().await.contains(&"wrong_slot".to_owned()));
    app.operator().await.close_incidents().await;
    // Closing the incidents does not put the slots right.
    elsewhere.start(attempt, &code).await.expect_refused(Code::CabinetNotReconciled);
    let mut right = elsewhere.hello_body(elsewhere.side.boot_id());
    right["slots"] = json!([reported(1, RX, "L1", 2), reported(2, RX, "L2", 1), reported(3, OTC, "B1", 3)]);
    elsewhere.post(HELLO, &right).await.expect_ok();
    elsewhere.vend(attempt, &code, DROP).await;
    elsewhere.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn a_restocker_who_scans_what_the_books_say_reconciles_the_slot() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let mut hello = machine.hello_body(machine.side.boot_id());
    hello["slots"] = json!([reported(2, OTC, "B1", 3)]);
    machine.post(HELLO, &hello).await.expect_ok();
    machine.start_pack(&order, 0).await.expect_refused(Code::CabinetNotReconciled);
    machine.load(2, (RX, "L2"), "2027-12-31", 0);
    machine.count(2, 3);
    machine.report().await.expect_ok();
    assert_eq!(app.operator().await.discrepancies().await, Vec::<String>::new());
    machine.start_pack(&order, 0).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn nothing_starts_before_the_journal_that_the_cabinet_has_is_there() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    for tenths in 200..203 {
        machine.write(Body::Temperature { tenths });
    }
    machine.power_cut().await;
    assert_eq!(app.operator().await.discrepancies().await, ["journal_behind"]);
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    machine.start(attempt, &code).await.expect_refused(Code::CabinetNotReconciled);
    let entries = machine.journal.from_seq(1).to_vec();
    machine.events(1, entries[..2].to_vec()).await.expect_ok();
    machine.start(attempt, &code).await.expect_refused(Code::CabinetNotReconciled);
    machine.events(1, entries).await.expect_ok();
    assert_eq!(app.operator().await.discrepancies().await, Vec::<String>::new());
    machine.start(attempt, &code).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn nothing_starts_with_a_journal_that_was_lost_or_rewritten() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let mut machine = app.cabinet().await;
    for tenths in 200..205 {
        machine.write(Body::Temperature { tenths });
    }
    machine.report().await.expect_ok();
    // Another disk: it has nothing of what the server has received.
    let mut other = app.cabinet().await;
    assert_eq!(app.operator().await.discrepancies().await, ["journal_lost"]);
    assert_eq!(app.operator().await.open_incidents().await, ["journal_lost"]);
    other.start(attempt, &code).await.expect_refused(Code::CabinetNotReconciled);
    other.write(Body::Temperature { tenths: 100 });
    other.report().await.expect_refused(Code::CabinetTampered);
    // A person closes the incidents, and the alarm ends: the journal still differs.
    app.operator().await.close_incidents().await;
    other.start(attempt, &code).await.expect_refused(Code::CabinetNotReconciled);
    let next = worker.reserve(1).await;
    worker.pay(&next).await.expect_refused(Code::CabinetNotReconciled);
    // The machine with the journal that the server received goes on.
    machine.runs_on();
    machine.hello().await.expect_ok();
    assert_eq!(app.operator().await.discrepancies().await, Vec::<String>::new());
    machine.start(attempt, &code).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn an_end_that_was_named_and_arrives_as_another_raises_the_alarm() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let mut hello = machine.hello_body(machine.side.boot_id());
    hello["journal"] = json!({"seq": 1, "hash": "ab".repeat(32)});
    machine.post(HELLO, &hello).await.expect_ok();
    machine.write(Body::Temperature { tenths: 200 });
    machine.report().await.expect_ok();
    assert_eq!(app.operator().await.discrepancies().await, ["journal_forked"]);
    machine.start_pack(&order, 0).await.expect_refused(Code::CabinetTampered);
    app.sound().await;
}

#[actix_web::test]
async fn a_cabinet_that_is_enrolled_again_begins_reconciled() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    machine.write(Body::Temperature { tenths: 200 });
    machine.report().await.expect_ok();
    app.cabinet().await;
    assert_eq!(app.operator().await.discrepancies().await, ["journal_lost"]);
    let wanted = json!({"kind": "cabinet", "station_id": worker.station.id});
    let made = app.operator().await.post("/api/v1/enrolment-codes", wanted).await.expect_created();
    let key = crypto::device::DeviceKey::generate().expect("a key");
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    app.post("", "/cabinet/v1/enrol", body).await.expect_created();
    assert_eq!(app.operator().await.discrepancies().await, Vec::<String>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_boot_whose_clock_went_back_is_a_new_boot() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let (attempt, code, own) = (attempt_of(&order, 0), code_of(&order), machine.side.boot_id());
    let hello_at = async |machine: &CabinetMachine<'_>, mono_ms: i64| {
        let mut hello = machine.hello_body(own);
        hello["mono_ms"] = json!(mono_ms);
        machine.post(HELLO, &hello).await.expect_ok();
    };
    hello_at(&machine, 9_000).await;
    machine.start(attempt, &code).await.expect_ok();
    // The same hello again, and a later one, end nothing.
    hello_at(&machine, 9_000).await;
    hello_at(&machine, 9_500).await;
    machine.start_as(own, attempt, &code).await.expect_ok();
    hello_at(&machine, 700).await;
    machine.start_as(own, attempt, &code).await.expect_refused(Code::AttemptInDoubt);
    assert_eq!(app.packs_in(1).await, (1, 0, 1, json!("in_doubt")));
    // The second boot with that id cannot speak for the first one, which had the
    // GRANT: its motor may have run.
    machine.write(Body::Abandoned { attempt });
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["units"][0]["state"], "in_doubt");
    app.sound().await;
    machine.write(Body::Dispensed { attempt, lot_no: "L1".into(), serial: None });
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["units"][0]["state"], "dispensed");
    app.sound().await;
}

#[actix_web::test]
async fn a_clock_that_goes_back_within_the_journal_is_seen_as_well() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let (attempt, code, own) = (attempt_of(&order, 0), code_of(&order), machine.side.boot_id());
    machine.journal.append(own, 5_000, app.now(), Body::Temperature { tenths: 200 });
    machine.report().await.expect_ok();
    machine.start(attempt, &code).await.expect_ok();
    // It drew the same id and sends no hello, but a reading and an abandonment.
    machine.journal.append(own, 10, app.now(), Body::Abandoned { attempt });
    machine.report().await.expect_ok();
    assert_eq!(worker.order(&order).await["units"][0]["state"], "in_doubt");
    machine.start_as(own, attempt, &code).await.expect_refused(Code::AttemptInDoubt);
    // And a hello that is older than the journal is one of a new boot, too.
    assert_eq!(app.logged("cabinet.booted").await, 2);
    app.sound().await;
}

#[actix_web::test]
async fn a_late_first_hello_of_an_older_boot_does_not_lock_the_living_one_out() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(2).await;
    // The older boot got its token, and its first hello is delayed.
    let (old_token, old) = (app.cabinet_token(app.network().await), boot(9));
    app.pass(20);
    let mut machine = app.cabinet().await;
    let (first, code) = (attempt_of(&order, 0), code_of(&order));
    machine.start(first, &code).await.expect_ok();
    let late = machine.hello_body(old);
    machine.post_with(&old_token, HELLO, &late).await.expect_refused(Code::BootUnknown);
    // The current boot goes on as if nothing had happened.
    machine.start_as(machine.side.boot_id(), first, &code).await.expect_ok();
    assert_eq!(app.logged("attempt.in_doubt").await, 0);
    // With the same token the late hello would count as a restart: what was started is
    // in doubt then, but the current boot is back with its next hello.
    machine.post(HELLO, &late).await.expect_ok();
    // The first one's doubt closed its slot: the second pack comes from another one.
    let order = worker.order(&order).await;
    let second = attempt_of(&order, 1);
    machine.start_as(machine.side.boot_id(), second, &code).await.expect_refused(Code::BootUnknown);
    machine.hello().await.expect_refused(Code::BootUnknown);
    machine.write(Body::Temperature { tenths: 200 });
    machine.hello().await.expect_ok();
    machine.report().await.expect_ok();
    machine.start_as(machine.side.boot_id(), second, &code).await.expect_ok();
    // The old boot stays over, and this does not count as a restart before a person's count.
    machine.post(HELLO, &late).await.expect_refused(Code::BootUnknown);
    machine.count(1, 1);
    machine.report().await.expect_ok();
    let resolved = app.operator().await.resolve(first, "not_dispensed").await;
    resolved.expect_refused(Code::CabinetNotRebooted);
    app.sound().await;
}

#[actix_web::test]
async fn after_its_key_is_revoked_no_cabinet_starts_though_it_waited_meanwhile() {
    for row in ["cabinet", "attempt"] {
        let app = TestApp::open_filled().await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        let order = worker.reserve_and_pay(1).await;
        let machine = app.cabinet().await;
        let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
        let operator = app.operator().await;
        if engine() == Engine::Sqlite {
            // Writers queue: either order is possible.
            let (started, revoked) = join(
                machine.start_as(machine.side.boot_id(), attempt, &code),
                operator.revoke(machine.device),
            )
            .await;
            revoked.expect(200);
            assert!([200, 401].contains(&started.status.as_u16()), "{}", started.body);
            machine
                .start_as(machine.side.boot_id(), attempt, &code)
                .await
                .expect_refused(Code::DeviceRevoked);
            continue;
        }
        // Another transaction has locked a row that START needs.
        let storage::Conn::Pg(mut holder) = app.connection() else { panic!("PostgreSQL") };
        let run = |conn: &mut PgConnection, sql: &str| {
            diesel::sql_query(sql).execute(conn).expect("executed");
        };
        run(&mut holder, "BEGIN");
        run(&mut holder, &format!("SELECT 1 FROM {row} FOR UPDATE"));
        let starting = machine.start_as(machine.side.boot_id(), attempt, &code);
        let meanwhile = async {
            until_a_statement_waits(&app).await;
            // The key is revoked while START waits for the row.
            operator.revoke(machine.device).await.expect_ok();
            run(&mut holder, "COMMIT");
        };
        let (started, ()) = join(starting, meanwhile).await;
        started.expect_refused(Code::DeviceRevoked);
        assert_eq!(app.logged("attempt.started").await, 0, "{row}");
        app.sound().await;
    }
}

#[actix_web::test]
async fn a_recall_lists_the_worker_whose_pack_is_on_its_way() {
    // Issued, started, in doubt, and come out: each may be in somebody's hand.
    for stage in ["issued", "started", "in_doubt", "dispensed"] {
        let app = TestApp::open_filled().await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        let order = worker.reserve_and_pay(1).await;
        let mut machine = app.cabinet().await;
        let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
        match stage {
            "issued" => {}
            "started" => machine.run(attempt, &code).await,
            "in_doubt" => {
                machine.run(attempt, &code).await;
                machine.power_cut().await;
            }
            _ => {
                machine.vend(attempt, &code, DROP).await;
                machine.report().await.expect_ok();
            }
        }
        let recalled = app.operator().await.recall(RX, "L1").await.expect_ok();
        assert_eq!(recalled["workers_served"], json!([worker.id]), "{stage}");
        app.sound().await;
    }
}

#[actix_web::test]
async fn a_recall_finds_whoever_got_the_lot_from_the_wrong_slot() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let attempt = attempt_of(&order, 0);
    machine.run(attempt, &code_of(&order)).await;
    machine.write(Body::Dispensed { attempt, lot_no: "L2".into(), serial: None });
    machine.report().await.expect_ok();
    let recalled = app.operator().await.recall(RX, "L2").await.expect_ok();
    assert_eq!(recalled["workers_served"], json!([worker.id]));
}

#[actix_web::test]
async fn a_drug_that_left_the_catalogue_does_not_start() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    let mut left = app.state.formulary().find(RX).expect("known").clone();
    left.in_formulary = false;
    app.state.write(Actor::System, move |tx| service::formulary::put(tx, &[&left])).await.expect("put");
    service::formulary::load(&app.state).await.expect("loaded");
    machine.start_pack(&order, 0).await.expect_refused(Code::LotNotAllowed);
}

#[actix_web::test]
async fn nobody_pays_for_packs_of_a_cabinet_with_an_alarm() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve(1).await;
    let mut machine = app.cabinet().await;
    machine.write(Body::Tamper { sensor: "lid".into() });
    machine.report().await.expect_ok();
    worker.pay(&order).await.expect_refused(Code::CabinetTampered);
    let tampered: bool = app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => cabinet::table.select(cabinet::tampered).first(c))?)
        })
        .await
        .expect("read");
    assert!(tampered);
    app.operator().await.close_incidents().await;
    worker.pay(&order).await.expect_ok();
    app.sound().await;
}
