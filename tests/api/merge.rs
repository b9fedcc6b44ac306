//! A walk-in turns out to be a worker with a card.

use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    machine::{DROP, Machine},
    seed::Seed,
    vending::{Visit, attempt_of, code_of},
};
use domain::ids::WorkerId;

async fn walk_in(app: &TestApp, seed: &Seed) -> (WorkerId, Visit) {
    let body = json!({"name": "样例甲", "phone": "15400000002", "consent": true});
    let token = app.station_token(seed);
    let opened = app.post(&token, "/api/v1/check-ins/walk-in", body).await.expect(201);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let visit = Visit {
        token: text(&opened["access_token"]),
        check_in: text(&opened["check_in"]["id"]).parse().expect("an id"),
    };
    (text(&opened["check_in"]["worker_id"]).parse().expect("an id"), visit)
}

async fn leave(app: &TestApp, seed: &Seed, visit: &Visit) {
    let path = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    app.post(&app.station_token(seed), &path, json!({})).await.expect(200);
}

async fn merge(app: &TestApp, seed: &Seed, from: WorkerId, into: WorkerId) -> Answer {
    let path = format!("/api/v1/workers/{from}/merge");
    app.post(&app.operator_token(seed), &path, json!({"into": into})).await
}

async fn balance(app: &TestApp, token: &str) -> i64 {
    app.get(token, "/api/v1/account").await.expect(200)["balance_fen"].as_i64().expect("an amount")
}

#[actix_web::test]
async fn a_walk_ins_data_moves_to_the_card_after_all_care_has_ended() {
    let app = TestApp::open().await;
    let mut seed = app.seed().await;
    let carded = seed.worker;
    app.fill(&seed).await;
    let (guest, visit) = walk_in(&app, &seed).await;
    let refused = merge(&app, &seed, guest, carded).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "checked_in");

    // Earlier versions granted an allowance to anybody.
    app.granted_before(guest).await;
    // The test's prescriber prescribes for the seed's worker.
    seed.worker = guest;
    let order = app.paid(&seed, &visit, 1).await;
    seed.worker = carded;
    leave(&app, &seed, &visit).await;
    let refused = merge(&app, &seed, guest, carded).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "order_live");
    let mut machine = Machine::on(&app, &seed).await;
    machine.vend(attempt_of(&order, 0), &code_of(&order), DROP).await;
    machine.report().await.expect(200);

    let merged = merge(&app, &seed, guest, carded).await.expect(200);
    assert_eq!(merged["id"], json!(guest));
    assert_eq!(merged["merged_into"], json!(carded));
    // Repeating the merge changes nothing.
    assert_eq!(merge(&app, &seed, guest, carded).await.expect(200), merged);
    app.sound().await;

    let mine = app.visit(&seed).await;
    let orders = app.get(&mine.token, "/api/v1/orders").await.expect(200);
    assert_eq!(orders["items"][0]["id"], order["id"]);
    let prescriptions = app.get(&mine.token, "/api/v1/prescriptions").await.expect(200);
    assert_eq!(prescriptions["items"][0]["state"], "fulfilled");
    // The signed prescription is unchanged.
    assert_eq!(prescriptions["items"][0]["worker_id"], json!(guest));
    let id = prescriptions["items"][0]["id"].as_str().expect("an id");
    app.get(&mine.token, &format!("/api/v1/prescriptions/{id}")).await.expect(200);
    // The walk-in's phone no longer finds anybody.
    let path = "/api/v1/workers?phone=15400000002";
    assert_eq!(app.get(&app.operator_token(&seed), path).await.expect(200)["items"], json!([]));
}

#[actix_web::test]
async fn an_allowance_is_not_granted_twice_to_a_merged_person() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    // Only the walk-in had this month's allowance: it moves, and is not granted again.
    let (guest, visit) = walk_in(&app, &seed).await;
    app.granted_before(guest).await;
    assert_eq!(balance(&app, &visit.token).await, 20_000);
    leave(&app, &seed, &visit).await;
    merge(&app, &seed, guest, seed.worker).await.expect(200);
    let mine = app.visit(&seed).await;
    assert_eq!(balance(&app, &mine.token).await, 20_000);
    // Both had it: the walk-in's is returned to the fund.
    let (guest, visit) = walk_in(&app, &seed).await;
    app.granted_before(guest).await;
    assert_eq!(balance(&app, &visit.token).await, 20_000);
    leave(&app, &seed, &visit).await;
    merge(&app, &seed, guest, seed.worker).await.expect(200);
    let mine = app.visit(&seed).await;
    assert_eq!(balance(&app, &mine.token).await, 20_000);
    app.sound().await;
}

#[actix_web::test]
async fn a_merge_keeps_the_lower_weight() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for (weight, expected) in [(650, 650), (820, 650)] {
        let (guest, visit) = walk_in(&app, &seed).await;
        let body = json!({"weight_kg_tenths": weight});
        app.put(&visit.token, "/api/v1/me/profile", "\"0\"", body).await.expect(200);
        leave(&app, &seed, &visit).await;
        merge(&app, &seed, guest, seed.worker).await.expect(200);
        let mine = app.visit(&seed).await;
        let profile = app.get(&mine.token, "/api/v1/me/profile").await.expect(200);
        assert_eq!(profile["weight_kg_tenths"], expected);
    }
}

#[actix_web::test]
async fn one_operator_alone_merges_only_a_walk_in_and_only_into_a_card() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (guest, visit) = walk_in(&app, &seed).await;
    leave(&app, &seed, &visit).await;
    let (other, visit) = walk_in(&app, &seed).await;
    leave(&app, &seed, &visit).await;
    for into in [guest, other, WorkerId::generate()] {
        let refused = merge(&app, &seed, guest, into).await.problem(422, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], "into");
    }
    merge(&app, &seed, WorkerId::generate(), seed.worker).await.problem(404, "not_found");
    let worker = json!({"card_number": "887766554430", "pin": "270461", "name": "样例乙",
        "phone": "15400000003", "birth_date": "1991-02-03", "sex": "female", "job": "courier"});
    let made = app.post(&seed.operator.token, "/api/v1/workers", worker).await.expect(201);
    let second: WorkerId = made["id"].as_str().expect("an id").parse().expect("an id");
    merge(&app, &seed, second, seed.worker).await.problem(403, "approval_needed");
    let path = format!("/api/v1/workers/{guest}/merge");
    let body = json!({"into": seed.worker});
    app.post(&seed.doctor.token, &path, body.clone()).await.problem(403, "role_not_allowed");
    let tries = (0..8).map(|_| merge(&app, &seed, guest, seed.worker));
    for answer in futures_util::future::join_all(tries).await {
        answer.expect(200);
    }
    let refused = merge(&app, &seed, guest, second).await.problem(409, "state_moved_on");
    assert_eq!(refused["state"], "merged");
    app.sound().await;
}
