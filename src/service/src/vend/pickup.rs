//! The pickup code that somebody typed at a hatch. A cabinet stores no codes: it asks START for the
//! orders that wait there, with the typed code. So a code may belong to another order, or be tried
//! on several orders: it counts as wrong once, and not at all if it opens another order at the same
//! hatch.
//!
//! A wrong code does not identify an order, so no order is paused for it. After many wrong ones the
//! hatch accepts codes more slowly, for everybody: a right one passes a few seconds later, and
//! trying all codes takes months.

use chrono::TimeDelta;

use crate::{Failure, Recipients, Tx};
use crypto::{blind::BlindField, digest};
use domain::{event::cabinet::CabinetEvent, ids::OrderId, vend::decide::PickupCheck};
use storage::{
    order::OrderRow,
    vend::pickup::{self as store, HatchTryRow},
};

/// The same wrong code on several orders within this time counts as typed once. Our default.
const TYPED_ONCE: TimeDelta = TimeDelta::seconds(60);
/// The pause between two codes at a hatch that has had more wrong ones than `pickup_tries`. Our
/// default.
const SLOW: TimeDelta = TimeDelta::seconds(10);
/// The same after three times as many: 2880 codes a day, of a million. Our default.
const SLOWER: TimeDelta = TimeDelta::seconds(30);

/// Checks the typed code against an order; `pause` is what [`pause_left`] returned.
///
/// # Errors
/// Faults of the storage.
pub(super) fn check(
    tx: &Tx<'_>,
    order: &OrderRow,
    typed: &str,
    pause: Option<u32>,
) -> Result<PickupCheck, Failure> {
    if pause.is_some() {
        return Ok(PickupCheck::Locked);
    }
    let Some(sealed) = &order.pickup_sealed else { return Ok(PickupCheck::Wrong) };
    let right = of_code(tx, order.id, sealed, typed)?;
    Ok(if right { PickupCheck::Right } else { PickupCheck::Wrong })
}

/// Seconds until a hatch accepts a code other than `last`, its last wrong one.
pub(super) fn pause_left(tx: &Tx<'_>, last: Option<&HatchTryRow>, typed: &str) -> Option<u32> {
    let last = last?;
    let until = last.tried_at + pace(tx, failures(tx, last));
    if until <= tx.now || digest::same_bytes(&last.code_index, &index_of(tx, typed)) {
        return None;
    }
    // Rounded up, so that a retry after this time is not too early.
    let left = (until - tx.now).num_milliseconds().max(0).unsigned_abs().div_ceil(1000);
    Some(u32::try_from(left).unwrap_or(u32::MAX).max(1))
}

/// Counts a wrong code; `last` is the one before it at the same hatch. The count must be committed although START is refused.
///
/// # Errors
/// Faults of the storage.
pub(super) fn count_wrong(
    tx: &mut Tx<'_>,
    last: Option<HatchTryRow>,
    order: &OrderRow,
    typed: &str,
) -> Result<(), Failure> {
    let cabinet = order.cabinet_id;
    for (id, sealed) in store::pickup_codes_of_other_orders(tx.conn, cabinet, order.id)? {
        if of_code(tx, id, &sealed, typed)? {
            return Ok(());
        }
    }
    let index = index_of(tx, typed);
    if let Some(last) = &last
        && last.order_id != order.id
        && tx.now - last.tried_at < TYPED_ONCE
        && digest::same_bytes(&last.code_index, &index)
    {
        return Ok(());
    }
    tx.commit_on_refusal();
    let before = last.map_or(0, |last| failures(tx, &last));
    let counted = HatchTryRow {
        order_id: order.id,
        code_index: index.to_vec(),
        tried_at: tx.now,
        failures: before.saturating_add(1),
    };
    store::hatch_try_set(tx.conn, cabinet, &counted)?;
    if pace(tx, counted.failures) != pace(tx, before) {
        let seconds_between = pace(tx, counted.failures).num_seconds();
        let event = CabinetEvent::CodesTriedOften { wrong: counted.failures, seconds_between };
        tx.record(cabinet, event, Recipients::nobody())?;
    }
    Ok(())
}

/// The wrong codes that still count: after some time without one the count restarts.
fn failures(tx: &Tx<'_>, last: &HatchTryRow) -> i32 {
    let quiet = TimeDelta::seconds(tx.app.policy.vending.pickup_pause_seconds.into());
    if tx.now - last.tried_at >= quiet { 0 } else { last.failures }
}

/// The pause between two codes after `failures` wrong ones.
fn pace(tx: &Tx<'_>, failures: i32) -> TimeDelta {
    let policy = &tx.app.policy.vending;
    let most = i32::try_from(policy.pickup_tries).unwrap_or(i32::MAX);
    let slow = match failures {
        few if few <= most => TimeDelta::zero(),
        many if many <= most.saturating_mul(3) => SLOW,
        _ => SLOWER,
    };
    slow.min(TimeDelta::seconds(policy.pickup_pause_seconds.into()))
}

fn index_of(tx: &Tx<'_>, typed: &str) -> [u8; 32] {
    tx.app.keys.blind.of(BlindField::PickupCode, typed)
}

fn of_code(tx: &Tx<'_>, order: OrderId, sealed: &[u8], typed: &str) -> Result<bool, Failure> {
    let code = tx.app.open("orders", "pickup_sealed", order, sealed)?;
    Ok(digest::same_bytes(code.as_bytes(), typed.as_bytes()))
}
