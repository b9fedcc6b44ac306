//! How decisions about an order and its packs are carried out, with the stock and the money that
//! follow from them.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::{
    Failure, Recipients, Tx, ledger as subsidy,
    machine::{Machine, commit},
    prescription::dispense,
    stock::move_stock,
    vend::slot_no,
};
use domain::{
    ids::OrderUnitId,
    ledger,
    order::{self, Command, Order, OrderEvent, OrderState, OrderUnit, UnitState},
    refusal::{Code, Refusal},
    stock::{Place, StockChange},
    time::Timestamp,
};
use storage::{
    order::{self as store, MovedUnits, OrderRow, UnitRow},
    stock::StockKey,
};

/// An order with its packs. Every change of it locks its cabinet's row first, so what was read once
/// stays true until the end of the transaction.
#[derive(Debug, Clone)]
pub(crate) struct LoadedOrder {
    pub row: OrderRow,
    pub units: Vec<UnitRow>,
    order: Order,
    /// What the events do not contain: it is sealed, or was found elsewhere.
    pub given: Given,
    now: Timestamp,
    /// Until when an authorization is valid that is issued now.
    authorised_until: Timestamp,
}

/// What becomes of an order by the next events, besides what they contain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// The sealed pickup code of a payment.
    pub pickup_sealed: Option<Vec<u8>>,
    /// The lot in the slot that a pack is moved to.
    pub lot_no: Option<String>,
}

/// Converts a stored order to the domain's type.
///
/// # Errors
/// A stored slot number that is none.
pub(crate) fn domain_order(row: &OrderRow, units: &[UnitRow]) -> Result<Order, Failure> {
    let unit = |unit: &UnitRow| {
        let slot = slot_no(unit.slot_no)?;
        Ok(OrderUnit { id: unit.id, state: unit.state, price: unit.price_fen, slot })
    };
    let units = units.iter().map(unit).collect::<Result<_, Failure>>()?;
    Ok(Order { state: row.state, expires_at: row.expires_at, units })
}

impl LoadedOrder {
    /// # Errors
    /// A stored slot number that is none.
    pub fn new(tx: &Tx<'_>, row: OrderRow, units: Vec<UnitRow>) -> Result<Self, Failure> {
        let order = domain_order(&row, &units)?;
        let authorised_until =
            tx.now + TimeDelta::minutes(i64::from(tx.app.policy.vending.authorization_minutes));
        Ok(Self { row, units, order, given: Given::default(), now: tx.now, authorised_until })
    }

    /// The domain's view of it.
    pub fn order(&self) -> &Order {
        &self.order
    }

    pub fn unit(&self, id: OrderUnitId) -> Result<&UnitRow, Failure> {
        self.units.iter().find(|unit| unit.id == id).ok_or_else(|| Code::NotFound.into())
    }

    /// Decides on the order, and carries it out in one step.
    ///
    /// # Errors
    /// Refusals of the rules.
    pub fn command(
        &mut self,
        tx: &mut Tx<'_>,
        commands: impl IntoIterator<Item = Command>,
    ) -> Result<(), Failure> {
        let events = order::decide_all(&self.order, commands, tx.now)?;
        *self = commit(tx, self, &events)?;
        Ok(())
    }

    /// Adds a new order with its packs, which are reserved; `reserved` is the first event of its log.
    ///
    /// # Errors
    /// `UnitsExceeded` when its prescription has a live order already, which has reserved what is
    /// left of it; `OutOfStock`.
    pub fn reserve(&self, tx: &mut Tx<'_>, reserved: &OrderEvent) -> Result<(), Failure> {
        if !store::order_add(tx.conn, &self.row)? {
            return Err(Code::UnitsExceeded.into());
        }
        let taken = StockChange::moved(Place::OnHand, Place::Reserved, 1);
        move_stock(tx, self.units.iter().map(|unit| (key_of(unit), taken)))?;
        store::units_add(tx.conn, &self.units)?;
        self.record(reserved, tx)
    }

    /// One statement for all packs that change alike; the last of these writes the order's row too.
    fn write_rows(&self, after: &Self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let mut moved: BTreeMap<(UnitState, UnitState), Vec<OrderUnitId>> = BTreeMap::new();
        for (was, is) in self.units.iter().zip(&after.units) {
            let relocated = was.slot_no != is.slot_no;
            if relocated && !store::unit_relocate(tx.conn, was.id, was.state, is.slot_no, &is.lot_no)? {
                return Ok(false);
            }
            if was.state != is.state {
                moved.entry((was.state, is.state)).or_default().push(was.id);
            }
        }
        let mut moved: Vec<MovedUnits<'_>> =
            moved.iter().map(|((from, to), ids)| MovedUnits { ids, from: *from, to: *to }).collect();
        let changed = (self.row.state, self.row.expires_at) != (after.row.state, after.row.expires_at);
        let with_order = if changed { moved.pop() } else { None };
        for alike in moved {
            if !store::units_move(tx.conn, alike, tx.now)? {
                return Ok(false);
            }
        }
        Ok(match with_order {
            Some(alike) => {
                let order = (self.row.state, &after.row);
                store::order_replace_with_units(tx.conn, order, alike, tx.now)?
            }
            None => !changed || store::order_replace(tx.conn, self.row.state, &after.row)?,
        })
    }

    /// Each pack leaves its place in the stock for another, which may be in another slot.
    fn move_packs(&self, after: &Self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let changes = self.units.iter().zip(&after.units).flat_map(|(was, is)| {
            let left = StockChange::moved(was.state.place(), Place::OnHand, 1);
            let taken = StockChange::moved(Place::OnHand, is.state.place(), 1);
            [(key_of(was), left), (key_of(is), taken)]
        });
        move_stock(tx, changes)
    }

    fn move_money(&self, events: &[OrderEvent], tx: &mut Tx<'_>) -> Result<(), Failure> {
        let (order, worker) = (self.row.id, self.row.worker_id);
        for event in events {
            let transfer = match event {
                OrderEvent::Paid { total } => ledger::pay_order(worker, order, *total)?,
                OrderEvent::UnitDispensed { unit, amount } => ledger::settle_unit(order, *unit, *amount)?,
                OrderEvent::UnitRefunded { unit, amount } => {
                    ledger::refund_unit(worker, order, *unit, *amount)?
                }
                OrderEvent::Reserved { .. }
                | OrderEvent::UnitAuthorised { .. }
                | OrderEvent::UnitFreed { .. }
                | OrderEvent::UnitDoubted { .. }
                | OrderEvent::UnitReleased { .. }
                | OrderEvent::UnitRelocated { .. }
                | OrderEvent::Completed {}
                | OrderEvent::Cancelled {}
                | OrderEvent::Expired {}
                | OrderEvent::PickupLocked { .. } => None,
            };
            if let Some(transfer) = transfer {
                subsidy::book(tx, &transfer, worker)?;
            }
        }
        Ok(())
    }

    /// With the last pack of an order the prescription may be fulfilled.
    fn fulfil(&self, after: &Self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let Some(prescription) = self.row.prescription_id else { return Ok(()) };
        let dispensed = after
            .units
            .iter()
            .zip(&self.units)
            .any(|(is, was)| is.state == UnitState::Dispensed && was.state != UnitState::Dispensed);
        if dispensed && !after.units.iter().any(|unit| unit.state.is_open()) {
            dispense::fulfil_if_done(tx, prescription)?;
        }
        Ok(())
    }
}

impl Machine for LoadedOrder {
    type Event = OrderEvent;

    fn apply(&mut self, event: &OrderEvent) {
        self.order.apply(event);
        match event {
            OrderEvent::Paid { .. } => {
                self.row.paid_at = Some(self.now);
                self.row.pickup_sealed = self.given.pickup_sealed.take();
                self.order.expires_at = self.authorised_until;
            }
            OrderEvent::UnitRelocated { unit, .. } => {
                let lot_no = self.given.lot_no.take();
                let moved = self.units.iter_mut().find(|row| row.id == *unit);
                if let (Some(row), Some(lot_no)) = (moved, lot_no) {
                    row.lot_no = lot_no;
                }
                self.order.expires_at = self.authorised_until;
            }
            OrderEvent::Completed {} | OrderEvent::Cancelled {} | OrderEvent::Expired {} => {
                self.row.ended_at = Some(self.now);
                // It is void now.
                self.row.pickup_sealed = None;
            }
            OrderEvent::Reserved { .. }
            | OrderEvent::PickupLocked { .. }
            | OrderEvent::UnitAuthorised { .. }
            | OrderEvent::UnitFreed { .. }
            | OrderEvent::UnitDoubted { .. }
            | OrderEvent::UnitDispensed { .. }
            | OrderEvent::UnitReleased { .. }
            | OrderEvent::UnitRefunded { .. } => {}
        }
        self.row.state = self.order.state;
        self.row.expires_at = self.order.expires_at;
        for (row, unit) in self.units.iter_mut().zip(&self.order.units) {
            row.state = unit.state;
            row.slot_no = unit.slot.get();
        }
    }

    fn write(&self, after: &Self, events: &[OrderEvent], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        if !self.write_rows(after, tx)? {
            return Ok(false);
        }
        self.move_packs(after, tx)?;
        self.move_money(events, tx)?;
        self.fulfil(after, tx)?;
        Ok(true)
    }

    fn record(&self, event: &OrderEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        tx.record(self.row.id, event.clone(), Recipients::worker(self.row.worker_id))
    }

    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure> {
        Ok(match store::order_whole(tx.conn, self.row.id)? {
            Some(order) => Refusal::moved_on(order.row.state),
            None => Refusal::new(Code::NotFound),
        })
    }
}

/// Ends an unpaid order of a cabinet that is locked: its packs are released. A paid or ended one
/// stays as it is.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn cancel_unpaid(tx: &mut Tx<'_>, order: &mut LoadedOrder) -> Result<(), Failure> {
    match order.row.state {
        OrderState::Reserved => order.command(tx, [Command::Cancel]),
        OrderState::Paid | OrderState::Completed | OrderState::Cancelled | OrderState::Expired => Ok(()),
    }
}

/// The stock record that a pack belongs to.
fn key_of(unit: &UnitRow) -> StockKey {
    StockKey {
        cabinet: unit.cabinet_id,
        slot_no: unit.slot_no,
        product_code: unit.product_code.clone(),
        lot_no: unit.lot_no.clone(),
    }
}
