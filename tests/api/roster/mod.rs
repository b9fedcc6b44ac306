//! The roster. Here, a shift is moved, shortened and cancelled, with effect at once.

mod coordinator;
mod files;
mod histories;
mod leave;
mod rules;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Person, Seed},
    support::{Caller, Worker},
};
use domain::staff::role::Role;

const SHIFTS: &str = "/api/v1/shifts";

/// The seeded doctor's current shift.
async fn current_shift(app: &TestApp, seed: &Seed) -> Value {
    let list =
        app.get(&seed.operator.token, &format!("{SHIFTS}?staff_id={}", seed.doctor.id)).await.expect(200);
    list["items"][0].clone()
}

/// All shifts of somebody that have not ended: start, end, and whether they are of a rule.
async fn shifts_of(app: &TestApp, token: &str, person: &Person) -> Vec<(String, String, bool)> {
    let list = app.get(token, &format!("{SHIFTS}?staff_id={}&limit=100", person.id)).await.expect(200);
    assert_eq!(list["next_after"], Value::Null);
    let text = |item: &Value, name: &str| item[name].as_str().expect("an instant").to_owned();
    let items = list["items"].as_array().expect("a list");
    let mut found: Vec<_> = items
        .iter()
        .map(|item| (text(item, "starts_at"), text(item, "ends_at"), !item["rule_id"].is_null()))
        .collect();
    found.sort();
    found
}

/// The starts of somebody's shifts that follow from rules.
async fn planned_for(app: &TestApp, token: &str, person: &Person) -> Vec<String> {
    let all = shifts_of(app, token, person).await;
    all.into_iter().filter(|(_, _, of_rule)| *of_rule).map(|(start, _, _)| start).collect()
}

/// Somebody who has just signed in: a session ends after twelve hours.
async fn operator_now(app: &TestApp) -> Person {
    let email = format!("operator-{}@example.cn", app.now().timestamp());
    app.person(Role::Operator, &email, None, None).await
}

fn path_of(shift: &Value) -> String {
    format!("{SHIFTS}/{}", shift["id"].as_str().expect("an id"))
}

#[actix_web::test]
async fn cancelling_a_shift_takes_its_doctor_off_duty_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let shift = current_shift(&app, &seed).await;
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
async fn a_shortened_shift_ends_duty_and_an_extended_one_keeps_it() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let shift = current_shift(&app, &seed).await;
    let starts_at = shift["starts_at"].clone();
    let longer = json!({"starts_at": starts_at, "ends_at": "2026-11-23T20:00:00Z"});
    let moved = app.put(operator, &path_of(&shift), "\"1\"", longer).await.expect(200);
    assert_eq!(moved["ends_at"], "2026-11-23T20:00:00Z");
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "available");
    let over = json!({"starts_at": starts_at, "ends_at": "2026-11-23T01:59:00Z"});
    app.put(operator, &path_of(&shift), "\"2\"", over.clone()).await.expect(200);
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "off");
    // A shift that is over cannot be changed.
    let problem = app.put(operator, &path_of(&shift), "\"3\"", over).await.problem(409, "state_moved_on");
    assert_eq!(problem["state"], "over");
}

#[actix_web::test]
async fn overlapping_shifts_are_refused_with_a_message() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let shift = |from: &str, to: &str| json!({"staff_id": seed.doctor.id, "starts_at": from, "ends_at": to});
    let early = shift("2026-11-25T00:00:00Z", "2026-11-25T08:00:00Z");
    let first = app.post(operator, SHIFTS, early).await.expect(201);
    let overlapping = shift("2026-11-25T07:00:00Z", "2026-11-25T09:00:00Z");
    let problem = app.post(operator, SHIFTS, overlapping).await.problem(409, "already_exists");
    assert_eq!(problem["errors"][0]["code"], "overlaps");
    assert!(
        problem["errors"][0]["message"].as_str().expect("a message").contains("2026-11-25T00:00:00Z"),
        "{problem}"
    );
    assert_eq!(problem["data"]["shift"]["id"], first["id"]);
    let later = shift("2026-11-25T08:00:00Z", "2026-11-25T16:00:00Z");
    let second = app.post(operator, SHIFTS, later).await.expect(201);
    let into = json!({"starts_at": "2026-11-25T07:30:00Z", "ends_at": "2026-11-25T16:00:00Z"});
    app.put(operator, &path_of(&second), "\"1\"", into).await.problem(409, "already_exists");
    // A shift does not overlap with itself.
    let own = json!({"starts_at": "2026-11-25T09:00:00Z", "ends_at": "2026-11-25T17:00:00Z"});
    app.put(operator, &path_of(&second), "\"1\"", own).await.expect(200);
}

#[actix_web::test]
async fn of_concurrent_overlapping_shifts_one_is_added() {
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

#[actix_web::test]
async fn a_shift_for_one_department_brings_its_doctor_that_one_only() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let doctor = app.doctor().await;
    app.of_departments(&doctor.person, &["dermatology", "general_practice"]).await;
    // Nobody else is on shift.
    let list = app.get(operator, &format!("{SHIFTS}?limit=100")).await.expect(200);
    for shift in list["items"].as_array().expect("a list") {
        if shift["staff_id"] != json!(seed.doctor.id) {
            app.post(operator, &format!("{}/cancel", path_of(shift)), json!({})).await.expect(200);
        }
    }
    let shift = current_shift(&app, &seed).await;
    assert_eq!(shift["department"], Value::Null, "all of theirs");
    let covered = async |code: &str| {
        let coverage = app.get(operator, "/api/v1/coverage").await.expect(200);
        let mut all = coverage["departments"].as_array().expect("a list").iter();
        all.find(|one| one["department"] == code).expect("a department")["spans"][0]["doctors"].clone()
    };
    assert_eq!((covered("general_practice").await, covered("dermatology").await), (json!(1), json!(1)));
    let change = |department: Value| {
        // The seeded one is longer than a shift may be.
        json!({"starts_at": shift["starts_at"], "ends_at": "2026-11-23T20:00:00Z", "department": department})
    };
    let problem = app
        .put(operator, &path_of(&shift), "*", change(json!("surgery")))
        .await
        .problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["field"], "department");
    let changed = app.put(operator, &path_of(&shift), "*", change(json!("dermatology"))).await.expect(200);
    assert_eq!(changed["department"], "dermatology");
    // General practice has a gap, and the doctor gets nobody who asks for it.
    assert_eq!((covered("general_practice").await, covered("dermatology").await), (json!(0), json!(1)));
    doctor.go_on_duty().await;
    assert_eq!(doctor.get("/api/v1/duty").await.expect_ok()["on_shift_for"], "dermatology");
    let worker = app.station().await.check_in(Worker::adult()).await;
    let consultation = worker.ask_for_doctor().await;
    assert_eq!(doctor.offer().await, Value::Null);
    worker.post(&format!("/api/v1/consultations/{consultation}/cancel"), json!({})).await.expect_ok();
    let skin = json!({"complaint": "皮疹", "department": "dermatology", "lane": "minor_ailment_pilot", "symptoms": []});
    let asked = worker.post("/api/v1/consultations", skin).await.expect_created();
    assert_eq!(doctor.offer().await["consultation_id"], asked["id"]);
    app.put(operator, &path_of(&shift), "*", change(Value::Null)).await.expect(200);
    assert_eq!(covered("general_practice").await, json!(1));
}

#[actix_web::test]
async fn the_shifts_of_a_rule_are_for_its_department() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    app.of_departments(&seed.doctor, &["dermatology", "general_practice"]).await;
    let body = json!({"staff_id": seed.doctor.id, "department": "dermatology", "first_date": "2026-11-25",
        "start_time": "08:00", "length_minutes": 480, "rrule": "FREQ=DAILY"});
    let rule = app.post(operator, "/api/v1/shift-rules", body).await.expect(201);
    let departments = async || -> Vec<Value> {
        let list = app.get(operator, &format!("{SHIFTS}?staff_id={}", seed.doctor.id)).await.expect(200);
        let items = list["items"].as_array().expect("a list").clone();
        let of_rule = items.into_iter().filter(|one| !one["rule_id"].is_null());
        of_rule.map(|one| one["department"].clone()).collect()
    };
    assert_eq!(departments().await, vec![json!("dermatology"); 13]);
    // Leave that cuts a shift in two keeps its department.
    let leave = json!({"staff_id": seed.doctor.id, "starts_at": "2026-11-26T02:00:00Z",
        "ends_at": "2026-11-26T04:00:00Z", "reason": "other"});
    app.post(operator, "/api/v1/leaves", leave).await.expect(201);
    assert_eq!(departments().await, vec![json!("dermatology"); 14]);
    let mut change = json!({"first_date": "2026-11-25", "start_time": "08:00", "length_minutes": 480,
        "rrule": "FREQ=DAILY", "department": "general_practice"});
    let path = format!("/api/v1/shift-rules/{}", rule["id"].as_str().expect("an id"));
    app.put(operator, &path, "*", change.clone()).await.expect(200);
    assert_eq!(departments().await, vec![json!("general_practice"); 14]);
    change["department"] = Value::Null;
    app.put(operator, &path, "*", change).await.expect(200);
    assert_eq!(departments().await, vec![Value::Null; 14]);
}
