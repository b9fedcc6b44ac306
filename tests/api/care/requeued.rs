//! A consultation whose doctor fell silent is accepted by another one, also in a
//! database of a version in which that was not possible.

use diesel::{connection::SimpleConnection, prelude::*};
use serde_json::json;

use crate::support::{Caller, Code, TestApp, Worker, WorkerAtStation, prescribing::Scene};
use service::{Actor, Failure};
use storage::{
    on_backend,
    schema::{doctor, offer},
};

/// The first doctor accepted and fell silent; the second one is on duty.
async fn lose_doctor(app: &TestApp) -> (WorkerAtStation<'_>, String) {
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = app.doctor().await.consult_with(&worker).await;
    app.pass(95);
    requeue_one(app).await;
    app.second_doctor().await.go_on_duty().await;
    (worker, id)
}

async fn requeue_one(app: &TestApp) {
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("a round"), 1);
}

#[actix_web::test]
async fn a_requeued_consultation_is_accepted_completed_and_rated() {
    let app = TestApp::open().await;
    let (worker, id) = lose_doctor(&app).await;
    let second = app.second_doctor().await;
    let view = second.accept(&second.offer().await).await.expect_ok();
    assert_eq!(view["state"], "active");
    second.complete(&id).await.expect_ok();
    worker.rate(&id, 4).await.expect_ok();
    for doctor in [app.doctor().await, second] {
        assert_eq!(doctor.duty().await.1, json!(0));
    }
    app.sound().await;
}

#[actix_web::test]
async fn the_doctor_who_was_lost_may_have_it_again_and_lose_it_again() {
    let app = TestApp::open().await;
    let (_worker, id) = lose_doctor(&app).await;
    let doctor = app.doctor().await;
    app.second_doctor().await.go_off_duty().await;
    for _ in 0..3 {
        doctor.go_on_duty().await;
        doctor.accept(&doctor.offer().await).await.expect_ok();
        app.pass(95);
        requeue_one(&app).await;
    }
    doctor.go_on_duty().await;
    doctor.accept(&doctor.offer().await).await.expect_ok();
    doctor.complete(&id).await.expect_ok();
}

#[actix_web::test]
async fn a_database_with_a_stuck_consultation_is_mended_and_so_are_its_doctors() {
    let app = TestApp::open().await;
    let (_worker, id) = lose_doctor(&app).await;
    let second = app.second_doctor().await;
    let offered = second.offer().await;
    app.pass(21);
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("a round"), 1);
    assert_eq!(second.duty().await.0, json!("away"));
    // As the version before left it: the first offer is accepted for ever.
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
    // The doctor who was silent stays away; the one whom the fault made away does not.
    let wanted =
        (vec!["withdrawn".to_owned(), "expired".to_owned()], vec!["available".to_owned(), "away".to_owned()]);
    assert_eq!(states, wanted, "{offered}");
    app.pass(121);
    second.accept(&second.offer().await).await.expect_ok();
    second.complete(&id).await.expect_ok();
}

#[actix_web::test]
async fn what_the_lost_doctor_signed_stands_until_the_next_one_withdraws_it() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    // The scene's doctor has the consultation without having been counted.
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
    requeue_one(&scene.app).await;
    let next = scene.other_doctor();
    next.prescription(&prescription).await.expect_refused(Code::NotFound);
    next.go_on_duty().await;
    next.accept(&next.offer().await).await.expect_ok();
    let draft = || next.prescribe(scene.consultation, &["PCM-T500"]);
    draft().await.expect_refused(Code::PrescriptionOpen);
    assert_eq!(next.prescription(&prescription).await.expect_ok()["state"], "signed");
    // It is not theirs to sign or edit.
    next.sign_overriding(&prescription, &[], "").await.expect_refused(Code::NotFound);
    let void = json!({"reason": "另开处方", "code": "superseded"});
    let voided = next.post(&format!("/api/v1/prescriptions/{prescription}/void"), void).await;
    assert_eq!(voided.expect_ok()["state"], "void");
    draft().await.expect_created();
}

#[actix_web::test]
async fn a_prescription_that_was_sent_back_and_forgotten_ends_with_its_validity() {
    let mut scene = Scene::open().await;
    let prescription = scene.signed(&["PCM-T500"]).await;
    let reason = json!({"reason": "剂量请再核对", "code": "dose"});
    scene.pharmacist().send_back(&prescription, reason).await.expect_ok();
    scene.pass(3 * 86_400).await;
    let ended = service::prescription::dispense::expire_due(&scene.app.state).await.expect("swept");
    assert_eq!(ended, 1);
}
