//! Timeouts of everything that may wait in the database: a row lock, a statement, an idle
//! transaction, a pooled connection, the writer's queue. On a timeout the caller is asked to try
//! later (503), and what they would have written is undone.

use std::time::Duration;

/// The first lock timeout: work that needs longer gives its connection back, and waits for one of
/// the few connections that may wait with the long timeout. Our default.
const FIRST_LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// All timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For row locks, and for the writer of the embedded database: all tries of one operation
    /// together.
    pub lock: Duration,
    /// For one statement. PostgreSQL only.
    pub statement: Duration,
    /// The server ends a transaction that is idle for this long: its client is gone. PostgreSQL
    /// only.
    pub idle: Duration,
    /// For a connection of the pool.
    pub checkout: Duration,
}

impl Default for Waits {
    /// Our defaults: below the 30 seconds after which callers and proxies give up, so that the
    /// answer still reaches them.
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
    /// The lock timeout of the first try.
    pub(super) fn first_lock_timeout(&self) -> Duration {
        FIRST_LOCK_TIMEOUT.min(self.lock / 4).max(Duration::from_millis(1))
    }

    /// How many of `connections` may wait at once for row locks with the long timeout, that is
    /// longer than [`Self::first_lock_timeout`]: one locked row must not occupy all connections.
    pub(super) fn long_lock_timeout_limit(connections: u32) -> usize {
        (connections as usize / 4).max(1)
    }

    /// SQL that sets up a new connection to PostgreSQL. It plans each statement once: ours are
    /// prepared, and find their rows by keys whatever the values are.
    pub(super) fn for_postgres(&self) -> String {
        format!(
            "SET lock_timeout = {}; SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
             SET plan_cache_mode = force_generic_plan",
            millis(self.first_lock_timeout()),
            millis(self.statement),
            millis(self.idle)
        )
    }

    /// SQL that sets up a new connection to SQLite: how long another process may lock the file.
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
    fn every_wait_has_a_timeout_and_most_connections_stay_free() {
        let waits = Waits { lock: Duration::ZERO, ..Waits::default() };
        assert!(waits.for_postgres().contains("lock_timeout = 1;"), "{}", waits.for_postgres());
        assert_eq!(Waits::default().first_lock_timeout(), FIRST_LOCK_TIMEOUT);
        assert_eq!([1, 4, 8, 64].map(Waits::long_lock_timeout_limit), [1, 1, 2, 16]);
    }
}
