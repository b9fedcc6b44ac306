//! State of the HTTP server process that the services do not need: shutdown phase, limits for
//! request bodies, trusted proxies, limit of connections per address.

pub mod bodies;
mod lifecycle;

use std::{ops::ControlFlow, time::Duration};

use ipnet::IpNet;
use tokio::time::Instant;

use crate::validation::schemas::Schemas;
use base::telemetry::metrics::GaugeGuard;
use bodies::Bodies;
use coordination::{Listener, Topic};
use lifecycle::Lifecycle;
use service::{
    AppState, Failure,
    readiness::{Readiness, ReadinessCache},
};

/// How a wait for a wake-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// There may be something to read.
    Woken,
    /// No wake-up arrived, but some may have been lost: only a read can tell.
    Unknown,
    /// Nothing has changed, or the process closes.
    Quiet,
}

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

    /// Waits until `listener` is woken, at most `wait`; not at all when the process closes.
    pub async fn wait(&self, listener: &mut Listener, wait: Duration) -> Waited {
        // The first check is for listeners that were created after `close` woke all others.
        let woken = !self.is_closing() && listener.changed_within(wait).await;
        if self.is_closing() {
            Waited::Quiet
        } else if woken {
            Waited::Woken
        } else if listener.may_have_missed() {
            Waited::Unknown
        } else {
            Waited::Quiet
        }
    }

    /// Answers a long poll: reads until there is something (`Break`), at most for `wait`, else
    /// answers with the last read (`Continue`). `known` is an answer that the caller has already
    /// and that is still current: then even the first read waits for a wake-up. `read` gets the
    /// generation of the topic before it reads.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn long_poll<T>(
        &self,
        app: &AppState,
        topic: Topic,
        wait: Duration,
        known: impl FnOnce(u64) -> Option<T>,
        mut read: impl AsyncFnMut(u64) -> Result<ControlFlow<T, T>, Failure>,
    ) -> Result<T, Failure> {
        let until = Instant::now() + wait;
        // Listens before the first read, so that no change in between is missed.
        let mut listener = app.coordination.listen(topic);
        let mut last = known(listener.seen());
        loop {
            if let Some(answer) = last {
                let _counted = GaugeGuard::by(&app.metrics.long_polls);
                let left = until.saturating_duration_since(Instant::now());
                if self.wait(&mut listener, left).await == Waited::Quiet {
                    return Ok(answer);
                }
            }
            // Boxed, so that the future takes no memory while the poll waits.
            match Box::pin(read(listener.seen())).await? {
                ControlFlow::Continue(answer) if Instant::now() < until && !self.is_closing() => {
                    last = Some(answer);
                }
                ControlFlow::Continue(answer) | ControlFlow::Break(answer) => return Ok(answer),
            }
        }
    }

    /// Whether this process should be sent requests: from the checks of the last second, and the
    /// current shutdown phase.
    pub async fn readiness(&self, app: &AppState) -> Readiness {
        service::readiness::readiness(app, &self.readiness).await.with_lifecycle(self.lifecycle.obstacle())
    }
}
