//! What a cabinet should know: authorizations, withdrawals, recalls. Delivery
//! is no state and may happen twice; only START decides.

use chrono::TimeDelta;

use crate::{AppState, Failure, caller::CabinetCaller};
use crypto::digest;
use domain::{
    ids::CabinetId,
    vend::{AttemptState, messages::WorkItem},
};
use storage::Conn;

/// Withdrawals told at once, at most.
const VOIDS_TOLD: i64 = 100;

/// What a cabinet's work was when this instance last read it: the generation
/// of wake-ups before the reading, and the cursor.
pub type WorkSeen = moka::sync::Cache<CabinetId, (u64, i64)>;

/// The cursor of all that a cabinet should know: a digest of it, so that every
/// instance gives the same one, and who asks now here, now there is told
/// nothing twice. It is not 0, which stands for "nothing yet", and stays below
/// 2^52, so that clients that count in doubles keep it exactly.
///
/// # Errors
/// None that could happen: work is always JSON.
pub fn cursor_of(items: &[WorkItem]) -> Result<i64, Failure> {
    let json = serde_json::to_vec(items).map_err(|error| Failure::Fault(error.to_string()))?;
    let digest = digest::sha256(&json);
    let mut first = [0; 8];
    first[1..].copy_from_slice(&digest[..7]);
    Ok((i64::from_be_bytes(first) >> 4).max(1))
}

/// All that this cabinet should know now.
pub fn work(conn: &mut Conn, app: &AppState, caller: CabinetCaller) -> Result<Vec<WorkItem>, Failure> {
    let now = app.now();
    let mut items = Vec::new();
    for (product_code, lot_no) in storage::stock::lots_recalled_in(conn, caller.cabinet)? {
        items.push(WorkItem::Recall { product_code, lot_no });
    }
    // An authorization that was withdrawn before it could have run out may
    // still lie in the cabinet.
    let since = now - TimeDelta::minutes(i64::from(app.policy.vending.authorization_minutes));
    let voided = storage::vend::attempt::attempts_voided_since(conn, caller.cabinet, since, VOIDS_TOLD)?;
    items.extend(voided.into_iter().map(|attempt| WorkItem::Void { attempt }));
    let issued = storage::vend::attempt::attempts_of_cabinet(conn, caller.cabinet, &[AttemptState::Issued])?;
    let current = issued.into_iter().filter(|row| row.epoch == caller.epoch && row.expires_at > now);
    items
        .extend(current.map(|row| WorkItem::Vend { attempt: row.id, authorization: row.vend_authorization }));
    Ok(items)
}
