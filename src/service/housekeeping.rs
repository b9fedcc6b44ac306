//! Rows that serve no more are forgotten: not one of them decides anything.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Actor, Failure, House};
use crate::storage::{devices, idempotency};

/// Hours for which a saved answer is kept for a caller who asks again. [P]
const ANSWER_HOURS: i64 = 48;

/// Forgets used assertions that have lapsed, and old saved answers; tells how
/// many rows went.
pub async fn forget(house: &Arc<House>) -> Result<usize, Failure> {
    house
        .write(Actor::System, |tx| {
            let answers = tx.now - TimeDelta::hours(ANSWER_HOURS);
            Ok(devices::assertions_forget(tx.conn, tx.now)? + idempotency::keys_forget(tx.conn, answers)?)
        })
        .await
}
