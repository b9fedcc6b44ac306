//! Takes over keys that were made or retired elsewhere. [`keys::LEAD`] is several of
//! these rounds long.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{House, keys};

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>) {
    let turn = Turn { pause: Duration::from_secs(15), topic: None };
    jobs.every("keys", house, turn, |house| async move { keys::reload(&house).await });
}
