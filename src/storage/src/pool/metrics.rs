//! Metrics of the connection pool.

use diesel::r2d2::State;
use prometheus::{Histogram, IntGauge};

use base::telemetry::metrics::{self, GaugeGuard, Metrics};

pub(crate) struct PoolMetrics {
    /// Seconds that work waited for its connection.
    pub wait_seconds: Histogram,
    waiting: IntGauge,
    in_use: IntGauge,
    idle: IntGauge,
    writes_waiting: IntGauge,
}

impl Default for PoolMetrics {
    fn default() -> Self {
        Self {
            wait_seconds: metrics::histogram(
                "pool_wait_seconds",
                "Seconds that work waited for a database connection",
                metrics::SECONDS,
            ),
            waiting: metrics::gauge("pool_waiting", "Work that waits for a database connection"),
            in_use: metrics::gauge("pool_in_use", "Database connections at work"),
            idle: metrics::gauge("pool_idle", "Database connections at rest"),
            writes_waiting: metrics::gauge("writer_waiting", "Writes that wait to be taken up"),
        }
    }
}

impl PoolMetrics {
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

    /// Registers the metrics with `metrics`.
    pub(crate) fn add_to(&self, metrics: &Metrics) {
        metrics.register_collector(self.wait_seconds.clone());
        for gauge in [&self.waiting, &self.in_use, &self.idle, &self.writes_waiting] {
            metrics.register_collector(gauge.clone());
        }
    }
}
