//! The next 72 hours by department, the gaps and who is told of them, and Erlang C.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Person, Seed},
};
use domain::{
    consultation::Medium, letter::LetterKind, matching::Department, staff::role::Role, words::Language,
};
use service::{Actor, letter::OpenLetter, network::coverage::tell_of_gaps};
use storage::{
    network::roster::coverage::next_on_call,
    schema::{doctor, pharmacist},
};

const COVERAGE: &str = "/api/v1/coverage";

async fn shift(app: &TestApp, token: &str, person: &Person, from: &str, until: &str) -> Value {
    let body = json!({"staff_id": person.id, "starts_at": from, "ends_at": until});
    app.post(token, "/api/v1/shifts", body).await.expect(201)
}

/// Removes the shifts that everybody was seeded with.
async fn empty_roster(app: &TestApp, seed: &Seed) {
    let list = app.get(&seed.operator.token, "/api/v1/shifts?limit=100").await.expect(200);
    for item in list["items"].as_array().expect("a list") {
        let path = format!("/api/v1/shifts/{}/cancel", item["id"].as_str().expect("an id"));
        app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    }
}

fn spans(of: &Value) -> Vec<(String, String, i64)> {
    let text = |span: &Value, name: &str| span[name].as_str().expect("an instant")[5..16].to_owned();
    let all = of["spans"].as_array().expect("a list").iter();
    all.map(|span| (text(span, "from"), text(span, "until"), span["doctors"].as_i64().expect("a number")))
        .collect()
}

fn gaps(of: &Value) -> Vec<(String, String)> {
    let text = |span: &Value, name: &str| span[name].as_str().expect("an instant")[5..16].to_owned();
    of["gaps"].as_array().expect("a list").iter().map(|gap| (text(gap, "from"), text(gap, "until"))).collect()
}

fn triple(from: &str, until: &str, doctors: i64) -> (String, String, i64) {
    (from.to_owned(), until.to_owned(), doctors)
}

#[actix_web::test]
async fn the_next_72_hours_show_levels_and_gaps_of_the_network_or_of_a_hospital() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = seed.operator.token.as_str();
    let another = app.hospital("hospital-2").await;
    let foreign = app.person(Role::Doctor, "doctor-x@example.cn", Some(another), None).await;
    let own = app.person(Role::Coordinator, "c-1@example.cn", Some(seed.hospital), None).await;
    let theirs = app.person(Role::Coordinator, "c-2@example.cn", Some(another), None).await;
    empty_roster(&app, &seed).await;
    shift(&app, operator, &seed.doctor, "2026-11-23T01:00:00Z", "2026-11-23T10:00:00Z").await;
    shift(&app, operator, &seed.doctor_b, "2026-11-23T08:00:00Z", "2026-11-24T00:00:00Z").await;
    shift(&app, operator, &foreign, "2026-11-24T00:00:00Z", "2026-11-24T12:00:00Z").await;
    shift(&app, operator, &foreign, "2026-11-25T20:00:00Z", "2026-11-26T12:00:00Z").await;
    // A pharmacist covers no department.
    shift(&app, operator, &seed.pharmacist, "2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z").await;
    let network = app.get(operator, COVERAGE).await.expect(200);
    assert_eq!(network["until"], "2026-11-26T02:00:00Z");
    let departments = network["departments"].as_array().expect("a list");
    let of = |code: &str| departments.iter().find(|one| one["department"] == code).expect("a department");
    let practice = of("general_practice");
    // One that the network has, but no doctor, has a gap from end to end.
    assert_eq!((departments.len(), &of("surgery")["doctors"]), (15, &json!(0)));
    assert_eq!(gaps(of("surgery")), [("11-23T02:00".to_owned(), "11-26T02:00".to_owned())]);
    assert_eq!((&practice["department"], &practice["doctors"]), (&json!("general_practice"), &json!(3)));
    assert_eq!(
        spans(practice),
        [
            triple("11-23T02:00", "11-23T08:00", 1),
            triple("11-23T08:00", "11-23T10:00", 2),
            // One doctor follows another of another hospital without a seam.
            triple("11-23T10:00", "11-24T12:00", 1),
            triple("11-24T12:00", "11-25T20:00", 0),
            triple("11-25T20:00", "11-26T02:00", 1),
        ]
    );
    assert_eq!(gaps(practice), [("11-24T12:00".to_owned(), "11-25T20:00".to_owned())]);
    // A coordinator's is their hospital's, asked for or not; another one does not exist for them.
    let mine = app.get(&own.token, COVERAGE).await.expect(200);
    assert_eq!(mine["departments"].as_array().map(Vec::len), Some(1), "those that it has doctors of");
    assert_eq!(gaps(&mine["departments"][0]), [("11-24T00:00".to_owned(), "11-26T02:00".to_owned())]);
    let asked = format!("{COVERAGE}?hospital_id={}", seed.hospital);
    assert_eq!(app.get(&own.token, &asked).await.expect(200), mine);
    assert_eq!(app.get(operator, &asked).await.expect(200), mine);
    app.get(&theirs.token, &asked).await.problem(404, "not_found");
    let nowhere = format!("{COVERAGE}?hospital_id=0190a5b4-7c1e-7000-8000-000000000009");
    app.get(operator, &nowhere).await.problem(404, "not_found");
    app.get(&seed.doctor.token, COVERAGE).await.problem(403, "role_not_allowed");
    // Leave opens a gap; who is disabled covers nothing.
    let leave = json!({"staff_id": seed.doctor_b.id, "starts_at": "2026-11-23T20:00:00Z",
        "ends_at": "2026-11-23T22:00:00Z", "reason": "sick"});
    app.post(&own.token, "/api/v1/leaves", leave).await.expect(201);
    app.post(operator, &format!("/api/v1/staff/{}/disable", seed.doctor.id), json!({})).await.expect(200);
    let mine = app.get(&own.token, COVERAGE).await.expect(200);
    assert_eq!(
        spans(&mine["departments"][0]),
        [
            triple("11-23T02:00", "11-23T08:00", 0),
            triple("11-23T08:00", "11-23T20:00", 1),
            triple("11-23T20:00", "11-23T22:00", 0),
            triple("11-23T22:00", "11-24T00:00", 1),
            triple("11-24T00:00", "11-26T02:00", 0),
        ]
    );
}

/// The letters about gaps that are due now: to whom, and how many gaps each names.
async fn letters(app: &TestApp) -> Vec<(String, usize)> {
    let claimed: Vec<OpenLetter> = service::letter::claim_due(&app.state).await.expect("claimed");
    for letter in &claimed {
        let claim = letter.claim;
        app.state.write(Actor::System, move |tx| service::letter::sent(tx, claim)).await.expect("sent");
    }
    let about = claimed.into_iter().filter(|letter| letter.kind == LetterKind::CoverageGap);
    let mut found: Vec<_> =
        about.map(|letter| (letter.email, letter.link.matches("general practice:").count())).collect();
    found.sort();
    found
}

#[actix_web::test]
async fn a_gap_within_a_day_is_told_once_to_operators_and_to_the_hospitals_coordinators() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let seed = app.seed().await;
    let operator = seed.operator.token.as_str();
    let another = app.hospital("hospital-2").await;
    let own = app.person(Role::Coordinator, "c-1@example.cn", Some(seed.hospital), None).await;
    app.person(Role::Coordinator, "c-2@example.cn", Some(another), None).await;
    // Somebody of every role is seeded, so there is another coordinator of the first hospital.
    let seeded = "coordinator@example.cn".to_owned();
    empty_roster(&app, &seed).await;
    shift(&app, operator, &seed.doctor, "2026-11-23T01:00:00Z", "2026-11-24T01:00:00Z").await;
    let second = shift(&app, operator, &seed.doctor_b, "2026-11-24T01:00:00Z", "2026-11-25T00:00:00Z").await;
    let third = shift(&app, operator, &seed.doctor, "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z").await;
    // The first gap begins in 70 hours; operators hear of the departments that have no doctors.
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 14);
    assert_eq!(letters(&app).await, [(seed.operator.email.clone(), 0)]);
    // Between the second and the third a gap opens 20 hours from now, and the roster ends later.
    let change = json!({"starts_at": "2026-11-24T01:00:00Z", "ends_at": "2026-11-24T20:00:00Z"});
    app.put(operator, &path(&second), "*", change).await.expect(200);
    app.pass(2 * 3600);
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 0, "in 16 + 24 hours");
    app.pass(17 * 3600);
    let (one, two) = futures_util::future::join(tell_of_gaps(&app.state), tell_of_gaps(&other.state)).await;
    let told = one.unwrap_or(0) + two.unwrap_or(0);
    // The network's gap and the hospital's.
    assert_eq!(told + tell_of_gaps(&app.state).await.expect("told"), 2, "once, whoever looks");
    let (operator_mail, own_mail) = (seed.operator.email.clone(), own.email.clone());
    let expected = [(own_mail.clone(), 1), (seeded.clone(), 1), (operator_mail.clone(), 1)];
    assert_eq!(letters(&app).await, expected);
    // It grows by an hour: its new extent is told once, and is looked at every hour until it is almost over.
    let operator = operator_now(&app).await;
    let change = json!({"starts_at": "2026-11-25T01:00:00Z", "ends_at": "2026-11-26T00:00:00Z"});
    app.put(&operator.token, &path(&third), "*", change).await.expect(200);
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 2);
    let mut expected = [&expected[..], &[(operator.email.clone(), 1)]].concat();
    expected.sort();
    assert_eq!(letters(&app).await, expected);
    for _ in 0..27 {
        app.pass(3600);
        assert_eq!(tell_of_gaps(&other.state).await.expect("told"), 0);
    }
    assert_eq!(letters(&app).await, []);
    // The end of the roster comes near: another gap, which the operator of today hears of, too.
    app.pass(3600);
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 2);
    let found = letters(&app).await;
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|(email, gaps)| email != "c-2@example.cn" && *gaps == 1), "{found:?}");
}

#[actix_web::test]
async fn a_gap_that_was_filled_is_told_again_when_it_opens_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = seed.operator.token.as_str();
    empty_roster(&app, &seed).await;
    shift(&app, operator, &seed.doctor, "2026-11-23T01:00:00Z", "2026-11-23T20:00:00Z").await;
    shift(&app, operator, &seed.doctor_b, "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z").await;
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 2 + 14, "the network's and the hospital's");
    let fills = shift(&app, operator, &seed.doctor, "2026-11-23T20:00:00Z", "2026-11-24T00:00:00Z").await;
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 0);
    app.post(operator, &format!("{}/cancel", path(&fills)), json!({})).await.expect(200);
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 2);
    assert_eq!(tell_of_gaps(&app.state).await.expect("told"), 0, "and once");
}

pub async fn operator_now(app: &TestApp) -> Person {
    app.person(Role::Operator, &format!("operator-{}@example.cn", app.now().timestamp()), None, None).await
}

fn path(shift: &Value) -> String {
    format!("/api/v1/shifts/{}", shift["id"].as_str().expect("an id"))
}

#[actix_web::test]
async fn staffing_is_answered_by_the_reference_vectors() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = seed.operator.token.as_str();
    let ask = async |body: Value| app.post(operator, "/api/v1/coverage/estimate", body).await;
    let text = std::fs::read_to_string(base_folder().join("tests/facts/erlang_c.json")).expect("the vectors");
    let facts: Value = serde_json::from_str(&text).expect("JSON");
    let vectors = facts["vectors"].as_array().expect("a list");
    assert!(vectors.len() >= 5);
    for vector in vectors {
        let mut body = json!({});
        for name in ["offered_erlangs", "doctors", "mean_handling_s", "target_s"] {
            body[name] = vector[name].clone();
        }
        let answer = ask(body.clone()).await.expect(200);
        for name in ["p_wait", "mean_wait_s", "service_level"] {
            let number = |of: &Value| of[name].as_f64().expect("a number");
            assert!(
                (number(&answer) - number(vector)).abs() < 1e-9 * number(vector).abs().max(1.0),
                "{answer} {vector}"
            );
        }
        assert_eq!((&answer["overloaded"], &answer["doctors_needed"]), (&json!(false), &Value::Null));
        // Asked for the level that they reach, it answers with these doctors or fewer.
        body["service_level"] = vector["service_level"].clone();
        let needed = ask(body).await.expect(200)["doctors_needed"].as_i64().expect("a number");
        assert!(needed <= vector["doctors"].as_i64().expect("a number"), "{needed} {vector}");
    }
    let load = |changes: Value| {
        let mut body = json!({"offered_erlangs": 10, "doctors": 10, "mean_handling_s": 180, "target_s": 20});
        for (name, value) in changes.as_object().expect("changes") {
            body[name] = value.clone();
        }
        body
    };
    let overload = ask(load(json!({"service_level": 0.9}))).await.expect(200);
    assert_eq!((&overload["overloaded"], &overload["mean_wait_s"]), (&json!(true), &Value::Null));
    assert!(overload["doctors_needed"].as_i64().is_some_and(|doctors| doctors > 10), "{overload}");
    let largest = load(json!({"offered_erlangs": 100_000, "doctors": 1_000_000, "service_level": 0.9999}));
    assert!(
        ask(largest).await.expect(200)["doctors_needed"].as_i64().is_some_and(|doctors| doctors > 100_000)
    );
    for (change, field) in [
        (json!({"offered_erlangs": -0.5}), "offered_erlangs"),
        (json!({"offered_erlangs": 1e300}), "offered_erlangs"),
        (json!({"doctors": 0}), "doctors"),
        (json!({"doctors": 1.5}), "doctors"),
        (json!({"mean_handling_s": 0}), "mean_handling_s"),
        (json!({"target_s": "soon"}), "target_s"),
        (json!({"service_level": 1}), "service_level"),
    ] {
        let problem = ask(load(change)).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

fn base_folder() -> std::path::PathBuf {
    crate::harness::root()
}

#[actix_web::test]
async fn the_next_who_comes_on_call_is_found_by_department() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    empty_roster(&app, &seed).await;
    let next = async |department: &str, now: DateTime<Utc>| {
        let department = Department::parse(department).expect("a code");
        app.state
            .read(Actor::System, move |conn, _| {
                Ok(next_on_call(conn, &[department], (Language::Chinese, Medium::Text), now)?)
            })
            .await
            .expect("read")
    };
    let now = app.now();
    assert_eq!(next("general_practice", now).await, None);
    shift(&app, &seed.operator.token, &seed.doctor_b, "2026-11-25T00:00:00Z", "2026-11-25T08:00:00Z").await;
    shift(&app, &seed.operator.token, &seed.doctor, "2026-11-24T00:00:00Z", "2026-11-24T08:00:00Z").await;
    shift(&app, &seed.operator.token, &seed.pharmacist, "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z").await;
    let first: DateTime<Utc> = "2026-11-24T00:00:00Z".parse().expect("an instant");
    assert_eq!(next("general_practice", now).await, Some(first));
    assert_eq!(next("general_practice", first).await, Some(first + TimeDelta::days(1)));
    assert_eq!(next("surgery", now).await, None);
    let path = format!("/api/v1/staff/{}/disable", seed.doctor.id);
    app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    assert_eq!(next("general_practice", now).await, Some(first + TimeDelta::days(1)));
}

#[actix_web::test]
async fn the_next_who_comes_on_call_has_a_licence_and_a_shift_for_the_department_then() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    empty_roster(&app, &seed).await;
    let operator = seed.operator.token.as_str();
    app.of_departments(&seed.doctor, &["dermatology", "general_practice"]).await;
    let mut conn = app.connection();
    let lapses = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).expect("a date");
    storage::on_backend!(&mut conn, c => diesel::update(doctor::table.find(seed.doctor_b.id))
        .set(doctor::licence_valid_until.eq(lapses))
        .execute(c))
    .expect("changed");
    // More shifts than are read at a time.
    for hour in 0..23 {
        let (from, until) = (format!("2026-11-25T{hour:02}:00:00Z"), format!("2026-11-25T{hour:02}:30:00Z"));
        shift(&app, operator, &seed.doctor_b, &from, &until).await;
    }
    let body = json!({"staff_id": seed.doctor.id, "starts_at": "2026-11-26T00:00:00Z",
        "ends_at": "2026-11-26T08:00:00Z", "department": "dermatology"});
    app.post(operator, "/api/v1/shifts", body).await.expect(201);
    shift(&app, operator, &seed.doctor, "2026-11-27T00:00:00Z", "2026-11-27T08:00:00Z").await;
    let next = async |department: &str| {
        let (department, now) = (Department::parse(department).expect("a code"), app.now());
        let found = app
            .state
            .read(Actor::System, move |conn, _| {
                Ok(next_on_call(conn, &[department], (Language::Chinese, Medium::Text), now)?)
            })
            .await;
        found.expect("read").map(|at| at.to_rfc3339())
    };
    assert_eq!(next("dermatology").await.as_deref(), Some("2026-11-26T00:00:00+00:00"));
    assert_eq!(next("general_practice").await.as_deref(), Some("2026-11-27T00:00:00+00:00"));
}

#[actix_web::test]
async fn a_department_whose_licences_have_lapsed_is_a_gap_of_its_hospital() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let own = app.person(Role::Coordinator, "c-1@example.cn", Some(seed.hospital), None).await;
    let lapsed = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).expect("a date");
    let mut conn = app.connection();
    for id in [seed.doctor.id, seed.doctor_b.id] {
        storage::on_backend!(&mut conn, c => diesel::update(doctor::table.find(id))
            .set(doctor::licence_valid_until.eq(lapsed))
            .execute(c))
        .expect("changed");
    }
    let mine = app.get(&own.token, COVERAGE).await.expect(200);
    let practice = &mine["departments"][0];
    assert_eq!((&practice["department"], &practice["doctors"]), (&json!("general_practice"), &json!(0)));
    assert_eq!(gaps(practice), [("11-23T02:00".to_owned(), "11-26T02:00".to_owned())]);
    tell_of_gaps(&app.state).await.expect("told");
    assert!(letters(&app).await.contains(&(own.email, 1)));
}

#[actix_web::test]
async fn operators_hear_of_a_hospital_in_which_nobody_is_told_and_every_gap_is_in_a_letter() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let another = app.hospital("hospital-2").await;
    let foreign = app.person(Role::Doctor, "doctor-x@example.cn", Some(another), None).await;
    empty_roster(&app, &seed).await;
    let departments: Vec<String> = (0..45).map(|number| format!("extra_{number}")).collect();
    for code in &departments {
        let body = json!({"code": code, "name_zh": "样例科", "name_en": format!("sample {code}"),
            "patience_s": 60, "overflow": []});
        app.post(&seed.operator.token, "/api/v1/departments", body).await.expect(201);
    }
    // One gap of general practice, and one of each department that it has.
    let own: Vec<&str> = departments.iter().map(String::as_str).chain(["general_practice"]).collect();
    app.of_departments(&foreign, &own).await;
    tell_of_gaps(&app.state).await.expect("told");
    let text = |letters: Vec<OpenLetter>| -> String {
        let mine = letters.into_iter().filter(|letter| letter.email == seed.operator.email);
        mine.map(|letter| letter.link).collect()
    };
    let all = text(service::letter::claim_due(&app.state).await.expect("claimed"));
    for code in &departments {
        assert_eq!(all.matches(&format!(" sample {code}:")).count(), 1, "{code}: {all}");
    }
    assert!(all.contains("no coordinator, nobody there was told of 46 gaps"), "{all}");
    assert_eq!(all.matches("no coordinator").count(), 1, "the first hospital has one: {all}");
    tell_of_gaps(&app.state).await.expect("told");
    assert_eq!(text(service::letter::claim_due(&app.state).await.expect("claimed")), "", "once");
}

#[actix_web::test]
async fn the_next_pharmacist_is_found_behind_many_shifts_of_a_lapsed_licence() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    empty_roster(&app, &seed).await;
    let operator = seed.operator.token.as_str();
    let other = app.person(Role::Pharmacist, "pharmacist-b@example.cn", None, None).await;
    let lapses = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).expect("a date");
    let mut conn = app.connection();
    storage::on_backend!(&mut conn, c => diesel::update(pharmacist::table.find(seed.pharmacist.id))
        .set(pharmacist::licence_valid_until.eq(lapses))
        .execute(c))
    .expect("changed");
    for hour in 0..23 {
        let (from, until) = (format!("2026-11-25T{hour:02}:00:00Z"), format!("2026-11-25T{hour:02}:30:00Z"));
        shift(&app, operator, &seed.pharmacist, &from, &until).await;
    }
    shift(&app, operator, &other, "2026-11-26T00:00:00Z", "2026-11-26T08:00:00Z").await;
    let now = app.now();
    let next =
        app.state.read(Actor::System, move |conn, _| Ok(storage::review::next_on_shift(conn, now)?)).await;
    assert_eq!(next.expect("read").map(|at| at.to_rfc3339()).as_deref(), Some("2026-11-26T00:00:00+00:00"));
}
