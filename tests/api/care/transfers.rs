//! A doctor hands a consultation on, to a department or to another doctor.

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    Answer, Caller, Code, Doctor, Pharmacist, TestApp, Worker, WorkerAtStation, id_in,
    rush::{expect_tally, tally},
};
use domain::ids::WorkerId;
use service::matching::{expire_offers, give_up_unserved, offer_waiting, requeue_lost};
use storage::{on_backend, schema::event};

const REASON: &str = "皮疹，我无法判断";

async fn wrapping_up_for_30_s() -> TestApp {
    TestApp::open_with(|config| {
        config.policy.get_mut("matching").expect("the policy of tests")["wrap_up_s"] = json!(30);
    })
    .await
}

/// The payloads of the events of transfers, and who of the workers hears of them.
fn logged(app: &TestApp) -> Vec<(Value, Option<WorkerId>)> {
    let mut conn = app.connection();
    let rows: Vec<(String, Option<WorkerId>)> = on_backend!(&mut conn, c => event::table
        .filter(event::kind.eq("consultation.transferred"))
        .order(event::position)
        .select((event::payload, event::worker_id))
        .load(c))
    .expect("events");
    rows.into_iter()
        .map(|(payload, worker)| (serde_json::from_str(&payload).expect("JSON"), worker))
        .collect()
}

/// A worker of their own screen whom this doctor sees.
async fn seen_by<'a>(app: &'a TestApp, doctor: &Doctor<'_>) -> (WorkerAtStation<'a>, String) {
    let worker = app.open_screen().await.check_in(Worker::walk_in()).await;
    let id = doctor.consult_with(&worker).await;
    (worker, id)
}

#[actix_web::test]
async fn a_transferred_worker_is_next_by_age_in_the_other_department_and_its_doctor_reads_why() {
    let app = wrapping_up_for_30_s().await;
    let doctor = app.doctor().await;
    let (worker, id) = seen_by(&app, &doctor).await;
    app.pass(60);
    app.asks_for(1, "dermatology").await;
    doctor.go_off_duty().await;
    doctor.go_on_duty().await;
    let draft = doctor.prescribe(&id, &["PCM-T500"]).await;
    assert_eq!(draft.status, 201, "{}", draft.body);
    let requested_at = worker.consultation(&id).await["requested_at"].clone();
    let answer =
        doctor.transfer(&id, json!({"department": "dermatology", "reason": REASON})).await.expect_ok();
    assert_eq!(
        (&answer["state"], &answer["department"], &answer["doctor"], &answer["transferred_at"]),
        (&json!("waiting"), &json!("dermatology"), &Value::Null, &json!(app.now()))
    );
    // The worker is told, and keeps the place of their age.
    let waits = worker.consultation(&id).await;
    assert_eq!((&waits["department"], &waits["position"]), (&json!("dermatology"), &json!(1)));
    assert_eq!((&waits["requested_at"], &waits["transferred_at"]), (&requested_at, &json!(app.now())));
    assert_eq!((&waits["doctor"], &waits["accepted_at"]), (&Value::Null, &Value::Null));
    let (payload, hears) = logged(&app).remove(0);
    assert_eq!(hears, Some(worker.id));
    assert_eq!(
        payload,
        json!({"doctor": doctor.person.id, "to_department": "dermatology", "at": app.now()}),
        "ids and codes only"
    );
    // The doctor is free after the wrap-up, has nothing of it left, and is not away.
    let duty = doctor.get("/api/v1/duty").await.expect_ok();
    assert_eq!(
        (&duty["status"], &duty["presence"], &duty["live"]),
        (&json!("wrap_up"), &json!("available"), &json!(0))
    );
    for path in [format!("/api/v1/consultations/{id}"), format!("/api/v1/consultations/{id}/record")] {
        doctor.get(&path).await.expect_refused(Code::NotFound);
    }
    let drafts = doctor.list("/api/v1/prescriptions").await;
    assert_eq!(drafts[0]["state"], "void", "the next doctor begins anew");

    let dermatologist = app.doctor_of("dermatology").await;
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 2);
    let offers = dermatologist.open_offers().await;
    let mine = offers.iter().find(|offer| offer["consultation_id"] == json!(id)).expect("offered");
    let read = |record: &Value| record["transfers"].clone();
    let shown = read(&dermatologist.record(&id).await);
    assert_eq!((&shown[0]["reason"], &shown[0]["to_department"]), (&json!(REASON), &json!("dermatology")));
    assert_eq!(shown[0]["from"]["id"], json!(doctor.person.id));
    assert_eq!((&shown[0]["to_doctor"], &shown[1]), (&Value::Null, &Value::Null));
    dermatologist.accept(mine).await.expect_ok();
    // And back again: to the general practitioner himself.
    app.pass(30);
    let to = json!({"doctor": doctor.person.id, "reason": "不是皮肤病"});
    let answer = dermatologist.transfer(&id, to).await.expect_ok();
    assert_eq!((&answer["state"], &answer["department"]), (&json!("offered"), &json!("dermatology")));
    let offers = doctor.open_offers().await;
    assert_eq!((offers.len(), &offers[0]["consultation_id"]), (1, &json!(id)));
    doctor.accept(&offers[0]).await.expect_ok();
    let shown = read(&doctor.record(&id).await);
    assert_eq!(shown[1]["from"]["id"], json!(dermatologist.person.id));
    assert_eq!(
        (&shown[1]["to_doctor"]["id"], &shown[1]["to_department"]),
        (&json!(doctor.person.id), &Value::Null)
    );
    doctor.complete(&id).await.expect_ok();
    worker.rate(&id, 5).await.expect_ok();
    app.sound().await;
}

/// Whoever has talked with a doctor for a while has not waited for the other department yet.
#[actix_web::test]
async fn the_department_of_a_transfer_is_waited_for_as_long_as_by_anybody() {
    let app = TestApp::open().await;
    let dermatologist = app.doctor_of("dermatology").await;
    for number in 0..2 {
        app.asks_for(number, "dermatology").await;
        dermatologist.accept(&dermatologist.offer().await).await.expect_ok();
    }
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (_worker, id) = seen_by(&app, &doctor).await;
    app.pass(400);
    second.go_on_duty().await;
    let to = json!({"department": "dermatology", "reason": REASON});
    doctor.transfer(&id, to).await.expect_ok();
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 0, "it does not overflow at once");
    app.pass(299);
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 0);
    app.pass(1);
    assert_eq!(offer_waiting(&app.state).await.expect("a round"), 1);
    assert_eq!(second.open_offers().await[0]["consultation_id"], json!(id), "not to whom it came from");
    app.sound().await;
}

#[actix_web::test]
async fn in_ones_own_department_it_goes_to_another_doctor_and_comes_back_only_after_the_limit_of_the_wait() {
    let app = TestApp::open().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (_worker, id) = seen_by(&app, &doctor).await;
    doctor.transfer(&id, json!({"department": "general_practice"})).await.expect_ok();
    assert_eq!(doctor.offer().await, Value::Null, "they have just given it away");
    app.pass(119);
    assert_eq!(doctor.offer().await, Value::Null);
    second.go_on_duty().await;
    let offer = second.offer().await;
    assert_eq!(offer["consultation_id"], json!(id));
    second.decline(&offer).await.expect_ok();
    second.go_off_duty().await;
    app.pass(780);
    assert_eq!(doctor.offer().await, Value::Null, "899 seconds");
    app.pass(2);
    assert_eq!(doctor.offer().await["consultation_id"], json!(id), "the limit of the wait is over");
    app.sound().await;
}

#[actix_web::test]
async fn a_transfer_to_a_department_without_doctors_overflows_as_any_other_request() {
    let app = TestApp::open().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (worker, id) = seen_by(&app, &doctor).await;
    second.go_on_duty().await;
    // The figures behind estimates are five seconds old at most.
    app.pass(6);
    doctor.transfer(&id, json!({"department": "psychiatry"})).await.expect_ok();
    assert_eq!(worker.consultation(&id).await["estimate"]["department"], "general_practice");
    assert_eq!(second.offer().await["consultation_id"], json!(id));
    assert_eq!(worker.consultation(&id).await["department"], "psychiatry");
    app.sound().await;
}

#[actix_web::test]
async fn a_doctor_who_does_not_answer_a_transfer_leaves_it_to_the_queue() {
    for expires in [false, true] {
        let app = TestApp::open().await;
        let (doctor, second, third) =
            (app.doctor().await, app.second_doctor().await, app.doctor_of("general_practice").await);
        third.go_off_duty().await;
        let (worker, id) = seen_by(&app, &doctor).await;
        second.go_on_duty().await;
        doctor.transfer(&id, json!({"doctor": second.person.id})).await.expect_ok();
        assert_eq!(worker.consultation(&id).await["state"], "offered");
        let offer = second.open_offers().await.remove(0);
        assert_eq!(offer["fence"], json!(2));
        if expires {
            app.pass(21);
            assert_eq!(expire_offers(&app.state).await.expect("a round"), 1);
            assert_eq!(second.duty().await, (json!("away"), json!(0)));
        } else {
            second.decline(&offer).await.expect_ok();
        }
        let waits = worker.consultation(&id).await;
        assert_eq!((&waits["state"], &waits["department"]), (&json!("waiting"), &json!("general_practice")));
        assert_eq!(offer_waiting(&app.state).await.expect("a round"), 0, "both refused it");
        third.go_on_duty().await;
        assert_eq!(third.offer().await["consultation_id"], json!(id));
        app.sound().await;
    }
}

#[actix_web::test]
async fn what_is_signed_stays_and_goes_on_to_review() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({})).await;
    let id = doctor.consult_with(&worker).await;
    assert!(app.open_signing_window(&doctor.person, 10).await);
    let draft = doctor.prescribe(&id, &["PCM-T500"]).await.expect_created();
    doctor.sign(id_in(&draft)).await.expect_ok();
    doctor.transfer(&id, json!({"department": "dermatology"})).await.expect_ok();
    assert_eq!(doctor.prescription(id_in(&draft)).await.expect_ok()["state"], "signed");
    let dermatologist = app.doctor_of("dermatology").await;
    dermatologist.accept(&dermatologist.offer().await).await.expect_ok();
    // The next doctor sees it, and may withdraw it to write another.
    dermatologist.prescription(id_in(&draft)).await.expect_ok();
    dermatologist.withdraw(id_in(&draft), "样例：另有诊断").await.expect_ok();
    assert!(app.open_signing_window(&dermatologist.person, 10).await);
    let next = dermatologist.prescribe(&id, &["PCM-T500"]).await.expect_created();
    dermatologist.sign(id_in(&next)).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn of_two_transfers_at_once_one_happens_and_with_one_key_both_are_answered_alike() {
    let app = TestApp::open_crowded().await;
    let doctor = app.doctor().await;
    let (_worker, id) = seen_by(&app, &doctor).await;
    let to = |code: &str| doctor.transfer(&id, json!({"department": code}));
    let answers = join_all([to("surgery"), to("dermatology"), to("ent"), to("surgery")]).await;
    expect_tally(&answers, &[("200 done", 1), ("404 not_found", 3)]);
    assert_eq!((logged(&app).len(), doctor.duty().await.1), (1, json!(0)));
    let (_worker, id) = seen_by(&app, &doctor).await;
    let path = format!("/api/v1/consultations/{id}/transfer");
    let body = json!({"department": "surgery", "reason": REASON});
    let answers = app.rush_with_key(6, &doctor.token(), &path, "one-and-the-same-key", &body).await;
    expect_tally(&answers, &[("200 done", 6)]);
    assert_eq!(logged(&app).len(), 2);
    app.sound().await;
}

/// Whatever else happens to it at the same moment: it has one state, and nobody holds a place for nothing.
#[actix_web::test]
async fn a_transfer_at_the_same_moment_as_anything_else_loses_nothing() {
    let app = TestApp::open_crowded().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    for round in 0..8 {
        second.go_off_duty().await;
        let (worker, id) = seen_by(&app, &doctor).await;
        second.go_on_duty().await;
        let department = async || doctor.transfer(&id, json!({"department": "surgery"})).await;
        let colleague = async || doctor.transfer(&id, json!({"doctor": second.person.id})).await;
        let answers: Vec<Answer> = match round % 4 {
            0 => join_two(department(), doctor.complete(&id)).await,
            1 => join_two(colleague(), doctor.complete(&id)).await,
            2 => join_two(colleague(), worker.leave()).await,
            _ => join_two(department(), doctor.prescribe(&id, &["PCM-T500"])).await,
        };
        tally(&answers);
        app.sound().await;
        // Whoever has it, it can be brought to an end.
        for doctor in [&doctor, &second] {
            for offer in doctor.open_offers().await {
                doctor.decline(&offer).await.expect_ok();
            }
            // Of one whose worker had left before, its doctor keeps it.
            for kept in doctor.list("/api/v1/consultations").await {
                doctor.complete(id_in(&kept)).await.expect_ok();
            }
        }
        worker.leave().await;
        app.pass(301);
        service::consultation::sweep_absent(&app.state).await.expect("a round");
        for doctor in [&doctor, &second] {
            doctor.go_on_duty().await;
            assert_eq!(doctor.duty().await.1, json!(0), "round {round}");
        }
    }
}

async fn join_two(one: impl Future<Output = Answer>, other: impl Future<Output = Answer>) -> Vec<Answer> {
    let (one, other) = tokio::join!(one, other);
    vec![one, other]
}

#[actix_web::test]
async fn a_doctor_who_signs_out_while_they_hand_it_on_leaves_it_in_a_queue() {
    let app = TestApp::open_crowded().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (worker, id) = seen_by(&app, &doctor).await;
    second.go_on_duty().await;
    let (_handed_on, signed_out) =
        tokio::join!(doctor.transfer(&id, json!({"department": "dermatology"})), doctor.sign_out());
    signed_out.expect_ok();
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
    assert_eq!(second.offer().await["consultation_id"], json!(id));
    app.sound().await;
}

#[actix_web::test]
async fn of_two_who_hand_on_to_the_last_place_one_keeps_their_worker() {
    let app = TestApp::open_crowded().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let third = app.doctor_of("dermatology").await;
    app.asks_for(1, "dermatology").await;
    third.accept(&third.offer().await).await.expect_ok();
    let (_first, first_id) = seen_by(&app, &doctor).await;
    doctor.go_off_duty().await;
    let (_second, second_id) = seen_by(&app, &second).await;
    let to = json!({"doctor": third.person.id});
    let answers = join_two(doctor.transfer(&first_id, to.clone()), second.transfer(&second_id, to)).await;
    expect_tally(&answers, &[("200 done", 1), ("409 doctor_unavailable", 1)]);
    assert_eq!(third.duty().await.1, json!(2));
    let refused = answers.iter().position(|answer| answer.status == 409).expect("one");
    let (keeper, kept) = [(&doctor, &first_id), (&second, &second_id)][refused];
    let record = keeper.get(&format!("/api/v1/consultations/{kept}")).await.expect_ok();
    assert_eq!((&record["state"], &record["transferred_at"]), (&json!("active"), &Value::Null));
    app.sound().await;
}

#[actix_web::test]
async fn two_doctors_who_hand_on_to_each_other_do_not_wait_for_each_other() {
    let app = TestApp::open_crowded().await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    let (_first, first_id) = seen_by(&app, &doctor).await;
    doctor.go_off_duty().await;
    let (_second, second_id) = seen_by(&app, &second).await;
    doctor.go_on_duty().await;
    let to = |other: &Doctor<'_>| json!({"doctor": other.person.id});
    let answers =
        join_two(doctor.transfer(&first_id, to(&second)), second.transfer(&second_id, to(&doctor))).await;
    expect_tally(&answers, &[("200 done", 2)]);
    assert_eq!(second.open_offers().await[0]["consultation_id"], json!(first_id));
    assert_eq!(doctor.open_offers().await[0]["consultation_id"], json!(second_id));
    app.sound().await;
}

/// Who signed answers for it: the pharmacist's question goes to them, whoever has the worker by now.
#[actix_web::test]
async fn a_returned_prescription_stays_its_prescribers_to_correct_after_the_consultation_went_on() {
    let app = TestApp::open().await;
    let (author, next) = (app.doctor().await, app.second_doctor().await);
    let pharmacist = Pharmacist::new(&app, &app.network().await.pharmacist);
    for (people, transferred) in [(1, true), (2, false)] {
        let person = Worker::walk_in().phone(&format!("1560000000{people}")).born("1990-05-01").sex("male");
        let worker = app.open_screen().await.check_in(person).await;
        let id = author.consult_with(&worker).await;
        let signed = async |doctor: &Doctor<'_>| {
            app.open_signing_window(&doctor.person, 10).await;
            let drafted = doctor.prescribe(&id, &["PCM-T500"]).await.expect_created();
            let prescription = id_in(&drafted).to_owned();
            doctor.sign(&prescription).await.expect_ok();
            prescription
        };
        let prescription = signed(&author).await;
        if transferred {
            author.transfer(&id, json!({"department": "general_practice"})).await.expect_ok();
        } else {
            app.pass(95);
            assert_eq!(requeue_lost(&app.state).await.expect("a round"), 1);
        }
        app.open_signing_window(&pharmacist.person, 10).await;
        let reason = json!({"reason": "样例：剂量请再核对", "code": "dose"});
        pharmacist.send_back(&prescription, reason).await.expect_ok();
        // Before anybody else has the worker, and while the next doctor has them.
        let version =
            |view: &Value| u32::try_from(view["version"].as_u64().expect("a version")).expect("small");
        let read = author.prescription(&prescription).await.expect_ok();
        assert_eq!(read["reason"], json!("样例：剂量请再核对"));
        let edited = author.edit(&prescription, version(&read), &["PCM-C300"]).await.expect_ok();
        assert_eq!(edited["state"], "draft");
        next.go_on_duty().await;
        next.accept(&next.offer().await).await.expect_ok();
        next.edit(&prescription, version(&edited), &["PCM-T500"]).await.expect_refused(Code::NotFound);
        next.sign(&prescription).await.expect_refused(Code::NotFound);
        app.open_signing_window(&author.person, 10).await;
        author.sign(&prescription).await.expect_ok();
        let approved = pharmacist.approve(&prescription).await.expect_ok();
        assert_eq!(
            (&approved["doctor_id"], &approved["state"]),
            (&json!(author.person.id), &json!("approved"))
        );
        // The consultation is theirs no more.
        author.get(&format!("/api/v1/consultations/{id}/record")).await.expect_refused(Code::NotFound);
        next.complete(&id).await.expect_ok();
        next.go_off_duty().await;
    }
    app.sound().await;
}

#[actix_web::test]
async fn what_an_earlier_doctor_corrects_keeps_the_next_one_from_nothing() {
    let app = TestApp::open().await;
    let (author, next) = (app.doctor().await, app.second_doctor().await);
    let pharmacist = Pharmacist::new(&app, &app.network().await.pharmacist);
    for person in [&author.person, &next.person, &pharmacist.person] {
        app.open_signing_window(person, 60).await;
    }
    let worker = app.open_screen().await.check_in(Worker::walk_in().born("1990-05-01").sex("male")).await;
    let id = author.consult_with(&worker).await;
    let drafted = author.prescribe(&id, &["PCM-T500"]).await.expect_created();
    let first = id_in(&drafted).to_owned();
    author.sign(&first).await.expect_ok();
    next.go_on_duty().await;
    author.transfer(&id, json!({"doctor": next.person.id})).await.expect_ok();
    next.accept(&next.open_offers().await[0]).await.expect_ok();
    let returned = pharmacist.send_back(&first, json!({"reason": "样例：请核对"})).await.expect_ok();
    let version = u32::try_from(returned["version"].as_u64().expect("a version")).expect("small");
    author.edit(&first, version, &["PCM-C300"]).await.expect_ok();
    // The next doctor may withdraw it and write one of their own; both are on record.
    let open = next.prescribe(&id, &["PCM-T500"]).await.expect_refused(Code::PrescriptionOpen);
    assert_eq!(open["data"]["prescription_id"], json!(first));
    next.withdraw(&first, "样例：改用其他药").await.expect_ok();
    author.sign(&first).await.expect_refused(Code::StateMovedOn);
    let own = next.prescribe(&id, &["PCM-T500"]).await.expect_created();
    next.sign(id_in(&own)).await.expect_ok();
    assert_eq!(own["doctor_id"], json!(next.person.id));
    // Returned after the end, it is still corrected by whoever wrote it, and by nobody else.
    next.complete(&id).await.expect_ok();
    let returned = pharmacist.send_back(id_in(&own), json!({"reason": "样例：请核对"})).await.expect_ok();
    let version = u32::try_from(returned["version"].as_u64().expect("a version")).expect("small");
    author.edit(id_in(&own), version, &["PCM-C300"]).await.expect_refused(Code::NotFound);
    next.edit(id_in(&own), version, &["PCM-C300"]).await.expect_ok();
    worker.rate(&id, 5).await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn what_nobody_signed_again_ends_with_the_consultation() {
    let app = TestApp::open().await;
    let (author, pharmacist) = (app.doctor().await, Pharmacist::new(&app, &app.network().await.pharmacist));
    for person in [&author.person, &pharmacist.person] {
        app.open_signing_window(person, 200).await;
    }
    for (number, unserved) in [(1, false), (2, true)] {
        let person = Worker::walk_in().phone(&format!("1562000000{number}")).born("1990-05-01").sex("male");
        let worker = app.open_screen().await.check_in(person).await;
        let id = author.consult_with(&worker).await;
        let drafted = author.prescribe(&id, &["PCM-T500"]).await.expect_created();
        let prescription = id_in(&drafted).to_owned();
        author.sign(&prescription).await.expect_ok();
        author.transfer(&id, json!({"department": "psychiatry"})).await.expect_ok();
        let returned =
            pharmacist.send_back(&prescription, json!({"reason": "样例：请核对"})).await.expect_ok();
        author.go_off_duty().await;
        if unserved {
            app.pass(2 * 60 * 60 + 1);
            assert_eq!(give_up_unserved(&app.state).await.expect("a round"), 1);
        } else {
            worker.cancel_consultation(&id).await.expect_ok();
        }
        let read = author.prescription(&prescription).await.expect_ok();
        assert_eq!(read["state"], "void");
        let version = u32::try_from(returned["version"].as_u64().expect("a version")).expect("small");
        author.edit(&prescription, version, &["PCM-C300"]).await.expect_refused(Code::StateMovedOn);
    }
    app.sound().await;
}
