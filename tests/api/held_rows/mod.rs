//! Another transaction has locked a row, the writer or the file for a long time. Whoever
//! needs it gets a 503 in time; everybody else goes on.

mod jobs;

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Answer, Caller, Code, TestApp, Worker, WorkerAtStation,
    engines::{self, Engine},
    waiting::until_a_statement_waits,
};
use service::{Actor, Failure};
use storage::Conn;

/// A server with a short lock timeout and few connections: without the timeout one
/// locked row could take all of them.
async fn open_impatient() -> TestApp {
    TestApp::open_with(|config| config.database_lock_ms = 400).await
}

/// Locks every row of `table`, or those of its WHERE clause, on another connection.
fn lock(app: &TestApp, table: &str) -> Conn {
    let mut other = app.connection();
    other.batch_execute(&format!("BEGIN; SELECT * FROM {table} FOR UPDATE")).expect("locked");
    other
}

fn release(mut other: Conn) {
    other.batch_execute("ROLLBACK").expect("released");
}

#[track_caller]
fn expect_overloaded(answer: Answer) {
    assert!(answer.headers.contains_key("retry-after"), "{}", answer.body);
    answer.expect_refused(Code::Overloaded);
}

async fn consent(worker: &WorkerAtStation<'_>) -> Answer {
    worker.post("/api/v1/me/consents", json!({"purpose": "employer_fitness"})).await
}

#[track_caller]
fn expect_success(answer: &Answer) {
    assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
}

/// Writes and reads that need none of the locked rows.
async fn others_go_on(worker: &WorkerAtStation<'_>) {
    for _ in 0..6 {
        join_all([0, 1].map(|_| consent(worker))).await.iter().for_each(expect_success);
        worker.get("/api/v1/me").await.expect_ok();
    }
}

#[actix_web::test]
async fn one_held_row_stops_only_those_who_need_it() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let machine = app.cabinet().await;
    let other = lock(&app, "cabinet");
    // Three times as many as there are connections.
    let waiting = join_all((0..12).map(|_| machine.hello()));
    let (answers, ()) = tokio::join!(waiting, others_go_on(&worker));
    answers.into_iter().for_each(expect_overloaded);
    release(other);
    machine.hello().await.expect_ok();
    others_go_on(&worker).await;
}

#[actix_web::test]
async fn callers_who_hang_up_leave_nothing_behind() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let machine = app.cabinet().await;
    let other = lock(&app, "cabinet");
    for _ in 0..4 {
        let waiting = join_all((0..6).map(|_| machine.hello()));
        assert!(tokio::time::timeout(Duration::from_millis(60), waiting).await.is_err(), "they hang up");
    }
    others_go_on(&worker).await;
    // All connections are free again, though the row is not.
    tokio::time::timeout(Duration::from_secs(30), app.state.store.settle())
        .await
        .expect("nothing stays behind")
        .expect("settled");
    release(other);
    machine.hello().await.expect_ok();
}

#[actix_web::test]
async fn jobs_outlive_a_held_row() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = open_impatient().await;
    app.station().await.check_in(Worker::adult()).await;
    let other = lock(&app, "check_in");
    app.pass(600);
    let round = service::check_in::sweep_idle(&app.state).await;
    assert!(matches!(round, Err(Failure::Incomplete(_))), "{round:?}");
    release(other);
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("the next round"), 1);
}

#[actix_web::test]
async fn a_statement_and_a_silent_transaction_end() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = TestApp::open_with(|config| {
        // Long enough for the server to start on a busy machine.
        config.database_lock_ms = 500;
        config.database_statement_ms = 1_000;
        config.database_idle_ms = 1_500;
    })
    .await;
    let run = |sql: &'static str| {
        let app = Arc::clone(&app.state);
        async move { app.write(Actor::System, move |tx| Ok(tx.conn.batch_execute(sql)?)).await }
    };
    let slow = run("SELECT pg_sleep(60)").await;
    assert!(slow.is_err(), "{slow:?}");
    run("SELECT 1").await.expect("the connection is as good as before");
    // As a process that was stopped in the middle of a transaction.
    let (stop, go) = mpsc::channel::<()>();
    let go = Mutex::new(go);
    let stuck = app.state.write(Actor::System, move |tx| {
        tx.conn.batch_execute("SELECT 1")?;
        let _silence = go.lock().expect("not poisoned").recv_timeout(Duration::from_secs(4));
        Ok(tx.conn.batch_execute("SELECT 1")?)
    });
    assert!(stuck.await.is_err());
    drop(stop);
    run("SELECT 1").await.expect("another connection");
}

#[actix_web::test]
async fn a_writer_that_is_stuck_is_not_waited_for() {
    if engines::engine() == Engine::Postgres {
        return;
    }
    let app = open_impatient().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let (release, released) = mpsc::channel::<()>();
    let (began, has_begun) = tokio::sync::oneshot::channel::<()>();
    let (released, began) = (Mutex::new(released), Mutex::new(Some(began)));
    let inside = Arc::clone(&app.state);
    let stuck = tokio::spawn(async move {
        let work = move |_: &mut service::Tx<'_>| {
            if let Some(began) = began.lock().expect("not poisoned").take() {
                let _sent = began.send(());
            }
            let _over = released.lock().expect("not poisoned").recv();
            Ok(())
        };
        inside.write(Actor::System, work).await
    });
    has_begun.await.expect("it began");
    let answers = join_all((0..20).map(|_| consent(&worker))).await;
    answers.into_iter().for_each(expect_overloaded);
    worker.get("/api/v1/me").await.expect_ok();
    release.send(()).expect("it waits");
    stuck.await.expect("ended").expect("committed");
    // What was refused was not done either, not even late.
    assert_eq!(app.logged("consent.granted").await, 0);
    expect_success(&consent(&worker).await);
}

#[actix_web::test]
async fn a_file_that_another_process_holds_is_not_waited_for() {
    if engines::engine() == Engine::Postgres {
        return;
    }
    let app = open_impatient().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let mut other = app.connection();
    other.batch_execute("BEGIN IMMEDIATE").expect("locked");
    expect_overloaded(consent(&worker).await);
    worker.get("/api/v1/me").await.expect_ok();
    release(other);
    expect_success(&consent(&worker).await);
}

/// Consultations are locked before their doctor, as by everybody else: whoever waits for one holds no
/// row that its holder may need.
#[actix_web::test]
async fn a_doctor_who_signs_out_waits_for_a_consultation_without_holding_the_doctors_row() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = TestApp::open().await;
    let doctor = app.doctor().await;
    let mut ids = Vec::new();
    for number in 0..2 {
        let person = Worker::walk_in().phone(&format!("1561000000{number}"));
        ids.push(doctor.consult_with(&app.open_screen().await.check_in(person).await).await);
    }
    let last = ids.iter().max().expect("two");
    let mut other = lock(&app, &format!("consultation WHERE id = '{last}'"));
    let looks = async {
        until_a_statement_waits(&app).await;
        other.batch_execute("SELECT * FROM doctor FOR UPDATE NOWAIT").expect("not locked");
        release(other);
    };
    let (signed_out, ()) = tokio::join!(doctor.sign_out(), looks);
    signed_out.expect_ok();
    app.sound().await;
}
