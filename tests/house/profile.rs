//! A worker's own health profile.

use serde_json::json;

use crate::harness::TestHouse;

const PATH: &str = "/api/v1/me/profile";

#[actix_web::test]
async fn a_profile_begins_empty_and_the_first_of_two_writers_wins() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let token = house.check_in(&seed).await;
    let empty = house.get(&token, PATH).await;
    assert_eq!(empty.headers["etag"], "\"0\"");
    assert_eq!(empty.expect(200)["allergies"], json!([]));
    let body = json!({"weight_kg_tenths": 705, "allergies": ["penicillins"], "conditions": ["asthma"],
        "medicines": ["aspirin"]});
    let one = house.put(&token, PATH, "\"0\"", body.clone());
    let other = house.put(&token, PATH, "\"0\"", json!({"pregnant": false}));
    let (one, other) = futures_util::future::join(one, other).await;
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let written = house.put(&token, PATH, "\"1\"", body).await;
    assert_eq!(written.headers["etag"], "\"2\"");
    assert_eq!(written.expect(200)["weight_kg_tenths"], 705);
    assert_eq!(house.get(&token, PATH).await.expect(200)["conditions"], json!(["asthma"]));
    house.put(&token, PATH, "\"1\"", json!({})).await.problem(412, "precondition_failed");
    house.get(&seed.doctor.token, PATH).await.problem(403, "role_not_allowed");
    house.get(&seed.safety_officer.token, PATH).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn every_bad_field_is_named() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let token = house.check_in(&seed).await;
    let bad = json!({"weight_kg_tenths": 0, "egfr": 900, "allergies": ["ok", " "]});
    let problem = house.put(&token, PATH, "\"0\"", bad).await.problem(422, "invalid_field");
    let fields: Vec<&str> =
        problem["errors"].as_array().expect("errors").iter().filter_map(|e| e["field"].as_str()).collect();
    assert_eq!(fields, ["allergies[1]", "egfr", "weight_kg_tenths"]);
}
