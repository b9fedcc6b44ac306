//! How a server ends: it asks to be given no more work, finishes what it
//! accepted, and lets whoever merely waits ask again elsewhere.
//!
//! 1. `/readyz` says 503, so that a proxy takes the process out. For
//!    `drain_seconds` everything else goes on.
//! 2. No connection is accepted any more; held polls and streams end at once;
//!    each answer closes its connection.
//! 3. Requests that were accepted are answered, jobs finish their rounds, and
//!    the writer commits what it was handed.
//!
//! A second signal ends the process at once. Nothing acknowledged is lost by
//! that either, but callers do not get their answers.

use std::{process::ExitCode, sync::Arc, time::Duration};

use actix_web::dev::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};

use service::{AppState, jobs::Jobs};

/// Jobs have this long for their last round, and the writer for its queue.
const LAST_ROUND: Duration = Duration::from_secs(10);

/// SIGTERM from a supervisor, SIGINT from a terminal.
pub(super) struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    /// Listens from now on: neither signal kills the process any more.
    ///
    /// # Errors
    /// When the system refuses.
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

/// What runs, and ends together.
pub(super) struct Running {
    /// The services.
    pub app: Arc<AppState>,
    /// The public socket.
    pub server: Server,
    /// The operators' socket.
    pub metrics: Option<Server>,
    /// What runs by itself.
    pub jobs: Jobs,
    /// For how long it is not ready but open.
    pub drain: Duration,
}

/// Serves until told to end, and then ends well.
///
/// # Errors
/// When the server fails by itself.
pub(super) async fn serve_until(mut told: Told, running: Running) -> anyhow::Result<ExitCode> {
    let Running { app, server, metrics, jobs, drain } = running;
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
        () = told.next() => tracing::info!("told to end"),
    }
    tokio::spawn(async move {
        told.next().await;
        eprintln!("waystation: told twice; ending at once");
        std::process::exit(1);
    });
    app.lifecycle.drain();
    tokio::time::sleep(drain).await;
    // The command leaves with the call: the socket closes before polls return.
    let stopped = handle.stop(true);
    app.let_go();
    stopped.await;
    serving.await??;
    jobs.stop(LAST_ROUND).await;
    // What was woken last still reaches the other instances.
    if tokio::time::timeout(LAST_ROUND, app.coordination.close()).await.is_err() {
        tracing::warn!("the other instances may not have heard the last of it");
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
