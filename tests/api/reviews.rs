//! The pharmacist's review.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::prelude::*;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::{
    Caller, Code, Pharmacist,
    prescribing::{Scene, id_of},
    seed::SIGNING_PIN,
};
use crypto::tokens::Role;
use domain::time::{Timestamp, civil_day};
use service::{
    Actor, Failure,
    review::{ApproveInput, ReturnInput},
};
use storage::{
    on_backend,
    schema::{pharmacist, prescription, prescription_line},
    sql_types::At,
};

#[actix_web::test]
async fn a_returned_prescription_is_mended_and_signed_again() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let id = scene.signed(&["PCM-T500"]).await;
    let reason = json!({"reason": "three days are too long here", "code": "dose"});
    let back = format!("/api/v1/prescriptions/{id}/return");
    doctor.post(&back, reason.clone()).await.expect_refused(Code::RoleNotAllowed);
    pharmacist.send_back(&id, json!({"reason": " "})).await.expect_refused(Code::InvalidField);
    assert_eq!(pharmacist.send_back(&id, reason).await.expect_ok()["state"], "returned");
    let read = doctor.prescription(&id).await.expect_ok();
    assert_eq!(read["reason"], "three days are too long here");
    assert!(scene.worker().prescription(&id).await.expect_ok()["reason"].is_null());
    let gone = pharmacist.approve(&id).await.expect_refused(Code::StateMovedOn);
    assert_eq!(gone["state"], "returned");
    let edited = doctor.edit(&id, 3, &["PCM-C300"]).await.expect_ok();
    assert_eq!((&edited["state"], &edited["reason"]), (&json!("draft"), &json!(null)));
    doctor.sign(&id).await.expect_ok();
    let approved = pharmacist.approve(&id).await.expect_ok();
    assert_eq!(
        (&approved["state"], &approved["lines"][0]["product_code"]),
        (&json!("approved"), &json!("PCM-C300"))
    );
}

#[actix_web::test]
async fn the_queue_answers_as_soon_as_something_is_signed() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    assert_eq!(pharmacist.reviews().await, Vec::<Value>::new());
    pharmacist.get("/api/v1/reviews?wait=26").await.expect_refused(Code::InvalidParameter);
    doctor.get("/api/v1/reviews").await.expect_refused(Code::RoleNotAllowed);
    let draft = scene.draft(&["PCM-T500"]).await;
    let both = join(pharmacist.get("/api/v1/reviews?wait=25"), doctor.sign(&draft));
    let (queue, _) =
        tokio::time::timeout(Duration::from_secs(15), both).await.expect("answered before its timeout");
    let queue = queue.expect_ok();
    assert_eq!(queue["items"][0]["id"], json!(draft));
    assert!(queue["items"][0]["overrides"].is_array());
}

#[actix_web::test]
async fn ten_pharmacists_approve_and_one_does() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let mut pharmacists = Vec::new();
    for number in 0..10 {
        pharmacists.push(scene.another_pharmacist(&format!("pharmacist-{number}@example.cn")).await);
    }
    let answers = join_all(pharmacists.iter().map(|one| one.approve(&id))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_eq!(answer.expect_refused(Code::StateMovedOn)["state"], "approved");
    }
}

#[actix_web::test]
async fn without_a_recorded_verified_and_valid_licence_nobody_approves() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&["PCM-T500"]).await);
    let (app, pharmacist) = (&scene.app, scene.pharmacist());
    let (operator, person) = (&scene.seed.operator.token, format!("/api/v1/staff/{}", pharmacist.person.id));
    let today = civil_day(app.now());
    let yesterday = today.pred_opt().expect("a day");
    // Nobody has recorded it: so it is with every pharmacist of an earlier version.
    scene
        .app
        .state
        .write(Actor::System, |tx| -> Result<(), Failure> {
            on_backend!(tx.conn, c => diesel::delete(pharmacist::table).execute(c))?;
            Ok(())
        })
        .await
        .expect("forgotten");
    assert_eq!(app.get(operator, &person).await.expect(200)["pharmacist"], Value::Null);
    pharmacist.approve(&id).await.expect_refused(Code::RoleNotAllowed);
    let names = json!({"name_zh": "药师", "name_en": "Pharmacist"});
    app.put(operator, &person, "*", names.clone()).await.problem(422, "invalid_field");
    let mut recorded = names;
    for (until, verified, may) in [(today, false, false), (yesterday, true, false), (today, true, true)] {
        recorded["pharmacist"] =
            json!({"licence_no": "P-1", "licence_valid_until": until, "licence_verified": verified});
        let written = app.put(operator, &person, "*", recorded.clone()).await.expect(200);
        assert_eq!(written["pharmacist"], recorded["pharmacist"]);
        let answer = pharmacist.approve(&id).await;
        if may {
            assert_eq!(answer.expect_ok()["state"], "approved");
        } else {
            answer.expect_refused(Code::RoleNotAllowed);
        }
    }
    // The number is given back with the account, and belongs to one pharmacist.
    let other = scene.another_pharmacist("pharmacist-b@example.cn").await;
    let theirs = format!("/api/v1/staff/{}", other.person.id);
    app.put(operator, &theirs, "*", recorded.clone()).await.problem(409, "already_exists");
    app.post(operator, &format!("{person}/disable"), json!({})).await.expect(200);
    app.put(operator, &theirs, "*", recorded).await.expect(200);
    app.post(operator, &format!("{person}/enable"), json!({})).await.problem(409, "already_exists");
}

#[actix_web::test]
async fn nobody_reviews_their_own() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&["PCM-T500"]).await);
    // No person has both roles; if one had, the service and the table would both refuse.
    let doctor = &scene.seed.doctor;
    let token = scene.app.staff_token(Role::Pharmacist, doctor.id, doctor.session, None, None);
    let actor = scene.app.caller(&token);
    let Actor::Staff(caller) = actor else { panic!("{actor:?}") };
    let app = &scene.app.state;
    let approve = app.write(actor, move |tx| {
        service::review::approve(
            tx,
            caller,
            id,
            &ApproveInput { pin: SIGNING_PIN.to_owned(), countersigned: false },
        )
    });
    assert_eq!(code_of(approve.await.err()), Some(Code::OwnReview));
    let back = app.write(actor, move |tx| {
        service::review::send_back(tx, caller, id, &ReturnInput { reason: "my own".to_owned(), code: None })
    });
    assert_eq!(code_of(back.await.err()), Some(Code::OwnReview));
    let staff = doctor.id;
    let forced = app
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            on_backend!(tx.conn, c => diesel::update(prescription::table.find(id))
                .set(prescription::reviewed_by.eq(Some(staff)))
                .execute(c))?;
            Ok(())
        })
        .await;
    assert!(matches!(forced, Err(Failure::Store(_))), "the table's own check");
}

fn code_of(failure: Option<Failure>) -> Option<Code> {
    match failure {
        Some(Failure::Refused(refusal)) => Some(refusal.code),
        _ => None,
    }
}

#[actix_web::test]
async fn tampered_bytes_and_lines_are_refused() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&["PCM-T500"]).await);
    let (app, pharmacist) = (&scene.app.state, scene.pharmacist());
    // Somebody with the database and even the sealing key changes what was signed: its term, or the
    // packs of the line that orders are made from.
    let valid_until = |longer: TimeDelta| {
        app.write(Actor::System, move |tx| -> Result<(), Failure> {
            let signed = prescription::table.find(id);
            let until: Option<Timestamp> =
                on_backend!(tx.conn, c => signed.select(prescription::valid_until).first(c))?;
            let until = until.expect("signed") + longer;
            on_backend!(tx.conn, c => diesel::update(signed)
                .set(prescription::valid_until.eq(Some(At(until))))
                .execute(c))?;
            Ok(())
        })
    };
    valid_until(TimeDelta::days(1)).await.expect("tampered");
    pharmacist.approve(id).await.expect_refused(Code::PrescriptionSignatureInvalid);
    valid_until(TimeDelta::days(-1)).await.expect("mended");
    let packs = |packs: i32| {
        app.write(Actor::System, move |tx| -> Result<(), Failure> {
            let lines = prescription_line::table.filter(prescription_line::prescription_id.eq(id));
            on_backend!(tx.conn, c => diesel::update(lines)
                .set(prescription_line::packs.eq(packs))
                .execute(c))?;
            Ok(())
        })
    };
    packs(9).await.expect("tampered");
    pharmacist.approve(id).await.expect_refused(Code::PrescriptionSignatureInvalid);
    packs(1).await.expect("mended");
    pharmacist.approve(id).await.expect_ok();
    packs(9).await.expect("tampered");
    let started = app.read(Actor::System, move |conn, app| {
        service::prescription::dispense::verify_for_start(conn, app, id, app.now())
    });
    assert!(!started.await.expect("looked"), "nothing is vended on changed lines");
}

#[actix_web::test]
async fn what_became_known_since_the_signature_blocks_the_review() {
    let scene = Scene::open().await;
    let id = scene.signed(&["AMB-T30"]).await;
    scene.profile(json!({"allergies": ["ambroxol"]})).await;
    let refused = scene.pharmacist().approve(&id).await.expect_refused(Code::SafetyBlocked);
    assert!(refused["data"].is_array());
}

#[actix_web::test]
async fn an_expired_one_is_not_approved() {
    let mut scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    // Past midnight; the first pharmacist's session ends after twelve hours.
    scene.pass(11 * 3600 + 1800).await;
    let late = scene.app.person(Role::Pharmacist, "night@example.cn", None, None).await;
    scene.app.pass(3 * 3600);
    scene.open_window(&late).await;
    let pharmacist = Pharmacist::new(&scene.app, &late);
    pharmacist.approve(&id).await.expect_refused(Code::PrescriptionExpired);
    assert_eq!(pharmacist.reviews().await, Vec::<Value>::new());
}
