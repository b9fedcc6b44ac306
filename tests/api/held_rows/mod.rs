//! Somebody holds a row, the writer or the file, and does not let go. Whoever
//! needs it is told in time to come back; everybody else goes on.

mod jobs;

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    engines::{self, Engine},
    harness::{Answer, TestApp},
    machine::Machine,
    seed::Seed,
};
use service::{Actor, Failure};
use storage::Conn;

/// Short waits, and few connections: one row could take all of them.
async fn impatient() -> (TestApp, Seed) {
    let app = TestApp::open_with(|config| config.database_lock_ms = 400).await;
    let seed = app.seed().await;
    (app, seed)
}

/// Holds every row of `table`, or those that its WHERE clause names, on another
/// connection.
fn hold(app: &TestApp, table: &str) -> Conn {
    let mut other = app.connection();
    other.batch_execute(&format!("BEGIN; SELECT * FROM {table} FOR UPDATE")).expect("held");
    other
}

#[track_caller]
fn told_to_come_back(answer: Answer) {
    assert!(answer.headers.contains_key("retry-after"), "{}", answer.body);
    answer.problem(503, "overloaded");
}

/// Writes and reads that need no row of the held ones.
async fn others_go_on(app: &TestApp, worker: &str) {
    for _ in 0..6 {
        let asked = json!({"purpose": "employer_fitness"});
        let answers = join_all([0, 1].map(|_| app.post(worker, "/api/v1/me/consents", asked.clone()))).await;
        for answer in answers {
            assert!(answer.status.is_success(), "{}: {}", answer.status, answer.body);
        }
        app.get(worker, "/api/v1/me").await.expect(200);
    }
}

#[actix_web::test]
async fn one_held_row_stops_only_those_who_need_it() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    let worker = app.check_in(&seed).await;
    let machine = Machine::on(&app, &seed).await;
    let mut other = hold(&app, "cabinet");
    // Three times as many as there are connections.
    let waiting = join_all((0..12).map(|_| machine.hello()));
    let (told, ()) = tokio::join!(waiting, others_go_on(&app, &worker));
    told.into_iter().for_each(told_to_come_back);
    other.batch_execute("ROLLBACK").expect("let go");
    machine.hello().await.expect(200);
    others_go_on(&app, &worker).await;
}

#[actix_web::test]
async fn callers_who_hang_up_leave_nothing_behind() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    let worker = app.check_in(&seed).await;
    let machine = Machine::on(&app, &seed).await;
    let mut other = hold(&app, "cabinet");
    for _ in 0..4 {
        let waiting = join_all((0..6).map(|_| machine.hello()));
        assert!(tokio::time::timeout(Duration::from_millis(60), waiting).await.is_err(), "they hang up");
    }
    others_go_on(&app, &worker).await;
    // All places are free again, though the row is not.
    tokio::time::timeout(Duration::from_secs(30), app.state.store.settle())
        .await
        .expect("nothing stays behind")
        .expect("settled");
    other.batch_execute("ROLLBACK").expect("let go");
    machine.hello().await.expect(200);
}

#[actix_web::test]
async fn jobs_outlive_a_held_row() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let (app, seed) = impatient().await;
    app.check_in(&seed).await;
    let mut other = hold(&app, "check_in");
    app.pass(600);
    let round = service::check_in::sweep_idle(&app.state).await;
    assert!(matches!(round, Err(Failure::Store(_))), "{round:?}");
    other.batch_execute("ROLLBACK").expect("let go");
    assert_eq!(service::check_in::sweep_idle(&app.state).await.expect("the next round"), 1);
}

#[actix_web::test]
async fn a_statement_and_a_silent_transaction_end() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = TestApp::open_with(|config| {
        // Long enough for the house to open on a busy machine.
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
        let _silence = go.lock().expect("whole").recv_timeout(Duration::from_secs(4));
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
    let (app, seed) = impatient().await;
    let worker = app.check_in(&seed).await;
    let (let_go, held) = mpsc::channel::<()>();
    let (began, begun) = tokio::sync::oneshot::channel::<()>();
    let (held, began) = (Mutex::new(held), Mutex::new(Some(began)));
    let inside = Arc::clone(&app.state);
    let stuck = tokio::spawn(async move {
        let work = move |_: &mut service::Tx<'_>| {
            if let Some(began) = began.lock().expect("whole").take() {
                let _told = began.send(());
            }
            let _over = held.lock().expect("whole").recv();
            Ok(())
        };
        inside.write(Actor::System, work).await
    });
    begun.await.expect("it began");
    let asked = json!({"purpose": "employer_fitness"});
    let told = join_all((0..20).map(|_| app.post(&worker, "/api/v1/me/consents", asked.clone()))).await;
    told.into_iter().for_each(told_to_come_back);
    app.get(&worker, "/api/v1/me").await.expect(200);
    let_go.send(()).expect("it waits");
    stuck.await.expect("ended").expect("kept");
    // What was refused was not done either, not even late.
    assert_eq!(app.logged("consent.granted").await, 0);
    let answer = app.post(&worker, "/api/v1/me/consents", asked).await;
    assert!(answer.status.is_success(), "{}", answer.body);
}

#[actix_web::test]
async fn a_file_that_another_process_holds_is_not_waited_for() {
    if engines::engine() == Engine::Postgres {
        return;
    }
    let (app, seed) = impatient().await;
    let worker = app.check_in(&seed).await;
    let mut other = app.connection();
    other.batch_execute("BEGIN IMMEDIATE").expect("held");
    let asked = json!({"purpose": "employer_fitness"});
    told_to_come_back(app.post(&worker, "/api/v1/me/consents", asked.clone()).await);
    app.get(&worker, "/api/v1/me").await.expect(200);
    other.batch_execute("ROLLBACK").expect("let go");
    let answer = app.post(&worker, "/api/v1/me/consents", asked).await;
    assert!(answer.status.is_success(), "{}", answer.body);
}
