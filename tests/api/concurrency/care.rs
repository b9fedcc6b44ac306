//! Check-in, consultation, offer and prescription, many times at once.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::json;

use super::check_in;
use crate::support::{
    Caller, Code, TestApp, Worker, id_in,
    prescribing::{Scene, draft_of},
    rush::{expect_equal, expect_tally, tally},
    seed::{CARD, PIN, SIGNING_PIN},
};
use service::Actor;
use storage::{
    on_backend,
    schema::{check_in, doctor, hospital, offer},
};

/// The first doctor's stored number of live consultations, and their open offers.
async fn load_of_doctor(app: &TestApp) -> (i32, i64) {
    let id = app.network().await.doctor.id;
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
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let body = json!({"card_number": CARD, "pin": PIN});
    let answers = app.rush(10, &seed.station_token, "/api/v1/check-ins", &body).await;
    expect_tally(&answers, &[("201 done", 10)]);
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
    let app = TestApp::open_crowded().await;
    let seed = app.network().await;
    let wrong = json!({"card_number": CARD, "pin": "000000"});
    let answers = app.rush(20, &seed.station_token, "/api/v1/check-ins", &wrong).await;
    expect_tally(&answers, &[("401 pin_wrong", 4), ("429 pin_locked", 16)]);
    let right = json!({"card_number": CARD, "pin": PIN});
    app.post(&seed.station_token, "/api/v1/check-ins", right).await.expect_refused(Code::PinLocked);
}

#[actix_web::test]
async fn ten_requests_for_a_doctor_make_one_consultation() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let body = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let answers = app.rush(10, &worker.token, "/api/v1/consultations", &body).await;
    expect_tally(&answers, &[("201 done", 1), ("409 consultation_live", 9)]);
}

#[actix_web::test]
async fn however_often_it_is_accepted_completed_and_rated_it_happens_once() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let id = worker.ask_for_doctor().await;
    let (doctor, other_doctor) = (app.doctor().await, app.second_doctor().await);
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    let offer_path = |verb: &str| format!("/api/v1/offers/{}/{verb}", id_in(&offer));
    let fence = json!({"fence": offer["fence"]});
    let (doctor, other_doctor) = (doctor.token(), other_doctor.token());
    expect_tally(&app.rush(10, &doctor, &offer_path("accept"), &fence).await, &[("200 done", 10)]);
    // Another doctor does not learn that there is such an offer.
    let others = app.rush(3, &other_doctor, &offer_path("accept"), &fence).await;
    expect_tally(&others, &[("404 not_found", 3)]);
    expect_tally(&app.rush(5, &doctor, &offer_path("decline"), &fence).await, &[("409 offer_gone", 5)]);
    assert_eq!(app.logged("consultation.accepted").await, 1);
    assert_eq!(load_of_doctor(&app).await, (1, 0));

    let done = json!({"summary": "休息，多喝水", "diagnoses": []});
    let path = format!("/api/v1/consultations/{id}");
    expect_tally(&app.rush(10, &doctor, &format!("{path}/complete"), &done).await, &[("200 done", 10)]);
    assert_eq!(app.logged("consultation.completed").await, 1);
    assert_eq!(load_of_doctor(&app).await, (0, 0));
    let rated = join_all((0..10).map(|n| worker.rate(&id, if n % 2 == 0 { 5 } else { 1 }))).await;
    // Those who give the same rating as the first are already done, the others too late.
    expect_tally(&rated, &[("200 done", 5), ("409 already_exists", 5)]);
    assert_eq!(app.logged("consultation.rated").await, 1);
}

#[actix_web::test]
async fn an_offer_that_is_accepted_and_declined_and_withdrawn_at_once_ends_one_way() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let id = worker.ask_for_doctor().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    let (accepted, declined, cancelled) =
        tokio::join!(doctor.accept(&offer), doctor.decline(&offer), worker.cancel_consultation(&id));
    tally(&[accepted, declined, cancelled]);
    let state = worker.consultation(&id).await["state"].clone();
    let load = load_of_doctor(&app).await;
    let ended = app.logged("consultation.cancelled").await;
    match state.as_str() {
        Some("active") => assert_eq!((load, ended), ((1, 0), 0)),
        Some("cancelled") => assert_eq!((load, ended), ((0, 0), 1)),
        other => panic!("{other:?} {load:?}"),
    }
}

#[actix_web::test]
async fn many_matchers_never_give_a_doctor_more_than_they_may_hold() {
    let app = TestApp::open_crowded().await;
    let (doctor, other_doctor) = (app.doctor().await, app.second_doctor().await);
    for number in 0..6 {
        // Workers who left are not offered, so each stays at a screen of their own.
        let worker = Worker::walk_in().phone(&format!("155{number:08}"));
        app.open_screen().await.check_in(worker).await.ask_for_doctor().await;
    }
    doctor.go_on_duty().await;
    other_doctor.go_on_duty().await;
    for round in join_all((0..8).map(|_| service::matching::offer_waiting(&app.state))).await {
        round.expect("a round");
    }
    assert_eq!(load_of_doctor(&app).await, (2, 2));
    let (mine, theirs) = (doctor.open_offers().await, other_doctor.open_offers().await);
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    assert_eq!(app.logged("consultation.offered").await, 4);
    // All four are accepted at once by two doctors of one hospital, whose turn moves on
    // by four.
    let accepts =
        mine.iter().map(|offer| doctor.accept(offer)).chain(theirs.iter().map(|o| other_doctor.accept(o)));
    let answers = join_all(accepts).await;
    expect_tally(&answers, &[("200 done", 4)]);
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
    expect_tally(&drafts, &[("201 done", 1), ("409 prescription_open", 7)]);
    let drafted = drafts.iter().find(|answer| answer.status == 201).expect("one");
    let path = format!("/api/v1/prescriptions/{}", id_in(&drafted.body));
    let pin = json!({"pin": SIGNING_PIN});
    let signed = app.rush(8, doctor, &format!("{path}/sign"), &pin).await;
    expect_tally(&signed, &[("200 done", 1), ("409 state_moved_on", 7)]);
    let approved = app.rush(8, pharmacist, &format!("{path}/approve"), &pin).await;
    // The same pharmacist again: already done.
    expect_tally(&approved, &[("200 done", 8)]);
    let void = json!({"reason": "样例：医生撤回", "code": null});
    expect_tally(&app.rush(8, doctor, &format!("{path}/void"), &void).await, &[("200 done", 8)]);
    for (kind, times) in
        [("prescription.drafted", 1), ("prescription.signed", 1), ("prescription.approved", 1)]
    {
        assert_eq!(app.logged(kind).await, times, "{kind}");
    }
    let id = scene.signed(&["PCM-T500"]).await;
    let back = json!({"reason": "dose is too high", "code": "dose"});
    let answers = app.rush(8, pharmacist, &format!("/api/v1/prescriptions/{id}/return"), &back).await;
    expect_tally(&answers, &[("200 done", 8)]);
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
    tally(&answers);
    let path = format!("/api/v1/consultations/{}", scene.consultation);
    let state = app.get(&seed.doctor.token, &path).await.expect_ok()["state"].clone();
    let page = app.get(&seed.doctor.token, "/api/v1/prescriptions").await.expect_ok();
    let drafts = page["items"].as_array().map(Vec::len);
    assert!(
        (state == "active" && drafts == Some(1)) || (state == "completed" && drafts == Some(0)),
        "{state} {drafts:?}"
    );
}

#[actix_web::test]
async fn one_conversation_takes_many_messages_at_once() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let doctor = app.doctor().await;
    let id = doctor.consult_with(&worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let tokens = [worker.token(), doctor.token()];
    let sent =
        join_all((0..20).map(|n| app.post(&tokens[n % 2], &path, json!({"text": format!("第 {n} 句")}))))
            .await;
    expect_tally(&sent, &[("201 done", 20)]);
    assert_eq!(worker.list(&format!("{path}?limit=100")).await.len(), 20);
}

#[actix_web::test]
async fn one_key_used_at_once_by_ten_gives_one_effect_and_ten_equal_answers() {
    let app = TestApp::open_crowded().await;
    let worker = check_in(&app).await;
    let body = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
    let same =
        async |key: &str| app.rush_with_key(10, &worker.token, "/api/v1/consultations", key, &body).await;
    let answers = same("ten-at-once-1").await;
    expect_tally(&answers, &[("201 done", 10)]);
    expect_equal(&answers);
    let replayed =
        answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed")).count();
    assert_eq!(replayed, 9);
    assert_eq!(app.logged("consultation.requested").await, 1);
    // A refusal is stored and replayed, too.
    let answers = same("ten-at-once-2").await;
    expect_tally(&answers, &[("409 consultation_live", 10)]);
    expect_equal(&answers);
}
