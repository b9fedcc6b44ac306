//! Turns between hospitals: by weight, and unused turns are not saved up.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Caller, Doctor, Station, TestApp, Worker, id_in};
use crypto::tokens::Role;
use domain::ids::HospitalId;
use service::matching::offer_waiting;

/// A hospital with its doctors.
struct Hospital<'a> {
    doctors: Vec<Doctor<'a>>,
}

impl<'a> Hospital<'a> {
    async fn open(app: &'a TestApp, code: &str, weight: i32, doctors: usize) -> Self {
        let body = json!({"code": code, "name_zh": "样例医院", "name_en": "Sample Hospital",
            "district": "zhifu", "weight": weight});
        let made = app.operator().await.post("/api/v1/hospitals", body).await.expect_created();
        let id: HospitalId = id_in(&made).parse().expect("an id");
        let mut all = Vec::new();
        for number in 0..doctors {
            let email = format!("{code}-{number}@example.cn");
            all.push(Doctor::new(app, &app.person(Role::Doctor, &email, Some(id), None).await));
        }
        Self { doctors: all }
    }

    async fn go_on_duty(&self) {
        for doctor in &self.doctors {
            doctor.go_on_duty().await;
        }
    }

    async fn go_off_duty(&self) {
        for doctor in &self.doctors {
            doctor.go_off_duty().await;
        }
    }
}

fn patient(number: usize) -> Worker {
    Worker::walk_in().phone(&format!("155{number:08}"))
}

/// Every doctor, with the index of their hospital.
fn doctors<'h, 'a>(hospitals: &[&'h Hospital<'a>]) -> Vec<(usize, &'h Doctor<'a>)> {
    let of = |(at, hospital): (usize, &&'h Hospital<'a>)| {
        hospital.doctors.iter().map(move |doctor| (at, doctor)).collect::<Vec<_>>()
    };
    hospitals.iter().enumerate().flat_map(of).collect()
}

/// One worker after the other asks, and is seen by the doctor who is offered the
/// consultation. Returns the number of them for each hospital.
async fn seen(
    app: &TestApp,
    station: &Station<'_>,
    hospitals: &[&Hospital<'_>],
    workers: usize,
) -> Vec<usize> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let mut taken = vec![0; hospitals.len()];
    for _ in 0..workers {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = station.check_in(patient(number)).await.ask_for_doctor().await;
        assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
        let mut found = false;
        for (at, doctor) in doctors(hospitals) {
            for offer in doctor.open_offers().await {
                doctor.accept(&offer).await.expect_ok();
                doctor.complete(&id).await.expect_ok();
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
    let station = app.open_screen().await;
    let one = Hospital::open(&app, "fair-1", 1, 1).await;
    let three = Hospital::open(&app, "fair-3", 3, 1).await;
    one.go_on_duty().await;
    assert_eq!(seen(&app, &station, &[&one], 12).await, [12]);
    // The second hospital comes for the first time.
    three.go_on_duty().await;
    near(&seen(&app, &station, &[&one, &three], 24).await, &[6, 18]);
    // The first one comes back after twelve others.
    one.go_off_duty().await;
    assert_eq!(seen(&app, &station, &[&three], 12).await, [12]);
    one.go_on_duty().await;
    near(&seen(&app, &station, &[&one, &three], 24).await, &[6, 18]);
    // All go home; whoever comes first in the morning is not owed the evening.
    three.go_off_duty().await;
    seen(&app, &station, &[&one], 12).await;
    one.go_off_duty().await;
    three.go_on_duty().await;
    seen(&app, &station, &[&three], 1).await;
    one.go_on_duty().await;
    near(&seen(&app, &station, &[&one, &three], 24).await, &[6, 18]);
}

#[actix_web::test]
async fn a_new_hospital_starts_where_the_others_are() {
    let app = TestApp::open().await;
    let station = app.open_screen().await;
    let old = Hospital::open(&app, "fair-old", 1, 1).await;
    old.go_on_duty().await;
    seen(&app, &station, &[&old], 12).await;
    let new = Hospital::open(&app, "fair-new", 1, 1).await;
    new.go_on_duty().await;
    near(&seen(&app, &station, &[&old, &new], 12).await, &[6, 6]);
}

#[actix_web::test]
async fn a_crowd_that_waits_at_once_is_shared_and_so_are_offers_that_nobody_answered_yet() {
    let app = TestApp::open().await;
    let one = Hospital::open(&app, "fair-1", 1, 4).await;
    let three = Hospital::open(&app, "fair-3", 3, 4).await;
    one.go_on_duty().await;
    three.go_on_duty().await;
    let mut made = 0;
    // Half of them come in one round, the others while the first offers are still open.
    for half in 0..2 {
        for number in 0..4 {
            let station = app.open_screen().await;
            station.check_in(patient(100 + half * 10 + number)).await.ask_for_doctor().await;
        }
        made += offer_waiting(&app.state).await.expect("a round");
    }
    assert_eq!(made, 8);
    let mut offered = [0, 0];
    let mut accepts = Vec::new();
    for (at, doctor) in doctors(&[&one, &three]) {
        for offer in doctor.open_offers().await {
            offered[at] += 1;
            accepts.push(async move { doctor.accept(&offer).await.expect_ok() });
        }
    }
    near(&offered, &[2, 6]);
    // Accepted at the same moment, each turn counts.
    join_all(accepts).await;
    let station = app.open_screen().await;
    let taken = seen(&app, &station, &[&one, &three], 8).await;
    near(&[offered[0] + taken[0], offered[1] + taken[1]], &[4, 12]);
}
