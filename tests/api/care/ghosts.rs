//! A worker who has left is not offered to a doctor and delays nobody.

use serde_json::{Value, json};

use crate::support::{Caller, Code, TestApp, Worker, seed::PASSWORD};
use service::check_in::sweep_idle;

fn consultation_ids(offers: &[Value]) -> Vec<&str> {
    offers.iter().map(|offer| offer["consultation_id"].as_str().expect("an id")).collect()
}

#[actix_web::test]
async fn an_offer_whose_worker_leaves_is_withdrawn_and_comes_again_when_they_come_back_elsewhere() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let (here, there) = (app.open_screen().await, app.open_screen().await);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    assert_eq!(offer["worker"]["checked_in"], json!(true));
    worker.leave().await.expect_ok();
    // The doctor is free at once, and does not count as away.
    assert_eq!(doctor.duty().await, (json!("available"), json!(0)));
    doctor.accept(&offer).await.expect_refused(Code::OfferNotYours);
    assert_eq!(doctor.offers().await, Vec::<Value>::new());
    // Somebody else does not wait behind a worker who left.
    let other = here.check_in(Worker::walk_in().phone("15500000001")).await;
    let theirs = other.ask_for_doctor().await;
    assert_eq!(other.consultation(&theirs).await["position"], json!(1));
    assert_eq!(consultation_ids(&doctor.offers().await), [&theirs]);
    // Whoever is back at another screen in time keeps the place in the queue.
    app.pass(200);
    let again = there.check_in(Worker::adult()).await;
    let offers = doctor.offers().await;
    let mine = offers.iter().find(|offer| offer["consultation_id"] == *id).expect("offered again");
    assert_eq!(mine["worker"]["station_id"], json!(there.id));
    let active = doctor.accept(mine).await.expect_ok();
    assert_eq!(active["worker"]["left_at"], Value::Null);
    assert_eq!(again.consultation(&id).await["state"], "active");
    assert_eq!(doctor.record(&id).await["presence"]["checked_in"], json!(true));
    app.sound().await;
}

#[actix_web::test]
async fn who_does_not_come_back_in_time_ends_the_wait_and_may_ask_again() {
    let app = TestApp::open().await;
    let station = app.station().await;
    let worker = station.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    worker.leave().await.expect_ok();
    // Nobody is on call, so their turn does not come before the limit of the wait, 900 seconds.
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    app.pass(900 + 299);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    app.pass(1);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 1);
    let worker = station.check_in(Worker::adult()).await;
    let ended = worker.consultation(&id).await;
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("worker_left")));
    worker.ask_for_doctor().await;
    app.sound().await;
}

#[actix_web::test]
async fn a_screen_that_only_asks_keeps_nobody_checked_in() {
    for asks_for_a_doctor in [false, true] {
        let app = TestApp::open().await;
        let station = app.station().await;
        let worker = station.check_in(Worker::adult()).await;
        if asks_for_a_doctor {
            worker.ask_for_doctor().await;
        }
        let mut ended = 0;
        for _ in 0..9 {
            worker.get("/api/v1/me").await.expect_ok();
            worker.get("/api/v1/consultations").await.expect_ok();
            station.renew_token(&worker).await.expect_ok();
            ended += sweep_idle(&app.state).await.expect("a round");
            app.pass(10);
        }
        assert_eq!(ended, 0, "90 seconds are not over");
        app.pass(5);
        assert_eq!(sweep_idle(&app.state).await.expect("a round"), 1);
        worker.get("/api/v1/me").await.expect_refused(Code::CheckInEnded);
        station.renew_token(&worker).await.expect_refused(Code::CheckInEnded);
    }
}

#[actix_web::test]
async fn a_silent_check_in_is_not_renewed_even_before_a_sweep_comes_to_it() {
    let app = TestApp::open().await;
    let station = app.station().await;
    let worker = station.check_in(Worker::adult()).await;
    app.pass(150);
    station.renew_token(&worker).await.expect_refused(Code::CheckInEnded);
    worker.get("/api/v1/me").await.expect_refused(Code::CheckInEnded);
}

#[actix_web::test]
async fn a_touched_screen_keeps_its_worker_who_waits() {
    let app = TestApp::open().await;
    let station = app.station().await;
    let mut worker = station.check_in(Worker::adult()).await;
    let id = worker.ask_for_doctor().await;
    for _ in 0..10 {
        app.pass(60);
        assert_eq!(sweep_idle(&app.state).await.expect("a round"), 0);
        let renewed = station.renew_token(&worker).await.expect_ok();
        worker.token = renewed["access_token"].as_str().expect("a token").to_owned();
        worker.post("/api/v1/me/presence", json!({})).await.expect_ok();
    }
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_has_the_worker_keeps_them_and_then_they_have_as_long_as_anybody() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    for _ in 0..5 {
        app.pass(80);
        doctor.duty().await;
        assert_eq!(sweep_idle(&app.state).await.expect("a round"), 0);
    }
    doctor.complete(&id).await.expect_ok();
    app.pass(80);
    assert_eq!(sweep_idle(&app.state).await.expect("a round"), 0);
    app.pass(15);
    assert_eq!(sweep_idle(&app.state).await.expect("a round"), 1);
}

#[actix_web::test]
async fn a_doctor_who_signs_out_gives_everything_back_at_once() {
    let app = TestApp::open().await;
    let (doctor, second_doctor) = (app.doctor().await, app.second_doctor().await);
    let first = app.station().await.check_in(Worker::adult()).await;
    let active = doctor.consult_with(&first).await;
    let second = app.open_screen().await.check_in(Worker::walk_in().phone("15500000001")).await;
    let offered = second.ask_for_doctor().await;
    assert_eq!(doctor.offers().await.len(), 1);
    doctor.sign_out().await.expect_ok();
    assert_eq!(first.consultation(&active).await["state"], "waiting");
    assert_eq!(second.consultation(&offered).await["state"], "waiting");
    second_doctor.go_on_duty().await;
    let offers = second_doctor.offers().await;
    // The longer wait comes first.
    assert_eq!(consultation_ids(&offers), [&active, &offered]);
    for offer in &offers {
        second_doctor.accept(offer).await.expect_ok();
    }
    assert_eq!(second_doctor.duty().await.1, json!(2));
    app.sound().await;
}

#[actix_web::test]
async fn who_is_still_signed_in_elsewhere_keeps_their_patients() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    let totp = crate::staff_tokens::code(&app, &doctor.person);
    let sign_in = json!({"email": doctor.person.email, "password": PASSWORD, "totp": totp});
    let second = app.post("", "/api/v1/tokens/staff", sign_in).await.expect_ok();
    doctor.sign_out().await.expect_ok();
    assert_eq!(worker.consultation(&id).await["state"], "active");
    let refresh = json!({"refresh_token": second["refresh_token"]});
    app.post("", "/api/v1/tokens/revoke", refresh).await.expect_ok();
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_is_disabled_or_whose_day_is_over_keeps_nobody() {
    let app = TestApp::open().await;
    let (doctor, second_doctor) = (app.doctor().await, app.second_doctor().await);
    let station = app.station().await;
    let worker = station.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    app.operator().await.disable(&doctor.person).await.expect_ok();
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
    second_doctor.go_on_duty().await;
    second_doctor.accept(&second_doctor.offer().await).await.expect_ok();
    // Twelve hours after the sign-in the session is over without a sign-out.
    app.pass(12 * 3600 + 1);
    assert_eq!(
        service::consultation::sweep_signed_out(&app.state).await.expect("a round"),
        0,
        "in the grace"
    );
    app.pass(90);
    assert_eq!(service::consultation::sweep_signed_out(&app.state).await.expect("a round"), 1);
    let worker = station.check_in(Worker::adult()).await;
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
    app.sound().await;
}

#[actix_web::test]
async fn a_doctor_whose_shift_is_longer_than_a_session_signs_in_again_and_goes_on() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let station = app.station().await;
    let sweep = async || service::consultation::sweep_signed_out(&app.state).await.expect("a round");
    let duty = doctor.get("/api/v1/duty").await.expect_ok();
    // The end is known from the beginning, in the duty and in the session.
    assert_eq!(duty["session_ends_at"], "2026-11-23T14:00:00Z");
    assert_eq!(doctor.get("/api/v1/session").await.expect_ok()["ends_at"], "2026-11-23T14:00:00Z");
    let worker = station.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    let draft = doctor.prescribe(&id, &["PCM-T500"]).await;
    assert_eq!(draft.status, 201, "{}", draft.body);
    app.pass(12 * 3600);
    doctor.get("/api/v1/duty").await.expect_refused(Code::SessionEnded);
    // Not cut off in the middle: the grace is that of a lost line.
    app.pass(80);
    assert_eq!(sweep().await, 0);
    let totp = crate::staff_tokens::code(&app, &doctor.person);
    let sign_in = json!({"email": doctor.person.email, "password": PASSWORD, "totp": totp});
    let tokens = app.post("", "/api/v1/tokens/staff", sign_in).await.expect_ok();
    let token = tokens["access_token"].as_str().expect("a token");
    app.pass(20);
    assert_eq!(sweep().await, 0);
    let duty = app.get(token, "/api/v1/duty").await.expect_ok();
    assert_eq!((&duty["presence"], &duty["live"]), (&json!("available"), &json!(1)), "without another touch");
    assert_eq!(duty["session_ends_at"], tokens["refresh_expires_at"]);
    assert_eq!(app.get(token, "/api/v1/prescriptions").await.expect_ok()["items"][0]["state"], "draft");
    let seen = app.get(token, &format!("/api/v1/consultations/{id}")).await.expect_ok();
    assert_eq!(seen["state"], "active");
}

#[actix_web::test]
async fn a_no_show_is_an_ending_after_a_wait_and_a_word_starts_the_wait_anew() {
    let app = TestApp::open().await;
    let (station, doctor) = (app.station().await, app.doctor().await);
    let worker = station.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    let early = doctor.report_no_show(&id).await;
    assert_eq!(early.headers["retry-after"], "180");
    early.expect_refused(Code::StateMovedOn);
    app.pass(120);
    worker.say(&id, "我在").await.expect_created();
    app.pass(120);
    doctor.duty().await;
    doctor.report_no_show(&id).await.expect_refused(Code::StateMovedOn);
    app.second_doctor().await.report_no_show(&id).await.expect_refused(Code::NotFound);
    app.pass(60);
    let ended = doctor.report_no_show(&id).await.expect_ok();
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("no_show")));
    assert_eq!(doctor.duty().await, (json!("available"), json!(0)));
    assert_eq!(app.logged("consultation.cancelled").await, 1);
    // The worker reads why, and may ask again.
    let worker = station.check_in(Worker::adult()).await;
    assert_eq!(worker.consultation(&id).await["cancel_reason"], "no_show");
    worker.ask_for_doctor().await;
    app.sound().await;
}

#[actix_web::test]
async fn an_emergency_that_leaves_or_falls_silent_is_told_to_the_operator_and_not_ended_for_silence() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.ask_with_chest_pain().await.expect_created();
    for _ in 0..3 {
        app.pass(95);
        assert_eq!(sweep_idle(&app.state).await.expect("a round"), 0);
    }
    assert_eq!(app.logged("consultation.emergency_silent").await, 1, "once per silence");
    // Whoever is silent may need the doctor most.
    doctor.go_on_duty().await;
    assert_eq!(service::matching::offer_waiting(&app.state).await.expect("a round"), 1);
    worker.leave().await.expect_ok();
    assert_eq!(app.logged("consultation.emergency_left").await, 1);
    assert_eq!(doctor.open_offers().await, Vec::<Value>::new());
}
