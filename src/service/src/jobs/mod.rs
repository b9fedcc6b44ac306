//! FLOOR 4: what runs by itself. Every job may be killed at any moment and run
//! by several instances at once: it only carries out what the database says is
//! due, through the same verbs as everybody else.

pub(crate) mod catalogue;
pub(crate) mod keys;
pub mod letters;
pub(crate) mod matching;
pub(crate) mod rounds;
pub(crate) mod sweeps;
pub mod texts;
pub(crate) mod vending;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use crate::{Failure, House};
use coordination::Topic;
use mail::{Mailer, TextSender};

/// The running jobs.
pub struct Jobs {
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

impl Jobs {
    /// Starts every job of the house.
    pub fn start(house: &Arc<House>, mailer: &Arc<Mailer>) -> Self {
        let mut jobs = Self { stop: watch::Sender::new(false), running: JoinSet::new() };
        catalogue::start(&mut jobs, house);
        keys::start(&mut jobs, house);
        letters::start(&mut jobs, house, mailer);
        matching::start(&mut jobs, house);
        sweeps::start(&mut jobs, house);
        vending::start(&mut jobs, house);
        jobs
    }

    /// Starts the job that sends text messages.
    pub fn send_texts(&mut self, house: &Arc<House>, sender: &Arc<TextSender>) {
        texts::start(self, house, sender);
    }

    /// Lets each job finish what it is doing, then ends it. What takes longer
    /// than `patience` is cut off: a job may end at any moment.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        let ended = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            tracing::warn!(jobs = self.running.len(), "jobs did not end in time");
            self.running.shutdown().await;
        }
    }

    /// Runs `round` whenever `topic` is woken, and every `pause` at the latest.
    /// A failed round is told and tried again at the next turn.
    fn every<F, R>(&mut self, name: &'static str, house: &Arc<House>, turn: Turn, round: F)
    where
        F: Fn(Arc<House>) -> R + Send + 'static,
        R: Future<Output = Result<usize, Failure>> + Send,
    {
        let house = Arc::clone(house);
        let mut stop = self.stop.subscribe();
        self.running.spawn(async move {
            let mut listener = turn.topic.map(|topic| house.coordination.listen(topic));
            loop {
                let outcome = round(Arc::clone(&house)).await;
                house.figures.job(name, outcome.is_ok(), house.now().timestamp());
                match outcome {
                    Ok(0) => {}
                    Ok(done) => tracing::debug!(job = name, done, "round"),
                    Err(failure) => tracing::warn!(job = name, %failure, "round failed; tried again later"),
                }
                let due = async {
                    match &mut listener {
                        Some(listener) => drop(listener.changed_within(turn.pause).await),
                        None => tokio::time::sleep(turn.pause).await,
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

/// When a job's next round is.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// At the latest after this long.
    pause: Duration,
    /// At once when this is woken.
    topic: Option<Topic>,
}
