//! Two instances on one database: what happens at one is visible at the other.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join};
use serde_json::{Value, json};

use crate::{coordination::until, harness::TestApp, redis::RedisServer, seed::Seed};
use base::config::MailConfig;
use coordination::Topic;
use crypto::tokens::Role;
use domain::vend::messages::WorkAnswer;
use mail::Mailer;
use service::jobs::Jobs;

/// Two instances that share a Redis.
async fn two(server: &RedisServer) -> (TestApp, TestApp) {
    two_at(&server.url(), true).await
}

async fn two_at(redis: &str, wait: bool) -> (TestApp, TestApp) {
    let one = TestApp::open_with(|config| config.redis_url = Some(redis.to_owned().into())).await;
    let other = one.another().await;
    if wait {
        reached(&one).await;
        reached(&other).await;
    }
    (one, other)
}

async fn reached(app: &TestApp) {
    until("Redis is reached", async || !app.state.coordination.listen(Topic::Letters).may_have_missed())
        .await;
}

async fn poll(app: &TestApp, seed: &Seed, cursor: i64, wait: u32) -> WorkAnswer {
    let path = format!("/cabinet/v1/work?cursor={cursor}&wait={wait}");
    let answer = app.get(&app.cabinet_token(seed), &path).await.expect(200);
    serde_json::from_value(answer).expect("work")
}

/// Reads a worker's event stream until an event of this kind arrives.
async fn event(app: &TestApp, token: &str, kind: &str) {
    let request = app.client().get(format!("{}/api/v1/events?after=0", app.base)).bearer_auth(token);
    let mut bytes = request.send().await.expect("answered").bytes_stream();
    let mut received = String::new();
    let line = format!("event: {kind}\n");
    while !received.contains(&line) {
        let some = bytes.next().await.unwrap_or_else(|| panic!("the stream ended: {received}"));
        received.push_str(&String::from_utf8_lossy(&some.expect("bytes")));
    }
}

#[actix_web::test]
async fn events_of_one_instance_are_seen_at_the_other_at_once() {
    let Some(server) = RedisServer::start() else { return };
    let (one, other) = two(&server).await;
    let seed = one.seed().await;
    one.fill(&seed).await;
    // An offer accepted at one instance reaches the worker's stream at the other.
    let worker = one.check_in(&seed).await;
    let began = Instant::now();
    let accepted = async {
        let id = one.ask(&worker).await;
        one.on_duty(&seed.doctor).await;
        let offer = one.offer_of(&seed.doctor).await;
        let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an id"));
        one.post(&seed.doctor.token, &path, json!({"fence": offer["fence"]})).await.expect(200);
        id
    };
    let (_, id) = join(event(&other, &worker, "consultation.accepted"), accepted).await;
    let cancel = format!("/api/v1/consultations/{id}/complete");
    let summary = json!({"summary": "休息", "diagnoses": []});
    one.post(&seed.doctor.token, &cancel, summary).await;
    // A pack paid for at one instance wakes the cabinet's poll at the other.
    let visit = one.visit(&seed).await;
    let cursor = poll(&other, &seed, 0, 0).await.cursor;
    let (work, order) = join(poll(&other, &seed, cursor, 25), one.paid(&seed, &visit, 1)).await;
    assert_eq!(work.items.len(), 1, "{order}");
    assert!(began.elapsed() < Duration::from_secs(20), "it was not woken");
    one.sound().await;
}

#[actix_web::test]
async fn a_cabinet_that_alternates_between_instances_gets_everything_once() {
    let Some(server) = RedisServer::start() else { return };
    let (one, other) = two(&server).await;
    let seed = one.seed().await;
    one.fill(&seed).await;
    let visit = one.visit(&seed).await;
    let mut cursor = poll(&one, &seed, 0, 0).await.cursor;
    for packs in 1..=3 {
        one.paid(&seed, &visit, 1).await;
        // Either instance accepts a cursor of the other.
        let answering = if packs % 2 == 0 { &one } else { &other };
        let work = poll(answering, &seed, cursor, 25).await;
        assert_eq!(work.items.len(), packs);
        // A poll at the other one waits, and does not return at once.
        let began = Instant::now();
        let waiting = if packs % 2 == 0 { &other } else { &one };
        let again = poll(waiting, &seed, work.cursor, 1).await;
        assert_eq!((again.items.len(), again.cursor), (0, work.cursor));
        assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
        cursor = work.cursor;
    }
    // The other instance learns of it although nobody listens there.
    let idle = poll(&other, &seed, cursor, 0).await;
    assert_eq!(idle.items, []);
    one.paid(&seed, &visit, 1).await;
    until("the wake-up arrives", async || poll(&other, &seed, cursor, 0).await.items.len() == 4).await;
    one.sound().await;
}

#[actix_web::test]
async fn without_redis_a_poll_sees_at_its_end_what_the_other_instance_did() {
    let Some(mut server) = RedisServer::start() else { return };
    let (one, other) = two(&server).await;
    let seed = one.seed().await;
    one.fill(&seed).await;
    let visit = one.visit(&seed).await;
    let cursor = poll(&other, &seed, 0, 0).await.cursor;
    server.kill();
    until("the loss is noticed", async || other.state.coordination.listen(Topic::Letters).may_have_missed())
        .await;
    let (work, _) = join(poll(&other, &seed, cursor, 3), one.paid(&seed, &visit, 1)).await;
    let work = if work.items.is_empty() { poll(&other, &seed, work.cursor, 1).await } else { work };
    assert_eq!(work.items.len(), 1, "seen at the end of the poll");
    // Within one instance a wake-up needs no Redis.
    let cursor = poll(&one, &seed, 0, 0).await.cursor;
    let began = Instant::now();
    let (work, _) = join(poll(&one, &seed, cursor, 25), one.paid(&seed, &visit, 1)).await;
    assert_eq!(work.items.len(), 2);
    assert!(began.elapsed() < Duration::from_secs(20));
    // Redis restarts empty; all listeners are woken once, and wake-ups arrive again.
    let cursor = poll(&other, &seed, 0, 0).await.cursor;
    let began = Instant::now();
    let pay_and_restart = async {
        one.paid(&seed, &visit, 1).await;
        server.revive().expect("started again");
    };
    let (work, ()) = join(poll(&other, &seed, cursor, 25), pay_and_restart).await;
    assert_eq!(work.items.len(), 3);
    assert!(began.elapsed() < Duration::from_secs(20));
    reached(&one).await;
    reached(&other).await;
    let cursor = poll(&other, &seed, 0, 0).await.cursor;
    let began = Instant::now();
    let (work, _) = join(poll(&other, &seed, cursor, 25), one.paid(&seed, &visit, 1)).await;
    assert_eq!(work.items.len(), 4);
    assert!(began.elapsed() < Duration::from_secs(20));
    one.sound().await;
}

#[actix_web::test]
async fn while_wake_ups_may_be_lost_an_offers_poll_reads_again_at_its_end() {
    let (one, other) = two_at("redis://127.0.0.1:1", false).await;
    let seed = one.seed().await;
    let worker = one.check_in(&seed).await;
    one.on_duty(&seed.doctor).await;
    let offer = async {
        until("the poll waits", async || other.state.metrics.long_polls.get() == 1).await;
        one.ask(&worker).await;
        service::matching::offer_waiting(&one.state).await.expect("a round");
    };
    let (offers, ()) = join(other.get(&seed.doctor.token, "/api/v1/offers?wait=8"), offer).await;
    assert_eq!(offers.expect(200)["items"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn emptying_redis_changes_no_durable_answer() {
    let Some(server) = RedisServer::start() else { return };
    let (one, other) = two(&server).await;
    let seed = one.seed().await;
    one.fill(&seed).await;
    let visit = one.visit(&seed).await;
    let order = one.paid(&seed, &visit, 2).await;
    one.on_duty(&seed.doctor).await;
    let order_path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    let answers = async || {
        let mut all: Vec<Value> = Vec::new();
        for app in [&one, &other] {
            for (token, path) in [
                (&visit.token, "/api/v1/me"),
                (&visit.token, order_path.as_str()),
                (&seed.doctor.token, "/api/v1/duty"),
                (&seed.doctor.token, "/api/v1/offers"),
            ] {
                all.push(app.get(token, path).await.expect(200));
            }
        }
        all
    };
    let before = answers().await;
    let key = "0190b7a0-0000-7000-8000-000000000001";
    let send = async |app: &TestApp| {
        let body = json!({"complaint": "头痛", "department": null, "lane": "minor_ailment_pilot"});
        app.post_with_key(&visit.token, "/api/v1/consultations", key, body).await
    };
    let first = send(&one).await;
    server.empty();
    assert_eq!(send(&other).await.body, first.body, "the same key, the same answer");
    let cancel = format!("/api/v1/consultations/{}/cancel", first.body["id"].as_str().unwrap_or("-"));
    one.post(&visit.token, &cancel, json!({})).await;
    server.empty();
    let after = answers().await;
    assert_eq!(before, after);
    assert_eq!(service::matching::requeue_lost(&other.state).await.expect("a round"), 0);
    assert_eq!(service::check_in::sweep_idle(&other.state).await.expect("a round"), 0);
    one.sound().await;
}

#[actix_web::test]
async fn an_edition_imported_at_one_instance_is_in_force_at_the_other_at_once() {
    let Some(server) = RedisServer::start() else { return };
    let (one, other) = two(&server).await;
    let unused = std::path::Path::new("unused");
    let mailer =
        Mailer::new(&MailConfig::Files { from: "w@w.example".to_owned() }, unused).expect("a mailer");
    let jobs = Jobs::start(&other.state, &std::sync::Arc::new(mailer));
    let began = Instant::now();
    for price in [1, 2, 3] {
        one.import_paracetamol(price, true).await;
        until("the edition is in force", async || other.price_in_force() == price).await;
    }
    assert!(
        began.elapsed() < service::formulary::edition::MAX_EDITION_AGE.to_std().expect("some time"),
        "it was not woken"
    );
    jobs.stop(Duration::from_secs(10)).await;
}

/// Redis is unreachable: each instance knows only its own callers.
#[actix_web::test]
async fn a_doctor_heard_at_another_instance_is_not_requeued() {
    let (one, other) = two_at("redis+unix:///nowhere/redis.sock", false).await;
    let seed = one.seed().await;
    let worker = one.check_in(&seed).await;
    one.active(&seed, &worker).await;
    // Both have heard from the doctor once; from here on only one of them does.
    other.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    let rounds = async |seconds: i64, speaks: bool| {
        let mut lost = 0;
        for second in (0..seconds).step_by(5) {
            one.pass(5);
            if speaks && second % 40 == 0 {
                let doctor = &seed.doctor;
                let token =
                    one.staff_token(Role::Doctor, doctor.id, doctor.session, Some(seed.hospital), None);
                one.get(&token, "/api/v1/duty").await.expect(200);
            }
            for app in [&other, &one] {
                lost += service::matching::requeue_lost(&app.state).await.expect("a round");
            }
        }
        lost
    };
    assert_eq!(rounds(400, true).await, 0, "heard at one of them");
    let silent_for = rounds(200, false).await;
    assert_eq!(silent_for, 1, "truly lost, and put back once");
}

#[actix_web::test]
async fn a_check_in_seen_at_another_instance_does_not_end() {
    let (one, other) = two_at("redis+unix:///nowhere/redis.sock", false).await;
    let seed = one.seed().await;
    let visit = one.visit(&seed).await;
    let rounds = async |seconds: i64, touches: bool| {
        let mut ended = 0;
        for second in (0..seconds).step_by(5) {
            one.pass(5);
            if touches && second % 80 == 0 {
                let renew = format!("/api/v1/check-ins/{}/token", visit.check_in);
                let renewed = one.post(&one.station_token(&seed), &renew, json!({})).await.expect(200);
                let token = renewed["access_token"].as_str().expect("a token");
                one.post(token, "/api/v1/me/presence", json!({})).await.expect(200);
            }
            for app in [&other, &one] {
                ended += service::check_in::sweep_idle(&app.state).await.expect("a round");
            }
        }
        ended
    };
    assert_eq!(rounds(400, true).await, 0, "seen at one of them");
    assert_eq!(rounds(200, false).await, 1, "gone");
}
