//! Names, phones, card numbers, PINs and tokens never reach a log line.

use serde_json::json;
use tracing::Instrument;

use crate::{harness::TestApp, support::logs};
use service::Actor;

// No other test in this binary uses these values, so other tests may log anything.
const NAME: &str = "隐私样例丁";
const PHONE: &str = "15498765431";
const CARD: &str = "887766554430";
const PIN: &str = "270461";

#[actix_web::test]
async fn personal_data_stays_out_of_the_logs() {
    let lines = logs::subscribe();
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let worker = json!({"card_number": CARD, "pin": PIN, "name": NAME, "phone": PHONE,
        "birth_date": "1991-02-03", "sex": "female", "job": "courier"});
    app.post(operator, "/api/v1/workers", worker).await.expect(201);
    for query in [format!("phone={PHONE}"), format!("card_number={CARD}")] {
        let found = app.get(operator, &format!("/api/v1/workers?{query}")).await.expect(200);
        assert_eq!(found["items"][0]["name"], NAME);
        app.get(operator, &format!("/api/v1/nowhere/{PHONE}?{query}")).await.problem(404, "route_not_found");
        app.get(operator, &format!("/api/v1/workers?{query}&more={PIN}"))
            .await
            .problem(400, "invalid_parameter");
    }
    let station = &seed.station_token;
    let post = |body| app.post(station, "/api/v1/check-ins", body);
    post(json!({"card_number": CARD, "pin": "270462"})).await.problem(401, "pin_wrong");
    post(json!({"card_number": [CARD], "pin": PIN, PHONE: NAME})).await.problem(422, "invalid_field");
    let opened = post(json!({"card_number": CARD, "pin": PIN})).await.expect(201);
    let token = opened["access_token"].as_str().expect("a token");
    app.get(token, "/api/v1/me").await.expect(200);
    app.get(&format!("{token}x"), "/api/v1/me").await.problem(401, "token_invalid");
    app.get(token, &format!("/api/v1/me?token={token}")).await.problem(400, "invalid_parameter");

    // What the writer's thread logs for a request has the request's id.
    let id = "5d0c3a4b9e8f47218a6b1c2d3e4f5061";
    let work = app.state.write(Actor::System, |_| {
        tracing::info!("logged by the writer");
        Ok(())
    });
    work.instrument(tracing::info_span!("request", request_id = id)).await.expect("written");
    let logged = lines.text();
    // The subscriber works, and records what it should.
    for wanted in ["/api/v1/workers", "/api/v1/check-ins", "status=201", "request_id="] {
        assert!(logged.contains(wanted), "{wanted} is not logged");
    }
    let writer_line =
        logged.lines().find(|line| line.contains("logged by the writer")).expect("the writer's line");
    assert!(writer_line.contains(id), "{writer_line}");
    let secrets = [NAME, PHONE, CARD, PIN, "270462", token, station, operator, &seed.operator.email];
    // Digits of a line's own time may be those of a PIN.
    let without_time = |line: &'_ str| line.split_once("Z ").map_or(line, |(_, rest)| rest).to_owned();
    for secret in secrets {
        let line = logged.lines().map(without_time).find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is logged");
    }
    assert!(!logged.contains("?phone=") && !logged.contains("?card_number="), "a query string is logged");
}
