//! Several processes that start at once on an empty database, and a database server
//! that drops its connections under a running application.

use std::{
    process::{Command, Stdio},
    sync::{Arc, Barrier},
};

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    engines::{self, Database, Engine},
    harness::{TestApp, start_of_test},
};
use base::{
    clock::ManualClock,
    config::{Config, Flags, Instances},
};
use storage::{Conn, DatabaseUrl, conn::Purpose, on_backend, schema::server_key};

const AT_ONCE: usize = 6;

#[test]
fn many_processes_migrate_an_empty_database_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = Database::empty(dir.path());
    let processes: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_waystation"))
                .args(["migrate", "--database-url", &database.url])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("started")
        })
        .collect();
    for process in processes {
        let done = process.wait_with_output().expect("ended");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn many_instances_start_at_once_on_an_empty_database_and_share_one_key() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = Database::empty(dir.path());
    let mut config = Config::load(None, &Flags::default()).expect("the defaults");
    config.database_url = database.url.clone().into();
    config.database_connections = 2;
    config.instances = Instances::One;
    config.data_dir = dir.path().join("data");
    config.master_secret = Some("d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=".to_owned().into());
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let starts: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (config, barrier) = (config.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
                barrier.wait();
                let clock = Arc::new(ManualClock::at(start_of_test()));
                runtime.block_on(waystation::build(&config, clock)).map(|built| built.app).expect("built")
            })
        })
        .collect();
    let apps: Vec<_> = starts.into_iter().map(|start| start.join().expect("started")).collect();
    let url = DatabaseUrl::parse(&database.url).expect("a URL");
    let mut conn = Conn::open(&url, Purpose::Read).expect("opened");
    let keys: i64 = on_backend!(&mut conn, c => server_key::table.count().get_result(c)).expect("counted");
    assert_eq!(keys, 1);
    let known = apps[0].formulary().len();
    assert!(known > 0);
    assert!(apps.iter().all(|app| app.formulary().len() == known));
}

#[actix_web::test]
async fn after_the_database_drops_all_connections_at_most_one_request_fails() {
    if engines::engine() == Engine::Sqlite {
        return;
    }
    let app = TestApp::open_with(|config| config.database_connections = 6).await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let read = || app.get(&worker, "/api/v1/me");
    // Use the whole pool once.
    for answer in join_all((0..24).map(|_| read())).await {
        answer.expect(200);
    }
    let Conn::Pg(mut killer) = app.connection() else { panic!("PostgreSQL") };
    let ended = diesel::sql_query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut killer)
    .expect("ended");
    assert!(ended >= 2, "only {ended} connections were there");
    let ask = json!({"purpose": "employer_fitness"});
    let mut unavailable = 0;
    for n in 0..12 {
        let answer = match n % 2 {
            0 => app.post(&worker, "/api/v1/me/consents", ask.clone()).await,
            _ => read().await,
        };
        match answer.status.as_u16() {
            503 => unavailable += 1,
            status => assert!(status < 300, "{status}: {}", answer.body),
        }
    }
    assert!(unavailable <= 1, "{unavailable} of 12 requests got 503");
}
