//! A coordinator keeps the roster of the doctors of one hospital, and sees nothing else.

use serde_json::{Value, json};

use super::{SHIFTS, path_of, rules::daily};
use crate::harness::TestApp;
use domain::staff::role::Role;

#[actix_web::test]
async fn a_coordinator_keeps_the_roster_of_their_hospital_only() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let another = app.hospital("hospital-2").await;
    let foreign = app.person(Role::Doctor, "doctor-x@example.cn", Some(another), None).await;
    let own = app.person(Role::Coordinator, "coordinator-1@example.cn", Some(seed.hospital), None).await;
    let theirs = app.person(Role::Coordinator, "coordinator-2@example.cn", Some(another), None).await;
    let (own, theirs) = (own.token.as_str(), theirs.token.as_str());
    // Whom they see.
    let listed = app.get(own, "/api/v1/rostered-staff").await.expect(200);
    let ids: Vec<&Value> = listed["items"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(seed.doctor.id), &json!(seed.doctor_b.id)]);
    assert_eq!(listed["items"][0]["departments"], json!(["general_practice"]));
    // A shift, a rule and a leave of their own doctor; the other coordinator finds none of them.
    let hours = json!({"staff_id": seed.doctor.id, "starts_at": "2026-12-01T12:00:00Z", "ends_at": "2026-12-01T20:00:00Z"});
    let shift = app.post(own, SHIFTS, hours.clone()).await.expect(201);
    let rule = app.post(own, "/api/v1/shift-rules", daily(&seed)).await.expect(201);
    let rule_path = format!("/api/v1/shift-rules/{}", rule["id"].as_str().expect("an id"));
    let leave = json!({"staff_id": seed.doctor.id, "starts_at": "2026-12-20T00:00:00Z",
        "ends_at": "2026-12-21T00:00:00Z", "reason": "annual"});
    let leave = app.post(own, "/api/v1/leaves", leave).await.expect(201);
    let leave_path = format!("/api/v1/leaves/{}", leave["id"].as_str().expect("an id"));
    let change = json!({"starts_at": "2026-12-01T13:00:00Z", "ends_at": "2026-12-01T20:00:00Z"});
    let rule_change = json!({"first_date": "2026-11-25", "start_time": "08:00", "length_minutes": 60,
        "rrule": "FREQ=DAILY"});
    for answer in [
        app.get(theirs, &path_of(&shift)).await,
        app.put(theirs, &path_of(&shift), "*", change.clone()).await,
        app.post(theirs, &format!("{}/cancel", path_of(&shift)), json!({})).await,
        app.get(theirs, &rule_path).await,
        app.put(theirs, &rule_path, "*", rule_change).await,
        app.post(theirs, &format!("{rule_path}/end"), json!({})).await,
        app.post(theirs, &format!("{leave_path}/end"), json!({})).await,
        app.post(theirs, SHIFTS, hours).await,
        app.post(theirs, "/api/v1/shift-rules", daily(&seed)).await,
    ] {
        answer.problem(404, "not_found");
    }
    for path in [SHIFTS, "/api/v1/shift-rules", "/api/v1/leaves"] {
        let list = app.get(theirs, &format!("{path}?limit=100")).await.expect(200);
        let items = list["items"].as_array().expect("a list");
        assert!(items.iter().all(|item| item["staff_id"] == json!(foreign.id)), "{path}: {list}");
        let asked = app.get(theirs, &format!("{path}?staff_id={}", seed.doctor.id)).await.expect(200);
        assert_eq!(asked["items"], json!([]), "{path}");
        let list = app.get(own, &format!("{path}?limit=100")).await.expect(200);
        let items = list["items"].as_array().expect("a list");
        assert!(!items.is_empty(), "{path}");
        let of_hospital = [json!(seed.doctor.id), json!(seed.doctor_b.id)];
        assert!(items.iter().all(|item| of_hospital.contains(&item["staff_id"])), "{path}: {list}");
    }
    // Pharmacists belong to the network, and so does everybody else who is not a doctor.
    for person in [&seed.pharmacist, &seed.operator, &seed.restocker] {
        let body = json!({"staff_id": person.id, "starts_at": "2026-12-01T12:00:00Z", "ends_at": "2026-12-01T20:00:00Z"});
        app.post(own, SHIFTS, body).await.problem(404, "not_found");
    }
    app.put(own, &path_of(&shift), "*", change).await.expect(200);
    app.post(own, &format!("{}/cancel", path_of(&shift)), json!({})).await.expect(200);
    // Neither licences nor accounts.
    for path in
        ["/api/v1/staff", &format!("/api/v1/staff/{}", seed.doctor.id), "/api/v1/hospitals", "/api/v1/alerts"]
    {
        app.get(own, path).await.problem(403, "role_not_allowed");
    }
    app.post(own, &format!("/api/v1/staff/{}/disable", seed.doctor.id), json!({}))
        .await
        .problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn a_coordinator_belongs_to_a_hospital_and_moves_with_a_new_session() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let mut body =
        json!({"role": "coordinator", "email": "c9@example.cn", "name_zh": "样例", "name_en": "Sample"});
    let problem = app.post(operator, "/api/v1/staff", body.clone()).await.problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["field"], "hospital_id");
    body["hospital_id"] = json!(seed.hospital);
    let invited = app.post(operator, "/api/v1/staff", body).await.expect(201);
    assert_eq!(invited["staff"]["role"], "coordinator");
    // A doctor who moves is the other coordinator's from then on.
    let another = app.hospital("hospital-2").await;
    let theirs = app.person(Role::Coordinator, "coordinator-2@example.cn", Some(another), None).await;
    let path = format!("/api/v1/staff/{}", theirs.id);
    let moved = json!({"name_zh": "样例", "name_en": "Sample", "hospital_id": seed.hospital});
    app.put(operator, &path, "\"1\"", moved).await.expect(200);
    app.get(&theirs.token, SHIFTS).await.problem(401, "session_ended");
}
