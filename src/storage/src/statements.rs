//! Counts the statements and commits of a store: each statement costs a round trip, and each commit
//! a sync of the disk.

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent};
use prometheus::IntCounter;

use super::conn::Conn;
use base::telemetry::metrics::{self, Metrics};

/// Counters shared by all connections of one store.
#[derive(Clone)]
pub struct Statements {
    statements: IntCounter,
    commits: IntCounter,
}

impl Default for Statements {
    fn default() -> Self {
        Self {
            statements: metrics::counter(
                "storage_statements_total",
                "Statements sent to the database, those that begin and end transactions and savepoints included",
            ),
            commits: metrics::counter("storage_commits_total", "Transactions committed"),
        }
    }
}

impl Statements {
    /// Statements and commits so far.
    pub fn read(&self) -> (u64, u64) {
        (self.statements.get(), self.commits.get())
    }

    /// Counts the commit of a statement outside a transaction, which diesel does not tell.
    pub(crate) fn count_commit(&self) {
        self.commits.inc();
    }

    /// Counts what runs on `conn` from now on.
    pub(crate) fn count_on(&self, conn: &mut Conn) {
        match conn {
            Conn::Pg(conn) => conn.set_instrumentation(self.clone()),
            Conn::Sqlite(conn) => conn.set_instrumentation(self.clone()),
        }
    }

    pub(crate) fn add_to(&self, metrics: &Metrics) {
        metrics.register_collector(self.statements.clone());
        metrics.register_collector(self.commits.clone());
    }
}

impl Instrumentation for Statements {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => self.statements.inc(),
            InstrumentationEvent::CommitTransaction { depth, .. } if depth.get() == 1 => self.commits.inc(),
            // diesel may add events.
            _ => {}
        }
    }
}
