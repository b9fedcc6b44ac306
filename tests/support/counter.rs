//! A cabinet that sells over the counter, and its customers.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde_json::{Value, json};

use super::{
    Station, TestApp, Worker, WorkerAtStation,
    places::{self, FilledSlot, Place},
};
use base::config::Config;
use domain::{ids::CabinetId, prescription::CabinetLane};
use service::{Actor, Failure, Tx};
use storage::{
    on_backend,
    schema::{order_unit, orders},
    sql_types::At,
};

/// What every counter sells, in slots 1 to 8.
const PRODUCTS: &[&str] =
    &["PCM-T500", "PCM-SR650", "IBU-T200", "COLD-G", "DIC-G1", "PVI-S5", "GUA-L20", "ZNO-O"];

/// A server on which the cabinet of the small network sells over the counter.
pub async fn counter() -> TestApp {
    counter_with(|_| {}).await
}

pub async fn counter_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::open_with(|config| {
        config.database_connections = 12;
        change(config);
    })
    .await;
    let seed = app.network().await;
    app.lane(seed, CabinetLane::RetailBOnly).await;
    let cabinet = seed.cabinet;
    app.state.write(Actor::System, move |tx| stock(tx, cabinet)).await.expect("stocked");
    app
}

fn stock(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    for (slot_no, product) in (1..).zip(PRODUCTS) {
        let lot = format!("{product}-{cabinet}");
        places::add_lot(tx, product, &lot, NaiveDate::from_ymd_opt(2027, 12, 31).expect("a day"))?;
        places::add_slot(tx, cabinet, &FilledSlot { slot_no, product, lot: &lot, packs: 30, capacity: 40 })?;
    }
    Ok(())
}

/// Another station with a counter of its own.
pub async fn another_counter(app: &TestApp) -> Station<'_> {
    let station = app
        .open_station(Place {
            code: "fushan-01".into(),
            district: "fushan",
            at_e6: (37_490_000, 121_260_000),
            encounter_lanes: "consultation_only",
        })
        .await;
    let (id, cabinet) = (station.id, CabinetId::generate());
    app.state
        .write(Actor::System, move |tx| {
            places::add_cabinet(tx, cabinet, id, CabinetLane::RetailBOnly)?;
            stock(tx, cabinet)
        })
        .await
        .expect("a counter");
    station
}

/// A man of 41 who has answered no health question yet.
pub fn man() -> Worker {
    Worker::walk_in().born("1985-03-01").sex("male")
}

/// A healthy man with this phone, who has answered every health question.
pub async fn customer<'a>(at: &Station<'a>, phone: &str) -> WorkerAtStation<'a> {
    let worker = at.check_in(man().phone(phone)).await;
    worker.answer_health_questions(json!({"job": "sanitation"})).await;
    worker
}

/// The rules of the findings in a refusal.
pub fn rules_of(problem: &Value) -> Vec<String> {
    let findings = problem["data"].as_array().unwrap_or_else(|| panic!("no findings: {problem}"));
    findings.iter().map(|one| one["rule"].as_str().expect("a rule").to_owned()).collect()
}

#[track_caller]
pub fn expect_rule(problem: &Value, rule: &str) {
    assert!(rules_of(problem).iter().any(|found| found == rule), "no {rule}: {problem}");
}

/// All packs of all orders come out, as their cabinets would report.
pub async fn vend_everything(app: &TestApp) {
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
