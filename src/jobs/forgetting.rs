//! Forgets what is refused by its time anyway: used assertions, and saved
//! answers whose caller asks no more.

use std::{sync::Arc, time::Duration};

use super::Stop;
use crate::service::{House, housekeeping};

const EVERY: Duration = Duration::from_secs(600);

pub(super) async fn run(house: Arc<House>, mut stop: Stop) {
    while stop.pause(EVERY).await {
        if let Err(error) = housekeeping::forget(&house).await {
            tracing::error!(%error, "old rows could not be forgotten");
        }
    }
}
