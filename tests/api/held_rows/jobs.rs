//! Jobs take what is due one by one: a row that somebody holds stops nobody else's.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use super::{hold, impatient};
use crate::{
    care::Screen,
    engines::{self, Engine},
    harness::TestApp,
    machine::Machine,
    seed::{Person, Seed},
    triage::reading,
    vending::{RX, attempt_of, code_of},
};
use base::config::{MailConfig, SmtpTls};
use crypto::device::DeviceKey;
use domain::{
    ids::{CabinetId, CheckInId, DeviceId, WorkerId},
    prescription::CabinetLane,
};
use mail::Mailer;
use service::{Actor, Failure, jobs::letters::send_due};
use storage::{network as store, sql_types::At};

/// Somebody without a card at a screen.
struct Guest {
    screen: Screen,
    token: String,
    worker: WorkerId,
    check_in: CheckInId,
}

impl TestApp {
    async fn arrives(&self, number: usize, screen: Screen) -> Guest {
        let body = json!({"name": "样例乙", "phone": format!("155{number:08}"), "consent": true});
        let opened =
            self.post(&self.token_of_screen(&screen), "/api/v1/check-ins/walk-in", body).await.expect(201);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Guest {
            token: text(&opened["access_token"]),
            worker: text(&opened["check_in"]["worker_id"]).parse().expect("an id"),
            check_in: text(&opened["check_in"]["id"]).parse().expect("an id"),
            screen,
        }
    }

    /// `number` people, each a second after the one before.
    async fn arrive(&self, number: usize) -> Vec<Guest> {
        let mut guests = Vec::new();
        for one in 0..number {
            let screen = self.open_screen().await;
            guests.push(self.arrives(one, screen).await);
            self.pass(1);
        }
        guests
    }

    async fn state(&self, guest: &Guest, consultation: &str) -> Value {
        let view = self.get(&guest.token, &format!("/api/v1/consultations/{consultation}")).await;
        view.expect(200)["state"].clone()
    }

    async fn takes(&self, doctor: &Person) {
        for offer in self.offers_to(doctor).await {
            self.accepts(doctor, &offer).await.expect(200);
        }
    }
}

#[track_caller]
fn held<T: std::fmt::Debug>(round: Result<T, Failure>) {
    // The round says that something was left.
    assert!(matches!(round, Err(Failure::Store(_))), "{round:?}");
}

#[actix_web::test]
async fn offers_expire_beside_held_ones_and_the_round_is_short() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    // With the waits of a real house.
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.on_duty(&seed.doctor).await;
    app.on_duty(&seed.doctor_b).await;
    let guests = app.arrive(4).await;
    let mut asked = Vec::new();
    for guest in &guests {
        asked.push(app.ask(&guest.token).await);
        service::matching::offer_waiting(&app.state).await.expect("a round");
        assert_eq!(app.state(guest, &asked[asked.len() - 1]).await, "offered");
        app.pass(1);
    }
    app.pass(20);
    let rows = format!("consultation WHERE id IN ('{}', '{}', '{}')", asked[0], asked[1], asked[2]);
    let mut other = hold(&app, &rows);
    let began = Instant::now();
    held(service::matching::expire_offers(&app.state).await);
    assert_eq!(app.state(&guests[3], &asked[3]).await, "waiting");
    assert_eq!(app.state(&guests[0], &asked[0]).await, "offered");
    held(service::matching::expire_offers(&app.state).await);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("the next round"), 3);
}

#[actix_web::test]
async fn the_doctor_of_a_held_patient_is_offered_another() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    // One doctor for two, and three who wait; the first is held.
    app.on_duty(&seed.doctor).await;
    let guests = app.arrive(3).await;
    let mut asked = Vec::new();
    for guest in &guests {
        asked.push(app.ask(&guest.token).await);
        app.pass(1);
    }
    let mut other = hold(&app, &format!("consultation WHERE id = '{}'", asked[0]));
    held(service::matching::offer_waiting(&app.state).await);
    assert_eq!(app.state(&guests[1], &asked[1]).await, "offered");
    assert_eq!(app.state(&guests[2], &asked[2]).await, "offered");
    other.batch_execute("ROLLBACK").expect("let go");
}

#[actix_web::test]
async fn an_emergency_is_offered_to_another_than_a_held_doctor() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    app.on_duty(&seed.doctor).await;
    app.pass(1);
    app.on_duty(&seed.doctor_b).await;
    let guests = app.arrive(1).await;
    let body = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
    app.post(&guests[0].token, "/api/v1/consultations", body).await.expect(201);
    let mut other = hold(&app, &format!("doctor WHERE staff_id = '{}'", seed.doctor.id));
    held(service::matching::offer_waiting(&app.state).await);
    let offers = app.get(&seed.doctor_b.token, "/api/v1/offers").await.expect(200);
    assert_eq!(offers["items"].as_array().map(Vec::len), Some(1), "{offers}");
    other.batch_execute("ROLLBACK").expect("let go");
}

#[actix_web::test]
async fn an_extreme_alarms_beside_a_held_worker() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    let guests = app.arrive(2).await;
    for guest in &guests {
        app.measure(&guest.token, &[reading("temperature", 410)]).await;
        app.pass(1);
    }
    app.pass(180);
    let mut other = hold(&app, &format!("worker WHERE id = '{}'", guests[0].worker));
    held(service::triage::alarm_unmeasured(&app.state).await);
    let alerts = app.alerts(&seed).await;
    let code = json!(format!("screen-{}", guests[1].screen.station));
    assert_eq!(alerts.iter().map(|alert| alert["station_code"].clone()).collect::<Vec<_>>(), [code]);
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::triage::alarm_unmeasured(&app.state).await.expect("the next round"), 1);
    assert_eq!(app.alerts(&seed).await.len(), 2);
}

#[actix_web::test]
async fn a_silent_doctors_patients_go_back_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    app.on_duty(&seed.doctor).await;
    let guests = app.arrive(2).await;
    let asked = [app.ask(&guests[0].token).await, app.ask(&guests[1].token).await];
    app.takes(&seed.doctor).await;
    for (guest, id) in guests.iter().zip(&asked) {
        assert_eq!(app.state(guest, id).await, "active");
    }
    app.pass(91);
    let mut other = hold(&app, &format!("consultation WHERE id = '{}'", asked[0]));
    held(service::matching::requeue_lost(&app.state).await);
    assert_eq!(app.state(&guests[1], &asked[1]).await, "waiting");
    assert_eq!(app.state(&guests[0], &asked[0]).await, "active");
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("the next round"), 1);
}

#[actix_web::test]
async fn silent_check_ins_end_and_silent_emergencies_are_told_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, _seed) = impatient().await;
    let guests = app.arrive(3).await;
    let body = json!({"complaint": "胸口痛", "lane": "consultation_only", "symptoms": ["chest_pain"]});
    app.post(&guests[2].token, "/api/v1/consultations", body).await.expect(201);
    app.pass(600);
    let mut other = hold(&app, &format!("check_in WHERE id = '{}'", guests[0].check_in));
    held(service::check_in::sweep_idle(&app.state).await);
    let ended = async |guest: &Guest| {
        let path = format!("/api/v1/check-ins/{}", guest.check_in);
        let view = app.get(&app.token_of_screen(&guest.screen), &path).await.expect(200);
        view["end_reason"].clone()
    };
    assert_eq!((ended(&guests[0]).await, ended(&guests[1]).await), (json!(null), json!("idle")));
    assert_eq!(app.logged("consultation.emergency_silent").await, 1);
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("the next round"), 1);
}

/// Another cabinet, at this screen's station, with what the first one holds in slot 1.
async fn second_cabinet(app: &TestApp, seed: &Seed, screen: &Screen) -> Seed {
    let (cabinet, device) = (CabinetId::generate(), DeviceId::generate());
    let (station, key) = (screen.station, DeviceKey::generate().expect("a key"));
    app.keys.keep(device, &key);
    let public_key = key.public_key().to_string();
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            let created_at = At(tx.now);
            store::cabinets_add(
                tx.conn,
                &[store::NewCabinet {
                    id: cabinet,
                    station_id: station,
                    lane: CabinetLane::InstitutionDispense,
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
                    kind: "cabinet".into(),
                    station_id: station,
                    cabinet_id: Some(cabinet),
                    epoch: 1,
                    public_key: public_key.clone(),
                    enrolled_at: created_at,
                }],
            )?;
            store::slots_add(
                tx.conn,
                &[store::NewSlot {
                    cabinet_id: cabinet,
                    slot_no: 1,
                    capacity: 10,
                    product_code: Some(RX.into()),
                    lot_no: Some("L1".into()),
                }],
            )?;
            Ok(store::slot_stocks_add(
                tx.conn,
                &[store::NewSlotStock {
                    cabinet_id: cabinet,
                    slot_no: 1,
                    product_code: RX.into(),
                    lot_no: "L1".into(),
                    received: 5,
                    on_hand: 5,
                    reserved: 0,
                    in_doubt: 0,
                    dispensed: 0,
                    discarded: 0,
                }],
            )?)
        })
        .await
        .expect("a cabinet");
    Seed {
        station,
        station_device: screen.device,
        station_key: seed.station_key.clone(),
        station_token: app.token_of_screen(screen),
        cabinet,
        cabinet_device: device,
        cabinet_key: key,
        cabinet_token: String::new(),
        hospital: seed.hospital,
        employer: seed.employer,
        worker: seed.worker,
        doctor: seed.doctor.clone(),
        doctor_b: seed.doctor_b.clone(),
        pharmacist: seed.pharmacist.clone(),
        operator: seed.operator.clone(),
        restocker: seed.restocker.clone(),
        safety_officer: seed.safety_officer.clone(),
    }
}

#[actix_web::test]
async fn other_cabinets_are_swept_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    app.fill(&seed).await;
    let screen = app.open_screen().await;
    let second = second_cabinet(&app, &seed, &screen).await;
    for (number, at) in [&seed, &second].into_iter().enumerate() {
        let mut machine = Machine::on(&app, at).await;
        let visit = app.visit(at).await;
        let started = app.paid(at, &visit, 1).await;
        machine.run(attempt_of(&started, 0), &code_of(&started)).await;
        app.paid(at, &visit, 1).await;
        // Somebody else: so many packs are too many for one.
        let screen = Screen { station: at.station, device: at.station_device };
        let guest = app.arrives(number, screen).await;
        let prescription = app.prescribe_to(at, (guest.worker, guest.check_in), 1).await;
        let body = json!({"prescription_id": prescription});
        app.post(&guest.token, "/api/v1/orders", body).await.expect(201);
    }
    app.pass(30 * 60);
    let cabinet = format!("cabinet WHERE id = '{}'", seed.cabinet);
    let mut other = hold(&app, &cabinet);
    // One each happens, in the cabinet that nobody holds.
    held(service::vend::void_expired(&app.state).await);
    assert_eq!(app.logged("attempt.voided").await, 1);
    held(service::vend::expire_orders(&app.state).await);
    assert_eq!(app.logged("order.expired").await, 2, "one not fetched, one unpaid");
    held(service::vend::doubt_silent(&app.state).await);
    assert_eq!(app.logged("attempt.in_doubt").await, 1);
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::vend::void_expired(&app.state).await.expect("the next round"), 1);
    assert_eq!(service::vend::expire_orders(&app.state).await.expect("the next round"), 1);
    assert_eq!(service::vend::doubt_silent(&app.state).await.expect("the next round"), 1);
    app.sound().await;
}

#[actix_web::test]
async fn letters_leave_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let away = MailConfig::Smtp {
        from: "Waystation <w@w.example>".to_owned(),
        host: "127.0.0.1".to_owned(),
        // Takes no connection: the letters are written, and wait.
        port: 1,
        tls: SmtpTls::None,
        user: None,
        password_env: None,
        hello_name: None,
    };
    for doctor in [&seed.doctor, &seed.doctor_b] {
        let asked = json!({"email": doctor.email});
        app.post("", "/api/v1/staff/password-reset", asked).await.expect(202);
    }
    let away = Mailer::new(&away, dir.path()).expect("a mailer");
    assert_eq!(send_due(&app.state, &away).await.expect("tried"), 0);
    app.pass(60);
    let files = MailConfig::Files { from: "Waystation <w@w.example>".to_owned() };
    let files = Mailer::new(&files, dir.path()).expect("a mailer");
    // It is due first: it was not tried yet.
    let mut other = hold(&app, "letter WHERE tries = 0");
    held(send_due(&app.state, &files).await);
    let left = || std::fs::read_dir(dir.path().join("mail")).expect("a folder").count();
    assert_eq!(left(), 1);
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(send_due(&app.state, &files).await.expect("the next round"), 1);
    assert_eq!(left(), 2);
}
