//! A consultation, from the request to the rating.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Caller, Code, TestApp, Worker, id_in};
use domain::{
    consultation::{Consultation, ConsultationEvent},
    ids::{ConsultationId, Id},
};
use service::Actor;

#[actix_web::test]
async fn a_worker_waits_is_seen_talks_and_rates() {
    let app = TestApp::open().await;
    let (doctor, other_doctor) = (app.doctor().await, app.second_doctor().await);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    let waiting = worker.consultation(&id).await;
    assert_eq!((&waiting["state"], &waiting["position"]), (&json!("waiting"), &json!(1)));
    assert_eq!(waiting["estimate"]["basis"], "nobody_on_call");

    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    assert_eq!(offer["complaint"], "喉咙痛三天");
    assert_eq!(worker.consultation(&id).await["state"], "offered");
    assert_eq!(doctor.accept(&offer).await.expect_ok()["state"], "active");

    doctor.say(&id, "发烧吗？").await.expect_created();
    worker.say(&id, "不发烧").await.expect_created();
    let messages = format!("/api/v1/consultations/{id}/messages");
    assert_eq!(worker.list(&messages).await[1]["text"], "不发烧");
    other_doctor.get(&messages).await.expect_refused(Code::NotFound);

    assert_eq!(doctor.record(&id).await["worker"]["name"], "样例工人甲");
    let summary = json!({"summary": "多喝水，休息。", "diagnoses": [{"code": "J02", "name": "急性咽炎"}]});
    assert_eq!(doctor.complete_with(&id, summary).await.expect_ok()["state"], "completed");
    assert_eq!(worker.rate(&id, 5).await.expect_ok()["rating"], 5);
    worker.say(&id, "谢谢").await.expect_refused(Code::StateMovedOn);
}

#[actix_web::test]
async fn two_doctors_cannot_have_one_offer() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    app.second_doctor().await.accept(&offer).await.expect_refused(Code::NotFound);
    for answer in join_all((0..10).map(|_| doctor.accept(&offer))).await {
        // Accepting one's own offer twice is no error: it is accepted.
        answer.expect_ok();
    }
    assert_eq!(doctor.duty().await.1, 1);
}

#[actix_web::test]
async fn an_unanswered_offer_goes_to_the_next_doctor_and_its_doctor_is_away() {
    let app = TestApp::open().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    let first_offer = doctor.offer().await;
    second.go_on_duty().await;
    app.pass(21);
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("a round"), 1);
    let next_offer = second.offer().await;
    assert_eq!(next_offer["consultation_id"], json!(id));
    assert_eq!(next_offer["fence"], json!(first_offer["fence"].as_i64().expect("a fence") + 1));
    assert_eq!(doctor.duty().await, (json!("away"), json!(0)));
    doctor.accept(&first_offer).await.expect_refused(Code::OfferNotYours);
}

#[actix_web::test]
async fn a_declined_offer_is_not_put_to_the_same_doctor_again() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    doctor.decline(&doctor.offer().await).await.expect_ok();
    assert_eq!(doctor.offer().await, Value::Null);
}

#[actix_web::test]
async fn a_worker_has_one_live_consultation_and_may_take_it_back() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let request = json!({"complaint": "头痛", "lane": "consultation_only"});
    let answers = join_all((0..8).map(|_| worker.request_consultation(request.clone()))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1, "{made:?} {refused:?}");
    for answer in refused {
        assert_eq!(answer.body["code"], "consultation_live");
    }
    let cancelled = worker.cancel_consultation(id_in(&made[0].body)).await.expect_ok();
    assert_eq!(cancelled["state"], "cancelled");
    worker.request_consultation(request).await.expect_created();
}

#[actix_web::test]
async fn a_red_flag_is_an_emergency_and_shows_the_number() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let view = worker.ask_with_chest_pain().await.expect_created();
    assert_eq!((&view["triage"], &view["emergency_number"]), (&json!("emergency"), &json!("120")));
}

#[actix_web::test]
async fn a_lane_that_the_station_does_not_permit_is_refused() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let request = json!({"complaint": "头痛", "lane": "with_onsite_clinician"});
    worker.request_consultation(request).await.expect_refused(Code::LaneNotPermitted);
}

impl TestApp {
    /// Asserts that a consultation's row equals the fold of its events.
    pub async fn folds(&self, id: &str) {
        let id: ConsultationId = id.parse().expect("an id");
        let (snapshot, logged) = self
            .state
            .read(Actor::System, move |conn, _| {
                let snapshot = storage::consultation::full::full_fetch(conn, id)?.expect("a row").snapshot();
                Ok((snapshot, storage::events::events_of(conn, Id::from_uuid(id.uuid()))?))
            })
            .await
            .expect("read");
        let events: Vec<ConsultationEvent> = logged
            .into_iter()
            .filter_map(|event| {
                let payload = serde_json::from_str(&event.payload).expect("JSON");
                ConsultationEvent::read(&event.kind, payload).ok()
            })
            .collect();
        assert_eq!(Consultation::fold(&events), Some(snapshot));
    }
}

#[actix_web::test]
async fn the_state_columns_equal_the_fold_of_their_events() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    doctor.complete(&id).await.expect_ok();
    app.folds(&id).await;
}

#[actix_web::test]
async fn the_stream_resumes_after_a_position_and_tells_only_what_is_mine() {
    use futures_util::StreamExt;
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = app.doctor().await.consult_with(&worker).await;
    let url = format!("{}/api/v1/events?after=0", app.base);
    let stream = app.client().get(&url).bearer_auth(&worker.token).send().await.expect("answered");
    assert_eq!(stream.status(), 200);
    let mut text = String::new();
    let mut chunks = stream.bytes_stream();
    while !text.contains("consultation.accepted") {
        text.push_str(&String::from_utf8_lossy(&chunks.next().await.expect("more").expect("bytes")));
    }
    assert!(text.contains("event: consultation.requested") && text.contains(&id));
    let restocker = app.restocker().await.token();
    let answer = app.client().get(&url).bearer_auth(restocker).send().await.expect("answered");
    assert_eq!(answer.status(), 403);
}

#[actix_web::test]
async fn the_audit_chain_is_sealed_and_unbroken() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    // On PostgreSQL other tests' transactions delay the seal for a while.
    let seal = async || while service::audit::seal(&app.state).await.expect("sealed") == 0 {};
    seal().await;
    worker.cancel_consultation(&id).await.expect_ok();
    seal().await;
    let check = || app.state.read(Actor::System, service::audit::verify);
    assert!(check().await.expect("checked").unbroken);
    app.state
        .write(Actor::System, |tx| {
            use diesel::prelude::*;
            let forged = diesel::sql_query(
                "UPDATE event SET actor_role = 'operator' \
                 WHERE position = (SELECT min(position) FROM event)",
            );
            match tx.conn {
                storage::Conn::Sqlite(conn) => forged.execute(conn).map(drop)?,
                storage::Conn::Pg(conn) => forged.execute(conn).map(drop)?,
            }
            Ok(())
        })
        .await
        .expect("forged");
    assert!(!check().await.expect("checked").unbroken);
}

#[actix_web::test]
async fn a_doctor_who_falls_silent_loses_the_patient_to_the_queue_and_one_who_is_heard_does_not() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    app.pass(80);
    doctor.duty().await;
    app.pass(80);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 0, "seen in between");
    assert_eq!(worker.consultation(&id).await["state"], "active");
    app.pass(11);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
    assert_eq!(doctor.duty().await, (json!("away"), json!(0)));
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 0);
}

#[actix_web::test]
async fn the_doctor_sees_age_sex_and_job_that_only_the_profile_holds_and_what_contradicts() {
    let app = TestApp::open().await;
    let (station, doctor) = (app.station().await, app.doctor().await);
    let walk_in = station.check_in(Worker::walk_in()).await;
    let profile = json!({"birth_date": "1990-05-01", "sex": "female", "job": "courier"});
    walk_in.write_profile(profile).await.expect_ok();
    let id = doctor.consult_with(&walk_in).await;
    let seen = doctor.record(&id).await["worker"].clone();
    assert_eq!((&seen["age"], &seen["sex"]), (&json!(36), &json!("female")), "{seen}");
    assert_eq!((&seen["job"], &seen["contradictions"]), (&json!("courier"), &json!([])));
    doctor.complete(&id).await.expect_ok();
    // The card says 1990.
    let worker = station.check_in(Worker::adult()).await;
    worker.write_profile(json!({"birth_date": "2008-01-01"})).await.expect_ok();
    let id = worker.ask_for_doctor().await;
    doctor.accept(&doctor.offer().await).await.expect_ok();
    let seen = doctor.record(&id).await["worker"].clone();
    assert_eq!((&seen["age"], &seen["contradictions"]), (&json!(18), &json!(["birth_date"])), "{seen}");
}
