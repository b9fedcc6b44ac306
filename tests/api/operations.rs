//! What operators rely on: readiness, metrics, request ids.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, engine},
    harness::{Answer, TestApp},
    machine::{DROP, Machine},
    vending::{attempt_of, code_of},
};
use domain::event::worker::WorkerEvent;
use service::{Actor, Failure};
use storage::StoreError;

async fn ready(app: &TestApp) -> (u16, Value) {
    let answer = app.get("", "/readyz").await;
    let all = answer.body["checks"].as_array().expect("checks").iter().all(|check| check["ok"] == true);
    assert_eq!((answer.status == 200, &answer.body["ready"]), (all, &json!(all)), "{}", answer.body);
    (answer.status.as_u16(), answer.body)
}

/// A test's clock differs from that of the PostgreSQL server, so this check fails there.
fn is_test_clock(check: &Value) -> bool {
    engine() == Engine::Postgres && check["code"] == "differs_from_database"
}

/// Name and code of the checks that are not ok.
fn wrong(body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let checks = body["checks"].as_array().expect("checks");
    let bad = checks.iter().filter(|check| check["ok"] == false && !is_test_clock(check));
    bad.map(|check| (text(&check["name"]), text(&check["code"]))).collect()
}

fn is(name: &str, code: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), code.to_owned())]
}

#[actix_web::test]
async fn readiness_fails_when_something_is_wrong_and_names_it() {
    let app = TestApp::open().await;
    let (status, body) = ready(&app).await;
    assert_eq!(wrong(&body), vec![], "{body}");
    assert_eq!(
        status,
        if engine() == Engine::Postgres { 503 } else { 200 },
        "two days from the server's clock"
    );
    assert_eq!(body["checks"].as_array().expect("checks").len(), 5);
    // The result is cached for a second, but draining is reported at once.
    let first = body["checked_at"].clone();
    app.clock.advance(chrono::TimeDelta::milliseconds(900));
    assert_eq!(ready(&app).await.1["checked_at"], first);
    app.pass(1);
    assert_ne!(ready(&app).await.1["checked_at"], first);
    // The clock is set back behind the newest event.
    app.seed().await;
    let worker_exists = app.state.write(Actor::System, |tx| {
        let recipients = service::Recipients::nobody();
        let id = domain::ids::WorkerId::generate();
        tx.record(id, WorkerEvent::PinChanged {}, recipients)
    });
    worker_exists.await.expect("recorded");
    app.pass(-30);
    let (status, body) = ready(&app).await;
    assert_eq!((status, wrong(&body)), (503, is("clock", "behind_newest_event")));
    assert_eq!(body["ready"], false);
    app.pass(26);
    assert_eq!(wrong(&ready(&app).await.1), vec![], "a few seconds are tolerated");
    // A newer version has migrated the database.
    let add = "INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('29991231235959', CURRENT_TIMESTAMP)";
    app.state.store.write::<_, StoreError>(move |conn| Ok(conn.batch_execute(add)?)).await.expect("added");
    app.pass(1);
    assert_eq!(wrong(&ready(&app).await.1), is("migrations", "database_is_newer"));
    let all = "DELETE FROM __diesel_schema_migrations";
    app.state.store.write::<_, StoreError>(move |conn| Ok(conn.batch_execute(all)?)).await.expect("gone");
    app.pass(1);
    assert_eq!(wrong(&ready(&app).await.1), is("migrations", "pending"));
    app.process.drain();
    assert_eq!(wrong(&ready(&app).await.1)[0], is("lifecycle", "draining")[0]);
    let answer = app.get("", "/healthz").await;
    assert_eq!(answer.headers["connection"], "close", "callers are sent elsewhere");
    answer.expect(200);
}

#[actix_web::test]
async fn a_long_queue_of_writes_is_not_ready() {
    let app = TestApp::open().await;
    // On PostgreSQL writes wait for connections, and so would the readiness check itself.
    if app.state.store.writer_metrics().is_none() {
        return;
    }
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let store = app.state.store.clone();
    let blocking = tokio::spawn(async move {
        store
            .write::<_, StoreError>(move |_| {
                let _go = wait.recv();
                Ok(())
            })
            .await
    });
    // The writer must have started it, or it would share a batch with the rest.
    while app.state.store.writes_waiting() > 0 {
        tokio::task::yield_now().await;
    }
    let waiting: Vec<_> = (0..1100)
        .map(|_| {
            let store = app.state.store.clone();
            tokio::spawn(async move { store.write::<_, StoreError>(|_| Ok(())).await })
        })
        .collect();
    while app.state.store.writes_waiting() < 1025 {
        tokio::task::yield_now().await;
    }
    assert_eq!(wrong(&ready(&app).await.1), is("writer_queue", "too_long"));
    go.send(()).expect("the writer waits");
    blocking.await.expect("joined").expect("written");
    for write in waiting {
        write.await.expect("joined").expect("written");
    }
    app.state.store.settle().await.expect("settled");
    app.pass(1);
    assert_eq!(ready(&app).await.0, 200);
}

/// Samples of the text format by name and labels as written. Strict: a line
/// that is neither a comment nor `name{labels} number` fails the test.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut typed = std::collections::HashSet::new();
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name) = (words.next().expect("a kind"), words.next().expect("a name"));
            assert!(["HELP", "TYPE"].contains(&kind) && words.next().is_some(), "{line}");
            if kind == "TYPE" {
                assert!(typed.insert(name.to_owned()), "{name} has two TYPE lines");
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').expect("a name and a value");
        let name = key.split('{').next().expect("a name");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        assert!(key == name || key.ends_with('}'), "{line}");
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(typed.contains(name) || base.is_some_and(|base| typed.contains(base)), "{line}: no TYPE");
        let value: f64 = value.parse().expect("a number");
        assert!(found.insert(key.to_owned(), value).is_none(), "{line} occurs twice");
    }
    found
}

/// The sum of all samples of `name` whose labels contain every one of `labels`.
fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let name = format!("waystation_{name}");
    let of = |key: &&String| key.split('{').next() == Some(&name) && labels.iter().all(|l| key.contains(l));
    samples.keys().filter(of).map(|key| samples[key]).sum()
}

/// An application with its metrics listener.
struct WithMetrics {
    app: TestApp,
    url: String,
    server: actix_web::dev::ServerHandle,
}

impl WithMetrics {
    async fn open() -> Self {
        let app = TestApp::open().await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/metrics", listener.local_addr().expect("an address"));
        let secret = "a-token-of-24-characters".to_owned().into();
        let server = waystation::serve_metrics(&app.state, listener, Some(&secret)).expect("served");
        let handle = server.handle();
        tokio::spawn(server);
        Self { app, url, server: handle }
    }

    async fn scrape(&self, token: &str) -> Answer {
        let request = self.app.client().get(&self.url).bearer_auth(token);
        Answer::of(request.send().await.expect("answered")).await
    }

    /// The current metrics, a second later than the last ones.
    async fn metrics(&self) -> BTreeMap<String, f64> {
        self.app.pass(1);
        let answer = self.scrape("a-token-of-24-characters").await;
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        samples(answer.body.as_str().expect("text"))
    }
}

impl Drop for WithMetrics {
    fn drop(&mut self) {
        let handle = self.server.clone();
        tokio::spawn(async move { handle.stop(false).await });
    }
}

#[actix_web::test]
async fn metrics_need_the_token_and_are_not_on_the_public_listener() {
    let app_with_metrics = WithMetrics::open().await;
    for token in ["", "a-token-of-24-characterz", "a-token-of-24-character"] {
        assert_eq!(app_with_metrics.scrape(token).await.status, 401);
    }
    app_with_metrics.app.get("", "/metrics").await.problem(404, "route_not_found");
    let figures = app_with_metrics.metrics().await;
    assert_eq!(sum(&figures, "build_info", &["version=\"0.1.0\""]), 1.0);
    assert_eq!(sum(&figures, "http_requests_total", &["route=\"none\"", "status=\"404\""]), 1.0);
    assert!(figures["process_resident_memory_bytes"] > 1e6 && figures["process_open_fds"] > 3.0);
}

#[actix_web::test]
async fn a_consultation_changes_the_metrics_accordingly() {
    let app_with_metrics = WithMetrics::open().await;
    let app = &app_with_metrics.app;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let before = app_with_metrics.metrics().await;
    assert_eq!(sum(&before, "queue_length", &[]), 0.0);
    assert_eq!(sum(&before, "doctors_available", &[]), 0.0);
    app.ask(&worker).await;
    app.pass(30);
    let waiting = app_with_metrics.metrics().await;
    assert_eq!(sum(&waiting, "queue_length", &["general_practice"]), 1.0);
    assert_eq!(sum(&waiting, "queue_oldest_seconds", &["general_practice"]), 31.0);
    assert_eq!(sum(&waiting, "queue_length", &["cardiology"]), 0.0);

    app.on_duty(&seed.doctor).await;
    let on_call = app_with_metrics.metrics().await;
    assert_eq!(sum(&on_call, "doctors_available", &["general_practice"]), 1.0);
    let offer = app.offer_of(&seed.doctor).await;
    let path = |verb: &str| format!("/api/v1/offers/{}/{verb}", offer["id"].as_str().expect("an offer"));
    let fence = json!({"fence": offer["fence"]});
    app.post(&seed.doctor.token, &path("decline"), fence).await.expect(200);
    // The other doctor does not answer; after a while the first gets the offer again.
    app.on_duty(&seed.doctor_b).await;
    app.offer_of(&seed.doctor_b).await;
    app.pass(21);
    service::matching::expire_offers(&app.state).await.expect("a round");
    app.pass(100);
    let offer = app.offer_of(&seed.doctor).await;
    let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
    let token = &seed.doctor.token;
    for _ in 0..3 {
        app.post_with_key(token, &path, "the-same-key", json!({"fence": offer["fence"]})).await.expect(200);
    }
    let after = app_with_metrics.metrics().await;
    let moved = |name: &str, labels: &[&str]| sum(&after, name, labels) - sum(&before, name, labels);
    for (outcome, count) in [("accepted", 1.0), ("declined", 1.0), ("expired", 1.0), ("withdrawn", 0.0)] {
        assert_eq!(moved("offers_total", &[outcome]), count, "{outcome}");
    }
    assert_eq!(moved("consultations_total", &["requested"]), 1.0);
    assert_eq!(moved("time_to_doctor_seconds_count", &["general_practice"]), 1.0);
    let waited = moved("time_to_doctor_seconds_sum", &["general_practice"]);
    assert_eq!(waited, 153.0);
    assert_eq!(moved("idempotency_replays_total", &[]), 2.0);
    assert_eq!(moved("queue_length", &[]), 0.0);
    assert_eq!(moved("consultations_active", &[]), 1.0);
    let unsealed = sum(&after, "audit_unsealed_events", &[]);
    assert!(unsealed >= 7.0, "asked, thrice offered, declined, expired, accepted: {unsealed}");
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let sealed = service::audit::seal(&app.state).await.expect("sealed") as f64;
    assert_eq!(sum(&app_with_metrics.metrics().await, "audit_unsealed_events", &[]), unsealed - sealed);
    let accept = ["route=\"/api/v1/offers/{id}/accept\"", "method=\"POST\"", "status=\"200\""];
    assert_eq!(moved("http_requests_total", &accept), 3.0);
    assert_eq!(moved("http_request_seconds_count", &accept[..1]), 3.0);
    assert!(after.keys().all(|key| !key.contains(offer["id"].as_str().expect("an id"))), "an id is a label");
}

#[actix_web::test]
async fn vends_count_once_when_committed_and_attempts_in_doubt_are_counted() {
    let app_with_metrics = WithMetrics::open().await;
    let app = &app_with_metrics.app;
    let seed = app.seed().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    let order = app.paid(&seed, &visit, 2).await;
    assert_eq!(sum(&app_with_metrics.metrics().await, "units_live", &[]), 2.0);
    let mut machine = Machine::on(app, &seed).await;
    machine.work().await;
    machine.vend(attempt_of(&order, 0), &code_of(&order), DROP).await;
    machine.report().await.expect(200);
    // Reported again: stored already, so nothing is counted.
    let all = machine.journal.from_seq(1).to_vec();
    machine.events(1, all).await.expect(200);
    machine.run(attempt_of(&order, 1), &code_of(&order)).await;
    machine.power_cut().await;
    app.pass(59);
    let figures = app_with_metrics.metrics().await;
    assert_eq!(sum(&figures, "vends_total", &["outcome=\"dispensed\""]), 1.0);
    assert_eq!(sum(&figures, "vends_total", &["outcome=\"in_doubt\""]), 1.0);
    assert_eq!(sum(&figures, "vends_total", &[]), 2.0);
    assert_eq!(sum(&figures, "attempts_in_doubt", &[]), 1.0);
    assert_eq!(sum(&figures, "attempts_in_doubt_oldest_seconds", &[]), 60.0);
    assert_eq!(sum(&figures, "units_live", &[]), 0.0);
    if app.state.store.writer_metrics().is_some() {
        let (batches, closures) = app.state.store.writer_metrics().expect("SQLite").read();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let expected = (batches as f64, closures as f64);
        let seen = |end| sum(&figures, &format!("writer_batch_size_{end}"), &[]);
        assert_eq!((seen("count"), seen("sum")), expected);
        assert!(sum(&figures, "writer_commit_seconds_count", &[]) > 0.0);
    }
    assert!(sum(&figures, "pool_wait_seconds_count", &[]) > 0.0);
    assert_eq!(sum(&figures, "database_figures_fresh", &[]), 1.0);
    // A verb that fails after counting counts nothing.
    let fact = base::telemetry::metrics::Fact::Offer("accepted");
    let undone = app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
        tx.count(fact.clone());
        Err(Failure::inconsistent("on purpose"))
    });
    assert!(undone.await.is_err());
    assert_eq!(sum(&app_with_metrics.metrics().await, "offers_total", &["accepted"]), 0.0);
}

#[actix_web::test]
async fn waiting_polls_are_counted_and_released_at_shutdown() {
    let app_with_metrics = WithMetrics::open().await;
    let app = &app_with_metrics.app;
    let seed = app.seed().await;
    // A cabinet's poll waits only with a current cursor.
    let path = "/cabinet/v1/work?wait=0&cursor=0";
    let cursor = app.get(&seed.cabinet_token, path).await.expect(200)["cursor"].clone();
    let work = format!("/cabinet/v1/work?wait=25&cursor={cursor}");
    let requests = [
        (&seed.doctor.token, "/api/v1/offers?wait=25"),
        (&seed.pharmacist.token, "/api/v1/reviews?wait=25"),
        (&seed.cabinet_token, work.as_str()),
    ];
    let mut polls = Vec::new();
    for (token, path) in requests {
        let request = app.client().get(format!("{}{path}", app.base)).bearer_auth(token).send();
        polls.push(tokio::spawn(request));
    }
    let stream = app.client().get(format!("{}/api/v1/events", app.base)).bearer_auth(&seed.operator.token);
    let stream = stream.send().await.expect("answered");
    assert_eq!(stream.status(), 200);
    let figures = &app.state.metrics;
    while figures.long_polls.get() < 3 || figures.event_streams.get() < 1 {
        tokio::task::yield_now().await;
    }
    let seen = app_with_metrics.metrics().await;
    assert_eq!((sum(&seen, "http_held_polls", &[]), sum(&seen, "event_streams", &[])), (3.0, 1.0));
    let began = std::time::Instant::now();
    app.process.close(&app.state);
    for poll in polls {
        let answer = Answer::of(poll.await.expect("joined").expect("answered")).await;
        assert_eq!(answer.headers["connection"], "close");
        answer.expect(200);
    }
    // The stream ends properly.
    stream.bytes().await.expect("ended well");
    // A new poll does not wait either.
    app.get(&seed.doctor.token, "/api/v1/offers?wait=25").await.expect(200);
    assert!(began.elapsed().as_secs() < 20, "a poll waited although the server is shutting down");
    assert_eq!(figures.long_polls.get(), 0);
}

#[actix_web::test]
async fn an_answer_contains_its_request_id() {
    let app = TestApp::open().await;
    let ask = |id: Option<&'static str>| {
        let request = app.client().get(format!("{}/api/v1/me", app.base));
        let request = id.map_or_else(|| app.client().get(&app.base), |id| request.header("X-Request-Id", id));
        async move { Answer::of(request.send().await.expect("answered")).await }
    };
    let given = "0af7651916cd43dd8448eb211c80319c";
    let answer = ask(Some(given)).await;
    assert_eq!(
        (&answer.headers["x-request-id"], &answer.body["request_id"]),
        (&given.parse().unwrap(), &json!(given))
    );
    let (one, other) = (ask(None).await, ask(Some("15498765431")).await);
    assert_eq!(one.headers["x-request-id"].len(), 32);
    assert_eq!(other.body["request_id"].as_str().map(str::len), Some(32));
}

#[actix_web::test]
async fn limit_counts_and_refusals_are_in_the_metrics() {
    let app = TestApp::open().await;
    let body = json!({"email": "nobody@example.cn", "password": "wrong", "totp": "000000"});
    for _ in 0..10 {
        app.post("", "/api/v1/tokens/staff", body.clone()).await.problem(401, "credentials_wrong");
    }
    app.post("", "/api/v1/tokens/staff", body).await.problem(429, "too_many_requests");
    let figures = samples(&service::metrics::exposition(&app.state).await);
    // The request beyond the limit is checked slowly, and counts as well.
    assert_eq!(sum(&figures, "limit_counts_total", &["sign-in-address"]), 11.0);
    assert_eq!(sum(&figures, "limited_total", &["sign-in-account"]), 1.0);
}

#[test]
fn alerts_and_sizing_guide_name_existing_metrics() {
    let read = |path: &str| std::fs::read_to_string(crate::harness::root().join(path)).expect("readable");
    let code =
        ["src/base/src/telemetry/metrics.rs", "src/storage/src/writer.rs", "src/storage/src/pool/metrics.rs"]
            .map(read);
    let mut named = 0;
    for path in ["deploy/alerts.yml", "deploy/SIZING.md"] {
        let text = read(path);
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        for name in words.filter_map(|word| word.strip_prefix("waystation_")) {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            let quoted = format!("\"{name}\"");
            assert!(code.iter().any(|file| file.contains(&quoted)), "{path}: no figure is called {name}");
            named += 1;
        }
    }
    assert!(named > 15, "only {named} were found");
}
