//! A read of several statements sees one state of the database: a writer that commits between two
//! of its statements is seen by none of them.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use diesel::connection::{Connection, InstrumentationEvent};
use tokio::sync::oneshot;

use crate::support::{
    Caller, TestApp, Worker,
    harness::CONNECTIONS,
    vending::{attempt_of, code_of},
};
use storage::{StoreError, on_backend};

/// The next statement that reads from a certain table, held before it runs.
struct Held {
    reached: oneshot::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl Held {
    /// Holds the first statement of a pooled connection that reads from `table`.
    async fn before_reading(app: &TestApp, table: &str) -> Self {
        let (reaches, reached) = oneshot::channel();
        let (go_on, goes_on) = mpsc::channel();
        let held = Arc::new(Mutex::new(Some((reaches, goes_on))));
        let table = format!("\"{table}\"");
        let listener = move |event: InstrumentationEvent<'_>| {
            let InstrumentationEvent::StartQuery { query, .. } = event else { return };
            if !query.to_string().replace('`', "\"").contains(&table) {
                return;
            }
            // The lock is not kept: the writer's statements pass here, too.
            let first = held.lock().expect("not poisoned").take();
            if let Some((reaches, goes_on)) = first {
                reaches.send(()).expect("the test waits");
                goes_on.recv().expect("the test goes on");
            }
        };
        // Each closure has a connection of its own until all of them listen.
        let all = Arc::new(Barrier::new(CONNECTIONS as usize));
        let listening = (0..CONNECTIONS).map(|_| {
            let (all, listener) = (Arc::clone(&all), listener.clone());
            app.state.store.read(move |conn| {
                on_backend!(conn, c => c.set_instrumentation(listener.clone()));
                all.wait();
                Ok::<_, StoreError>(())
            })
        });
        futures_util::future::try_join_all(listening).await.expect("listening");
        Self { reached, go_on }
    }

    /// Runs `write` between two statements of `read`, and returns what was read.
    async fn during<R, W>(self, read: impl Future<Output = R>, write: impl Future<Output = W>) -> R {
        let written = async {
            let reached = tokio::time::timeout(Duration::from_secs(60), self.reached).await;
            reached.expect("the table is read").expect("the read is held");
            write.await;
            self.go_on.send(()).expect("the read is held");
        };
        tokio::join!(read, written).0
    }
}

#[actix_web::test]
async fn the_audit_reports_no_violation_that_never_was() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    machine.work().await;
    machine.start(attempt_of(&order, 0), &code_of(&order)).await.expect_ok();
    let operator = app.operator().await;
    app.pass(3600);
    // The audit has read the packs, and now reads their attempts.
    let held = Held::before_reading(&app, "attempt").await;
    let doubted = AtomicBool::new(false);
    let broken = held
        .during(operator.broken_invariants(), async {
            let attempts = service::vend::doubt_silent(&app.state).await.expect("doubted");
            doubted.store(attempts == 1, Ordering::Relaxed);
        })
        .await;
    assert!(doubted.into_inner(), "the writer has committed");
    assert_eq!(broken, Vec::<serde_json::Value>::new());
    app.sound().await;
}

#[actix_web::test]
async fn a_cabinet_is_shown_with_the_stock_of_the_same_moment() {
    let app = TestApp::open_filled().await;
    let cabinet = format!("/api/v1/cabinets/{}", app.seed().await.cabinet);
    let worker = app.station().await.check_in(Worker::adult()).await;
    let operator = app.operator().await;
    let before = operator.get(&cabinet).await.expect_ok();
    let held = Held::before_reading(&app, "slot_stock").await;
    let shown = held.during(operator.get(&cabinet), worker.reserve(1)).await.expect_ok();
    assert_eq!(shown, before);
    assert_ne!(operator.get(&cabinet).await.expect_ok(), before);
}
