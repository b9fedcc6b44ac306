//! Metrics of the connection pool.

use diesel::r2d2::State;
use prometheus::{Histogram, IntGauge};

use base::telemetry::figures::{self, Figures, GaugeGuard};

pub(crate) struct PoolFigures {
    /// Seconds that work waited for its connection.
    pub wait_seconds: Histogram,
    waiting: IntGauge,
    in_use: IntGauge,
    idle: IntGauge,
    writes_waiting: IntGauge,
}

impl Default for PoolFigures {
    fn default() -> Self {
        Self {
            wait_seconds: figures::histogram(
                "pool_wait_seconds",
                "Seconds that work waited for a database connection",
                figures::SECONDS,
            ),
            waiting: figures::gauge("pool_waiting", "Work that waits for a database connection"),
            in_use: figures::gauge("pool_in_use", "Database connections at work"),
            idle: figures::gauge("pool_idle", "Database connections at rest"),
            writes_waiting: figures::gauge("writer_waiting", "Writes that wait to be taken up"),
        }
    }
}

impl PoolFigures {
    /// Counts one waiting caller until the guard is dropped.
    pub fn wait(&self) -> GaugeGuard {
        GaugeGuard::by(&self.waiting)
    }

    pub fn waiting(&self) -> i64 {
        self.waiting.get()
    }

    /// Updates the gauges.
    pub fn refresh(&self, state: State, writes_waiting: u64) {
        self.idle.set(i64::from(state.idle_connections));
        self.in_use.set(i64::from(state.connections.saturating_sub(state.idle_connections)));
        self.writes_waiting.set(i64::try_from(writes_waiting).unwrap_or(i64::MAX));
    }

    /// Registers the metrics with `figures`.
    pub(crate) fn add_to(&self, figures: &Figures) {
        figures.register_collector(self.wait_seconds.clone());
        for gauge in [&self.waiting, &self.in_use, &self.idle, &self.writes_waiting] {
            figures.register_collector(gauge.clone());
        }
    }
}
