//! Turns between hospitals: by weight, and nobody saves them up.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::json;

use super::{Screen, text};
use crate::{
    harness::TestApp,
    seed::{Person, Seed},
};
use crypto::tokens::Role;
use domain::ids::HospitalId;

/// A hospital with doctors, in a network of its own.
struct Hospital {
    doctors: Vec<Person>,
}

impl Hospital {
    async fn open(app: &TestApp, seed: &Seed, code: &str, weight: i32, doctors: usize) -> Self {
        let body = json!({"code": code, "name_zh": "样例医院", "name_en": "Sample Hospital",
            "district": "zhifu", "weight": weight});
        let made = app.post(&seed.operator.token, "/api/v1/hospitals", body).await.expect(201);
        let id: HospitalId = text(&made, "id").parse().expect("an id");
        let mut all = Vec::new();
        for number in 0..doctors {
            let email = format!("{code}-{number}@example.cn");
            all.push(app.person(Role::Doctor, &email, Some(id), None).await);
        }
        Self { doctors: all }
    }

    async fn presence(&self, app: &TestApp, presence: &str) {
        for doctor in &self.doctors {
            let body = json!({"presence": presence});
            app.put(&doctor.token, "/api/v1/duty", "0", body).await.expect(200);
        }
    }
}

/// One worker after the other asks, and is seen by whoever is offered it; how
/// often each hospital was.
async fn seen(app: &TestApp, screen: &Screen, hospitals: &[&Hospital], workers: usize) -> Vec<usize> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut taken = vec![0; hospitals.len()];
    for _ in 0..workers {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let guest = app.guest(screen, number).await;
        let id = app.ask(&guest.token).await;
        assert_eq!(service::matching::offer_waiting(&app.state).await.expect("a round"), 1);
        let mut found = false;
        for (at, doctor) in
            hospitals.iter().enumerate().flat_map(|(at, one)| one.doctors.iter().map(move |d| (at, d)))
        {
            let offers = app.get(&doctor.token, "/api/v1/offers").await.expect(200);
            for offer in offers["items"].as_array().expect("offers") {
                app.accepts(doctor, offer).await.expect(200);
                app.completes(doctor, &id).await.expect(200);
                taken[at] += 1;
                found = true;
            }
        }
        assert!(found, "nobody was offered it");
    }
    taken
}

#[track_caller]
fn near(taken: &[usize], ideal: &[usize]) {
    let off = taken.iter().zip(ideal).any(|(taken, ideal)| taken.abs_diff(*ideal) > 1);
    assert!(!off, "{taken:?}, and {ideal:?} would be fair");
}

#[actix_web::test]
async fn weights_hold_and_a_hospital_that_was_away_takes_no_more_than_its_share() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let screen = app.open_screen().await;
    let one = Hospital::open(&app, &seed, "fair-1", 1, 1).await;
    let three = Hospital::open(&app, &seed, "fair-3", 3, 1).await;
    one.presence(&app, "available").await;
    assert_eq!(seen(&app, &screen, &[&one], 12).await, [12]);
    // It comes for the first time.
    three.presence(&app, "available").await;
    near(&seen(&app, &screen, &[&one, &three], 24).await, &[6, 18]);
    // It comes back after twelve others.
    one.presence(&app, "off").await;
    assert_eq!(seen(&app, &screen, &[&three], 12).await, [12]);
    one.presence(&app, "available").await;
    near(&seen(&app, &screen, &[&one, &three], 24).await, &[6, 18]);
    // All go home; who comes first in the morning is not owed the evening.
    three.presence(&app, "off").await;
    seen(&app, &screen, &[&one], 12).await;
    one.presence(&app, "off").await;
    three.presence(&app, "available").await;
    seen(&app, &screen, &[&three], 1).await;
    one.presence(&app, "available").await;
    near(&seen(&app, &screen, &[&one, &three], 24).await, &[6, 18]);
}

#[actix_web::test]
async fn a_new_hospital_starts_where_the_others_are() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let screen = app.open_screen().await;
    let old = Hospital::open(&app, &seed, "fair-old", 1, 1).await;
    old.presence(&app, "available").await;
    seen(&app, &screen, &[&old], 12).await;
    let new = Hospital::open(&app, &seed, "fair-new", 1, 1).await;
    new.presence(&app, "available").await;
    near(&seen(&app, &screen, &[&old, &new], 12).await, &[6, 6]);
}

#[actix_web::test]
async fn a_crowd_that_waits_at_once_is_shared_and_so_are_offers_that_nobody_answered_yet() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let one = Hospital::open(&app, &seed, "fair-1", 1, 4).await;
    let three = Hospital::open(&app, &seed, "fair-3", 3, 4).await;
    one.presence(&app, "available").await;
    three.presence(&app, "available").await;
    let mut offered: HashMap<usize, usize> = HashMap::new();
    let mut made = 0;
    // Half of them come in one round, the others while the first offers still ring.
    for half in 0..2 {
        for number in 0..4 {
            let screen = app.open_screen().await;
            app.ask(&app.guest(&screen, 100 + half * 10 + number).await.token).await;
        }
        made += service::matching::offer_waiting(&app.state).await.expect("a round");
    }
    assert_eq!(made, 8);
    let mut accepts = Vec::new();
    for (at, doctor) in
        [&one, &three].into_iter().enumerate().flat_map(|(at, h)| h.doctors.iter().map(move |d| (at, d)))
    {
        let offers = app.get(&doctor.token, "/api/v1/offers").await.expect(200);
        for offer in offers["items"].as_array().expect("offers").clone() {
            *offered.entry(at).or_default() += 1;
            let app = &app;
            accepts.push(async move { app.accepts(doctor, &offer).await.expect(200) });
        }
    }
    near(&[offered[&0], offered[&1]], &[2, 6]);
    // Taken at the same moment, each turn counts.
    join_all(accepts).await;
    let screen = app.open_screen().await;
    let taken = seen(&app, &screen, &[&one, &three], 8).await;
    near(&[offered[&0] + taken[0], offered[&1] + taken[1]], &[4, 12]);
}
