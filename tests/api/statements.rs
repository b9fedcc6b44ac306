//! What each verb costs: its statements and commits on both engines, as a committed table, so that
//! a review sees one more.
//!
//! A journey is played with a clock that stands still, so an update that keeps a session or a
//! check-in alive, once in ten seconds, comes on top. The first time fills the caches and is not
//! counted; two more must cost the same.

use std::fmt::Write;

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, engine},
    harness::{TestApp, root},
    machine::{CabinetMachine, DROP},
    prescribing::draft_of,
    seed::{PASSWORD, PIN, Person},
    staff_tokens::code,
    support::{
        Answer, Caller, Doctor, Pharmacist, Worker,
        care::reading,
        id_in,
        places::{FilledSlot, add_lot, add_slot},
        vending::{attempt_of, code_of},
        waiting::until_every_event_is_visible,
    },
};
use service::{Actor, Failure};

const TABLE: &str = "tests/golden/statements.txt";
/// The drugs that the doctor prescribes.
const DRUGS: &[&str] = &["PCM-T500", "GUA-L20"];
/// A verb, its statements and its commits.
type Row = (&'static str, [u64; 2]);

/// Counts what each call costs.
struct Meter<'a> {
    app: &'a TestApp,
    rows: Vec<Row>,
}

impl Meter<'_> {
    fn read(&self) -> [u64; 2] {
        self.app.state.store.statements().read().into()
    }

    /// The result of `call`, and a row for it.
    async fn of<T>(&mut self, verb: &'static str, call: impl Future<Output = T>) -> T {
        let before = self.read();
        let result = call.await;
        let after = self.read();
        self.rows.push((verb, [after[0] - before[0], after[1] - before[1]]));
        result
    }

    /// The body of a good answer to `call`, and a row for it.
    async fn done(&mut self, verb: &'static str, call: impl Future<Output = Answer>) -> Value {
        let answer = self.of(verb, call).await;
        assert!(answer.status.is_success(), "{verb}: {} {}", answer.status, answer.body);
        answer.body
    }
}

#[actix_web::test]
async fn the_table_of_statements_is_committed_as_counted() {
    let app = TestApp::open().await;
    fill(&app).await;
    let mut machine = app.cabinet().await;
    play(&app, &mut machine, "99000000101").await;
    let counted = play(&app, &mut machine, "99000000102").await;
    let again = play(&app, &mut machine, "99000000103").await;
    for (row, other) in counted.iter().zip(&again) {
        assert_eq!(row, other, "another number of statements the next time");
    }
    app.sound().await;
    compare(&counted);
}

/// Every drug in a slot of its own.
async fn fill(app: &TestApp) {
    let cabinet = app.network().await.cabinet;
    let filled = app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
        for (slot_no, product) in (1..).zip(DRUGS) {
            add_lot(tx, product, product, NaiveDate::from_ymd_opt(2027, 12, 31).expect("a day"))?;
            add_slot(tx, cabinet, &FilledSlot { slot_no, product, lot: product, packs: 30, capacity: 40 })?;
        }
        Ok(())
    });
    filled.await.expect("filled");
}

/// A worker's whole visit, with everybody who takes part in it.
async fn play(app: &TestApp, machine: &mut CabinetMachine<'_>, card: &str) -> Vec<Row> {
    // The next one-time codes.
    app.pass(60);
    let mut meter = Meter { app, rows: Vec::new() };
    let (doctor, pharmacist) = (app.doctor().await, Pharmacist::new(app, &app.network().await.pharmacist));
    come_to_work(&mut meter, &doctor).await;
    look_after_the_network(&mut meter, machine, card).await;
    let station = app.station().await;
    let card = format!("{card}{}", domain::network::luhn_check_digit(card).expect("digits"));
    let worker = meter.of("POST /check-ins", station.check_in(Worker::with_card(&card))).await;
    let stream = app.client().head(format!("{}/api/v1/events", app.base)).bearer_auth(worker.token());
    assert_eq!(meter.of("HEAD /events", stream.send()).await.expect("answered").status(), 200);
    meter.done("GET /me", worker.get("/api/v1/me")).await;
    meter.done("GET /me/profile", worker.get("/api/v1/me/profile")).await;
    let consent = worker.post("/api/v1/me/consents", json!({"purpose": "health_care"}));
    meter.done("POST /me/consents", consent).await;
    let profile = json!({"allergies": [], "conditions": [], "medicines": []});
    meter.done("PUT /me/profile", worker.put("/api/v1/me/profile", "\"0\"", profile)).await;
    let measured = [reading("heart_rate", 72), reading("temperature", 371), reading("blood_pressure", 121)];
    meter.of("POST /readings", worker.measure(&measured)).await;
    meter.done("POST /symptoms", worker.report_symptoms(&[])).await;
    meter.of("GET /triage", worker.triage()).await;
    let idle = async || service::matching::offer_waiting(&app.state).await.expect("a round");
    meter.of("job matching, nobody waits", idle()).await;
    meter.of("GET /offers, none", doctor.open_offers()).await;
    let consultation = meter.of("POST /consultations", worker.ask_for_doctor()).await;
    meter.of("job matching, one waits", idle()).await;
    let offers = meter.of("GET /offers, one", doctor.open_offers()).await;
    meter.done("POST /offers/{id}/accept", doctor.accept(&offers[0])).await;
    talk(&mut meter, &doctor, &worker, &consultation).await;
    prescribe(&mut meter, &doctor, &pharmacist, &consultation).await;
    meter.of("GET /prescriptions (worker)", worker.list("/api/v1/prescriptions")).await;
    meter.done("POST /consultations/{id}/complete", doctor.complete(&consultation)).await;
    meter.done("POST /consultations/{id}/rating", worker.rate(&consultation, 5)).await;
    let prescriptions = worker.list("/api/v1/prescriptions").await;
    let order = worker.order_prescribed(id_in(&prescriptions[0]));
    let order = meter.done("POST /orders", order).await;
    let order = meter.done("POST /orders/{id}/pay", worker.pay(&order)).await;
    vend(&mut meter, machine, &order).await;
    meter.of("GET /orders/{id}", worker.order(&order)).await;
    meter.of("GET /orders", worker.list("/api/v1/orders")).await;
    meter.done("GET /account", worker.get("/api/v1/account")).await;
    meter.done("GET /report", worker.get("/api/v1/report")).await;
    meter.done("POST /check-ins/{id}/token", station.renew_token(&worker)).await;
    meter.done("POST /check-ins/{id}/leave", worker.leave()).await;
    until_every_event_is_visible(app).await;
    meter.of("job audit seal", service::audit::seal(&app.state)).await.expect("sealed");
    meter.rows
}

/// The doctor signs in anew; the session in which the doctor works is another one.
async fn come_to_work(meter: &mut Meter<'_>, doctor: &Doctor<'_>) {
    let (app, person) = (meter.app, &doctor.person);
    let body = json!({"email": person.email, "password": PASSWORD, "totp": code(app, person)});
    let opened = meter.done("POST /tokens/staff", app.post("", "/api/v1/tokens/staff", body)).await;
    let body = json!({"refresh_token": opened["refresh_token"]});
    let renewed = app.post("", "/api/v1/tokens/refresh", body);
    meter.done("POST /tokens/refresh", renewed).await;
    app.pass(30);
    let window = json!({"totp": code(app, person)});
    let path = "/api/v1/session/signing-window";
    meter.done("POST /session/signing-window", doctor.post(path, window)).await;
    let pharmacist: &Person = &app.network().await.pharmacist;
    assert!(app.open_signing_window(pharmacist, 10).await, "signed out");
    meter.done("GET /session", doctor.get("/api/v1/session")).await;
    meter.of("PUT /duty", doctor.go_on_duty()).await;
    meter.of("GET /duty", doctor.duty()).await;
}

async fn look_after_the_network(meter: &mut Meter<'_>, machine: &CabinetMachine<'_>, card: &str) {
    let operator = meter.app.operator().await;
    let card = format!("{card}{}", domain::network::luhn_check_digit(card).expect("digits"));
    let body = json!({"card_number": card, "pin": PIN, "name": "样例丙", "phone": format!("154{}", &card[4..]),
        "birth_date": "1990-01-01", "sex": "male", "job": "courier", "employer_id": null, "language": "zh"});
    let worker = meter.done("POST /workers", operator.post("/api/v1/workers", body)).await;
    let doctor = machine.seed.doctor.id;
    let rule = json!({"staff_id": doctor, "first_date": "2026-11-25", "start_time": "20:00", "length_minutes": 720,
        "rrule": "FREQ=DAILY"});
    let rule = meter.done("POST /shift-rules", operator.post("/api/v1/shift-rules", rule)).await;
    let leave = json!({"staff_id": doctor, "starts_at": "2026-11-26T00:00:00Z", "ends_at": "2026-11-28T00:00:00Z",
        "reason": "annual"});
    let leave = meter.done("POST /leaves", operator.post("/api/v1/leaves", leave)).await;
    let leave = format!("/api/v1/leaves/{}/end", id_in(&leave));
    meter.done("POST /leaves/{id}/end", operator.post(&leave, json!({}))).await;
    let rule = format!("/api/v1/shift-rules/{}/end", id_in(&rule));
    meter.done("POST /shift-rules/{id}/end", operator.post(&rule, json!({}))).await;
    let cabinet = format!("/api/v1/cabinets/{}", machine.seed.cabinet);
    let worker = format!("/api/v1/workers/{}", id_in(&worker));
    for (verb, path) in [
        ("GET /workers/{id}", worker.as_str()),
        ("GET /stations", "/api/v1/stations"),
        ("GET /staff", "/api/v1/staff"),
        ("GET /shifts", "/api/v1/shifts"),
        ("GET /shift-rules", "/api/v1/shift-rules"),
        ("GET /coverage", "/api/v1/coverage"),
        ("GET /alerts", "/api/v1/alerts?open=true"),
        ("GET /incidents", "/api/v1/incidents?open=true"),
        ("GET /cabinets", "/api/v1/cabinets"),
        ("GET /cabinets/{id}", cabinet.as_str()),
        ("GET /audit/invariants", "/api/v1/audit/invariants"),
    ] {
        meter.done(verb, operator.get(path)).await;
    }
}

async fn talk(
    meter: &mut Meter<'_>,
    doctor: &Doctor<'_>,
    worker: &crate::support::WorkerAtStation<'_>,
    consultation: &str,
) {
    meter.of("GET /consultations/{id}", worker.consultation(consultation)).await;
    meter.of("GET /consultations/{id}/record", doctor.record(consultation)).await;
    let said = doctor.say(consultation, "多久了？");
    meter.done("POST /consultations/{id}/messages", said).await;
    let messages = format!("/api/v1/consultations/{consultation}/messages");
    meter.of("GET /consultations/{id}/messages", worker.list(&messages)).await;
    let answered = worker.say(consultation, "三天");
    meter.done("POST /consultations/{id}/messages (worker)", answered).await;
    meter.of("GET /consultations (doctor)", doctor.list("/api/v1/consultations")).await;
}

async fn prescribe(
    meter: &mut Meter<'_>,
    doctor: &Doctor<'_>,
    pharmacist: &Pharmacist<'_>,
    consultation: &str,
) {
    meter.done("GET /products/{code}", doctor.get("/api/v1/products/PCM-T500")).await;
    let formulary = format!("/api/v1/consultations/{consultation}/formulary?search=T500");
    meter.done("GET /consultations/{id}/formulary", doctor.get(&formulary)).await;
    let lines: Value = draft_of(DRUGS)["lines"].clone();
    let check = doctor.check(json!({"consultation_id": consultation, "lines": lines}));
    meter.done("POST /prescriptions/check", check).await;
    let draft = doctor.prescribe(consultation, DRUGS);
    let draft = meter.done("POST /consultations/{id}/prescriptions", draft).await;
    let id = id_in(&draft);
    meter.done("GET /prescriptions/{id}", doctor.prescription(id)).await;
    let stations = format!("/api/v1/prescriptions/{id}/stations");
    meter.done("GET /prescriptions/{id}/stations", doctor.get(&stations)).await;
    meter.of("GET /reviews, none", pharmacist.reviews()).await;
    meter.done("POST /prescriptions/{id}/sign", doctor.sign(id)).await;
    meter.of("GET /reviews, one", pharmacist.reviews()).await;
    meter.done("GET /reviews/{id}", pharmacist.review(id)).await;
    meter.done("POST /prescriptions/{id}/approve", pharmacist.approve(id)).await;
}

async fn vend(meter: &mut Meter<'_>, machine: &mut CabinetMachine<'_>, order: &Value) {
    meter.done("POST /cabinet/v1/hello", machine.hello()).await;
    let work = meter.done("GET /cabinet/v1/work, one order", machine.poll()).await;
    machine.take(work);
    for unit in 0..order["units"].as_array().expect("units").len() {
        let attempt = attempt_of(order, unit);
        let code = code_of(order);
        let grant = machine.start(attempt, &code);
        let grant = meter.done("POST /cabinet/v1/attempts/{id}/start", grant).await;
        assert!(machine.granted(attempt, grant), "the motor runs");
        let steps = machine.side.sensed(attempt, DROP, None);
        machine.carry_out(steps);
        meter.done("POST /cabinet/v1/events, one pack", machine.report()).await;
    }
    machine.work().await;
    meter.done("GET /cabinet/v1/work, none", machine.poll()).await;
}

/// Compares with this engine's columns of the committed table; `UPDATE_GOLDEN=1` rewrites them.
fn compare(rows: &[Row]) {
    let file = root().join(TABLE);
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let fresh = table(rows, &committed);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &fresh).expect("written");
    } else {
        assert!(
            committed == fresh,
            "{TABLE} differs from what was counted; review the change, then run the tests with \
             UPDATE_GOLDEN=1\n{fresh}"
        );
    }
}

/// The table with the counted numbers in this engine's columns. Those of the other engine are
/// repeated from the committed table.
fn table(rows: &[Row], committed: &str) -> String {
    let mut text = String::from(
        "# Statements and commits of each verb, in the order of a visit; BEGIN, SAVEPOINT, RELEASE and COMMIT \
         are statements.\n# Paths begin with /api/v1 where nothing else is said. Read every change.\n",
    );
    let _ =
        writeln!(text, "{:<46}{:>14}{:>9}{:>14}{:>9}", "verb", "sqlite", "commits", "postgres", "commits");
    let total = [0, 1].map(|column| rows.iter().map(|(_, costs)| costs[column]).sum());
    let known: Vec<Vec<&str>> =
        committed.lines().skip(3).map(|line| line.split_whitespace().rev().collect()).collect();
    for (at, (verb, costs)) in rows.iter().copied().chain([("total", total)]).enumerate() {
        let own = costs.map(|cost| cost.to_string());
        let other =
            |column: usize| known.get(at).and_then(|cells| cells.get(column)).map_or("-", |cell| *cell);
        let cells = match engine() {
            Engine::Sqlite => [&own[0], &own[1], other(1), other(0)],
            Engine::Postgres => [other(3), other(2), &own[0], &own[1]],
        };
        let _ = writeln!(text, "{verb:<46}{:>14}{:>9}{:>14}{:>9}", cells[0], cells[1], cells[2], cells[3]);
    }
    text
}
