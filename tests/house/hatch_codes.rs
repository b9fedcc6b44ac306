//! A code that is typed at a hatch: a cabinet knows no codes, and asks START for
//! whatever waits there.

use serde_json::{Value, json};

use crate::{
    harness::TestHouse,
    machine::Machine,
    seed::Seed,
    vending::{attempt_of, code_of},
};

/// Two paid orders that wait at one hatch.
async fn two_orders(house: &TestHouse) -> (Seed, Value, Value) {
    let seed = house.seed().await;
    house.fill(&seed).await;
    let visit = house.visit(&seed).await;
    let one = house.paid(&seed, &visit, 1).await;
    let other = house.paid(&seed, &visit, 1).await;
    (seed, one, other)
}

fn wrong_codes(right: [&str; 2]) -> impl Iterator<Item = String> {
    let right = right.map(str::to_owned);
    (0..).map(|n| format!("{n:06}")).filter(move |code| !right.contains(code))
}

#[actix_web::test]
async fn a_code_that_is_somebody_elses_counts_against_nobody() {
    let house = TestHouse::open().await;
    let (seed, one, other) = two_orders(&house).await;
    let mut machine = Machine::on(&house, &seed).await;
    machine.work().await;
    // The hatch asks for the other order first, as often as the code is typed.
    for _ in 0..8 {
        machine.start(attempt_of(&other, 0), &code_of(&one)).await.problem(422, "pickup_code_wrong");
    }
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
    house.sound().await;
}

#[actix_web::test]
async fn a_wrong_code_counts_once_however_many_orders_wait() {
    let house = TestHouse::open().await;
    let (seed, one, other) = two_orders(&house).await;
    let mut machine = Machine::on(&house, &seed).await;
    machine.work().await;
    for wrong in wrong_codes([&code_of(&one), &code_of(&other)]).take(5) {
        for order in [&one, &other] {
            machine.start(attempt_of(order, 0), &wrong).await.problem(422, "pickup_code_wrong");
        }
    }
    let locked = machine.start(attempt_of(&one, 0), &code_of(&one)).await;
    assert_eq!(locked.headers["retry-after"], "120");
    locked.problem(429, "pickup_code_locked");
    assert_eq!(house.logged("order.pickup_locked").await, 1);
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
}

#[actix_web::test]
async fn a_locked_order_opens_again_after_its_pause() {
    let house = TestHouse::open().await;
    let (seed, one, other) = two_orders(&house).await;
    let mut machine = Machine::on(&house, &seed).await;
    machine.work().await;
    let wrong = wrong_codes([&code_of(&one), &code_of(&other)]).next().expect("one");
    for _ in 0..5 {
        machine.start(attempt_of(&one, 0), &wrong).await.problem(422, "pickup_code_wrong");
    }
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.problem(429, "pickup_code_locked");
    machine.start(attempt_of(&other, 0), &code_of(&other)).await.expect(200);
    house.pass(121);
    // The old tries are over, and count no more.
    for _ in 0..4 {
        machine.start(attempt_of(&one, 0), &wrong).await.problem(422, "pickup_code_wrong");
    }
    machine.start(attempt_of(&one, 0), &code_of(&one)).await.expect(200);
    assert_eq!(house.order(&seed, &one).await["pickup_code"], json!(code_of(&one)));
}
