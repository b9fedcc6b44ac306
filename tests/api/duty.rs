//! What a doctor's duty shows, and who gets no offers: after a consultation, by medium, and unheard.

use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    import::{load, row_problems},
    support::{Answer, Caller, Code, Doctor, TestApp, Worker, WorkerAtStation, id_in},
};
use domain::staff::role::Role;
use futures_util::future::join_all;
use service::{
    matching::{expire_offers, offer_waiting, requeue_lost},
    network::import::csv_file::{ImportKind, ImportOptions, import_csv},
};
use storage::{on_backend, schema::shift, sql_types::At};

const DUTY: &str = "/api/v1/duty";

/// A server whose policy of matching has this value.
async fn with_policy(key: &'static str, seconds: u32, ping_ms: u64) -> TestApp {
    TestApp::open_with(|config| {
        let matching = config.policy.get_mut("matching").expect("the policy of tests");
        matching[key] = json!(seconds);
        config.policy.insert("realtime".to_owned(), json!({"ping_ms": ping_ms}));
    })
    .await
}

async fn duty(doctor: &Doctor<'_>) -> Value {
    doctor.get(DUTY).await.expect_ok()
}

async fn walk_in(app: &TestApp) -> WorkerAtStation<'_> {
    app.open_screen().await.check_in(Worker::walk_in()).await
}

async fn ask_by(worker: &WorkerAtStation<'_>, medium: &str) -> Answer {
    let ask = json!({"complaint": "头痛", "medium": medium, "lane": "minor_ailment_pilot"});
    worker.post("/api/v1/consultations", ask).await
}

#[actix_web::test]
async fn after_a_consultation_its_doctor_gets_no_offers_for_the_wrap_up() {
    let app = with_policy("wrap_up_s", 30, 15_000).await;
    let (doctor, worker, next) =
        (app.doctor().await, app.station().await.check_in(Worker::adult()).await, walk_in(&app).await);
    let id = doctor.consult_with(&worker).await;
    assert_eq!(duty(&doctor).await["status"], "available", "one of two places is left");
    doctor.complete(&id).await.expect_ok();
    let shown = duty(&doctor).await;
    assert_eq!((&shown["status"], &shown["presence"]), (&json!("wrap_up"), &json!("available")));
    assert_eq!(shown["wrap_up_until"], json!(app.now() + chrono::TimeDelta::seconds(30)));
    // Completing again does not begin another one.
    app.pass(10);
    doctor.complete(&id).await.expect_ok();
    assert_eq!(duty(&doctor).await["wrap_up_until"], shown["wrap_up_until"]);
    next.ask_for_doctor().await;
    app.pass(19);
    assert_eq!(doctor.offer().await, Value::Null);
    // It is durable: another instance knows it, too.
    offer_waiting(&app.another().await.state).await.expect("a round");
    assert!(doctor.open_offers().await.is_empty());
    app.pass(1);
    let shown = duty(&doctor).await;
    assert_eq!((&shown["status"], &shown["wrap_up_until"]), (&json!("available"), &Value::Null));
    assert_ne!(doctor.offer().await, Value::Null);
    app.sound().await;
}

#[actix_web::test]
async fn who_is_made_away_is_told_why_and_comes_back_by_one_touch() {
    let app = TestApp::open().await;
    let (doctor, worker) = (app.doctor().await, app.station().await.check_in(Worker::adult()).await);
    assert_eq!(duty(&doctor).await["status"], "off");
    worker.ask_for_doctor().await;
    doctor.go_on_duty().await;
    let told = app.logged("duty.changed").await;
    assert_ne!(doctor.offer().await, Value::Null);
    app.pass(21);
    assert_eq!(expire_offers(&app.state).await.expect("a round"), 1);
    let shown = duty(&doctor).await;
    assert_eq!((&shown["status"], &shown["away_because"]), (&json!("away"), &json!("offer_expired")));
    assert_eq!(shown["away_since"], json!(app.now()));
    assert_eq!(app.logged("duty.changed").await, told + 1);
    let refused = doctor.put(DUTY, "*", json!({"presence": "away"})).await;
    refused.expect_refused(Code::InvalidField);
    for _ in 0..2 {
        let back = doctor.put(DUTY, "*", json!({"presence": "available"})).await.expect_ok();
        assert_eq!((&back["status"], &back["away_because"]), (&json!("available"), &Value::Null));
        assert_eq!(back["away_since"], Value::Null);
    }
    assert_eq!(app.logged("duty.changed").await, told + 2, "the second time is nothing new");

    // Not offered to the same doctor again at once.
    app.pass(121);
    doctor.accept(&doctor.offer().await).await.expect_ok();
    app.pass(95);
    assert_eq!(requeue_lost(&app.state).await.expect("a round"), 1);
    let shown = duty(&doctor).await;
    assert_eq!((&shown["status"], &shown["away_because"]), (&json!("away"), &json!("lost_line")));
    assert_eq!(app.logged("duty.changed").await, told + 3);
    // Who signs out is off, not away.
    doctor.go_on_duty().await;
    doctor.accept(&doctor.offer().await).await.expect_ok();
    let told = app.logged("duty.changed").await;
    doctor.sign_out().await.expect_ok();
    assert_eq!(app.logged("duty.changed").await, told + 1);
    app.sound().await;
}

#[actix_web::test]
async fn text_and_video_are_counted_each_on_its_own() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let first = walk_in(&app).await;
    let plain = first.request_consultation(json!({"complaint": "头痛", "lane": "minor_ailment_pilot"})).await;
    assert_eq!(plain.expect_created()["medium"], "text");
    let mut workers = Vec::new();
    for medium in ["text", "text", "video", "video"] {
        let worker = walk_in(&app).await;
        assert_eq!(ask_by(&worker, medium).await.expect_created()["medium"], medium);
        workers.push(worker);
    }
    let mut offers = doctor.offers().await;
    offers.sort_by_key(|offer| offer["medium"].to_string());
    let media: Vec<&str> = offers.iter().filter_map(|offer| offer["medium"].as_str()).collect();
    assert_eq!(media, ["text", "text", "video"], "two by text and one by video");
    let shown = duty(&doctor).await;
    assert_eq!(shown["status"], "busy");
    assert_eq!((&shown["live"], &shown["capacity"]), (&json!(2), &json!(2)));
    assert_eq!((&shown["live_video"], &shown["video_capacity"]), (&json!(1), &json!(1)));
    for offer in &offers {
        doctor.accept(offer).await.expect_ok();
    }
    assert!(doctor.offers().await.is_empty());
    doctor.complete(&offers[2]["consultation_id"].as_str().expect("an id")).await.expect_ok();
    let shown = duty(&doctor).await;
    assert_eq!((&shown["live"], &shown["live_video"]), (&json!(2), &json!(0)));
    assert_eq!(doctor.offer().await["medium"], "video");
    let refused = ask_by(&walk_in(&app).await, "telegraph").await.expect_refused(Code::InvalidField);
    assert_eq!(refused["errors"][0]["field"], "medium");
    app.sound().await;
}

#[actix_web::test]
async fn two_distributors_never_give_a_doctor_two_calls_by_video() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    for _ in 0..4 {
        ask_by(&walk_in(&app).await, "video").await.expect_created();
    }
    for _ in 0..3 {
        let rounds = [&app, &other, &app, &other].map(|one| offer_waiting(&one.state));
        for round in join_all(rounds).await {
            round.expect("a round");
        }
        let offers = doctor.open_offers().await;
        assert_eq!(offers.len(), 1, "{offers:?}");
        doctor.decline(&offers[0]).await.expect_ok();
    }
    assert_eq!(duty(&doctor).await["live_video"], json!(0));
    app.sound().await;
}

#[actix_web::test]
async fn a_doctor_without_video_is_asked_by_text_only() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (doctor, operator) = (app.doctor().await, app.operator().await);
    let path = format!("/api/v1/staff/{}", doctor.person.id);
    let read = operator.get(&path).await.expect_ok();
    assert_eq!(read["doctor"]["video_capacity"], json!(1));
    let mut change = json!({"name_zh": read["staff"]["name_zh"], "name_en": read["staff"]["name_en"],
        "hospital_id": read["staff"]["hospital_id"], "doctor": read["doctor"]});
    change["doctor"]["licence_no"] = json!("L-1");
    change["doctor"]["video_capacity"] = json!(2);
    operator.put(&path, "*", change.clone()).await.expect_refused(Code::InvalidField);
    change["doctor"]["video_capacity"] = json!(0);
    operator.put(&path, "*", change.clone()).await.expect_ok();
    // Left out, it stays.
    change["doctor"].as_object_mut().expect("an object").remove("video_capacity");
    let kept = operator.put(&path, "*", change.clone()).await.expect_ok();
    assert_eq!(kept["doctor"]["video_capacity"], json!(0));
    doctor.go_on_duty().await;
    ask_by(&walk_in(&app).await, "video").await.expect_created();
    assert_eq!(doctor.offer().await, Value::Null);
    ask_by(&walk_in(&app).await, "text").await.expect_created();
    assert_eq!(doctor.offer().await["medium"], "text");
    // A capacity below what the doctor holds is refused by its field.
    change["doctor"]["video_capacity"] = json!(1);
    operator.put(&path, "*", change.clone()).await.expect_ok();
    assert_eq!(doctor.offers().await.len(), 2);
    change["doctor"]["video_capacity"] = json!(0);
    let refused = operator.put(&path, "*", change).await.expect_refused(Code::InvalidField);
    assert_eq!(refused["errors"][0]["field"], "video_capacity");
    app.sound().await;

    let header = "email,name_zh,name_en,hospital_code,licence_no,licence_valid_until,practising_since,departments,\
                  languages,capacity";
    let row = "new@example.cn,样例,New,hospital-1,N-1,2031-01-01,2010-01-01,ent,zh,2";
    let kind = ImportKind::Staff(Role::Doctor);
    let wrong = format!("{header},video_capacity\n{row},2\n");
    let refused = row_problems(load(&app, kind, &wrong).await.expect_err("refused"));
    assert_eq!(refused, [(2, "video_capacity".to_owned(), "out_of_range".to_owned())]);
    assert_eq!(load(&app, kind, &format!("{header},video_capacity\n{row},0\n")).await.expect("loaded"), 1);
    // A file without the column leaves it as it is.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("doctors.csv");
    std::fs::write(&file, format!("{header}\n{row}\n")).expect("written");
    let existing = Some(service::network::import::Existing::Update);
    let options = ImportOptions { existing, ..ImportOptions::default() };
    let loaded = import_csv(&app.state, kind, &file, options, |_, _| ()).await.expect("loaded");
    assert_eq!(loaded.updated, 1);
    let all = app.get(&seed.operator.token, "/api/v1/staff?role=doctor").await.expect(200);
    let new =
        all["items"].as_array().expect("items").iter().find(|one| one["staff"]["email"] == "new@example.cn");
    let id = id_in(&new.expect("imported")["staff"]).to_owned();
    let new = operator.get(&format!("/api/v1/staff/{id}")).await.expect_ok();
    assert_eq!(new["doctor"]["video_capacity"], json!(0));
}

#[actix_web::test]
async fn who_was_not_heard_for_half_a_minute_gets_no_offers_until_heard_again() {
    let app = with_policy("heard_within_s", 30, 15_000).await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    doctor.go_on_duty().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.ask_for_doctor().await;
    app.pass(31);
    offer_waiting(&app.state).await.expect("a round");
    let open = app.logged("consultation.offered").await;
    assert_eq!(open, 0, "nobody is heard");
    // One who is heard is found behind one who is not.
    second.go_on_duty().await;
    assert_ne!(second.offer().await, Value::Null);
    assert_eq!(duty(&doctor).await["status"], "available", "silence alone is no duty");
    second.decline(&second.offer().await).await.expect_ok();
    assert_ne!(doctor.offer().await, Value::Null, "the look at the duty was heard");
}

#[actix_web::test]
async fn a_waiting_poll_and_an_open_stream_are_heard_all_the_time() {
    let app = with_policy("heard_within_s", 30, 20).await;
    let (doctor, second) = (app.doctor().await, app.second_doctor().await);
    doctor.go_on_duty().await;
    second.go_on_duty().await;
    let stream = app.client().get(format!("{}/api/v1/events", app.base)).bearer_auth(second.token());
    let mut stream = stream.send().await.expect("answered");
    let poll = app.client().get(format!("{}/api/v1/offers?wait=25", app.base)).bearer_auth(doctor.token());
    let poll = tokio::spawn(poll.send());
    while app.state.metrics.long_polls.get() < 1 {
        tokio::task::yield_now().await;
    }
    app.pass(60);
    // A ping after the clock was moved; both have the same interval.
    for _ in 0..4 {
        stream.chunk().await.expect("open").expect("a ping");
    }
    let heard = [&doctor, &second].map(|one| coordination::LivenessKey::Staff(one.person.id));
    while app.state.coordination.last_heard_of(&heard).await != Some(vec![Some(app.now()); 2]) {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        ask_by(&walk_in(&app).await, "video").await.expect_created();
    }
    offer_waiting(&app.state).await.expect("a round");
    assert_eq!(app.logged("consultation.offered").await, 2);
    let polled: Value = poll.await.expect("joined").expect("answered").json().await.expect("JSON");
    assert_eq!(polled["items"].as_array().map(Vec::len), Some(1));
}

/// A poll that answers at once while an offer is open would miss the next one, or spin.
#[actix_web::test]
async fn a_poll_that_says_what_is_shown_waits_for_the_next_offer() {
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let (first, second) = (walk_in(&app).await, walk_in(&app).await);
    first.ask_for_doctor().await;
    offer_waiting(&app.state).await.expect("a round");
    let shown = doctor.offer().await["id"].as_str().expect("an offer").to_owned();
    let ids = |answer: &Value| -> Vec<Value> {
        answer["items"].as_array().expect("a list").iter().map(|offer| offer["id"].clone()).collect()
    };
    let path = |wait: u32, shown: &str| format!("/api/v1/offers?wait={wait}&shown={shown}");
    let same = app.get(&doctor.token(), &path(0, &shown)).await.expect(200);
    assert_eq!(ids(&same), [json!(shown)]);
    let (token, waits) = (doctor.token(), path(25, &shown));
    let (both, ()) = tokio::join!(app.get(&token, &waits), async {
        while app.state.metrics.long_polls.get() < 1 {
            tokio::task::yield_now().await;
        }
        second.ask_for_doctor().await;
        offer_waiting(&app.state).await.expect("a round");
    });
    let both = ids(&both.expect(200));
    assert_eq!((both.len(), &both[0]), (2, &json!(shown)), "the second offer ends the poll");
    let known = format!("{},{shown}", both[1].as_str().expect("an id"));
    assert_eq!(ids(&app.get(&doctor.token(), &path(0, &known)).await.expect(200)).len(), 2);
}

#[actix_web::test]
async fn after_the_shift_a_doctor_is_off_and_reads_why() {
    let app = TestApp::open().await;
    let (doctor, operator) = (app.doctor().await, app.operator().await);
    doctor.go_on_duty().await;
    let shown = duty(&doctor).await;
    assert_eq!((&shown["status"], &shown["off_because"]), (&json!("available"), &Value::Null));
    let mut conn = app.connection();
    let row = diesel::update(shift::table.filter(shift::staff_id.eq(doctor.person.id)));
    let ends_at = At(app.now() + chrono::TimeDelta::seconds(60));
    on_backend!(&mut conn, c => row.set(shift::ends_at.eq(ends_at)).execute(c)).expect("changed");
    app.pass(59);
    assert_eq!(duty(&doctor).await["status"], "available");
    app.pass(1);
    let shown = duty(&doctor).await;
    assert_eq!(
        (&shown["status"], &shown["off_because"], &shown["on_shift_until"]),
        (&json!("off"), &json!("no_shift"), &Value::Null)
    );
    doctor.put(DUTY, "*", json!({"presence": "available"})).await.expect_refused(Code::NotOnShift);
    // Without a licence they are off whatever the roster says.
    let second = app.second_doctor().await;
    let path = format!("/api/v1/staff/{}", second.person.id);
    let read = operator.get(&path).await.expect_ok();
    let mut change = json!({"name_zh": read["staff"]["name_zh"], "name_en": read["staff"]["name_en"],
        "hospital_id": read["staff"]["hospital_id"], "doctor": read["doctor"]});
    change["doctor"]["licence_no"] = json!("SAMPLE-2");
    change["doctor"]["licence_verified"] = json!(false);
    operator.put(&path, "*", change).await.expect_ok();
    let shown = duty(&second).await;
    assert_eq!((&shown["status"], &shown["off_because"]), (&json!("off"), &json!("licence")));
}

#[actix_web::test]
async fn whoever_goes_off_duty_gives_an_offer_back_at_once_and_is_not_away_for_it() {
    let app = TestApp::open().await;
    let (doctor, second, operator) = (app.doctor().await, app.second_doctor().await, app.operator().await);
    let worker = walk_in(&app).await;
    let id = worker.ask_for_doctor().await;
    let asked_at = worker.consultation(&id).await["requested_at"].clone();
    app.pass(5);
    doctor.go_on_duty().await;
    let offer = doctor.offer().await;
    assert_eq!(offer["consultation_id"], json!(id));
    doctor.go_off_duty().await;
    let waits = worker.consultation(&id).await;
    assert_eq!(
        (&waits["state"], &waits["requested_at"], &waits["position"]),
        (&json!("waiting"), &asked_at, &json!(1))
    );
    let shown = duty(&doctor).await;
    assert_eq!(
        (&shown["presence"], &shown["away_because"], &shown["live"]),
        (&json!("off"), &Value::Null, &json!(0))
    );
    doctor.accept(&offer).await.expect_refused(Code::OfferNotYours);
    // Signing out does the same; it is no refusal, so they may be asked again.
    doctor.go_on_duty().await;
    assert_eq!(doctor.offer().await["consultation_id"], json!(id));
    doctor.sign_out().await.expect_ok();
    assert_eq!(worker.consultation(&id).await["state"], "waiting");
    // What somebody has accepted stays theirs when they go off.
    second.go_on_duty().await;
    second.accept(&second.offer().await).await.expect_ok();
    let next = walk_in(&app).await.ask_for_doctor().await;
    assert_eq!(second.offer().await["consultation_id"], json!(next));
    second.go_off_duty().await;
    assert_eq!(worker.consultation(&id).await["state"], "active");
    assert_eq!(duty(&second).await["live"], json!(1));
    // Whose licence ends while they are asked is not asked any more either.
    second.go_on_duty().await;
    assert_eq!(second.offer().await["consultation_id"], json!(next));
    let path = format!("/api/v1/staff/{}", second.person.id);
    let read = operator.get(&path).await.expect_ok();
    let mut change = json!({"name_zh": read["staff"]["name_zh"], "name_en": read["staff"]["name_en"],
        "hospital_id": read["staff"]["hospital_id"], "doctor": read["doctor"]});
    change["doctor"]["licence_no"] = json!("SAMPLE-2");
    change["doctor"]["licence_verified"] = json!(false);
    operator.put(&path, "*", change).await.expect_ok();
    assert_eq!(expire_offers(&app.state).await.expect("a round"), 1);
    assert!(second.open_offers().await.is_empty());
    let shown = duty(&second).await;
    assert_eq!((&shown["presence"], &shown["live"]), (&json!("off"), &json!(1)));
    second.complete(&id).await.expect_ok();
    app.sound().await;
}
