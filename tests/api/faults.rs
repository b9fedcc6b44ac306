//! A fault of the server keeps its causes, is logged once, and tells the caller nothing.

use diesel::connection::SimpleConnection;

use crate::support::{
    Caller, TestApp, Worker, logs,
    vending::{attempt_of, code_of},
};
use service::Failure;

#[actix_web::test]
async fn a_fault_is_logged_once_with_its_request_and_its_causes() {
    let lines = logs::subscribe();
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    // A value that was sealed for another column does not open here.
    app.connection().batch_execute("UPDATE worker SET name_sealed = phone_sealed").expect("written");
    let id = uuid::Uuid::now_v7().simple().to_string();
    let request = app.client().get(format!("{}/api/v1/me", app.base)).header("X-Request-Id", &id);
    let answer = request.bearer_auth(worker.token()).send().await.expect("answered");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (500, &"1".parse().expect("one"))
    );
    let body: serde_json::Value = answer.json().await.expect("JSON");
    assert_eq!((&body["code"], &body["request_id"]), (&"internal_error".into(), &id.as_str().into()));
    assert!(!body.to_string().contains("seal"), "{body}");
    let logged = lines.troubles(&id);
    let [line] = &logged[..] else { panic!("{logged:?}") };
    let chain = format!("worker.name_sealed of {}: the sealed value does not open", worker.id);
    for wanted in ["GET", "/api/v1/me", chain.as_str()] {
        assert!(line.contains(wanted), "{wanted} is missing: {line}");
    }
}

#[actix_web::test]
async fn a_job_logs_the_failure_of_an_item_once() {
    let lines = logs::subscribe();
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let order = worker.reserve_and_pay(1).await;
    let (attempt, mut machine) = (attempt_of(&order, 0), app.cabinet().await);
    machine.work().await;
    machine.start(attempt, &code_of(&order)).await.expect_ok();
    app.connection().batch_execute("UPDATE attempt SET boot_id = 'torn'").expect("written");
    app.pass(3600);
    let round = service::vend::doubt_silent(&app.state).await;
    assert!(matches!(round, Err(Failure::Incomplete(1))), "{round:?}");
    let logged = lines.troubles(&attempt.to_string());
    let [line] = &logged[..] else { panic!("{logged:?}") };
    assert!(line.contains("doubt-silent") && line.contains("a stored boot id"), "{line}");
}
