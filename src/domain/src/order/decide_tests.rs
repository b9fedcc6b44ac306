//! Property test: any sequence of commands, checked against the rules.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;

use super::*;
use crate::{ids::OrderUnitId, money::Fen, stock::SlotNo, time::Timestamp};

fn now() -> Timestamp {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn order(units: i64) -> Order {
    let slot = SlotNo::new(1).unwrap();
    let unit =
        |n| OrderUnit { id: OrderUnitId::generate(), state: UnitState::Reserved, price: Fen(n * 100), slot };
    Order {
        state: OrderState::Reserved,
        expires_at: now() + TimeDelta::minutes(10),
        units: (1..=units).map(unit).collect(),
    }
}

fn command(order: &Order, which: u8, unit: usize, late: bool) -> Command {
    let id = order.units[unit % order.units.len()].id;
    match which {
        0 => Command::Pay,
        1 => Command::Cancel,
        2 => Command::Expire,
        3 => Command::UnitAuthorised(id),
        4 => Command::UnitFreed(id),
        5 => Command::UnitInDoubt(id),
        6 => Command::UnitDispensed(id),
        7 => Command::RelocateUnit { unit: id, to: SlotNo::new(2).unwrap(), tries: usize::from(late) },
        _ => Command::UnitNotDispensed(id),
    }
}

proptest! {
    #[test]
    fn money_and_packs_stay_accounted_for(
        units in 1i64..4,
        steps in proptest::collection::vec((0u8..9, 0usize..4, any::<bool>()), 0..40),
    ) {
        let mut order = order(units);
        let total: i64 = order.units.iter().map(|u| u.price.0).sum();
        let (mut clearing, mut ended) = (0, 0);
        for (which, unit, late) in steps {
            let at = if late { order.expires_at } else { now() };
            let before = order.clone();
            let Ok(events) = decide(&order, command(&order, which, unit, late), at) else { continue };
            for event in &events {
                prop_assert!(before.state.is_live(), "an ended order changed: {event:?}");
                match event {
                    OrderEvent::Paid { total: paid } => { prop_assert_eq!(paid.0, total); clearing += paid.0 }
                    OrderEvent::UnitDispensed { amount, .. } | OrderEvent::UnitRefunded { amount, .. } => clearing -= amount.0,
                    OrderEvent::Completed {} | OrderEvent::Cancelled {} | OrderEvent::Expired {} => ended += 1,
                    OrderEvent::UnitReleased { .. } => prop_assert_eq!(before.state, OrderState::Reserved),
                    OrderEvent::UnitAuthorised { .. } => prop_assert_eq!(before.state, OrderState::Paid),
                    OrderEvent::UnitRelocated { .. } => prop_assert!(!late, "relocated after its expiry"),
                    OrderEvent::UnitFreed { .. } | OrderEvent::UnitDoubted { .. } => {}
                    OrderEvent::Reserved { .. } | OrderEvent::PickupLocked { .. } => {
                        prop_assert!(false, "no command causes {event:?}")
                    }
                }
                order.apply(event);
            }
            // The end state of a pack is final.
            for (old, new) in before.units.iter().zip(&order.units) {
                prop_assert!(old.state.is_open() || old.state == new.state);
            }
            let open = order.units.iter().any(|u| u.state.is_open());
            prop_assert_eq!(order.state.is_live(), open, "{:?}", order);
            let owed: i64 = order.units.iter().filter(|u| u.state.is_open()).map(|u| u.price.0).sum();
            prop_assert_eq!(clearing, if order.state == OrderState::Paid { owed } else { 0 });
            prop_assert!(ended <= 1);
        }
    }
}

#[test]
fn a_pack_in_doubt_keeps_a_cancelled_order_open_until_it_is_known() {
    let mut order = order(2);
    let [first, second] = [order.units[0].id, order.units[1].id];
    let mut run = |command| {
        let events = decide(&order, command, now())?;
        events.iter().for_each(|event| order.apply(event));
        Ok::<_, crate::refusal::Refusal>((events, order.state))
    };
    run(Command::Pay).unwrap();
    run(Command::UnitAuthorised(first)).unwrap();
    assert!(run(Command::Cancel).is_err(), "void first");
    run(Command::UnitInDoubt(first)).unwrap();
    let (events, state) = run(Command::Cancel).unwrap();
    assert_eq!(events, [OrderEvent::UnitRefunded { unit: second, amount: Fen(200) }]);
    assert_eq!(state, OrderState::Paid);
    assert!(run(Command::UnitAuthorised(second)).is_err());
    let (events, _) = run(Command::UnitDispensed(first)).unwrap();
    assert_eq!(
        events,
        [OrderEvent::UnitDispensed { unit: first, amount: Fen(100) }, OrderEvent::Completed {}]
    );
    assert!(run(Command::UnitDispensed(first)).unwrap().0.is_empty(), "already done");
}
