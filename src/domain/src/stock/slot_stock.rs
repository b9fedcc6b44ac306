//! The arithmetic of one lot in one slot.

use crate::refusal::{Code, Refusal};

/// Where the packs of one lot in one slot are. Made only through `new` and `after`,
/// so the sum always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotStock {
    received: u32,
    on_hand: u32,
    reserved: u32,
    in_doubt: u32,
    dispensed: u32,
    discarded: u32,
}

/// How a doubt about one pack ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtEnd {
    /// It came out.
    Dispensed,
    /// It is there, and still set aside for its unit.
    BackToReserved,
    /// It is there, and free again.
    BackToShelf,
}

/// One movement of packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// Packs were put in.
    Receive(u32),
    /// Packs were set aside for an order.
    Reserve(u32),
    /// Packs set aside are free again.
    Release(u32),
    /// One pack set aside came out.
    Dispense,
    /// Nobody knows about one pack set aside.
    Doubt,
    /// Now it is known.
    ResolveDoubt(DoubtEnd),
    /// Free packs were taken out and destroyed.
    Discard(u32),
    /// A blind count of what lies in the slot, with no doubt open.
    Count(u32),
}

/// What a blind count changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// On hand plus reserved, before.
    pub expected: u32,
    /// What was counted.
    pub counted: u32,
}

impl Correction {
    /// The books and the slot differed: an incident.
    pub fn differs(self) -> bool {
        self.expected != self.counted
    }
}

impl SlotStock {
    /// Nothing ever put in.
    pub const EMPTY: SlotStock =
        SlotStock { received: 0, on_hand: 0, reserved: 0, in_doubt: 0, dispensed: 0, discarded: 0 };

    /// From stored figures, in the order received, on hand, reserved, in doubt,
    /// dispensed, discarded; `None` where one is negative or the sum does not hold.
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

    /// Ever put in.
    pub fn received(self) -> u32 {
        self.received
    }
    /// Free.
    pub fn on_hand(self) -> u32 {
        self.on_hand
    }
    /// Set aside for orders.
    pub fn reserved(self) -> u32 {
        self.reserved
    }
    /// Unknown.
    pub fn in_doubt(self) -> u32 {
        self.in_doubt
    }
    /// Came out.
    pub fn dispensed(self) -> u32 {
        self.dispensed
    }
    /// Destroyed, or found missing by a count.
    pub fn discarded(self) -> u32 {
        self.discarded
    }

    /// received = on hand + reserved + in doubt + dispensed + discarded.
    pub fn balances(self) -> bool {
        let [received, places @ ..] = self.figures();
        received == places.iter().sum::<i64>()
    }

    /// What a count should find, when no doubt is open.
    pub fn expected_count(self) -> u32 {
        // Both are parts of `received`, which fits.
        self.on_hand + self.reserved
    }

    /// Compares a blind count with the books.
    pub fn compare(self, counted: u32) -> Correction {
        Correction { expected: self.expected_count(), counted }
    }

    /// The stock after one movement.
    ///
    /// # Errors
    /// `out_of_stock` where fewer packs are in the place they would leave (a count
    /// below what is reserved too: release first), `attempt_in_doubt` for a count
    /// while a doubt is open, `invalid_field` for more packs than a number holds.
    pub fn after(self, movement: Movement) -> Result<SlotStock, Refusal> {
        let mut next = self;
        match movement {
            Movement::Receive(n) => {
                next.received = more(next.received, n)?;
                next.on_hand = more(next.on_hand, n)?;
            }
            Movement::Reserve(n) => shift(&mut next.on_hand, &mut next.reserved, n)?,
            Movement::Release(n) => shift(&mut next.reserved, &mut next.on_hand, n)?,
            Movement::Dispense => shift(&mut next.reserved, &mut next.dispensed, 1)?,
            Movement::Doubt => shift(&mut next.reserved, &mut next.in_doubt, 1)?,
            Movement::ResolveDoubt(end) => {
                let place = match end {
                    DoubtEnd::Dispensed => &mut next.dispensed,
                    DoubtEnd::BackToReserved => &mut next.reserved,
                    DoubtEnd::BackToShelf => &mut next.on_hand,
                };
                shift(&mut next.in_doubt, place, 1)?;
            }
            Movement::Discard(n) => shift(&mut next.on_hand, &mut next.discarded, n)?,
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

fn more(place: u32, n: u32) -> Result<u32, Refusal> {
    place.checked_add(n).ok_or_else(|| Refusal::new(Code::InvalidField))
}

fn shift(from: &mut u32, to: &mut u32, n: u32) -> Result<(), Refusal> {
    let left = from.checked_sub(n).ok_or_else(|| Refusal::new(Code::OutOfStock))?;
    *to = more(*to, n)?;
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
            5 => Movement::ResolveDoubt(DoubtEnd::Dispensed),
            6 => Movement::ResolveDoubt(DoubtEnd::BackToReserved),
            7 => Movement::ResolveDoubt(DoubtEnd::BackToShelf),
            8 => Movement::Discard(n),
            _ => Movement::Count(n),
        })
    }

    proptest! {
        /// No order of movements loses or invents a pack; a count is then exact.
        #[test]
        fn the_sum_always_holds(movements in proptest::collection::vec(movement(), 0..60)) {
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
    fn refusals_change_nothing_and_say_why() {
        let one = SlotStock::EMPTY.after(Movement::Receive(1)).unwrap().after(Movement::Reserve(1)).unwrap();
        let code = |movement| one.after(movement).unwrap_err().code;
        assert_eq!(code(Movement::Reserve(1)), Code::OutOfStock);
        assert_eq!(code(Movement::Count(0)), Code::OutOfStock);
        assert_eq!(code(Movement::ResolveDoubt(DoubtEnd::Dispensed)), Code::OutOfStock);
        let doubt = one.after(Movement::Doubt).unwrap();
        assert_eq!(doubt.after(Movement::Count(1)).unwrap_err().code, Code::AttemptInDoubt);
        assert_eq!(SlotStock::new([2, 1, 0, 0, 0, 0]), None);
        assert_eq!(SlotStock::new([0, -1, 1, 0, 0, 0]), None);
    }
}
