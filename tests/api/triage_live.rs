//! What is measured, said or told while a consultation is under way reaches it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    concurrency::{crowded, tally},
    harness::TestApp,
    seed::Seed,
    triage::{flags, reading},
};
use domain::{
    consultation::{ConsultationEvent, fold},
    ids::{ConsultationId, Id},
};
use service::Actor;

async fn waiting() -> (TestApp, Seed, String, String) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    (app, seed, worker, id)
}

impl TestApp {
    async fn consultation(&self, token: &str, id: &str) -> Value {
        self.get(token, &format!("/api/v1/consultations/{id}")).await.expect(200)
    }

    async fn record(&self, token: &str, id: &str) -> Value {
        self.get(token, &format!("/api/v1/consultations/{id}/record")).await.expect(200)
    }

    /// The row equals the fold of its events.
    async fn folds(&self, id: &str) {
        let id: ConsultationId = id.parse().expect("an id");
        let (snapshot, logged) = self
            .state
            .read(Actor::System, move |conn, _| {
                let row = storage::consultation::consultation_fetch(conn, id)?.expect("a row");
                let snapshot = storage::consultation::consultation_snapshot(conn, &row)?;
                Ok((snapshot, storage::events::events_of(conn, Id::from_uuid(id.uuid()))?))
            })
            .await
            .expect("read");
        let own: Vec<ConsultationEvent> = logged
            .into_iter()
            .filter_map(|event| {
                let payload = serde_json::from_str(&event.payload).expect("JSON");
                ConsultationEvent::read(&event.kind, payload).ok()
            })
            .collect();
        assert_eq!(fold(&own), Some(snapshot));
    }
}

#[actix_web::test]
async fn an_extreme_that_is_measured_after_asking_goes_to_the_front_and_alarms() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    // Somebody who has waited longer, at another screen.
    let screen = app.open_screen().await;
    app.ask(&app.guest(&screen, 2).await.token).await;
    app.pass(5);
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    let before = app.consultation(&worker, &id).await;
    assert_eq!((&before["triage"], &before["position"]), (&json!("standard"), &json!(2)));
    assert!(app.alerts(&seed).await.is_empty());
    let seen = app.measure(&worker, &[reading("spo2", 62)]).await;
    assert_eq!((&seen["level"], &seen["emergency_number"]), (&json!("emergency"), &json!("120")));
    let after = app.consultation(&worker, &id).await;
    assert_eq!((&after["triage"], &after["position"]), (&json!("emergency"), &json!(1)));
    assert_eq!((&after["emergency_number"], flags(&after)), (&json!("120"), vec!["oxygen_low"]));
    let alerts = app.alerts(&seed).await;
    assert_eq!((alerts.len(), &alerts[0]["consultation_id"]), (1, &json!(id)));
    assert_eq!(app.logged("consultation.triaged").await, 1);
    assert_eq!(app.logged("consultation.red_flag").await, 1);
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    assert_eq!((&offer["consultation_id"], &offer["triage"]), (&json!(id), &json!("emergency")));
    app.folds(&id).await;
}

#[actix_web::test]
async fn an_offer_that_lies_open_and_an_active_consultation_follow_too() {
    let (app, seed, worker, id) = waiting().await;
    app.on_duty(&seed.doctor).await;
    assert_eq!(app.offer_of(&seed.doctor).await["triage"], "standard");
    let said = json!({"symptoms": ["chest_pain"]});
    app.post(&worker, "/api/v1/symptoms", said).await.expect(201);
    let offers = app.get(&seed.doctor.token, "/api/v1/offers").await.expect(200);
    let offer = &offers["items"][0];
    assert_eq!(offer["triage"], "emergency");
    let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
    app.post(&seed.doctor.token, &path, json!({"fence": offer["fence"]})).await.expect(200);
    app.measure(&worker, &[reading("glucose", 20)]).await;
    let record = app.record(&seed.doctor.token, &id).await;
    assert_eq!(flags(&record["triage"]), ["chest_pain", "glucose_low"]);
    assert_eq!(record["triage"]["symptoms"], json!(["chest_pain"]));
    assert_eq!(flags(&app.consultation(&worker, &id).await), ["chest_pain", "glucose_low"]);
    app.folds(&id).await;
}

#[actix_web::test]
async fn readings_of_a_new_check_in_reach_the_doctor() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    app.measure(&worker, &[reading("heart_rate", 80)]).await;
    let id = app.active(&seed, &worker).await;
    app.pass(60);
    app.measure(&worker, &[reading("heart_rate", 95)]).await;
    let again = app.check_in(&seed).await;
    app.pass(10);
    let seen = app.measure(&again, &[reading("temperature", 405)]).await;
    assert_eq!(seen["level"], "emergency");
    let record = app.record(&seed.doctor.token, &id).await;
    let shown: Vec<_> =
        record["readings"].as_array().expect("readings").iter().map(|r| r["display_en"].clone()).collect();
    assert_eq!(shown, [json!("80 beats/min"), json!("95 beats/min"), json!("40.5 ℃")]);
    assert_eq!(
        (&record["triage"]["level"], flags(&record["triage"])),
        (&json!("emergency"), vec!["temperature_high"])
    );
    assert_eq!(app.consultation(&again, &id).await["triage"], "emergency");
    assert_eq!(app.alerts(&seed).await.len(), 1);
}

#[actix_web::test]
async fn a_normal_reading_later_is_shown_and_takes_nothing_back() {
    let (app, seed, worker, id) = waiting().await;
    app.measure(&worker, &[reading("heart_rate", 135)]).await;
    assert_eq!(app.consultation(&worker, &id).await["triage"], "urgent");
    app.pass(30);
    app.measure(&worker, &[reading("blood_pressure", 75)]).await;
    app.pass(30);
    let later = app.measure(&worker, &[reading("blood_pressure", 125), reading("heart_rate", 75)]).await;
    assert_eq!(later["level"], "emergency");
    let view = app.consultation(&worker, &id).await;
    assert_eq!(view["triage"], "emergency");
    assert_eq!(flags(&view), ["news2_two_threes", "pressure_low"]);
    assert_eq!(app.logged("consultation.triaged").await, 2);
    assert_eq!((app.alerts(&seed).await.len(), app.logged("alert.raised").await), (1, 1));
    app.folds(&id).await;
}

#[actix_web::test]
async fn a_pregnancy_that_is_told_during_the_consultation_counts() {
    let (app, seed, worker, id) = waiting().await;
    app.measure(&worker, &[reading("blood_pressure", 165)]).await;
    assert_ne!(app.consultation(&worker, &id).await["triage"], "emergency");
    app.put(&worker, "/api/v1/me/profile", "\"0\"", json!({"pregnant": true})).await.expect(200);
    let view = app.consultation(&worker, &id).await;
    assert_eq!((&view["triage"], flags(&view)), (&json!("emergency"), vec!["pressure_high"]));
    assert_eq!(app.alerts(&seed).await.len(), 1);
}

#[actix_web::test]
async fn what_comes_after_the_end_changes_nothing_of_it() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    app.measure(&worker, &[reading("spo2", 97)]).await;
    let id = app.active(&seed, &worker).await;
    app.pass(10);
    let path = format!("/api/v1/consultations/{id}/complete");
    app.post(&seed.doctor.token, &path, json!({"summary": "好", "diagnoses": []})).await.expect(200);
    app.pass(10);
    let seen = app.measure(&worker, &[reading("spo2", 62)]).await;
    assert_eq!((&seen["level"], &seen["measure_again"]["kind"]), (&json!("urgent"), &json!("spo2")));
    let view = app.consultation(&worker, &id).await;
    assert_eq!((&view["triage"], flags(&view)), (&json!("standard"), vec![]));
    app.folds(&id).await;
}

#[actix_web::test]
async fn what_a_doctor_has_seen_does_not_make_the_next_consultation_an_emergency() {
    let (app, seed, worker, id) = waiting().await;
    app.measure(&worker, &[reading("spo2", 85)]).await;
    app.pass(10);
    app.measure(&worker, &[reading("spo2", 97)]).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    let accept = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
    app.post(&seed.doctor.token, &accept, json!({"fence": offer["fence"]})).await.expect(200);
    app.pass(10);
    let path = format!("/api/v1/consultations/{id}/complete");
    app.post(&seed.doctor.token, &path, json!({"summary": "好", "diagnoses": []})).await.expect(200);
    app.pass(10);
    let next = app.ask(&worker).await;
    assert_eq!(app.consultation(&worker, &next).await["triage"], "standard");
}

#[actix_web::test]
async fn an_emergency_outlasts_the_check_in_in_which_it_was_seen() {
    for how in ["another check-in", "idle", "withdrawn"] {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let worker = app.check_in(&seed).await;
        app.measure(&worker, &[reading("spo2", 62), reading("heart_rate", 155)]).await;
        match how {
            "idle" => {
                app.pass(95);
                service::check_in::sweep_idle(&app.state).await.expect("a round");
            }
            "withdrawn" => {
                let id = app.ask(&worker).await;
                app.post(&worker, &format!("/api/v1/consultations/{id}/cancel"), json!({})).await.expect(200);
            }
            _ => {}
        }
        app.pass(120);
        let worker = app.check_in(&seed).await;
        let triage = app.get(&worker, "/api/v1/triage").await.expect(200);
        assert_eq!(
            (&triage["level"], &triage["emergency_number"]),
            (&json!("emergency"), &json!("120")),
            "{how}"
        );
        let id = app.ask(&worker).await;
        let asked = app.consultation(&worker, &id).await;
        assert_eq!(
            (&asked["triage"], &asked["emergency_number"]),
            (&json!("emergency"), &json!("120")),
            "{how}"
        );
        app.on_duty(&seed.doctor).await;
        let offer = app.offer_of(&seed.doctor).await;
        app.accepts(&seed.doctor, &offer).await.expect(200);
        let record = app.record(&seed.doctor.token, &id).await;
        assert_eq!(record["triage"]["level"], "emergency", "{how}");
        assert!(flags(&record["triage"]).contains(&"oxygen_low"), "{how}: {record}");
        let known = record["readings"].as_array().expect("readings");
        assert!(known.iter().any(|one| one["kind"] == "spo2" && one["value"] == 62), "{how}: {record}");
        app.completes(&seed.doctor, &id).await.expect(200);
        // Whoever has seen a doctor begins anew.
        app.pass(10);
        let worker = app.check_in(&seed).await;
        let triage = app.get(&worker, "/api/v1/triage").await.expect(200);
        assert_eq!(triage["level"], "standard", "{how}");
    }
}

#[actix_web::test]
async fn readings_that_race_with_asking_accepting_and_completing_are_never_lost() {
    for _ in 0..4 {
        let app = crowded().await;
        let seed = app.seed().await;
        let worker = app.check_in(&seed).await;
        // Asking and measuring at once: whichever comes first, the other sees it.
        let ask = json!({"complaint": "头痛", "lane": "minor_ailment_pilot"});
        let extreme = json!({"readings": [reading("spo2", 62)]});
        let answers = join_all([
            app.post(&worker, "/api/v1/consultations", ask),
            app.post(&worker, "/api/v1/readings", extreme.clone()),
        ])
        .await;
        tally(&answers);
        let id = answers[0].body["id"].as_str().expect("an id").to_owned();
        let view = app.consultation(&worker, &id).await;
        assert_eq!((&view["triage"], &view["emergency_number"]), (&json!("emergency"), &json!("120")));
        assert_eq!(app.alerts(&seed).await.len(), 1);
        app.folds(&id).await;
    }
    for _ in 0..4 {
        let app = crowded().await;
        let seed = app.seed().await;
        let worker = app.check_in(&seed).await;
        let id = app.ask(&worker).await;
        app.on_duty(&seed.doctor).await;
        let offer = app.offer_of(&seed.doctor).await;
        let accept = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
        let extreme = json!({"readings": [reading("spo2", 62)]});
        let answers = join_all([
            app.post(&worker, "/api/v1/readings", extreme.clone()),
            app.post(&seed.doctor.token, &accept, json!({"fence": offer["fence"]})),
            app.post(&worker, "/api/v1/readings", extreme.clone()),
            app.post(&worker, "/api/v1/symptoms", json!({"symptoms": ["chest_pain"]})),
        ])
        .await;
        assert_eq!(tally(&answers), [("200 done".to_owned(), 1), ("201 done".to_owned(), 3)].into());
        let view = app.consultation(&worker, &id).await;
        assert_eq!((&view["state"], &view["triage"]), (&json!("active"), &json!("emergency")));
        assert_eq!(flags(&view), ["chest_pain", "oxygen_low"]);
        assert_eq!(app.logged("consultation.triaged").await, 1);
        app.folds(&id).await;
        let complete = format!("/api/v1/consultations/{id}/complete");
        let done = json!({"summary": "好", "diagnoses": []});
        let answers = join_all([
            app.post(&worker, "/api/v1/readings", json!({"readings": [reading("glucose", 20)]})),
            app.post(&seed.doctor.token, &complete, done),
            app.post(&worker, "/api/v1/readings", json!({"readings": [reading("heart_rate", 160)]})),
        ])
        .await;
        assert_eq!(tally(&answers), [("200 done".to_owned(), 1), ("201 done".to_owned(), 2)].into());
        app.folds(&id).await;
    }
}

#[actix_web::test]
async fn a_requeued_emergency_is_still_at_the_front() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    app.measure(&worker, &[reading("spo2", 62)]).await;
    app.pass(200);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    let view = app.consultation(&worker, &id).await;
    assert_eq!(
        (&view["state"], &view["triage"], &view["position"]),
        (&json!("waiting"), &json!("emergency"), &json!(1))
    );
}
