//! Deletes data that is no longer needed.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{AppState, Failure};
use crate::{
    health_access,
    jobs::rounds::{self, Job},
};
use storage::housekeeping as store;

/// For how long a repeated request gets the first one's saved answer.
const ANSWERS_KEPT: TimeDelta = TimeDelta::hours(24);

/// Deletes expired saved answers, used one-time proofs that have expired, and the private parts of
/// doctors' keys whose certificates have. Each kind has its own
/// transaction: a row that another transaction has locked does not delay the other kinds.
///
/// # Errors
/// Faults of the storage.
pub async fn forget(app: &Arc<AppState>) -> Result<usize, Failure> {
    let answers = rounds::one(app, Job::new("forget-answers"), |tx| {
        Ok(storage::idempotency::answers_forget(tx.conn, tx.now - ANSWERS_KEPT)?)
    });
    let proofs =
        rounds::one(app, Job::new("forget-proofs"), |tx| Ok(store::expired_proofs_forget(tx.conn, tx.now)?));
    let reads = rounds::one(app, Job::new("forget-reads"), |tx| {
        storage::audit::health_read::reads_forget(tx.conn, tx.now - health_access::REPEATED_AFTER)?;
        Ok(0)
    });
    let tokens = rounds::one(app, Job::new("forget-tokens"), |tx| {
        let grace = TimeDelta::seconds(tx.app.policy.sessions.refresh_grace_seconds.into());
        Ok(storage::staff::session::refresh_answers_forget(tx.conn, tx.now - grace)?)
    });
    let keys = rounds::one(app, Job::new("forget-doctor-keys"), |tx| {
        Ok(storage::keys::doctor::doctor_keys_forget(tx.conn, tx.now)?)
    });
    answers.await.and(proofs.await).and(reads.await).and(tokens.await).and(keys.await).outcome()
}
