//! The states of an order and of its packs.

use super::event::OrderEvent;
use crate::{
    ids::OrderUnitId,
    money::Fen,
    stock::{Place, SlotNo},
    time::Timestamp,
};

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
    pub const fn is_live(self) -> bool {
        match self {
            Self::Reserved | Self::Paid => true,
            Self::Completed | Self::Cancelled | Self::Expired => false,
        }
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
    pub const fn is_open(self) -> bool {
        match self {
            Self::Reserved | Self::Authorised | Self::InDoubt => true,
            Self::Dispensed | Self::Released | Self::Refunded => false,
        }
    }

    /// Where the pack is in the stock of its slot.
    pub const fn place(self) -> Place {
        match self {
            Self::Reserved | Self::Authorised => Place::Reserved,
            Self::InDoubt => Place::InDoubt,
            Self::Dispensed => Place::Dispensed,
            Self::Released | Self::Refunded => Place::OnHand,
        }
    }

    /// Dispensed, or may still be.
    pub const fn is_taken(self) -> bool {
        match self {
            Self::Reserved | Self::Authorised | Self::InDoubt | Self::Dispensed => true,
            Self::Released | Self::Refunded => false,
        }
    }

    /// Dispensed, or its attempt may have dispensed it.
    pub const fn may_be_out(self) -> bool {
        match self {
            Self::Authorised | Self::InDoubt | Self::Dispensed => true,
            Self::Reserved | Self::Released | Self::Refunded => false,
        }
    }
}

/// One pack of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderUnit {
    pub id: OrderUnitId,
    pub state: UnitState,
    pub price: Fen,
    /// The slot that it is reserved in.
    pub slot: SlotNo,
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
            // The first event of a log, and one that leaves everything as it is.
            OrderEvent::Reserved { .. } | OrderEvent::PickupLocked { .. } => {}
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
            OrderEvent::UnitRelocated { unit, to, .. } => {
                self.units.iter_mut().filter(|one| one.id == *unit).for_each(|one| one.slot = *to);
            }
        }
    }

    fn set(&mut self, id: OrderUnitId, state: UnitState) {
        self.units.iter_mut().filter(|unit| unit.id == id).for_each(|unit| unit.state = state);
    }
}
