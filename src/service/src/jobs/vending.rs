//! What time brings about in medicines and vending: prescriptions and orders
//! expire, authorizations are voided, silent attempts are in doubt.

use std::{sync::Arc, time::Duration};

use super::{Jobs, Turn};
use crate::{House, prescription::dispense, vend};

pub(super) fn start(jobs: &mut Jobs, house: &Arc<House>) {
    let after = |seconds| Turn { pause: Duration::from_secs(seconds), topic: None };
    jobs.every("doubt-silent", house, after(5), |house| async move { vend::doubt_silent(&house).await });
    jobs.every("void-expired", house, after(5), |house| async move { vend::void_expired(&house).await });
    jobs.every("expire-orders", house, after(10), |house| async move { vend::expire_orders(&house).await });
    jobs.every("expire-prescriptions", house, after(30), |house| async move {
        dispense::expire_due(&house).await
    });
}
