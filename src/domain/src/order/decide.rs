//! The rules of an order.

use super::{
    event::OrderEvent,
    state::{Order, OrderState, OrderUnit, UnitState},
};
use crate::{
    ids::OrderUnitId,
    money::Fen,
    refusal::{Code, Refusal},
    stock::SlotNo,
    time::Timestamp,
};

/// The maximum number of attempts for one pack.
const ATTEMPTS_PER_UNIT: usize = 2;

/// A command on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The worker pays.
    Pay,
    /// The worker or an operator cancels it.
    Cancel,
    /// The sweep found it expired.
    Expire,
    /// An attempt was issued for a pack.
    UnitAuthorised(OrderUnitId),
    /// The attempt ended without dispensing the pack (voided, or not dispensed), and
    /// another attempt is requested.
    UnitFreed(OrderUnitId),
    /// The pack's attempt is in doubt.
    UnitInDoubt(OrderUnitId),
    /// The attempt dispensed the pack.
    UnitDispensed(OrderUnitId),
    /// The attempt ended without dispensing the pack, which is refunded.
    UnitNotDispensed(OrderUnitId),
    /// The pack, which was tried `tries` times, is reserved in another slot.
    RelocateUnit { unit: OrderUnitId, to: SlotNo, tries: usize },
}

/// The events that result from `command`. An empty list means that it was already done.
///
/// # Errors
/// `state_moved_on` with the conflicting state; `not_found` for a pack of another order.
pub fn decide(order: &Order, command: Command, now: Timestamp) -> Result<Vec<OrderEvent>, Refusal> {
    match command {
        Command::Pay => pay(order, now),
        Command::Cancel => withdraw(order, OrderEvent::Cancelled {}, OrderState::Cancelled),
        Command::Expire if now < order.expires_at => Err(Refusal::moved_on(order.state)),
        Command::Expire => withdraw(order, OrderEvent::Expired {}, OrderState::Expired),
        Command::UnitAuthorised(id) => authorise(order, id),
        Command::UnitFreed(id) => settle_unit(order, id, UnitState::Reserved),
        Command::UnitInDoubt(id) => settle_unit(order, id, UnitState::InDoubt),
        Command::UnitDispensed(id) => settle_unit(order, id, UnitState::Dispensed),
        Command::UnitNotDispensed(id) => settle_unit(order, id, UnitState::Refunded),
        Command::RelocateUnit { unit, to, tries } => {
            let unit = find_unit(order, unit)?;
            if !may_relocate(order, unit, tries, now) {
                return Err(Refusal::moved_on(unit.state));
            }
            Ok(vec![OrderEvent::UnitRelocated { unit: unit.id, from: unit.slot, to }])
        }
    }
}

/// The events of several commands, each decided on what those before it resulted in.
///
/// # Errors
/// As [`decide`].
pub fn decide_all(
    order: &Order,
    commands: impl IntoIterator<Item = Command>,
    now: Timestamp,
) -> Result<Vec<OrderEvent>, Refusal> {
    let (mut order, mut all) = (order.clone(), Vec::new());
    for command in commands {
        let events = decide(&order, command, now)?;
        events.iter().for_each(|event| order.apply(event));
        all.extend(events);
    }
    Ok(all)
}

/// Whether a pack that was tried `tries` times may be tried once more from another slot.
pub fn may_relocate(order: &Order, unit: &OrderUnit, tries: usize, now: Timestamp) -> bool {
    order.state == OrderState::Paid
        && unit.state == UnitState::Reserved
        && now < order.expires_at
        && tries < ATTEMPTS_PER_UNIT
}

fn pay(order: &Order, now: Timestamp) -> Result<Vec<OrderEvent>, Refusal> {
    match order.state {
        OrderState::Reserved if now >= order.expires_at => Err(Refusal::moved_on(OrderState::Expired)),
        OrderState::Reserved => {
            let add = |total: Fen, unit: &OrderUnit| total.0.checked_add(unit.price.0).map(Fen);
            let total = order
                .units
                .iter()
                .try_fold(Fen::ZERO, add)
                .ok_or_else(|| Refusal::out_of_range("total_fen"))?;
            Ok(vec![OrderEvent::Paid { total }])
        }
        OrderState::Paid | OrderState::Completed => Ok(vec![]),
        OrderState::Cancelled | OrderState::Expired => Err(Refusal::moved_on(order.state)),
    }
}

/// Ends an order early. For an unpaid order all packs are released. For a paid order the
/// packs without an attempt are refunded; a live attempt must be voided first, and a pack
/// in doubt keeps the order open.
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
            let any_in = |state| order.units.iter().any(|unit| unit.state == state);
            if any_in(UnitState::InDoubt) {
                return Ok(events);
            }
            events.push(if any_in(UnitState::Dispensed) { OrderEvent::Completed {} } else { end });
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

fn find_unit(order: &Order, id: OrderUnitId) -> Result<&OrderUnit, Refusal> {
    order.unit(id).ok_or_else(|| Refusal::new(Code::NotFound))
}

fn authorise(order: &Order, id: OrderUnitId) -> Result<Vec<OrderEvent>, Refusal> {
    let unit = find_unit(order, id)?;
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

/// The attempt of a pack changed: the pack waits for another attempt, is in doubt, or ended.
fn settle_unit(order: &Order, id: OrderUnitId, to: UnitState) -> Result<Vec<OrderEvent>, Refusal> {
    let unit = find_unit(order, id)?;
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
        // A pack that waits for another attempt may still be refunded.
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
        events.push(OrderEvent::Completed {});
    }
    Ok(events)
}
