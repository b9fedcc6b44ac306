//! Who is in danger is not sold something against it: triage speaks at the sale and
//! at paying, whatever check-in or screen the danger was seen in.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    sale::{Counter, answers, buy, counter, found, guest, lines, station_token},
    triage::reading,
};

const ORDERS: &str = "/api/v1/orders";

/// Pressure of both values.
fn pressure(systolic: i64, diastolic: i64) -> Value {
    let mut reading = reading("blood_pressure", systolic);
    reading["second"] = json!(diastolic);
    reading
}

async fn accepting(app: &TestApp, token: &str, code: &str, rules: &[&str]) -> Answer {
    let mut body = lines(&[(code, 1)]);
    body["accepted_warnings"] = json!(rules);
    app.post(token, ORDERS, body).await
}

/// Leaves, and comes back a while later as the same person.
async fn comes_back(app: &TestApp, at: &mut Counter, token: &str, phone: &str) -> String {
    let me = app.get(token, "/api/v1/me").await.expect(200);
    let leave = format!("/api/v1/check-ins/{}/leave", me["check_in_id"].as_str().expect("an id"));
    app.post(&at.station_token, &leave, json!({})).await.expect(200);
    app.pass(600);
    at.station_token = station_token(app, at.station, at.device);
    guest(app, at, phone).await
}

#[actix_web::test]
async fn in_an_emergency_nothing_is_sold_and_the_first_aid_is_told() {
    let (app, _, mut counter) = counter().await;
    let token = guest(&app, &counter, "15400000051").await;
    app.post(&token, "/api/v1/symptoms", json!({"symptoms": ["chest_pain"]})).await.expect(201);
    app.measure(&token, &[reading("spo2", 70), reading("heart_rate", 170)]).await;
    for code in ["PCM-T500", "IBU-T200", "PVI-S5"] {
        let refused = buy(&app, &token, &[(code, 1)]).await.problem(422, "safety_blocked");
        let told: Vec<&Value> = refused["data"]
            .as_array()
            .expect("findings")
            .iter()
            .filter(|one| one["rule"] == "triage_emergency")
            .collect();
        assert!(told.len() >= 3, "{refused}");
        for one in told {
            assert!(one["message"]["zh"].as_str().is_some_and(|words| words.contains("120")), "{one}");
            assert!(one["message"]["en"].as_str().is_some_and(|words| words.contains("120")), "{one}");
        }
        assert!(refused["data"].to_string().contains("AED"), "the first aid of chest pain: {refused}");
    }
    // Leaving and coming back does not take it away.
    let again = comes_back(&app, &mut counter, &token, "15400000051").await;
    app.measure(&again, &[reading("spo2", 98), reading("heart_rate", 75)]).await;
    let refused = buy(&app, &again, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"triage_emergency".to_owned()), "{refused}");
    assert_eq!(app.get(&again, ORDERS).await.expect(200)["items"], json!([]));
}

#[actix_web::test]
async fn the_doctor_who_saw_it_settles_it_and_what_comes_after_counts_again() {
    let (app, seed, counter) = counter().await;
    let token = guest(&app, &counter, "15400000052").await;
    app.post(&token, "/api/v1/symptoms", json!({"symptoms": ["burn"]})).await.expect(201);
    buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    let id = app.active(&seed, &token).await;
    let refused = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"triage_emergency".to_owned()), "while it is under way: {refused}");
    app.completes(&seed.doctor, &id).await.expect(200);
    let order = buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    // Before the packs are paid something new is said.
    app.post(&token, "/api/v1/symptoms", json!({"symptoms": ["fainting"]})).await.expect(201);
    let pay = format!("{ORDERS}/{}/pay", order["id"].as_str().expect("an id"));
    let refused = app.post(&token, &pay, json!({"method": "subsidy"})).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"triage_emergency".to_owned()), "{refused}");
}

#[actix_web::test]
async fn an_extreme_is_measured_again_before_anything_is_sold() {
    let (app, _, mut counter) = counter().await;
    let token = guest(&app, &counter, "15400000053").await;
    app.measure(&token, &[reading("heart_rate", 160)]).await;
    let refused = buy(&app, &token, &[("PVI-S5", 1)]).await.problem(422, "safety_blocked");
    assert_eq!(found(&refused), ["triage_measure_again"], "{refused}");
    app.pass(20);
    app.measure(&token, &[reading("heart_rate", 78)]).await;
    buy(&app, &token, &[("PVI-S5", 1)]).await.expect(201);
    app.measure(&token, &[reading("heart_rate", 160)]).await;
    let token = comes_back(&app, &mut counter, &token, "15400000053").await;
    let refused = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"triage_emergency".to_owned()), "nobody measured again: {refused}");
}

#[actix_web::test]
async fn what_is_urgent_is_read_and_accepted() {
    let (app, _, counter) = counter().await;
    let token = guest(&app, &counter, "15400000054").await;
    app.measure(&token, &[reading("temperature", 392)]).await;
    let warned = buy(&app, &token, &[("PVI-S5", 1)]).await.problem(422, "safety_warnings_unaccepted");
    assert_eq!(found(&warned), ["triage_urgent"], "{warned}");
    let order = accepting(&app, &token, "PVI-S5", &["triage_urgent"]).await.expect(201);
    assert_eq!(order["safety"]["accepted_warnings"], json!(["triage_urgent"]));
}

#[actix_web::test]
async fn a_painkiller_that_raises_it_is_not_sold_at_a_very_high_blood_pressure() {
    let (app, seed, counter) = counter().await;
    for (at, (systolic, diastolic)) in [(184, 96), (150, 112)].into_iter().enumerate() {
        let token = guest(&app, &counter, &format!("1540000006{at}")).await;
        app.measure(&token, &[pressure(systolic, diastolic)]).await;
        let refused = accepting(&app, &token, "IBU-T200", &["triage_urgent", "nsaid_severe_pressure"]).await;
        let refused = refused.problem(422, "safety_blocked");
        assert!(found(&refused).contains(&"self_care_severe_pressure".to_owned()), "{refused}");
        accepting(&app, &token, "PCM-T500", &["triage_urgent"]).await.expect(201);
    }
    let normal = guest(&app, &counter, "15400000069").await;
    app.measure(&normal, &[pressure(150, 92)]).await;
    buy(&app, &normal, &[("IBU-T200", 1)]).await.expect(201);
    // A doctor is warned, and may have a reason.
    let body = json!({"profile": {"age_years": 40, "sex": "male", "systolic": 184, "diastolic": 96},
        "lines": [{"product_code": "IBU-T200", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3}]});
    let report = app.post(&seed.doctor.token, "/api/v1/prescriptions/check", body).await.expect(200);
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|one| one["rule"].as_str())
        .collect();
    assert!(rules.contains(&"nsaid_severe_pressure"), "{report}");
    answers(&app, &normal, json!({})).await;
}
