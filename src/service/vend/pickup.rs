//! The pickup code that somebody typed at a hatch. A cabinet knows no codes: it
//! asks START for what waits there, with what was typed. So a code may well be
//! somebody else's, or be tried on several orders: it counts as wrong once, and
//! not at all where it opens another order at the same hatch. Too many wrong
//! ones pause the order they were counted against, and no other.

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    crypto::{blind::BlindField, digest},
    domain::{ids::CabinetId, vend::decide::PickupCheck},
    service::{Failure, Hearers, Tx},
    storage::{hatches as store, orders::OrderRow},
};

/// A wrong code that is tried on one order after another was typed once within
/// this time. Our default.
const TYPED_ONCE: TimeDelta = TimeDelta::seconds(60);

/// What became of the code.
///
/// # Errors
/// Faults of the storage.
pub(super) fn check(tx: &mut Tx<'_>, order: &OrderRow, typed: &str) -> Result<PickupCheck, Failure> {
    if pause_left(tx, order).is_some() {
        return Ok(PickupCheck::Locked);
    }
    let Some(sealed) = &order.pickup_sealed else { return Ok(PickupCheck::Wrong) };
    let right = is_code(tx, order.id, sealed, typed)?;
    Ok(if right { PickupCheck::Right } else { PickupCheck::Wrong })
}

/// Seconds until a code of this order is looked at again.
pub(super) fn pause_left(tx: &Tx<'_>, order: &OrderRow) -> Option<u32> {
    let until = order.pickup_locked_until.filter(|until| *until > tx.now)?;
    Some(u32::try_from((until - tx.now).num_seconds()).unwrap_or(u32::MAX).max(1))
}

/// Counts a wrong code. The count must stand although START is refused.
///
/// # Errors
/// Faults of the storage.
pub(super) fn count_wrong(
    tx: &mut Tx<'_>,
    cabinet: CabinetId,
    order: &OrderRow,
    typed: &str,
) -> Result<(), Failure> {
    for (id, sealed) in store::pickup_codes_beside(tx.conn, cabinet, order.id)? {
        if is_code(tx, id, &sealed, typed)? {
            return Ok(());
        }
    }
    let index = tx.house.keys.blind.of(BlindField::PickupCode, typed);
    if let Some((counted, last, at)) = store::hatch_try_fetch(tx.conn, cabinet)?
        && counted != order.id
        && tx.now - at < TYPED_ONCE
        && digest::same_bytes(&last, &index)
    {
        return Ok(());
    }
    tx.keep_on_refusal();
    store::hatch_try_set(tx.conn, cabinet, order.id, &index, tx.now)?;
    let policy = &tx.house.policy.vending;
    let most = i32::try_from(policy.pickup_tries).unwrap_or(i32::MAX);
    // A pause that is over leaves nothing behind.
    let before = if order.pickup_locked_until.is_some() { 0 } else { order.pickup_failures };
    let failures = before.saturating_add(1);
    let until =
        (failures >= most).then(|| tx.now + TimeDelta::seconds(i64::from(policy.pickup_pause_seconds)));
    store::pickup_failures_set(tx.conn, order.id, failures, until)?;
    if until.is_some() {
        let payload = json!({"tries": most, "until": until});
        tx.record("order", order.id, "order.pickup_locked", payload, Hearers::worker(order.worker_id))?;
    }
    Ok(())
}

fn is_code(
    tx: &Tx<'_>,
    order: crate::domain::ids::OrderId,
    sealed: &[u8],
    typed: &str,
) -> Result<bool, Failure> {
    let code = tx.house.open("orders", "pickup_sealed", order, sealed)?;
    Ok(digest::same_bytes(code.as_bytes(), typed.as_bytes()))
}
