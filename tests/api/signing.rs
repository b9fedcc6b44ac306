//! Each doctor signs with a key of their own, and what is stored is what was signed.

use std::sync::Arc;

use chrono::TimeDelta;
use data_encoding::BASE64;
use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    CabinetMachine, Caller, Code, TestApp, id_in,
    places::{self, FilledSlot},
    prescribing::{Scene, draft_of, id_of},
    seed::SIGNING_PIN,
};
use crypto::{
    certificate::Certificate,
    seal::FieldPlace,
    signer::{DetachedKind, Ed25519Signer, sign_detached},
};
use domain::{
    ids::{DoctorKeyId, PrescriptionId, StaffId},
    keys::{KeyEnd, KeyKind},
    prescription::PrescriptionState,
    time::Timestamp,
};
use service::{Actor, Failure, keys::KeyError};
use storage::{
    keys::doctor::{DoctorKeyRow, doctor_keys_of},
    on_backend,
    schema::{doctor, event, prescription, staff},
    sql_types::At,
};

async fn keys_of(app: &TestApp, doctor: StaffId) -> Vec<DoctorKeyRow> {
    let read = app.state.read(Actor::System, move |conn, _| Ok(doctor_keys_of(conn, doctor)?));
    read.await.expect("read")
}

async fn end_key(app: &TestApp, key: DoctorKeyId, reason: KeyEnd) {
    let now = app.now();
    let ended = app.state.store.write::<_, Failure>(move |conn| {
        match service::keys::doctor::revoke(conn, key, reason, now) {
            Ok(()) => Ok(()),
            Err(KeyError::Failed(failure)) => Err(failure),
            Err(error) => panic!("{error}"),
        }
    });
    ended.await.expect("ended");
}

async fn document(scene: &Scene, id: &str) -> Value {
    scene.doctor().get(&format!("/api/v1/prescriptions/{id}/document")).await.expect_ok()
}

/// Replaces the signature and, where given, the kept document, as somebody with the database and the
/// sealing key could.
async fn forge(scene: &Scene, id: &str, signature: String, bytes: Option<Vec<u8>>) {
    let id = id_of(id);
    let sealed = bytes.map(|bytes| {
        let app = &scene.app.state;
        let place = FieldPlace::of(&app.policy.network, "prescription", "canonical_sealed", id);
        app.keys.sealer.seal(&place, &bytes).expect("sealed")
    });
    let forged = scene.app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
        let row = prescription::table.find(id);
        on_backend!(tx.conn, c => diesel::update(row).set(prescription::signature.eq(Some(&signature))).execute(c))?;
        if let Some(sealed) = &sealed {
            on_backend!(tx.conn, c => diesel::update(row)
                .set(prescription::canonical_sealed.eq(Some(sealed)))
                .execute(c))?;
        }
        Ok(())
    });
    forged.await.expect("forged");
}

async fn may_start(app: &TestApp, id: &str) -> bool {
    let id = id_of(id);
    let looked = app.state.read(Actor::System, move |conn, app| {
        service::prescription::dispense::verify_for_start(conn, app, id, app.now())
    });
    looked.await.expect("looked")
}

#[actix_web::test]
async fn the_signed_document_is_the_whole_form_and_its_certificate_names_the_doctor() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let shown = document(&scene, &id).await;
    assert_eq!((&shown["algorithm"], &shown["signature_valid"]), (&json!("EdDSA"), &json!(true)));
    let form: Value = serde_json::from_str(shown["document"].as_str().expect("a text")).expect("JSON");
    assert_eq!(form["format"], "waystation-prescription-2");
    assert_eq!(
        form["patient"],
        json!({"worker": scene.seed.worker, "name": "样例工人甲", "sex": "male", "age_years": 36, "age_months": 438})
    );
    assert_eq!(form["department"], json!({"code": "general_practice", "name": "全科"}));
    assert_eq!(form["diagnoses"], json!([{"code": "J00", "text": "普通感冒"}]));
    assert_eq!((&form["kind"], &form["issued_on"]), (&json!("ordinary"), &json!("2026-11-23")));
    let line = &form["lines"][0];
    assert_eq!(
        (&line["name"], &line["specification"]),
        (&json!("对乙酰氨基酚片"), &json!("500 毫克 × 20 片"))
    );
    assert_eq!(line["directions"], "口服，一次 1 片，一日 3 次，共 3 天");
    assert_eq!((&line["dose_units_thousandths"], &line["dose_unit"]), (&json!(1000), &json!("tablet")));
    for member in ["signed_at", "valid_until"] {
        assert!(form[member].is_string(), "{form}");
    }
    assert!(form["rules"]["ruleset"].is_string() && form["rules"]["policy"].is_string());
    // Anybody can verify it with the certificates alone.
    let pem: Vec<&str> =
        shown["certificates"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let [own, network] = pem.as_slice() else { panic!("{pem:?}") };
    let body: String = own.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate =
        Certificate::parse(&BASE64.decode(body.as_bytes()).expect("base64")).expect("a certificate");
    let prescriber = &form["prescriber"];
    assert_eq!(json!(certificate.holder.name), prescriber["name"]);
    assert_eq!(json!(certificate.holder.licence_no), prescriber["licence_no"]);
    assert_eq!(json!(certificate.holder.hospital), form["hospital"]["name"]);
    let authorities = Certificate::authorities(network.as_bytes()).expect("an authority's");
    let signed_at: Timestamp = form["signed_at"].as_str().expect("a time").parse().expect("a time");
    certificate.check_authority(&authorities, signed_at).expect("issued by the network");
    let signature = shown["signature"].as_str().expect("a text");
    let bytes = shown["document"].as_str().expect("a text").as_bytes();
    crypto::signer::verify_detached(signature, DetachedKind::Prescription, bytes, |_| {
        Some(certificate.verifier())
    })
    .expect("it fits");
    // The key signs again, and is not made anew.
    scene.doctor().withdraw(&id, "样例：重新开具").await.expect_ok();
    scene.signed(&["PCM-T500"]).await;
    let keys = keys_of(&scene.app, scene.seed.doctor.id).await;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].private_sealed.is_some() && keys[0].valid_until > scene.app.now());
}

#[actix_web::test]
async fn a_patient_without_sex_or_age_gets_no_prescription_until_they_state_it() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    scene.app.forget_who(&scene.seed, "sex").await;
    scene.app.forget_who(&scene.seed, "birth_date").await;
    let refused = scene.doctor().sign(&id).await.expect_refused(Code::PrescribingRule);
    let fields: Vec<&Value> =
        refused["errors"].as_array().expect("fields").iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, ["patient.sex", "patient.birth_date"]);
    assert_eq!(scene.doctor().prescription(&id).await.expect_ok()["state"], "draft");
    scene.profile(json!({"sex": "female", "birth_date": "1990-05-01", "pregnant": false, "breastfeeding": false, "allergies": [], "conditions": [], "medicines": []})).await;
    scene.doctor().sign(&id).await.expect_ok();
}

#[actix_web::test]
async fn a_forged_or_altered_document_is_refused_at_review_and_start() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let shown = document(&scene, &id).await;
    let (text, signature) =
        (shown["document"].as_str().expect("a text"), shown["signature"].as_str().expect("a text"));
    let kid = keys_of(&scene.app, scene.seed.doctor.id).await[0].id.to_string();
    let altered = text.replace("样例工人甲", "别人").into_bytes();
    let another = Ed25519Signer::generate().expect("a key").named(&*kid);
    let network = scene.app.state.keys.prescriptions.signing(scene.app.now()).expect("a key");
    // A key of another doctor, who has signed something of their own, and whose private part is known.
    let other = scene.seed.doctor_b.id;
    let other_key = other_doctors_key(&scene, other).await;
    let sign = |key: &Ed25519Signer, bytes: &[u8]| {
        sign_detached(key, DetachedKind::Prescription, bytes).expect("signed")
    };
    let cases = [
        ("altered", signature.to_owned(), Some(altered.clone())),
        ("altered and signed by a key of that name", sign(&another, &altered), Some(altered.clone())),
        ("signed by a key of that name", sign(&another, text.as_bytes()), None),
        ("signed by another doctor", sign(&other_key, text.as_bytes()), None),
        ("signed by the network", sign(&network, text.as_bytes()), None),
        ("no signature", "x..y".to_owned(), None),
    ];
    for (what, forged, bytes) in cases {
        forge(&scene, &id, forged, bytes).await;
        scene.pharmacist().approve(&id).await.expect_refused(Code::PrescriptionSignatureInvalid);
        let seen = scene.doctor().prescription(&id).await.expect_ok();
        assert_eq!(seen["signature_valid"], false, "{what}");
        scene
            .doctor()
            .get(&format!("/api/v1/prescriptions/{id}/print.html"))
            .await
            .expect_refused(Code::PrescriptionSignatureInvalid);
        forge(&scene, &id, signature.to_owned(), Some(text.as_bytes().to_vec())).await;
    }
    scene.pharmacist().approve(&id).await.expect_ok();
    assert!(may_start(&scene.app, &id).await);
    forge(&scene, &id, sign(&other_key, text.as_bytes()), None).await;
    assert!(!may_start(&scene.app, &id).await, "at START, too");
}

/// The live key of a doctor who signs their first prescription for it.
async fn other_doctors_key(scene: &Scene, doctor: StaffId) -> Ed25519Signer {
    let (app, hospital) = (Arc::clone(&scene.app.state), scene.seed.hospital);
    let made = app.write(Actor::System, move |tx| {
        let signer = storage::keys::doctor::signer_fetch(tx.conn, doctor, hospital)?.expect("a doctor").0;
        let network = tx.app.keys.prescriptions.signing(tx.now)?;
        let (key, id) = (Ed25519Signer::generate()?, DoctorKeyId::generate());
        let validity = crypto::certificate::Validity { from: tx.now, until: tx.now + TimeDelta::days(1) };
        let holder = crypto::certificate::Holder {
            name: signer.name,
            licence_no: signer.licence_no,
            hospital: signer.hospital,
        };
        let certificate = crypto::certificate::issue(
            &network,
            &tx.app.policy.network,
            (doctor, &holder),
            key.public_key(),
            validity,
        )?;
        storage::keys::doctor::doctor_key_add(
            tx.conn,
            &DoctorKeyRow {
                id,
                staff_id: doctor,
                algorithm: domain::keys::SigningAlgorithm::EdDsa,
                private_sealed: None,
                certificate,
                issued_by: crypto::signer::Signer::key_id(&network).to_owned(),
                valid_from: validity.from,
                valid_until: validity.until,
                created_at: tx.now,
                ended_at: None,
                end_reason: None,
            },
        )?;
        Ok(key.named(id.to_string()))
    });
    made.await.expect("made")
}

#[actix_web::test]
async fn a_compromised_key_signs_nothing_that_counts_and_a_replaced_one_did() {
    let scene = Scene::open().await;
    let first = scene.approved(&["PCM-T500"]).await;
    let [key] = &keys_of(&scene.app, scene.seed.doctor.id).await[..] else { panic!("one key") };
    end_key(&scene.app, key.id, KeyEnd::Superseded).await;
    assert!(may_start(&scene.app, &first).await, "rotated between sign and START");
    scene.app.pass(1);
    scene.doctor().withdraw(&first, "样例：重新开具").await.expect_ok();
    let second = scene.signed(&["PCM-T500"]).await;
    let keys = keys_of(&scene.app, scene.seed.doctor.id).await;
    assert_eq!(keys.len(), 2);
    assert!(keys[0].private_sealed.is_none() && keys[1].private_sealed.is_some());
    end_key(&scene.app, keys[1].id, KeyEnd::Compromised).await;
    scene.pharmacist().approve(&second).await.expect_refused(Code::PrescriptionSignatureInvalid);
    assert_eq!(document(&scene, &second).await["signature_valid"], false);
    // It is marked so even after another end.
    assert_eq!(document(&scene, &first).await["signature_valid"], true);
    end_key(&scene.app, keys[0].id, KeyEnd::Compromised).await;
    assert_eq!(document(&scene, &first).await["signature_valid"], false);
}

#[actix_web::test]
async fn a_key_that_is_revoked_after_payment_stops_the_vend() {
    let scene = Scene::open().await;
    let cabinet = scene.seed.cabinet;
    scene
        .app
        .state
        .write(Actor::System, move |tx| {
            let until = chrono::NaiveDate::from_ymd_opt(2027, 12, 31).expect("a day");
            places::add_lot(tx, "PCM-T500", "L1", until)?;
            places::add_slot(
                tx,
                cabinet,
                &FilledSlot { slot_no: 1, product: "PCM-T500", lot: "L1", packs: 5, capacity: 10 },
            )
        })
        .await
        .expect("filled");
    let id = scene.approved(&["PCM-T500"]).await;
    let order = scene.worker().post("/api/v1/orders", json!({"prescription_id": id})).await.expect_created();
    let pay = format!("/api/v1/orders/{}/pay", id_in(&order));
    let order = scene.worker().post(&pay, json!({"method": "subsidy"})).await.expect_ok();
    let key = keys_of(&scene.app, scene.seed.doctor.id).await[0].id;
    end_key(&scene.app, key, KeyEnd::Superseded).await;
    let mut machine = CabinetMachine::on(&scene.app, &scene.seed).await;
    machine.work().await;
    end_key(&scene.app, key, KeyEnd::Compromised).await;
    machine.start_pack(&order, 0).await.expect_refused(Code::PrescriptionExpired);
}

#[actix_web::test]
async fn a_disabled_doctor_signs_nothing_more_and_what_they_signed_stays() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let operator = scene.app.operator().await;
    operator.disable(&scene.seed.doctor).await.expect_ok();
    let keys = keys_of(&scene.app, scene.seed.doctor.id).await;
    assert_eq!((keys[0].end_reason, keys[0].private_sealed.is_none()), (Some(KeyEnd::Disabled), true));
    let pin = json!({"pin": SIGNING_PIN});
    let sign = format!("/api/v1/prescriptions/{id}/sign");
    assert_eq!(scene.app.post(&scene.seed.doctor.token, &sign, pin).await.status.as_u16(), 401);
    scene.pharmacist().approve(&id).await.expect_ok();
    assert!(may_start(&scene.app, &id).await);
    operator.post(&format!("/api/v1/staff/{}/enable", scene.seed.doctor.id), json!({})).await.expect_ok();
    assert_eq!(keys_of(&scene.app, scene.seed.doctor.id).await.len(), 1, "the next signature makes another");
    let kinds = scene.app.state.read(Actor::System, |conn, _| -> Result<Vec<String>, Failure> {
        Ok(on_backend!(conn, c => event::table
            .filter(event::kind.like("staff.signing_key%"))
            .order(event::position)
            .select(event::kind)
            .load(c))?)
    });
    assert_eq!(kinds.await.expect("read"), ["staff.signing_key_added", "staff.signing_key_ended"]);
}

#[actix_web::test]
async fn a_licence_that_ends_between_draft_and_signature_refuses_it_and_ends_the_key() {
    let scene = Scene::open().await;
    let first = scene.signed(&["PCM-T500"]).await;
    scene.doctor().withdraw(&first, "样例：重新开具").await.expect_ok();
    let id = scene.draft(&["PCM-T500"]).await;
    let (doctor_id, today) = (scene.seed.doctor.id, domain::time::civil_day(scene.app.now()));
    licence_until(&scene, today).await;
    // Today is its last day: a certificate ends with the licence, so there is another key.
    scene.doctor().sign(&id).await.expect_ok();
    let keys = keys_of(&scene.app, doctor_id).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(domain::time::civil_day(keys[1].valid_until), today);
    scene.doctor().withdraw(&id, "样例：重新开具").await.expect_ok();
    let id = scene.draft(&["PCM-T500"]).await;
    licence_until(&scene, today - TimeDelta::days(1)).await;
    scene.doctor().sign(&id).await.expect_refused(Code::DoctorNotEligible);
    assert_eq!(scene.doctor().prescription(&id).await.expect_ok()["state"], "draft");
    assert_eq!(keys_of(&scene.app, doctor_id).await.len(), 2);
    assert_eq!(document(&scene, &first).await["signature_valid"], true, "what was signed stays");
    // An operator who records it so ends the key at once.
    let path = format!("/api/v1/staff/{doctor_id}");
    let operator = scene.app.operator().await;
    let read = operator.get(&path).await;
    let etag = read.headers["etag"].to_str().expect("a version").to_owned();
    let mut details = read.expect_ok()["doctor"].clone();
    details["licence_no"] = json!("110370600000001");
    let change = json!({"name_zh": "样例医生", "name_en": "Sample", "hospital_id": scene.seed.hospital,
        "doctor": details});
    operator.put(&path, &etag, change).await.expect_ok();
    let keys = keys_of(&scene.app, doctor_id).await;
    assert_eq!(keys[1].end_reason, Some(KeyEnd::LicenceEnded));
    assert!(keys.iter().all(|key| key.private_sealed.is_none()));
}

#[actix_web::test]
async fn the_private_part_of_an_expired_key_is_destroyed() {
    let scene = Scene::open().await;
    scene.signed(&["PCM-T500"]).await;
    let doctor = scene.seed.doctor.id;
    let until = keys_of(&scene.app, doctor).await[0].valid_until;
    for (at, kept) in [(until, true), (until + TimeDelta::seconds(1), false)] {
        scene.app.clock.advance(at - scene.app.now());
        service::housekeeping::forget(&scene.app.state).await.expect("forgotten");
        assert_eq!(keys_of(&scene.app, doctor).await[0].private_sealed.is_some(), kept);
    }
}

async fn licence_until(scene: &Scene, day: chrono::NaiveDate) {
    let doctor_id = scene.seed.doctor.id;
    let end = scene.app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
        on_backend!(tx.conn, c => diesel::update(doctor::table.find(doctor_id))
            .set(doctor::licence_valid_until.eq(day))
            .execute(c))?;
        Ok(())
    });
    end.await.expect("set");
}

#[actix_web::test]
async fn a_new_name_or_network_key_makes_a_new_doctors_key() {
    let mut scene = Scene::open().await;
    let first = scene.signed(&["PCM-T500"]).await;
    let doctor_id = scene.seed.doctor.id;
    let rename = scene.app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
        on_backend!(tx.conn, c => diesel::update(staff::table.find(doctor_id))
            .set(staff::name_zh.eq("新名"))
            .execute(c))?;
        Ok(())
    });
    rename.await.expect("renamed");
    assert_eq!(document(&scene, &first).await["signature_valid"], true, "as it was signed");
    scene.doctor().withdraw(&first, "样例：重新开具").await.expect_ok();
    let second = scene.signed(&["PCM-T500"]).await;
    assert_eq!(keys_of(&scene.app, doctor_id).await.len(), 2);
    let app = Arc::clone(&scene.app.state);
    let rotated = scene.app.state.store.write::<_, Failure>(move |conn| {
        service::keys::rotate(conn, &app.keys, &app.policy.network, KeyKind::Prescription, app.now())
    });
    rotated.await.expect("rotated");
    service::keys::reload(&scene.app.state).await.expect("reloaded");
    scene.pass(121).await;
    scene.pharmacist().approve(&second).await.expect_ok();
    assert!(may_start(&scene.app, &second).await, "rotated between sign and START");
    scene.doctor().withdraw(&second, "样例：重新开具").await.expect_ok();
    scene.signed(&["PCM-T500"]).await;
    let keys = keys_of(&scene.app, doctor_id).await;
    assert_eq!(keys.len(), 3);
    assert_ne!(keys[1].issued_by, keys[2].issued_by);
}

#[actix_web::test]
async fn two_signs_at_once_make_one_signature_and_one_key() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let doctor = scene.doctor();
    let answers = join_all([doctor.sign(&id), doctor.sign(&id), doctor.sign(&id), doctor.sign(&id)]).await;
    assert_eq!(answers.iter().filter(|answer| answer.status.as_u16() == 200).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status.as_u16() != 200) {
        answer.expect_refused(Code::StateMovedOn);
    }
    assert_eq!(keys_of(&scene.app, scene.seed.doctor.id).await.len(), 1);
    scene.pharmacist().approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn an_edited_prescription_keeps_no_document_of_before() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    let first = document(&scene, &id).await;
    let send_back = format!("/api/v1/prescriptions/{id}/return");
    scene.pharmacist().post(&send_back, json!({"reason": "剂量请核对"})).await.expect_ok();
    scene
        .doctor()
        .put(&format!("/api/v1/prescriptions/{id}"), "\"3\"", draft_of(&["IBU-T200"]))
        .await
        .expect_ok();
    scene
        .doctor()
        .get(&format!("/api/v1/prescriptions/{id}/document"))
        .await
        .expect_refused(Code::StateMovedOn);
    scene.doctor().sign(&id).await.expect_ok();
    let second = document(&scene, &id).await;
    assert_ne!(first["document"], second["document"]);
    assert_ne!(first["check_url"], second["check_url"]);
    // The first signature does not fit the second document.
    forge(&scene, &id, first["signature"].as_str().expect("a text").to_owned(), None).await;
    assert_eq!(document(&scene, &id).await["signature_valid"], false);
}

#[actix_web::test]
async fn what_earlier_versions_signed_still_verifies() {
    for version in ["0.1.0", "0.2.0-one-crate", "0.3.0"] {
        let app = TestApp::open_released(version).await;
        // Those that were dispensed, as they were before: approved.
        let rows = app.state.write(Actor::System, |tx| -> Result<Vec<(PrescriptionId, Option<Timestamp>)>, Failure> {
            let fulfilled = prescription::table.filter(prescription::state.eq(PrescriptionState::Fulfilled));
            let rows = on_backend!(tx.conn, c => fulfilled.select((prescription::id, prescription::signed_at)).load(c))?;
            on_backend!(tx.conn, c => diesel::update(fulfilled)
                .set(prescription::state.eq(PrescriptionState::Approved))
                .execute(c))?;
            Ok(rows)
        });
        let rows = rows.await.expect("read");
        assert!(rows.len() > 10, "{version}");
        let fits = async |longer: i64| {
            let mut fits = 0;
            for (id, signed_at) in &rows {
                let (id, at) = (*id, signed_at.expect("signed"));
                let changed = app.state.write(Actor::System, move |tx| -> Result<bool, Failure> {
                    let row = prescription::table.find(id);
                    let until: Option<Timestamp> =
                        on_backend!(tx.conn, c => row.select(prescription::valid_until).first(c))?;
                    let until = until.map(|until| At(until + TimeDelta::days(longer)));
                    on_backend!(tx.conn, c => diesel::update(row).set(prescription::valid_until.eq(until)).execute(c))?;
                    service::prescription::dispense::verify_for_start(tx.conn, tx.app, id, at)
                });
                fits += usize::from(changed.await.expect("looked"));
            }
            fits
        };
        assert_eq!(fits(0).await, rows.len(), "{version}");
        assert_eq!(fits(1).await, 0, "{version}: a changed term is noticed in them, too");
    }
}
