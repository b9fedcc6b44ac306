//! A coordinator keeps the doctors of one hospital and their roster, and sees nothing else.

use serde_json::{Value, json};

use super::{SHIFTS, path_of, rules::daily};
use crate::harness::TestApp;
use domain::{ids::StaffId, staff::role::Role};

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
    // No accounts, and nothing of the network.
    for path in ["/api/v1/staff", "/api/v1/hospitals", "/api/v1/alerts"] {
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

#[actix_web::test]
async fn a_coordinator_changes_the_doctors_of_their_hospital_and_verifies_no_licence() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let another = app.hospital("hospital-2").await;
    let foreign = app.person(Role::Doctor, "doctor-x@example.cn", Some(another), None).await;
    let own = app.person(Role::Coordinator, "coordinator-1@example.cn", Some(seed.hospital), None).await;
    let (own, operator) = (own.token.as_str(), seed.operator.token.as_str());
    let path = |id: StaffId| format!("/api/v1/staff/{id}");
    let doctor = path(seed.doctor.id);
    let mut shown = app.get(own, &doctor).await.expect(200);
    assert_eq!(shown["doctor"]["licence_verified"], true);
    shown["doctor"]["licence_no"] = json!("SAMPLE-1");
    // Everything else does not exist for them.
    let names = json!({"name_zh": "样例", "name_en": "Sample", "hospital_id": seed.hospital,
        "doctor": shown["doctor"]});
    for id in [foreign.id, seed.pharmacist.id, seed.operator.id, seed.restocker.id, StaffId::generate()] {
        app.get(own, &path(id)).await.problem(404, "not_found");
        app.put(own, &path(id), "*", names.clone()).await.problem(404, "not_found");
    }
    // Departments, languages and places are the hospital's to say.
    let change = |doctor: &Value| {
        json!({"name_zh": shown["staff"]["name_zh"], "name_en": shown["staff"]["name_en"],
            "hospital_id": seed.hospital, "doctor": doctor})
    };
    let mut wanted = shown["doctor"].clone();
    app.put(operator, &doctor, "\"1\"", change(&wanted)).await.expect(200);
    wanted["departments"] = json!(["dermatology", "general_practice"]);
    wanted["languages"] = json!(["en", "zh"]);
    (wanted["capacity"], wanted["video_capacity"]) = (json!(1), json!(0));
    app.put(own, &doctor, "\"7\"", change(&wanted)).await.problem(412, "precondition_failed");
    let changed = app.put(own, &doctor, "\"2\"", change(&wanted)).await.expect(200);
    assert_eq!(changed["doctor"], wanted);
    assert_eq!(app.get(operator, &doctor).await.expect(200)["doctor"], wanted);
    // So is the licence, but not that it is good: an operator verifies it anew, and until then the doctor
    // is off duty.
    app.put(&seed.doctor.token, "/api/v1/duty", "0", json!({"presence": "available"})).await.expect(200);
    wanted["licence_no"] = json!("SAMPLE-NEW-1");
    let refused = app.put(own, &doctor, "*", change(&wanted)).await.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "licence_verified");
    wanted["licence_verified"] = json!(false);
    app.put(own, &doctor, "*", change(&wanted)).await.expect(200);
    let duty = app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    assert_eq!(duty["presence"], "off");
    wanted["licence_verified"] = json!(true);
    app.put(own, &doctor, "*", change(&wanted)).await.problem(422, "invalid_field");
    app.put(operator, &doctor, "*", change(&wanted)).await.expect(200);
    wanted["licence_verified"] = json!(false);
    app.put(own, &doctor, "*", change(&wanted)).await.problem(422, "invalid_field");
    // Nor do they move a doctor, or do anything with an account.
    wanted["licence_verified"] = json!(true);
    let mut moved = change(&wanted);
    moved["hospital_id"] = json!(another);
    let refused = app.put(own, &doctor, "*", moved).await.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "hospital_id");
    for verb in ["disable", "enable", "email", "authenticator-reset"] {
        let body = if verb == "email" { json!({"email": "x@example.cn"}) } else { json!({}) };
        app.post(own, &format!("{doctor}/{verb}"), body).await.problem(403, "role_not_allowed");
    }
}
