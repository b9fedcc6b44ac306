//! Who is not there is not put to a doctor, and keeps nobody waiting.

use serde_json::{Value, json};

use super::text;
use crate::{
    harness::TestHouse,
    seed::{PASSWORD, Seed},
};
use crypto::tokens::Role;

async fn opened() -> (TestHouse, Seed) {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    (house, seed)
}

fn path(id: &str) -> String {
    format!("/api/v1/consultations/{id}")
}

#[actix_web::test]
async fn an_offer_whose_worker_leaves_is_withdrawn_and_comes_again_when_they_come_back_elsewhere() {
    let (house, seed) = opened().await;
    let (here, there) = (house.open_screen().await, house.open_screen().await);
    let visit = house.visit(&seed).await;
    let id = house.ask(&visit.token).await;
    house.on_duty(&seed.doctor).await;
    let offer = house.offer_of(&seed.doctor).await;
    assert_eq!(offer["worker"]["checked_in"], json!(true));
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    house.post(&seed.station_token, &leave, json!({})).await.expect(200);
    // The doctor is free at once, and not held to be away.
    assert_eq!(house.duty_of(&seed.doctor).await, (json!("available"), json!(0)));
    house.accepts(&seed.doctor, &offer).await.problem(409, "offer_gone");
    assert_eq!(house.offers_to(&seed.doctor).await, Vec::<Value>::new());
    // Somebody else is not held up by one who left.
    let other = house.guest(&here, 1).await;
    let theirs = house.ask(&other.token).await;
    let waiting = house.get(&other.token, &path(&theirs)).await.expect(200);
    assert_eq!(waiting["position"], json!(1));
    let offers = house.offers_to(&seed.doctor).await;
    assert_eq!(offers.iter().map(|offer| text(offer, "consultation_id")).collect::<Vec<_>>(), [&theirs]);
    // Back at another screen, within the time, the place in the queue is kept.
    house.pass(200);
    let body = json!({"card_number": crate::seed::CARD, "pin": crate::seed::PIN});
    let again = house.post(&house.token_of_screen(&there), "/api/v1/check-ins", body).await.expect(201);
    let doctor = house.fresh(&seed, &seed.doctor);
    let offers = house.offers_to(&doctor).await;
    let mine = offers.iter().find(|offer| text(offer, "consultation_id") == id).expect("offered again");
    assert_eq!(mine["worker"]["station_id"], json!(there.station));
    let active = house.accepts(&doctor, mine).await.expect(200);
    assert_eq!(active["worker"]["left_at"], Value::Null);
    let token = again["access_token"].as_str().expect("a token");
    assert_eq!(house.get(token, &path(&id)).await.expect(200)["state"], "active");
    let record = house.get(&doctor.token, &format!("{}/record", path(&id))).await.expect(200);
    assert_eq!(record["presence"]["checked_in"], json!(true));
    house.sound().await;
}

#[actix_web::test]
async fn who_does_not_come_back_in_time_ends_the_wait_and_may_ask_again() {
    let (house, seed) = opened().await;
    let visit = house.visit(&seed).await;
    let id = house.ask(&visit.token).await;
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    house.post(&seed.station_token, &leave, json!({})).await.expect(200);
    house.pass(299);
    assert_eq!(service::consultation::sweep_absent(&house.house).await.expect("a round"), 0);
    house.pass(1);
    assert_eq!(service::consultation::sweep_absent(&house.house).await.expect("a round"), 1);
    let visit = house.visit(&seed).await;
    let ended = house.get(&visit.token, &path(&id)).await.expect(200);
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("worker_left")));
    house.ask(&visit.token).await;
    house.sound().await;
}

#[actix_web::test]
async fn a_screen_that_only_asks_keeps_nobody_checked_in() {
    for asks_for_a_doctor in [false, true] {
        let (house, seed) = opened().await;
        let visit = house.visit(&seed).await;
        if asks_for_a_doctor {
            house.ask(&visit.token).await;
        }
        let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
        let mut ended = 0;
        for _ in 0..9 {
            house.get(&visit.token, "/api/v1/me").await.expect(200);
            house.get(&visit.token, "/api/v1/consultations").await.expect(200);
            house.post(&house.station_token(&seed), &renew, json!({})).await.expect(200);
            ended += service::check_in::sweep_idle(&house.house).await.expect("a round");
            house.pass(10);
        }
        assert_eq!(ended, 0, "90 seconds are not over");
        house.pass(5);
        assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 1);
        house.get(&visit.token, "/api/v1/me").await.problem(401, "check_in_ended");
        house.post(&house.station_token(&seed), &renew, json!({})).await.problem(401, "check_in_ended");
    }
}

#[actix_web::test]
async fn a_silent_check_in_is_not_renewed_even_before_a_sweep_comes_to_it() {
    let (house, seed) = opened().await;
    let visit = house.visit(&seed).await;
    house.pass(150);
    let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
    house.post(&house.station_token(&seed), &renew, json!({})).await.problem(401, "check_in_ended");
    house.get(&visit.token, "/api/v1/me").await.problem(401, "check_in_ended");
}

#[actix_web::test]
async fn a_touched_screen_keeps_its_worker_who_waits() {
    let (house, seed) = opened().await;
    let mut visit = house.visit(&seed).await;
    let id = house.ask(&visit.token).await;
    let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
    for _ in 0..10 {
        house.pass(60);
        assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 0);
        let renewed = house.post(&house.station_token(&seed), &renew, json!({})).await.expect(200);
        visit.token = text(&renewed, "access_token").to_owned();
        house.post(&visit.token, "/api/v1/me/presence", json!({})).await.expect(200);
    }
    assert_eq!(house.get(&visit.token, &path(&id)).await.expect(200)["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_has_the_worker_keeps_them_and_then_they_have_as_long_as_anybody() {
    let (house, seed) = opened().await;
    let visit = house.visit(&seed).await;
    let id = house.active(&seed, &visit.token).await;
    let mut doctor = seed.doctor.clone();
    for _ in 0..5 {
        house.pass(80);
        doctor = house.fresh(&seed, &doctor);
        house.get(&doctor.token, "/api/v1/duty").await.expect(200);
        assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 0);
    }
    house.completes(&doctor, &id).await.expect(200);
    house.pass(80);
    assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 0);
    house.pass(15);
    assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 1);
}

#[actix_web::test]
async fn a_doctor_who_signs_out_gives_everything_back_at_once() {
    let (house, seed) = opened().await;
    let screen = house.open_screen().await;
    let first = house.check_in(&seed).await;
    let held = house.active(&seed, &first).await;
    let second = house.guest(&screen, 1).await;
    let offered = house.ask(&second.token).await;
    assert_eq!(house.offers_to(&seed.doctor).await.len(), 1);
    house.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    for (token, id) in [(&first, &held), (&second.token, &offered)] {
        assert_eq!(house.get(token, &path(id)).await.expect(200)["state"], "waiting");
    }
    house.on_duty(&seed.doctor_b).await;
    let offers = house.offers_to(&seed.doctor_b).await;
    // The longer wait comes first.
    let order: Vec<_> = offers.iter().map(|offer| text(offer, "consultation_id")).collect();
    assert_eq!(order, [&held, &offered]);
    for offer in &offers {
        house.accepts(&seed.doctor_b, offer).await.expect(200);
    }
    assert_eq!(house.duty_of(&seed.doctor_b).await.1, json!(2));
    house.sound().await;
}

#[actix_web::test]
async fn who_is_still_signed_in_elsewhere_keeps_their_patients() {
    let (house, seed) = opened().await;
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    let totp = crypto::totp::TotpSecret::from_bytes(&seed.doctor.totp).expect("a secret");
    let step = crypto::totp::step_of(house.now());
    let code = crypto::totp::code_at(&totp, step);
    let sign_in = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code});
    let second = house.post("", "/api/v1/tokens/staff", sign_in).await.expect(200);
    house.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    assert_eq!(house.get(&worker, &path(&id)).await.expect(200)["state"], "active");
    let refresh = json!({"refresh_token": second["refresh_token"]});
    house.post("", "/api/v1/tokens/revoke", refresh).await.expect(200);
    assert_eq!(house.get(&worker, &path(&id)).await.expect(200)["state"], "waiting");
}

#[actix_web::test]
async fn a_doctor_who_is_disabled_or_whose_day_is_over_keeps_nobody() {
    let (house, seed) = opened().await;
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    let disable = format!("/api/v1/staff/{}/disable", seed.doctor.id);
    house.post(&seed.operator.token, &disable, json!({})).await.expect(200);
    assert_eq!(house.get(&worker, &path(&id)).await.expect(200)["state"], "waiting");
    house.on_duty(&seed.doctor_b).await;
    let offer = house.offer_of(&seed.doctor_b).await;
    house.accepts(&seed.doctor_b, &offer).await.expect(200);
    // Twelve hours after the sign-in the session is over, though nobody said so.
    house.pass(12 * 3600 + 1);
    assert_eq!(service::consultation::sweep_signed_out(&house.house).await.expect("a round"), 1);
    let visit = house.visit(&seed).await;
    assert_eq!(house.get(&visit.token, &path(&id)).await.expect(200)["state"], "waiting");
    house.sound().await;
}

#[actix_web::test]
async fn a_no_show_is_an_ending_after_a_wait_and_a_word_starts_the_wait_anew() {
    let (house, seed) = opened().await;
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    let no_show = format!("{}/no-show", path(&id));
    let early = house.post(&seed.doctor.token, &no_show, json!({})).await;
    assert_eq!(early.headers["retry-after"], "180");
    early.problem(409, "state_moved_on");
    house.pass(120);
    let said = house.post(&worker, &format!("{}/messages", path(&id)), json!({"text": "我在"})).await;
    said.expect(201);
    house.pass(120);
    house.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    house.post(&seed.doctor.token, &no_show, json!({})).await.problem(409, "state_moved_on");
    house.post(&seed.doctor_b.token, &no_show, json!({})).await.problem(404, "not_found");
    house.pass(60);
    let doctor = house.fresh(&seed, &seed.doctor);
    let ended = house.post(&doctor.token, &no_show, json!({})).await.expect(200);
    assert_eq!((&ended["state"], &ended["cancel_reason"]), (&json!("cancelled"), &json!("no_show")));
    assert_eq!(house.duty_of(&doctor).await, (json!("available"), json!(0)));
    assert_eq!(house.logged("consultation.cancelled").await, 1);
    // The worker reads why, and may ask again.
    let visit = house.visit(&seed).await;
    assert_eq!(house.get(&visit.token, &path(&id)).await.expect(200)["cancel_reason"], "no_show");
    house.ask(&visit.token).await;
    house.sound().await;
}

#[actix_web::test]
async fn an_emergency_that_leaves_or_falls_silent_is_told_to_the_operator_and_not_ended_for_silence() {
    let (house, seed) = opened().await;
    let visit = house.visit(&seed).await;
    let body = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
    house.post(&visit.token, "/api/v1/consultations", body).await.expect(201);
    for _ in 0..3 {
        house.pass(95);
        assert_eq!(service::check_in::sweep_idle(&house.house).await.expect("a round"), 0);
    }
    assert_eq!(house.logged("consultation.emergency_silent").await, 1, "once per silence");
    // Whoever is silent may need the doctor most.
    house.on_duty(&house.fresh(&seed, &seed.doctor)).await;
    assert_eq!(service::matching::offer_waiting(&house.house).await.expect("a round"), 1);
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    house.post(&house.station_token(&seed), &leave, json!({})).await.expect(200);
    assert_eq!(house.logged("consultation.emergency_left").await, 1);
    let doctor = house.staff_token(Role::Doctor, seed.doctor.id, seed.doctor.session, None, None);
    let offers = house.get(&doctor, "/api/v1/offers").await.expect(200);
    assert_eq!(offers["items"], json!([]));
}
