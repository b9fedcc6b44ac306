//! What the server knows stops START: a journal or a slot that is another than
//! the books say, a clock that has gone back, a key that was revoked meanwhile.

use diesel::prelude::*;
use futures_util::future::join;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, engine},
    harness::TestApp,
    machine::{DROP, Machine},
    seed::Seed,
    vending::{OTC, RX, Visit, attempt_of, code_of},
};
use domain::{
    stock::SlotNo,
    vend::{BootId, journal::Body},
};
use service::Actor;
use storage::{
    on_backend,
    schema::{cabinet, product},
};

const HELLO: &str = "/cabinet/v1/hello";

fn slot(number: i32) -> SlotNo {
    SlotNo::new(number).expect("a slot")
}

fn boot(number: u8) -> BootId {
    BootId::from_bytes([number; 16])
}

/// A slot as a cabinet reports it.
fn holds(slot: i32, product: &str, lot: &str, count: u32) -> Value {
    json!({"slot": slot, "product_code": product, "lot_no": lot, "expires_on": "2027-06-30", "count": count})
}

async fn paid(packs: i32) -> (TestApp, Seed, Visit, Value) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, packs).await;
    (app, seed, visit, order)
}

/// What stands between the cabinet and the books, as an operator sees it.
async fn standing(app: &TestApp, seed: &Seed) -> Vec<String> {
    let path = format!("/api/v1/cabinets/{}", seed.cabinet);
    let view = app.get(&app.operator_token(seed), &path).await.expect(200);
    let items = view["discrepancies"].as_array().expect("a list").clone();
    items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect()
}

async fn close_incidents(app: &TestApp, seed: &Seed) {
    let token = app.operator_token(seed);
    let list = app.get(&token, "/api/v1/incidents?open=true").await.expect(200);
    for item in list["items"].as_array().expect("items") {
        let path = format!("/api/v1/incidents/{}/close", item["id"].as_str().expect("an id"));
        app.post(&token, &path, json!({"note": "样例"})).await.expect(200);
    }
}

#[actix_web::test]
async fn nothing_starts_while_a_slot_holds_another_product_than_the_books() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 1).await;
    let machine = Machine::on(&app, &seed).await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let said = async |slots: Value| {
        let mut hello = machine.hello_body(machine.side.boot_id());
        hello["slots"] = slots;
        machine.post(HELLO, &hello).await.expect(200)
    };
    for other in [
        json!([holds(1, OTC, "B1", 2)]),
        json!([holds(1, RX, "L9", 2)]),
        // Another slot than the attempt's: as if all were shifted by one.
        json!([holds(1, RX, "L1", 2), holds(2, OTC, "B1", 3)]),
        json!([{"slot": 1, "product_code": null, "lot_no": null, "expires_on": null, "count": 1}]),
        // A place that the books do not have.
        json!([holds(9, RX, "L1", 1)]),
    ] {
        assert_eq!(said(other.clone()).await["must_reconcile"], true);
        let refused = machine.start_as(machine.side.boot_id(), attempt, &code).await;
        refused.problem(409, "cabinet_not_reconciled");
        assert!(standing(&app, &seed).await.iter().all(|kind| kind == "other_product"), "{other}");
    }
    // To say nothing of a slot is not to put it right.
    assert_eq!(said(json!([])).await["must_reconcile"], true);
    let refused = machine.start_as(machine.side.boot_id(), attempt, &code).await;
    refused.problem(409, "cabinet_not_reconciled");
    said(json!([{"slot": 9, "product_code": null, "lot_no": null, "expires_on": null, "count": 0}])).await;
    assert_eq!(standing(&app, &seed).await, ["other_product", "other_product"], "slots 1 and 2");
    // It stands in the database: another instance knows as well.
    assert_eq!(standing(&other, &seed).await, ["other_product", "other_product"]);
    let mut elsewhere = Machine::on(&other, &seed).await;
    let mut wrong = elsewhere.hello_body(elsewhere.side.boot_id());
    wrong["slots"] = json!([holds(1, OTC, "B1", 2)]);
    elsewhere.post(HELLO, &wrong).await.expect(200);
    assert!(app.open_incidents(&seed).await.contains(&"wrong_slot".to_owned()));
    close_incidents(&app, &seed).await;
    // To have looked is not to have put it right.
    elsewhere.start(attempt, &code).await.problem(409, "cabinet_not_reconciled");
    let mut right = elsewhere.hello_body(elsewhere.side.boot_id());
    right["slots"] = json!([holds(1, RX, "L1", 2), holds(2, RX, "L2", 1), holds(3, OTC, "B1", 3)]);
    elsewhere.post(HELLO, &right).await.expect(200);
    elsewhere.vend(attempt, &code, DROP).await;
    elsewhere.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["state"], "completed");
    app.sound().await;
}

#[actix_web::test]
async fn a_restocker_who_scans_what_the_books_say_reconciles_the_slot() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let mut hello = machine.hello_body(machine.side.boot_id());
    hello["slots"] = json!([holds(2, OTC, "B1", 3)]);
    machine.post(HELLO, &hello).await.expect(200);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "cabinet_not_reconciled");
    machine.write(Body::Restock {
        slot: slot(2),
        product_code: RX.into(),
        lot_no: "L2".into(),
        expires_on: "2027-12-31".parse().expect("a day"),
        packs: 0,
    });
    machine.write(Body::Count { slot: slot(2), n: 3 });
    machine.report().await.expect(200);
    assert_eq!(standing(&app, &seed).await, Vec::<String>::new());
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn nothing_starts_before_the_journal_that_the_cabinet_has_is_there() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    for tenths in 200..203 {
        machine.write(Body::Temperature { tenths });
    }
    machine.power_cut().await;
    assert_eq!(standing(&app, &seed).await, ["journal_behind"]);
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    machine.start(attempt, &code).await.problem(409, "cabinet_not_reconciled");
    let entries = machine.journal.from_seq(1).to_vec();
    machine.events(1, entries[..2].to_vec()).await.expect(200);
    machine.start(attempt, &code).await.problem(409, "cabinet_not_reconciled");
    machine.events(1, entries).await.expect(200);
    assert_eq!(standing(&app, &seed).await, Vec::<String>::new());
    machine.start(attempt, &code).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn nothing_starts_with_a_journal_that_was_lost_or_rewritten() {
    let (app, seed, visit, order) = paid(1).await;
    let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
    let mut machine = Machine::on(&app, &seed).await;
    for tenths in 200..205 {
        machine.write(Body::Temperature { tenths });
    }
    machine.report().await.expect(200);
    // Another disk: it has nothing of what had arrived.
    let mut other = Machine::on(&app, &seed).await;
    assert_eq!(standing(&app, &seed).await, ["journal_lost"]);
    assert_eq!(app.open_incidents(&seed).await, ["journal_lost"]);
    other.start(attempt, &code).await.problem(409, "cabinet_not_reconciled");
    other.write(Body::Temperature { tenths: 100 });
    other.report().await.problem(409, "cabinet_tampered");
    // A person looks, and the alarm ends: the journal is still another.
    close_incidents(&app, &seed).await;
    other.start(attempt, &code).await.problem(409, "cabinet_not_reconciled");
    let body = json!({"prescription_id": app.prescribe(&seed, &visit, 1).await});
    let next = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let pay = format!("/api/v1/orders/{}/pay", next["id"].as_str().expect("an id"));
    let refused = app.post(&visit.token, &pay, json!({"method": "subsidy"})).await;
    refused.problem(409, "cabinet_not_reconciled");
    // Whoever has the journal that arrived goes on.
    machine.runs_on();
    machine.hello().await.expect(200);
    assert_eq!(standing(&app, &seed).await, Vec::<String>::new());
    machine.start(attempt, &code).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn an_end_that_was_named_and_arrives_as_another_raises_the_alarm() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let mut hello = machine.hello_body(machine.side.boot_id());
    hello["journal"] = json!({"seq": 1, "hash": "ab".repeat(32)});
    machine.post(HELLO, &hello).await.expect(200);
    machine.write(Body::Temperature { tenths: 200 });
    machine.report().await.expect(200);
    assert_eq!(standing(&app, &seed).await, ["journal_forked"]);
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(409, "cabinet_tampered");
    app.sound().await;
}

#[actix_web::test]
async fn a_cabinet_that_is_enrolled_again_begins_reconciled() {
    let (app, seed, _visit, _order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::Temperature { tenths: 200 });
    machine.report().await.expect(200);
    Machine::on(&app, &seed).await;
    assert_eq!(standing(&app, &seed).await, ["journal_lost"]);
    let wanted = json!({"kind": "cabinet", "station_id": seed.station});
    let made = app.post(&app.operator_token(&seed), "/api/v1/enrolment-codes", wanted).await.expect(201);
    let key = crypto::device::DeviceKey::generate().expect("a key");
    let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
    app.post("", "/cabinet/v1/enrol", body).await.expect(201);
    assert_eq!(standing(&app, &seed).await, Vec::<String>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_boot_whose_clock_went_back_is_a_new_boot() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let (attempt, code, own) = (attempt_of(&order, 0), code_of(&order), machine.side.boot_id());
    let at = async |machine: &Machine<'_>, mono_ms: i64| {
        let mut hello = machine.hello_body(own);
        hello["mono_ms"] = json!(mono_ms);
        machine.post(HELLO, &hello).await.expect(200);
    };
    at(&machine, 9_000).await;
    machine.start(attempt, &code).await.expect(200);
    // The same word again, and a later one, end nothing.
    at(&machine, 9_000).await;
    at(&machine, 9_500).await;
    machine.start_as(own, attempt, &code).await.expect(200);
    at(&machine, 700).await;
    machine.start_as(own, attempt, &code).await.problem(409, "attempt_in_doubt");
    assert_eq!(app.slot(&seed, 1).await, (1, 0, 1, json!("in_doubt")));
    // What the second boot of that name says is not the word of the first, which
    // had the GRANT: its motor may have run.
    machine.write(Body::Abandoned { attempt });
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["units"][0]["state"], "in_doubt");
    app.sound().await;
    machine.write(Body::Dispensed { attempt, lot_no: "L1".into(), serial: None });
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["units"][0]["state"], "dispensed");
    app.sound().await;
}

#[actix_web::test]
async fn a_clock_that_goes_back_within_the_journal_is_seen_as_well() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let (attempt, code, own) = (attempt_of(&order, 0), code_of(&order), machine.side.boot_id());
    machine.journal.append(own, 5_000, app.now(), Body::Temperature { tenths: 200 });
    machine.report().await.expect(200);
    machine.start(attempt, &code).await.expect(200);
    // It drew the same id, and says no hello: first this, then that it gave up.
    machine.journal.append(own, 10, app.now(), Body::Abandoned { attempt });
    machine.report().await.expect(200);
    assert_eq!(app.order(&seed, &order).await["units"][0]["state"], "in_doubt");
    machine.start_as(own, attempt, &code).await.problem(409, "attempt_in_doubt");
    // And a hello that is older than what the journal told is one of a new boot, too.
    assert_eq!(app.logged("cabinet.booted").await, 2);
    app.sound().await;
}

#[actix_web::test]
async fn a_late_first_hello_of_an_older_boot_does_not_lock_the_living_one_out() {
    let (app, seed, _visit, order) = paid(2).await;
    // The older boot got its token, and its first word stays on the line.
    let (old_token, old) = (app.cabinet_token(&seed), boot(9));
    app.pass(20);
    let mut machine = Machine::on(&app, &seed).await;
    let (first, code) = (attempt_of(&order, 0), code_of(&order));
    machine.start(first, &code).await.expect(200);
    let late = machine.hello_body(old);
    machine.post_with(&old_token, HELLO, &late).await.problem(409, "boot_unknown");
    // The living one goes on as if nothing had been.
    machine.start_as(machine.side.boot_id(), first, &code).await.expect(200);
    assert_eq!(app.logged("attempt.in_doubt").await, 0);
    // Were the tokens alike, the late word would pass for a restart: what was
    // started is in doubt then, but by its next word the living one is back.
    machine.post(HELLO, &late).await.expect(200);
    // The first one's doubt closed its slot: the second pack comes from another one.
    let order = app.order(&seed, &order).await;
    let second = attempt_of(&order, 1);
    machine.start_as(machine.side.boot_id(), second, &code).await.problem(409, "boot_unknown");
    machine.hello().await.problem(409, "boot_unknown");
    machine.write(Body::Temperature { tenths: 200 });
    machine.hello().await.expect(200);
    machine.report().await.expect(200);
    machine.start_as(machine.side.boot_id(), second, &code).await.expect(200);
    // The dead one stays dead, and a person's count does not take this for a restart.
    machine.post(HELLO, &late).await.problem(409, "boot_unknown");
    let resolve = format!("/api/v1/attempts/{first}/resolve");
    machine.write(Body::Count { slot: slot(1), n: 1 });
    machine.report().await.expect(200);
    let decision = json!({"decision": "not_dispensed"});
    let told = app.post(&app.operator_token(&seed), &resolve, decision).await;
    told.problem(409, "cabinet_not_rebooted");
    app.sound().await;
}

#[actix_web::test]
async fn after_its_key_is_revoked_no_cabinet_starts_though_it_waited_meanwhile() {
    for row in ["cabinet", "orders"] {
        let (app, seed, _visit, order) = paid(1).await;
        let machine = Machine::on(&app, &seed).await;
        let (attempt, code) = (attempt_of(&order, 0), code_of(&order));
        let revoke = format!("/api/v1/devices/{}/revoke", seed.cabinet_device);
        let operator = app.operator_token(&seed);
        if engine() == Engine::Sqlite {
            // Writers stand in line: whoever is first is first.
            let (started, revoked) = join(
                machine.start_as(machine.side.boot_id(), attempt, &code),
                app.post(&operator, &revoke, json!({})),
            )
            .await;
            revoked.expect(200);
            assert!([200, 401].contains(&started.status.as_u16()), "{}", started.body);
            machine.start_as(machine.side.boot_id(), attempt, &code).await.problem(401, "device_revoked");
            continue;
        }
        // Somebody holds a row that START needs.
        let storage::Conn::Pg(mut holder) = app.connection() else { panic!("PostgreSQL") };
        let say = |conn: &mut PgConnection, sql: &str| {
            diesel::sql_query(sql).execute(conn).expect("said");
        };
        say(&mut holder, "BEGIN");
        say(&mut holder, &format!("SELECT 1 FROM {row} FOR UPDATE"));
        let starting = machine.start_as(machine.side.boot_id(), attempt, &code);
        let meanwhile = async {
            until_somebody_waits(&app).await;
            // The key is revoked while START stands there.
            app.post(&operator, &revoke, json!({})).await.expect(200);
            say(&mut holder, "COMMIT");
        };
        let (started, ()) = join(starting, meanwhile).await;
        started.problem(401, "device_revoked");
        assert_eq!(app.logged("attempt.started").await, 0, "{row}");
        app.sound().await;
    }
}

/// Returns once a statement waits for a row that another transaction holds.
async fn until_somebody_waits(app: &TestApp) {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let storage::Conn::Pg(mut conn) = app.connection() else { panic!("PostgreSQL") };
    loop {
        let found: Waiting = diesel::sql_query(
            "SELECT count(*) AS number FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .get_result(&mut conn)
        .expect("read");
        if found.number > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn a_recall_lists_the_worker_whose_pack_is_on_its_way() {
    // Issued, started, in doubt, and come out: each may be in somebody's hand.
    for stage in ["issued", "started", "in_doubt", "dispensed"] {
        let (app, seed, _visit, order) = paid(1).await;
        let mut machine = Machine::on(&app, &seed).await;
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
                machine.report().await.expect(200);
            }
        }
        let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "样例"});
        let told = app.post(&app.operator_token(&seed), "/api/v1/lots/recall", recall).await.expect(200);
        assert_eq!(told["workers_served"], json!([seed.worker]), "{stage}");
        app.sound().await;
    }
}

#[actix_web::test]
async fn a_recall_finds_whoever_got_the_lot_from_the_wrong_slot() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    let attempt = attempt_of(&order, 0);
    machine.run(attempt, &code_of(&order)).await;
    machine.write(Body::Dispensed { attempt, lot_no: "L2".into(), serial: None });
    machine.report().await.expect(200);
    let recall = json!({"product_code": RX, "lot_no": "L2", "reason": "样例"});
    let told = app.post(&app.operator_token(&seed), "/api/v1/lots/recall", recall).await.expect(200);
    assert_eq!(told["workers_served"], json!([seed.worker]));
}

#[actix_web::test]
async fn a_drug_that_left_the_catalogue_does_not_start() {
    let (app, seed, _visit, order) = paid(1).await;
    let mut machine = Machine::on(&app, &seed).await;
    app.state
        .write(Actor::System, |tx| {
            on_backend!(tx.conn, c => diesel::update(product::table.find(RX))
                .set(product::in_formulary.eq(false))
                .execute(c))?;
            Ok(())
        })
        .await
        .expect("left");
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.problem(422, "lot_not_allowed");
}

#[actix_web::test]
async fn nobody_pays_for_packs_of_a_cabinet_with_an_alarm() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let body = json!({"prescription_id": app.prescribe(&seed, &visit, 1).await});
    let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let mut machine = Machine::on(&app, &seed).await;
    machine.write(Body::Tamper { sensor: "lid".into() });
    machine.report().await.expect(200);
    let pay = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
    let refused = app.post(&visit.token, &pay, json!({"method": "subsidy"})).await;
    refused.problem(409, "cabinet_tampered");
    let tampered: bool = app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => cabinet::table.select(cabinet::tampered).first(c))?)
        })
        .await
        .expect("read");
    assert!(tampered);
    close_incidents(&app, &seed).await;
    app.post(&visit.token, &pay, json!({"method": "subsidy"})).await.expect(200);
    app.sound().await;
}
