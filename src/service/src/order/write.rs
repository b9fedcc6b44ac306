//! Writes decisions about orders and their packs, and the stock and money that belong to them.
//! Creating an order and paying for it are in `order/mod.rs`; a pack that goes back is in
//! `vend/closing.rs`.
//!
//! | pack | its place in the stock |
//! |---|---|
//! | reserved, authorised | reserved |
//! | in doubt | in doubt |
//! | dispensed | dispensed |
//! | released, refunded | none |

use crate::{Failure, Recipients, Tx, ledger as subsidy, prescription::dispense, stock::move_packs};
use domain::{
    ids::{OrderId, OrderUnitId},
    ledger,
    order::{self, Command, Order, OrderEvent, OrderState, OrderUnit, UnitState},
    refusal::{Code, Refusal},
    stock::{DoubtOutcome, Movement},
};
use storage::{
    order::{self as store, OrderRow, UnitRow},
    stock::StockKey,
};

/// Converts a stored order to the domain's type.
pub(crate) fn domain_order(row: &OrderRow, units: &[UnitRow]) -> Order {
    let units = units.iter().map(|unit| OrderUnit { id: unit.id, state: unit.state, price: unit.price_fen });
    Order { state: row.state, expires_at: row.expires_at, units: units.collect() }
}

/// Decides on an order and writes what follows.
///
/// # Errors
/// Refusals of the rules; `NotFound`.
pub fn command(tx: &mut Tx<'_>, order: OrderId, command: Command) -> Result<Vec<OrderEvent>, Failure> {
    let row = store::order_lock(tx.conn, order)?.ok_or(Code::NotFound)?;
    let units = store::units_of_order(tx.conn, order)?;
    let events = order::decide(&domain_order(&row, &units), command, tx.now)?;
    for event in &events {
        write(tx, &row, &units, event)?;
        tx.record(row.id, event.clone(), Recipients::worker(row.worker_id))?;
    }
    Ok(events)
}

fn write(tx: &mut Tx<'_>, order: &OrderRow, units: &[UnitRow], event: &OrderEvent) -> Result<(), Failure> {
    match event {
        // Paying generates a pickup code; `order::pay` writes it.
        OrderEvent::Reserved { .. } | OrderEvent::UnitRelocated { .. } | OrderEvent::PickupLocked { .. } => {
            Err(Failure::inconsistent("no command of an order reserves or relocates"))
        }
        OrderEvent::Paid { .. } => Err(Failure::inconsistent("an order is paid elsewhere")),
        OrderEvent::UnitAuthorised { unit } => step(tx, find(units, *unit)?, UnitState::Authorised, None),
        OrderEvent::UnitFreed { unit } => {
            let unit = find(units, *unit)?;
            let back = Movement::ResolveDoubt(DoubtOutcome::BackToReserved);
            step(tx, unit, UnitState::Reserved, (unit.state == UnitState::InDoubt).then_some(back))
        }
        OrderEvent::UnitDoubted { unit } => {
            step(tx, find(units, *unit)?, UnitState::InDoubt, Some(Movement::Doubt))
        }
        OrderEvent::UnitDispensed { unit, amount } => {
            let unit = find(units, *unit)?;
            let movement = match unit.state {
                UnitState::InDoubt => Movement::ResolveDoubt(DoubtOutcome::Dispensed),
                _ => Movement::Dispense,
            };
            step(tx, unit, UnitState::Dispensed, Some(movement))?;
            if let Some(transfer) = ledger::settle_unit(order.id, unit.id, *amount)? {
                subsidy::book(tx, &transfer, order.worker_id)?;
            }
            match order.prescription_id {
                Some(prescription) => dispense::fulfil_if_done(tx, prescription).map(drop),
                None => Ok(()),
            }
        }
        OrderEvent::UnitReleased { unit } => {
            step(tx, find(units, *unit)?, UnitState::Released, Some(Movement::Release(1)))
        }
        OrderEvent::UnitRefunded { unit, amount } => {
            let unit = find(units, *unit)?;
            let movement = match unit.state {
                UnitState::InDoubt => Movement::ResolveDoubt(DoubtOutcome::BackToOnHand),
                _ => Movement::Release(1),
            };
            step(tx, unit, UnitState::Refunded, Some(movement))?;
            if let Some(transfer) = ledger::refund_unit(order.worker_id, order.id, unit.id, *amount)? {
                subsidy::book(tx, &transfer, order.worker_id)?;
            }
            Ok(())
        }
        OrderEvent::Completed {} => end(tx, order, OrderState::Completed),
        OrderEvent::Cancelled {} => end(tx, order, OrderState::Cancelled),
        OrderEvent::Expired {} => end(tx, order, OrderState::Expired),
    }
}

fn find(units: &[UnitRow], id: OrderUnitId) -> Result<&UnitRow, Failure> {
    units.iter().find(|unit| unit.id == id).ok_or_else(|| Failure::from(Code::NotFound))
}

fn step(tx: &mut Tx<'_>, unit: &UnitRow, to: UnitState, movement: Option<Movement>) -> Result<(), Failure> {
    if !store::unit_move(tx.conn, unit.id, unit.state, to, tx.now)? {
        return Err(Refusal::moved_on(unit.state).into());
    }
    match movement {
        Some(movement) => move_packs(tx, &key_of(unit), movement),
        None => Ok(()),
    }
}

/// The stock record that a pack belongs to.
pub fn key_of(unit: &UnitRow) -> StockKey {
    StockKey {
        cabinet: unit.cabinet_id,
        slot_no: unit.slot_no,
        product_code: unit.product_code.clone(),
        lot_no: unit.lot_no.clone(),
    }
}

fn end(tx: &mut Tx<'_>, order: &OrderRow, to: OrderState) -> Result<(), Failure> {
    if store::order_end(tx.conn, order.id, to, tx.now)? {
        Ok(())
    } else {
        Err(Refusal::moved_on(order.state).into())
    }
}
