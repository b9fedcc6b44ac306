//! A country's cabinets ask again and again and are told "nothing": that must
//! not cost the database anything.

use std::sync::mpsc;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, TestApp};
use storage::StoreError;

/// The database of a house, all of whose connections and whose writer are taken.
struct Taken {
    release: Vec<mpsc::Sender<()>>,
    holding: Vec<tokio::task::JoinHandle<Result<(), StoreError>>>,
}

/// As many as the harness gives a house.
const CONNECTIONS: usize = 4;

impl Taken {
    async fn of(app: &TestApp) -> Self {
        let (mut release, mut holding) = (Vec::new(), Vec::new());
        let (told, mut at_work) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..CONNECTIONS {
            let (sender, wait) = mpsc::channel::<()>();
            let (store, told) = (app.state.store.clone(), told.clone());
            holding.push(tokio::spawn(async move {
                store
                    .read(move |_| {
                        let _ = told.send(());
                        let _ = wait.recv();
                        Ok(())
                    })
                    .await
            }));
            release.push(sender);
        }
        for _ in 0..CONNECTIONS {
            at_work.recv().await.expect("a connection is taken");
        }
        // On PostgreSQL this one waits like everybody else.
        let (sender, wait) = mpsc::channel::<()>();
        let store = app.state.store.clone();
        holding.push(tokio::spawn(async move {
            store
                .write(move |_| {
                    let _ = wait.recv();
                    Ok(())
                })
                .await
        }));
        release.push(sender);
        Self { release, holding }
    }

    async fn give_back(self) {
        drop(self.release);
        for held in join_all(self.holding).await {
            held.expect("no panic").expect("given back");
        }
    }
}

#[actix_web::test]
async fn an_idle_poll_with_a_current_cursor_touches_no_database() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let work = |cursor: i64| format!("/cabinet/v1/work?cursor={cursor}&wait=0");
    let first = app.get(&seed.cabinet_token, &work(0)).await.expect(200);
    let cursor = first["cursor"].as_i64().expect("a cursor");
    let taken = Taken::of(&app).await;
    let asking = |path: String| {
        let (address, token) = (format!("{}{path}", app.base), seed.cabinet_token.clone());
        tokio::spawn(async move {
            let request = reqwest::Client::new().get(address).bearer_auth(token);
            Answer::of(request.send().await.expect("answered")).await.expect(200)
        })
    };
    // A cabinet that knows nothing yet needs the database, and waits for it.
    let needs_it = asking(work(0));
    let idle = json!({"cursor": cursor, "items": []});
    for _ in 0..100 {
        let told = app.get(&seed.cabinet_token, &work(cursor)).await.expect(200);
        assert_eq!(told, idle);
    }
    // A token that no cache knows is verified without the database, too.
    assert_eq!(app.get(&app.cabinet_token(&seed), &work(cursor)).await.expect(200), idle);
    assert!(!needs_it.is_finished(), "the database was not taken after all");
    taken.give_back().await;
    assert_eq!(needs_it.await.expect("no panic"), idle);
}
