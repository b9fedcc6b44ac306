//! From a draft to an approved prescription, and how it ends.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code, id_in,
    prescribing::{Scene, draft_of, id_of},
    seed::SIGNING_PIN,
};
use domain::{
    ids::{Id, OrderId},
    order::OrderState,
    prescription::EncounterLane,
};
use service::{Actor, Failure};
use storage::{on_backend, schema::orders, sql_types::At};

#[actix_web::test]
async fn a_prescription_lives_from_draft_to_approval() {
    let scene = Scene::open().await;
    let (doctor, other_doctor) = (scene.doctor(), scene.other_doctor());
    let (pharmacist, worker) = (scene.pharmacist(), scene.worker());
    let drafted = doctor.prescribe(scene.consultation, &["PCM-T500"]).await.expect_created();
    assert_eq!((drafted["state"].as_str(), drafted["version"].as_i64()), (Some("draft"), Some(1)));
    assert_eq!(
        (&drafted["lines"][0]["packs"], &drafted["diagnoses"][0]["name"]),
        (&json!(1), &json!("普通感冒"))
    );
    let label = drafted["lines"][0]["label"]["en"].as_str();
    assert_eq!(label.map(|text| text.contains("3 times a day")), Some(true));
    assert!(drafted["safety"].is_object() && drafted.get("proposed_valid_days").is_none());
    let id = id_in(&drafted);
    // A draft is between the doctor and the worker.
    other_doctor.prescription(id).await.expect_refused(Code::NotFound);
    pharmacist.prescription(id).await.expect_refused(Code::NotFound);
    scene.app.operator().await.prescription(id).await.expect_refused(Code::RoleNotAllowed);
    other_doctor.sign(id).await.expect_refused(Code::NotFound);
    let pin = json!({"pin": SIGNING_PIN});
    let sign = format!("/api/v1/prescriptions/{id}/sign");
    pharmacist.post(&sign, pin.clone()).await.expect_refused(Code::RoleNotAllowed);
    let again = doctor.prescribe(scene.consultation, &["PCM-T500"]).await;
    assert_eq!(again.expect_refused(Code::PrescriptionOpen)["state"], "draft");
    let sign_once = || scene.app.post_with_key(&scene.seed.doctor.token, &sign, "sign-0001", pin.clone());
    let signed = sign_once().await.expect_ok();
    assert_eq!((signed["state"].as_str(), signed["version"].as_i64()), (Some("signed"), Some(2)));
    assert_eq!(signed["valid_until"], "2026-11-23T15:59:59.999999Z");
    assert_eq!(sign_once().await.expect_ok(), signed, "replayed");
    doctor.sign(id).await.expect_refused(Code::StateMovedOn);
    let approved = pharmacist.approve(id).await.expect_ok();
    assert_eq!(approved["state"], "approved");
    assert_eq!(approved["reviewed_by"], json!(pharmacist.person.id));
    pharmacist.approve(id).await.expect_ok();
    let seen = worker.prescription(id).await;
    assert_eq!(seen.headers["etag"], "\"3\"");
    let seen = seen.expect_ok();
    assert!(seen.get("safety").is_none() && seen.get("overrides").is_none() && seen["reason"].is_null());
    for token in [worker.token(), doctor.token(), pharmacist.token()] {
        let page = scene.app.get(&token, "/api/v1/prescriptions").await.expect_ok();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(other_doctor.list("/api/v1/prescriptions").await, Vec::<Value>::new());
    let id = id_of(id);
    let kinds = scene
        .app
        .state
        .read(Actor::System, move |conn, _| -> Result<Vec<String>, Failure> {
            Ok(storage::events::events_of(conn, Id::from_uuid(id.uuid()))?
                .into_iter()
                .map(|e| e.kind)
                .collect())
        })
        .await
        .expect("events");
    assert_eq!(kinds, ["prescription.drafted", "prescription.signed", "prescription.approved"]);
}

#[actix_web::test]
async fn an_order_uses_only_what_is_approved_and_signed_for() {
    let scene = Scene::open().await;
    let id = id_of(&scene.signed(&["PCM-T500"]).await);
    let (worker, other) = (scene.seed.worker, domain::ids::WorkerId::generate());
    let state = &scene.app.state;
    let usable = move |worker| {
        state.write(Actor::System, move |tx| {
            service::prescription::dispense::usable_for_order(tx.conn, tx.app, id, worker, tx.now)
        })
    };
    assert!(usable(worker).await.is_err(), "not approved yet");
    scene.pharmacist().approve(id).await.expect_ok();
    let found = usable(worker).await.expect("usable");
    assert_eq!((found.lines[0].packs, found.lines[0].packs_taken), (1, 0));
    assert_eq!(found.lines[0].daily_units_thousandths, 3000);
    assert!(usable(other).await.is_err(), "another worker's");
    let starts = |seconds: i64| {
        state.read(Actor::System, move |conn, app| {
            let at = app.now() + chrono::TimeDelta::seconds(seconds);
            service::prescription::dispense::verify_for_start(conn, app, id, at)
        })
    };
    assert!(starts(0).await.expect("verified"));
    assert!(!starts(24 * 3600).await.expect("looked"), "expired");
}

#[actix_web::test]
async fn signing_needs_an_open_window_and_the_right_pin() {
    let mut scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let wrong = json!({"pin": "000000"});
    for _ in 0..4 {
        let refused = scene.doctor().sign_with(&id, wrong.clone()).await;
        refused.expect_refused(Code::SigningPinWrong);
    }
    scene.doctor().sign_with(&id, wrong).await.expect_refused(Code::PinLocked);
    scene.doctor().sign(&id).await.expect_refused(Code::PinLocked);
    scene.pass(901).await;
    scene.app.pass(601);
    scene.doctor().sign(&id).await.expect_refused(Code::SigningWindowClosed);
    scene.open_window(&scene.seed.doctor).await;
    scene.doctor().sign(&id).await.expect_ok();
}

#[actix_web::test]
async fn a_block_holds_and_a_warning_needs_a_reason() {
    let scene = Scene::open().await;
    let doctor = scene.doctor();
    scene.profile(json!({"allergies": ["penicillins"]})).await;
    let check = json!({"consultation_id": scene.consultation, "lines": draft_of(&["AMX-C500"])["lines"]});
    assert_eq!(doctor.check(check.clone()).await.expect_ok()["verdict"], "block");
    scene.other_doctor().check(check.clone()).await.expect_refused(Code::NotFound);
    let operator = scene.app.operator().await;
    operator.post("/api/v1/prescriptions/check", check).await.expect_refused(Code::NotFound);
    let blocked = scene.draft(&["AMX-C500"]).await;
    let refused = doctor.sign_overriding(&blocked, &["allergy"], "no way round").await;
    let refused = refused.expect_refused(Code::SafetyBlocked);
    assert!(
        refused["data"].as_array().is_some_and(|found| found.iter().any(|one| one["severity"] == "block"))
    );
    // A courier who rides, and a drug that makes drowsy.
    assert_eq!(doctor.edit(&blocked, 1, &["CPM-T4"]).await.expect_ok()["version"], 2);
    let unanswered = doctor.sign(&blocked).await.expect_refused(Code::SafetyWarningsUnanswered);
    let findings = unanswered["data"].as_array().expect("findings");
    let rules: Vec<&str> = findings.iter().map(|one| one["rule"].as_str().expect("a rule")).collect();
    let reason = "asked, and none of it is so";
    let signed = doctor.sign_overriding(&blocked, &rules, reason).await.expect_ok();
    assert!(signed["safety"].is_object() && signed.get("overrides").is_none());
    let seen = scene.pharmacist().prescription(&blocked).await.expect_ok();
    assert_eq!(seen["overrides"][0]["reason"], reason);
}

#[actix_web::test]
async fn the_check_takes_a_consultation_or_a_made_up_worker() {
    let scene = Scene::open().await;
    let (doctor, operator) = (scene.doctor(), scene.app.operator().await);
    let path = "/api/v1/prescriptions/check";
    let lines = draft_of(&["MET-NONE"])["lines"].clone();
    let unknown = operator.post(path, json!({"profile": {}, "lines": lines})).await.expect_ok();
    assert_ne!(unknown["verdict"], "ok", "what is not known is never safe");
    let lines = draft_of(&["PCM-T500"])["lines"].clone();
    let taking = json!([{"kind": "vended", "product_code": "COLD-G", "units_per_day_thousandths": 3000,
        "until": "2026-11-25"}]);
    let body = json!({"profile": {"age_years": 40, "sex": "male"}, "taking": taking, "lines": lines});
    assert_eq!(operator.post(path, body).await.expect_ok()["verdict"], "block");
    let both = json!({"profile": {}, "consultation_id": scene.consultation, "lines": lines});
    doctor.check(both).await.expect_refused(Code::InvalidField);
    doctor.check(json!({"lines": lines})).await.expect_refused(Code::InvalidField);
    scene.worker().post(path, json!({"lines": []})).await.expect_refused(Code::RoleNotAllowed);
}

#[actix_web::test]
async fn of_two_editors_one_wins() {
    let scene = Scene::open().await;
    let doctor = scene.doctor();
    let id = scene.draft(&["PCM-T500"]).await;
    let products = [["LOR-T10"], ["PCM-C300"], ["PCM-T500"], ["PCM-SR650"]];
    let answers = join_all(products.iter().map(|products| doctor.edit(&id, 1, products))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.expect_refused(Code::PreconditionFailed);
    }
    assert_eq!(doctor.prescription(&id).await.expect_ok()["version"], 2);
}

#[actix_web::test]
async fn of_many_drafts_at_once_one_is_open() {
    let scene = Scene::open().await;
    let doctor = scene.doctor();
    let answers = join_all((0..6).map(|_| doctor.prescribe(scene.consultation, &["PCM-T500"]))).await;
    let (drafted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(drafted.len(), 1);
    for answer in refused {
        answer.expect_refused(Code::PrescriptionOpen);
    }
}

#[actix_web::test]
async fn broken_rules_are_all_named_and_the_lane_is_kept() {
    let scene = Scene::open().await;
    let mut draft = draft_of(&["PCM-T500", "BLG-G", "NOT-THERE"]);
    draft["lines"][0]["days"] = json!(30);
    let refused = scene.doctor().draft(scene.consultation, draft).await;
    let problem = refused.expect_refused(Code::PrescribingRule);
    let fields: Vec<&str> =
        problem["errors"].as_array().expect("errors").iter().filter_map(|e| e["field"].as_str()).collect();
    assert_eq!(fields, ["lines[0].days", "lines[1].product_code", "lines[2].product_code"]);
    let not_theirs = scene.other_doctor().prescribe(scene.consultation, &["PCM-T500"]).await;
    not_theirs.expect_refused(Code::NotFound);
    let talk = Scene::in_lane(EncounterLane::ConsultationOnly).await;
    let refused = talk.doctor().prescribe(talk.consultation, &["PCM-T500"]).await;
    refused.expect_refused(Code::LaneNoPrescription);
}

#[actix_web::test]
async fn late_in_the_day_signing_proposes_an_extension() {
    let mut scene = Scene::open().await;
    scene.pass(9 * 3600).await;
    let doctor = scene.doctor();
    let id = scene.draft(&["PCM-T500"]).await;
    assert_eq!(doctor.prescription(&id).await.expect_ok()["proposed_valid_days"], 2);
    let refused = doctor.sign(&id).await.expect_refused(Code::PrescribingRule);
    assert_eq!(refused["data"]["valid_days"], 2);
    let signed = doctor.sign_with(&id, json!({"pin": SIGNING_PIN, "valid_days": 2})).await.expect_ok();
    assert_eq!(signed["valid_until"], "2026-11-24T15:59:59.999999Z");
}

#[actix_web::test]
async fn what_is_over_expires_once() {
    let scene = Scene::open().await;
    let id = id_of(&scene.approved(&["PCM-T500"]).await);
    let expire = || service::prescription::dispense::expire_due(&scene.app.state);
    assert_eq!(expire().await.expect("swept"), 0);
    scene.app.pass(14 * 3600);
    assert_eq!(expire().await.expect("swept"), 1);
    assert_eq!(expire().await.expect("swept"), 0);
    let fulfilled = scene
        .app
        .state
        .write(Actor::System, move |tx| service::prescription::dispense::fulfil_if_done(tx, id))
        .await;
    assert!(!fulfilled.expect("looked"), "an expired one stays expired");
}

#[actix_web::test]
async fn a_doctor_withdraws_unless_an_order_lives() {
    let scene = Scene::open().await;
    let (app, seed, doctor) = (&scene.app, &scene.seed, scene.doctor());
    let id = scene.approved(&["PCM-T500"]).await;
    let (worker, station, cabinet, check_in) = (seed.worker, seed.station, seed.cabinet, scene.check_in);
    let (order, prescription) = (OrderId::generate(), id_of(&id));
    let state = move |state: OrderState, insert: bool| {
        app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
            if insert {
                on_backend!(tx.conn, c => diesel::insert_into(orders::table)
                    .values((
                        orders::id.eq(order),
                        orders::worker_id.eq(worker),
                        orders::check_in_id.eq(check_in),
                        orders::station_id.eq(station),
                        orders::cabinet_id.eq(cabinet),
                        orders::prescription_id.eq(Some(prescription)),
                        orders::state.eq(state),
                        orders::total_fen.eq(900_i64),
                        orders::pickup_failures.eq(0),
                        orders::created_at.eq(At(tx.now)),
                        orders::expires_at.eq(At(tx.now)),
                    ))
                    .execute(c))?;
            } else {
                on_backend!(tx.conn, c => diesel::update(orders::table.find(order)).set(orders::state.eq(state)).execute(c))?;
            }
            Ok(())
        })
    };
    state(OrderState::Reserved, true).await.expect("an order");
    let reason = "the worker is better";
    let refused = doctor.withdraw(&id, reason).await.expect_refused(Code::StateMovedOn);
    assert_eq!(refused["state"], "reserved");
    state(OrderState::Cancelled, false).await.expect("cancelled");
    scene.other_doctor().withdraw(&id, reason).await.expect_refused(Code::NotFound);
    doctor.withdraw(&id, "x").await.expect_refused(Code::InvalidField);
    let voided = doctor.withdraw(&id, reason).await.expect_ok();
    assert_eq!((&voided["state"], &voided["reason"]), (&json!("void"), &json!(reason)));
    assert_eq!(doctor.withdraw(&id, reason).await.expect_ok()["version"], voided["version"]);
    // The consultation may have another one now.
    scene.draft(&["PCM-T500"]).await;
    let (consultation, writer) = (scene.consultation, scene.seed.doctor.id);
    let (open, withdrawn, after) = app
        .state
        .write(Actor::System, move |tx| -> Result<_, Failure> {
            let open = service::prescription::open_draft(tx.conn, consultation, writer)?.is_some();
            let withdrawn = service::prescription::withdraw_unsigned_of(tx, consultation, None)?;
            let after = service::prescription::open_draft(tx.conn, consultation, writer)?.is_some();
            Ok((open, withdrawn, after))
        })
        .await
        .expect("withdrawn");
    assert!(open && withdrawn && !after);
}
