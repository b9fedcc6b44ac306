//! What an employer is told of fitness, and when it is told nothing.

use serde_json::{Value, json};

use crate::{harness::TestHouse, seed::Seed, triage::reading};

const PATH: &str = "/api/v1/employees/fitness";

async fn opened() -> (TestHouse, Seed, String) {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let worker = house.check_in(&seed).await;
    (house, seed, worker)
}

impl TestHouse {
    async fn told(&self, seed: &Seed) -> Value {
        self.get(&seed.safety_officer.token, PATH).await.expect(200)["items"][0]["fit"].clone()
    }
}

fn purpose() -> Value {
    json!({"purpose": "employer_fitness"})
}

#[actix_web::test]
async fn the_employer_is_told_only_under_the_separate_consent_and_until_it_is_withdrawn() {
    let (house, seed, worker) = opened().await;
    house.measure(&worker, &[reading("blood_pressure", 165)]).await;
    assert_eq!(house.told(&seed).await, "no_consent");
    assert_eq!(house.logged("record.read").await, 0);
    house.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    let seen = house.get(&seed.safety_officer.token, PATH).await.expect(200);
    let item = &seen["items"][0];
    assert_eq!(item["fit"], "hold");
    assert!(item["next"]["zh"].is_string());
    assert_eq!(item.as_object().map(serde_json::Map::len), Some(3), "never why: {item}");
    assert_eq!(house.logged("record.read").await, 1);
    house.post(&worker, "/api/v1/me/consents/withdraw", purpose()).await.expect(200);
    assert_eq!(house.told(&seed).await, "no_consent");
    assert_eq!(house.logged("record.read").await, 1);
}

#[actix_web::test]
async fn who_was_not_measured_before_this_shift_is_not_checked() {
    let house = TestHouse::open_with(|config| {
        config.policy.insert("fitness".to_owned(), json!({"check_holds_h": 1}));
    })
    .await;
    let seed = house.seed().await;
    let worker = house.check_in(&seed).await;
    house.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    assert_eq!(house.told(&seed).await, "not_checked");
    house.measure(&worker, &[reading("breath_alcohol", 0)]).await;
    assert_eq!(house.told(&seed).await, "not_checked");
    house.measure(&worker, &[reading("blood_pressure", 118)]).await;
    assert_eq!(house.told(&seed).await, "fit");
    house.pass(3600);
    let officer = &seed.safety_officer;
    let token = house.staff_token(
        waystation::crypto::tokens::Role::Employer,
        officer.id,
        officer.session,
        None,
        Some(seed.employer),
    );
    let seen = house.get(&token, PATH).await.expect(200);
    assert_eq!(seen["items"][0]["fit"], "not_checked");
}

#[actix_web::test]
async fn alcohol_and_a_cuff_that_shows_hi_hold_and_a_retest_counts_after_the_wait() {
    let (house, seed, worker) = opened().await;
    house.post(&worker, "/api/v1/me/consents", purpose()).await.expect(201);
    house.measure(&worker, &[reading("blood_pressure", 118), reading("breath_alcohol", 90)]).await;
    assert_eq!(house.told(&seed).await, "hold");
    house.pass(60);
    house.measure(&worker, &[reading("breath_alcohol", 0)]).await;
    assert_eq!(house.told(&seed).await, "hold");
    house.pass(60);
    let high = json!({"kind": "blood_pressure", "beyond": "high", "unit": "mm[Hg]", "device": "cuff"});
    house.measure(&worker, &[high]).await;
    assert_eq!(house.told(&seed).await, "hold");
}

#[actix_web::test]
async fn a_withdrawn_consent_to_care_closes_the_record_to_the_doctor() {
    let (house, seed, worker) = opened().await;
    house.measure(&worker, &[reading("blood_pressure", 118)]).await;
    let id = house.active(&seed, &worker).await;
    let record = format!("/api/v1/consultations/{id}/record");
    house.get(&seed.doctor.token, &record).await.expect(200);
    let care = json!({"purpose": "health_care"});
    house.post(&worker, "/api/v1/me/consents/withdraw", care.clone()).await.expect(200);
    house.get(&seed.doctor.token, &record).await.problem(422, "consent_missing");
    house.post(&worker, "/api/v1/me/consents", care).await.expect(201);
    house.get(&seed.doctor.token, &record).await.expect(200);
}
