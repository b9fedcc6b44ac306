//! Periodic jobs of prescriptions and vending: claims of reviews expire, prescriptions and orders expire, expired
//! authorizations are voided, attempts without a report become in doubt.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Schedule};
use crate::{
    AppState,
    prescription::dispense,
    review::watch::{release_expired, watch_queue},
    vend,
};

pub(super) fn start(jobs: &mut Jobs, app: &Arc<AppState>) {
    let after = |seconds| Schedule { pause: Duration::from_secs(seconds), topic: None };
    jobs.every("doubt-silent", app, after(5), |app| async move { vend::doubt_silent(&app).await });
    jobs.every("void-expired", app, after(5), |app| async move { vend::void_expired(&app).await });
    jobs.every("expire-orders", app, after(10), |app| async move { vend::expire_orders(&app).await });
    jobs.every("review-claims", app, after(5), |app| async move { release_expired(&app).await });
    jobs.every("review-watch", app, after(30), |app| async move { watch_queue(&app).await });
    jobs.every("expire-prescriptions", app, after(30), |app| async move { dispense::expire_due(&app).await });
}
