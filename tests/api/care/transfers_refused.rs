//! Transfers that are refused: the doctor who asked keeps the consultation.

use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::{Caller, Code, Doctor, TestApp, Worker, WorkerAtStation};
use domain::ids::{Id, StaffId};
use service::{Actor, Failure};
use storage::{
    on_backend,
    schema::{doctor, shift},
};

const LONG: &str = "样";

async fn seen<'a>(app: &'a TestApp, doctor: &Doctor<'_>) -> (WorkerAtStation<'a>, String) {
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    (worker, id)
}

#[actix_web::test]
async fn each_bad_field_is_named() {
    let app = TestApp::open().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (worker, id) = seen(&app, &doctor).await;
    let pharmacist = app.network().await.pharmacist.id;
    let nobody: StaffId = Id::generate();
    for (body, field, code) in [
        (json!({}), "department", "one_of_two"),
        (json!({"department": "surgery", "doctor": second.person.id}), "department", "one_of_two"),
        (json!({"department": "alchemy"}), "department", "unknown_code"),
        (json!({"doctor": nobody}), "doctor", "unknown"),
        (json!({"doctor": pharmacist}), "doctor", "unknown"),
        (json!({"doctor": doctor.person.id}), "doctor", "not_allowed"),
        (json!({"department": "surgery", "reason": " "}), "reason", "too_short"),
        (json!({"department": "surgery", "reason": LONG.repeat(501)}), "reason", "too_long"),
    ] {
        let refused = doctor.transfer(&id, body.clone()).await.expect_refused(Code::InvalidField);
        let errors = refused["errors"].as_array().expect("errors");
        assert_eq!((errors.len(), &errors[0]["field"]), (1, &json!(field)), "{body}: {refused}");
        assert_eq!(errors[0]["code"], code, "{body}");
    }
    let path = format!("/api/v1/consultations/{id}/transfer");
    let refused =
        doctor.post(&path, json!({"department": "surgery"})).await.expect_refused(Code::InvalidField);
    assert_eq!(refused["errors"][0]["field"], "reason");
    // Nobody else hands it on, and nobody one that is not active.
    second.transfer(&id, json!({"department": "surgery"})).await.expect_refused(Code::NotFound);
    worker
        .post(&path, json!({"department": "surgery", "reason": LONG}))
        .await
        .expect_refused(Code::RoleNotAllowed);
    doctor.complete(&id).await.expect_ok();
    let late = doctor.transfer(&id, json!({"department": "surgery"})).await;
    assert_eq!(late.expect_refused(Code::StateMovedOn)["state"], "completed");
    assert_eq!(app.logged("consultation.transferred").await, 0);
}

/// Changes the second doctor's row.
macro_rules! second_doctor_is {
    ($app:expr, $change:expr) => {{
        let id = $app.network().await.doctor_b.id;
        $app.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(doctor::table.find(id)).set($change).execute(c))?;
                Ok(())
            })
            .await
            .expect("changed");
    }};
}

#[actix_web::test]
async fn a_doctor_who_cannot_take_it_now_is_not_asked_and_it_is_said_why() {
    let app = TestApp::open_with(|config| {
        let matching = config.policy.get_mut("matching").expect("the policy of tests");
        (matching["wrap_up_s"], matching["heard_within_s"]) = (json!(30), json!(60));
    })
    .await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (worker, id) = seen(&app, &doctor).await;
    let refused = async |why: &str| {
        let answer = doctor.transfer(&id, json!({"doctor": second.person.id})).await;
        let problem = answer.expect_refused(Code::DoctorUnavailable);
        assert_eq!(problem["data"]["reason"], json!(why), "{problem}");
        let kept = doctor.get(&format!("/api/v1/consultations/{id}")).await.expect_ok();
        assert_eq!((&kept["state"], &kept["transferred_at"]), (&json!("active"), &Value::Null), "{why}");
    };
    refused("off_duty").await;
    second.go_on_duty().await;
    second_doctor_is!(app, doctor::languages.eq("en"));
    refused("language").await;
    second_doctor_is!(
        app,
        (doctor::languages.eq("zh;en"), doctor::licence_verified_at.eq(None::<storage::sql_types::At>))
    );
    refused("licence").await;
    let verified = Some(storage::sql_types::At(app.now()));
    second_doctor_is!(app, doctor::licence_verified_at.eq(verified));
    for number in 0..2 {
        let other =
            app.open_screen().await.check_in(Worker::walk_in().phone(&format!("1550000000{number}"))).await;
        doctor.go_off_duty().await;
        second.consult_with(&other).await;
    }
    refused("full").await;
    let theirs = second.list("/api/v1/consultations").await;
    second.complete(theirs[0]["id"].as_str().expect("an id")).await.expect_ok();
    refused("wrap_up").await;
    app.pass(61);
    refused("silent").await;
    second.duty().await;
    let staff = second.person.id;
    let shifts = async |from: chrono::TimeDelta| {
        let (now, id) = (app.now(), staff);
        app.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let all = shift::table.filter(shift::staff_id.eq(id));
                let from = shift::starts_at.eq(storage::sql_types::At(now + from));
                on_backend!(tx.conn, c => diesel::update(all).set(from).execute(c))?;
                Ok(())
            })
            .await
            .expect("changed");
    };
    shifts(chrono::TimeDelta::hours(1)).await;
    refused("not_on_shift").await;
    shifts(chrono::TimeDelta::hours(-1)).await;
    // Nobody is offered a worker who is not there; a department waits for them.
    worker.leave().await.expect_ok();
    let absent = doctor.transfer(&id, json!({"doctor": staff})).await.expect_refused(Code::WorkerAbsent);
    assert_eq!(absent["state"], "active");
    assert_eq!(app.logged("consultation.transferred").await, 0);
    let back = app.station().await.check_in(Worker::adult()).await;
    doctor.transfer(&id, json!({"doctor": staff})).await.expect_ok();
    assert_eq!(back.consultation(&id).await["state"], "offered");
    app.sound().await;
}

#[actix_web::test]
async fn one_who_was_handed_on_while_away_has_the_usual_time_from_then_on() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let (worker, id) = seen(&app, &doctor).await;
    worker.leave().await.expect_ok();
    app.pass(600);
    doctor.duty().await;
    doctor.transfer(&id, json!({"department": "dermatology"})).await.expect_ok();
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    app.pass(299);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    let back = app.station().await.check_in(Worker::adult()).await;
    assert_eq!(back.consultation(&id).await["state"], "waiting");
    back.leave().await.expect_ok();
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 0);
    app.pass(300);
    assert_eq!(service::consultation::sweep_absent(&app.state).await.expect("a round"), 1);
    app.sound().await;
}
