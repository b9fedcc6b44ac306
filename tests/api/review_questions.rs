//! A pharmacist asks the doctor of a prescription, and it waits for the answer.

use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::{Caller, Code, prescribing::Scene};
use domain::ids::StaffId;
use service::{Actor, Failure};
use storage::{on_backend, schema::event};

/// Who of the staff is told of events of this kind.
async fn told(scene: &Scene, kind: &'static str) -> Vec<Option<StaffId>> {
    let read = scene.app.state.read(Actor::System, move |conn, _| -> Result<_, Failure> {
        Ok(on_backend!(conn, c => event::table.filter(event::kind.eq(kind)).select(event::staff_id).load(c))?)
    });
    read.await.expect("read")
}

#[actix_web::test]
async fn a_question_is_asked_and_answered_and_the_prescription_waits_meanwhile() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let other = scene.another_pharmacist("pharmacist-b@example.cn").await;
    let id = scene.signed(&["PCM-T500"]).await;
    pharmacist.claim(&id).await.expect_ok();
    pharmacist.try_to_ask(&id, " ").await.expect_refused(Code::InvalidField);
    pharmacist.try_to_ask(&id, &"长".repeat(501)).await.expect_refused(Code::InvalidField);
    let question = pharmacist.ask(&id, "Does the liver allow it?").await;
    assert_eq!(told(&scene, "prescription.asked").await, [Some(doctor.person.id)]);
    // Nobody decides before the answer, not even who asked; it stands in the queue.
    for one in [&pharmacist, &other] {
        one.claim(&id).await.expect_refused(Code::QuestionOpen);
        one.approve(&id).await.expect_refused(Code::QuestionOpen);
        one.try_to_ask(&id, "and this?").await.expect_refused(Code::QuestionOpen);
    }
    let waiting = other.reviews().await;
    assert_eq!(
        (&waiting[0]["review"]["question_open"], &waiting[0]["review"]["claimed_by"]),
        (&json!(true), &json!(null))
    );
    let seen = doctor.prescription(&id).await.expect_ok();
    assert_eq!(seen["questions"][0]["question"], "Does the liver allow it?");
    assert_eq!(seen["questions"][0]["asked_by"], json!(pharmacist.person.id));
    assert_eq!(seen["questions"][0]["answer"], Value::Null);
    assert!(scene.worker().prescription(&id).await.expect_ok().get("questions").is_none());
    // Only its doctor answers, and once.
    let answer = "No liver disease; asked again.";
    scene.other_doctor().answer_question(&id, &question, answer).await.expect_refused(Code::NotFound);
    let unknown = uuid::Uuid::now_v7().to_string();
    let refused = doctor.answer_question(&id, &unknown, answer).await.expect_refused(Code::StateMovedOn);
    assert_eq!(refused["state"], "answered");
    scene.app.pass(60);
    doctor.answer_question(&id, &question, answer).await.expect_ok();
    doctor.answer_question(&id, &question, answer).await.expect_refused(Code::StateMovedOn);
    let reviewed = other.review(&id).await.expect_ok()["prescription"].clone();
    assert_eq!(reviewed["questions"][0]["answer"], answer);
    assert_eq!(reviewed["questions"][0]["answered_by"], json!(doctor.person.id));
    assert_eq!(reviewed["questions"][0]["answered_at"], "2026-11-23T02:01:00Z");
    assert_eq!(reviewed["signed_at"], "2026-11-23T02:00:00Z", "it kept its place");
    other.approve(&id).await.expect_ok();
    pharmacist.try_to_ask(&id, "still?").await.expect_refused(Code::StateMovedOn);
}

#[actix_web::test]
async fn what_is_never_answered_is_returned_and_the_question_stays_with_the_next_version() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let id = scene.signed(&["PCM-T500"]).await;
    let question = pharmacist.ask(&id, "How heavy is the worker?").await;
    let other = scene.another_pharmacist("pharmacist-b@example.cn").await;
    let back = json!({"reason": "no answer for a long time", "code": "incomplete"});
    other.send_back(&id, back).await.expect_ok();
    doctor.answer_question(&id, &question, "70 kg").await.expect_refused(Code::StateMovedOn);
    let version = doctor.prescription(&id).await.expect_ok()["version"].as_u64().expect("a version");
    doctor.edit(&id, u32::try_from(version).expect("small"), &["PCM-C300"]).await.expect_ok();
    doctor.sign(&id).await.expect_ok();
    let seen = other.review(&id).await.expect_ok()["prescription"].clone();
    assert_eq!(seen["questions"][0]["question"], "How heavy is the worker?");
    assert_eq!(seen["review"]["question_open"], false);
    other.approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn the_validity_goes_on_while_a_question_is_open() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let question = scene.pharmacist().ask(&id, "is it so?").await;
    scene.app.pass(14 * 3600);
    let doctor = scene.app.token_of(&scene.seed.doctor);
    let answer = json!({"question_id": question, "text": "it is"});
    assert_eq!(service::prescription::dispense::expire_due(&scene.app.state).await.expect("a round"), 1);
    let path = format!("/api/v1/prescriptions/{id}/answer");
    let refused = scene.app.post(&doctor, &path, answer).await;
    assert!(refused.status == 409 || refused.status == 401, "{}", refused.body);
}

#[actix_web::test]
async fn after_ten_questions_it_is_returned() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let id = scene.signed(&["PCM-T500"]).await;
    for number in 0..10 {
        let question = pharmacist.ask(&id, &format!("question {number}")).await;
        doctor.answer_question(&id, &question, "so it is").await.expect_ok();
    }
    let refused = pharmacist.try_to_ask(&id, "one more").await.expect_refused(Code::PrescribingRule);
    assert_eq!(refused["errors"][0]["code"], "too_many");
    pharmacist.approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn without_the_consent_to_care_the_doctor_answers_nothing() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let question = scene.pharmacist().ask(&id, "is it so?").await;
    scene.worker().withdraw_consent("health_care").await.expect_ok();
    scene.doctor().answer_question(&id, &question, "it is").await.expect_refused(Code::ConsentMissing);
}
