//! A worker who leaves the screen while waiting keeps the place for a set time, and the screen calls them.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::{Caller, Station, TestApp, Worker, WorkerAtStation};
use coordination::Topic;
use domain::ids::{ConsultationId, StationId};
use service::consultation::sweep_absent;
use storage::{on_backend, schema::consultation};

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
async fn who_left_is_called_when_somebody_behind_them_is_served() {
    let app = TestApp::open().await;
    let (first, _) = waits(&app).await;
    let (worker, id) = waits(&app).await;
    let (_third, _) = waits(&app).await;
    let shown = worker.consultation(&id).await;
    let number = shown["call_number"].as_str().expect("a number").to_owned();
    assert!(number.len() == 3 && number.parse::<u32>().is_ok(), "{number}");
    worker.leave().await.expect_ok();
    let left_at = app.now();
    app.pass(200);
    sweep(&app).await;
    assert_eq!(called(&worker.station).await, Vec::<Value>::new(), "nobody could serve them");
    assert_eq!(app.logged("consultation.called").await, 0);
    // The doctor has two places: for the first, and then it is their turn.
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    assert_eq!(doctor.offers().await.len(), 2);
    assert_eq!(sweep(&app).await, 0);
    let call = called(&worker.station).await;
    let (called_at, held_until) = (app.now(), app.now() + TimeDelta::seconds(300));
    let expected = json!({"call_number": number, "greeting": "样**", "called_at": called_at,
        "last_called_at": called_at, "held_until": held_until});
    assert_eq!(call, [expected], "no full name, and nothing of why");
    assert_eq!(called(&first.station).await, Vec::<Value>::new(), "only where they left");
    // The call is repeated every minute while the place is held; the time counts from the first.
    app.pass(59);
    assert_eq!(called(&worker.station).await[0]["last_called_at"], json!(called_at));
    app.pass(62);
    assert_eq!(sweep(&app).await, 0);
    let again = &called(&worker.station).await[0];
    assert_eq!(
        (&again["called_at"], &again["last_called_at"], &again["held_until"]),
        (&json!(called_at), &json!(called_at + TimeDelta::seconds(120)), &json!(held_until))
    );
    app.pass(178);
    assert!(app.now() > left_at + TimeDelta::seconds(300));
    assert_eq!((sweep(&app).await, app.logged("consultation.called").await), (0, 1));
    app.pass(1);
    assert_eq!(sweep(&app).await, 1);
    assert_eq!(called(&worker.station).await, Vec::<Value>::new());
    app.sound().await;
}

#[actix_web::test]
async fn who_left_is_called_when_a_doctor_who_could_take_them_is_free() {
    let app = TestApp::open().await;
    let (first, _) = waits(&app).await;
    let worker = app.asks_for(1, "dermatology").await;
    app.pass(1);
    for one in [&first, &worker.worker] {
        one.leave().await.expect_ok();
    }
    // A doctor of another department, whose place is for none of them.
    app.doctor_of("surgery").await;
    sweep(&app).await;
    assert_eq!(app.logged("consultation.called").await, 0);
    // A general practitioner serves both: dermatology has nobody, and goes on there. The one who has
    // waited for longer is called first, and there is a place for each.
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    sweep(&app).await;
    assert_eq!((called(&first.station).await.len(), called(&worker.worker.station).await.len()), (1, 1));
    app.sound().await;
}

/// Where they left was not stored before version 0.3.0.
#[actix_web::test]
async fn who_left_before_an_upgrade_is_called_where_they_asked() {
    let app = TestApp::open().await;
    let (worker, id) = waits(&app).await;
    worker.leave().await.expect_ok();
    let id: ConsultationId = id.parse().expect("an id");
    let mut conn = app.connection();
    let row = diesel::update(consultation::table.find(id));
    let nowhere = consultation::left_station_id.eq(None::<StationId>);
    on_backend!(&mut conn, c => row.set(nowhere).execute(c)).expect("changed");
    app.doctor().await.go_on_duty().await;
    let mut listener = app.state.coordination.listen(Topic::Screen(worker.station.id));
    let seen = listener.seen();
    sweep(&app).await;
    assert_eq!(called(&worker.station).await.len(), 1);
    assert!(listener.seen() > seen);
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
    doctor.go_on_duty().await;
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
    app.doctor().await.go_on_duty().await;
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
