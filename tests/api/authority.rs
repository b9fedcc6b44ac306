//! Authority is checked when a verb commits, not only when it begins. On PostgreSQL
//! a verb may wait for a row while its caller is disabled, leaves or is revoked:
//! then it commits nothing. (SQLite has one writer, so nothing can run in between.)

use std::pin::pin;

use diesel::{connection::SimpleConnection, prelude::*, sql_types::BigInt};
use futures_util::future::{Either, join, select};
use serde_json::json;

use crate::{
    engines::{self, Engine},
    harness::{Answer, TestApp},
    machine::Machine,
    seed::{CARD, PIN, Seed},
    support::waiting::{until_a_statement_waits, until_statements_wait},
    vending::RX,
};
use crypto::tokens::Role;
use domain::vend::BootId;
use storage::{Conn, on_backend};

/// What every verb writes that is committed.
const LOG: &[&str] = &["event", "saved_answer"];

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count(conn: &mut Conn, sql: &str) -> i64 {
    on_backend!(conn, c => diesel::sql_query(sql).get_result::<Count>(c)).expect(sql).count
}

fn run(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
}

/// Locks `table` until `verb` waits to write into it and `ended` has ended its caller's authority, or
/// waits for a row that `verb` has locked. Then the verb is refused, and nothing is new in `tables`,
/// nor in the log.
async fn refused(
    app: &TestApp,
    table: &str,
    verb: impl Future<Output = Answer>,
    end_authority: impl Future<Output = ()>,
    code: &str,
    tables: &[&str],
) {
    let mut watcher = app.connection();
    let mut counts = |tables: &[&str]| -> Vec<i64> {
        let sql = |table: &&str| format!("SELECT count(*) AS count FROM {table}");
        tables.iter().map(|table| count(&mut watcher, &sql(table))).collect()
    };
    let before = counts(tables);
    let mut holder = app.connection();
    run(&mut holder, &format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"));
    let between = async {
        until_a_statement_waits(app).await;
        let mut ending = pin!(end_authority);
        let both_wait = pin!(until_statements_wait(app, 2));
        let ended = matches!(select(ending.as_mut(), both_wait).await, Either::Left(_));
        let logged = ended.then(|| counts(LOG));
        run(&mut holder, "COMMIT");
        if !ended {
            ending.await;
        }
        logged
    };
    let (answer, logged) = join(verb, between).await;
    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (401, &json!(code)), "{}", answer.body);
    assert_eq!(counts(tables), before, "something was committed");
    if let Some(logged) = logged {
        assert_eq!(counts(LOG), logged, "something was logged");
    }
}

async fn scene() -> Option<(TestApp, Seed)> {
    if engines::engine() == Engine::Sqlite {
        return None;
    }
    let app = TestApp::open_with(|config| config.database_connections = 8).await;
    let seed = app.seed().await;
    Some((app, seed))
}

async fn disable(app: &TestApp, by: &str, id: impl std::fmt::Display) {
    app.post(by, &format!("/api/v1/staff/{id}/disable"), json!({})).await.expect(200);
}

#[actix_web::test]
async fn a_message_that_waits_is_not_sent_when_its_doctor_is_disabled() {
    let Some((app, seed)) = scene().await else { return };
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let verb = app.post(&seed.doctor.token, &path, json!({"text": "too late"}));
    let end_authority = disable(&app, &seed.operator.token, seed.doctor.id);
    let tables = &["message", "event WHERE kind = 'consultation.message'"];
    refused(&app, "message", verb, end_authority, "session_ended", tables).await;
}

/// Setting `disabled_at` alone disables a person, too.
#[actix_web::test]
async fn a_disabled_person_is_refused_although_their_session_is_open() {
    let Some((app, seed)) = scene().await else { return };
    let worker = app.check_in(&seed).await;
    let id = app.active(&seed, &worker).await;
    let path = format!("/api/v1/consultations/{id}/messages");
    let verb = app.post(&seed.doctor.token, &path, json!({"text": "too late"}));
    let end_authority = async {
        run(&mut app.connection(), "UPDATE staff SET disabled_at = now() WHERE role = 'doctor'");
    };
    refused(&app, "message", verb, end_authority, "session_ended", &["message"]).await;
    app.get(&seed.doctor.token, "/api/v1/duty").await.problem(401, "session_ended");
}

#[actix_web::test]
async fn a_recall_that_waits_recalls_nothing_when_its_operator_is_disabled() {
    let Some((app, seed)) = scene().await else { return };
    app.fill(&seed).await;
    let other = app.person(Role::Operator, "other@example.cn", None, None).await;
    let recall = json!({"product_code": RX, "lot_no": "L1", "reason": "as the maker says"});
    let verb = app.post(&seed.operator.token, "/api/v1/lots/recall", recall);
    let end_authority = disable(&app, &other.token, seed.operator.id);
    refused(&app, "lot", verb, end_authority, "session_ended", &["lot WHERE recalled_at IS NOT NULL"]).await;
}

#[actix_web::test]
async fn a_payment_that_waits_is_not_made_when_its_worker_leaves() {
    let Some((app, seed)) = scene().await else { return };
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let body = json!({"prescription_id": app.prescribe(&seed, &visit, 1).await});
    let order = app.post(&visit.token, "/api/v1/orders", body).await.expect(201);
    let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
    // The account exists already.
    app.get(&visit.token, "/api/v1/account").await.expect(200);
    let verb = app.post(&visit.token, &path, json!({"method": "subsidy"}));
    let station = app.station_token(&seed);
    let leave = format!("/api/v1/check-ins/{}/leave", visit.check_in);
    let end_authority = async {
        app.post(&station, &leave, json!({})).await.expect(200);
    };
    refused(&app, "posting", verb, end_authority, "check_in_ended", &["posting", "attempt"]).await;
}

#[actix_web::test]
async fn a_check_in_that_waits_is_not_made_when_its_screen_is_revoked() {
    let Some((app, seed)) = scene().await else { return };
    let card = json!({"card_number": CARD, "pin": PIN});
    let verb = app.post(&seed.station_token, "/api/v1/check-ins", card);
    let revoke = format!("/api/v1/devices/{}/revoke", seed.station_device);
    let end_authority = async {
        app.post(&seed.operator.token, &revoke, json!({})).await.expect(200);
    };
    refused(&app, "check_in", verb, end_authority, "device_revoked", &["check_in"]).await;
}

#[actix_web::test]
async fn a_hello_that_waits_is_not_recorded_when_its_cabinet_is_revoked() {
    let Some((app, seed)) = scene().await else { return };
    app.fill(&seed).await;
    let machine = Machine::on(&app, &seed).await;
    let body = machine.hello_body(BootId::from_bytes(crypto::random::bytes()));
    let verb = machine.post("/cabinet/v1/hello", &body);
    let end_authority = app.revoke_cabinet(&seed);
    refused(&app, "cabinet_boot", verb, end_authority, "device_revoked", &["cabinet_boot"]).await;
}

#[actix_web::test]
async fn signing_out_ends_the_own_session_and_succeeds() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.post(&seed.doctor.token, "/api/v1/session/sign-out", json!({})).await.expect(200);
    app.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
}

/// A revocation that has locked its row and is not committed yet is waited for.
#[actix_web::test]
async fn a_request_waits_for_an_uncommitted_revocation() {
    let Some((app, seed)) = scene().await else { return };
    let mut revoking = app.connection();
    run(&mut revoking, "BEGIN; UPDATE session SET revoked_at = now()");
    let duty = app.put(&seed.doctor.token, "/api/v1/duty", "0", json!({"presence": "available"}));
    let commit = async {
        until_a_statement_waits(&app).await;
        run(&mut revoking, "COMMIT");
    };
    let (answer, ()) = join(duty, commit).await;
    answer.problem(401, "session_ended");
}
