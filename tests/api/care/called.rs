//! A worker who leaves the screen while waiting keeps the place for a set time, and the screen calls them.

use serde_json::{Value, json};

use crate::support::{Caller, Station, TestApp, Worker, WorkerAtStation};
use coordination::Topic;
use service::consultation::sweep_absent;

const CALLED: &str = "/api/v1/station/called";

async fn sweep(app: &TestApp) -> usize {
    sweep_absent(&app.state).await.expect("a round")
}

async fn called(station: &Station<'_>) -> Vec<Value> {
    station.list(CALLED).await
}

/// Somebody who asks at a screen of their own.
async fn waits(app: &TestApp) -> (WorkerAtStation<'_>, String) {
    let worker = app.open_screen().await.check_in(Worker::walk_in()).await;
    let id = worker.ask_for_doctor().await;
    app.pass(1);
    (worker, id)
}

#[actix_web::test]
async fn who_left_is_called_when_nobody_who_is_there_has_waited_longer() {
    let app = TestApp::open().await;
    let (first, first_id) = waits(&app).await;
    let (worker, id) = waits(&app).await;
    let (_third, _) = waits(&app).await;
    let shown = worker.consultation(&id).await;
    let number = shown["call_number"].as_str().expect("a number").to_owned();
    assert!(number.len() == 3 && number.parse::<u32>().is_ok(), "{number}");
    worker.leave().await.expect_ok();
    let left_at = app.now();
    app.pass(200);
    sweep(&app).await;
    assert_eq!(called(&worker.station).await, Vec::<Value>::new(), "somebody is before them");
    assert_eq!(app.logged("consultation.called").await, 0);
    first.cancel_consultation(&first_id).await.expect_ok();
    assert_eq!(sweep(&app).await, 0);
    let call = called(&worker.station).await;
    let held_until = app.now() + chrono::TimeDelta::seconds(300);
    let expected =
        json!({"call_number": number, "greeting": "样**", "called_at": app.now(), "held_until": held_until});
    assert_eq!(call, [expected], "no full name, and nothing of why");
    assert_eq!(called(&first.station).await, Vec::<Value>::new(), "only where they left");
    // They are called once, and the time counts from then.
    app.pass(299);
    assert!(app.now() > left_at + chrono::TimeDelta::seconds(300));
    assert_eq!((sweep(&app).await, app.logged("consultation.called").await), (0, 1));
    // Back at any screen, they are next.
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let answer = doctor.offers().await;
    assert!(answer.iter().all(|offer| offer["consultation_id"] != json!(id)));
    for offer in answer {
        doctor.decline(&offer).await.expect_ok();
    }
    app.sound().await;
}

#[actix_web::test]
async fn who_comes_back_is_called_no_more_and_has_their_place() {
    let app = TestApp::open().await;
    let (doctor, station) = (app.doctor().await, app.station().await);
    let worker = station.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    app.pass(1);
    let (_other, _) = waits(&app).await;
    worker.leave().await.expect_ok();
    sweep(&app).await;
    assert_eq!(called(&station).await.len(), 1);
    app.pass(250);
    let back = app.open_screen().await.check_in(Worker::adult()).await;
    assert_eq!(called(&station).await, Vec::<Value>::new());
    let shown = back.consultation(&id).await;
    assert_eq!((&shown["position"], &shown["worker"]["called_at"]), (&json!(1), &Value::Null));
    assert_eq!(shown["worker"]["held_until"], Value::Null);
    doctor.go_on_duty().await;
    assert!(doctor.offers().await.iter().any(|offer| offer["consultation_id"] == json!(id)));
    // Who leaves another screen is called there.
    for offer in doctor.open_offers().await {
        doctor.decline(&offer).await.expect_ok();
    }
    back.leave().await.expect_ok();
    sweep(&app).await;
    assert_eq!((called(&station).await.len(), called(&back.station).await.len()), (0, 1));
    assert_eq!(app.logged("consultation.called").await, 2);
    app.sound().await;
}

#[actix_web::test]
async fn an_emergency_is_called_at_once_and_whoever_does_not_come_loses_the_place() {
    let app = TestApp::open().await;
    let screen = app.open_screen().await;
    let first = app.open_screen().await.check_in(Worker::walk_in().phone("15500000001")).await;
    first.ask_with_chest_pain().await.expect_created();
    app.pass(1);
    let worker = screen.check_in(Worker::walk_in().phone("15500000002")).await;
    let asked = worker.ask_with_chest_pain().await.expect_created();
    worker.leave().await.expect_ok();
    sweep(&app).await;
    assert_eq!(called(&screen).await[0]["call_number"], asked["call_number"]);
    app.pass(299);
    assert_eq!(sweep(&app).await, 0);
    app.pass(1);
    assert_eq!(sweep(&app).await, 1);
    assert_eq!(called(&screen).await, Vec::<Value>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_screen_that_waits_is_woken_by_a_call() {
    let app = TestApp::open().await;
    let (worker, _) = waits(&app).await;
    worker.leave().await.expect_ok();
    let mut listener = app.state.coordination.listen(Topic::Screen(worker.station.id));
    let seen = listener.seen();
    let poll = app.client().get(format!("{}{CALLED}?wait=25", app.base)).bearer_auth(worker.station.token());
    let poll = tokio::spawn(poll.send());
    while app.state.metrics.long_polls.get() < 1 {
        tokio::task::yield_now().await;
    }
    sweep(&app).await;
    let polled: Value = poll.await.expect("joined").expect("answered").json().await.expect("JSON");
    assert_eq!(polled["items"].as_array().map(Vec::len), Some(1));
    assert!(listener.seen() > seen);
}
