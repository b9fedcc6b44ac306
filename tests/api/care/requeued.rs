//! A consultation whose doctor was lost is accepted by another one, also in a
//! database in which it could not be.

use diesel::{connection::SimpleConnection, prelude::*};
use serde_json::json;

use crate::{
    harness::TestHouse,
    prescribing::{Scene, draft_of},
    seed::{SIGNING_PIN, Seed},
};
use service::{Actor, Failure};
use storage::{
    each,
    schema::{doctor, offer},
};

/// A doctor accepted and fell silent; the other one is on duty.
async fn lost_once() -> (TestHouse, Seed, String, String) {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    house.pass(95);
    assert_eq!(service::matching::requeue_lost(&house.house).await.expect("a round"), 1);
    house.on_duty(&seed.doctor_b).await;
    (house, seed, worker, id)
}

#[actix_web::test]
async fn a_requeued_consultation_is_accepted_completed_and_rated() {
    let (house, seed, worker, id) = lost_once().await;
    let offer = house.offer_of(&seed.doctor_b).await;
    let view = house.accepts(&seed.doctor_b, &offer).await.expect(200);
    assert_eq!(view["state"], "active");
    house.completes(&seed.doctor_b, &id).await.expect(200);
    let rating = format!("/api/v1/consultations/{id}/rating");
    house.post(&worker, &rating, json!({"rating": 4})).await.expect(200);
    for doctor in [&seed.doctor, &seed.doctor_b] {
        assert_eq!(house.duty_of(doctor).await.1, json!(0));
    }
    house.sound().await;
}

#[actix_web::test]
async fn the_doctor_who_was_lost_may_have_it_again_and_lose_it_again() {
    let (house, seed, _worker, id) = lost_once().await;
    house.put(&seed.doctor_b.token, "/api/v1/duty", "0", json!({"presence": "off"})).await.expect(200);
    for _ in 0..3 {
        let doctor = house.fresh(&seed, &seed.doctor);
        house.on_duty(&doctor).await;
        let offer = house.offer_of(&doctor).await;
        house.accepts(&doctor, &offer).await.expect(200);
        house.pass(95);
        assert_eq!(service::matching::requeue_lost(&house.house).await.expect("a round"), 1);
    }
    let doctor = house.fresh(&seed, &seed.doctor);
    house.on_duty(&doctor).await;
    let offer = house.offer_of(&doctor).await;
    house.accepts(&doctor, &offer).await.expect(200);
    house.completes(&doctor, &id).await.expect(200);
}

#[actix_web::test]
async fn a_database_with_a_stuck_consultation_is_mended_and_so_are_its_doctors() {
    let (house, seed, _worker, id) = lost_once().await;
    let offer_row = house.offer_of(&seed.doctor_b).await;
    house.pass(21);
    assert_eq!(service::matching::expire_offers(&house.house).await.expect("a round"), 1);
    assert_eq!(house.duty_of(&seed.doctor_b).await.0, json!("away"));
    // As the program before left it: the first offer is accepted for ever.
    house
        .house
        .write(Actor::System, |tx| -> Result<(), Failure> {
            let old = offer::table.filter(offer::state.eq("withdrawn"));
            each!(tx.conn, c => diesel::update(old).set(offer::state.eq("accepted")).execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
    let mending = include_str!("../../../migrations/2026-11-29-000030_requeued_offers/up.sql");
    each!(&mut house.connection(), c => c.batch_execute(mending)).expect("mended");
    let states = house
        .house
        .read(Actor::System, |conn, _| {
            let offers: Vec<String> =
                each!(conn, c => offer::table.order(offer::fence).select(offer::state).load(c))?;
            let doctors: Vec<String> =
                each!(conn, c => doctor::table.order(doctor::presence).select(doctor::presence).load(c))?;
            Ok((offers, doctors))
        })
        .await
        .expect("read");
    // The one who was silent stays away; the one who was made away is not.
    let wanted =
        (vec!["withdrawn".to_owned(), "expired".to_owned()], vec!["available".to_owned(), "away".to_owned()]);
    assert_eq!(states, wanted, "{offer_row}");
    house.pass(121);
    let doctor = house.fresh(&seed, &seed.doctor_b);
    let offer = house.offer_of(&doctor).await;
    house.accepts(&doctor, &offer).await.expect(200);
    house.completes(&doctor, &id).await.expect(200);
}

#[actix_web::test]
async fn what_the_lost_doctor_signed_stands_until_the_next_one_withdraws_it() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    // The scene's doctor holds the consultation without having been counted.
    let doctor_id = scene.seed.doctor.id;
    scene
        .house
        .house
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            each!(tx.conn, c => diesel::update(doctor::table.find(doctor_id))
                .set((doctor::live.eq(1), doctor::presence.eq("available")))
                .execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
    scene.pass(95).await;
    let house = &scene.house;
    assert_eq!(service::matching::requeue_lost(&house.house).await.expect("a round"), 1);
    let next = house.fresh(&scene.seed, &scene.seed.doctor_b);
    let path = format!("/api/v1/prescriptions/{prescription}");
    house.get(&next.token, &path).await.problem(404, "not_found");
    house.on_duty(&next).await;
    let offer = house.offer_of(&next).await;
    house.accepts(&next, &offer).await.expect(200);
    let drafts = scene.drafts_path();
    let lines = draft_of(&["PCM-T500"]);
    house.post(&next.token, &drafts, lines.clone()).await.problem(409, "prescription_open");
    assert_eq!(house.get(&next.token, &path).await.expect(200)["state"], "signed");
    // It is not theirs to sign or edit.
    let sign = json!({"pin": SIGNING_PIN, "overrides": []});
    house.post(&next.token, &format!("{path}/sign"), sign).await.problem(404, "not_found");
    let void = json!({"reason": "另开处方", "code": "superseded"});
    assert_eq!(house.post(&next.token, &format!("{path}/void"), void).await.expect(200)["state"], "void");
    house.post(&next.token, &drafts, lines).await.expect(201);
}

#[actix_web::test]
async fn a_prescription_that_was_sent_back_and_forgotten_ends_with_its_validity() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{prescription}");
    let back = json!({"reason": "剂量请再核对", "code": "dose"});
    scene.house.post(&scene.seed.pharmacist.token, &format!("{path}/return"), back).await.expect(200);
    scene.pass(3 * 86_400).await;
    let ended = service::prescription::dispense::expire_due(&scene.house.house).await.expect("swept");
    assert_eq!(ended, 1);
}
