//! Signatures by the service of a certificate authority: SM2, asked before the transaction that signs,
//! and nothing half done whatever the service does.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code,
    authority::{Answers, Authority},
    id_in,
    prescribing::{Scene, id_of},
    seed::SIGNING_PIN,
};
use domain::{keys::KeyEnd, prescription::PrescriptionState};
use service::Actor;
use storage::keys::doctor::{BY_SERVICE, DoctorKeyRow, doctor_keys_of};

async fn keys(scene: &Scene) -> Vec<DoctorKeyRow> {
    let doctor = scene.seed.doctor.id;
    let read = scene.app.state.read(Actor::System, move |conn, _| Ok(doctor_keys_of(conn, doctor)?));
    read.await.expect("read")
}

async fn document(scene: &Scene, id: &str) -> Value {
    scene.doctor().get(&format!("/api/v1/prescriptions/{id}/document")).await.expect_ok()
}

#[actix_web::test]
async fn the_service_signs_and_it_is_verified_at_review_and_start() {
    let authority = Authority::open().await;
    let scene = authority.scene().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let signed = scene.doctor().sign(&id).await.expect_ok();
    assert_eq!((&signed["state"], &signed["signature_valid"]), (&json!("signed"), &json!(true)));
    let asked = authority.asked();
    assert_eq!(asked.len(), 1);
    let members: Vec<&String> = asked[0].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["algorithm", "digest", "id", "licence_no"], "no health data");
    assert_eq!(asked[0]["digest"].as_str().map(str::len), Some(44), "32 bytes");
    let document = document(&scene, &id).await;
    assert_eq!((&document["algorithm"], &document["signature_valid"]), (&json!("SM2"), &json!(true)));
    assert_eq!(document["certificates"].as_array().map(Vec::len), Some(2), "{document}");
    let keys = keys(&scene).await;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].private_sealed.is_none() && keys[0].issued_by == BY_SERVICE);
    // The service may be down by then.
    authority.answers(Answers::Down);
    scene.pharmacist().approve(&id).await.expect_ok();
    let id = id_of(&id);
    let started = scene.app.state.read(Actor::System, move |conn, app| {
        service::prescription::dispense::verify_for_start(conn, app, id, app.now())
    });
    assert!(started.await.expect("looked"));
    assert_eq!(authority.asked(), Vec::<Value>::new());
}

#[actix_web::test]
async fn whatever_the_service_answers_a_failed_signature_leaves_the_draft() {
    let authority = Authority::open().await;
    let scene = authority.scene().await;
    let id = scene.draft(&["PCM-T500"]).await;
    for (how, code, tries) in [
        (Answers::Down, Code::SigningUnavailable, 2),
        (Answers::Late, Code::SigningUnavailable, 2),
        (Answers::NotEnrolled, Code::SigningRefused, 1),
        (Answers::NoJson, Code::SigningUnavailable, 1),
        (Answers::Endless, Code::SigningUnavailable, 1),
        (Answers::AnotherId, Code::SigningUnavailable, 1),
        (Answers::AnotherAlgorithm, Code::SigningUnavailable, 1),
        (Answers::AnotherDigest, Code::SigningUnavailable, 1),
        (Answers::AnotherDoctor, Code::SigningUnavailable, 1),
        (Answers::UnknownAuthority, Code::SigningUnavailable, 1),
        (Answers::ExpiredCertificate, Code::SigningUnavailable, 1),
        (Answers::AnotherTime, Code::SigningUnavailable, 1),
    ] {
        authority.answers(how);
        let refused = scene.doctor().sign(&id).await;
        assert_eq!(refused.headers.contains_key("retry-after"), code == Code::SigningUnavailable, "{how:?}");
        refused.expect_refused(code);
        let asked = authority.asked();
        assert_eq!(asked.len(), tries, "{how:?}");
        assert!(asked.iter().all(|one| one["id"] == asked[0]["id"]), "a repeat has the same id");
        let seen = scene.doctor().prescription(&id).await.expect_ok();
        assert_eq!((&seen["state"], &seen["version"]), (&json!("draft"), &json!(1)), "{how:?}");
        assert!(keys(&scene).await.is_empty(), "{how:?}");
    }
    // The same request, once the service is back: a failure was not saved as its answer.
    let path = format!("/api/v1/prescriptions/{id}/sign");
    let pin = json!({"pin": SIGNING_PIN});
    let sign = || scene.app.post_with_key(&scene.seed.doctor.token, &path, "sign-again", pin.clone());
    authority.answers(Answers::Down);
    sign().await.expect_refused(Code::SigningUnavailable);
    authority.answers(Answers::AfterATry);
    authority.asked();
    let signed = sign().await.expect_ok();
    assert_eq!(authority.asked().len(), 2);
    assert_eq!(sign().await.expect_ok(), signed, "replayed");
    assert_eq!(authority.asked(), Vec::<Value>::new(), "without asking again");
}

#[actix_web::test]
async fn the_pin_is_checked_before_the_service_is_asked_and_blocks_hold() {
    let authority = Authority::open().await;
    let scene = authority.scene().await;
    let id = scene.draft(&["PCM-T500"]).await;
    scene.doctor().sign_with(&id, json!({"pin": "000000"})).await.expect_refused(Code::SigningPinWrong);
    scene.other_doctor().sign(&id).await.expect_refused(Code::NotFound);
    scene.profile(json!({"allergies": ["paracetamol"], "sex": "male"})).await;
    scene.doctor().sign(&id).await.expect_refused(Code::SafetyBlocked);
    assert_eq!(authority.asked(), Vec::<Value>::new());
}

#[actix_web::test]
async fn a_new_certificate_is_a_new_key_and_what_the_old_one_signed_stays_valid() {
    let authority = Authority::open().await;
    let scene = authority.scene().await;
    let first = scene.signed(&["PCM-T500"]).await;
    scene.doctor().withdraw(&first, "样例：重新开具").await.expect_ok();
    authority.renew();
    authority.asked();
    let second = scene.signed(&["PCM-T500"]).await;
    assert_eq!(authority.asked().len(), 2, "the signature names the key, so it is made again");
    let rows = keys(&scene).await;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].end_reason, rows[1].end_reason), (Some(KeyEnd::Superseded), None));
    for id in [&first, &second] {
        assert_eq!(document(&scene, id).await["signature_valid"], true);
    }
    scene.pharmacist().approve(&second).await.expect_ok();
}

#[actix_web::test]
async fn two_signs_at_once_sign_once() {
    let authority = Authority::open().await;
    let scene = authority.scene().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let doctor = scene.doctor();
    let answers = join_all([doctor.sign(&id), doctor.sign(&id), doctor.sign(&id)]).await;
    let signed = answers.iter().filter(|answer| answer.status.as_u16() == 200).count();
    assert_eq!(signed, 1, "{:?}", answers.iter().map(|answer| answer.body.to_string()).collect::<Vec<_>>());
    assert_eq!(keys(&scene).await.len(), 1);
    let seen = doctor.prescription(&id).await.expect_ok();
    assert_eq!(seen["state"], PrescriptionState::Signed.as_str());
    assert_eq!((id_in(&seen), &seen["signature_valid"]), (id.as_str(), &json!(true)));
}
