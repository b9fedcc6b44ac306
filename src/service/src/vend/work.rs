//! The work list of a cabinet: authorizations, withdrawals, recalls. Delivery is not stored and may
//! happen twice; only START decides.

use chrono::TimeDelta;

use crate::{AppState, Failure, caller::CabinetCaller};
use crypto::digest;
use domain::{
    ids::CabinetId,
    vend::{AttemptState, messages::WorkItem},
};
use storage::Conn;

/// The maximum number of withdrawals in one answer.
const VOIDS_PER_ANSWER: usize = 100;

/// A cache of each cabinet's work list as this instance last read it: the generation of wake-ups
/// before the read, and the cursor.
pub(crate) type WorkCursorCache = moka::sync::Cache<CabinetId, (u64, i64)>;

/// The cursor of a work list: a digest of it, so that every instance computes the same one, and a
/// cabinet that polls different instances gets nothing twice. It is never 0, which means "nothing
/// yet", and stays below 2^52, so that clients that use doubles represent it exactly.
///
/// # Errors
/// A fault if the list cannot be written as JSON, which does not happen.
pub fn cursor_of(items: &[WorkItem]) -> Result<i64, Failure> {
    let json = serde_json::to_vec(items)?;
    let digest = digest::sha256(&json);
    let mut first = [0; 8];
    first[1..].copy_from_slice(&digest[..7]);
    Ok((i64::from_be_bytes(first) >> 4).max(1))
}

/// The current work list of this cabinet.
pub fn work(conn: &mut Conn, app: &AppState, caller: CabinetCaller) -> Result<Vec<WorkItem>, Failure> {
    let now = app.now();
    let mut items = Vec::new();
    for (product_code, lot_no) in storage::stock::lots_recalled_in(conn, caller.cabinet)? {
        items.push(WorkItem::Recall { product_code, lot_no });
    }
    // A cabinet may still store an authorization that was withdrawn before its expiry.
    let since = now - TimeDelta::minutes(i64::from(app.policy.vending.authorization_minutes));
    let attempts = storage::vend::attempt::attempts_for_work(conn, caller.cabinet, since)?;
    let (voided, issued): (Vec<_>, Vec<_>) =
        attempts.into_iter().partition(|row| row.state == AttemptState::Voided);
    items.extend(voided.into_iter().take(VOIDS_PER_ANSWER).map(|row| WorkItem::Void { attempt: row.id }));
    let current = issued.into_iter().filter(|row| row.epoch == caller.epoch && row.expires_at > now);
    items
        .extend(current.map(|row| WorkItem::Vend { attempt: row.id, authorization: row.vend_authorization }));
    Ok(items)
}
