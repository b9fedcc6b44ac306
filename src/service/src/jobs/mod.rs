//! Background jobs. Every job may be killed at any moment and run by several instances at
//! once: it only does what the database shows to be due, through the same service functions
//! as the API.

pub(crate) mod catalogue;
pub(crate) mod keys;
pub mod letters;
pub(crate) mod matching;
pub(crate) mod roster;
pub(crate) mod rounds;
pub(crate) mod sweeps;
pub mod texts;
pub(crate) mod vending;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use crate::{AppState, Failure};
use base::telemetry::Chain;
use coordination::Topic;
use mail::{Mailer, SmsSender};

/// The running jobs.
pub struct Jobs {
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Jobs {
    /// Starts every job except sending text messages.
    pub fn start(app: &Arc<AppState>, mailer: &Arc<Mailer>) -> Self {
        let mut jobs = Self { stop: watch::Sender::new(false), running: JoinSet::new() };
        catalogue::start(&mut jobs, app);
        keys::start(&mut jobs, app);
        letters::start(&mut jobs, app, mailer);
        matching::start(&mut jobs, app);
        roster::start(&mut jobs, app);
        sweeps::start(&mut jobs, app);
        vending::start(&mut jobs, app);
        jobs
    }

    /// Starts the job that sends text messages.
    pub fn send_texts(&mut self, app: &Arc<AppState>, sender: &Arc<SmsSender>) {
        texts::start(self, app, sender);
    }

    /// Lets each job finish its round, then ends it. Jobs that take longer than `timeout` are
    /// aborted, which is safe at any moment.
    pub async fn stop(mut self, timeout: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(timeout, ended).await.is_err() {
            tracing::warn!(jobs = self.running.len(), "jobs did not end in time");
            self.running.shutdown().await;
        }
    }

    /// Runs `round` on each notification of the topic, and every `pause` at the latest.
    /// A failed round is logged; the next round tries again.
    fn every<F, R>(&mut self, name: &'static str, app: &Arc<AppState>, schedule: Schedule, round: F)
    where
        F: Fn(Arc<AppState>) -> R + Send + 'static,
        R: Future<Output = Result<usize, Failure>> + Send,
    {
        let app = Arc::clone(app);
        let mut stop = self.stop.subscribe();
        self.running.spawn(async move {
            let mut listener = schedule.topic.map(|topic| app.coordination.listen(topic));
            loop {
                let outcome = round(Arc::clone(&app)).await;
                app.metrics.job(name, outcome.is_ok(), app.now().timestamp());
                match outcome {
                    Ok(0) => {}
                    Ok(done) => tracing::debug!(job = name, done, "round"),
                    // Each item's failure is in the log already.
                    Err(Failure::Incomplete(_)) => {}
                    Err(failure) => {
                        tracing::warn!(job = name, error = %Chain(&failure), "round failed; tried again later");
                    }
                }
                let due = async {
                    match &mut listener {
                        Some(listener) => drop(listener.changed_within(schedule.pause).await),
                        None => tokio::time::sleep(schedule.pause).await,
                    }
                };
                tokio::select! {
                    () = due => {}
                    _ = stop.changed() => break,
                }
            }
        });
    }
}

/// When a job runs its next round.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    /// The longest time between two rounds.
    pause: Duration,
    /// A notification of this topic starts a round at once.
    topic: Option<Topic>,
}
