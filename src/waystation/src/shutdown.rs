//! Graceful shutdown: the server reports that it is not ready, finishes accepted requests, and
//! ends long polls so that their callers can ask another instance.
//!
//! 1. `/readyz` returns 503, so that a proxy takes the process out of rotation. For
//!    `drain_seconds` everything else goes on.
//! 2. New connections are no longer accepted; long polls and streams end at once;
//!    each answer closes its connection.
//! 3. Accepted requests are answered, jobs finish their rounds, and
//!    the writer commits its queue.
//!
//! A second signal ends the process at once. Acknowledged writes survive
//! that as well, but open requests get no answer.

use std::{process::ExitCode, sync::Arc, time::Duration};

use actix_web::dev::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};

use http::process::Process;
use service::{AppState, jobs::Jobs};

/// Time limit for the last round of the jobs, and for the writer's queue.
const LAST_ROUND: Duration = Duration::from_secs(10);

/// SIGTERM from a supervisor, SIGINT from a terminal.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Installs the handlers: from now on neither signal kills the process by itself.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns at the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Everything that is running and must be shut down.
pub(super) struct Running {
    pub app: Arc<AppState>,
    pub process: Arc<Process>,
    /// The public listener.
    pub server: Server,
    /// The operators' listener for `/metrics`.
    pub metrics: Option<Server>,
    /// The background jobs.
    pub jobs: Jobs,
    /// How long the server reports "not ready" but still accepts requests.
    pub drain: Duration,
}

/// Serves until a stop signal, then shuts down gracefully.
///
/// # Errors
/// When the server fails by itself.
pub(super) async fn serve_until(mut signals: StopSignals, running: Running) -> anyhow::Result<ExitCode> {
    let Running { app, process, server, metrics, jobs, drain } = running;
    let handle = server.handle();
    let metrics_handle = metrics.as_ref().map(Server::handle);
    let mut serving = tokio::spawn(server);
    let metrics = metrics.map(tokio::spawn);
    tokio::select! {
        ended = &mut serving => {
            jobs.stop(LAST_ROUND).await;
            ended??;
            anyhow::bail!("the server ended by itself");
        }
        () = signals.next() => tracing::info!("received a stop signal"),
    }
    tokio::spawn(async move {
        signals.next().await;
        eprintln!("waystation: second stop signal; exiting now");
        std::process::exit(1);
    });
    process.drain();
    tokio::time::sleep(drain).await;
    // The call itself sends the stop command, so the listener closes before the polls return.
    let stopped = handle.stop(true);
    process.close(&app);
    stopped.await;
    serving.await??;
    jobs.stop(LAST_ROUND).await;
    // The last wake-ups must still reach the other instances.
    if tokio::time::timeout(LAST_ROUND, app.coordination.close()).await.is_err() {
        tracing::warn!("the last wake-ups may not have reached the other instances");
    }
    match tokio::time::timeout(LAST_ROUND, app.store.settle()).await {
        Ok(settled) => settled?,
        Err(_) => anyhow::bail!("the database did not finish in time"),
    }
    if let (Some(handle), Some(metrics)) = (metrics_handle, metrics) {
        handle.stop(false).await;
        metrics.await??;
    }
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}
