//! Nobody is sold a drug unchecked: the whole safety engine runs before a pack
//! is set aside, questions are asked, warnings accepted, and limits hold for
//! one person wherever they buy.

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    never_list::{disguised, put},
    seed::Seed,
};
use crypto::{
    device::DeviceKey,
    tokens::{Claims, Role},
};
use domain::{
    ids::{CabinetId, DeviceId, StationId},
    prescription::CabinetLane,
};
use service::{Actor, Failure};
use storage::{
    network as store, on_backend,
    schema::{order_unit, orders},
    sql_types::At,
};

const PROFILE: &str = "/api/v1/me/profile";
const ORDERS: &str = "/api/v1/orders";

/// What stands in every counter of these stories, ten packs each.
const SHELF: &[&str] =
    &["PCM-T500", "PCM-SR650", "IBU-T200", "COLD-G", "DIC-G1", "PVI-S5", "GUA-L20", "ZNO-O"];

/// A station that sells class B over the counter.
pub struct Counter {
    pub station: StationId,
    pub device: DeviceId,
    pub station_token: String,
}

/// A fresh token of a screen.
pub fn station_token(app: &TestApp, station: StationId, device: DeviceId) -> String {
    let life = TimeDelta::seconds(300);
    let mut claims =
        Claims::new(&app.state.policy.network, Role::Station, station.to_string(), app.now(), life);
    (claims.device, claims.epoch, claims.station) = (Some(device), Some(1), Some(station));
    app.state.keys.tokens.issue(&claims).expect("a token")
}

/// The small network with its cabinet as a counter.
pub async fn counter() -> (TestApp, Seed, Counter) {
    counter_with(|_| {}).await
}

pub async fn counter_with(change: impl FnOnce(&mut base::config::Config)) -> (TestApp, Seed, Counter) {
    let app = TestApp::open_with(|config| {
        config.database_connections = 12;
        change(config);
    })
    .await;
    let seed = app.seed().await;
    app.lane(&seed, CabinetLane::RetailBOnly).await;
    stock(&app, seed.cabinet, SHELF).await;
    let (station, device) = (seed.station, seed.station_device);
    let counter = Counter { station, device, station_token: station_token(&app, station, device) };
    (app, seed, counter)
}

async fn stock(app: &TestApp, cabinet_id: CabinetId, codes: &'static [&'static str]) {
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            for (slot_no, code) in (1..).zip(codes) {
                let (product_code, lot_no) = ((*code).to_owned(), format!("{code}-{cabinet_id}"));
                let expires_on = NaiveDate::from_ymd_opt(2027, 12, 31).expect("a day");
                let lot =
                    store::NewLot { product_code: product_code.clone(), lot_no: lot_no.clone(), expires_on };
                store::lots_add(tx.conn, &[lot])?;
                store::slots_add(
                    tx.conn,
                    &[store::NewSlot {
                        cabinet_id,
                        slot_no,
                        capacity: 40,
                        product_code: Some(product_code.clone()),
                        lot_no: Some(lot_no.clone()),
                    }],
                )?;
                store::slot_stocks_add(
                    tx.conn,
                    &[store::NewSlotStock {
                        cabinet_id,
                        slot_no,
                        product_code,
                        lot_no,
                        received: 30,
                        on_hand: 30,
                        reserved: 0,
                        in_doubt: 0,
                        dispensed: 0,
                        discarded: 0,
                    }],
                )?;
            }
            Ok(())
        })
        .await
        .expect("stocked");
}

/// Another station with a counter of its own.
pub async fn another_counter(app: &TestApp, number: u32) -> Counter {
    let (station, cabinet, device) = (StationId::generate(), CabinetId::generate(), DeviceId::generate());
    let key = DeviceKey::generate().expect("a key");
    app.keys.keep(device, &key);
    let public_key = key.public_key().to_string();
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            let created_at = At(tx.now);
            store::stations_add(
                tx.conn,
                &[store::NewStation {
                    id: station,
                    code: format!("fushan-{number:02}"),
                    name_zh: "样例驿站".into(),
                    name_en: "Sample Station".into(),
                    district: "fushan".into(),
                    latitude_e6: 37_490_000,
                    longitude_e6: 121_260_000,
                    encounter_lanes: "consultation_only".into(),
                    created_at,
                }],
            )?;
            store::cabinets_add(
                tx.conn,
                &[store::NewCabinet {
                    id: cabinet,
                    station_id: station,
                    lane: CabinetLane::RetailBOnly,
                    epoch: 1,
                    acked_seq: 0,
                    journal_head: "00".repeat(32),
                    door_open: false,
                    tampered: false,
                    created_at,
                }],
            )?;
            store::devices_add(
                tx.conn,
                &[store::NewDevice {
                    id: device,
                    kind: "station".into(),
                    station_id: station,
                    cabinet_id: None,
                    epoch: 1,
                    public_key: public_key.clone(),
                    enrolled_at: created_at,
                }],
            )?;
            Ok(())
        })
        .await
        .expect("a station");
    stock(app, cabinet, SHELF).await;
    Counter { station, device, station_token: station_token(app, station, device) }
}

/// A healthy man with this phone, who has answered everything.
pub async fn guest(app: &TestApp, at: &Counter, phone: &str) -> String {
    let token = stranger(app, at, json!({"phone": phone, "birth_date": "1985-03-01", "sex": "male"})).await;
    answers(app, &token, json!({"job": "sanitation"})).await;
    token
}

/// A walk-in who has answered nothing yet.
pub async fn stranger(app: &TestApp, at: &Counter, said: Value) -> String {
    let mut body = json!({"name": "样例甲", "consent": true, "phone": "15400000077"});
    body.as_object_mut().expect("members").extend(said.as_object().expect("members").clone());
    let opened = app.post(&at.station_token, "/api/v1/check-ins/walk-in", body).await.expect(201);
    opened["access_token"].as_str().expect("a token").to_owned()
}

/// Writes a profile in which there is nothing, but for `said`.
pub async fn answers(app: &TestApp, token: &str, said: Value) {
    let mut body = json!({"allergies": [], "conditions": [], "medicines": [], "pregnant": false,
        "breastfeeding": false});
    body.as_object_mut().expect("members").extend(said.as_object().expect("members").clone());
    let version = app.get(token, PROFILE).await.headers["etag"].to_str().expect("text").to_owned();
    app.put(token, PROFILE, &version, body).await.expect(200);
}

pub fn lines(lines: &[(&str, u32)]) -> Value {
    let one = |(code, packs): &(&str, u32)| json!({"product_code": code, "packs": packs});
    json!({"lines": lines.iter().map(one).collect::<Vec<_>>()})
}

pub async fn buy(app: &TestApp, token: &str, wanted: &[(&str, u32)]) -> Answer {
    app.post(token, ORDERS, lines(wanted)).await
}

/// The rules of the findings in a refusal.
pub fn found(problem: &Value) -> Vec<String> {
    let findings = problem["data"].as_array().expect("findings");
    findings.iter().map(|one| one["rule"].as_str().expect("a rule").to_owned()).collect()
}

/// The fields that a refusal asks for.
pub fn asked(problem: &Value) -> Vec<String> {
    let questions = problem["data"]["questions"].as_array().expect("questions");
    for one in questions {
        assert!(one["question"]["zh"].is_string() && one["question"]["en"].is_string(), "{one}");
    }
    questions.iter().map(|one| one["field"].as_str().expect("a field").to_owned()).collect()
}

/// All packs of the house come out, as a cabinet would tell.
async fn all_come_out(app: &TestApp) {
    app.state
        .write(Actor::System, |tx| -> Result<(), Failure> {
            let at = Some(At(tx.now));
            on_backend!(tx.conn, c => diesel::update(order_unit::table)
                .set((order_unit::state.eq("dispensed"), order_unit::ended_at.eq(at)))
                .execute(c))?;
            on_backend!(tx.conn, c => diesel::update(orders::table)
                .set((orders::state.eq("completed"), orders::ended_at.eq(at)))
                .execute(c))?;
            Ok(())
        })
        .await
        .expect("written");
}

#[actix_web::test]
async fn who_was_never_asked_is_asked_what_the_products_need_and_no_more() {
    let (app, _, counter) = counter().await;
    let token = stranger(&app, &counter, json!({})).await;
    let problem = buy(&app, &token, &[("IBU-T200", 1)]).await.problem(422, "health_questions_unanswered");
    assert_eq!(
        asked(&problem),
        ["birth_date", "pregnant", "breastfeeding", "allergies", "conditions", "medicines"]
    );
    let about = &problem["data"]["questions"][4]["about"];
    assert!(about.as_array().expect("conditions").contains(&json!("peptic_ulcer")), "{about}");
    // What stays on the skin asks less; what makes sleepy asks for the job.
    let problem = buy(&app, &token, &[("DIC-G1", 1)]).await.problem(422, "health_questions_unanswered");
    assert_eq!(asked(&problem), ["birth_date", "pregnant", "allergies", "conditions", "medicines"]);
    let problem = buy(&app, &token, &[("COLD-G", 1)]).await.problem(422, "health_questions_unanswered");
    assert_eq!(asked(&problem), ["birth_date", "pregnant", "allergies", "conditions", "medicines", "job"]);
    // A profile that answers half of it leaves the other half open: it does not say no.
    app.put(
        &token,
        PROFILE,
        "\"0\"",
        json!({"sex": "male", "birth_date": "1990-01-01", "allergies": ["无"]}),
    )
    .await
    .expect(200);
    let problem = buy(&app, &token, &[("IBU-T200", 1)]).await.problem(422, "health_questions_unanswered");
    assert_eq!(asked(&problem), ["conditions", "medicines"]);
    answers(&app, &token, json!({"sex": "male", "birth_date": "1990-01-01", "allergies": ["NKDA"]})).await;
    let order = buy(&app, &token, &[("IBU-T200", 1)]).await.expect(201);
    assert_eq!(order["safety"]["accepted_warnings"], json!([]));
    app.sound().await;
}

#[actix_web::test]
async fn a_woman_of_any_fertile_age_is_asked_and_a_pregnant_one_warned_or_refused() {
    let (app, _, counter) = counter().await;
    let woman = json!({"birth_date": "1995-06-01", "sex": "female"});
    let token = stranger(&app, &counter, woman).await;
    answers(&app, &token, json!({"pregnant": null, "breastfeeding": null})).await;
    let problem = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "health_questions_unanswered");
    assert_eq!(asked(&problem), ["pregnant"]);
    answers(&app, &token, json!({"pregnant": true})).await;
    let refused = buy(&app, &token, &[("IBU-T200", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"contraindication".to_owned()), "{refused}");
    let warned = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_warnings_unaccepted");
    assert_eq!(found(&warned), ["self_care_pregnancy"]);
}

#[actix_web::test]
async fn pregnant_with_a_sick_liver_and_allergic_nothing_of_it_is_set_aside() {
    let (app, seed, counter) = counter().await;
    let woman = json!({"birth_date": "1992-06-01", "sex": "female"});
    let token = stranger(&app, &counter, woman).await;
    let ill = json!({"pregnant": true, "conditions": ["severe_liver_disease"],
        "allergies": ["nsaids", "paracetamol"]});
    answers(&app, &token, ill).await;
    for wanted in [
        &[("PCM-T500", 1), ("COLD-G", 1), ("IBU-T200", 1)][..],
        &[("PCM-T500", 1)],
        &[("COLD-G", 1)],
        &[("IBU-T200", 1)],
    ] {
        let refused = buy(&app, &token, wanted).await.problem(422, "safety_blocked");
        let rules = found(&refused);
        assert!(rules.contains(&"allergy".to_owned()), "{refused}");
        let first = &refused["data"][0];
        assert_eq!(first["severity"], "block");
        assert!(first["message"]["zh"].is_string() && first["message"]["en"].is_string(), "{first}");
    }
    for slot in [1, 3, 4] {
        assert_eq!(app.slot(&seed, slot).await.1, 0, "nothing is reserved");
    }
    assert_eq!(app.get(&token, ORDERS).await.expect(200)["items"], json!([]));
}

#[actix_web::test]
async fn a_warning_is_read_accepted_and_kept() {
    let (app, seed, counter) = counter().await;
    let token = stranger(&app, &counter, json!({"birth_date": "1985-03-01", "sex": "male"})).await;
    answers(&app, &token, json!({"job": "courier"})).await;
    let warned = buy(&app, &token, &[("COLD-G", 1)]).await.problem(422, "safety_warnings_unaccepted");
    assert_eq!(found(&warned), ["self_care_machines"]);
    let mut body = lines(&[("COLD-G", 1)]);
    body["accepted_warnings"] = json!(["another_rule"]);
    app.post(&token, ORDERS, body.clone()).await.problem(422, "safety_warnings_unaccepted");
    body["accepted_warnings"] = json!(["another_rule", "self_care_machines"]);
    let order = app.post(&token, ORDERS, body.clone()).await.expect(201);
    assert_eq!(
        order["safety"]["accepted_warnings"],
        json!(["self_care_machines"]),
        "what was warned of only"
    );
    let path = format!("{ORDERS}/{}", order["id"].as_str().expect("an id"));
    let again = app.get(&token, &path).await.expect(200);
    assert_eq!(again["safety"], order["safety"]);
    assert!(again["safety"]["findings"][0]["message"]["zh"].is_string(), "{again}");
    // The log tells that one was accepted, not which: that would be health data.
    let events = app.get(&seed.operator.token, "/api/v1/events/page?limit=100").await;
    if events.status == 200 {
        assert!(!events.body.to_string().contains("self_care_machines"));
    }
    app.post(&token, &format!("{path}/pay"), json!({"method": "subsidy"})).await;
    // A prescription's warnings are the doctor's.
    let mixed = json!({"prescription_id": uuid::Uuid::now_v7(), "accepted_warnings": []});
    app.post(&token, ORDERS, mixed).await.problem(422, "invalid_field");
}

#[actix_web::test]
async fn four_hundred_tablets_are_not_to_be_had() {
    let (app, _, counter) = counter_with(|config| {
        let policy = json!({"unpaid_orders": 50, "unpaid_packs": 500});
        config.policy.insert("vending".to_owned(), policy);
    })
    .await;
    let other = another_counter(&app, 1).await;
    let token = guest(&app, &counter, "15400000031").await;
    let refused = buy(&app, &token, &[("PCM-T500", 5)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"amount_over_course".to_owned()), "{refused}");
    let mut tablets = 0;
    for _ in 0..20 {
        for code in ["PCM-T500", "PCM-SR650", "COLD-G"] {
            let mut body = lines(&[(code, 1)]);
            body["accepted_warnings"] = json!(["self_care_machines", "duplicate_ingredient"]);
            let answer = app.post(&token, ORDERS, body).await;
            tablets += if answer.status == 201 { 20 } else { 0 };
        }
    }
    assert_eq!(tablets, 20, "one pack of one of them");
    // The same phone somewhere else is the same person; another phone is not.
    let same = guest(&app, &other, "15400000031").await;
    buy(&app, &same, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    let another = guest(&app, &other, "15400000032").await;
    buy(&app, &another, &[("PCM-T500", 1)]).await.expect(201);
    app.sound().await;
}

#[actix_web::test]
async fn strangers_together_get_a_few_packs_a_day_at_one_station() {
    let (app, _, mut counter) = counter().await;
    let other = another_counter(&app, 1).await;
    // Nobody says a phone: a new person each time.
    let new = async |at: &Counter| {
        let said = json!({"phone": null, "birth_date": "1985-03-01", "sex": "male"});
        let token = stranger(&app, at, said).await;
        answers(&app, &token, json!({"job": "sanitation"})).await;
        token
    };
    let mut sold = 0;
    for _ in 0..8 {
        let token = new(&counter).await;
        let answer = buy(&app, &token, &[("PCM-T500", 1)]).await;
        if answer.status == 201 {
            sold += 1;
        } else {
            let refused = answer.problem(422, "safety_blocked");
            assert!(found(&refused).contains(&"strangers_amount".to_owned()), "{refused}");
            assert!(refused["data"][0]["message"]["zh"].as_str().is_some_and(|words| words.contains("手机")));
        }
    }
    assert_eq!(sold, 4, "packs of twenty");
    // Another product with it counts alike, another drug does not.
    let token = new(&counter).await;
    let mut cold = lines(&[("COLD-G", 1)]);
    cold["accepted_warnings"] = json!(["self_care_machines"]);
    app.post(&token, ORDERS, cold).await.problem(422, "safety_blocked");
    buy(&app, &token, &[("IBU-T200", 1)]).await.expect(201);
    // Another station, and another day.
    let token = new(&other).await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    all_come_out(&app).await;
    app.pass(86_400);
    counter.station_token = station_token(&app, counter.station, counter.device);
    let token = new(&counter).await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
}

#[actix_web::test]
async fn who_is_known_is_not_held_by_what_strangers_bought() {
    let (app, seed, counter) = counter_with(|config| {
        config.policy.insert("vending".to_owned(), json!({"walk_in_packs": 1}));
    })
    .await;
    let token = guest(&app, &counter, "15400000071").await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    let token = guest(&app, &counter, "15400000072").await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    let visit = app.visit(&seed).await;
    answers(&app, &visit.token, json!({})).await;
    buy(&app, &visit.token, &[("PCM-T500", 1)]).await.expect(201);
}

#[actix_web::test]
async fn of_two_statements_of_age_the_younger_counts() {
    let (app, _, counter) = counter().await;
    let token = guest(&app, &counter, "15400000073").await;
    answers(&app, &token, json!({"birth_date": "2014-06-01", "job": "courier"})).await;
    let refused = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"self_care_age".to_owned()), "{refused}");
}

#[actix_web::test]
async fn two_products_with_one_drug_in_one_order_are_judged_together() {
    let (app, _, counter) = counter().await;
    let token = guest(&app, &counter, "15400000033").await;
    let refused = buy(&app, &token, &[("PCM-T500", 1), ("COLD-G", 1)]).await.problem(422, "safety_blocked");
    let rules = found(&refused);
    assert!(
        rules.contains(&"second_product".to_owned()) && rules.contains(&"max_day".to_owned()),
        "{rules:?}"
    );
    buy(&app, &token, &[("PCM-T500", 1), ("PCM-T500", 1)]).await.problem(422, "invalid_field");
}

#[actix_web::test]
async fn of_many_orders_at_once_by_one_person_one_goes_through() {
    let (app, _, counter) = counter().await;
    let other = another_counter(&app, 1).await;
    let one = guest(&app, &counter, "15400000034").await;
    let two = guest(&app, &other, "15400000034").await;
    let body = lines(&[("PCM-T500", 1)]);
    let answers = join_all((0..16).map(|n| {
        let token = if n % 2 == 0 { &one } else { &two };
        app.post(token, ORDERS, body.clone())
    }))
    .await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(422, "safety_blocked");
    }
    app.sound().await;
}

#[actix_web::test]
async fn what_came_out_lately_counts_until_the_course_is_over() {
    let (app, _, mut counter) = counter().await;
    let token = guest(&app, &counter, "15400000035").await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    all_come_out(&app).await;
    for (days, code, sold) in [
        (1, "PCM-SR650", false),
        (2, "PCM-T500", false),
        // The five days are over; a second course needs a doctor's look all the same.
        (3, "PCM-T500", false),
        (3, "PCM-T500", true),
    ] {
        app.pass(days * 86_400);
        counter.station_token = station_token(&app, counter.station, counter.device);
        let token = guest(&app, &counter, "15400000035").await;
        let answer = buy(&app, &token, &[(code, 1)]).await;
        if sold {
            answer.expect(201);
        } else {
            answer.problem(422, "safety_blocked");
        }
    }
}

#[actix_web::test]
async fn nobody_holds_more_than_a_few_unpaid_orders() {
    let (app, _, counter) = counter().await;
    let other = another_counter(&app, 1).await;
    let token = guest(&app, &counter, "15400000036").await;
    let first = buy(&app, &token, &[("IBU-T200", 1)]).await.expect(201);
    buy(&app, &token, &[("DIC-G1", 1)]).await.problem(422, "safety_warnings_unaccepted");
    buy(&app, &token, &[("GUA-L20", 1)]).await.expect(201);
    let refused = buy(&app, &token, &[("PVI-S5", 1)]).await.problem(409, "unpaid_orders_exceeded");
    assert_eq!((&refused["data"]["unpaid_orders"], &refused["data"]["most_orders"]), (&json!(2), &json!(2)));
    let same = guest(&app, &other, "15400000036").await;
    buy(&app, &same, &[("PVI-S5", 1)]).await.problem(409, "unpaid_orders_exceeded");
    let path = format!("{ORDERS}/{}/cancel", first["id"].as_str().expect("an id"));
    app.post(&token, &path, json!({})).await.expect(200);
    buy(&app, &same, &[("PVI-S5", 1)]).await.expect(201);
    app.sound().await;
}

#[actix_web::test]
async fn what_nobody_can_judge_is_not_sold_by_a_machine() {
    let (app, _, counter) = counter().await;
    let token = guest(&app, &counter, "15400000037").await;
    for (said, rule) in [
        (json!({"medicines": ["祖传秘方"]}), "unknown_medicine"),
        (json!({"allergies": ["祖传秘方"]}), "unknown_allergy"),
        (json!({"medicines": ["paracetamol"]}), "sum_unknown"),
        (json!({"medicines": ["clarithromycin"]}), "unknown_pair"),
    ] {
        answers(&app, &token, said).await;
        let refused = buy(&app, &token, &[("PCM-T500", 1)]).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert!(
            refused.body["code"] == "safety_unknown" || refused.body["code"] == "safety_blocked",
            "{}",
            refused.body
        );
        assert!(found(&refused.body).contains(&rule.to_owned()), "{}", refused.body);
    }
    // An unknown is nothing that a buyer may accept.
    answers(&app, &token, json!({"medicines": ["祖传秘方"]})).await;
    let mut body = lines(&[("PCM-T500", 1)]);
    body["accepted_warnings"] = json!(["unknown_medicine"]);
    app.post(&token, ORDERS, body).await.problem(422, "safety_unknown");
    answers(&app, &token, json!({"medicines": ["无"], "allergies": ["不过敏"]})).await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
}

#[actix_web::test]
async fn age_breath_and_the_job_count() {
    let (app, _, counter) = counter().await;
    let child = stranger(&app, &counter, json!({"birth_date": "2012-06-01", "sex": "male"})).await;
    answers(&app, &child, json!({"job": "courier"})).await;
    let refused = buy(&app, &child, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert_eq!(found(&refused), ["self_care_age"], "{refused}");
    let small = stranger(&app, &counter, json!({"birth_date": "2019-06-01", "sex": "male"})).await;
    answers(&app, &small, json!({})).await;
    let refused = buy(&app, &small, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"age_minimum".to_owned()), "{refused}");
    let token = stranger(&app, &counter, json!({"birth_date": "1985-06-01", "sex": "male"})).await;
    answers(&app, &token, json!({"job": "construction_at_height"})).await;
    let refused = buy(&app, &token, &[("COLD-G", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"self_care_height".to_owned()), "{refused}");
    let drunk =
        json!({"readings": [{"kind": "breath_alcohol", "value": 300, "unit": "ug/L", "device": "breath-1"}]});
    app.post(&token, "/api/v1/readings", drunk).await.expect(201);
    let refused = buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"paracetamol_ethanol_breath".to_owned()), "{refused}");
}

#[actix_web::test]
async fn what_is_said_before_paying_counts() {
    let (app, _, counter) = counter().await;
    let woman = json!({"birth_date": "1995-06-01", "sex": "female"});
    let token = stranger(&app, &counter, woman).await;
    answers(&app, &token, json!({})).await;
    let order = buy(&app, &token, &[("IBU-T200", 1)]).await.expect(201);
    answers(&app, &token, json!({"pregnant": true})).await;
    let path = format!("{ORDERS}/{}", order["id"].as_str().expect("an id"));
    let pay = json!({"method": "subsidy"});
    app.post(&token, &format!("{path}/pay"), pay.clone()).await.problem(422, "safety_blocked");
    assert_eq!(app.get(&token, &path).await.expect(200)["state"], "reserved");
}

#[actix_web::test]
async fn a_product_without_a_sourced_maximum_or_of_the_never_list_is_not_sold() {
    let (app, seed, counter) = counter().await;
    let token = guest(&app, &counter, "15400000038").await;
    let refused = buy(&app, &token, &[("ZNO-O", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"no_sourced_maximum".to_owned()), "{refused}");
    put(&app, disguised(&app, "OLD-DXM", "dextromethorphan")).await;
    let refused = buy(&app, &token, &[("OLD-DXM", 1)]).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"never_list".to_owned()), "{refused}");
    assert_eq!(app.slot(&seed, 8).await.1, 0);
}

#[actix_web::test]
async fn nothing_is_sold_without_consent_to_read_the_record() {
    let (app, _, counter) = counter().await;
    let token = guest(&app, &counter, "15400000039").await;
    app.post(&token, "/api/v1/me/consents/withdraw", json!({"purpose": "health_care"})).await.expect(200);
    buy(&app, &token, &[("PCM-T500", 1)]).await.problem(422, "consent_missing");
}

#[actix_web::test]
async fn a_walk_in_and_the_card_with_that_phone_are_one_person() {
    let (app, seed, counter) = counter().await;
    // The phone of the seeded worker's card.
    let token = guest(&app, &counter, "15400000001").await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    all_come_out(&app).await;
    let visit = app.visit(&seed).await;
    answers(&app, &visit.token, json!({})).await;
    buy(&app, &visit.token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
}

#[actix_web::test]
async fn what_a_walk_in_bought_counts_after_the_merge() {
    let (app, seed, counter) = counter().await;
    let token = guest(&app, &counter, "15400000040").await;
    buy(&app, &token, &[("PCM-T500", 1)]).await.expect(201);
    all_come_out(&app).await;
    let guest = app.get(&token, "/api/v1/me").await.expect(200);
    let leave = format!("/api/v1/check-ins/{}/leave", guest["check_in_id"].as_str().expect("an id"));
    app.post(&counter.station_token, &leave, json!({})).await.expect(200);
    let path = format!("/api/v1/workers/{}/merge", guest["id"].as_str().expect("an id"));
    app.post(&seed.operator.token, &path, json!({"into": seed.worker, "accept": ["birth_date"]}))
        .await
        .expect(200);
    let visit = app.visit(&seed).await;
    answers(&app, &visit.token, json!({})).await;
    buy(&app, &visit.token, &[("PCM-T500", 1)]).await.problem(422, "safety_blocked");
}

#[actix_web::test]
async fn a_prescription_is_checked_again_when_it_is_ordered_and_paid() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let prescription = app.prescribe(&seed, &visit, 1).await;
    let body = json!({"prescription_id": prescription});
    // Something new that a doctor could answer, and something that nobody can.
    answers(&app, &visit.token, json!({"allergies": ["cephalosporins"]})).await;
    let again = app.post(&visit.token, ORDERS, body.clone()).await.problem(422, "safety_recheck_needed");
    assert_eq!(found(&again), ["allergy_cross"]);
    answers(&app, &visit.token, json!({"allergies": ["penicillins"]})).await;
    let refused = app.post(&visit.token, ORDERS, body.clone()).await.problem(422, "safety_blocked");
    assert!(found(&refused).contains(&"allergy".to_owned()), "{refused}");
    answers(&app, &visit.token, json!({})).await;
    let order = app.post(&visit.token, ORDERS, body).await.expect(201);
    answers(&app, &visit.token, json!({"allergies": ["penicillins"]})).await;
    let pay = format!("{ORDERS}/{}/pay", order["id"].as_str().expect("an id"));
    app.post(&visit.token, &pay, json!({"method": "subsidy"})).await.problem(422, "safety_blocked");
    answers(&app, &visit.token, json!({})).await;
    app.post(&visit.token, &pay, json!({"method": "subsidy"})).await.expect(200);
    app.sound().await;
}
