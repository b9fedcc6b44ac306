//! Consents, withdrawals, and the steps that need a consent, many times at once.

use std::{pin::pin, sync::Arc, time::Duration};

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::check_in;
use crate::support::{
    Answer, Caller, TestApp,
    rush::{expect_equal, expect_tally, tally},
};
use service::{Actor, vitals::ReadingsInput};
use storage::{
    on_backend,
    schema::{consent, consultation, reading},
};

const WITHDRAW: &str = "/api/v1/me/consents/withdraw";

fn care() -> Value {
    json!({"purpose": "health_care"})
}

/// The number of consents to care, and of those that are not withdrawn.
async fn stored(app: &TestApp) -> (i64, i64) {
    app.state
        .read(Actor::System, |conn, _| {
            let of_care = consent::table.filter(consent::purpose.eq("health_care"));
            let live = of_care.filter(consent::withdrawn_at.is_null());
            let all = on_backend!(conn, c => of_care.count().get_result(c))?;
            Ok((all, on_backend!(conn, c => live.count().get_result(c))?))
        })
        .await
        .expect("read")
}

fn heart_rate(app: &TestApp) -> Value {
    json!({"readings": [{"kind": "heart_rate", "value": 72, "unit": "/min", "device": "m-1",
        "measured_at": app.now()}]})
}

fn done(answers: &[Answer]) -> i64 {
    let done = answers.iter().filter(|answer| answer.status.is_success()).count();
    i64::try_from(done).expect("a few")
}

#[actix_web::test]
async fn ten_consents_are_one_and_ten_withdrawals_end_it_once() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let answers = app.rush(10, &worker.token, WITHDRAW, &care()).await;
    expect_tally(&answers, &[("200 done", 10)]);
    expect_equal(&answers);
    assert_eq!((stored(&app).await, app.logged("consent.withdrawn").await), ((1, 0), 1));
    let answers = app.rush(10, &worker.token, "/api/v1/me/consents", &care()).await;
    expect_tally(&answers, &[("201 done", 10)]);
    expect_equal(&answers);
    assert_eq!((stored(&app).await, app.logged("consent.granted").await), ((2, 1), 1));
}

#[actix_web::test]
async fn consents_and_withdrawals_at_once_leave_one_or_none() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let answers = join_all((0..16).map(|n| match n % 2 {
        0 => app.post(&worker.token, WITHDRAW, care()),
        _ => app.post(&worker.token, "/api/v1/me/consents", care()),
    }))
    .await;
    expect_tally(&answers, &[("200 done", 8), ("201 done", 8)]);
    let (all, live) = stored(&app).await;
    let (granted, withdrawn) = (app.logged("consent.granted").await, app.logged("consent.withdrawn").await);
    // The seeded one was not logged.
    assert_eq!((all, all - live), (granted + 1, withdrawn));
    assert!((0..=1).contains(&live), "{live} are live");
    let me = worker.get("/api/v1/me").await.expect_ok();
    assert_eq!(me["consents"], if live == 1 { json!(["health_care"]) } else { json!([]) });
}

#[actix_web::test]
async fn a_step_that_races_with_a_withdrawal_is_whole_or_refused() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let measured = heart_rate(&app);
    let asked = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let answers = join_all((0..24).map(|n| match n % 4 {
        0 => app.post(&worker.token, WITHDRAW, care()),
        1 => app.post(&worker.token, "/api/v1/consultations", asked.clone()),
        _ => app.post(&worker.token, "/api/v1/readings", measured.clone()),
    }))
    .await;
    tally(&answers);
    let (mut withdrawn, mut asking, mut measuring) = (Vec::new(), Vec::new(), Vec::new());
    for (n, answer) in answers.into_iter().enumerate() {
        let of_its_kind = match n % 4 {
            0 => &mut withdrawn,
            1 => &mut asking,
            _ => &mut measuring,
        };
        of_its_kind.push(answer);
    }
    expect_tally(&withdrawn, &[("200 done", 6)]);
    let (readings, talks): (i64, i64) = app
        .state
        .read(Actor::System, |conn, _| {
            let readings = on_backend!(conn, c => reading::table.count().get_result(c))?;
            Ok((readings, on_backend!(conn, c => consultation::table.count().get_result(c))?))
        })
        .await
        .expect("read");
    assert_eq!((done(&measuring), app.logged("readings.recorded").await), (readings, readings));
    assert_eq!((done(&asking), app.logged("consultation.requested").await), (talks, talks));
    assert!(talks <= 1);
    for refused in measuring.iter().filter(|answer| !answer.status.is_success()) {
        assert_eq!(refused.body["code"], "consent_missing", "{}", refused.body);
    }
    // Every reading after the withdrawal is refused.
    assert_eq!((stored(&app).await, app.logged("consent.withdrawn").await), ((1, 0), 1));
    let late = app.rush(5, &worker.token, "/api/v1/readings", &measured).await;
    expect_tally(&late, &[("422 consent_missing", 5)]);
}

#[actix_web::test]
async fn a_withdrawal_waits_for_the_step_that_came_first() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let (began, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let Actor::Worker(caller) = app.caller(&worker.token) else { panic!("a worker's token") };
    let input: ReadingsInput = serde_json::from_value(heart_rate(&app)).expect("readings");
    let store = Arc::clone(&app.state);
    let step = tokio::spawn(async move {
        let write = store.write(Actor::System, move |tx| {
            let written = service::vitals::record(tx, caller, &input);
            began.send(()).expect("the test waits");
            let _ended = released.recv();
            written
        });
        write.await
    });
    has_begun.recv().await.expect("the step runs");
    let mut withdrawal = pin!(app.post(&worker.token, WITHDRAW, care()));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut withdrawal).await;
    assert!(early.is_err(), "health data would be stored after its consent was withdrawn");
    release.send(()).expect("the step waits");
    step.await.expect("run").expect("written");
    assert_eq!(withdrawal.await.expect_ok()["consents"], json!([]));
}
