//! How much one person may buy, wherever they buy, and what strangers together may buy
//! at one station.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{
    Caller, Code, Station, Worker, WorkerAtStation,
    counter::{another_counter, counter, counter_with, customer, expect_rule, man, vend_everything},
    over_the_counter,
    worker::ORDERS,
};

#[actix_web::test]
async fn four_hundred_tablets_are_not_to_be_had() {
    let app = counter_with(|config| {
        let policy = json!({"unpaid_orders": 50, "unpaid_packs": 500});
        config.policy.insert("vending".to_owned(), policy);
    })
    .await;
    let (here, other) = (app.station().await, another_counter(&app).await);
    let worker = customer(&here, "15400000031").await;
    let refused = worker.buy(&[("PCM-T500", 5)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "amount_over_course");
    let mut tablets = 0;
    for _ in 0..20 {
        for product in ["PCM-T500", "PCM-SR650", "COLD-G"] {
            let rules = ["sedating_machines", "duplicate_ingredient"];
            let answer = worker.buy_accepting(product, &rules).await;
            tablets += if answer.status == 201 { 20 } else { 0 };
        }
    }
    assert_eq!(tablets, 20, "one pack of one of them");
    // The same phone at another station is the same person; another phone is not.
    let same = customer(&other, "15400000031").await;
    same.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    let another = customer(&other, "15400000032").await;
    another.buy(&[("PCM-T500", 1)]).await.expect_created();
    app.sound().await;
}

/// A man who gives no phone: a new person each time.
async fn stranger<'a>(at: &Station<'a>) -> WorkerAtStation<'a> {
    let worker = at.check_in(man()).await;
    worker.answer_health_questions(json!({"job": "sanitation"})).await;
    worker
}

#[actix_web::test]
async fn strangers_together_get_a_few_packs_a_day_at_one_station() {
    let app = counter().await;
    let (here, other) = (app.station().await, another_counter(&app).await);
    let mut sold = 0;
    for _ in 0..8 {
        let answer = stranger(&here).await.buy(&[("PCM-T500", 1)]).await;
        if answer.status == 201 {
            sold += 1;
        } else {
            let refused = answer.expect_refused(Code::SafetyBlocked);
            expect_rule(&refused, "strangers_amount");
            assert!(refused["data"][0]["message"]["zh"].as_str().is_some_and(|text| text.contains("手机")));
        }
    }
    assert_eq!(sold, 4, "packs of twenty");
    // Another product with the same drug counts, another drug does not.
    let worker = stranger(&here).await;
    let cold = worker.buy_accepting("COLD-G", &["sedating_machines"]).await;
    cold.expect_refused(Code::SafetyBlocked);
    worker.buy(&[("IBU-T200", 1)]).await.expect_created();
    // Another station, and another day.
    stranger(&other).await.buy(&[("PCM-T500", 1)]).await.expect_created();
    vend_everything(&app).await;
    app.pass(86_400);
    stranger(&here).await.buy(&[("PCM-T500", 1)]).await.expect_created();
}

#[actix_web::test]
async fn who_is_known_is_not_held_by_what_strangers_bought() {
    let app = counter_with(|config| {
        config.policy.insert("vending".to_owned(), json!({"walk_in_packs": 1}));
    })
    .await;
    let station = app.station().await;
    let first = customer(&station, "15400000071").await;
    first.buy(&[("PCM-T500", 1)]).await.expect_created();
    let second = customer(&station, "15400000072").await;
    second.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    let known = station.check_in(Worker::adult()).await;
    known.answer_health_questions(json!({})).await;
    known.buy(&[("PCM-T500", 1)]).await.expect_created();
}

#[actix_web::test]
async fn of_many_orders_at_once_by_one_person_one_goes_through() {
    let app = counter().await;
    let one = customer(&app.station().await, "15400000034").await;
    let two = customer(&another_counter(&app).await, "15400000034").await;
    let order = over_the_counter(&[("PCM-T500", 1)]);
    let answers = join_all((0..16).map(|n| {
        let worker = if n % 2 == 0 { &one } else { &two };
        worker.post(ORDERS, order.clone())
    }))
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.expect_refused(Code::SafetyBlocked);
    }
    app.sound().await;
}

#[actix_web::test]
async fn what_came_out_lately_counts_until_the_course_is_over() {
    let app = counter().await;
    let station = app.station().await;
    let worker = customer(&station, "15400000035").await;
    worker.buy(&[("PCM-T500", 1)]).await.expect_created();
    vend_everything(&app).await;
    for (days, product, sold) in [
        (1, "PCM-SR650", false),
        (2, "PCM-T500", false),
        // The five days are over; a second course needs a doctor's look all the same.
        (3, "PCM-T500", false),
        (3, "PCM-T500", true),
    ] {
        app.pass(days * 86_400);
        let answer = customer(&station, "15400000035").await.buy(&[(product, 1)]).await;
        if sold {
            answer.expect_created();
        } else {
            answer.expect_refused(Code::SafetyBlocked);
        }
    }
}

#[actix_web::test]
async fn nobody_holds_more_than_a_few_unpaid_orders() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000036").await;
    let first = worker.buy(&[("IBU-T200", 1)]).await.expect_created();
    worker.buy(&[("DIC-G1", 1)]).await.expect_refused(Code::SafetyWarningsUnaccepted);
    worker.buy(&[("GUA-L20", 1)]).await.expect_created();
    let refused = worker.buy(&[("PVI-S5", 1)]).await.expect_refused(Code::UnpaidOrdersExceeded);
    assert_eq!((&refused["data"]["unpaid_orders"], &refused["data"]["most_orders"]), (&json!(2), &json!(2)));
    let same = customer(&another_counter(&app).await, "15400000036").await;
    same.buy(&[("PVI-S5", 1)]).await.expect_refused(Code::UnpaidOrdersExceeded);
    worker.cancel(&first).await.expect_ok();
    same.buy(&[("PVI-S5", 1)]).await.expect_created();
    app.sound().await;
}

#[actix_web::test]
async fn a_walk_in_and_the_card_with_that_phone_are_one_person() {
    let app = counter().await;
    let station = app.station().await;
    // The phone of the worker with the card.
    let walk_in = customer(&station, "15400000001").await;
    walk_in.buy(&[("PCM-T500", 1)]).await.expect_created();
    vend_everything(&app).await;
    let worker = station.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({})).await;
    worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
}

#[actix_web::test]
async fn what_a_walk_in_bought_counts_after_the_merge() {
    let app = counter().await;
    let station = app.station().await;
    let walk_in = customer(&station, "15400000040").await;
    walk_in.buy(&[("PCM-T500", 1)]).await.expect_created();
    vend_everything(&app).await;
    walk_in.leave().await.expect_ok();
    let merge = json!({"into": app.network().await.worker, "accept": ["birth_date"]});
    app.operator().await.merge(walk_in.id, merge).await.expect_ok();
    let worker = station.check_in(Worker::adult()).await;
    worker.answer_health_questions(json!({})).await;
    worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
}
