//! Timeouts. A sweep never counts silence as "not vended": it withdraws attempts that never
//! started, and puts started ones in doubt.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    closing::{apply, give_up},
    domain_attempt, lock_cabinet, reconcile,
};
use crate::{
    Actor, AppState, Failure, Tx,
    jobs::rounds::{self, Job},
    order::write::command,
};
use domain::{
    ids::{AttemptId, CabinetId, OrderId},
    order::{self, OrderState, UnitState},
    vend::{AttemptState, Command, attempt::VoidReason, decide},
};

/// The maximum number of rows in one round.
const ROWS_PER_ROUND: i64 = 100;

/// Puts started attempts in doubt whose cabinet reported no outcome in time. Returns how many.
///
/// # Errors
/// The failure of one attempt, after those of other cabinets are done.
pub async fn doubt_silent(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("doubt-silent");
    let silence = TimeDelta::seconds(i64::from(app.policy.vending.silence_seconds));
    let before = app.now() - silence;
    let due = app
        .read(Actor::System, move |conn, _| {
            Ok(storage::vend::attempt::attempts_silent(conn, before, ROWS_PER_ROUND)?)
        })
        .await?;
    rounds::each(app, JOB, due, |(_, id)| *id, doubt).await.outcome()
}

fn doubt(tx: &mut Tx<'_>, &(cabinet, id): &(CabinetId, AttemptId)) -> Result<usize, Failure> {
    lock_cabinet(tx, cabinet)?;
    let Some(row) = storage::vend::attempt::attempt_fetch(tx.conn, id)? else { return Ok(0) };
    let events = decide(&domain_attempt(&row)?, Command::Silence, tx.now)?;
    apply(tx, &row, &events)?;
    Ok(usize::from(!events.is_empty()))
}

/// Withdraws authorizations that expired unused, and pays their packs back. Returns how many
/// attempts.
///
/// # Errors
/// The failure of one order, after those of other cabinets are done.
pub async fn void_expired(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("void-expired");
    let now = app.now();
    let due = app
        .read(Actor::System, move |conn, _| {
            Ok(storage::vend::attempt::attempts_overdue(conn, now, ROWS_PER_ROUND)?)
        })
        .await?;
    let void = |tx: &mut Tx<'_>, &(cabinet, order): &(CabinetId, OrderId)| {
        lock_cabinet(tx, cabinet)?;
        withdraw(tx, order, VoidReason::Expired)
    };
    rounds::each(app, JOB, due, |(_, order)| *order, void).await.outcome()
}

/// Ends unpaid orders that have expired and releases their stock. Returns how many.
///
/// # Errors
/// The failure of one order, after those of other cabinets are done.
pub async fn expire_orders(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("expire-orders");
    let now = app.now();
    let due = app
        .read(Actor::System, move |conn, _| Ok(storage::order::orders_overdue(conn, now, ROWS_PER_ROUND)?))
        .await?;
    rounds::each(app, JOB, due, |(_, order)| *order, expire).await.outcome()
}

fn expire(tx: &mut Tx<'_>, &(cabinet, id): &(CabinetId, OrderId)) -> Result<usize, Failure> {
    lock_cabinet(tx, cabinet)?;
    // It may have been paid or cancelled while this sweep waited for the lock.
    let row = storage::order::order_lock(tx.conn, id)?;
    if !row.is_some_and(|row| row.state == OrderState::Reserved && row.expires_at <= tx.now) {
        return Ok(0);
    }
    command(tx, id, order::Command::Expire)?;
    Ok(1)
}

/// A cabinet was replaced or enrolled again: attempts that have not started are withdrawn, started
/// ones are in doubt. Called in the transaction that raises the epoch.
pub fn epoch_replaced(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    lock_cabinet(tx, cabinet)?;
    reconcile::reset_for_new_epoch(tx, cabinet)?;
    // Attempts that have not started come first: a doubt closes its slot, and would move the packs
    // that wait there to another slot of a cabinet that was replaced.
    for states in [const { &[AttemptState::Issued] }, &[AttemptState::Started]] {
        for row in storage::vend::attempt::attempts_of_cabinet(tx.conn, cabinet, states)? {
            let events = decide(&domain_attempt(&row)?, Command::NewEpoch, tx.now)?;
            apply(tx, &row, &events)?;
        }
    }
    Ok(())
}

/// Withdraws what may be withdrawn of a paid order and settles its packs: all at once when no other
/// pack is being vended, else pack by pack. Returns how many attempts were voided. The caller has
/// locked the cabinet.
pub fn withdraw(tx: &mut Tx<'_>, id: OrderId, reason: VoidReason) -> Result<usize, Failure> {
    let Some(order) = storage::order::order_lock(tx.conn, id)? else { return Ok(0) };
    let due = |expires_at| reason != VoidReason::Expired || expires_at <= tx.now;
    let all = storage::vend::attempt::attempts_of_order(tx.conn, id)?;
    let issued: Vec<_> =
        all.into_iter().filter(|row| row.state == AttemptState::Issued && due(row.expires_at)).collect();
    for row in &issued {
        let events = decide(&domain_attempt(row)?, Command::Void { reason }, tx.now)?;
        apply(tx, row, &events)?;
    }
    let units = storage::order::units_of_order(tx.conn, id)?;
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
