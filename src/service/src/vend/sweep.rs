//! Timeouts. A sweep never counts silence as "not vended": it withdraws attempts that never
//! started, and puts started ones in doubt.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{closing, lock_cabinet, orders::Orders, reconcile};
use crate::{
    AppState, Failure, Tx,
    jobs::rounds::{self, Job},
};
use domain::{
    ids::{AttemptId, CabinetId, OrderId, OrderUnitId},
    order::{self, OrderState, UnitState},
    vend::{AttemptState, Command, attempt::VoidReason},
};
use storage::{Conn, order::UnitRow, vend::attempt::AttemptRow};

/// Puts started attempts in doubt whose cabinet reported no outcome in time. Returns how many.
///
/// # Errors
/// The failure of one attempt, after those of other cabinets are done.
pub async fn doubt_silent(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("doubt-silent");
    let before = app.now() - silence_limit(app);
    let due = move |conn: &mut Conn, after| {
        Ok(storage::vend::attempt::attempts_silent(conn, before, after, rounds::PAGE)?)
    };
    rounds::every(app, JOB, |(_, id)| *id, due, doubt).await?.outcome()
}

fn doubt(tx: &mut Tx<'_>, &(cabinet, id): &(CabinetId, AttemptId)) -> Result<usize, Failure> {
    lock_cabinet(tx, cabinet)?;
    let mut orders = Orders::default();
    orders.read_attempts(tx, &[id])?;
    let silence = Command::Silence { limit: silence_limit(tx.app) };
    closing::command(tx, &mut orders, id, silence).map(usize::from)
}

/// How long a started attempt may be silent.
fn silence_limit(app: &AppState) -> TimeDelta {
    TimeDelta::seconds(i64::from(app.policy.vending.silence_seconds))
}

/// Withdraws authorizations that expired unused, and pays their packs back. Returns how many
/// attempts.
///
/// # Errors
/// The failure of one order, after those of other cabinets are done.
pub async fn void_expired(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("void-expired");
    let now = app.now();
    let due = move |conn: &mut Conn, after| {
        Ok(storage::vend::attempt::attempts_overdue(conn, now, after, rounds::PAGE)?)
    };
    let void = |tx: &mut Tx<'_>, &(cabinet, order): &(CabinetId, OrderId)| {
        lock_cabinet(tx, cabinet)?;
        withdraw(tx, &mut Orders::default(), order, VoidReason::Expired)
    };
    rounds::every(app, JOB, |(_, order)| *order, due, void).await?.outcome()
}

/// Ends unpaid orders that have expired and releases their stock. Returns how many.
///
/// # Errors
/// The failure of one order, after those of other cabinets are done.
pub async fn expire_orders(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("expire-orders");
    let now = app.now();
    let due =
        move |conn: &mut Conn, after| Ok(storage::order::orders_overdue(conn, now, after, rounds::PAGE)?);
    rounds::every(app, JOB, |(_, order)| *order, due, expire).await?.outcome()
}

fn expire(tx: &mut Tx<'_>, &(cabinet, id): &(CabinetId, OrderId)) -> Result<usize, Failure> {
    lock_cabinet(tx, cabinet)?;
    let (mut orders, now) = (Orders::default(), tx.now);
    // It may have been paid or cancelled while this sweep waited for the lock.
    match orders.read(tx, id)? {
        Some(order) if order.row.state == OrderState::Reserved && order.row.expires_at <= now => {
            order.command(tx, [order::Command::Expire]).map(|()| 1)
        }
        Some(_) | None => Ok(0),
    }
}

/// A cabinet was replaced or enrolled again: attempts that have not started are withdrawn, started
/// ones are in doubt. Called in the transaction that raises the epoch, which has locked the cabinet.
pub fn epoch_replaced(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<(), Failure> {
    // Attempts that have not started come first: a doubt closes its slot, and would move the packs
    // that wait there to another slot of a cabinet that was replaced.
    let states = [AttemptState::Issued, AttemptState::Started];
    let (attempts, open) = storage::vend::attempt::attempts_and_discrepancies(tx.conn, cabinet, &states)?;
    reconcile::reset_for_new_epoch(tx, cabinet, &open)?;
    let mut orders = Orders::default();
    for state in states {
        let of_state = attempts.iter().filter(|(_, is)| *is == state);
        let ids: Vec<AttemptId> = of_state.map(|(id, _)| *id).collect();
        closing::command_each(tx, &mut orders, &ids, Command::NewEpoch)?;
    }
    Ok(())
}

/// Withdraws what may be withdrawn of a paid order and settles its packs: all at once when no other
/// pack is being vended, else pack by pack. Returns how many attempts were voided. The caller has
/// locked the cabinet.
pub(crate) fn withdraw(
    tx: &mut Tx<'_>,
    orders: &mut Orders,
    id: OrderId,
    reason: VoidReason,
) -> Result<usize, Failure> {
    if orders.read(tx, id)?.is_none() {
        return Ok(0);
    }
    let now = tx.now;
    let due = |row: &AttemptRow| {
        row.state == AttemptState::Issued && (reason != VoidReason::Expired || row.expires_at <= now)
    };
    let issued: Vec<(AttemptId, OrderUnitId)> = orders
        .attempts_of_order(id)
        .into_iter()
        .filter(|attempt| due(&attempt.row))
        .map(|attempt| (attempt.row.id, attempt.row.order_unit_id))
        .collect();
    for (attempt, _) in &issued {
        closing::command(tx, orders, *attempt, Command::Void { reason })?;
    }
    let order = orders.order(id)?;
    let freed = |unit: &UnitRow| issued.iter().any(|(_, of)| *of == unit.id);
    let moving = order.units.iter().any(|unit| unit.state == UnitState::Authorised && !freed(unit));
    let over = reason != VoidReason::Expired || order.row.expires_at <= now;
    let mut commands: Vec<order::Command> =
        issued.iter().map(|(_, unit)| order::Command::UnitFreed(*unit)).collect();
    if moving || !over {
        commands.extend(issued.iter().map(|(_, unit)| order::Command::UnitNotDispensed(*unit)));
    } else {
        commands.push(match reason {
            VoidReason::Expired => order::Command::Expire,
            VoidReason::Cancelled
            | VoidReason::Unsafe
            | VoidReason::Recalled
            | VoidReason::Replaced
            | VoidReason::Declined
            | VoidReason::SlotClosed => order::Command::Cancel,
        });
    }
    order.command(tx, commands)?;
    Ok(issued.len())
}
