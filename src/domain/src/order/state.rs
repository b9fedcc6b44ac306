//! Where an order and its packs stand.

use super::decide::OrderEvent;
use crate::{ids::OrderUnitId, money::Fen, time::Timestamp};

crate::text_enum! {
    /// Where an order stands.
    pub enum OrderState {
        /// Stock is set aside; not paid.
        Reserved = "reserved",
        /// Paid; packs may be vended.
        Paid = "paid",
        /// Every pack is dispensed, refunded or released.
        Completed = "completed",
        /// Withdrawn before any pack came out.
        Cancelled = "cancelled",
        /// Its time was up before any pack came out.
        Expired = "expired",
    }
}

impl OrderState {
    /// Not at an end yet.
    pub const LIVE: &'static [OrderState] = &[OrderState::Reserved, OrderState::Paid];
    /// At an end.
    pub const ENDED: &'static [OrderState] =
        &[OrderState::Completed, OrderState::Cancelled, OrderState::Expired];

    /// Stands in `LIVE`.
    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }
}

crate::text_enum! {
    /// Where one pack of an order stands.
    pub enum UnitState {
        /// Set aside for the order.
        Reserved = "reserved",
        /// An attempt lives.
        Authorised = "authorised",
        /// Its attempt is in doubt.
        InDoubt = "in_doubt",
        /// It came out.
        Dispensed = "dispensed",
        /// Free again, never paid.
        Released = "released",
        /// Did not come out; the money went back.
        Refunded = "refunded",
    }
}

impl UnitState {
    /// Not accounted for yet.
    pub const OPEN: &'static [UnitState] = &[UnitState::Reserved, UnitState::Authorised, UnitState::InDoubt];
    /// Accounted for.
    pub const ENDED: &'static [UnitState] = &[UnitState::Dispensed, UnitState::Released, UnitState::Refunded];

    /// Stands in `OPEN`.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

/// One pack of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderUnit {
    /// Which.
    pub id: OrderUnitId,
    /// Where it stands.
    pub state: UnitState,
    /// What it costs.
    pub price: Fen,
}

/// An order with its packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where it stands.
    pub state: OrderState,
    /// From here on it may be expired.
    pub expires_at: Timestamp,
    /// Its packs.
    pub units: Vec<OrderUnit>,
}

impl Order {
    /// The pack with this id.
    pub fn unit(&self, id: OrderUnitId) -> Option<&OrderUnit> {
        self.units.iter().find(|unit| unit.id == id)
    }

    /// The order after `event`. State columns equal the fold of their events.
    pub fn apply(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Paid { .. } => self.state = OrderState::Paid,
            OrderEvent::Completed => self.state = OrderState::Completed,
            OrderEvent::Cancelled => self.state = OrderState::Cancelled,
            OrderEvent::Expired => self.state = OrderState::Expired,
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
