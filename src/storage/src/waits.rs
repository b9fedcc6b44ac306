//! How long anything in the database is waited for. Every wait ends: a row that
//! somebody holds, a statement, a transaction that says nothing, a connection
//! of the pool, a place in the writer's line. Who waited in vain is told to try
//! later (503), and what they would have written is undone.

use std::time::Duration;

/// The longest that a row is waited for at first: whoever needs longer gives
/// the connection back, and waits in the line of the patient. Our default.
const FIRST: Duration = Duration::from_millis(500);

/// The bounds of every wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For rows that others hold, and for the writer of the embedded database:
    /// all tries of one verb together.
    pub lock: Duration,
    /// For one statement. PostgreSQL only.
    pub statement: Duration,
    /// A transaction that says nothing for so long is ended by the server:
    /// whoever began it is gone. PostgreSQL only.
    pub idle: Duration,
    /// For a connection of the pool.
    pub checkout: Duration,
}

impl Default for Waits {
    /// Our defaults: below the half minute after which callers and proxies give
    /// up, so that the answer still reaches them.
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(10),
            statement: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            checkout: Duration::from_secs(10),
        }
    }
}

impl Waits {
    /// How long a row is waited for at first, with nobody else considered.
    pub(super) fn first(&self) -> Duration {
        FIRST.min(self.lock / 4).max(Duration::from_millis(1))
    }

    /// How many of `connections` may wait for rows at once for longer than
    /// [`Self::first`]: one row that is held leaves the others their connections.
    pub(super) fn patient(connections: u32) -> usize {
        (connections as usize / 4).max(1)
    }

    /// What a fresh connection to PostgreSQL is told.
    pub(super) fn for_postgres(&self) -> String {
        format!(
            "SET lock_timeout = {}; SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
            millis(self.first()),
            millis(self.statement),
            millis(self.idle)
        )
    }

    /// What a fresh connection to SQLite is told: how long another process may
    /// hold the file.
    pub(super) fn for_sqlite(&self) -> String {
        format!("PRAGMA busy_timeout = {}", millis(self.lock / 2))
    }
}

/// Whole milliseconds; 0 would mean "for ever".
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).clamp(1, i32::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_waited_for_without_end_and_most_connections_stay_free() {
        let waits = Waits { lock: Duration::ZERO, ..Waits::default() };
        assert!(waits.for_postgres().contains("lock_timeout = 1;"), "{}", waits.for_postgres());
        assert_eq!(Waits::default().first(), FIRST);
        assert_eq!([1, 4, 8, 64].map(Waits::patient), [1, 1, 2, 16]);
    }
}
