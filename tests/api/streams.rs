//! The event log as its readers see it: no event is skipped because it was
//! committed late, and an idle reader costs no database work.

use std::pin::Pin;

use diesel::connection::SimpleConnection;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::{
    engines::{self, Engine},
    harness::{TestApp, start_of_test},
    support::{Caller, Code, id_in, prescribing::Scene, waiting::until_every_event_is_visible},
};
use domain::{
    event::{Event, network::EmployerEvent},
    ids::{Id, WorkerId},
};
use service::{Actor, Failure};
use storage::{
    Conn, Live,
    events::{Audience, LoggedEvent, NewEvent},
    on_backend,
};

/// Only PostgreSQL allows two transactions to write at once.
fn one_writer_only() -> bool {
    engines::engine() == Engine::Sqlite
}

/// Appends an event with a name, the code of an employer.
fn append(conn: &mut Conn, name: &str, worker: Option<WorkerId>) {
    let event = NewEvent {
        stream_id: Id::generate(),
        event: EmployerEvent::Added { code: name.to_owned() }.into(),
        actor_role: "system",
        actor_id: None,
        worker_id: worker,
        staff_id: None,
        at: start_of_test(),
    };
    storage::events::events_append(conn, &[event]).expect("appended");
}

fn run(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
}

/// Begins a transaction that has its transaction id and has written nothing yet.
fn begin(app: &TestApp) -> Conn {
    let mut conn = app.connection();
    run(&mut conn, "BEGIN; SELECT pg_current_xact_id()");
    conn
}

/// Reads once after `position`, as a follower does; returns the names, and whether more will follow soon.
async fn follow(app: &TestApp, position: &mut i64) -> (Vec<String>, bool) {
    let after = *position;
    let found = app
        .state
        .read(Actor::System, move |conn, _| {
            Ok(storage::events::events_after(conn, Audience::All, after, 100)?)
        })
        .await
        .expect("read");
    *position = found.events.last().map_or(after, |event| event.position);
    let name = |event: LoggedEvent| match event.parse() {
        Ok(Event::Employer(EmployerEvent::Added { code })) => code,
        other => panic!("{other:?}"),
    };
    (found.events.into_iter().map(name).collect(), found.more_soon)
}

async fn head(app: &TestApp) -> i64 {
    app.state
        .read(Actor::System, |conn, _| Ok(storage::events::event_head(conn, Live::always())?))
        .await
        .expect("read")
        .unwrap_or(0)
}

/// Reads when no event is hidden any more: other tests share the server, and
/// their transactions delay the visible position, too.
async fn follow_all(app: &TestApp, position: &mut i64) -> Vec<String> {
    until_every_event_is_visible(app).await;
    let (names, more_soon) = follow(app, position).await;
    assert!(!more_soon, "everything is visible");
    names
}

#[actix_web::test]
async fn an_event_committed_late_reaches_a_reader_who_has_read_later_events() {
    if one_writer_only() {
        return;
    }
    let app = TestApp::open().await;
    let mut position = head(&app).await;
    // The first transaction begins first but writes last; the second one writes
    // first and is committed last. Either order must be read completely.
    let (mut first, mut second) = (begin(&app), begin(&app));
    append(&mut second, "second", None);
    append(&mut first, "first", None);
    run(&mut first, "COMMIT");
    let mut seen = follow(&app, &mut position).await.0;
    run(&mut second, "COMMIT");
    seen.extend(follow_all(&app, &mut position).await);
    assert_eq!(seen, ["first", "second"]);

    let (mut early, mut late) = (begin(&app), begin(&app));
    append(&mut early, "early", None);
    append(&mut late, "late", None);
    run(&mut late, "COMMIT");
    let from = head(&app).await;
    let (seen, more_soon) = follow(&app, &mut position).await;
    assert_eq!((seen.len(), more_soon), (0, true), "the later one is hidden and announced");
    run(&mut early, "COMMIT");
    assert_eq!(follow_all(&app, &mut position).await, ["early", "late"]);
    // A reader who began in between starts at the head, and misses neither event.
    let mut newcomer = from;
    assert_eq!(follow_all(&app, &mut newcomer).await, ["early", "late"]);
}

#[actix_web::test]
async fn the_audit_chain_seals_late_commits_in_order() {
    if one_writer_only() {
        return;
    }
    let app = TestApp::open().await;
    let (mut first, mut second) = (begin(&app), begin(&app));
    append(&mut second, "second", None);
    append(&mut first, "first", None);
    run(&mut first, "COMMIT");
    service::audit::seal(&app.state).await.expect("sealed");
    run(&mut second, "COMMIT");
    append(&mut app.connection(), "third", None);
    until_every_event_is_visible(&app).await;
    service::audit::seal(&app.state).await.expect("sealed");
    let view = app.state.read(Actor::System, service::audit::verify).await.expect("checked");
    assert!(view.unbroken && view.sealed_to > 0, "{view:?}");
    assert_eq!(view.sealed_to, last_position(&app).await);
}

async fn last_position(app: &TestApp) -> i64 {
    use diesel::prelude::*;

    use storage::schema::event;
    app
        .state
        .read(Actor::System, |conn, _| {
            Ok(on_backend!(conn, c => event::table.select(diesel::dsl::max(event::position)).first::<Option<i64>>(c))?)
        })
        .await
        .expect("read")
        .unwrap_or(0)
}

/// An open event stream, and what was received so far.
struct EventStream {
    chunks: Pin<Box<dyn Stream<Item = reqwest::Result<actix_web::web::Bytes>>>>,
    text: String,
}

impl EventStream {
    async fn open(app: &TestApp, token: &str, query: &str) -> Self {
        let url = format!("{}/api/v1/events{query}", app.base);
        let answer = app.client().get(url).bearer_auth(token).send().await.expect("answered");
        assert_eq!(answer.status(), 200);
        Self { chunks: Box::pin(answer.bytes_stream()), text: String::new() }
    }

    /// Reads until `condition` is true of the text received so far.
    async fn until(&mut self, condition: impl Fn(&str) -> bool) {
        while !condition(&self.text) {
            let chunk = self.chunks.next().await.expect("the stream is open").expect("bytes");
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    fn kinds(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
    }
}

#[actix_web::test]
async fn a_stream_woken_too_early_delivers_the_late_event_without_another_wake_up() {
    if one_writer_only() {
        return;
    }
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let after = format!("?after={}", last_position(&app).await);
    let mut early = begin(&app);
    append(&mut early, "early", Some(seed.worker));
    let mut resumed = EventStream::open(&app, &worker, &after).await;
    let mut operators = EventStream::open(&app, &seed.operator.token, &after).await;
    // This wakes the streams; its event is hidden behind the early transaction.
    app.ask(&worker).await;
    // Committed without a wake-up.
    run(&mut early, "COMMIT");
    for line in [&mut resumed, &mut operators] {
        line.until(|text| text.contains("consultation.requested")).await;
        assert_eq!(line.kinds().first(), Some(&"employer.added"), "{:?}", line.kinds());
    }
}

#[actix_web::test]
async fn pharmacists_hear_of_a_prescription_from_its_signature_on() {
    let scene = Scene::open().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let draft = async || doctor.prescribe(scene.consultation, &["PCM-T500"]).await.expect_created();
    // Never more than a draft.
    let kept = draft().await;
    doctor.edit(id_in(&kept), 1, &["PCM-C300"]).await.expect_ok();
    doctor.withdraw(id_in(&kept), "改为休息").await.expect_ok();
    let withdrawn = draft().await;
    doctor.sign(id_in(&withdrawn)).await.expect_ok();
    doctor.withdraw(id_in(&withdrawn), "改为休息").await.expect_ok();
    // Signed and returned, then a draft again.
    let returned = async || {
        let drafted = draft().await;
        doctor.sign(id_in(&drafted)).await.expect_ok();
        pharmacist.send_back(id_in(&drafted), json!({"reason": "剂量请复核"})).await.expect_ok();
        let version = doctor.prescription(id_in(&drafted)).await.expect_ok()["version"].as_u64();
        let version = u32::try_from(version.expect("a version")).expect("small");
        doctor.edit(id_in(&drafted), version, &["PCM-T500"]).await.expect_ok();
        drafted
    };
    let edited = returned().await;
    doctor.withdraw(id_in(&edited), "改为休息").await.expect_ok();
    let approved = returned().await;
    doctor.sign(id_in(&approved)).await.expect_ok();
    pharmacist.approve(id_in(&approved)).await.expect_ok();

    let mut heard = EventStream::open(&scene.app, &pharmacist.token(), "?after=0").await;
    heard.until(|text| text.contains("prescription.approved")).await;
    let seen = ["signed", "voided", "signed", "returned", "signed", "returned", "signed", "approved"];
    assert_eq!(heard.kinds(), seen.map(|name| format!("prescription.{name}")));
    assert!(!heard.text.contains(id_in(&kept)), "a draft was shown, or its withdrawal");
    // They hear of what they may read, and of nothing else.
    let readable: Vec<Value> = pharmacist.list("/api/v1/prescriptions").await;
    assert_eq!(readable.iter().map(id_in).collect::<Vec<_>>(), [id_in(&approved), id_in(&withdrawn)]);
    for draft in [&kept, &edited] {
        pharmacist.prescription(id_in(draft)).await.expect_refused(Code::NotFound);
    }
    for token in [doctor.token(), scene.worker().token()] {
        let mut own = EventStream::open(&scene.app, &token, "?after=0").await;
        own.until(|text| text.contains("prescription.approved")).await;
        let of = |kind: &str| own.kinds().iter().filter(|known| **known == kind).count();
        assert_eq!((of("prescription.drafted"), of("prescription.edited")), (4, 3));
        assert_eq!(of("prescription.voided"), 3);
        assert!(own.text.contains(id_in(&kept)), "between the doctor and the worker");
    }
}

#[actix_web::test]
async fn an_idle_stream_of_any_role_uses_no_database_connection() {
    let app = TestApp::open_with(|config| {
        config.policy.insert("realtime".to_owned(), json!({"ping_ms": 20}));
    })
    .await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    // Other tests' transactions may still hide the newest event; a stream that waits
    // for it is not idle.
    while head(&app).await < last_position(&app).await {
        tokio::task::yield_now().await;
    }
    let tokens = [&worker, &seed.doctor.token, &seed.pharmacist.token, &seed.operator.token];
    let mut lines = Vec::new();
    for token in tokens {
        let mut line = EventStream::open(&app, token, "").await;
        line.until(|text| text.contains(": ping")).await;
        lines.push(line);
    }
    // Every stream has read all events and waits now.
    let before = app.state.store.taken();
    for line in &mut lines {
        line.until(|text| text.matches(": ping").count() >= 5).await;
    }
    assert_eq!(app.state.store.taken(), before, "an idle stream took a connection");
    // Idle streams still deliver new events.
    app.ask(&worker).await;
    for at in [0, 3] {
        lines[at].until(|text| text.contains("consultation.requested")).await;
    }
}

#[actix_web::test]
async fn a_database_moved_to_a_server_with_lower_transaction_ids_hides_no_event() {
    if one_writer_only() {
        return;
    }
    let app = TestApp::open().await;
    for name in ["one", "two"] {
        append(&mut app.connection(), name, None);
    }
    // As after a dump and a restore: the old server's transaction ids were 10^9 ahead.
    let ahead = 1_000_000_000_i64;
    run(
        &mut app.connection(),
        &format!(
            "UPDATE event SET writer_xid = writer_xid + {ahead}, position = position + {ahead} * 65536::bigint"
        ),
    );
    let mut position = 0;
    assert_eq!(follow(&app, &mut position).await, (Vec::new(), true));
    let migrate = || storage::migrate(&app.database()).expect("migrated");
    migrate();
    assert_eq!(follow(&app, &mut position).await, (vec!["one".to_owned(), "two".to_owned()], false));
    append(&mut app.connection(), "three", None);
    // Migrating again changes nothing.
    migrate();
    append(&mut app.connection(), "four", None);
    assert_eq!(follow_all(&app, &mut position).await, ["three", "four"]);
}

#[actix_web::test]
async fn the_events_of_one_transaction_keep_their_order() {
    let app = TestApp::open().await;
    let mut position = head(&app).await;
    app.state
        .write(Actor::System, |tx| -> Result<(), Failure> {
            for n in 0..40 {
                append(tx.conn, &format!("{n}"), None);
            }
            Ok(())
        })
        .await
        .expect("written");
    let wanted: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    assert_eq!(follow_all(&app, &mut position).await, wanted);
}
