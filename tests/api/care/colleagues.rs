//! Whom a doctor can hand a consultation on to, and what they are told when there is nobody.

use serde_json::{Value, json};

use crate::support::{Caller, Code, Doctor, TestApp, Worker};
use domain::staff::role::Role;

/// The ids, and whether each is free.
fn listed(answer: &Value) -> Vec<(&str, bool)> {
    let items = answer["items"].as_array().expect("a list");
    items.iter().map(|one| (one["id"].as_str().expect("an id"), one["free"] == json!(true))).collect()
}

#[actix_web::test]
async fn a_doctor_sees_who_is_on_call_for_it_those_who_are_free_first_and_transfers_to_one() {
    let app = TestApp::open().await;
    let seed = app.network().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let third = app.person(Role::Doctor, "doctor-c@example.cn", Some(seed.hospital), None).await;
    let third = Doctor::new(&app, &third);
    app.of_departments(&third.person, &["dermatology", "general_practice"]).await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    let path = format!("/api/v1/consultations/{id}/colleagues");
    // Who is off duty is not on call.
    let nobody = doctor.get(&path).await.expect_ok();
    assert_eq!((&nobody["items"], &nobody["more"]), (&json!([]), &json!(false)));
    second.go_on_duty().await;
    third.go_on_duty().await;
    let both = doctor.get(&path).await.expect_ok();
    let (b, c) = (second.person.id.to_string(), third.person.id.to_string());
    assert_eq!(listed(&both), [(b.as_str(), true), (c.as_str(), true)], "the longest idle first");
    assert_eq!(
        both["items"][1],
        json!({"id": third.person.id, "name_zh": "样例doctor", "name_en": "Sample doctor",
            "hospital_id": seed.hospital, "hospital_zh": both["items"][1]["hospital_zh"],
            "hospital_en": both["items"][1]["hospital_en"], "departments": ["dermatology", "general_practice"],
            "free": true}),
        "and nothing else of theirs"
    );
    // One who is full comes last; one who speaks another language only does not come.
    let others = [app.open_screen().await, app.open_screen().await];
    for (number, screen) in others.iter().enumerate() {
        let who = Worker::walk_in().phone(&format!("1550000010{number}"));
        let other = screen.check_in(who).await;
        doctor.go_off_duty().await;
        third.go_off_duty().await;
        other.ask_for_doctor().await;
        second.accept(&second.offer().await).await.expect_ok();
    }
    third.go_on_duty().await;
    let answer = doctor.get(&path).await.expect_ok();
    assert_eq!(listed(&answer), [(c.as_str(), true), (b.as_str(), false)]);
    let skin = doctor.get(&format!("{path}?department=dermatology")).await.expect_ok();
    assert_eq!(listed(&skin), [(c.as_str(), true)]);
    // It is the doctor's list, of a consultation that is theirs.
    second.get(&path).await.expect_refused(Code::NotFound);
    worker.get(&path).await.expect_refused(Code::RoleNotAllowed);
    let handed_on = doctor.transfer(&id, json!({"doctor": third.person.id})).await.expect_ok();
    assert_eq!((&handed_on["state"], &handed_on["nobody_on_call"]), (&json!("offered"), &json!(false)));
    third.accept(&third.offer().await).await.expect_ok();
    doctor.get(&path).await.expect_refused(Code::NotFound);
    third.complete(&id).await.expect_ok();
    third.get(&path).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn a_transfer_to_where_nobody_is_on_call_is_accepted_with_a_warning() {
    let app = TestApp::open().await;
    let seed = app.network().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let id = doctor.consult_with(&worker).await;
    app.of_departments(&second.person, &["dermatology"]).await;
    let shift = json!({"staff_id": second.person.id, "starts_at": "2026-11-25T00:00:00Z",
        "ends_at": "2026-11-25T08:00:00Z"});
    app.post(&seed.operator.token, "/api/v1/shifts", shift).await.expect(201);
    let skin = format!("/api/v1/consultations/{id}/colleagues?department=dermatology");
    let before = doctor.get(&skin).await.expect_ok();
    assert_eq!(before["on_call_from"], "2026-11-25T00:00:00Z", "known before it is handed on");
    let answer = doctor.transfer(&id, json!({"department": "dermatology"})).await.expect_ok();
    // The doctor who hands it on is of general practice, but counts no more.
    assert_eq!(
        (&answer["state"], &answer["nobody_on_call"], &answer["on_call_from"]),
        (&json!("waiting"), &json!(true), &json!("2026-11-25T00:00:00Z"))
    );
    // With somebody on call, full or not, there is no warning.
    second.go_on_duty().await;
    second.accept(&second.offer().await).await.expect_ok();
    let other = app.open_screen().await.check_in(Worker::walk_in().phone("15500000109")).await;
    let id = doctor.consult_with(&other).await;
    let answer = doctor.transfer(&id, json!({"department": "dermatology"})).await.expect_ok();
    assert_eq!((&answer["nobody_on_call"], &answer["on_call_from"]), (&json!(false), &Value::Null));
}
