//! The distributor at the size of a city: whom it finds, whom it passes over, and what it says to
//! those who wait. Whether it offers what a plain one would is a matter of the walks (`walks::plain`).

use chrono::TimeDelta;
use diesel::prelude::*;
use serde_json::json;

use crate::support::{Caller, TestApp, Worker, crowd::Crowd};
use domain::{event::care::ConsultationNoteKind, matching::Department};
use service::matching::{offer_waiting, watch_queues};
use storage::{on_backend, schema::event};

fn general_practitioners(hospital: domain::ids::HospitalId) -> Crowd {
    Crowd {
        hospital,
        departments: vec![Department::GENERAL_PRACTICE],
        languages: "zh;en",
        capacity: 2,
        live: 0,
        idle: TimeDelta::minutes(30),
    }
}

#[actix_web::test]
async fn one_free_dermatologist_is_found_among_210_longer_idle_general_practitioners() {
    let app = TestApp::open().await;
    app.crowd(&general_practitioners(app.network().await.hospital), 210).await;
    let dermatologist = app.doctor_of("dermatology").await;
    let waits = app.asks_for(1, "dermatology").await;
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(dermatologist.open_offers().await[0]["consultation_id"], waits.id);
}

#[actix_web::test]
async fn a_department_that_is_on_call_but_full_is_waited_for_until_its_patience_ends() {
    let app = TestApp::open().await;
    let dermatologist = app.doctor_of("dermatology").await;
    for number in 0..2 {
        app.asks_for(number, "dermatology").await;
        dermatologist.accept(&dermatologist.offer().await).await.expect_ok();
    }
    let general_practitioner = app.doctor().await;
    general_practitioner.go_on_duty().await;
    let waits = app.asks_for(2, "dermatology").await;
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 0);
    // Our default is five minutes.
    app.pass(299);
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 0);
    app.pass(1);
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(general_practitioner.open_offers().await[0]["consultation_id"], waits.id);
}

#[actix_web::test]
async fn who_waits_for_a_department_without_doctors_is_in_nobodys_way() {
    let app = TestApp::open().await;
    for number in 0..60 {
        app.asks_for(number, "psychiatry").await;
        app.pass(1);
    }
    let last = app.asks_for(60, "psychiatry").await;
    assert_eq!((&last.now().await["position"], &last.asked["position"]), (&json!(61), &json!(61)));
    // The figures behind estimates are five seconds old at most.
    app.pass(6);
    let surgeon = app.doctor_of("surgery").await;
    let waits = app.asks_for(61, "surgery").await;
    assert_eq!(waits.asked["position"], json!(1));
    let estimate = &waits.asked["estimate"];
    assert_eq!(
        (&estimate["basis"], &estimate["to_minutes"], &estimate["department"]),
        (&json!("free"), &json!(1), &json!("surgery"))
    );
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(surgeon.open_offers().await[0]["consultation_id"], waits.id);
    let estimate = last.now().await["estimate"].clone();
    assert_eq!(
        (&estimate["basis"], &estimate["from_minutes"], &estimate["to_minutes"]),
        (&json!("nobody_on_call"), &json!(null), &json!(null))
    );
}

#[actix_web::test]
async fn the_estimate_counts_those_who_overflow_into_the_department() {
    let app = TestApp::open().await;
    let full = Crowd { live: 2, ..general_practitioners(app.network().await.hospital) };
    app.crowd(&full, 5).await;
    let to_minutes = async |number| {
        let asked = app.asks_for(number, "general_practice").await.asked;
        asked["estimate"]["to_minutes"].as_i64().expect("minutes")
    };
    let alone = to_minutes(0).await;
    for number in 1..41 {
        app.asks_for(number, "psychiatry").await;
    }
    app.pass(6);
    let behind_forty = to_minutes(41).await;
    // Forty for ten places, seven minutes each.
    assert!(behind_forty >= alone + 20, "{alone} and {behind_forty} minutes");
}

#[actix_web::test]
async fn a_department_whose_wait_fails_raises_one_alert_that_ends_with_its_cause() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let alerts = async || operator.list("/api/v1/queue-alerts?open=true").await;
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 0);
    app.asks_for(1, "psychiatry").await;
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 0, "it is raised once");
    let letters = operator.list("/api/v1/letters").await;
    assert_eq!(letters.iter().filter(|letter| letter["kind"] == "queue_trouble").count(), 1);
    let raised = alerts().await;
    assert_eq!(raised.len(), 1);
    assert_eq!(
        (&raised[0]["department"], &raised[0]["trouble"], &raised[0]["waiting"]),
        (&json!("psychiatry"), &json!("nobody_on_call"), &json!(1))
    );
    // Psychiatry overflows to general practice.
    app.doctor().await.go_on_duty().await;
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    assert_eq!(alerts().await, Vec::<serde_json::Value>::new());
    app.pass(15 * 60);
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    assert_eq!(alerts().await[0]["trouble"], "overdue");
    assert_eq!(operator.list("/api/v1/queue-alerts").await.len(), 2);
}

/// They stay due, since an operator was told of each and nothing else ends them.
#[actix_web::test]
async fn more_silent_emergencies_than_a_page_hide_no_other() {
    let app = TestApp::open().await;
    let told = || {
        let mut conn = app.connection();
        let kind = ConsultationNoteKind::EmergencySilent.as_str();
        let all = event::table.filter(event::kind.eq(kind)).count();
        let told: i64 = on_backend!(&mut conn, c => all.get_result(c)).expect("counted");
        told
    };
    let emergency = async |number: usize| {
        let worker =
            app.open_screen().await.check_in(Worker::walk_in().phone(&format!("159{number:08}"))).await;
        worker.ask_with_chest_pain().await.expect_created();
    };
    for number in 0..51 {
        emergency(number).await;
    }
    app.pass(600);
    service::check_in::sweep_idle(&app.state).await.expect("a round");
    assert_eq!(told(), 51);
    emergency(51).await;
    app.pass(600);
    service::check_in::sweep_idle(&app.state).await.expect("a round");
    assert_eq!(told(), 52);
}

#[actix_web::test]
async fn whoever_was_not_heard_lately_is_not_waited_for_either() {
    let app = TestApp::open_with(|config| {
        config.policy["matching"]["heard_within_s"] = json!(30);
    })
    .await;
    let dermatologists = (app.doctor_of("dermatology").await, app.doctor_of("dermatology").await);
    let general_practitioner = app.doctor().await;
    general_practitioner.go_on_duty().await;
    app.pass(61);
    general_practitioner.open_offers().await;
    let waits = app.asks_for(1, "dermatology").await;
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(general_practitioner.open_offers().await[0]["consultation_id"], waits.id);
    // Whoever is heard again is on call again.
    dermatologists.0.duty().await;
    let waits = app.asks_for(2, "dermatology").await;
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(dermatologists.0.open_offers().await[0]["consultation_id"], waits.id);
}

/// An hour of a laptop that is shut, and a doctor without a camera.
#[actix_web::test]
async fn a_department_whose_doctors_are_silent_or_take_no_video_has_nobody_on_call() {
    let app = TestApp::open_with(|config| {
        config.policy["matching"]["heard_within_s"] = json!(30);
    })
    .await;
    let operator = app.operator().await;
    let alerts = async || operator.list("/api/v1/queue-alerts?open=true").await;
    let basis = |shown: &serde_json::Value| shown["estimate"]["basis"].clone();
    let dermatologist = app.doctor_of("dermatology").await;
    app.pass(61);
    let waits = app.asks_for(1, "dermatology").await;
    assert_eq!(basis(&waits.asked), "nobody_on_call");
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    let raised = alerts().await;
    assert_eq!(
        (&raised[0]["department"], &raised[0]["trouble"]),
        (&json!("dermatology"), &json!("nobody_on_call"))
    );
    // The laptop is opened again.
    dermatologist.duty().await;
    app.pass(6);
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    assert_eq!(alerts().await, Vec::<serde_json::Value>::new());
    assert_eq!(basis(&waits.now().await), "free");

    let worker = app.open_screen().await.check_in(Worker::walk_in().phone("15900000077")).await;
    app.only_by_text(&dermatologist.person).await;
    let request = json!({"complaint": "样例", "lane": "consultation_only", "department": "dermatology",
        "medium": "video"});
    app.pass(6);
    dermatologist.duty().await;
    let asked = worker.request_consultation(request).await.expect_created();
    assert_eq!(basis(&asked), "nobody_on_call");
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    assert_eq!(
        (&alerts().await[0]["trouble"], &alerts().await[0]["waiting"]),
        (&json!("nobody_on_call"), &json!(1))
    );
}

#[actix_web::test]
async fn an_alert_that_comes_and_goes_is_told_by_mail_once_an_hour() {
    let app = TestApp::open().await;
    let (operator, doctor) = (app.operator().await, app.doctor().await);
    let letters = async || {
        let all = operator.list("/api/v1/letters").await;
        all.iter().filter(|letter| letter["kind"] == "queue_trouble").count()
    };
    let round = async || watch_queues(&app.state).await.expect("a round");
    app.asks_for(1, "psychiatry").await;
    for _ in 0..5 {
        assert_eq!(round().await, 1, "raised");
        doctor.go_on_duty().await;
        assert_eq!(round().await, 1, "over");
        doctor.go_off_duty().await;
        app.pass(60);
    }
    assert_eq!((round().await, letters().await), (1, 1));
    assert_eq!(operator.list("/api/v1/queue-alerts").await.len(), 6);
    // Another trouble, or another department, is told at once.
    app.asks_for(2, "surgery").await;
    assert_eq!((round().await, letters().await), (1, 2));
    // What is still so after an hour is told again, once.
    for _ in 0..54 {
        app.pass(60);
        assert_eq!((round().await, letters().await), (0, 2));
    }
    app.pass(60);
    assert_eq!((round().await, letters().await), (0, 3));
    app.pass(60);
    assert_eq!((round().await, letters().await), (0, 3));
}

/// An alert says what the trouble is now.
#[actix_web::test]
async fn when_the_last_doctor_leaves_those_who_wait_too_long_another_alert_is_raised() {
    let app = TestApp::open().await;
    let (operator, doctor) = (app.operator().await, app.doctor().await);
    doctor.go_on_duty().await;
    app.asks_for(1, "general_practice").await;
    app.pass(15 * 60);
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 1);
    doctor.go_off_duty().await;
    assert_eq!(watch_queues(&app.state).await.expect("a round"), 2, "one is over, another one begins");
    let open = operator.list("/api/v1/queue-alerts?open=true").await;
    assert_eq!((open.len(), &open[0]["trouble"]), (1, &json!("nobody_on_call")));
    let letters = operator.list("/api/v1/letters").await;
    assert_eq!(letters.iter().filter(|letter| letter["kind"] == "queue_trouble").count(), 2);
}
