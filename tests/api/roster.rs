//! A shift is moved, cut and cancelled, with effect at once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{harness::TestApp, seed::Seed};

const SHIFTS: &str = "/api/v1/shifts";

/// The shift that the seeded doctor is on now.
async fn present(app: &TestApp, seed: &Seed) -> Value {
    let list =
        app.get(&seed.operator.token, &format!("{SHIFTS}?staff_id={}", seed.doctor.id)).await.expect(200);
    list["items"][0].clone()
}

fn path_of(shift: &Value) -> String {
    format!("{SHIFTS}/{}", shift["id"].as_str().expect("an id"))
}

#[actix_web::test]
async fn who_is_taken_off_the_roster_is_off_duty_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let shift = present(&app, &seed).await;
    app.post(&seed.doctor_b.token, &format!("{}/cancel", path_of(&shift)), json!({}))
        .await
        .problem(403, "role_not_allowed");
    app.post(operator, &format!("{}/cancel", path_of(&shift)), json!({})).await.expect(200);
    let duty = app.get(doctor, "/api/v1/duty").await.expect(200);
    assert_eq!((&duty["presence"], &duty["on_shift_until"]), (&json!("off"), &Value::Null));
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.problem(422, "not_on_shift");
    app.get(operator, &path_of(&shift)).await.problem(404, "not_found");
    app.post(operator, &format!("{}/cancel", path_of(&shift)), json!({})).await.problem(404, "not_found");
}

#[actix_web::test]
async fn a_shift_that_is_cut_short_ends_duty_and_one_that_is_made_longer_keeps_it() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let shift = present(&app, &seed).await;
    let starts_at = shift["starts_at"].clone();
    let longer = json!({"starts_at": starts_at, "ends_at": "2026-11-23T20:00:00Z"});
    let moved = app.put(operator, &path_of(&shift), "\"1\"", longer).await.expect(200);
    assert_eq!(moved["ends_at"], "2026-11-23T20:00:00Z");
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "available");
    let over = json!({"starts_at": starts_at, "ends_at": "2026-11-23T01:59:00Z"});
    app.put(operator, &path_of(&shift), "\"2\"", over.clone()).await.expect(200);
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "off");
    // What is over is history.
    let told = app.put(operator, &path_of(&shift), "\"3\"", over).await.problem(409, "state_moved_on");
    assert_eq!(told["state"], "over");
}

#[actix_web::test]
async fn shifts_that_meet_are_refused_in_words() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let shift = |from: &str, to: &str| json!({"staff_id": seed.doctor.id, "starts_at": from, "ends_at": to});
    let early = shift("2026-11-25T00:00:00Z", "2026-11-25T08:00:00Z");
    let first = app.post(operator, SHIFTS, early).await.expect(201);
    let meets = shift("2026-11-25T07:00:00Z", "2026-11-25T09:00:00Z");
    let told = app.post(operator, SHIFTS, meets).await.problem(409, "already_exists");
    assert_eq!(told["errors"][0]["code"], "overlaps");
    assert!(told["errors"][0]["message"].as_str().expect("words").contains("2026-11-25T00:00:00Z"), "{told}");
    assert_eq!(told["data"]["shift"]["id"], first["id"]);
    let later = shift("2026-11-25T08:00:00Z", "2026-11-25T16:00:00Z");
    let second = app.post(operator, SHIFTS, later).await.expect(201);
    let into = json!({"starts_at": "2026-11-25T07:30:00Z", "ends_at": "2026-11-25T16:00:00Z"});
    app.put(operator, &path_of(&second), "\"1\"", into).await.problem(409, "already_exists");
    // It may meet itself.
    let own = json!({"starts_at": "2026-11-25T09:00:00Z", "ends_at": "2026-11-25T17:00:00Z"});
    app.put(operator, &path_of(&second), "\"1\"", own).await.expect(200);
}

#[actix_web::test]
async fn of_shifts_that_meet_and_come_at_once_one_comes_in() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let adds = (0..8).map(|at| {
        let body = json!({"staff_id": seed.doctor.id, "starts_at": format!("2026-11-25T0{at}:00:00Z"),
            "ends_at": "2026-11-25T12:00:00Z"});
        app.post(&seed.operator.token, SHIFTS, body)
    });
    let answers = join_all(adds).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 7);
}
