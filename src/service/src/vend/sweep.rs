//! What happens when nobody says anything. A sweep never reads silence as "not
//! vended": it withdraws what was never started, and doubts what was.

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

/// Rows that one round takes on.
const AT_ONCE: i64 = 100;

/// Puts started attempts in doubt whose cabinet has told no outcome in time.
/// Tells how many.
///
/// # Errors
/// What an attempt failed with, although those of other cabinets are done.
pub async fn doubt_silent(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("doubt-silent");
    let silence = TimeDelta::seconds(i64::from(app.policy.vending.silence_seconds));
    let before = app.now() - silence;
    let due = app
        .read(Actor::System, move |conn, _| {
            Ok(storage::vend::attempt::attempts_silent(conn, before, AT_ONCE)?)
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

/// Withdraws authorizations that have run out unused, and pays their packs
/// back. Tells how many attempts.
///
/// # Errors
/// What an order failed with, although those of other cabinets are done.
pub async fn void_expired(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("void-expired");
    let now = app.now();
    let due = app
        .read(Actor::System, move |conn, _| Ok(storage::vend::attempt::attempts_overdue(conn, now, AT_ONCE)?))
        .await?;
    let void = |tx: &mut Tx<'_>, &(cabinet, order): &(CabinetId, OrderId)| {
        lock_cabinet(tx, cabinet)?;
        withdraw(tx, order, VoidReason::Expired)
    };
    rounds::each(app, JOB, due, |(_, order)| *order, void).await.outcome()
}

/// Ends unpaid orders whose time is up and frees their stock. Tells how many.
///
/// # Errors
/// What an order failed with, although those of other cabinets are done.
pub async fn expire_orders(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("expire-orders");
    let now = app.now();
    let due = app
        .read(Actor::System, move |conn, _| Ok(storage::order::orders_overdue(conn, now, AT_ONCE)?))
        .await?;
    rounds::each(app, JOB, due, |(_, order)| *order, expire).await.outcome()
}

fn expire(tx: &mut Tx<'_>, &(cabinet, id): &(CabinetId, OrderId)) -> Result<usize, Failure> {
    lock_cabinet(tx, cabinet)?;
    // Paid, or cancelled, while this sweep stood in line.
    let row = storage::order::order_lock(tx.conn, id)?;
    if !row.is_some_and(|row| row.state == OrderState::Reserved && row.expires_at <= tx.now) {
        return Ok(0);
    }
    command(tx, id, order::Command::Expire)?;
    Ok(1)
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
        for row in storage::vend::attempt::attempts_of_cabinet(tx.conn, cabinet, states)? {
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
