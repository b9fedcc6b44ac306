//! The states of an order and of its packs.

use super::event::OrderEvent;
use crate::{ids::OrderUnitId, money::Fen, time::Timestamp};

crate::text_enum! {
    /// The state of an order.
    pub enum OrderState {
        /// Stock is reserved; not paid.
        Reserved = "reserved",
        /// Paid; packs may be vended.
        Paid = "paid",
        /// Every pack is dispensed, refunded or released.
        Completed = "completed",
        /// Cancelled before any pack was dispensed.
        Cancelled = "cancelled",
        /// Expired before any pack was dispensed.
        Expired = "expired",
    }
}

impl OrderState {
    /// Not ended.
    pub const LIVE: &'static [OrderState] = &[OrderState::Reserved, OrderState::Paid];
    pub const ENDED: &'static [OrderState] =
        &[OrderState::Completed, OrderState::Cancelled, OrderState::Expired];

    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }
}

crate::text_enum! {
    /// The state of one pack of an order.
    pub enum UnitState {
        /// Reserved for the order, without a live attempt.
        Reserved = "reserved",
        /// Its attempt is live.
        Authorised = "authorised",
        /// Its attempt is in doubt.
        InDoubt = "in_doubt",
        Dispensed = "dispensed",
        /// No longer reserved; never paid.
        Released = "released",
        /// Not dispensed; refunded.
        Refunded = "refunded",
    }
}

impl UnitState {
    /// Not ended.
    pub const OPEN: &'static [UnitState] = &[UnitState::Reserved, UnitState::Authorised, UnitState::InDoubt];
    pub const ENDED: &'static [UnitState] = &[UnitState::Dispensed, UnitState::Released, UnitState::Refunded];

    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

/// One pack of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderUnit {
    pub id: OrderUnitId,
    pub state: UnitState,
    pub price: Fen,
}

/// An order with its packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub state: OrderState,
    /// The first instant at which it may be expired.
    pub expires_at: Timestamp,
    pub units: Vec<OrderUnit>,
}

impl Order {
    pub fn unit(&self, id: OrderUnitId) -> Option<&OrderUnit> {
        self.units.iter().find(|unit| unit.id == id)
    }

    /// The order after `event`. State columns equal the fold of their events.
    pub fn apply(&mut self, event: &OrderEvent) {
        match event {
            // The first event of a log, and two that leave the states as they are.
            OrderEvent::Reserved { .. }
            | OrderEvent::UnitRelocated { .. }
            | OrderEvent::PickupLocked { .. } => {}
            OrderEvent::Paid { .. } => self.state = OrderState::Paid,
            OrderEvent::Completed {} => self.state = OrderState::Completed,
            OrderEvent::Cancelled {} => self.state = OrderState::Cancelled,
            OrderEvent::Expired {} => self.state = OrderState::Expired,
            OrderEvent::UnitAuthorised { unit } => self.set(*unit, UnitState::Authorised),
            OrderEvent::UnitFreed { unit } => self.set(*unit, UnitState::Reserved),
            OrderEvent::UnitDoubted { unit } => self.set(*unit, UnitState::InDoubt),
            OrderEvent::UnitDispensed { unit, .. } => self.set(*unit, UnitState::Dispensed),
            OrderEvent::UnitReleased { unit } => self.set(*unit, UnitState::Released),
            OrderEvent::UnitRefunded { unit, .. } => self.set(*unit, UnitState::Refunded),
        }
    }

    fn set(&mut self, id: OrderUnitId, state: UnitState) {
        self.units.iter_mut().filter(|unit| unit.id == id).for_each(|unit| unit.state = state);
    }
}
