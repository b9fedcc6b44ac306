//! The pharmacist's review.

use std::time::Duration;

use diesel::prelude::*;
use serde_json::json;

use crate::{
    prescribing::{Scene, draft_of, id_of},
    seed::SIGNING_PIN,
};
use crypto::tokens::Role;
use domain::refusal::Code;
use service::{
    Actor, Failure,
    caller::StaffCaller,
    review::{ApproveInput, ReturnInput},
};
use storage::{
    on_backend,
    schema::{prescription, prescription_line},
};

#[actix_web::test]
async fn a_returned_prescription_is_mended_and_signed_again() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.signed(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{id}");
    let back = format!("{path}/return");
    let reason = json!({"reason": "three days are too long here", "code": "dose"});
    app.post(&seed.doctor.token, &back, reason.clone()).await.problem(403, "role_not_allowed");
    app.post(&seed.pharmacist.token, &back, json!({"reason": " "})).await.problem(422, "invalid_field");
    let returned = app.post(&seed.pharmacist.token, &back, reason).await.expect(200);
    assert_eq!(returned["state"], "returned");
    let read = app.get(&seed.doctor.token, &path).await.expect(200);
    assert_eq!(read["reason"], "three days are too long here");
    assert!(app.get(&scene.worker_token, &path).await.expect(200)["reason"].is_null());
    let approve = format!("{path}/approve");
    let pin = json!({"pin": SIGNING_PIN});
    let gone = app.post(&seed.pharmacist.token, &approve, pin.clone()).await.problem(409, "state_moved_on");
    assert_eq!(gone["state"], "returned");
    let edited = app.put(&seed.doctor.token, &path, "\"3\"", draft_of(&["PCM-C300"])).await.expect(200);
    assert_eq!((&edited["state"], &edited["reason"]), (&json!("draft"), &json!(null)));
    app.post(&seed.doctor.token, &format!("{path}/sign"), pin.clone()).await.expect(200);
    let approved = app.post(&seed.pharmacist.token, &approve, pin).await.expect(200);
    assert_eq!(
        (&approved["state"], &approved["lines"][0]["product_code"]),
        (&json!("approved"), &json!("PCM-C300"))
    );
}

#[actix_web::test]
async fn the_queue_answers_as_soon_as_something_is_signed() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    assert_eq!(app.get(&seed.pharmacist.token, "/api/v1/reviews").await.expect(200)["items"], json!([]));
    app.get(&seed.pharmacist.token, "/api/v1/reviews?wait=26").await.problem(400, "invalid_parameter");
    app.get(&seed.doctor.token, "/api/v1/reviews").await.problem(403, "role_not_allowed");
    let draft = scene.draft(&["PCM-T500"]).await;
    let sign = format!("/api/v1/prescriptions/{draft}/sign");
    let wait = app.get(&seed.pharmacist.token, "/api/v1/reviews?wait=25");
    let both =
        futures_util::future::join(wait, app.post(&seed.doctor.token, &sign, json!({"pin": SIGNING_PIN})));
    let (queue, _) = tokio::time::timeout(Duration::from_secs(15), both).await.expect("woken, not timed out");
    let queue = queue.expect(200);
    assert_eq!(queue["items"][0]["id"], json!(draft));
    assert!(queue["items"][0]["overrides"].is_array());
}

#[actix_web::test]
async fn ten_pharmacists_approve_and_one_does() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let mut people = Vec::new();
    for number in 0..10 {
        let mail = format!("pharmacist-{number}@example.cn");
        let person = scene.app.person(Role::Pharmacist, &mail, None, None).await;
        scene.open_window(&person).await;
        people.push(person);
    }
    let path = format!("/api/v1/prescriptions/{id}/approve");
    let tries = people.iter().map(|one| scene.app.post(&one.token, &path, json!({"pin": SIGNING_PIN})));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.problem(409, "state_moved_on")["state"], "approved");
    }
}

#[actix_web::test]
async fn nobody_reviews_their_own() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&["PCM-T500"]).await);
    // No person has both roles; if one had, service and table would both say no.
    let doctor = &scene.seed.doctor;
    let caller = StaffCaller {
        staff: doctor.id,
        role: Role::Pharmacist,
        session: doctor.session,
        session_version: 1,
        hospital: None,
        employer: None,
    };
    let app = &scene.app.state;
    let approve = app.write(Actor::Staff(caller), move |tx| {
        service::review::approve(tx, caller, id, &ApproveInput { pin: SIGNING_PIN.to_owned() })
    });
    assert_eq!(code_of(approve.await.err()), Some(Code::OwnReview));
    let back = app.write(Actor::Staff(caller), move |tx| {
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
    let text = scene.signed(&["PCM-T500"]).await;
    let id = id_of(&text);
    let path = format!("/api/v1/prescriptions/{text}/approve");
    let pin = json!({"pin": SIGNING_PIN});
    let app = &scene.app.state;
    // Somebody with the database and even the sealing key changes what was signed.
    let kept = app
        .write(Actor::System, move |tx| -> Result<Vec<u8>, Failure> {
            let sealed: Option<Vec<u8>> =
                on_backend!(tx.conn, c => prescription::table.find(id).select(prescription::canonical_sealed).first(c))?;
            let sealed = sealed.expect("signed");
            let bytes = tx.app.open("prescription", "canonical_sealed", id, &sealed)?;
            assert!(bytes.contains("\"days\":3"));
            let other = bytes.replace("\"days\":3", "\"days\":7");
            let other = tx.app.seal("prescription", "canonical_sealed", id, &other)?;
            on_backend!(tx.conn, c => diesel::update(prescription::table.find(id))
                .set(prescription::canonical_sealed.eq(Some(other)))
                .execute(c))?;
            Ok(sealed)
        })
        .await
        .expect("tampered");
    let refused = scene.app.post(&scene.seed.pharmacist.token, &path, pin.clone()).await;
    refused.problem(409, "prescription_signature_invalid");
    // The right bytes again, but other packs on the line that is vended from.
    app.write(Actor::System, move |tx| -> Result<(), Failure> {
        on_backend!(tx.conn, c => diesel::update(prescription::table.find(id))
                .set(prescription::canonical_sealed.eq(Some(&kept)))
                .execute(c))?;
        let lines = prescription_line::table.filter(prescription_line::prescription_id.eq(id));
        on_backend!(tx.conn, c => diesel::update(lines)
                .set(prescription_line::packs.eq(9))
                .execute(c))?;
        Ok(())
    })
    .await
    .expect("tampered");
    let refused = scene.app.post(&scene.seed.pharmacist.token, &path, pin.clone()).await;
    refused.problem(409, "prescription_signature_invalid");
    let packs = |packs: i32| {
        app.write(Actor::System, move |tx| -> Result<(), Failure> {
            let lines = prescription_line::table.filter(prescription_line::prescription_id.eq(id));
            on_backend!(tx.conn, c => diesel::update(lines)
                .set(prescription_line::packs.eq(packs))
                .execute(c))?;
            Ok(())
        })
    };
    packs(1).await.expect("mended");
    scene.app.post(&scene.seed.pharmacist.token, &path, pin).await.expect(200);
    packs(9).await.expect("tampered");
    let started = app.read(Actor::System, move |conn, app| {
        service::prescription::dispense::verify_for_start(conn, app, id, app.now())
    });
    assert!(!started.await.expect("looked"), "nothing is vended on changed lines");
}

#[actix_web::test]
async fn what_became_known_since_the_signature_blocks_the_review() {
    let scene = Scene::open().await;
    let id = scene.signed(&["AMX-C500"]).await;
    scene.profile(json!({"allergies": ["penicillins"]})).await;
    let path = format!("/api/v1/prescriptions/{id}/approve");
    let pin = json!({"pin": SIGNING_PIN});
    let refused = scene.app.post(&scene.seed.pharmacist.token, &path, pin).await;
    assert!(refused.problem(422, "safety_blocked")["data"].is_array());
}

#[actix_web::test]
async fn an_expired_one_is_not_approved() {
    let mut scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    // Eleven hours and a half, and then past midnight: sessions last twelve.
    scene.pass(11 * 3600 + 1800).await;
    let path = format!("/api/v1/prescriptions/{id}/approve");
    let late = scene.app.person(Role::Pharmacist, "night@example.cn", None, None).await;
    scene.app.pass(3 * 3600);
    let token = scene.app.staff_token(Role::Pharmacist, late.id, late.session, None, None);
    scene.open_window(&late).await;
    let refused = scene.app.post(&token, &path, json!({"pin": SIGNING_PIN})).await;
    refused.problem(422, "prescription_expired");
    assert_eq!(scene.app.get(&token, "/api/v1/reviews").await.expect(200)["items"], json!([]));
}
