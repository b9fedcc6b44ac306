//! Takes over keys that were made or retired elsewhere. [`keys::LEAD`] is several of
//! these rounds long.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{AppState, keys};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let turn = Turn { pause: Duration::from_secs(15), topic: None };
    jobs.every("keys", app, turn, |app| async move { keys::reload(&app).await });
}
