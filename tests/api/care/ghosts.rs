//! Who is not there is not put to a doctor, and keeps nobody waiting.

use serde_json::{Value, json};

use super::text;
use crate::{
    harness::TestApp,
    seed::{PASSWORD, Seed},
};
use crypto::tokens::Role;

async fn opened() -> (TestApp, Seed) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    (app, seed)
}

fn path(id: &str) -> String {
    format!("/api/v1/consultations/{id}")
}

#[actix_web::test]
async fn an_offer_whose_worker_leaves_is_withdrawn_and_comes_again_when_they_come_back_elsewhere() {
    let (app, seed) = opened().await;
    let (here, there) = (app.open_screen().await, app.open_screen().await);
    let visit = app.visit(&seed).await;
    let id = app.ask(&visit.token).await;
    app.on_duty(&seed.doctor).await;
    let offer = app.offer_of(&seed.doctor).await;
    assert_eq!(offer["worker"]["checked_in"], json!(true));
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    app.post(&seed.station_token, &leave, json!({})).await.expect(200);
    // The doctor is free at once, and not held to be away.
    assert_eq!(app.duty_of(&seed.doctor).await, (json!("available"), json!(0)));
    app.accepts(&seed.doctor, &offer).await.problem(409, "offer_gone");
    assert_eq!(app.offers_to(&seed.doctor).await, Vec::<Value>::new());
    // Somebody else is not held up by one who left.
    let other = app.guest(&here, 1).await;
    let theirs = app.ask(&other.token).await;
    let waiting = app.get(&other.token, &path(&theirs)).await.expect(200);
    assert_eq!(waiting["position"], json!(1));
    let offers = app.offers_to(&seed.doctor).await;
    assert_eq!(offers.iter().map(|offer| text(offer, "consultation_id")).collect::<Vec<_>>(), [&theirs]);
    // Back at another screen, within the time, the place in the queue is kept.
    app.pass(200);
    let body = json!({"card_number": crate::seed::CARD, "pin": crate::seed::PIN});
    let again = app.post(&app.token_of_screen(&there), "/api/v1/check-ins", body).await.expect(201);
    let doctor = app.fresh(&seed, &seed.doctor);
    let offers = app.offers_to(&doctor).await;
    let mine = offers.iter().find(|offer| text(offer, "consultation_id") == id).expect("offered again");
    assert_eq!(mine["worker"]["station_id"], json!(there.station));
    let active = app.accepts(&doctor, mine).await.expect(200);
    assert_eq!(active["worker"]["left_at"], Value::Null);
    let token = again["access_token"].as_str().expect("a token");
    assert_eq!(app.get(token, &path(&id)).await.expect(200)["state"], "active");
    let record = app.get(&doctor.token, &format!("{}/record", path(&id))).await.expect(200);
    assert_eq!(record["presence"]["checked_in"], json!(true));
    app.sound().await;
}

#[actix_web::test]
async fn who_does_not_come_back_in_time_ends_the_wait_and_may_ask_again() {
    let (app, seed) = opened().await;
    let visit = app.visit(&seed).await;
    let id = app.ask(&visit.token).await;
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    app.post(&seed.station_token, &leave, json!({})).await.expect(200);
    app.pass(299);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    app.pass(1);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 1);
    let visit = app.visit(&seed).await;
    let ended = app.get(&visit.token, &path(&id)).await.expect(200);
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("worker_left")));
    app.ask(&visit.token).await;
    app.sound().await;
}

#[actix_web::test]
async fn a_screen_that_only_asks_keeps_nobody_checked_in() {
    for asks_for_a_doctor in [false, true] {
        let (app, seed) = opened().await;
        let visit = app.visit(&seed).await;
        if asks_for_a_doctor {
            app.ask(&visit.token).await;
        }
        let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
        let mut ended = 0;
        for _ in 0..9 {
            app.get(&visit.token, "/api/v1/me").await.expect(200);
            app.get(&visit.token, "/api/v1/consultations").await.expect(200);
            app.post(&app.station_token(&seed), &renew, json!({})).await.expect(200);
            ended += service::check_in::sweep_idle(&app.state).await.expect("a round");
            app.pass(10);
        }
        assert_eq!(ended, 0, "90 seconds are not over");
        app.pass(5);
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 1);
        app.get(&visit.token, "/api/v1/me").await.problem(401, "check_in_ended");
        app.post(&app.station_token(&seed), &renew, json!({})).await.problem(401, "check_in_ended");
    }
}

#[actix_web::test]
async fn a_silent_check_in_is_not_renewed_even_before_a_sweep_comes_to_it() {
    let (app, seed) = opened().await;
    let visit = app.visit(&seed).await;
    app.pass(150);
    let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
    app.post(&app.station_token(&seed), &renew, json!({})).await.problem(401, "check_in_ended");
    app.get(&visit.token, "/api/v1/me").await.problem(401, "check_in_ended");
}

#[actix_web::test]
async fn a_touched_screen_keeps_its_worker_who_waits() {
    let (app, seed) = opened().await;
    let mut visit = app.visit(&seed).await;
    let id = app.ask(&visit.token).await;
    let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
    for _ in 0..10 {
        app.pass(60);
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
        let renewed = app.post(&app.station_token(&seed), &renew, json!({})).await.expect(200);
        visit.token = text(&renewed, "access_token").to_owned();
        app.post(&visit.token, "/api/v1/me/presence", json!({})).await.expect(200);
    }
    assert_eq!(app.get(&visit.token, &path(&id)).await.expect(200)["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_has_the_worker_keeps_them_and_then_they_have_as_long_as_anybody() {
    let (app, seed) = opened().await;
    let visit = app.visit(&seed).await;
    let id = app.active(&seed, &visit.token).await;
    let mut doctor = seed.doctor.clone();
    for _ in 0..5 {
        app.pass(80);
        doctor = app.fresh(&seed, &doctor);
        app.get(&doctor.token, "/api/v1/duty").await.expect(200);
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
    }
    app.completes(&doctor, &id).await.expect(200);
    app.pass(80);
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
    app.pass(15);
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 1);
}

#[actix_web::test]
async fn a_doctor_who_signs_out_gives_everything_back_at_once() {
    let (app, seed) = opened().await;
    let screen = app.open_screen().await;
    let first = app.check_in(&seed).await;
    let held = app.active(&seed, &first).await;
    let second = app.guest(&screen, 1).await;
    let offered = app.ask(&second.token).await;
    assert_eq!(app.offers_to(&seed.doctor).await.len(), 1);
    app.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    for (token, id) in [(&first, &held), (&second.token, &offered)] {
        assert_eq!(app.get(token, &path(id)).await.expect(200)["state"], "waiting");
    }
    app.on_duty(&seed.doctor_b).await;
    let offers = app.offers_to(&seed.doctor_b).await;
    // The longer wait comes first.
    let order: Vec<_> = offers.iter().map(|offer| text(offer, "consultation_id")).collect();
    assert_eq!(order, [&held, &offered]);
    for offer in &offers {
        app.accepts(&seed.doctor_b, offer).await.expect(200);
    }
    assert_eq!(app.duty_of(&seed.doctor_b).await.1, json!(2));
    app.sound().await;
}

#[actix_web::test]
async fn who_is_still_signed_in_elsewhere_keeps_their_patients() {
    let (app, seed) = opened().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let totp = crypto::totp::TotpSecret::from_bytes(&seed.doctor.totp).expect("a secret");
    let step = crypto::totp::step_of(app.now());
    let code = crypto::totp::code_at(&totp, step);
    let sign_in = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code});
    let second = app.post("", "/api/v1/tokens/staff", sign_in).await.expect(200);
    app.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    assert_eq!(app.get(&worker, &path(&id)).await.expect(200)["state"], "active");
    let refresh = json!({"refresh_token": second["refresh_token"]});
    app.post("", "/api/v1/tokens/revoke", refresh).await.expect(200);
    assert_eq!(app.get(&worker, &path(&id)).await.expect(200)["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_is_disabled_or_whose_day_is_over_keeps_nobody() {
    let (app, seed) = opened().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let disable = format!("/api/v1/staff/{}/disable", seed.doctor.id);
    app.post(&seed.operator.token, &disable, json!({})).await.expect(200);
    assert_eq!(app.get(&worker, &path(&id)).await.expect(200)["state"], "waiting");
    app.on_duty(&seed.doctor_b).await;
    let offer = app.offer_of(&seed.doctor_b).await;
    app.accepts(&seed.doctor_b, &offer).await.expect(200);
    // Twelve hours after the sign-in the session is over, though nobody said so.
    app.pass(12 * 3600 + 1);
    assert_eq!(service::consultation::sweep_signed_out(&app.state).await.expect("a round"), 1);
    let visit = app.visit(&seed).await;
    assert_eq!(app.get(&visit.token, &path(&id)).await.expect(200)["state"], "waiting");
    app.sound().await;
}

#[actix_web::test]
async fn a_no_show_is_an_ending_after_a_wait_and_a_word_starts_the_wait_anew() {
    let (app, seed) = opened().await;
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let no_show = format!("{}/no-show", path(&id));
    let early = app.post(&seed.doctor.token, &no_show, json!({})).await;
    assert_eq!(early.headers["retry-after"], "180");
    early.problem(409, "state_moved_on");
    app.pass(120);
    let said = app.post(&worker, &format!("{}/messages", path(&id)), json!({"text": "我在"})).await;
    said.expect(201);
    app.pass(120);
    app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    app.post(&seed.doctor.token, &no_show, json!({})).await.problem(409, "state_moved_on");
    app.post(&seed.doctor_b.token, &no_show, json!({})).await.problem(404, "not_found");
    app.pass(60);
    let doctor = app.fresh(&seed, &seed.doctor);
    let ended = app.post(&doctor.token, &no_show, json!({})).await.expect(200);
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("no_show")));
    assert_eq!(app.duty_of(&doctor).await, (json!("available"), json!(0)));
    assert_eq!(app.logged("consultation.cancelled").await, 1);
    // The worker reads why, and may ask again.
    let visit = app.visit(&seed).await;
    assert_eq!(app.get(&visit.token, &path(&id)).await.expect(200)["cancel_reason"], "no_show");
    app.ask(&visit.token).await;
    app.sound().await;
}

#[actix_web::test]
async fn an_emergency_that_leaves_or_falls_silent_is_told_to_the_operator_and_not_ended_for_silence() {
    let (app, seed) = opened().await;
    let visit = app.visit(&seed).await;
    let body = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
    app.post(&visit.token, "/api/v1/consultations", body).await.expect(201);
    for _ in 0..3 {
        app.pass(95);
        assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("a round"), 0);
    }
    assert_eq!(app.logged("consultation.emergency_silent").await, 1, "once per silence");
    // Whoever is silent may need the doctor most.
    app.on_duty(&app.fresh(&seed, &seed.doctor)).await;
    assert_eq!(service::matching::offer_waiting(&app.state).await.expect("a round"), 1);
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    app.post(&app.station_token(&seed), &leave, json!({})).await.expect(200);
    assert_eq!(app.logged("consultation.emergency_left").await, 1);
    let doctor = app.staff_token(Role::Doctor, seed.doctor.id, seed.doctor.session, None, None);
    let offers = app.get(&doctor, "/api/v1/offers").await.expect(200);
    assert_eq!(offers["items"], json!([]));
}
