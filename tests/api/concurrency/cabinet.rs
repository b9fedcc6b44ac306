//! Hellos of a cabinet, and an operator's closing of incidents, many times at once.

use diesel::prelude::*;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::{check_in, open_crowded_and_filled};
use crate::support::{
    Answer, CabinetMachine, Caller, TestApp, id_in,
    rush::{expect_equal, expect_tally, tally},
    vending::{attempt_of, code_of},
};
use domain::vend::BootId;
use service::Actor;
use storage::{
    on_backend,
    schema::{attempt, cabinet, cabinet_boot, incident},
};

fn boot(number: u8) -> BootId {
    BootId::from_bytes([number; 16])
}

/// The current boot of the cabinet, and the number of known boots.
async fn boots(app: &TestApp) -> (Option<String>, i64) {
    app.state
        .read(Actor::System, |conn, _| {
            let present = on_backend!(conn, c => cabinet::table.select(cabinet::boot_id).first(c))?;
            Ok((present, on_backend!(conn, c => cabinet_boot::table.count().get_result(c))?))
        })
        .await
        .expect("read")
}

/// The states of all attempts.
async fn attempts(app: &TestApp) -> Vec<String> {
    app.state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => attempt::table.order(attempt::state).select(attempt::state).load(c))?)
        })
        .await
        .expect("read")
}

async fn hellos(machine: &CabinetMachine<'_>, boots: &[BootId]) -> Vec<Answer> {
    let bodies: Vec<_> = boots.iter().map(|boot| machine.hello_body(*boot)).collect();
    join_all(bodies.iter().map(|body| machine.post("/cabinet/v1/hello", body))).await
}

#[actix_web::test]
async fn one_boot_that_says_hello_ten_times_at_once_has_booted_once() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve_and_pay(2).await;
    let machine = app.cabinet().await;
    machine.start_as(machine.side.boot_id(), attempt_of(&order, 0), &code_of(&order)).await.expect_ok();
    // Another hello of the current boot ends nothing.
    expect_tally(&hellos(&machine, &[machine.side.boot_id(); 10]).await, &[("200 done", 10)]);
    assert_eq!(attempts(&app).await, ["issued", "started"]);
    assert_eq!((boots(&app).await.1, app.logged("cabinet.booted").await), (1, 1));
    // A new one ends the old one, once.
    let answers = hellos(&machine, &[boot(7); 10]).await;
    expect_tally(&answers, &[("200 done", 10)]);
    expect_equal(&answers);
    assert_eq!((boots(&app).await, app.logged("cabinet.booted").await), ((Some(boot(7).to_string()), 2), 2));
    // The other pack comes from another slot now.
    assert_eq!(attempts(&app).await, ["in_doubt", "issued", "voided"]);
    assert_eq!((app.logged("attempt.in_doubt").await, app.logged("attempt.slot_closed").await), (1, 1));
    app.sound().await;
}

#[actix_web::test]
async fn of_ten_boots_that_say_hello_at_once_one_is_the_present_one() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve_and_pay(2).await;
    let machine = app.cabinet().await;
    let code = code_of(&order);
    machine.start_as(machine.side.boot_id(), attempt_of(&order, 0), &code).await.expect_ok();
    let ten: Vec<BootId> = (1..=10).map(boot).collect();
    expect_tally(&hellos(&machine, &ten).await, &[("200 done", 10)]);
    let (present, heard) = boots(&app).await;
    assert_eq!((heard, app.logged("cabinet.booted").await), (11, 11));
    assert_eq!(attempts(&app).await, ["in_doubt", "issued", "voided"]);
    assert_eq!((app.logged("attempt.in_doubt").await, app.logged("attempt.voided").await), (1, 1));
    // The hellos of the other boots are late from now on, whatever their order was.
    expect_tally(&hellos(&machine, &ten).await, &[("200 done", 1), ("409 boot_unknown", 9)]);
    assert_eq!(boots(&app).await, (present, 11));
    app.sound().await;
}

#[actix_web::test]
async fn a_start_and_the_next_boots_hello_do_not_pass_each_other() {
    let app = open_crowded_and_filled().await;
    let worker = check_in(&app).await;
    let order = worker.reserve_and_pay(1).await;
    let machine = app.cabinet().await;
    let (old, code, attempt) = (machine.side.boot_id(), code_of(&order), attempt_of(&order, 0));
    let starts = join_all((0..6).map(|_| machine.start_as(old, attempt, &code)));
    let (started, heard) = join(starts, hellos(&machine, &[boot(1), boot(2), boot(1), boot(2)])).await;
    let counts = tally(&heard);
    assert!(counts.keys().all(|what| what == "200 done" || what == "409 boot_unknown"), "{counts:?}");
    // Granted to the old boot and now in doubt, or never granted to it.
    let granted = started.iter().filter(|answer| answer.status == 200).count();
    let late = started.iter().filter(|answer| answer.status != 200);
    let wanted = if granted > 0 { "attempt_in_doubt" } else { "boot_unknown" };
    for refused in late {
        assert_eq!(refused.body["code"], wanted, "{granted} were granted: {}", refused.body);
    }
    let state = if granted > 0 { "in_doubt" } else { "issued" };
    assert_eq!(attempts(&app).await, [state]);
    assert_eq!(app.logged("attempt.started").await, i64::from(granted > 0));
    assert_eq!(app.logged("attempt.in_doubt").await, i64::from(granted > 0));
    app.sound().await;
}

#[actix_web::test]
async fn ten_operators_close_one_incident_once() {
    let app = TestApp::open_crowded().await;
    let operator = app.operator().await;
    let machine = app.cabinet().await;
    let mut alarm = machine.hello_body(machine.side.boot_id());
    alarm["tampered"] = json!(true);
    let note = json!({"note": "样例：外壳已检查"});
    for (round, key) in [(1, None), (2, Some("ten-at-once-3"))] {
        machine.post("/cabinet/v1/hello", &alarm).await.expect_ok();
        let open = operator.list("/api/v1/incidents?open=true").await;
        let path = format!("/api/v1/incidents/{}/close", id_in(&open[0]));
        if let Some(key) = key {
            let answers = app.rush_with_key(10, &operator.person.token, &path, key, &note).await;
            expect_tally(&answers, &[("200 done", 10)]);
            expect_equal(&answers);
        } else {
            let answers = app.rush(10, &operator.person.token, &path, &note).await;
            expect_tally(&answers, &[("200 done", 1), ("409 state_moved_on", 9)]);
        }
        assert_eq!(app.logged("incident.closed").await, round);
        assert_eq!(app.logged("cabinet.tamper_cleared").await, round);
        let (open, tampered): (i64, bool) = app
            .state
            .read(Actor::System, |conn, _| {
                let open = incident::table.filter(incident::closed_at.is_null());
                let open = on_backend!(conn, c => open.count().get_result(c))?;
                Ok((open, on_backend!(conn, c => cabinet::table.select(cabinet::tampered).first(c))?))
            })
            .await
            .expect("read");
        assert_eq!((open, tampered), (0, false));
    }
}
