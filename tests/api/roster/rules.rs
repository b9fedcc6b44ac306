//! Shifts that repeat are planned two weeks ahead, by whoever comes first, and never twice.

use serde_json::{Value, json};

use super::{operator_now, path_of, planned_for, shifts_of};
use crate::{harness::TestApp, seed::Seed};
use service::network::roster::planning::plan_ahead;

const RULES: &str = "/api/v1/shift-rules";

pub fn daily(seed: &Seed) -> Value {
    json!({"staff_id": seed.doctor.id, "first_date": "2026-11-25", "start_time": "08:00",
        "length_minutes": 480, "rrule": "FREQ=DAILY"})
}

fn with(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().expect("changes") {
        body[name] = value.clone();
    }
    body
}

fn rule_path(rule: &Value) -> String {
    format!("{RULES}/{}", rule["id"].as_str().expect("an id"))
}

/// The changeable part of a rule.
fn change_of(rule: &Value) -> Value {
    let names = [
        "department",
        "first_date",
        "start_time",
        "length_minutes",
        "rrule",
        "except",
        "last_date",
        "time_zone",
    ];
    Value::Object(names.iter().map(|name| ((*name).to_owned(), rule[*name].clone())).collect())
}

#[actix_web::test]
async fn a_rule_is_planned_two_weeks_ahead_and_day_by_day_by_whichever_instance() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let seed = app.seed().await;
    let rule = app.post(&seed.operator.token, RULES, daily(&seed)).await.expect(201);
    assert_eq!((&rule["version"], &rule["time_zone"]), (&json!(1), &json!("Asia/Shanghai")));
    // Until the end of the fifteenth local day, today included.
    assert_eq!(rule["planned_until"], "2026-12-07T16:00:00Z");
    let planned = planned_for(&app, &seed.operator.token, &seed.doctor).await;
    assert_eq!(planned.len(), 13);
    assert_eq!((planned[0].as_str(), planned[12].as_str()), ("2026-11-25T00:00:00Z", "2026-12-07T00:00:00Z"));
    // Nothing is due before the next day.
    assert_eq!(plan_ahead(&app.state).await.expect("planned"), 0);
    app.pass(86_400);
    let (one, two) = futures_util::future::join(plan_ahead(&app.state), plan_ahead(&other.state)).await;
    let done = one.unwrap_or(0) + two.unwrap_or(0);
    assert_eq!(done + plan_ahead(&app.state).await.expect("planned"), 1, "each day once");
    let operator = operator_now(&app).await;
    let planned = planned_for(&app, &operator.token, &seed.doctor).await;
    assert_eq!(planned.len(), 14);
    assert_eq!(planned[13], "2026-12-08T00:00:00Z");
    // A service that was down for three weeks catches up from now on.
    app.pass(21 * 86_400);
    assert_eq!(plan_ahead(&other.state).await.expect("planned"), 1);
    let operator = operator_now(&app).await;
    let planned = planned_for(&app, &operator.token, &seed.doctor).await;
    assert_eq!((planned.len(), planned[0].as_str()), (15, "2026-12-15T02:00:00Z"));
}

#[actix_web::test]
async fn overnight_shifts_exception_dates_and_an_end_are_those_of_the_rule() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let nights = with(
        daily(&seed),
        json!({"start_time": "20:00", "length_minutes": 720, "rrule": "FREQ=WEEKLY;BYDAY=WE,FR",
            "except": ["2026-11-27"], "last_date": "2026-12-02", "department": "general_practice"}),
    );
    let rule = app.post(operator, RULES, nights).await.expect(201);
    let hours: Vec<_> =
        shifts_of(&app, operator, &seed.doctor).await.into_iter().filter(|one| one.2).collect();
    let expected = [
        ("2026-11-25T12:00:00Z".to_owned(), "2026-11-26T00:00:00Z".to_owned(), true),
        ("2026-12-02T12:00:00Z".to_owned(), "2026-12-03T00:00:00Z".to_owned(), true),
    ];
    assert_eq!(hours, expected);
    assert_eq!(app.get(operator, &rule_path(&rule)).await.expect(200)["except"], json!(["2026-11-27"]));
}

#[actix_web::test]
async fn a_shift_that_was_cancelled_or_changed_by_hand_does_not_come_back() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let rule = app.post(operator, RULES, daily(&seed)).await.expect(201);
    let list = app.get(operator, &format!("/api/v1/shifts?staff_id={}", seed.doctor.id)).await.expect(200);
    let shift_on = |start: &str| {
        let mut items = list["items"].as_array().expect("a list").iter();
        items.find(|item| item["starts_at"] == start).expect("a shift").clone()
    };
    let cancelled = shift_on("2026-11-26T00:00:00Z");
    app.post(operator, &format!("{}/cancel", path_of(&cancelled)), json!({})).await.expect(200);
    let moved = shift_on("2026-11-28T00:00:00Z");
    let later = json!({"starts_at": "2026-11-28T03:00:00Z", "ends_at": "2026-11-28T11:00:00Z"});
    let moved = app.put(operator, &path_of(&moved), "\"1\"", later).await.expect(200);
    assert_eq!(moved["rule_id"], Value::Null, "a shift that was changed by hand is a single one");
    let rule = app.get(operator, &rule_path(&rule)).await.expect(200);
    assert_eq!((&rule["except"], &rule["version"]), (&json!(["2026-11-26", "2026-11-28"]), &json!(3)));
    // Every way of planning anew respects it.
    let version = format!("\"{}\"", rule["version"]);
    app.put(operator, &rule_path(&rule), &version, change_of(&rule)).await.expect(200);
    app.pass(86_400);
    plan_ahead(&app.state).await.expect("planned");
    let now = operator_now(&app).await;
    let planned = planned_for(&app, &now.token, &seed.doctor).await;
    assert!(!planned.iter().any(|start| start.starts_with("2026-11-26") || start.starts_with("2026-11-28")));
    assert_eq!(planned.len(), 12);
    let all = shifts_of(&app, &now.token, &seed.doctor).await;
    assert!(all.iter().any(|(start, _, _)| start == "2026-11-28T03:00:00Z"));
}

#[actix_web::test]
async fn a_changed_rule_replaces_its_shifts_and_an_ended_one_gives_them_up() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let rule = app.post(operator, RULES, daily(&seed)).await.expect(201);
    let change = with(change_of(&rule), json!({"start_time": "09:00", "rrule": "FREQ=WEEKLY;BYDAY=MO"}));
    app.put(operator, &rule_path(&rule), "\"7\"", change.clone()).await.problem(412, "precondition_failed");
    let changed = app.put(operator, &rule_path(&rule), "\"1\"", change).await.expect(200);
    assert_eq!(changed["version"], 2);
    let planned = planned_for(&app, operator, &seed.doctor).await;
    assert_eq!(planned, ["2026-11-30T01:00:00Z", "2026-12-07T01:00:00Z"]);
    // One that has begun stays.
    app.pass(7 * 86_400);
    plan_ahead(&app.state).await.expect("planned");
    let now = operator_now(&app).await;
    let ended = app.post(&now.token, &format!("{}/end", rule_path(&rule)), json!({})).await.expect(200);
    assert_eq!(ended["ended_at"], "2026-11-30T02:00:00Z");
    assert_eq!(planned_for(&app, &now.token, &seed.doctor).await, ["2026-11-30T01:00:00Z"]);
    let list = app.get(&now.token, RULES).await.expect(200);
    assert_eq!(list["items"], json!([]));
    app.put(&now.token, &rule_path(&rule), "*", change_of(&rule)).await.problem(409, "state_moved_on");
    app.pass(86_400);
    assert_eq!(plan_ahead(&app.state).await.expect("planned"), 0);
}

#[actix_web::test]
async fn bad_rules_are_refused_with_the_field_in_both_languages() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let pharmacist = json!({"staff_id": seed.pharmacist.id, "department": "general_practice"});
    for (change, field, code) in [
        (json!({"rrule": "FREQ=NEVER"}), "rrule", "bad_rrule"),
        (json!({"rrule": "FREQ=HOURLY"}), "rrule", "bad_frequency"),
        (json!({"rrule": "FREQ=DAILY;BYHOUR=1,2,3"}), "rrule", "too_often"),
        (json!({"rrule": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31"}), "rrule", "never_applies"),
        (json!({"time_zone": "Europe/Berlin"}), "time_zone", "unknown_time_zone"),
        (json!({"length_minutes": 0}), "length_minutes", "out_of_range"),
        (json!({"length_minutes": 1441}), "length_minutes", "out_of_range"),
        (json!({"start_time": "24:00"}), "start_time", "bad_format"),
        (json!({"last_date": "2026-11-24"}), "last_date", "wrong_order"),
        (json!({"first_date": "1999-01-01"}), "first_date", "out_of_range"),
        (json!({"department": "psychiatry"}), "department", "unknown"),
        (pharmacist, "department", "unknown"),
        (json!({"staff_id": seed.restocker.id}), "staff_id", "not_rostered"),
        // The seeded shift lasts until the morning of the 24th.
        (json!({"first_date": "2026-11-24"}), "rrule", "overlaps"),
    ] {
        let body = with(daily(&seed), change);
        let english = app.post(operator, RULES, body.clone()).await.problem(422, "invalid_field");
        let entry = &english["errors"][0];
        assert_eq!((&entry["field"], &entry["code"]), (&json!(field), &json!(code)), "{body} {english}");
        let chinese = chinese(&app, operator, &body).await;
        assert_ne!(chinese["errors"][0]["message"], entry["message"], "{body}");
        assert!(entry["message"].as_str().is_some_and(|text| text.is_ascii()), "{entry}");
    }
    // Two rules of one person never meet, also beyond what is planned.
    app.post(operator, RULES, daily(&seed)).await.expect(201);
    let night =
        with(daily(&seed), json!({"start_time": "20:00", "first_date": "2027-03-01", "length_minutes": 721}));
    let problem = app.post(operator, RULES, night.clone()).await.problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["code"], "overlaps", "{problem}");
    app.post(operator, RULES, with(night, json!({"length_minutes": 720}))).await.expect(201);
    let unknown = json!({"staff_id": "0190a5b4-7c1e-7000-8000-000000000009"});
    app.post(operator, RULES, with(daily(&seed), unknown)).await.problem(404, "not_found");
}

async fn chinese(app: &TestApp, token: &str, body: &Value) -> Value {
    let request = app
        .client()
        .post(format!("{}{RULES}", app.base))
        .bearer_auth(token)
        .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
        .header("Accept-Language", "zh")
        .json(body);
    crate::harness::Answer::of(request.send().await.expect("answered")).await.problem(422, "invalid_field")
}

#[actix_web::test]
async fn who_is_disabled_gets_no_shifts_until_they_are_enabled() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.post(&seed.operator.token, RULES, daily(&seed)).await.expect(201);
    let path = format!("/api/v1/staff/{}", seed.doctor.id);
    app.post(&seed.operator.token, &format!("{path}/disable"), json!({})).await.expect(200);
    app.pass(20 * 86_400);
    assert_eq!(plan_ahead(&app.state).await.expect("planned"), 0);
    let operator = operator_now(&app).await;
    assert_eq!(planned_for(&app, &operator.token, &seed.doctor).await, Vec::<String>::new());
    app.post(&operator.token, RULES, daily(&seed)).await.problem(409, "state_moved_on");
    app.post(&operator.token, &format!("{path}/enable"), json!({})).await.expect(200);
    assert_eq!(planned_for(&app, &operator.token, &seed.doctor).await.len(), 15);
}
