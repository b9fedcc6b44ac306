//! Check-in, consultation, offer and prescription, many times at once.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::json;

use super::{at_the_screen, peopled, told};
use crate::{
    harness::TestApp,
    prescribing::{Scene, draft_of},
    seed::{CARD, PIN, SIGNING_PIN, Seed},
};
use service::Actor;
use storage::{
    on_backend,
    schema::{check_in, doctor, hospital, offer},
};

/// What a doctor holds, by the books and by what is there.
async fn held_by(app: &TestApp, seed: &Seed) -> (i32, i64) {
    let id = seed.doctor.id;
    app.state
        .read(Actor::System, move |conn, _| {
            let live = on_backend!(conn, c => doctor::table.find(id).select(doctor::live).first(c))?;
            let open = offer::table.filter(offer::doctor_id.eq(id)).filter(offer::state.eq("open"));
            Ok((live, on_backend!(conn, c => open.count().get_result(c))?))
        })
        .await
        .expect("read")
}

#[actix_web::test]
async fn ten_check_ins_leave_one() {
    let (app, seed) = peopled().await;
    let body = json!({"card_number": CARD, "pin": PIN});
    let answers = app.rush(10, &seed.station_token, "/api/v1/check-ins", &body).await;
    told(&answers, &[("201 done", 10)]);
    let open: i64 = app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => check_in::table.filter(check_in::ended_at.is_null()).count().get_result(c))?)
        })
        .await
        .expect("read");
    assert_eq!(open, 1);
    assert_eq!(app.logged("check_in.ended").await, 9);
}

#[actix_web::test]
async fn of_twenty_wrong_pins_each_is_counted() {
    let (app, seed) = peopled().await;
    let wrong = json!({"card_number": CARD, "pin": "000000"});
    let answers = app.rush(20, &seed.station_token, "/api/v1/check-ins", &wrong).await;
    told(&answers, &[("401 pin_wrong", 4), ("429 pin_locked", 16)]);
    let right = json!({"card_number": CARD, "pin": PIN});
    app.post(&seed.station_token, "/api/v1/check-ins", right).await.problem(429, "pin_locked");
}

#[actix_web::test]
async fn ten_requests_for_a_doctor_make_one_consultation() {
    let (app, _, worker) = at_the_screen().await;
    let body = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let answers = app.rush(10, &worker, "/api/v1/consultations", &body).await;
    told(&answers, &[("201 done", 1), ("409 consultation_live", 9)]);
}

#[actix_web::test]
async fn however_often_it_is_accepted_completed_and_rated_it_happens_once() {
    let (app, seed, worker) = at_the_screen().await;
    let id = app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    let offer_path =
        |verb: &str| format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().expect("an offer"));
    let fence = json!({"fence": offer["fence"]});
    let doctor = &seed.doctor.token;
    told(&app.rush(10, doctor, &offer_path("accept"), &fence).await, &[("200 done", 10)]);
    // Another doctor is not told that there is such an offer.
    told(&app.rush(3, &seed.doctor_b.token, &offer_path("accept"), &fence).await, &[("404 not_found", 3)]);
    told(&app.rush(5, doctor, &offer_path("decline"), &fence).await, &[("409 offer_gone", 5)]);
    assert_eq!(app.logged("consultation.accepted").await, 1);
    assert_eq!(held_by(&app, &seed).await, (1, 0));

    let done = json!({"summary": "休息，多喝水", "diagnoses": []});
    let path = format!("/api/v1/consultations/{id}");
    told(&app.rush(10, doctor, &format!("{path}/complete"), &done).await, &[("200 done", 10)]);
    assert_eq!(app.logged("consultation.completed").await, 1);
    assert_eq!(held_by(&app, &seed).await, (0, 0));
    let rating = format!("{path}/rating");
    let rated = join_all(
        (0..10).map(|n| app.post(&worker, &rating, json!({"rating": if n % 2 == 0 { 5 } else { 1 }}))),
    )
    .await;
    // The first one's half is "already done", the other half is too late.
    told(&rated, &[("200 done", 5), ("409 already_exists", 5)]);
    assert_eq!(app.logged("consultation.rated").await, 1);
}

#[actix_web::test]
async fn an_offer_that_is_accepted_and_declined_and_withdrawn_at_once_ends_one_way() {
    let (app, seed, worker) = at_the_screen().await;
    let id = app.ask(&worker).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    let path = |verb: &str| format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().expect("an offer"));
    let fence = json!({"fence": offer["fence"]});
    let (accept, decline) = (path("accept"), path("decline"));
    let cancel = format!("/api/v1/consultations/{id}/cancel");
    let answers = join_all([
        app.post(&seed.doctor.token, &accept, fence.clone()),
        app.post(&seed.doctor.token, &decline, fence.clone()),
        app.post(&worker, &cancel, json!({})),
    ])
    .await;
    super::tally(&answers);
    let state = app.get(&worker, &format!("/api/v1/consultations/{id}")).await.expect(200)["state"].clone();
    let held = held_by(&app, &seed).await;
    let ended = app.logged("consultation.cancelled").await;
    match state.as_str() {
        Some("active") => assert_eq!((held, ended), ((1, 0), 0)),
        Some("cancelled") => assert_eq!((held, ended), ((0, 0), 1)),
        other => panic!("{other:?} {held:?}"),
    }
}

#[actix_web::test]
async fn many_matchers_never_give_a_doctor_more_than_they_may_hold() {
    let (app, seed) = peopled().await;
    for number in 0..6 {
        // Who left is put to nobody, so each stands at a screen of their own.
        let screen = app.open_screen().await;
        app.ask(&app.guest(&screen, number).await.token).await;
    }
    app.on_duty(&seed.doctor).await;
    app.on_duty(&seed.doctor_b).await;
    for round in join_all((0..8).map(|_| service::matching::offer_waiting(&app.state))).await {
        round.expect("a round");
    }
    assert_eq!(held_by(&app, &seed).await, (2, 2));
    let open = async |token: &str| {
        app.get(token, "/api/v1/offers").await.expect(200)["items"].as_array().expect("items").clone()
    };
    let (mine, theirs) = (open(&seed.doctor.token).await, open(&seed.doctor_b.token).await);
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    assert_eq!(app.logged("consultation.offered").await, 4);
    // All four are accepted at once: two doctors of one hospital, whose turn
    // moves on by four.
    let accepts =
        mine.iter().map(|offer| (offer, &seed.doctor)).chain(theirs.iter().map(|o| (o, &seed.doctor_b)));
    let answers = join_all(accepts.map(|(offer, doctor)| {
        let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an id"));
        let app = &app;
        async move { app.post(&doctor.token, &path, json!({"fence": offer["fence"]})).await }
    }))
    .await;
    told(&answers, &[("200 done", 4)]);
    let turn: i64 = app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => hospital::table.select(hospital::virtual_time).first(c))?)
        })
        .await
        .expect("read");
    assert_eq!(turn, 4_000_000);
    for round in join_all((0..4).map(|_| service::matching::offer_waiting(&app.state))).await {
        assert_eq!(round.expect("a round"), 0);
    }
}

#[actix_web::test]
async fn a_prescription_is_drafted_signed_approved_and_withdrawn_once() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let (doctor, pharmacist) = (&seed.doctor.token, &seed.pharmacist.token);
    let drafts = app.rush(8, doctor, &scene.drafts_path(), &draft_of(&["PCM-T500"])).await;
    told(&drafts, &[("201 done", 1), ("409 prescription_open", 7)]);
    let drafted = drafts.iter().find(|answer| answer.status == 201).expect("one");
    let path = format!("/api/v1/prescriptions/{}", drafted.body["id"].as_str().expect("an id"));
    let pin = json!({"pin": SIGNING_PIN});
    let signed = app.rush(8, doctor, &format!("{path}/sign"), &pin).await;
    told(&signed, &[("200 done", 1), ("409 state_moved_on", 7)]);
    let approved = app.rush(8, pharmacist, &format!("{path}/approve"), &pin).await;
    // The same pharmacist again: already done.
    told(&approved, &[("200 done", 8)]);
    let void = json!({"reason": "样例：医生撤回", "code": null});
    told(&app.rush(8, doctor, &format!("{path}/void"), &void).await, &[("200 done", 8)]);
    for (kind, times) in
        [("prescription.drafted", 1), ("prescription.signed", 1), ("prescription.approved", 1)]
    {
        assert_eq!(app.logged(kind).await, times, "{kind}");
    }
    let id = scene.signed(&["PCM-T500"]).await;
    let back = json!({"reason": "dose is too high", "code": "dose"});
    let answers = app.rush(8, pharmacist, &format!("/api/v1/prescriptions/{id}/return"), &back).await;
    told(&answers, &[("200 done", 8)]);
    assert_eq!(app.logged("prescription.returned").await, 1);
}

#[actix_web::test]
async fn completing_and_drafting_do_not_pass_each_other() {
    let scene = Scene::open().await;
    let (app, seed) = (&scene.app, &scene.seed);
    let complete = format!("/api/v1/consultations/{}/complete", scene.consultation);
    let drafts_path = scene.drafts_path();
    let done = json!({"summary": "休息", "diagnoses": []});
    let answers = join_all([
        app.post(&seed.doctor.token, &drafts_path, draft_of(&["PCM-T500"])),
        app.post(&seed.doctor.token, &complete, done.clone()),
        app.post(&seed.doctor.token, &drafts_path, draft_of(&["PCM-T500"])),
        app.post(&seed.doctor.token, &complete, done),
    ])
    .await;
    super::tally(&answers);
    let path = format!("/api/v1/consultations/{}", scene.consultation);
    let state = app.get(&seed.doctor.token, &path).await.expect(200)["state"].clone();
    let page = app.get(&seed.doctor.token, "/api/v1/prescriptions").await.expect(200);
    let drafts = page["items"].as_array().map(Vec::len);
    assert!(
        (state == "active" && drafts == Some(1)) || (state == "completed" && drafts == Some(0)),
        "{state} {drafts:?}"
    );
}

#[actix_web::test]
async fn one_conversation_takes_many_messages_at_once() {
    let (app, seed, worker) = at_the_screen().await;
    let id = app.active(&seed, &worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let said = join_all((0..20).map(|n| {
        let token = if n % 2 == 0 { &worker } else { &seed.doctor.token };
        app.post(token, &path, json!({"text": format!("第 {n} 句")}))
    }))
    .await;
    told(&said, &[("201 done", 20)]);
    let page = app.get(&worker, &format!("{path}?limit=100")).await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(20), "{page}");
}

#[actix_web::test]
async fn one_key_used_at_once_by_ten_gives_one_effect_and_ten_equal_answers() {
    let (app, _, worker) = at_the_screen().await;
    let body = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let same = async |key: &str| app.rush_with_key(10, &worker, "/api/v1/consultations", key, &body).await;
    let answers = same("ten-at-once-1").await;
    told(&answers, &[("201 done", 10)]);
    super::all_alike(&answers);
    let replayed =
        answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed")).count();
    assert_eq!(replayed, 9);
    assert_eq!(app.logged("consultation.requested").await, 1);
    // A refusal is an answer, too.
    let answers = same("ten-at-once-2").await;
    told(&answers, &[("409 consultation_live", 10)]);
    super::all_alike(&answers);
}
