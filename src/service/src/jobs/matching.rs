//! Keeps the queue moving: offers what waits, takes unanswered offers back, and
//! puts the patients of a doctor who was lost back in the queue.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{AppState, consultation, matching};
use coordination::Topic;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let woken = Turn { pause: Duration::from_secs(2), topic: Some(Topic::Matching) };
    jobs.every("offer", app, woken, |app| async move { matching::offer_waiting(&app).await });
    let each_second = Turn { pause: Duration::from_secs(1), topic: None };
    jobs.every("offer-expiry", app, each_second, |app| async move { matching::expire_offers(&app).await });
    let often = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every("lost-doctors", app, often, |app| async move { matching::requeue_lost(&app).await });
    jobs.every("absent-workers", app, often, |app| async move { consultation::sweep_absent(&app).await });
    jobs.every(
        "signed-out-doctors",
        app,
        often,
        |app| async move { consultation::sweep_signed_out(&app).await },
    );
    let each_minute = Turn { pause: Duration::from_secs(60), topic: None };
    jobs.every("unserved", app, each_minute, |app| async move { matching::give_up_unserved(&app).await });
}
