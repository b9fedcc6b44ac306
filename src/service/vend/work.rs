//! What a cabinet should know: authorizations, withdrawals, recalls. Delivery
//! is no state and may happen twice; only START decides.

use std::sync::OnceLock;

use chrono::TimeDelta;

use crate::{
    crypto::random,
    domain::vend::{AttemptState, messages::WorkItem},
    service::{Failure, House, caller::CabinetCaller},
    storage::{Conn, attempts, stock},
};

/// Withdrawals told at once, at most.
const VOIDS_TOLD: i64 = 100;

/// The cursor of a generation of wake-ups in this process. Another process
/// begins with another number, so a cursor from there is never current. It stays
/// below 2^52, so that clients that count in doubles keep it exactly.
pub fn cursor_of(generation: u64) -> i64 {
    static NONCE: OnceLock<i64> = OnceLock::new();
    let nonce = *NONCE.get_or_init(|| {
        let drawn = u32::from_be_bytes(random::bytes()) & 0x000f_ffff;
        i64::from(drawn.max(1)) << 32
    });
    nonce | i64::try_from(generation & 0xffff_ffff).unwrap_or(0)
}

/// All that this cabinet should know now.
pub fn work(conn: &mut Conn, house: &House, caller: CabinetCaller) -> Result<Vec<WorkItem>, Failure> {
    let now = house.now();
    let mut items = Vec::new();
    for (product_code, lot_no) in stock::lots_recalled_in(conn, caller.cabinet)? {
        items.push(WorkItem::Recall { product_code, lot_no });
    }
    // An authorization that was withdrawn before it could have run out may
    // still lie in the cabinet.
    let since = now - TimeDelta::minutes(i64::from(house.policy.vending.authorization_minutes));
    let voided = attempts::attempts_voided_since(conn, caller.cabinet, since, VOIDS_TOLD)?;
    items.extend(voided.into_iter().map(|attempt| WorkItem::Void { attempt }));
    let issued = attempts::attempts_of_cabinet(conn, caller.cabinet, &[AttemptState::Issued])?;
    let current = issued.into_iter().filter(|row| row.epoch == caller.epoch && row.expires_at > now);
    items
        .extend(current.map(|row| WorkItem::Vend { attempt: row.id, authorization: row.vend_authorization }));
    Ok(items)
}
