//! The stock figures of one lot in one slot.

use crate::refusal::{Code, Refusal};

/// The packs of one lot in one slot, by state. Only `new` and `after` create it, so the
/// figures always balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotStock {
    received: u32,
    on_hand: u32,
    reserved: u32,
    in_doubt: u32,
    dispensed: u32,
    discarded: u32,
}

/// The outcome of one pack in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtOutcome {
    /// It was dispensed.
    Dispensed,
    /// It is in the slot and still reserved for its order unit.
    BackToReserved,
    /// It is in the slot and no longer reserved.
    BackToOnHand,
}

/// One stock movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Packs were loaded.
    Receive(u32),
    /// Packs were reserved for an order.
    Reserve(u32),
    /// Reserved packs are on hand again.
    Release(u32),
    /// One reserved pack was dispensed.
    Dispense,
    /// It is unknown whether one reserved pack was dispensed.
    Doubt,
    /// The outcome of a pack in doubt is known.
    ResolveDoubt(DoubtOutcome),
    /// Packs on hand were removed and destroyed.
    Discard(u32),
    /// A blind count of the packs in the slot, while no pack is in doubt.
    Count(u32),
}

/// The result of a blind count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// On hand plus reserved, before the count.
    pub expected: u32,
    pub counted: u32,
}

impl Correction {
    /// The figures and the slot differ, which is an incident.
    pub fn differs(self) -> bool {
        self.expected != self.counted
    }
}

impl SlotStock {
    /// No pack was ever loaded.
    pub const EMPTY: SlotStock =
        SlotStock { received: 0, on_hand: 0, reserved: 0, in_doubt: 0, dispensed: 0, discarded: 0 };

    /// From stored figures, in the order received, on hand, reserved, in doubt,
    /// dispensed, discarded; `None` if one is negative or they do not balance.
    pub fn new(figures: [i64; 6]) -> Option<Self> {
        let [received, on_hand, reserved, in_doubt, dispensed, discarded] =
            figures.map(|n| u32::try_from(n).ok());
        let stock = Self {
            received: received?,
            on_hand: on_hand?,
            reserved: reserved?,
            in_doubt: in_doubt?,
            dispensed: dispensed?,
            discarded: discarded?,
        };
        stock.balances().then_some(stock)
    }

    /// The figures for storage, in the order of `new`.
    pub fn figures(self) -> [i64; 6] {
        [self.received, self.on_hand, self.reserved, self.in_doubt, self.dispensed, self.discarded]
            .map(i64::from)
    }

    /// Total of packs ever loaded.
    pub fn received(self) -> u32 {
        self.received
    }
    /// In the slot and not reserved.
    pub fn on_hand(self) -> u32 {
        self.on_hand
    }
    /// In the slot, reserved for orders.
    pub fn reserved(self) -> u32 {
        self.reserved
    }
    /// Packs whose outcome is unknown.
    pub fn in_doubt(self) -> u32 {
        self.in_doubt
    }
    pub fn dispensed(self) -> u32 {
        self.dispensed
    }
    /// Destroyed, or missing at a count.
    pub fn discarded(self) -> u32 {
        self.discarded
    }

    /// Whether received = on hand + reserved + in doubt + dispensed + discarded.
    pub fn balances(self) -> bool {
        let [received, parts @ ..] = self.figures();
        received == parts.iter().sum::<i64>()
    }

    /// The expected result of a count while no pack is in doubt.
    pub fn expected_count(self) -> u32 {
        // Cannot overflow: both are parts of `received`.
        self.on_hand + self.reserved
    }

    /// Compares a blind count with the figures.
    pub fn compare(self, counted: u32) -> Correction {
        Correction { expected: self.expected_count(), counted }
    }

    /// The stock after one movement.
    ///
    /// # Errors
    /// `out_of_stock` if the source figure has fewer packs (also for a count below what
    /// is reserved: release first), `attempt_in_doubt` for a count while a pack is in
    /// doubt, `invalid_field` on overflow.
    pub fn after(self, movement: Movement) -> Result<SlotStock, Refusal> {
        let mut next = self;
        match movement {
            Movement::Receive(n) => {
                next.received = checked_add(next.received, n)?;
                next.on_hand = checked_add(next.on_hand, n)?;
            }
            Movement::Reserve(n) => move_packs(&mut next.on_hand, &mut next.reserved, n)?,
            Movement::Release(n) => move_packs(&mut next.reserved, &mut next.on_hand, n)?,
            Movement::Dispense => move_packs(&mut next.reserved, &mut next.dispensed, 1)?,
            Movement::Doubt => move_packs(&mut next.reserved, &mut next.in_doubt, 1)?,
            Movement::ResolveDoubt(end) => {
                let target = match end {
                    DoubtOutcome::Dispensed => &mut next.dispensed,
                    DoubtOutcome::BackToReserved => &mut next.reserved,
                    DoubtOutcome::BackToOnHand => &mut next.on_hand,
                };
                move_packs(&mut next.in_doubt, target, 1)?;
            }
            Movement::Discard(n) => move_packs(&mut next.on_hand, &mut next.discarded, n)?,
            Movement::Count(counted) => next = self.counted(counted)?,
        }
        Ok(next)
    }

    fn counted(self, counted: u32) -> Result<SlotStock, Refusal> {
        if self.in_doubt > 0 {
            return Err(Refusal::new(Code::AttemptInDoubt));
        }
        let expected = self.expected_count();
        if counted >= expected {
            self.after(Movement::Receive(counted - expected))
        } else {
            self.after(Movement::Discard(expected - counted))
        }
    }
}

fn checked_add(figure: u32, n: u32) -> Result<u32, Refusal> {
    figure.checked_add(n).ok_or_else(|| Refusal::out_of_range("packs"))
}

fn move_packs(from: &mut u32, to: &mut u32, n: u32) -> Result<(), Refusal> {
    let left = from.checked_sub(n).ok_or_else(|| Refusal::new(Code::OutOfStock))?;
    *to = checked_add(*to, n)?;
    *from = left;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn movement() -> impl Strategy<Value = Movement> {
        let n = prop_oneof![0u32..6, Just(u32::MAX)];
        (0u8..10, n).prop_map(|(which, n)| match which {
            0 => Movement::Receive(n),
            1 => Movement::Reserve(n),
            2 => Movement::Release(n),
            3 => Movement::Dispense,
            4 => Movement::Doubt,
            5 => Movement::ResolveDoubt(DoubtOutcome::Dispensed),
            6 => Movement::ResolveDoubt(DoubtOutcome::BackToReserved),
            7 => Movement::ResolveDoubt(DoubtOutcome::BackToOnHand),
            8 => Movement::Discard(n),
            _ => Movement::Count(n),
        })
    }

    proptest! {
        /// No sequence of movements loses or creates a pack, and after a count the figures match it.
        #[test]
        fn the_figures_always_balance(movements in proptest::collection::vec(movement(), 0..60)) {
            let mut stock = SlotStock::EMPTY;
            for movement in movements {
                if let Ok(next) = stock.after(movement) {
                    prop_assert!(next.balances(), "{:?} then {:?}", stock, movement);
                    prop_assert!(next.received >= stock.received && next.dispensed >= stock.dispensed);
                    if let Movement::Count(n) = movement {
                        prop_assert_eq!(next.expected_count(), n);
                        prop_assert_eq!(next.reserved, stock.reserved);
                    }
                    stock = next;
                }
                prop_assert_eq!(SlotStock::new(stock.figures()), Some(stock));
            }
        }
    }

    #[test]
    fn invalid_movements_are_refused_with_a_code() {
        let one = SlotStock::EMPTY.after(Movement::Receive(1)).unwrap().after(Movement::Reserve(1)).unwrap();
        let code = |movement| one.after(movement).unwrap_err().code;
        assert_eq!(code(Movement::Reserve(1)), Code::OutOfStock);
        assert_eq!(code(Movement::Count(0)), Code::OutOfStock);
        assert_eq!(code(Movement::ResolveDoubt(DoubtOutcome::Dispensed)), Code::OutOfStock);
        let doubt = one.after(Movement::Doubt).unwrap();
        assert_eq!(doubt.after(Movement::Count(1)).unwrap_err().code, Code::AttemptInDoubt);
        assert_eq!(SlotStock::new([2, 1, 0, 0, 0, 0]), None);
        assert_eq!(SlotStock::new([0, -1, 1, 0, 0, 0]), None);
    }
}
