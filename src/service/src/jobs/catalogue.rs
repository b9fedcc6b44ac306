//! Loads the edition that another instance imported: at once on its notification, soon if
//! that was lost.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{AppState, formulary::edition};
use coordination::Topic;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let pause = edition::MAX_EDITION_AGE.to_std().unwrap_or(Duration::ZERO);
    let schedule = Schedule { pause, topic: Some(Topic::Catalogue) };
    jobs.every("catalogue", app, schedule, |app| async move { edition::look(&app).await });
}
