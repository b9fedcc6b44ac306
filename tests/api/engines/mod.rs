//! Which database the tests run on. Plain `cargo test` runs everything on
//! SQLite, and `the_same_suite_on_postgresql` runs it all again on PostgreSQL:
//! a server named by `TEST_POSTGRES_URL`, or a private one started from the
//! binaries on this machine.
//!
//! `TEST_ENGINE=postgres cargo test --test api vending` runs a part of it
//! there directly. `TEST_REQUIRE=postgres` makes a missing server a failure.
//! (The names do not begin with `WAYSTATION_`: those are settings of the
//! house, which refuses the ones it does not know.)

mod cluster;
mod fresh;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use cluster::Cluster;
pub use cluster::{binaries, somebody_else};

const ENGINE: &str = "TEST_ENGINE";
const SERVER: &str = "TEST_POSTGRES_URL";
const REQUIRE: &str = "TEST_REQUIRE";

/// Tests that open no house, and tests of the embedded database alone.
const OF_NO_ENGINE: [&str; 10] = [
    "engines::the_same_suite",
    "engines::cluster",
    "floors::",
    "writer::",
    "smtp::",
    "coordination::",
    "postgres_tls::",
    "backup::",
    "settings::",
    "shutdown::",
];

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// The engine of this run.
pub fn engine() -> Engine {
    match std::env::var(ENGINE).as_deref() {
        Err(_) | Ok("sqlite" | "") => Engine::Sqlite,
        Ok("postgres") => Engine::Postgres,
        Ok(other) => panic!("{ENGINE} is {other}; it may be sqlite or postgres"),
    }
}

/// Whether a missing `what` must fail the run instead of being skipped.
pub fn required(what: &str) -> bool {
    std::env::var(REQUIRE).is_ok_and(|list| list.split(',').any(|word| word.trim() == what))
}

/// Says something past the test runner, which captures only the print macros.
pub fn tell(line: &str) {
    let _unheard = writeln!(std::io::stderr(), "{line}");
}

/// A database of one test's own; it is gone when this is dropped.
pub struct Database {
    pub url: String,
    /// Its name on the PostgreSQL server.
    name: Option<String>,
}

impl Database {
    /// A copy of an empty, migrated database of this run's engine.
    pub fn migrated(folder: &Path) -> Self {
        match engine() {
            Engine::Sqlite => fresh::sqlite(folder, true),
            Engine::Postgres => fresh::server().create(true),
        }
    }

    /// A copy of what a released version left, not migrated yet.
    pub fn released(folder: &Path, version: &str) -> Self {
        fresh::released(engine(), folder, version)
    }

    /// A database of this run's engine without any table.
    pub fn empty(folder: &Path) -> Self {
        Self::empty_on(engine(), folder)
    }

    /// A database of a certain engine without any table.
    pub fn empty_on(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => fresh::sqlite(folder, false),
            Engine::Postgres => fresh::server().create(false),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            fresh::server().remove(name);
        }
    }
}

/// The server of this run: the one that was named, or a private one that ends
/// with this process. `Err` says why there is none.
fn server_url() -> Result<String, String> {
    static PRIVATE: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match std::env::var(SERVER) {
        Ok(url) if !url.is_empty() => Ok(url),
        _ => {
            PRIVATE.get_or_init(Cluster::start).as_ref().map(|own| own.url().to_owned()).map_err(Clone::clone)
        }
    }
}

/// Everything once more, on PostgreSQL.
#[test]
fn the_same_suite_on_postgresql() {
    if engine() == Engine::Postgres {
        return;
    }
    // A cluster of this test's own, so that it ends with the test.
    let (url, _cluster) = match std::env::var(SERVER) {
        Ok(url) if !url.is_empty() => (url, None),
        _ => match Cluster::start() {
            Ok(cluster) => (cluster.url().to_owned(), Some(cluster)),
            Err(why) => {
                assert!(!required("postgres"), "PostgreSQL is required, but {why}");
                tell(&format!("\nPostgreSQL: SKIPPED, the suite ran on SQLite only: {why}"));
                return;
            }
        },
    };
    let version = fresh::version_of(&url).unwrap_or_else(|why| panic!("{SERVER}: {why}"));
    let run = Command::new(std::env::current_exe().expect("this test"))
        .args(OF_NO_ENGINE.iter().flat_map(|name| ["--skip", name]))
        .env(ENGINE, "postgres")
        .env(SERVER, &url)
        .stdin(Stdio::null())
        .output()
        .expect("the suite starts");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "on {version}:\n{told}\n{}", String::from_utf8_lossy(&run.stderr));
    let result = told.lines().rev().find(|line| line.starts_with("test result:")).expect("a result");
    let passed = result.split_whitespace().skip_while(|word| *word != "ok.").nth(1);
    let passed: u32 = passed.and_then(|count| count.parse().ok()).expect("a count");
    assert!(passed > 50, "only {passed} tests ran on {version}: {result}");
    tell(&format!("\n{version}: {passed} tests passed, the same as on SQLite"));
}
