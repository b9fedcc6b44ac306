//! Reloads keys that another process made or retired. [`keys::LEAD`] must span several of
//! these rounds.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{AppState, keys};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let schedule = Schedule { pause: Duration::from_secs(15), topic: None };
    jobs.every("keys", app, schedule, |app| async move { keys::reload(&app).await });
}
