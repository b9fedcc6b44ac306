//! Whom the distributor chooses, and what those who wait are told of it, where departments, districts,
//! languages and refusals meet.

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::{Caller, Doctor, TestApp, Worker, crowd::Crowd, id_in};
use crypto::tokens::Role;
use domain::{ids::HospitalId, matching::Department};
use service::matching::{offer_waiting, requeue_lost};
use storage::{
    on_backend,
    schema::{doctor, hospital},
};

const DERMATOLOGY: Department = Department::known("dermatology");

/// A hospital in another district than the stations of the sample network.
async fn far_hospital(app: &TestApp) -> HospitalId {
    let body = json!({"code": "far", "name_zh": "样例医院", "name_en": "Sample Hospital", "district": "elsewhere",
        "weight": 1});
    id_in(&app.operator().await.post("/api/v1/hospitals", body).await.expect_created())
        .parse()
        .expect("an id")
}

fn crowd(hospital: HospitalId, departments: &[Department]) -> Crowd {
    Crowd {
        hospital,
        departments: departments.to_vec(),
        languages: "zh;en",
        capacity: 2,
        live: 0,
        idle: TimeDelta::minutes(30),
    }
}

/// Basis, minutes and department of an estimate.
fn told(shown: &Value) -> (&str, Option<u64>, &str) {
    let estimate = &shown["estimate"];
    let text = |name: &str| estimate[name].as_str().expect("a text");
    (text("basis"), estimate["to_minutes"].as_u64(), text("department"))
}

async fn offered(app: &TestApp) -> usize {
    offer_waiting(&app.state).await.expect("a round")
}

#[actix_web::test]
async fn who_lost_the_line_has_the_same_doctor_first_although_another_hospital_is_next() {
    let app = TestApp::open().await;
    let (lost, worker) = (app.doctor().await, app.open_screen().await.check_in(Worker::walk_in()).await);
    let id = lost.consult_with(&worker).await;
    app.pass(95);
    assert_eq!(requeue_lost(&app.state).await.expect("a round"), 1);
    // Of a hospital of the same district that has had no turn yet, and idle for longer.
    let mut conn = app.connection();
    let own = app.network().await.hospital;
    let district: String =
        on_backend!(&mut conn, c => hospital::table.find(own).select(hospital::district).first(c))
            .expect("a district");
    let body = json!({"code": "near", "name_zh": "样例医院", "name_en": "Sample Hospital", "district": district,
        "weight": 100});
    let near = app.operator().await.post("/api/v1/hospitals", body).await.expect_created();
    let near: HospitalId = id_in(&near).parse().expect("an id");
    let person = app.person(Role::Doctor, "near@example.cn", Some(near), None).await;
    let other = Doctor::new(&app, &person);
    other.go_on_duty().await;
    app.pass(10);
    lost.go_on_duty().await;
    assert_eq!(offered(&app).await, 1);
    assert_eq!(lost.open_offers().await[0]["consultation_id"], id);
    assert_eq!(other.open_offers().await, Vec::<Value>::new());
}

#[actix_web::test]
async fn the_longest_idle_is_asked_and_not_who_was_asked_longest_ago() {
    let app = TestApp::open().await;
    let (first, second) = (app.doctor().await, app.second_doctor().await);
    // Only the first is there, and has somebody for ten minutes.
    first.go_on_duty().await;
    let seen = app.asks_for(1, "general_practice").await;
    first.accept(&first.offer().await).await.expect_ok();
    app.pass(300);
    second.go_on_duty().await;
    app.pass(300);
    first.say(&seen.id, "样例").await.expect_created();
    first.complete(&seen.id).await.expect_ok();
    app.pass(60);
    // The first was asked eleven minutes ago and is idle for one, the second for six.
    let waits = app.asks_for(2, "general_practice").await;
    assert_eq!(offered(&app).await, 1);
    assert_eq!(second.open_offers().await[0]["consultation_id"], waits.id);
    // Whoever has nobody comes before whoever has somebody.
    let waits = app.asks_for(3, "general_practice").await;
    assert_eq!(offered(&app).await, 1);
    assert_eq!(first.open_offers().await[0]["consultation_id"], waits.id);
}

#[actix_web::test]
async fn an_emergency_is_seen_by_a_doctor_of_another_language_rather_than_by_nobody() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let speaks = |languages: &'static str| {
        let row = diesel::update(doctor::table.find(doctor.person.id)).set(doctor::languages.eq(languages));
        on_backend!(&mut app.connection(), c => row.execute(c)).expect("changed");
    };
    speaks("en");
    let waits = app.asks_for(1, "general_practice").await;
    assert_eq!(told(&waits.asked), ("nobody_on_call", None, "general_practice"));
    assert_eq!(offered(&app).await, 0);
    let worker = app.open_screen().await.check_in(Worker::walk_in().phone("15900000078")).await;
    let asked = worker.ask_with_chest_pain().await.expect_created();
    assert_eq!(told(&asked).0, "free");
    assert_eq!(offered(&app).await, 1);
    assert_eq!(doctor.open_offers().await[0]["consultation_id"], asked["id"]);
}

/// The distributor waits for the district's own first: so does the estimate.
#[actix_web::test]
async fn the_estimate_counts_the_doctors_whom_the_distributor_asks() {
    let app = TestApp::open().await;
    let (home, far) = (app.network().await.hospital, far_hospital(&app).await);
    let full = |hospital, departments: &[Department]| Crowd { live: 2, ..crowd(hospital, departments) };
    app.crowd(&full(home, &[DERMATOLOGY]), 1).await;
    app.crowd(&crowd(far, &[DERMATOLOGY]), 20).await;
    let waits = app.asks_for(1, "dermatology").await;
    assert_eq!(offered(&app).await, 0, "the only dermatologist of the district is full");
    let (basis, minutes, department) = told(&waits.asked);
    // Nobody waits for longer than the department's patience of five minutes while others are free.
    assert_eq!((basis, minutes, department), ("erlang_c", Some(6), "dermatology"));
    // There is no surgeon here and one elsewhere, but general practice here comes first.
    app.crowd(&full(home, &[Department::GENERAL_PRACTICE]), 1).await;
    app.crowd(&crowd(far, &[Department::known("surgery")]), 1).await;
    app.pass(6);
    let waits = app.asks_for(2, "surgery").await;
    assert_eq!(offered(&app).await, 0);
    assert_eq!(told(&waits.asked), ("erlang_c", Some(6), "general_practice"));
    app.pass(300);
    assert_eq!(told(&waits.now().await), ("free", Some(1), "general_practice"));
    assert_eq!(offered(&app).await, 2);
}

#[actix_web::test]
async fn who_waits_for_the_same_doctors_is_counted_once_and_in_the_order_of_service() {
    let app = TestApp::open().await;
    let internal = Department::known("internal_medicine");
    let both = [Department::GENERAL_PRACTICE, internal];
    app.crowd(&Crowd { live: 2, ..crowd(app.network().await.hospital, &both) }, 5).await;
    let minutes = |asked: &Value| told(asked).1.expect("minutes");
    let alone = minutes(&app.asks_for(0, "internal_medicine").await.asked);
    for number in 1..21 {
        app.asks_for(number, "general_practice").await;
    }
    app.pass(6);
    // Twenty before them for ten places, although none of their own department.
    let behind = app.asks_for(21, "internal_medicine").await;
    assert_eq!(behind.asked["position"], 2);
    assert!(minutes(&behind.asked) >= alone + 8, "{alone} and {} minutes", minutes(&behind.asked));
    // Who comes later is behind them, in either department.
    for number in 22..42 {
        app.asks_for(number, "general_practice").await;
    }
    app.pass(6);
    let now = minutes(&behind.now().await);
    assert!(now <= minutes(&behind.asked), "{now} minutes");
}

#[actix_web::test]
async fn whoever_may_not_be_asked_again_is_not_counted() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.open_screen().await.check_in(Worker::walk_in()).await;
    let id = worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    assert_eq!(told(&worker.consultation(&id).await).0, "nobody_on_call", "as of a moment ago");
    app.pass(6);
    assert_eq!(told(&worker.consultation(&id).await), ("free", Some(1), "general_practice"));
    doctor.decline(&doctor.offer().await).await.expect_ok();
    assert_eq!(told(&worker.consultation(&id).await).0, "nobody_on_call");
    // Asked again after two minutes.
    app.pass(121);
    assert_eq!(told(&worker.consultation(&id).await).0, "free");
}

#[actix_web::test]
async fn the_next_shift_that_is_promised_is_of_somebody_who_can_serve() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let from = app.now() + TimeDelta::days(2);
    let shift = async |doctor: &Doctor<'_>, from: chrono::DateTime<chrono::Utc>| {
        let body =
            json!({"staff_id": doctor.person.id, "starts_at": from, "ends_at": from + TimeDelta::hours(8)});
        operator.post("/api/v1/shifts", body).await.expect_created();
    };
    let change = |doctor: &Doctor<'_>, languages: &'static str, until: chrono::NaiveDate| {
        let row = diesel::update(doctor::table.find(doctor.person.id))
            .set((doctor::languages.eq(languages), doctor::licence_valid_until.eq(until)));
        on_backend!(&mut app.connection(), c => row.execute(c)).expect("changed");
    };
    let long = chrono::NaiveDate::from_ymd_opt(2030, 1, 1).expect("a date");
    let (english, lapsing, fine) =
        (app.doctor_of("surgery").await, app.doctor_of("surgery").await, app.doctor_of("surgery").await);
    for one in [&english, &lapsing, &fine] {
        one.go_off_duty().await;
    }
    shift(&english, from).await;
    shift(&lapsing, from + TimeDelta::hours(1)).await;
    shift(&fine, from + TimeDelta::hours(2)).await;
    change(&english, "en", long);
    // Valid today, and not on the day of the shift.
    change(&lapsing, "zh", app.now().date_naive() + TimeDelta::days(1));
    change(&fine, "zh", long);
    let waits = app.asks_for(1, "surgery").await;
    assert_eq!(told(&waits.asked).0, "nobody_on_call");
    let promised = &waits.asked["estimate"]["on_call_from"];
    assert_eq!(promised, &json!(from + TimeDelta::hours(2)));
}
