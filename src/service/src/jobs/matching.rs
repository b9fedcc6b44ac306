//! The jobs of the queue: offer waiting consultations, expire unanswered offers, requeue the
//! consultations of a lost doctor, and watch the queues.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{AppState, consultation, matching};
use coordination::Topic;

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let on_topic = Schedule { pause: Duration::from_secs(2), topic: Some(Topic::Matching) };
    jobs.every("offer", app, on_topic, |app| async move { matching::offer_waiting(&app).await });
    let every_second = Schedule { pause: Duration::from_secs(1), topic: None };
    jobs.every("offer-expiry", app, every_second, |app| async move { matching::expire_offers(&app).await });
    let every_5_s = Schedule { pause: Duration::from_secs(5), topic: None };
    jobs.every("lost-doctors", app, every_5_s, |app| async move { matching::requeue_lost(&app).await });
    jobs.every("absent-workers", app, every_5_s, |app| async move { consultation::sweep_absent(&app).await });
    jobs.every("signed-out-doctors", app, every_5_s, |app| async move {
        consultation::sweep_signed_out(&app).await
    });
    jobs.every(
        "silent-doctors",
        app,
        every_5_s,
        |app| async move { matching::look_where_waited(&app).await },
    );
    let every_30_s = Schedule { pause: Duration::from_secs(30), topic: None };
    jobs.every("queue-watch", app, every_30_s, |app| async move { matching::watch_queues(&app).await });
    let every_minute = Schedule { pause: Duration::from_secs(60), topic: None };
    jobs.every("unserved", app, every_minute, |app| async move { matching::give_up_unserved(&app).await });
}
