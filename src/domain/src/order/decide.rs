//! The rules of an order.

use serde_json::{Value, json};

use super::state::{Order, OrderState, OrderUnit, UnitState};
use crate::{
    ids::OrderUnitId,
    money::Fen,
    refusal::{Code, Refusal},
    time::Timestamp,
};

/// What may be asked of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The worker pays.
    Pay,
    /// The worker or an operator withdraws it.
    Cancel,
    /// The sweep found its time up.
    Expire,
    /// An attempt was issued for a pack.
    UnitAuthorised(OrderUnitId),
    /// Its attempt ended without the pack (voided, or not dispensed), and another try
    /// is wanted.
    UnitFreed(OrderUnitId),
    /// Its attempt is in doubt.
    UnitInDoubt(OrderUnitId),
    /// Its attempt ended with the pack.
    UnitDispensed(OrderUnitId),
    /// Its attempt ended without the pack: the money goes back.
    UnitNotDispensed(OrderUnitId),
}

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEvent {
    /// It was paid.
    Paid {
        /// How much.
        total: Fen,
    },
    /// An attempt lives for this pack.
    UnitAuthorised {
        /// Which pack.
        unit: OrderUnitId,
    },
    /// The pack waits for another attempt.
    UnitFreed {
        /// Which pack.
        unit: OrderUnitId,
    },
    /// Nobody knows about this pack.
    UnitDoubted {
        /// Which pack.
        unit: OrderUnitId,
    },
    /// It came out: settle.
    UnitDispensed {
        /// Which pack.
        unit: OrderUnitId,
        /// What it cost.
        amount: Fen,
    },
    /// It is free again and was never paid.
    UnitReleased {
        /// Which pack.
        unit: OrderUnitId,
    },
    /// It did not come out: pay back, and free the stock.
    UnitRefunded {
        /// Which pack.
        unit: OrderUnitId,
        /// What it cost.
        amount: Fen,
    },
    /// Every pack is accounted for.
    Completed,
    /// It was withdrawn.
    Cancelled,
    /// Its time was up.
    Expired,
}

impl OrderEvent {
    /// The stable name in the event log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Paid { .. } => "order.paid",
            Self::UnitAuthorised { .. } => "order.unit_authorised",
            Self::UnitFreed { .. } => "order.unit_freed",
            Self::UnitDoubted { .. } => "order.unit_in_doubt",
            Self::UnitDispensed { .. } => "order.unit_dispensed",
            Self::UnitReleased { .. } => "order.unit_released",
            Self::UnitRefunded { .. } => "order.unit_refunded",
            Self::Completed => "order.completed",
            Self::Cancelled => "order.cancelled",
            Self::Expired => "order.expired",
        }
    }

    /// Ids and amounts, never personal data.
    pub fn payload(&self) -> Value {
        match self {
            Self::Paid { total } => json!({ "total_fen": total }),
            Self::UnitAuthorised { unit }
            | Self::UnitFreed { unit }
            | Self::UnitDoubted { unit }
            | Self::UnitReleased { unit } => json!({ "unit": unit }),
            Self::UnitDispensed { unit, amount } | Self::UnitRefunded { unit, amount } => {
                json!({ "unit": unit, "amount_fen": amount })
            }
            Self::Completed | Self::Cancelled | Self::Expired => json!({}),
        }
    }
}

/// What follows from `command`. An empty answer means that it is already so.
///
/// # Errors
/// `state_moved_on` with the state that stands in the way; `not_found` for a pack of
/// another order.
pub fn decide(order: &Order, command: Command, now: Timestamp) -> Result<Vec<OrderEvent>, Refusal> {
    match command {
        Command::Pay => pay(order, now),
        Command::Cancel => withdraw(order, OrderEvent::Cancelled, OrderState::Cancelled),
        Command::Expire if now < order.expires_at => Err(Refusal::moved_on(order.state)),
        Command::Expire => withdraw(order, OrderEvent::Expired, OrderState::Expired),
        Command::UnitAuthorised(id) => authorise(order, id),
        Command::UnitFreed(id) => settle_unit(order, id, UnitState::Reserved),
        Command::UnitInDoubt(id) => settle_unit(order, id, UnitState::InDoubt),
        Command::UnitDispensed(id) => settle_unit(order, id, UnitState::Dispensed),
        Command::UnitNotDispensed(id) => settle_unit(order, id, UnitState::Refunded),
    }
}

fn pay(order: &Order, now: Timestamp) -> Result<Vec<OrderEvent>, Refusal> {
    match order.state {
        OrderState::Reserved if now >= order.expires_at => Err(Refusal::moved_on(OrderState::Expired)),
        OrderState::Reserved => {
            let overflow = || Refusal::new(Code::InvalidField);
            let add = |total: Fen, unit: &OrderUnit| total.0.checked_add(unit.price.0).map(Fen);
            let total = order.units.iter().try_fold(Fen::ZERO, add).ok_or_else(overflow)?;
            Ok(vec![OrderEvent::Paid { total }])
        }
        OrderState::Paid | OrderState::Completed => Ok(vec![]),
        OrderState::Cancelled | OrderState::Expired => Err(Refusal::moved_on(order.state)),
    }
}

/// Withdrawing an unpaid order releases its packs. A paid one pays back what waits;
/// a pack whose attempt lives must be voided first, a pack in doubt keeps it open.
fn withdraw(order: &Order, end: OrderEvent, already: OrderState) -> Result<Vec<OrderEvent>, Refusal> {
    match order.state {
        OrderState::Reserved => {
            let open = order.units.iter().filter(|unit| unit.state.is_open());
            let mut events: Vec<_> = open.map(|unit| OrderEvent::UnitReleased { unit: unit.id }).collect();
            events.push(end);
            Ok(events)
        }
        OrderState::Paid => {
            if order.units.iter().any(|unit| unit.state == UnitState::Authorised) {
                return Err(Refusal::moved_on(UnitState::Authorised));
            }
            let waiting = order.units.iter().filter(|unit| unit.state == UnitState::Reserved);
            let refund = |unit: &OrderUnit| OrderEvent::UnitRefunded { unit: unit.id, amount: unit.price };
            let mut events: Vec<_> = waiting.map(refund).collect();
            let stood = |state| order.units.iter().any(|unit| unit.state == state);
            if stood(UnitState::InDoubt) {
                return Ok(events);
            }
            events.push(if stood(UnitState::Dispensed) { OrderEvent::Completed } else { end });
            Ok(events)
        }
        OrderState::Completed | OrderState::Cancelled | OrderState::Expired => {
            if order.state == already {
                Ok(vec![])
            } else {
                Err(Refusal::moved_on(order.state))
            }
        }
    }
}

fn paid_unit(order: &Order, id: OrderUnitId) -> Result<&OrderUnit, Refusal> {
    order.unit(id).ok_or_else(|| Refusal::new(Code::NotFound))
}

fn authorise(order: &Order, id: OrderUnitId) -> Result<Vec<OrderEvent>, Refusal> {
    let unit = paid_unit(order, id)?;
    match order.state {
        OrderState::Paid => {}
        OrderState::Reserved | OrderState::Completed | OrderState::Cancelled | OrderState::Expired => {
            return Err(Refusal::moved_on(order.state));
        }
    }
    match unit.state {
        UnitState::Reserved => Ok(vec![OrderEvent::UnitAuthorised { unit: id }]),
        UnitState::Authorised => Ok(vec![]),
        UnitState::InDoubt | UnitState::Dispensed | UnitState::Released | UnitState::Refunded => {
            Err(Refusal::moved_on(unit.state))
        }
    }
}

/// The attempt of a pack has moved: to another try, into doubt, or to its end.
fn settle_unit(order: &Order, id: OrderUnitId, to: UnitState) -> Result<Vec<OrderEvent>, Refusal> {
    let unit = paid_unit(order, id)?;
    let amount = unit.price;
    let event = match (unit.state, to) {
        (from, to) if from == to => return Ok(vec![]),
        (UnitState::Authorised | UnitState::InDoubt, UnitState::Reserved) => {
            OrderEvent::UnitFreed { unit: id }
        }
        (UnitState::Authorised, UnitState::InDoubt) => OrderEvent::UnitDoubted { unit: id },
        (UnitState::Authorised | UnitState::InDoubt, UnitState::Dispensed) => {
            OrderEvent::UnitDispensed { unit: id, amount }
        }
        // A freed pack may still be given up.
        (UnitState::Reserved | UnitState::Authorised | UnitState::InDoubt, UnitState::Refunded)
            if order.state == OrderState::Paid =>
        {
            OrderEvent::UnitRefunded { unit: id, amount }
        }
        (
            UnitState::Reserved
            | UnitState::Authorised
            | UnitState::InDoubt
            | UnitState::Dispensed
            | UnitState::Released
            | UnitState::Refunded,
            _to,
        ) => return Err(Refusal::moved_on(unit.state)),
    };
    let mut events = vec![event];
    let others_ended = order.units.iter().all(|other| other.id == id || !other.state.is_open());
    if others_ended && !to.is_open() {
        events.push(OrderEvent::Completed);
    }
    Ok(events)
}
