//! A code that is typed at a hatch: a cabinet knows no codes, and asks START for
//! whatever waits there.

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
async fn a_code_that_is_somebody_elses_counts_against_nobody() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    // The hatch asks for the other order first, as often as the code is typed.
    for _ in 0..8 {
        machine.start(attempt_of(&other, 0), &code_of(&one)).await.problem(422, "pickup_code_wrong");
    }
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
    app.sound().await;
}

#[actix_web::test]
async fn random_codes_at_a_hatch_pause_nobodys_order() {
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
async fn a_wrong_code_counts_once_and_many_slow_the_hatch_down_for_seconds() {
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
    // No code is looked at, right or wrong: who goes through them learns nothing faster.
    let next = wrong.next().expect("one");
    for code in [&code_of(&one), &next] {
        let early = machine.start(attempt_of(&one, 0), code).await;
        assert_eq!(early.headers["retry-after"], "10");
        early.problem(429, "pickup_code_locked");
    }
    // Asking too early puts nothing off.
    app.pass(10);
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
}

#[actix_web::test]
async fn whoever_goes_on_typing_wrong_codes_is_slowed_down_further() {
    let app = TestApp::open().await;
    let (seed, one, other) = two_orders(&app).await;
    let mut machine = Machine::on(&app, &seed).await;
    machine.work().await;
    let (mut looked_at, began) = (0, app.now());
    for code in wrong_codes([&code_of(&one), &code_of(&other)]).take(200) {
        let answer = machine.start(attempt_of(&one, 0), &code).await;
        looked_at += usize::from(answer.status.as_u16() == 422);
        app.pass(1);
    }
    assert_eq!((app.now() - began).num_seconds(), 200);
    // Six at once, ten at ten seconds, the others at thirty.
    assert!((17..=21).contains(&looked_at), "{looked_at}");
    assert_eq!(app.logged("cabinet.codes_tried_often").await, 2);
    app.pass(30);
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    // Left alone, the hatch is as before.
    app.pass(121);
    for code in wrong_codes([&code_of(&one), &code_of(&other)]).take(6) {
        machine.start(attempt_of(&other, 0), &code).await.problem(422, "pickup_code_wrong");
    }
}
