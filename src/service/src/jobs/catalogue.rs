//! Puts in force what another instance imported: at once when it says so, soon
//! when it could not be heard.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{AppState, formulary::edition};
use coordination::Topic;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let pause = edition::LOOK_EVERY.to_std().unwrap_or(Duration::ZERO);
    let turn = Turn { pause, topic: Some(Topic::Catalogue) };
    jobs.every("catalogue", app, turn, |app| async move { edition::look(&app).await });
}
