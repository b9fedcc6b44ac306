//! All cabinets of a country poll all the time, mostly without result: an idle
//! poll must not use the database.

use std::sync::mpsc;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, TestApp};
use storage::StoreError;

/// Occupies all connections and the writer of an application's database.
struct Occupied {
    release: Vec<mpsc::Sender<()>>,
    jobs: Vec<tokio::task::JoinHandle<Result<(), StoreError>>>,
}

/// As many as the harness configures.
const CONNECTIONS: usize = 4;

impl Occupied {
    async fn of(app: &TestApp) -> Self {
        let (mut release, mut jobs) = (Vec::new(), Vec::new());
        let (started, mut occupied) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..CONNECTIONS {
            let (sender, released) = mpsc::channel::<()>();
            let (store, started) = (app.state.store.clone(), started.clone());
            jobs.push(tokio::spawn(async move {
                store
                    .read(move |_| {
                        let _ = started.send(());
                        let _ = released.recv();
                        Ok(())
                    })
                    .await
            }));
            release.push(sender);
        }
        for _ in 0..CONNECTIONS {
            occupied.recv().await.expect("a connection is occupied");
        }
        // On PostgreSQL this write waits for a connection like all others.
        let (sender, released) = mpsc::channel::<()>();
        let store = app.state.store.clone();
        jobs.push(tokio::spawn(async move {
            store
                .write(move |_| {
                    let _ = released.recv();
                    Ok(())
                })
                .await
        }));
        release.push(sender);
        Self { release, jobs }
    }

    async fn release_all(self) {
        drop(self.release);
        for job in join_all(self.jobs).await {
            job.expect("no panic").expect("given back");
        }
    }
}

#[actix_web::test]
async fn an_idle_poll_with_a_current_cursor_uses_no_database_connection() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let work = |cursor: i64| format!("/cabinet/v1/work?cursor={cursor}&wait=0");
    let first = app.get(&seed.cabinet_token, &work(0)).await.expect(200);
    let cursor = first["cursor"].as_i64().expect("a cursor");
    let occupied = Occupied::of(&app).await;
    let poll = |path: String| {
        let (address, token) = (format!("{}{path}", app.base), seed.cabinet_token.clone());
        tokio::spawn(async move {
            let request = reqwest::Client::new().get(address).bearer_auth(token);
            Answer::of(request.send().await.expect("answered")).await.expect(200)
        })
    };
    // A poll from cursor 0 needs the database, and waits for it.
    let blocked_poll = poll(work(0));
    let idle = json!({"cursor": cursor, "items": []});
    for _ in 0..100 {
        let response = app.get(&seed.cabinet_token, &work(cursor)).await.expect(200);
        assert_eq!(response, idle);
    }
    // A token that is in no cache is also verified without the database.
    assert_eq!(app.get(&app.cabinet_token(&seed), &work(cursor)).await.expect(200), idle);
    assert!(!blocked_poll.is_finished(), "the database was not fully occupied");
    occupied.release_all().await;
    assert_eq!(blocked_poll.await.expect("no panic"), idle);
}
