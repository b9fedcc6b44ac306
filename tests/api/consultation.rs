//! A consultation, from the request to the rating.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Person, Seed},
};

impl TestApp {
    /// Asks for a doctor; gives the consultation's id.
    pub async fn ask(&self, worker: &str) -> String {
        let body = json!({"complaint": "喉咙痛三天", "department": null, "lane": "minor_ailment_pilot"});
        let view = self.post(worker, "/api/v1/consultations", body).await.expect(201);
        view["id"].as_str().expect("an id").to_owned()
    }

    /// A doctor comes on duty.
    pub async fn on_duty(&self, doctor: &Person) {
        let answer = self.put(&doctor.token, "/api/v1/duty", "0", json!({"presence": "available"})).await;
        answer.expect(200);
    }

    /// The doctor's only offer.
    pub async fn offer_of(&self, doctor: &Person) -> Value {
        service::matching::offer_waiting(&self.state).await.expect("a round");
        let offers = self.get(&doctor.token, "/api/v1/offers").await.expect(200);
        offers["items"][0].clone()
    }

    /// Asks and is accepted by the first doctor; gives the consultation's id.
    pub async fn active(&self, seed: &Seed, worker: &str) -> String {
        let id = self.ask(worker).await;
        self.on_duty(&seed.doctor).await;
        let offer = self.offer_of(&seed.doctor).await;
        let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
        self.post(&seed.doctor.token, &path, json!({"fence": offer["fence"]})).await.expect(200);
        id
    }
}

fn accept_path(offer: &Value) -> String {
    format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"))
}

#[actix_web::test]
async fn a_worker_waits_is_seen_talks_and_rates() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    let path = format!("/api/v1/consultations/{id}");
    let waiting = app.get(&worker, &path).await.expect(200);
    assert_eq!((&waiting["state"], &waiting["position"]), (&json!("waiting"), &json!(1)));
    assert_eq!(waiting["estimate"]["basis"], "nobody_on_call");

    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    assert_eq!(offer["complaint"], "喉咙痛三天");
    assert_eq!(app.get(&worker, &path).await.expect(200)["state"], "offered");
    let active = app
        .post(&seed.doctor.token, &accept_path(&offer), json!({"fence": offer["fence"]}))
        .await
        .expect(200);
    assert_eq!(active["state"], "active");

    let talk = format!("{path}/messages");
    app.post(&seed.doctor.token, &talk, json!({"text": "发烧吗？"})).await.expect(201);
    app.post(&worker, &talk, json!({"text": "不发烧"})).await.expect(201);
    let said = app.get(&worker, &talk).await.expect(200);
    assert_eq!(said["items"][1]["text"], "不发烧");
    app.get(&seed.doctor_b.token, &talk).await.problem(404, "not_found");

    let record = app.get(&seed.doctor.token, &format!("{path}/record")).await.expect(200);
    assert_eq!(record["worker"]["name"], "样例工人甲");
    let summary = json!({"summary": "多喝水，休息。", "diagnoses": [{"code": "J02", "name": "急性咽炎"}]});
    let done = app.post(&seed.doctor.token, &format!("{path}/complete"), summary).await.expect(200);
    assert_eq!(done["state"], "completed");
    let rated = app.post(&worker, &format!("{path}/rating"), json!({"rating": 5})).await.expect(200);
    assert_eq!(rated["rating"], 5);
    app.post(&worker, &talk, json!({"text": "谢谢"})).await.problem(409, "state_moved_on");
}

#[actix_web::test]
async fn two_doctors_cannot_have_one_offer() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    let body = json!({"fence": offer["fence"]});
    app.post(&seed.doctor_b.token, &accept_path(&offer), body.clone()).await.problem(404, "not_found");
    let path = accept_path(&offer);
    let tries = (0..10).map(|_| app.post(&seed.doctor.token, &path, body.clone()));
    for answer in join_all(tries).await {
        // Accepting one's own offer twice is no error: it is accepted.
        answer.expect(200);
    }
    let duty = app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    assert_eq!(duty["live"], 1);
}

#[actix_web::test]
async fn an_unanswered_offer_goes_to_the_next_doctor_and_its_doctor_is_away() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let first = app.offer_of(&seed.doctor).await;
    app.on_duty(&seed.doctor_b).await;
    app.pass(21);
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("a round"), 1);
    let second = app.offer_of(&seed.doctor_b).await;
    assert_eq!(second["consultation_id"], json!(id));
    assert_eq!(second["fence"], json!(first["fence"].as_i64().expect("a fence") + 1));
    let duty = app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    assert_eq!((&duty["presence"], &duty["live"]), (&json!("away"), &json!(0)));
    let late = app.post(&seed.doctor.token, &accept_path(&first), json!({"fence": first["fence"]})).await;
    late.problem(409, "offer_gone");
}

#[actix_web::test]
async fn a_declined_offer_is_not_put_to_the_same_doctor_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    let decline = format!("/api/v1/offers/{}/decline", offer["id"].as_str().expect("an offer"));
    app.post(&seed.doctor.token, &decline, json!({"fence": offer["fence"]})).await.expect(200);
    assert_eq!(app.offer_of(&seed.doctor).await, Value::Null);
}

#[actix_web::test]
async fn a_worker_has_one_live_consultation_and_may_take_it_back() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"complaint": "头痛", "lane": "consultation_only"});
    let path = "/api/v1/consultations";
    let tries = (0..8).map(|_| app.post(&worker, path, body.clone()));
    let answers = join_all(tries).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    let refused = answers.iter().filter(|answer| answer.body["code"] == "consultation_live").count();
    assert_eq!(refused, 7);
    let id = made[0].body["id"].as_str().expect("an id");
    let cancelled = app.post(&worker, &format!("{path}/{id}/cancel"), json!({})).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    app.post(&worker, path, body).await.expect(201);
}

#[actix_web::test]
async fn a_red_flag_is_an_emergency_and_shows_the_number() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
    let view = app.post(&worker, "/api/v1/consultations", body).await.expect(201);
    assert_eq!((&view["triage"], &view["emergency_number"]), (&json!("emergency"), &json!("120")));
}

#[actix_web::test]
async fn a_lane_that_the_station_does_not_permit_is_refused() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let body = json!({"complaint": "头痛", "lane": "with_onsite_clinician"});
    app.post(&worker, "/api/v1/consultations", body).await.problem(422, "lane_not_permitted");
}

#[actix_web::test]
async fn the_state_columns_equal_the_fold_of_their_events() {
    use domain::{
        consultation::{ConsultationEvent, fold},
        ids::{ConsultationId, Id},
    };
    use service::Actor;
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id: ConsultationId = app.active(&seed, &worker).await.parse().expect("an id");
    let summary = json!({"summary": "好", "diagnoses": []});
    app.post(&seed.doctor.token, &format!("/api/v1/consultations/{id}/complete"), summary).await.expect(200);
    let (row, logged) = app
        .state
        .read(Actor::System, move |conn, _| {
            let row = storage::consultation::consultation_fetch(conn, id)?.expect("a row");
            Ok((
                storage::consultation::consultation_snapshot(conn, &row)?,
                storage::events::events_of(conn, Id::from_uuid(id.uuid()))?,
            ))
        })
        .await
        .expect("read");
    let told: Vec<ConsultationEvent> = logged
        .iter()
        .filter_map(|event| {
            ConsultationEvent::read(&event.kind, serde_json::from_str(&event.payload).expect("JSON")).ok()
        })
        .collect();
    assert_eq!(fold(&told).expect("a request"), row);
}

#[actix_web::test]
async fn the_stream_resumes_after_a_position_and_tells_only_what_is_mine() {
    use futures_util::StreamExt;
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let url = format!("{}/api/v1/events?after=0", app.base);
    let stream = app.client().get(url).bearer_auth(&worker).send().await.expect("answered");
    assert_eq!(stream.status(), 200);
    let mut text = String::new();
    let mut chunks = stream.bytes_stream();
    while !text.contains("consultation.accepted") {
        text.push_str(&String::from_utf8_lossy(&chunks.next().await.expect("more").expect("bytes")));
    }
    assert!(text.contains("event: consultation.requested") && text.contains(&id));
    let other = format!("{}/api/v1/events?after=0", app.base);
    let answer = app.client().get(other).bearer_auth(&seed.restocker.token).send().await.expect("answered");
    assert_eq!(answer.status(), 403);
}

#[actix_web::test]
async fn the_audit_chain_is_sealed_and_unbroken() {
    use service::Actor;
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    // On PostgreSQL other tests' transactions hold the seal back for a while.
    let seal = async || while service::audit::seal(&app.state).await.expect("sealed") == 0 {};
    seal().await;
    app.post(&worker, &format!("/api/v1/consultations/{id}/cancel"), json!({})).await.expect(200);
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
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    app.post(&seed.doctor.token, &accept_path(&offer), json!({"fence": offer["fence"]})).await.expect(200);
    app.pass(80);
    app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    app.pass(80);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 0, "heard in between");
    let path = format!("/api/v1/consultations/{id}");
    assert_eq!(app.get(&worker, &path).await.expect(200)["state"], "active");
    app.pass(11);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    assert_eq!(app.get(&worker, &path).await.expect(200)["state"], "waiting");
    let duty = app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    assert_eq!((&duty["presence"], &duty["live"]), (&json!("away"), &json!(0)));
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 0);
}

#[actix_web::test]
async fn the_doctor_sees_age_sex_and_job_that_only_the_profile_holds_and_what_contradicts() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let opened = app
        .post(&seed.station_token, "/api/v1/check-ins/walk-in", json!({"name": "样例甲", "consent": true}))
        .await
        .expect(201);
    let worker = opened["access_token"].as_str().expect("a token").to_owned();
    let said = json!({"birth_date": "1990-05-01", "sex": "female", "job": "courier"});
    app.put(&worker, "/api/v1/me/profile", "\"0\"", said).await.expect(200);
    let id = app.active(&seed, &worker).await;
    let record = format!("/api/v1/consultations/{id}/record");
    let seen = app.get(&seed.doctor.token, &record).await.expect(200)["worker"].clone();
    assert_eq!((&seen["age"], &seen["sex"]), (&json!(36), &json!("female")), "{seen}");
    assert_eq!((&seen["job"], &seen["contradictions"]), (&json!("courier"), &json!([])));
    app.completes(&seed.doctor, &id).await.expect(200);
    // The card says 1990.
    let worker = app.check_in(&seed).await;
    let said = json!({"birth_date": "2008-01-01"});
    app.put(&worker, "/api/v1/me/profile", "\"0\"", said).await.expect(200);
    let id = app.ask(&worker).await;
    let offer = app.offer_of(&seed.doctor).await;
    app.accepts(&seed.doctor, &offer).await.expect(200);
    let record = format!("/api/v1/consultations/{id}/record");
    let seen = app.get(&seed.doctor.token, &record).await.expect(200)["worker"].clone();
    assert_eq!((&seen["age"], &seen["contradictions"]), (&json!(18), &json!(["birth_date"])), "{seen}");
}
