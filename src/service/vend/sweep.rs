//! What happens when nobody says anything. A sweep never reads silence as "not
//! vended": it withdraws what was never started, and doubts what was.

use chrono::TimeDelta;

use crate::{
    domain::{
        ids::{CabinetId, OrderId},
        order::{self, OrderState, UnitState},
        vend::{AttemptState, Command, attempt::VoidReason, decide},
    },
    service::{Failure, Tx},
    storage::{attempts, orders},
};

use super::{
    closing::{apply, give_up},
    domain_attempt, lock_cabinet, reconcile,
    units::command,
};

/// Puts started attempts in doubt whose cabinet has told no outcome in time;
/// `limit` at most. Tells how many.
pub fn doubt_silent(tx: &mut Tx<'_>, limit: i64) -> Result<usize, Failure> {
    let silence = TimeDelta::seconds(i64::from(tx.house.policy.vending.silence_seconds));
    let mut doubted = 0;
    for (cabinet, id) in attempts::attempts_silent(tx.conn, tx.now - silence, limit)? {
        lock_cabinet(tx, cabinet)?;
        let Some(row) = attempts::attempt_fetch(tx.conn, id)? else { continue };
        let events = decide(&domain_attempt(&row)?, Command::Silence, tx.now)?;
        apply(tx, &row, &events)?;
        doubted += usize::from(!events.is_empty());
    }
    Ok(doubted)
}

/// Withdraws authorizations that have run out unused, and pays their packs
/// back; `limit` orders at most. Tells how many attempts.
pub fn void_expired(tx: &mut Tx<'_>, limit: i64) -> Result<usize, Failure> {
    let mut voided = 0;
    for (cabinet, order) in attempts::attempts_overdue(tx.conn, tx.now, limit)? {
        lock_cabinet(tx, cabinet)?;
        voided += withdraw(tx, order, VoidReason::Expired)?;
    }
    Ok(voided)
}

/// Ends unpaid orders whose time is up and frees their stock; `limit` at most.
/// Tells how many.
pub fn expire_orders(tx: &mut Tx<'_>, limit: i64) -> Result<usize, Failure> {
    let mut expired = 0;
    for (cabinet, id) in orders::orders_overdue(tx.conn, tx.now, limit)? {
        lock_cabinet(tx, cabinet)?;
        // Paid, or cancelled, while this sweep stood in line.
        let row = orders::order_lock(tx.conn, id)?;
        if row.is_some_and(|row| row.state == OrderState::Reserved && row.expires_at <= tx.now) {
            command(tx, id, order::Command::Expire)?;
            expired += 1;
        }
    }
    Ok(expired)
}

/// A cabinet was replaced or enrolled again: what was not started is
/// withdrawn, what was started is in doubt. Called in the transaction that
/// raises the epoch.
pub fn epoch_replaced(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    lock_cabinet(tx, cabinet)?;
    reconcile::begin_anew(tx, cabinet)?;
    // What is not started goes first: a doubt closes its slot, and would send
    // the packs that wait there elsewhere in a cabinet that is no more.
    for states in [const { &[AttemptState::Issued] }, &[AttemptState::Started]] {
        for row in attempts::attempts_of_cabinet(tx.conn, cabinet, states)? {
            let events = decide(&domain_attempt(&row)?, Command::NewEpoch, tx.now)?;
            apply(tx, &row, &events)?;
        }
    }
    Ok(())
}

/// Withdraws what may be withdrawn of a paid order and settles its packs: all
/// at once when nothing else is under way, else pack by pack. Tells how many
/// attempts were voided. The caller holds the cabinet.
pub fn withdraw(tx: &mut Tx<'_>, id: OrderId, reason: VoidReason) -> Result<usize, Failure> {
    let Some(order) = orders::order_lock(tx.conn, id)? else { return Ok(0) };
    let due = |expires_at| reason != VoidReason::Expired || expires_at <= tx.now;
    let all = attempts::attempts_of_order(tx.conn, id)?;
    let issued: Vec<_> =
        all.into_iter().filter(|row| row.state == AttemptState::Issued && due(row.expires_at)).collect();
    for row in &issued {
        let events = decide(&domain_attempt(row)?, Command::Void { reason }, tx.now)?;
        apply(tx, row, &events)?;
    }
    let units = orders::units_of_order(tx.conn, id)?;
    let moving = units.iter().any(|unit| unit.state == UnitState::Authorised);
    let over = reason != VoidReason::Expired || order.expires_at <= tx.now;
    if moving || !over {
        for row in &issued {
            give_up(tx, id, row.order_unit_id)?;
        }
    } else {
        let end = match reason {
            VoidReason::Expired => order::Command::Expire,
            VoidReason::Cancelled
            | VoidReason::Unsafe
            | VoidReason::Recalled
            | VoidReason::Replaced
            | VoidReason::Declined
            | VoidReason::SlotClosed => order::Command::Cancel,
        };
        command(tx, id, end)?;
    }
    Ok(issued.len())
}
