//! Leave takes shifts away, in part where it meets them in part, and gives those of rules back.

use serde_json::json;

use super::{SHIFTS, operator_now, planned_for, rules::daily, shifts_of};
use crate::harness::TestApp;
use service::network::roster::planning::plan_ahead;

const LEAVES: &str = "/api/v1/leaves";

#[actix_web::test]
async fn leave_cuts_shifts_out_and_its_end_gives_back_those_of_rules() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    app.post(operator, "/api/v1/shift-rules", daily(&seed)).await.expect(201);
    let single = json!({"staff_id": seed.doctor.id, "starts_at": "2026-11-26T10:00:00Z",
        "ends_at": "2026-11-26T12:00:00Z"});
    app.post(operator, SHIFTS, single).await.expect(201);
    let before = shifts_of(&app, operator, &seed.doctor).await;
    // Cuts the end of the 25th, all of the 26th, the start of the 27th; and a piece out of the 28th.
    let leave = |from: &str, to: &str| json!({"staff_id": seed.doctor.id, "starts_at": from, "ends_at": to, "reason": "training"});
    let long =
        app.post(operator, LEAVES, leave("2026-11-25T04:00:00Z", "2026-11-27T02:00:00Z")).await.expect(201);
    let short =
        app.post(operator, LEAVES, leave("2026-11-28T02:00:00Z", "2026-11-28T03:00:00Z")).await.expect(201);
    let hours = |of: &[(String, String, bool)]| -> Vec<String> {
        let near = of.iter().filter(|one| one.0.as_str() > "2026-11-25" && one.0.as_str() < "2026-11-29");
        near.map(|(from, to, _)| format!("{}/{}", &from[8..16], &to[8..16])).collect()
    };
    assert_eq!(
        hours(&shifts_of(&app, operator, &seed.doctor).await),
        ["25T00:00/25T04:00", "27T02:00/27T08:00", "28T00:00/28T02:00", "28T03:00/28T08:00"]
    );
    // No shift is put into it by hand, and no other leave meets it.
    let within = json!({"staff_id": seed.doctor.id, "starts_at": "2026-11-26T00:00:00Z",
        "ends_at": "2026-11-26T01:00:00Z"});
    let problem = app.post(operator, SHIFTS, within).await.problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["code"], "on_leave");
    let twice = leave("2026-11-27T01:00:00Z", "2026-11-27T03:00:00Z");
    let problem = app.post(operator, LEAVES, twice).await.problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["code"], "overlaps");
    for one in [&short, &long] {
        let id = one["id"].as_str().expect("an id");
        let ended = app.post(operator, &format!("{LEAVES}/{id}/end"), json!({})).await.expect(200);
        assert_eq!(ended["ends_at"], one["starts_at"], "called off before it began");
    }
    // All is as before, except the single shift, which no rule gives back.
    let after = shifts_of(&app, operator, &seed.doctor).await;
    let expected: Vec<_> = before.into_iter().filter(|one| one.0 != "2026-11-26T10:00:00Z").collect();
    assert_eq!(after, expected);
}

#[actix_web::test]
async fn leave_that_begins_now_takes_off_duty_at_once_and_its_early_end_gives_back_today() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    let current = super::current_shift(&app, &seed).await;
    app.post(operator, &format!("{}/cancel", super::path_of(&current)), json!({})).await.expect(200);
    let mut today = daily(&seed);
    today["first_date"] = json!("2026-11-23");
    app.post(operator, "/api/v1/shift-rules", today).await.expect(201);
    // 10:00 of a shift from 08:00: what is over is not written.
    let hours = shifts_of(&app, operator, &seed.doctor).await;
    assert_eq!((hours[0].0.as_str(), hours[0].1.as_str()), ("2026-11-23T02:00:00Z", "2026-11-23T08:00:00Z"));
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    app.pass(60);
    let sick = json!({"staff_id": seed.doctor.id, "starts_at": "2026-11-23T00:00:00Z",
        "ends_at": "2026-11-24T12:00:00Z", "reason": "sick"});
    let leave = app.post(operator, "/api/v1/leaves", sick).await.expect(201);
    assert_eq!(leave["starts_at"], "2026-11-23T02:01:00Z", "the past is not changed");
    let duty = app.get(doctor, "/api/v1/duty").await.expect(200);
    assert_eq!((&duty["presence"], &duty["on_shift_until"]), (&json!("off"), &json!(null)));
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.problem(422, "not_on_shift");
    app.pass(60);
    let id = leave["id"].as_str().expect("an id");
    app.post(operator, &format!("{LEAVES}/{id}/end"), json!({})).await.expect(200);
    app.post(operator, &format!("{LEAVES}/{id}/end"), json!({})).await.problem(409, "state_moved_on");
    let duty = app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    assert_eq!(duty["on_shift_until"], "2026-11-23T08:00:00Z");
    let hours = shifts_of(&app, operator, &seed.doctor).await;
    assert_eq!((hours[0].0.as_str(), hours[1].0.as_str()), ("2026-11-23T02:02:00Z", "2026-11-24T00:00:00Z"));
}

#[actix_web::test]
async fn shifts_that_are_planned_later_respect_leave() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    app.post(operator, "/api/v1/shift-rules", daily(&seed)).await.expect(201);
    // Longer than what is planned now.
    let holiday = json!({"staff_id": seed.doctor.id, "starts_at": "2026-12-05T16:00:00Z",
        "ends_at": "2026-12-14T16:00:00Z", "reason": "annual"});
    app.post(operator, LEAVES, holiday).await.expect(201);
    app.pass(9 * 86_400);
    plan_ahead(&app.state).await.expect("planned");
    let now = operator_now(&app).await;
    let planned = planned_for(&app, &now.token, &seed.doctor).await;
    let expected = ["2026-12-02", "2026-12-03", "2026-12-04", "2026-12-05", "2026-12-15", "2026-12-16"];
    assert_eq!(planned.iter().map(|start| &start[..10]).collect::<Vec<_>>(), expected);
    for (change, field) in [
        (json!({"ends_at": "2026-11-01T00:00:00Z"}), "ends_at"),
        (json!({"starts_at": "2027-01-01T00:00:00Z", "ends_at": "2028-03-01T00:00:00Z"}), "ends_at"),
        (json!({"staff_id": seed.operator.id}), "staff_id"),
    ] {
        let mut body = json!({"staff_id": seed.doctor.id, "starts_at": "2027-01-01T00:00:00Z",
            "ends_at": "2027-01-02T00:00:00Z", "reason": "other"});
        for (name, value) in change.as_object().expect("changes") {
            body[name] = value.clone();
        }
        let problem = app.post(&now.token, LEAVES, body).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["field"], field);
    }
}
