//! The database engine of the tests, and databases on it.
//!
//! `TEST_ENGINE=postgres cargo test --test api vending` runs a part of the suite on
//! PostgreSQL: on the server in `TEST_POSTGRES_URL`, or on a private one started from
//! the binaries on this machine. `TEST_REQUIRE=postgres` makes a missing server a
//! failure. (The names do not begin with `WAYSTATION_`: those are settings of the
//! server, which refuses the ones that it does not know.)

pub mod cluster;
pub mod fresh;

use std::{io::Write, path::Path, sync::OnceLock};

pub use cluster::{binaries, somebody_else};

use cluster::Cluster;

pub const ENGINE: &str = "TEST_ENGINE";
pub const SERVER: &str = "TEST_POSTGRES_URL";
const REQUIRE: &str = "TEST_REQUIRE";

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
    std::env::var(REQUIRE).is_ok_and(|list| list.split(',').any(|name| name.trim() == what))
}

/// Prints a line past the test runner, which captures only the print macros.
pub fn print_line(line: &str) {
    let _written = writeln!(std::io::stderr(), "{line}");
}

/// The database of one test. Dropping this removes it.
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

    /// A copy of the database of a released version, not migrated yet.
    pub fn released(folder: &Path, version: &str) -> Self {
        fresh::released(engine(), folder, version)
    }

    /// A database of this run's engine without any table.
    pub fn empty(folder: &Path) -> Self {
        Self::empty_on(engine(), folder)
    }

    /// A database of the given engine without any table.
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

/// The server of this run: the one in `TEST_POSTGRES_URL`, or a private one that ends
/// with this process. `Err` is the reason why there is none.
fn server_url() -> Result<String, String> {
    static PRIVATE: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match std::env::var(SERVER) {
        Ok(url) if !url.is_empty() => Ok(url),
        _ => {
            PRIVATE.get_or_init(Cluster::start).as_ref().map(|own| own.url().to_owned()).map_err(Clone::clone)
        }
    }
}
