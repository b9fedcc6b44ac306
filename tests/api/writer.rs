//! The group-commit writer: what it answers is on the disk, a panicking closure
//! does not affect the others, and a killed process loses nothing that was answered.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use diesel::prelude::*;
use futures_util::future::join_all;

use storage::{Conn, DatabaseUrl, Store, StoreError, idempotency::NewAnswer, on_backend};

const CHILD: &str = "WAYSTATION_TEST_WRITER_CHILD";

fn claim(conn: &mut Conn, key: &str) -> Result<(), StoreError> {
    let now = crate::harness::start_of_test();
    let created_at = storage::sql_types::At(now);
    let id = crypto::digest::id_of(key);
    let new = NewAnswer { id, body_digest: key.as_bytes(), answer_sealed: &[], created_at };
    storage::idempotency::answer_save(conn, &new)?;
    Ok(())
}

fn keys(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    use storage::schema::saved_answer::dsl;
    let keys: Vec<Vec<u8>> =
        on_backend!(conn, c => dsl::saved_answer.order(dsl::body_digest).select(dsl::body_digest).load(c))?;
    Ok(keys.into_iter().map(|key| String::from_utf8_lossy(&key).into_owned()).collect())
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test]
async fn child_process_of_the_kill_test() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = Store::open(&DatabaseUrl::parse(&url).expect("a URL"), 2).expect("open");
    // The first closure blocks the writer until three more are queued, so that they
    // share one commit.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let holder = store.clone();
    let blocking = tokio::spawn(async move {
        holder
            .write::<_, StoreError>(move |_| {
                wait.recv().ok();
                Ok(())
            })
            .await
    });
    tokio::task::yield_now().await;
    let write = |key: &'static str| {
        let store = store.clone();
        async move {
            store
                .write::<_, StoreError>(move |conn| {
                    claim(conn, key)?;
                    assert_ne!(key, "two", "this panic is on purpose");
                    Ok(())
                })
                .await
        }
    };
    let three = tokio::spawn(join_all([write("one"), write("two"), write("three")]));
    while store.writer_metrics().expect("SQLite").waiting() < 3 {
        tokio::task::yield_now().await;
    }
    go.send(()).expect("the writer waits");
    blocking.await.expect("joined").expect("committed");
    let answers = three.await.expect("joined");
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(StoreError::Panicked)), "{answers:?}");
    println!("answered");
    // Waits here until it is killed.
    std::future::pending::<()>().await;
}

#[test]
fn after_a_panic_in_the_second_of_three_closures_and_sigkill_the_others_are_stored() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite:{}", dir.path().join("writer.db").display());
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["writer::child_process_of_the_kill_test", "--exact", "--nocapture"])
        .env(CHILD, &url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let answered = lines.map_while(Result::ok).any(|line| line.contains("answered"));
    child.kill().expect("SIGKILL");
    child.wait().expect("gone");
    assert!(answered, "the child did not answer");
    let mut conn = Conn::open(&DatabaseUrl::parse(&url).expect("a URL"), storage::conn::Purpose::Read)
        .expect("reopened");
    assert_eq!(keys(&mut conn).expect("read"), ["one", "three"]);
}

#[tokio::test]
async fn a_refused_closure_stores_nothing_and_the_rest_of_its_batch_is_stored() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url = DatabaseUrl::parse(&format!("sqlite:{}", dir.path().join("w.db").display())).expect("a URL");
    let store = Store::open(&url, 2).expect("open");
    let writes = (0..300).map(|n| {
        store.write::<_, StoreError>(move |conn| {
            claim(conn, &format!("{n:03}"))?;
            if n % 3 == 0 { Err(StoreError::Overloaded) } else { Ok(()) }
        })
    });
    let done = join_all(writes).await.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(done, 200);
    let stored = store.read(keys).await.expect("read");
    assert_eq!(stored.len(), 200);
    let (commits, closures) = store.writer_metrics().expect("SQLite").read();
    assert_eq!(closures, 300);
    assert!(commits < 300, "nothing shared a commit");
}

#[test]
fn an_unknown_database_url_is_refused() {
    for url in ["waystation.db", "mysql://localhost/x", "sqlite:", ""] {
        assert!(DatabaseUrl::parse(url).is_err(), "{url}");
    }
}
