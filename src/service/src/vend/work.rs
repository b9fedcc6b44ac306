//! The work list of a cabinet: authorizations, withdrawals, recalls. Delivery is not stored and may
//! happen twice; only START decides.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::{Actor, AppState, Failure, caller::CabinetCaller};
use crypto::digest;
use domain::{
    ids::CabinetId,
    refusal::Code,
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
///
/// # Errors
/// `DeviceRevoked`: the statement that reads the list checks it.
pub async fn work(app: &Arc<AppState>, caller: CabinetCaller) -> Result<Vec<WorkItem>, Failure> {
    app.read(Actor::Anyone, move |conn, app| list(conn, app, caller)).await
}

fn list(conn: &mut Conn, app: &AppState, caller: CabinetCaller) -> Result<Vec<WorkItem>, Failure> {
    let now = app.now();
    // A cabinet may still store an authorization that was withdrawn before its expiry.
    let since = now - TimeDelta::minutes(i64::from(app.policy.vending.authorization_minutes));
    let device = (caller.device, caller.epoch);
    let work = storage::vend::attempt::work_of(conn, device, caller.cabinet, since)?;
    let work = work.ok_or(Code::DeviceRevoked)?;
    let recalled =
        work.recalled.into_iter().map(|(product_code, lot_no)| WorkItem::Recall { product_code, lot_no });
    let mut items: Vec<WorkItem> = recalled.collect();
    let (voided, issued): (Vec<_>, Vec<_>) =
        work.attempts.into_iter().partition(|row| row.state == AttemptState::Voided);
    items.extend(voided.into_iter().take(VOIDS_PER_ANSWER).map(|row| WorkItem::Void { attempt: row.id }));
    let current = issued.into_iter().filter(|row| row.epoch == caller.epoch && row.expires_at > now);
    items
        .extend(current.map(|row| WorkItem::Vend { attempt: row.id, authorization: row.vend_authorization }));
    Ok(items)
}
