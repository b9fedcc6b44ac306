//! Jobs process what is due row by row: a locked row stops nothing but itself.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{lock, open_impatient, release};
use crate::support::{
    CabinetMachine, Caller, Station, TestApp, Worker, WorkerAtStation,
    care::reading,
    engines::{self, Engine},
    places::{self, FilledSlot},
    seed::Seed,
    vending::RX,
};
use base::config::{MailConfig, SmtpTls};
use domain::{ids::CabinetId, prescription::CabinetLane};
use mail::Mailer;
use service::{Actor, Failure, check_in::sweep_idle, jobs::letters::send_due, triage::alarm_unmeasured};

fn guest(number: usize) -> Worker {
    Worker::walk_in().phone(&format!("155{number:08}"))
}

/// `number` people, each at a screen of their own and a second after the one before.
async fn arrive(app: &TestApp, number: usize) -> Vec<WorkerAtStation<'_>> {
    let mut guests = Vec::new();
    for one in 0..number {
        guests.push(app.open_screen().await.check_in(guest(one)).await);
        app.pass(1);
    }
    guests
}

async fn state(guest: &WorkerAtStation<'_>, consultation: &str) -> Value {
    guest.consultation(consultation).await["state"].clone()
}

/// The round reports that it could not process everything.
#[track_caller]
fn expect_incomplete<T: std::fmt::Debug>(round: Result<T, Failure>) {
    assert!(matches!(round, Err(Failure::Incomplete(_))), "{round:?}");
}

#[actix_web::test]
async fn offers_expire_beside_held_ones_and_the_round_is_short() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    // With the timeouts of a real server.
    let app = TestApp::open().await;
    app.doctor().await.go_on_duty().await;
    app.second_doctor().await.go_on_duty().await;
    let guests = arrive(&app, 4).await;
    let mut asked = Vec::new();
    for guest in &guests {
        asked.push(guest.ask_for_doctor().await);
        service::matching::offer_waiting(&app.state).await.expect("a round");
        assert_eq!(state(guest, &asked[asked.len() - 1]).await, "offered");
        app.pass(1);
    }
    app.pass(20);
    let rows = format!("consultation WHERE id IN ('{}', '{}', '{}')", asked[0], asked[1], asked[2]);
    let other = lock(&app, &rows);
    let began = Instant::now();
    expect_incomplete(service::matching::expire_offers(&app.state).await);
    assert_eq!(state(&guests[3], &asked[3]).await, "waiting");
    assert_eq!(state(&guests[0], &asked[0]).await, "offered");
    expect_incomplete(service::matching::expire_offers(&app.state).await);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    release(other);
    assert_eq!(service::matching::expire_offers(&app.state).await.expect("the next round"), 3);
}

#[actix_web::test]
async fn the_doctor_of_a_held_patient_is_offered_another() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    // One doctor with capacity for two, and three who wait; the first one's row is locked.
    app.doctor().await.go_on_duty().await;
    let guests = arrive(&app, 3).await;
    let mut asked = Vec::new();
    for guest in &guests {
        asked.push(guest.ask_for_doctor().await);
        app.pass(1);
    }
    let other = lock(&app, &format!("consultation WHERE id = '{}'", asked[0]));
    expect_incomplete(service::matching::offer_waiting(&app.state).await);
    assert_eq!(state(&guests[1], &asked[1]).await, "offered");
    assert_eq!(state(&guests[2], &asked[2]).await, "offered");
    release(other);
}

#[actix_web::test]
async fn an_emergency_is_offered_to_another_than_a_held_doctor() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    app.doctor().await.go_on_duty().await;
    app.pass(1);
    app.second_doctor().await.go_on_duty().await;
    let guests = arrive(&app, 1).await;
    guests[0].ask_with_chest_pain().await.expect_created();
    let doctor = app.doctor().await.person.id;
    let other = lock(&app, &format!("doctor WHERE staff_id = '{doctor}'"));
    expect_incomplete(service::matching::offer_waiting(&app.state).await);
    let offers = app.second_doctor().await.open_offers().await;
    assert_eq!(offers.len(), 1, "{offers:?}");
    release(other);
}

#[actix_web::test]
async fn an_extreme_alarms_beside_a_held_worker() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let guests = arrive(&app, 2).await;
    for guest in &guests {
        guest.measure(&[reading("temperature", 410)]).await;
        app.pass(1);
    }
    app.pass(180);
    let other = lock(&app, &format!("worker WHERE id = '{}'", guests[0].id));
    expect_incomplete(alarm_unmeasured(&app.state).await);
    let operator = app.operator().await;
    let alerts = operator.open_alerts().await;
    let code = json!(format!("screen-{}", guests[1].station.id));
    assert_eq!(alerts.iter().map(|alert| alert["station_code"].clone()).collect::<Vec<_>>(), [code]);
    release(other);
    assert_eq!(alarm_unmeasured(&app.state).await.expect("the next round"), 1);
    assert_eq!(operator.open_alerts().await.len(), 2);
}

#[actix_web::test]
async fn a_silent_doctors_patients_go_back_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let doctor = app.doctor().await;
    doctor.go_on_duty().await;
    let guests = arrive(&app, 2).await;
    let asked = [guests[0].ask_for_doctor().await, guests[1].ask_for_doctor().await];
    for offer in doctor.offers().await {
        doctor.accept(&offer).await.expect_ok();
    }
    for (guest, id) in guests.iter().zip(&asked) {
        assert_eq!(state(guest, id).await, "active");
    }
    app.pass(91);
    let other = lock(&app, &format!("consultation WHERE id = '{}'", asked[0]));
    expect_incomplete(service::matching::requeue_lost(&app.state).await);
    assert_eq!(state(&guests[1], &asked[1]).await, "waiting");
    assert_eq!(state(&guests[0], &asked[0]).await, "active");
    release(other);
    assert_eq!(service::matching::requeue_lost(&app.state).await.expect("the next round"), 1);
}

#[actix_web::test]
async fn silent_check_ins_end_and_silent_emergencies_are_told_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let guests = arrive(&app, 3).await;
    guests[2].ask_with_chest_pain().await.expect_created();
    app.pass(600);
    let other = lock(&app, &format!("check_in WHERE id = '{}'", guests[0].check_in));
    expect_incomplete(sweep_idle(&app.state).await);
    let end_reason = async |guest: &WorkerAtStation<'_>| {
        let view = guest.station.get(&format!("/api/v1/check-ins/{}", guest.check_in)).await.expect_ok();
        view["end_reason"].clone()
    };
    assert_eq!((end_reason(&guests[0]).await, end_reason(&guests[1]).await), (json!(null), json!("idle")));
    assert_eq!(app.logged("consultation.emergency_silent").await, 1);
    release(other);
    assert_eq!(sweep_idle(&app.state).await.expect("the next round"), 1);
}

/// The network with another cabinet: at this station, with five packs of the first one's
/// lot in slot 1.
async fn second_cabinet(app: &TestApp, station: &Station<'_>) -> Seed {
    let (cabinet, machine, id) = (CabinetId::generate(), app.new_device(), station.id);
    let device = machine.clone();
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            places::add_cabinet(tx, cabinet, id, CabinetLane::InstitutionDispense)?;
            places::add_device(tx, &device, id, Some(cabinet))?;
            let slot = FilledSlot { slot_no: 1, product: RX, lot: "L1", packs: 5, capacity: 10 };
            places::add_slot(tx, cabinet, &slot)
        })
        .await
        .expect("a cabinet");
    Seed {
        station: station.id,
        station_device: station.device,
        station_token: station.token(),
        cabinet,
        cabinet_device: machine.id,
        cabinet_key: machine.key,
        cabinet_token: String::new(),
        ..app.seed().await
    }
}

#[actix_web::test]
async fn other_cabinets_are_swept_beside_a_held_one() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let first = app.seed().await;
    app.fill(&first).await;
    let second = second_cabinet(&app, &app.open_screen().await).await;
    for (number, at) in [&first, &second].into_iter().enumerate() {
        let mut machine = CabinetMachine::on(&app, at).await;
        let station = app.station_of(at);
        let worker = station.check_in(Worker::adult()).await;
        let started = worker.reserve_and_pay(1).await;
        machine.run_pack(&started, 0).await;
        worker.reserve_and_pay(1).await;
        // Somebody else: so many packs are too many for one person.
        station.check_in(guest(number)).await.reserve(1).await;
    }
    app.pass(30 * 60);
    let other = lock(&app, &format!("cabinet WHERE id = '{}'", first.cabinet));
    // Each round processes one, of the cabinet that is not locked.
    expect_incomplete(service::vend::void_expired(&app.state).await);
    assert_eq!(app.logged("attempt.voided").await, 1);
    expect_incomplete(service::vend::expire_orders(&app.state).await);
    assert_eq!(app.logged("order.expired").await, 2, "one not fetched, one unpaid");
    expect_incomplete(service::vend::doubt_silent(&app.state).await);
    assert_eq!(app.logged("attempt.in_doubt").await, 1);
    release(other);
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
    let app = open_impatient().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let away = MailConfig::Smtp {
        from: "Waystation <w@w.example>".to_owned(),
        host: "127.0.0.1".to_owned(),
        // Accepts no connection: the letters are written, and wait.
        port: 1,
        tls: SmtpTls::None,
        user: None,
        password_env: None,
        hello_name: None,
    };
    for doctor in [app.doctor().await, app.second_doctor().await] {
        let asked = json!({"email": doctor.person.email});
        app.post("", "/api/v1/staff/password-reset", asked).await.expect(202);
    }
    let away = Mailer::new(&away, dir.path()).expect("a mailer");
    assert_eq!(send_due(&app.state, &away).await.expect("tried"), 0);
    app.pass(60);
    let files = MailConfig::Files { from: "Waystation <w@w.example>".to_owned() };
    let files = Mailer::new(&files, dir.path()).expect("a mailer");
    // This one is due first: it was not tried yet.
    let other = lock(&app, "letter WHERE tries = 0");
    expect_incomplete(send_due(&app.state, &files).await);
    let left = || std::fs::read_dir(dir.path().join("mail")).expect("a folder").count();
    assert_eq!(left(), 1);
    release(other);
    assert_eq!(send_due(&app.state, &files).await.expect("the next round"), 1);
    assert_eq!(left(), 2);
}
