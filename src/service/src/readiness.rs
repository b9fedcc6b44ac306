//! Whether this process should receive requests. A proxy asks every second or two; the answer is
//! cached for a second, so that asking costs little.
//!
//! The clock is correct when it is not behind the newest event and, where the database has its own
//! clock, close to that: expiries, offers and tokens of all instances depend on the same time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::{AppState, Failure};
use base::telemetry::Chain;
use storage::{StoreError, operations as store};

/// The answer is cached for this long.
const FRESH: TimeDelta = TimeDelta::seconds(1);
/// The database must answer within this.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// The tolerated clock difference, in either direction. Our default.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);
/// With more writes waiting than this, the process is overloaded: the writer takes up to 128 at a
/// time and refuses beyond 4,096. Our default.
const WRITES_WAITING: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// `lifecycle`, `database`, `migrations`, `writer_queue`, `clock`.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found: `ok`, or a stable code for what is wrong.
    #[schema(value_type = String)]
    pub code: &'static str,
}

/// Whether this process should receive requests, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether every check is ok.
    pub ready: bool,
    /// When the checks were made.
    pub checked_at: DateTime<Utc>,
    /// The result of each check.
    pub checks: Vec<Check>,
}

/// The last answer. The first request that finds it outdated runs the checks; concurrent requests
/// wait for that result instead of querying the database as well.
#[derive(Debug, Default)]
pub struct ReadinessCache(Mutex<Option<Readiness>>);

const fn check(name: &'static str, wrong: Option<&'static str>) -> Check {
    match wrong {
        None => Check { name, ok: true, code: "ok" },
        Some(code) => Check { name, ok: false, code },
    }
}

impl Readiness {
    /// With the lifecycle as the first check.
    #[must_use]
    pub fn with_lifecycle(mut self, obstacle: Option<&'static str>) -> Self {
        let lifecycle = check("lifecycle", obstacle);
        self.ready &= lifecycle.ok;
        self.checks.insert(0, lifecycle);
        self
    }
}

/// The checks of the last second.
pub async fn readiness(app: &AppState, cache: &ReadinessCache) -> Readiness {
    let mut cached = cache.0.lock().await;
    let now = app.now();
    // Checks with a time in the future were made before the clock was set back.
    let fresh = |known: &Readiness| (known.checked_at..known.checked_at + FRESH).contains(&now);
    let found = match cached.take().filter(fresh) {
        Some(known) => known,
        None => run_checks(app).await,
    };
    *cached = Some(found.clone());
    found
}

struct DatabaseState {
    schema: store::SchemaState,
    newest: Option<DateTime<Utc>>,
    database: Option<DateTime<Utc>>,
}

async fn run_checks(app: &AppState) -> Readiness {
    let seen = app.store.read::<_, Failure>(|conn| {
        Ok(DatabaseState {
            schema: store::schema_state(conn)?,
            newest: store::event_newest_at(conn)?,
            database: store::database_now(conn)?,
        })
    });
    let seen = tokio::time::timeout(READ_TIMEOUT, seen).await;
    let now = app.now();
    let (database, seen) = match seen {
        Err(_) => (Some("no_answer_in_time"), None),
        Ok(Err(failure)) => {
            tracing::warn!(error = %Chain(&failure), "not ready");
            (Some(code_of(&failure)), None)
        }
        Ok(Ok(seen)) => (None, Some(seen)),
    };
    let migrations = match &seen {
        None => Some("unknown"),
        Some(seen) if seen.schema.pending > 0 => Some("pending"),
        Some(seen) if seen.schema.unknown > 0 => Some("database_is_newer"),
        Some(_) => None,
    };
    let clock = match &seen {
        None => Some("unknown"),
        Some(seen) if seen.newest.is_some_and(|newest| now < newest - TOLERANCE) => {
            Some("behind_newest_event")
        }
        Some(seen) if seen.database.is_some_and(|other| (now - other).abs() > TOLERANCE) => {
            Some("differs_from_database")
        }
        Some(_) => None,
    };
    let queue = (app.store.writes_waiting() > WRITES_WAITING).then_some("too_long");
    let checks = vec![
        check("database", database),
        check("migrations", migrations),
        check("writer_queue", queue),
        check("clock", clock),
    ];
    Readiness { ready: checks.iter().all(|check| check.ok), checked_at: now, checks }
}

const fn code_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Store(StoreError::Connection(_) | StoreError::Pool(_)) => "unreachable",
        Failure::Store(_) | Failure::Fault { .. } | Failure::Refused(_) | Failure::Incomplete(_) => "failed",
    }
}
