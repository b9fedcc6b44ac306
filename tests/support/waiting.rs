//! Waiting for what other transactions on the PostgreSQL server do. Each wait has an end, so that
//! a test whose assumption is wrong fails instead of running for ever.

use std::time::{Duration, Instant};

use diesel::{dsl::max, prelude::*, sql_types::BigInt};

use super::harness::TestApp;
use storage::{Live, events::event_head, on_backend, schema::event};

/// Far longer than a verb takes to its first lock, or a transaction of another test stays open.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until the answer is yes.
///
/// # Panics
/// With `what`, when it is not in time.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Returns once a statement in this test's database waits for a lock.
pub async fn until_a_statement_waits(app: &TestApp) {
    until_statements_wait(app, 1).await;
}

/// Returns once `number` statements in this test's database wait for a lock.
pub async fn until_statements_wait(app: &TestApp, number: i64) {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let mut watcher = app.connection();
    until("nothing waits for what the test holds", || {
        let waiting = diesel::sql_query(
            "SELECT count(*) AS count FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        let found: Waiting = on_backend!(&mut watcher, c => waiting.get_result(c)).expect("read");
        found.count >= number
    })
    .await;
}

/// Returns once every committed event is visible to readers: an open transaction in the database of
/// another test on the same server hides those that were written after it began.
pub async fn until_every_event_is_visible(app: &TestApp) {
    let mut conn = app.connection();
    until("an event stays hidden", || {
        let newest: Option<i64> =
            on_backend!(&mut conn, c => event::table.select(max(event::position)).get_result(c))
                .expect("read");
        event_head(&mut conn, Live::always()).expect("read") == newest
    })
    .await;
}
