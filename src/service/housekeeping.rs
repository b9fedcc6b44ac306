//! Forgets what has served its purpose.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Actor, Failure, House, shown};
use crate::storage::{health_reads, housekeeping as store, idempotency, staff_sessions};

/// For how long a repeated request gets the answer of the first.
const ANSWERS_KEPT: TimeDelta = TimeDelta::hours(48);

/// Deletes saved answers beyond their time, and used one-time proofs that
/// have expired anyway.
///
/// # Errors
/// Faults of the storage.
pub async fn forget(house: &Arc<House>) -> Result<usize, Failure> {
    house
        .write(Actor::System, |tx| {
            let answers = idempotency::keys_forget(tx.conn, tx.now - ANSWERS_KEPT)?;
            let proofs = store::expired_proofs_forget(tx.conn, tx.now)?;
            health_reads::reads_forget(tx.conn, tx.now - shown::REPEATED_AFTER)?;
            let grace = TimeDelta::seconds(tx.house.policy.sessions.refresh_grace_seconds.into());
            let tokens = staff_sessions::refresh_answers_forget(tx.conn, tx.now - grace)?;
            Ok(answers + proofs + tokens)
        })
        .await
}
