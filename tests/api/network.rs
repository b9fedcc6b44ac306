//! Operators run the network; employers see fit or hold of their own workers.

use serde_json::json;

use crate::harness::TestApp;
use domain::ids::Id;
use service::Actor;

#[actix_web::test]
async fn a_disabled_member_of_staff_loses_the_session_at_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = format!("/api/v1/staff/{}/disable", seed.doctor.id);
    app.post(&seed.doctor_b.token, &path, json!({})).await.problem(403, "role_not_allowed");
    let view = app.post(&seed.operator.token, &path, json!({})).await.expect(200);
    assert!(view["disabled_at"].is_string());
    app.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    let session = Id::from_uuid(seed.doctor.session.uuid());
    let events = app.state.read(Actor::System, move |conn, _| Ok(storage::events::events_of(conn, session)?));
    let last = events.await.expect("read").pop().expect("an event");
    assert_eq!((last.kind.as_str(), last.payload.as_str()), ("session.ended", r#"{"reason":"disabled"}"#));
    let own = format!("/api/v1/staff/{}/disable", seed.operator.id);
    app.post(&seed.operator.token, &own, json!({})).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn a_station_is_created_with_its_cabinet_and_its_code_is_unique() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let body = json!({"code": "muping-01", "name_zh": "牟平", "name_en": "Muping", "district": "muping",
        "latitude_e6": 37_380_000, "longitude_e6": 121_600_000});
    let made = app.post(&seed.operator.token, "/api/v1/stations", body.clone()).await.expect(201);
    assert!(made["cabinet_id"].is_string(), "{made}");
    app.post(&seed.operator.token, "/api/v1/stations", body).await.problem(409, "already_exists");
    let page = app.get(&seed.operator.token, "/api/v1/stations?limit=1").await.expect(200);
    let next =
        format!("/api/v1/stations?limit=1&after={}", page["next_after"].as_str().expect("a next page"));
    let second = app.get(&seed.operator.token, &next).await.expect(200);
    assert_ne!(page["items"][0]["id"], second["items"][0]["id"]);
}

#[actix_web::test]
async fn an_employer_sees_the_fitness_of_their_own_workers_and_nothing_else() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let path = "/api/v1/employees/fitness";
    let seen = app.get(&seed.safety_officer.token, path).await.expect(200);
    assert_eq!(seen["items"][0]["worker_id"], json!(seed.worker));
    assert_eq!(seen["items"][0]["fit"], "no_consent");
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1));
    app.get(&seed.operator.token, path).await.problem(403, "role_not_allowed");
    app.get(&seed.safety_officer.token, &format!("/api/v1/workers/{}", seed.worker))
        .await
        .problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn shifts_of_one_doctor_do_not_overlap() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let shift = |from: &str, to: &str| json!({"staff_id": seed.doctor.id, "starts_at": from, "ends_at": to});
    let token = &seed.operator.token;
    let later = shift("2026-11-25T00:00:00Z", "2026-11-25T08:00:00Z");
    app.post(token, "/api/v1/shifts", later.clone()).await.expect(201);
    app.post(token, "/api/v1/shifts", shift("2026-11-25T07:00:00Z", "2026-11-25T09:00:00Z"))
        .await
        .problem(409, "already_exists");
    app.post(token, "/api/v1/shifts", shift("2026-11-26T07:00:00Z", "2026-11-26T06:00:00Z"))
        .await
        .problem(422, "invalid_field");
    let list = app.get(token, &format!("/api/v1/shifts?staff_id={}", seed.doctor.id)).await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
}
