//! Pickup codes at a hatch: a cabinet does not know the codes, and sends START for
//! each order that waits there.

use serde_json::Value;

use crate::{
    harness::TestApp,
    machine::Machine,
    seed::Seed,
    vending::{attempt_of, code_of},
};

/// Two paid orders that wait at one hatch.
async fn two_orders(app: &TestApp) -> (Seed, Value, Value) {
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let one = app.paid(&seed, &visit, 1).await;
    let other = app.paid(&seed, &visit, 1).await;
    (seed, one, other)
}

fn wrong_codes(right: [&str; 2]) -> impl Iterator<Item = String> + use<> {
    let right = right.map(str::to_owned);
    (0..).map(|n| format!("{n:06}")).filter(move |code| !right.contains(code))
}

#[actix_web::test]
async fn another_orders_code_counts_as_no_wrong_try() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    // Each time the code is typed, the hatch tries the other order first.
    for _ in 0..8 {
        machine.start(attempt_of(&other, 0), &code_of(&one)).await.problem(422, "pickup_code_wrong");
    }
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn random_codes_at_a_hatch_lock_no_order() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    for wrong in wrong_codes([&code_of(&one), &code_of(&other)]).take(5) {
        for order in [&one, &other] {
            machine.start(attempt_of(order, 0), &wrong).await.problem(422, "pickup_code_wrong");
        }
    }
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
}

#[actix_web::test]
async fn a_wrong_code_counts_once_and_many_pause_the_hatch_for_seconds() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let mut wrong = wrong_codes([&code_of(&one), &code_of(&other)]);
    for code in wrong.by_ref().take(6) {
        for order in [&one, &other] {
            machine.start(attempt_of(order, 0), &code).await.problem(422, "pickup_code_wrong");
        }
    }
    assert_eq!(app.logged("cabinet.codes_tried_often").await, 1);
    // No code is checked, right or wrong: trying faster reveals nothing.
    let next = wrong.next().expect("one");
    for code in [&code_of(&one), &next] {
        let early = machine.start(attempt_of(&one, 0), code).await;
        assert_eq!(early.headers["retry-after"], "10");
        early.problem(429, "pickup_code_locked");
    }
    // A request during the pause does not extend it.
    app.pass(10);
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
}

#[actix_web::test]
async fn more_wrong_codes_pause_the_hatch_for_longer() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let (mut checked, began) = (0, app.now());
    for code in wrong_codes([&code_of(&one), &code_of(&other)]).take(200) {
        let answer = machine.start(attempt_of(&one, 0), &code).await;
        checked += usize::from(answer.status.as_u16() == 422);
        app.pass(1);
    }
    assert_eq!((app.now() - began).num_seconds(), 200);
    // Six at once, ten at ten seconds, the others at thirty.
    assert!((17..=21).contains(&checked), "{checked}");
    assert_eq!(app.logged("cabinet.codes_tried_often").await, 2);
    app.pass(30);
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    // After a time without tries the limit is back at its start.
    app.pass(121);
    for code in wrong_codes([&code_of(&one), &code_of(&other)]).take(6) {
        machine.start(attempt_of(&other, 0), &code).await.problem(422, "pickup_code_wrong");
    }
}
