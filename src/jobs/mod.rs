//! FLOOR 4: what runs by itself. A job wakes by a hint or by the clock of its
//! last resort, calls one verb of the services, and starts over; a fault is
//! logged and tried again later. No job holds a rule or a state of its own, so
//! that any of them may be killed at any moment.

mod forgetting;
pub mod letters;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use crate::{mail::Mailer, service::House};

/// Running jobs.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<(&'static str, JoinHandle<()>)>,
}

/// How a job learns that it should end.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether to end now.
    pub fn asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is time to end.
    pub async fn wait(&mut self) {
        // An error means that whoever could ask is gone: that asks too.
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Pauses for `pause`; `false` when it is time to end.
    pub async fn pause(&mut self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.wait()).await.is_err()
    }
}

/// Starts all jobs.
pub fn start(house: &Arc<House>, mailer: Arc<Mailer>) -> Jobs {
    let (stop, asked) = watch::channel(false);
    let mut tasks = Vec::new();
    let mut run = |name, task: JoinHandle<()>| tasks.push((name, task));
    run("forgetting", tokio::spawn(forgetting::run(Arc::clone(house), Stop(asked.clone()))));
    run("letters", tokio::spawn(letters::run(Arc::clone(house), mailer, Stop(asked.clone()))));
    Jobs { stop, tasks }
}

impl Jobs {
    /// Asks every job to end after its present round, and waits for them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for (name, task) in self.tasks {
            if task.await.is_err() {
                tracing::error!(name, "a job ended by a panic");
            }
        }
    }
}
