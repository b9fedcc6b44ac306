//! Readings, symptoms and facts that come in during a consultation change its triage.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Caller, TestApp, Worker, WorkerAtStation,
    care::{flags, reading},
    id_in,
    rush::{expect_tally, tally},
};

/// A worker who waits for a doctor, with the consultation's id.
async fn waiting(app: &TestApp) -> (WorkerAtStation<'_>, String) {
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    (worker, id)
}

#[actix_web::test]
async fn an_extreme_that_is_measured_after_asking_goes_to_the_front_and_alarms() {
    let app = TestApp::open().await;
    let (operator, doctor) = (app.operator().await, app.doctor().await);
    // Somebody has waited longer, at another screen.
    let other = Worker::walk_in().phone("15500000002");
    app.open_screen().await.check_in(other).await.ask_for_doctor().await;
    app.pass(5);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    let before = worker.consultation(&id).await;
    assert_eq!((&before["triage"], &before["position"]), (&json!("standard"), &json!(2)));
    assert!(operator.open_alerts().await.is_empty());
    let seen = worker.measure(&[reading("spo2", 62)]).await;
    assert_eq!((&seen["level"], &seen["emergency_number"]), (&json!("emergency"), &json!("120")));
    let after = worker.consultation(&id).await;
    assert_eq!((&after["triage"], &after["position"]), (&json!("emergency"), &json!(1)));
    assert_eq!((&after["emergency_number"], flags(&after)), (&json!("120"), vec!["oxygen_low"]));
    let alerts = operator.open_alerts().await;
    assert_eq!((alerts.len(), &alerts[0]["consultation_id"]), (1, &json!(id)));
    assert_eq!(app.logged("consultation.triaged").await, 1);
    assert_eq!(app.logged("consultation.red_flag").await, 1);
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    assert_eq!((&offer["consultation_id"], &offer["triage"]), (&json!(id), &json!("emergency")));
    app.folds(&id).await;
}

#[actix_web::test]
async fn an_offer_that_lies_open_and_an_active_consultation_follow_too() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let (worker, id) = waiting(&app).await;
    doctor.go_on_duty().await;
    assert_eq!(doctor.offer().await["triage"], "standard");
    worker.report_symptoms(&["chest_pain"]).await.expect_created();
    let offers = doctor.open_offers().await;
    assert_eq!(offers[0]["triage"], "emergency");
    doctor.accept(&offers[0]).await.expect_ok();
    worker.measure(&[reading("glucose", 20)]).await;
    let record = doctor.record(&id).await;
    assert_eq!(flags(&record["triage"]), ["chest_pain", "glucose_low"]);
    assert_eq!(record["triage"]["symptoms"], json!(["chest_pain"]));
    assert_eq!(flags(&worker.consultation(&id).await), ["chest_pain", "glucose_low"]);
    app.folds(&id).await;
}

#[actix_web::test]
async fn readings_of_a_new_check_in_reach_the_doctor() {
    let app = TestApp::open().await;
    let (operator, doctor) = (app.operator().await, app.doctor().await);
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.measure(&[reading("heart_rate", 80)]).await;
    let id = doctor.consult_with(&worker).await;
    app.pass(60);
    worker.measure(&[reading("heart_rate", 95)]).await;
    let again = app.station().await.check_in(Worker::adult()).await;
    app.pass(10);
    let seen = again.measure(&[reading("temperature", 405)]).await;
    assert_eq!(seen["level"], "emergency");
    let record = doctor.record(&id).await;
    let shown: Vec<_> =
        record["readings"].as_array().expect("readings").iter().map(|r| r["display_en"].clone()).collect();
    assert_eq!(shown, [json!("80 beats/min"), json!("95 beats/min"), json!("40.5 ℃")]);
    assert_eq!(
        (&record["triage"]["level"], flags(&record["triage"])),
        (&json!("emergency"), vec!["temperature_high"])
    );
    assert_eq!(again.consultation(&id).await["triage"], "emergency");
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn a_normal_reading_later_is_shown_and_takes_nothing_back() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let (worker, id) = waiting(&app).await;
    worker.measure(&[reading("heart_rate", 135)]).await;
    assert_eq!(worker.consultation(&id).await["triage"], "urgent");
    app.pass(30);
    worker.measure(&[reading("blood_pressure", 75)]).await;
    app.pass(30);
    let later = worker.measure(&[reading("blood_pressure", 125), reading("heart_rate", 75)]).await;
    assert_eq!(later["level"], "emergency");
    let view = worker.consultation(&id).await;
    assert_eq!(view["triage"], "emergency");
    assert_eq!(flags(&view), ["news2_two_threes", "pressure_low"]);
    assert_eq!(app.logged("consultation.triaged").await, 2);
    assert_eq!((operator.open_alerts().await.len(), app.logged("alert.raised").await), (1, 1));
    app.folds(&id).await;
}

#[actix_web::test]
async fn a_pregnancy_that_is_told_during_the_consultation_counts() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let (worker, id) = waiting(&app).await;
    worker.measure(&[reading("blood_pressure", 165)]).await;
    assert_ne!(worker.consultation(&id).await["triage"], "emergency");
    worker.write_profile(json!({"pregnant": true})).await.expect_ok();
    let view = worker.consultation(&id).await;
    assert_eq!((&view["triage"], flags(&view)), (&json!("emergency"), vec!["pressure_high"]));
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn what_comes_after_the_end_changes_nothing_of_it() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.measure(&[reading("spo2", 97)]).await;
    let id = doctor.consult_with(&worker).await;
    app.pass(10);
    doctor.complete(&id).await.expect_ok();
    app.pass(10);
    let seen = worker.measure(&[reading("spo2", 62)]).await;
    assert_eq!((&seen["level"], &seen["measure_again"]["kind"]), (&json!("urgent"), &json!("spo2")));
    let view = worker.consultation(&id).await;
    assert_eq!((&view["triage"], flags(&view)), (&json!("standard"), vec![]));
    app.folds(&id).await;
}

#[actix_web::test]
async fn what_a_doctor_has_seen_does_not_make_the_next_consultation_an_emergency() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let (worker, id) = waiting(&app).await;
    worker.measure(&[reading("spo2", 85)]).await;
    app.pass(10);
    worker.measure(&[reading("spo2", 97)]).await;
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    doctor.accept(&offer).await.expect_ok();
    app.pass(10);
    doctor.complete(&id).await.expect_ok();
    app.pass(10);
    let next = worker.ask_for_doctor().await;
    assert_eq!(worker.consultation(&next).await["triage"], "standard");
}

#[actix_web::test]
async fn an_emergency_outlasts_the_check_in_in_which_it_was_seen() {
    for how in ["another check-in", "idle", "withdrawn"] {
        let app = TestApp::open().await;
        let doctor = app.doctor().await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        worker.measure(&[reading("spo2", 62), reading("heart_rate", 155)]).await;
        match how {
            "idle" => {
                app.pass(95);
                service::check_in::sweep_idle(&app.state).await.expect("a round");
            }
            "withdrawn" => {
                let id = worker.ask_for_doctor().await;
                worker.cancel_consultation(&id).await.expect_ok();
            }
            _ => {}
        }
        app.pass(120);
        let worker = app.station().await.check_in(Worker::adult()).await;
        let triage = worker.triage().await;
        assert_eq!(
            (&triage["level"], &triage["emergency_number"]),
            (&json!("emergency"), &json!("120")),
            "{how}"
        );
        let id = worker.ask_for_doctor().await;
        let asked = worker.consultation(&id).await;
        assert_eq!(
            (&asked["triage"], &asked["emergency_number"]),
            (&json!("emergency"), &json!("120")),
            "{how}"
        );
        doctor.go_on_duty().await;
        let offer = doctor.offer().await;
        doctor.accept(&offer).await.expect_ok();
        let record = doctor.record(&id).await;
        assert_eq!(record["triage"]["level"], "emergency", "{how}");
        assert!(flags(&record["triage"]).contains(&"oxygen_low"), "{how}: {record}");
        let known = record["readings"].as_array().expect("readings");
        assert!(known.iter().any(|one| one["kind"] == "spo2" && one["value"] == 62), "{how}: {record}");
        doctor.complete(&id).await.expect_ok();
        // After a consultation the triage starts from the beginning.
        app.pass(10);
        let worker = app.station().await.check_in(Worker::adult()).await;
        let triage = worker.triage().await;
        assert_eq!(triage["level"], "standard", "{how}");
    }
}

#[actix_web::test]
async fn readings_that_race_with_asking_accepting_and_completing_are_never_lost() {
    for _ in 0..4 {
        let app = TestApp::open_crowded().await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        // Asking and measuring at once: whichever comes first, the other sees it.
        let request = json!({"complaint": "头痛", "lane": "minor_ailment_pilot"});
        let answers = join_all([
            worker.post("/api/v1/consultations", request),
            worker.post("/api/v1/readings", json!({"readings": [reading("spo2", 62)]})),
        ])
        .await;
        tally(&answers);
        let id = id_in(&answers[0].body);
        let view = worker.consultation(id).await;
        assert_eq!((&view["triage"], &view["emergency_number"]), (&json!("emergency"), &json!("120")));
        assert_eq!(app.operator().await.open_alerts().await.len(), 1);
        app.folds(id).await;
    }
    for _ in 0..4 {
        let app = TestApp::open_crowded().await;
        let (worker, id) = waiting(&app).await;
        let doctor = app.doctor().await;
        doctor.go_on_duty().await;
        let offer = doctor.offer().await;
        let accept = format!("/api/v1/offers/{}/accept", id_in(&offer));
        let extreme = json!({"readings": [reading("spo2", 62)]});
        let answers = join_all([
            app.post(&worker.token, "/api/v1/readings", extreme.clone()),
            app.post(&doctor.person.token, &accept, json!({"fence": offer["fence"]})),
            app.post(&worker.token, "/api/v1/readings", extreme.clone()),
            app.post(&worker.token, "/api/v1/symptoms", json!({"symptoms": ["chest_pain"]})),
        ])
        .await;
        expect_tally(&answers, &[("200 done", 1), ("201 done", 3)]);
        let view = worker.consultation(&id).await;
        assert_eq!((&view["state"], &view["triage"]), (&json!("active"), &json!("emergency")));
        assert_eq!(flags(&view), ["chest_pain", "oxygen_low"]);
        assert_eq!(app.logged("consultation.triaged").await, 1);
        app.folds(&id).await;
        let complete = format!("/api/v1/consultations/{id}/complete");
        let done = json!({"summary": "好", "diagnoses": []});
        let answers = join_all([
            app.post(&worker.token, "/api/v1/readings", json!({"readings": [reading("glucose", 20)]})),
            app.post(&doctor.person.token, &complete, done),
            app.post(&worker.token, "/api/v1/readings", json!({"readings": [reading("heart_rate", 160)]})),
        ])
        .await;
        expect_tally(&answers, &[("200 done", 1), ("201 done", 2)]);
        app.folds(&id).await;
    }
}

#[actix_web::test]
async fn a_requeued_emergency_is_still_at_the_front() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    worker.measure(&[reading("spo2", 62)]).await;
    app.pass(200);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    let view = worker.consultation(&id).await;
    assert_eq!(
        (&view["state"], &view["triage"], &view["position"]),
        (&json!("waiting"), &json!("emergency"), &json!(1))
    );
}
