//! The audit by itself: what it says after a pack came out, and while one may be out. A state machine
//! that folds an event wrongly must be noticed here, too, not only by the tests of the verbs:
//! `tests/mutants/` lists such changes, and runs this against each.

use crate::support::{
    TestApp, Worker,
    machine::DROP,
    vending::{attempt_of, code_of},
};

#[actix_web::test]
async fn the_audit_agrees_after_a_vend() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    machine.vend_pack(&order, 0, DROP).await;
    machine.report().await.expect_ok();
    app.sound().await;
}

#[actix_web::test]
async fn the_audit_agrees_while_a_pack_may_be_out() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let mut machine = app.cabinet().await;
    machine.run(attempt_of(&order, 0), &code_of(&order)).await;
    app.pass(120);
    app.sweep().await;
    app.sound().await;
}
