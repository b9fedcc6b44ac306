//! From a draft to an approved prescription, and how it ends.

use diesel::prelude::*;
use serde_json::json;

use crate::{
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
    let (app, seed) = (&scene.app, &scene.seed);
    let drafted =
        app.post(&seed.doctor.token, &scene.drafts_path(), draft_of(&["PCM-T500"])).await.expect(201);
    assert_eq!((drafted["state"].as_str(), drafted["version"].as_i64()), (Some("draft"), Some(1)));
    assert_eq!(
        (&drafted["lines"][0]["packs"], &drafted["diagnoses"][0]["name"]),
        (&json!(1), &json!("普通感冒"))
    );
    assert_eq!(
        drafted["lines"][0]["label"]["en"].as_str().map(|text| text.contains("3 times a day")),
        Some(true)
    );
    assert!(drafted["safety"].is_object() && drafted.get("proposed_valid_days").is_none());
    let path = format!("/api/v1/prescriptions/{}", drafted["id"].as_str().expect("an id"));
    // A draft is between the doctor and the worker.
    app.get(&seed.doctor_b.token, &path).await.problem(404, "not_found");
    app.get(&seed.pharmacist.token, &path).await.problem(404, "not_found");
    app.get(&seed.operator.token, &path).await.problem(403, "role_not_allowed");
    let sign = format!("{path}/sign");
    app.post(&seed.doctor_b.token, &sign, json!({"pin": SIGNING_PIN})).await.problem(404, "not_found");
    app.post(&seed.pharmacist.token, &sign, json!({"pin": SIGNING_PIN}))
        .await
        .problem(403, "role_not_allowed");
    let again = app.post(&seed.doctor.token, &scene.drafts_path(), draft_of(&["PCM-T500"])).await;
    assert_eq!(again.problem(409, "prescription_open")["state"], "draft");
    let body = json!({"pin": SIGNING_PIN});
    let signed = app.post_with_key(&seed.doctor.token, &sign, "sign-0001", body.clone()).await.expect(200);
    assert_eq!((signed["state"].as_str(), signed["version"].as_i64()), (Some("signed"), Some(2)));
    assert_eq!(signed["valid_until"], "2026-11-23T15:59:59.999999Z");
    let replayed = app.post_with_key(&seed.doctor.token, &sign, "sign-0001", body.clone()).await.expect(200);
    assert_eq!(replayed, signed);
    app.post(&seed.doctor.token, &sign, body.clone()).await.problem(409, "state_moved_on");
    let approve = format!("{path}/approve");
    let approved = app.post(&seed.pharmacist.token, &approve, body.clone()).await.expect(200);
    assert_eq!(approved["state"], "approved");
    assert_eq!(approved["reviewed_by"], json!(seed.pharmacist.id));
    app.post(&seed.pharmacist.token, &approve, body).await.expect(200);
    let seen = app.get(&scene.worker_token, &path).await;
    assert_eq!(seen.headers["etag"], "\"3\"");
    let seen = seen.expect(200);
    assert!(seen.get("safety").is_none() && seen.get("overrides").is_none() && seen["reason"].is_null());
    for token in [&scene.worker_token, &seed.doctor.token, &seed.pharmacist.token] {
        let page = app.get(token, "/api/v1/prescriptions").await.expect(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    }
    let none = app.get(&seed.doctor_b.token, "/api/v1/prescriptions").await.expect(200);
    assert_eq!(none["items"], json!([]));
    let id = id_of(drafted["id"].as_str().expect("an id"));
    let kinds = app
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
    let inner = &scene.app.state;
    let usable = move |worker| {
        inner.write(Actor::System, move |tx| {
            service::prescription::dispense::usable_for_order(tx.conn, id, worker, tx.now)
        })
    };
    assert!(usable(worker).await.is_err(), "not approved yet");
    let approve = format!("/api/v1/prescriptions/{id}/approve");
    let pin = json!({"pin": SIGNING_PIN});
    scene.app.post(&scene.seed.pharmacist.token, &approve, pin).await.expect(200);
    let found = usable(worker).await.expect("usable");
    assert_eq!((found.lines[0].packs, found.lines[0].packs_taken), (1, 0));
    assert_eq!(found.lines[0].daily_units_thousandths, 3000);
    assert!(usable(other).await.is_err(), "another worker's");
    let starts = |seconds: i64| {
        inner.read(Actor::System, move |conn, app| {
            let at = app.now() + chrono::TimeDelta::seconds(seconds);
            service::prescription::dispense::verify_for_start(conn, app, id, at)
        })
    };
    assert!(starts(0).await.expect("verified"));
    assert!(!starts(24 * 3600).await.expect("looked"), "expired");
}

#[actix_web::test]
async fn signing_needs_an_open_window_and_the_right_pin() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let path = format!("/api/v1/prescriptions/{}/sign", scene.draft(&["PCM-T500"]).await);
    for _ in 0..4 {
        app.post(&seed.doctor.token, &path, json!({"pin": "000000"})).await.problem(403, "signing_pin_wrong");
    }
    app.post(&seed.doctor.token, &path, json!({"pin": "000000"})).await.problem(429, "pin_locked");
    app.post(&seed.doctor.token, &path, json!({"pin": SIGNING_PIN})).await.problem(429, "pin_locked");
    let mut scene = scene;
    scene.pass(901).await;
    scene.app.pass(601);
    let token = scene.app.staff_token(
        crypto::tokens::Role::Doctor,
        scene.seed.doctor.id,
        scene.seed.doctor.session,
        Some(scene.seed.hospital),
        None,
    );
    let closed = scene.app.post(&token, &path, json!({"pin": SIGNING_PIN})).await;
    closed.problem(403, "signing_window_closed");
    scene.open_window(&scene.seed.doctor).await;
    scene.app.post(&token, &path, json!({"pin": SIGNING_PIN})).await.expect(200);
}

#[actix_web::test]
async fn a_block_holds_and_a_warning_needs_a_reason() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    scene.profile(json!({"allergies": ["penicillins"]})).await;
    let check = json!({"consultation_id": scene.consultation, "lines": draft_of(&["AMX-C500"])["lines"]});
    let path = "/api/v1/prescriptions/check";
    assert_eq!(app.post(&seed.doctor.token, path, check.clone()).await.expect(200)["verdict"], "block");
    app.post(&seed.doctor_b.token, path, check.clone()).await.problem(404, "not_found");
    app.post(&seed.operator.token, path, check).await.problem(404, "not_found");
    let blocked = scene.draft(&["AMX-C500"]).await;
    let sign = format!("/api/v1/prescriptions/{blocked}/sign");
    let reasons = json!({"pin": SIGNING_PIN, "overrides": [{"rule": "allergy", "reason": "no way round"}]});
    let refused = app.post(&seed.doctor.token, &sign, reasons).await.problem(422, "safety_blocked");
    assert!(
        refused["data"].as_array().is_some_and(|found| found.iter().any(|one| one["severity"] == "block"))
    );
    let edit = format!("/api/v1/prescriptions/{blocked}");
    let edited = app.put(&seed.doctor.token, &edit, "\"1\"", draft_of(&["IBU-T200"])).await.expect(200);
    assert_eq!(edited["version"], 2);
    let unanswered = app.post(&seed.doctor.token, &sign, json!({"pin": SIGNING_PIN})).await;
    let unanswered = unanswered.problem(422, "safety_warnings_unanswered");
    let rules = unanswered["data"].as_array().expect("findings").iter();
    let reasons: Vec<_> =
        rules.map(|one| json!({"rule": one["rule"], "reason": "asked, and none of it is so"})).collect();
    let body = json!({"pin": SIGNING_PIN, "overrides": reasons});
    let signed = app.post(&seed.doctor.token, &sign, body).await.expect(200);
    assert!(signed["safety"].is_object() && signed.get("overrides").is_none());
    let seen = app.get(&seed.pharmacist.token, &edit).await.expect(200);
    assert_eq!(seen["overrides"][0]["reason"], "asked, and none of it is so");
}

#[actix_web::test]
async fn the_check_takes_a_consultation_or_a_made_up_worker() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let path = "/api/v1/prescriptions/check";
    let lines = draft_of(&["MET-NONE"])["lines"].clone();
    let unknown =
        app.post(&seed.operator.token, path, json!({"profile": {}, "lines": lines})).await.expect(200);
    assert_ne!(unknown["verdict"], "ok", "what is not known is never safe");
    let lines = draft_of(&["PCM-T500"])["lines"].clone();
    let taking = json!([{"kind": "vended", "product_code": "COLD-G", "units_per_day_thousandths": 3000,
        "until": "2026-11-25"}]);
    let body = json!({"profile": {"age_years": 40, "sex": "male"}, "taking": taking, "lines": lines});
    assert_eq!(app.post(&seed.operator.token, path, body).await.expect(200)["verdict"], "block");
    let both = json!({"profile": {}, "consultation_id": scene.consultation, "lines": lines});
    app.post(&seed.doctor.token, path, both).await.problem(422, "invalid_field");
    app.post(&seed.doctor.token, path, json!({"lines": lines})).await.problem(422, "invalid_field");
    app.post(&scene.worker_token, path, json!({"lines": []})).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn of_two_editors_one_wins() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let path = format!("/api/v1/prescriptions/{}", scene.draft(&["PCM-T500"]).await);
    let edits = ["LOR-T10", "PCM-C300", "PCM-T500", "PCM-SR650"]
        .map(|code| app.put(&seed.doctor.token, &path, "\"1\"", draft_of(&[code])));
    let answers = futures_util::future::join_all(edits).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(
        answers.iter().all(|answer| answer.status == 200 || answer.body["code"] == "precondition_failed")
    );
    assert_eq!(app.get(&seed.doctor.token, &path).await.expect(200)["version"], 2);
}

#[actix_web::test]
async fn of_many_drafts_at_once_one_is_open() {
    let scene = Scene::open().await;
    let path = scene.drafts_path();
    let drafts = (0..6).map(|_| scene.app.post(&scene.seed.doctor.token, &path, draft_of(&["PCM-T500"])));
    let answers = futures_util::future::join_all(drafts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.body["code"] == "prescription_open"));
}

#[actix_web::test]
async fn broken_rules_are_all_named_and_the_lane_is_kept() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let mut body = draft_of(&["PCM-T500", "LHQW-C", "NOT-THERE"]);
    body["lines"][0]["days"] = json!(30);
    let problem = app.post(&seed.doctor.token, &scene.drafts_path(), body).await;
    let problem = problem.problem(422, "prescribing_rule");
    let fields: Vec<&str> =
        problem["errors"].as_array().expect("errors").iter().filter_map(|e| e["field"].as_str()).collect();
    assert_eq!(fields, ["lines[0].days", "lines[1].product_code", "lines[2].product_code"]);
    app.post(&seed.doctor_b.token, &scene.drafts_path(), draft_of(&["PCM-T500"]))
        .await
        .problem(404, "not_found");
    let talk = Scene::in_lane(EncounterLane::ConsultationOnly).await;
    let refused = talk.app.post(&talk.seed.doctor.token, &talk.drafts_path(), draft_of(&["PCM-T500"])).await;
    refused.problem(422, "lane_no_prescription");
}

#[actix_web::test]
async fn late_in_the_day_signing_proposes_an_extension() {
    let mut scene = Scene::open().await;
    scene.pass(9 * 3600).await;
    let id = scene.draft(&["PCM-T500"]).await;
    let (app, seed) = (&scene.app, &scene.seed);
    let path = format!("/api/v1/prescriptions/{id}");
    assert_eq!(app.get(&seed.doctor.token, &path).await.expect(200)["proposed_valid_days"], 2);
    let sign = format!("{path}/sign");
    let asked = app.post(&seed.doctor.token, &sign, json!({"pin": SIGNING_PIN})).await;
    assert_eq!(asked.problem(422, "prescribing_rule")["data"]["valid_days"], 2);
    let body = json!({"pin": SIGNING_PIN, "valid_days": 2});
    let signed = app.post(&seed.doctor.token, &sign, body).await.expect(200);
    assert_eq!(signed["valid_until"], "2026-11-24T15:59:59.999999Z");
}

#[actix_web::test]
async fn what_is_over_expires_once() {
    let scene = Scene::open().await;
    let id = scene.approved(&["PCM-T500"]).await;
    let expire = || service::prescription::dispense::expire_due(&scene.app.state);
    assert_eq!(expire().await.expect("swept"), 0);
    scene.app.pass(14 * 3600);
    assert_eq!(expire().await.expect("swept"), 1);
    assert_eq!(expire().await.expect("swept"), 0);
    let id = id_of(&id);
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
    let (app, seed) = (&scene.app, &scene.seed);
    let id = scene.approved(&["PCM-T500"]).await;
    let path = format!("/api/v1/prescriptions/{id}/void");
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
    let body = json!({"reason": "the worker is better"});
    let refused = app.post(&seed.doctor.token, &path, body.clone()).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "reserved");
    state(OrderState::Cancelled, false).await.expect("cancelled");
    app.post(&seed.doctor_b.token, &path, body.clone()).await.problem(404, "not_found");
    app.post(&seed.doctor.token, &path, json!({"reason": "x"})).await.problem(422, "invalid_field");
    let voided = app.post(&seed.doctor.token, &path, body.clone()).await.expect(200);
    assert_eq!((&voided["state"], &voided["reason"]), (&json!("void"), &json!("the worker is better")));
    assert_eq!(app.post(&seed.doctor.token, &path, body).await.expect(200)["version"], voided["version"]);
    // The consultation is free for another one.
    scene.draft(&["PCM-T500"]).await;
    let consultation = scene.consultation;
    let (open, withdrawn, after) = app
        .state
        .write(Actor::System, move |tx| -> Result<_, Failure> {
            let open = service::prescription::has_open_draft(tx.conn, consultation)?;
            let withdrawn = service::prescription::withdraw_unsigned_of(tx, consultation)?;
            Ok((open, withdrawn, service::prescription::has_open_draft(tx.conn, consultation)?))
        })
        .await
        .expect("withdrawn");
    assert!(open && withdrawn && !after);
}
