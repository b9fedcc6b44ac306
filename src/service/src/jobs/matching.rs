//! Keeps the queue moving: offers what waits, takes unanswered offers back, and
//! puts the patients of a doctor who was lost back in the queue.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{House, consultation, matching};
use coordination::Topic;

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>) {
    let woken = Turn { pause: Duration::from_secs(2), topic: Some(Topic::Matching) };
    jobs.every("offer", house, woken, |house| async move { matching::offer_waiting(&house).await });
    let each_second = Turn { pause: Duration::from_secs(1), topic: None };
    jobs.every(
        "offer-expiry",
        house,
        each_second,
        |house| async move { matching::expire_offers(&house).await },
    );
    let often = Turn { pause: Duration::from_secs(5), topic: None };
    jobs.every("lost-doctors", house, often, |house| async move { matching::requeue_lost(&house).await });
    jobs.every(
        "absent-workers",
        house,
        often,
        |house| async move { consultation::sweep_absent(&house).await },
    );
    jobs.every("signed-out-doctors", house, often, |house| async move {
        consultation::sweep_signed_out(&house).await
    });
    let each_minute = Turn { pause: Duration::from_secs(60), topic: None };
    jobs.every(
        "unserved",
        house,
        each_minute,
        |house| async move { matching::give_up_unserved(&house).await },
    );
}
