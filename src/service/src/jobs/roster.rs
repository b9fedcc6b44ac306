//! Periodic jobs of the roster: shifts are planned ahead, and gaps are told of.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{
    AppState,
    network::{coverage, roster::planning},
};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    // Rules are due once a day; a round that finds none is one read.
    let every_10_min = Schedule { pause: Duration::from_secs(600), topic: None };
    jobs.every("roster", app, every_10_min, |app| async move { planning::plan_ahead(&app).await });
    let every_5_min = Schedule { pause: Duration::from_secs(300), topic: None };
    jobs.every("coverage-gaps", app, every_5_min, |app| async move { coverage::tell_of_gaps(&app).await });
}
