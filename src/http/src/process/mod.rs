//! State of the HTTP server process that the services do not need: shutdown phase, limits for
//! request bodies, trusted proxies, limit of connections per address.

pub mod bodies;
mod lifecycle;

use std::time::Duration;

use ipnet::IpNet;

use crate::validation::schemas::Schemas;
use base::telemetry::metrics::GaugeGuard;
use bodies::Bodies;
use coordination::Listener;
use lifecycle::Lifecycle;
use service::{
    AppState,
    readiness::{Readiness, ReadinessCache},
};

/// The state of one server process, in addition to the application state that the services use.
#[derive(Debug)]
pub struct Process {
    lifecycle: Lifecycle,
    readiness: ReadinessCache,
    /// Networks of proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections that one address (of IPv6 a /64) may have open.
    pub connections_per_address: usize,
    pub bodies: Bodies,
    pub schemas: Schemas,
}

impl Process {
    pub fn new(
        trusted_proxies: &[IpNet],
        connections_per_address: usize,
        bodies: Bodies,
        schemas: Schemas,
    ) -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            readiness: ReadinessCache::default(),
            trusted_proxies: trusted_proxies.to_vec(),
            connections_per_address,
            bodies,
            schemas,
        }
    }

    /// From now on `/readyz` answers 503. Everything else is served as before.
    pub fn drain(&self) {
        self.lifecycle.drain();
    }

    /// Whether [`drain`](Self::drain) or [`close`](Self::close) was called.
    pub(crate) fn is_draining(&self) -> bool {
        self.lifecycle.is_draining()
    }

    /// Ends every long poll and event stream: each answers at once.
    pub fn close(&self, app: &AppState) {
        self.lifecycle.close();
        app.coordination.wake_all();
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closing(&self) -> bool {
        self.lifecycle.is_closing()
    }

    /// Waits until `listener` is woken and returns `true`. Returns `false` after `wait`, and at once
    /// when the process closes; the caller can then ask again, if need be another process.
    pub async fn wait(&self, listener: &mut Listener, wait: Duration) -> bool {
        // The first check is for listeners that were created after `close` woke all others.
        !self.is_closing() && listener.changed_within(wait).await && !self.is_closing()
    }

    /// Like [`wait`](Self::wait), for a long poll, which the metrics count while it waits.
    pub async fn long_poll(&self, app: &AppState, listener: &mut Listener, wait: Duration) -> bool {
        let _counted = GaugeGuard::by(&app.metrics.long_polls);
        self.wait(listener, wait).await
    }

    /// Whether this process should be sent requests: from the checks of the last second, and the
    /// current shutdown phase.
    pub async fn readiness(&self, app: &AppState) -> Readiness {
        service::readiness::readiness(app, &self.readiness).await.with_lifecycle(self.lifecycle.obstacle())
    }
}
