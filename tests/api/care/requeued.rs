//! A consultation whose doctor was lost is accepted by another one, also in a
//! database in which it could not be.

use diesel::{connection::SimpleConnection, prelude::*};
use serde_json::json;

use crate::{
    harness::TestApp,
    prescribing::{Scene, draft_of},
    seed::{SIGNING_PIN, Seed},
};
use service::{Actor, Failure};
use storage::{
    on_backend,
    schema::{doctor, offer},
};

/// A doctor accepted and fell silent; the other one is on duty.
async fn lost_once() -> (TestApp, Seed, String, String) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    app.pass(95);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    app.on_duty(&seed.doctor_b).await;
    (app, seed, worker, id)
}

#[actix_web::test]
async fn a_requeued_consultation_is_accepted_completed_and_rated() {
    let (app, seed, worker, id) = lost_once().await;
    let offer = app.offer_of(&seed.doctor_b).await;
    let view = app.accepts(&seed.doctor_b, &offer).await.expect(200);
    assert_eq!(view["state"], "active");
    app.completes(&seed.doctor_b, &id).await.expect(200);
    let rating = format!("/api/v1/consultations/{id}/rating");
    app.post(&worker, &rating, json!({"rating": 4})).await.expect(200);
    for doctor in [&seed.doctor, &seed.doctor_b] {
        assert_eq!(app.duty_of(doctor).await.1, json!(0));
    }
    app.sound().await;
}

#[actix_web::test]
async fn the_doctor_who_was_lost_may_have_it_again_and_lose_it_again() {
    let (app, seed, _worker, id) = lost_once().await;
    app.put(&seed.doctor_b.token, "/api/v1/duty", "0", json!({"presence": "off"})).await.expect(200);
    for _ in 0..3 {
        let doctor = app.fresh(&seed, &seed.doctor);
        app.on_duty(&doctor).await;
        let offer = app.offer_of(&doctor).await;
        app.accepts(&doctor, &offer).await.expect(200);
        app.pass(95);
        assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    }
    let doctor = app.fresh(&seed, &seed.doctor);
    app.on_duty(&doctor).await;
    let offer = app.offer_of(&doctor).await;
    app.accepts(&doctor, &offer).await.expect(200);
    app.completes(&doctor, &id).await.expect(200);
}

#[actix_web::test]
async fn a_database_with_a_stuck_consultation_is_mended_and_so_are_its_doctors() {
    let (app, seed, _worker, id) = lost_once().await;
    let offer_row = app.offer_of(&seed.doctor_b).await;
    app.pass(21);
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("a round"), 1);
    assert_eq!(app.duty_of(&seed.doctor_b).await.0, json!("away"));
    // As the program before left it: the first offer is accepted for ever.
    app.state
        .write(Actor::System, |tx| -> Result<(), Failure> {
            let old = offer::table.filter(offer::state.eq("withdrawn"));
            on_backend!(tx.conn, c => diesel::update(old).set(offer::state.eq("accepted")).execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
    let mending = include_str!("../../../migrations/2026-11-29-000030_requeued_offers/up.sql");
    on_backend!(&mut app.connection(), c => c.batch_execute(mending)).expect("mended");
    let states = app
        .state
        .read(Actor::System, |conn, _| {
            let offers: Vec<String> =
                on_backend!(conn, c => offer::table.order(offer::fence).select(offer::state).load(c))?;
            let doctors: Vec<String> =
                on_backend!(conn, c => doctor::table.order(doctor::presence).select(doctor::presence).load(c))?;
            Ok((offers, doctors))
        })
        .await
        .expect("read");
    // The one who was silent stays away; the one who was made away is not.
    let wanted =
        (vec!["withdrawn".to_owned(), "expired".to_owned()], vec!["available".to_owned(), "away".to_owned()]);
    assert_eq!(states, wanted, "{offer_row}");
    app.pass(121);
    let doctor = app.fresh(&seed, &seed.doctor_b);
    let offer = app.offer_of(&doctor).await;
    app.accepts(&doctor, &offer).await.expect(200);
    app.completes(&doctor, &id).await.expect(200);
}

#[actix_web::test]
async fn what_the_lost_doctor_signed_stands_until_the_next_one_withdraws_it() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    // The scene's doctor holds the consultation without having been counted.
    let doctor_id = scene.seed.doctor.id;
    scene
        .app
        .state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            on_backend!(tx.conn, c => diesel::update(doctor::table.find(doctor_id))
                .set((doctor::live.eq(1), doctor::presence.eq("available")))
                .execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
    scene.pass(95).await;
    let app = &scene.app;
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
    let next = app.fresh(&scene.seed, &scene.seed.doctor_b);
    let path = format!("/api/v1/prescriptions/{prescription}");
    app.get(&next.token, &path).await.problem(404, "not_found");
    app.on_duty(&next).await;
    let offer = app.offer_of(&next).await;
    app.accepts(&next, &offer).await.expect(200);
    let drafts = scene.drafts_path();
    let lines = draft_of(&["PCM-T500"]);
    app.post(&next.token, &drafts, lines.clone()).await.problem(409, "prescription_open");
    assert_eq!(app.get(&next.token, &path).await.expect(200)["state"], "signed");
    // It is not theirs to sign or edit.
    let sign = json!({"pin": SIGNING_PIN, "overrides": []});
    app.post(&next.token, &format!("{path}/sign"), sign).await.problem(404, "not_found");
    let void = json!({"reason": "另开处方", "code": "superseded"});
    assert_eq!(app.post(&next.token, &format!("{path}/void"), void).await.expect(200)["state"], "void");
    app.post(&next.token, &drafts, lines).await.expect(201);
}

#[actix_web::test]
async fn a_prescription_that_was_sent_back_and_forgotten_ends_with_its_validity() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{prescription}");
    let back = json!({"reason": "剂量请再核对", "code": "dose"});
    scene.app.post(&scene.seed.pharmacist.token, &format!("{path}/return"), back).await.expect(200);
    scene.pass(3 * 86_400).await;
    let ended = service::prescription::dispense::expire_due(&scene.app.state).await.expect("swept");
    assert_eq!(ended, 1);
}
