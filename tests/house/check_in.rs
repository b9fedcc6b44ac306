//! A worker becomes known to one station screen for a short time.

use serde_json::json;

use crate::harness::TestHouse;

#[actix_web::test]
async fn without_a_token_nothing_opens() {
    let house = TestHouse::open().await;
    house.post("", "/api/v1/check-ins", json!({})).await.problem(401, "unauthenticated");
    house.post("not-a-token", "/api/v1/check-ins", json!({})).await.problem(401, "token_invalid");
    house.get("x", "/api/v1/nowhere").await.problem(404, "route_not_found");
}
