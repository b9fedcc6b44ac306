//! Many callers at the same moment. Each test states exactly who wins, what the others
//! are answered, and what is true afterwards; nobody ever gets a 5xx.

mod cabinet;
mod care;
mod consent;
mod devices;
mod people;
mod vend;

pub use crate::support::rush::{expect_tally, tally};
use crate::support::{TestApp, Worker, WorkerAtStation};

/// The worker of the small network at the screen of its station.
async fn check_in(app: &TestApp) -> WorkerAtStation<'_> {
    app.station().await.check_in(Worker::adult()).await
}

/// A crowded server whose cabinet is filled.
async fn open_crowded_and_filled() -> TestApp {
    let app = TestApp::open_crowded().await;
    app.fill(app.network().await).await;
    app
}
