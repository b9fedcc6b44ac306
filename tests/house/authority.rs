//! Authority holds when a verb is kept, not only when it begins. On PostgreSQL
//! a verb may wait for a row while its caller is disabled, leaves or is revoked:
//! then nothing of it is kept. (SQLite has one writer: nobody comes in between.)

use diesel::{connection::SimpleConnection, prelude::*, sql_types::BigInt};
use serde_json::{Value, json};
use waystation::{crypto::tokens::Role, domain::vend::BootId, each, storage::Conn};

use crate::{
    engines::{self, Engine},
    harness::{Answer, TestHouse},
    machine::Machine,
    seed::{CARD, PIN, Seed},
    vending::RX,
};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(conn: &mut Conn, sql: &str) -> i64 {
    each!(conn, c => diesel::sql_query(sql).get_result::<Count>(c)).expect(sql).count
}

fn run(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
}

/// One verb that waits to write into a table that this test holds.
struct Wait<'a> {
    house: &'a TestHouse,
    holder: Conn,
    verb: tokio::task::JoinHandle<Answer>,
}

impl<'a> Wait<'a> {
    /// Takes `table`, sends the request, and returns when it waits.
    async fn behind(house: &'a TestHouse, table: &str, token: &str, path: &str, body: Value) -> Self {
        let mut holder = house.connection();
        run(&mut holder, &format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
        let request = house
            .client()
            .post(format!("{}{path}", house.base))
            .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
            .header("Accept-Language", "en")
            .bearer_auth(token)
            .json(&body);
        let verb = tokio::spawn(async move { Answer::of(request.send().await.expect("answered")).await });
        let mut watcher = house.connection();
        let waiting = "SELECT count(*) AS count FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while count(&mut watcher, waiting) == 0 {
            assert!(!verb.is_finished(), "the verb did not wait: {:?}", verb.await);
            tokio::task::yield_now().await;
        }
        Self { house, holder, verb }
    }

    /// Lets the verb go on, when `ended` has ended its caller's authority; the
    /// verb is refused, and nothing new stands in the log or in `tables`.
    async fn refused(mut self, code: &str, tables: &[&str], ended: impl Future<Output = ()>) {
        ended.await;
        let counts = |conn: &mut Conn| -> Vec<i64> {
            let all = ["event", "idempotency"].iter().chain(tables);
            all.map(|table| count(conn, &format!("SELECT count(*) AS count FROM {table}"))).collect()
        };
        let mut watcher = self.house.connection();
        let before = counts(&mut watcher);
        run(&mut self.holder, "COMMIT");
        let answer = self.verb.await.expect("no panic");
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (401, &json!(code)), "{}", answer.body);
        assert_eq!(counts(&mut watcher), before, "something was kept");
    }
}

async fn scene() -> Option<(TestHouse, Seed)> {
    if engines::engine() == Engine::Sqlite {
        return None;
    }
    let house = TestHouse::open_with(|config| config.database_connections = 8).await;
    let seed = house.seed().await;
    Some((house, seed))
}

async fn disable(house: &TestHouse, by: &str, id: impl std::fmt::Display) {
    house.post(by, &format!("/api/v1/staff/{id}/disable"), json!({})).await.expect(200);
}

#[actix_web::test]
async fn a_doctor_who_is_disabled_while_a_message_waits_has_not_said_it() {
    let Some((house, seed)) = scene().await else { return };
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let text = json!({"text": "too late"});
    let wait = Wait::behind(&house, "message", &seed.doctor.token, &path, text).await;
    wait.refused("session_ended", &["message"], disable(&house, &seed.operator.token, seed.doctor.id)).await;
}

/// Whoever writes `disabled_at` alone has disabled them, too.
#[actix_web::test]
async fn that_somebody_is_disabled_counts_although_their_session_stands() {
    let Some((house, seed)) = scene().await else { return };
    let worker = house.check_in(&seed).await;
    let id = house.active(&seed, &worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let text = json!({"text": "too late"});
    let wait = Wait::behind(&house, "message", &seed.doctor.token, &path, text).await;
    wait.refused("session_ended", &["message"], async {
        run(&mut house.connection(), "UPDATE staff SET disabled_at = now() WHERE role = 'doctor'");
    })
    .await;
    house.get(&seed.doctor.token, "/api/v1/duty").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn an_operator_who_is_disabled_while_a_recall_waits_has_recalled_nothing() {
    let Some((house, seed)) = scene().await else { return };
    house.fill(&seed).await;
    let other = house.person(Role::Operator, "other@example.cn", None, None).await;
    let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "as the maker says"});
    let wait = Wait::behind(&house, "lot", &seed.operator.token, "/api/v1/lots/recall", recall).await;
    wait.refused(
        "session_ended",
        &["lot WHERE recalled_at IS NOT NULL"],
        disable(&house, &other.token, seed.operator.id),
    )
    .await;
}

#[actix_web::test]
async fn a_worker_who_leaves_while_a_payment_waits_has_not_paid() {
    let Some((house, seed)) = scene().await else { return };
    house.fill(&seed).await;
    let visit = house.visit(&seed).await;
    let body = json!({"prescription_id": house.prescribe(&seed, &visit, 1).await});
    let order = house.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
    // The account stands already.
    house.get(&visit.token, "/api/v1/account").await.expect(200);
    let pay = json!({"method": "subsidy"});
    let wait = Wait::behind(&house, "posting", &visit.token, &path, pay).await;
    let station = house.station_token(&seed);
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    wait.refused("check_in_ended", &["posting", "attempt"], async {
        house.post(&station, &leave, json!({})).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn a_screen_that_is_revoked_while_a_check_in_waits_has_checked_nobody_in() {
    let Some((house, seed)) = scene().await else { return };
    let card = json!({"card_number": CARD, "pin": PIN});
    let wait = Wait::behind(&house, "check_in", &seed.station_token, "/api/v1/check-ins", card).await;
    let revoke = format!("/api/v1/devices/{}/revoke", seed.station_device);
    wait.refused("device_revoked", &["check_in"], async {
        house.post(&seed.operator.token, &revoke, json!({})).await.expect(200);
    })
    .await;
}

#[actix_web::test]
async fn whoever_signs_out_ends_their_own_session_and_is_told_so() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    house.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    house.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn a_cabinet_that_is_revoked_while_its_journal_waits_has_told_nothing() {
    let Some((house, seed)) = scene().await else { return };
    house.fill(&seed).await;
    let machine = Machine::on(&house, &seed).await;
    let boot = BootId::from_bytes(waystation::crypto::random::bytes());
    let body = machine.hello_body(boot);
    let mut holder = house.connection();
    run(&mut holder, "BEGIN; LOCK TABLE cabinet_boot IN SHARE MODE");
    let before = count(&mut house.connection(), "SELECT count(*) AS count FROM cabinet_boot");
    let (hello, _) = futures_util::future::join(machine.post("/cabinet/v1/hello", &body), async {
        let mut watcher = house.connection();
        let waiting = "SELECT count(*) AS count FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while count(&mut watcher, waiting) == 0 {
            tokio::task::yield_now().await;
        }
        house.revoke_cabinet(&seed).await;
        run(&mut holder, "COMMIT");
    })
    .await;
    hello.problem(401, "device_revoked");
    assert_eq!(count(&mut house.connection(), "SELECT count(*) AS count FROM cabinet_boot"), before);
}

/// A revocation that has its row, and is not committed yet, is waited for.
#[actix_web::test]
async fn a_revocation_in_the_middle_is_waited_for() {
    let Some((house, seed)) = scene().await else { return };
    let mut revoking = house.connection();
    run(&mut revoking, "BEGIN; UPDATE session SET revoked_at = now()");
    let token = seed.doctor.token.clone();
    let url = format!("{}/api/v1/duty", house.base);
    let request = house.client().put(url).bearer_auth(token).json(&json!({"presence": "available"}));
    let verb = tokio::spawn(async move { Answer::of(request.send().await.expect("answered")).await });
    let mut watcher = house.connection();
    let waiting = "SELECT count(*) AS count FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while count(&mut watcher, waiting) == 0 {
        assert!(!verb.is_finished());
        tokio::task::yield_now().await;
    }
    run(&mut revoking, "COMMIT");
    verb.await.expect("no panic").problem(401, "session_ended");
}
