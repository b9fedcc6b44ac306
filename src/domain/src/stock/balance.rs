//! The stock figures of one lot in one slot.

/// The packs of one lot in one slot, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotStock {
    on_hand: u32,
    reserved: u32,
    in_doubt: u32,
}

/// Where a pack is that was once received. Each is in exactly one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the slot, for anybody.
    OnHand,
    /// In the slot, for one order.
    Reserved,
    /// Nobody knows whether it was dispensed.
    InDoubt,
    Dispensed,
    /// Destroyed, or missing at a count.
    Discarded,
}

/// What is added to each figure: received, on hand, reserved, in doubt, dispensed, discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockChange([i64; 6]);

impl StockChange {
    /// Packs were loaded.
    pub fn received(packs: u32) -> Self {
        let n = i64::from(packs);
        Self([n, n, 0, 0, 0, 0])
    }

    /// Packs are in another place.
    pub fn moved(from: Place, to: Place, packs: u32) -> Self {
        let mut change = Self::default();
        change.0[from.column()] -= i64::from(packs);
        change.0[to.column()] += i64::from(packs);
        change
    }

    /// Both changes at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    /// In the order of the stored figures.
    pub fn figures(self) -> [i64; 6] {
        self.0
    }
}

impl Place {
    /// Its place among the stored figures.
    pub const fn column(self) -> usize {
        match self {
            Self::OnHand => 1,
            Self::Reserved => 2,
            Self::InDoubt => 3,
            Self::Dispensed => 4,
            Self::Discarded => 5,
        }
    }
}

impl SlotStock {
    /// From stored figures, in the order received, on hand, reserved, in doubt,
    /// dispensed, discarded; `None` if one is negative or they do not balance.
    pub fn new(figures: [i64; 6]) -> Option<Self> {
        let [received, parts @ ..] = figures;
        if figures.iter().any(|n| *n < 0) || received != parts.iter().sum::<i64>() {
            return None;
        }
        let packs = |place: Place| u32::try_from(figures[place.column()]).ok();
        Some(Self {
            on_hand: packs(Place::OnHand)?,
            reserved: packs(Place::Reserved)?,
            in_doubt: packs(Place::InDoubt)?,
        })
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

    /// The expected result of a count while no pack is in doubt.
    pub fn expected_count(self) -> u32 {
        self.on_hand.saturating_add(self.reserved)
    }

    /// The change that sets the stock to the result of a blind count; `None` while a pack is in
    /// doubt, or if fewer packs were counted than are reserved: that is for a person to resolve.
    pub fn counted(self, packs: u32) -> Option<StockChange> {
        if self.in_doubt > 0 || packs < self.reserved {
            return None;
        }
        let expected = self.expected_count();
        Some(if packs >= expected {
            StockChange::received(packs - expected)
        } else {
            StockChange::moved(Place::OnHand, Place::Discarded, expected - packs)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: [Place; 5] =
        [Place::OnHand, Place::Reserved, Place::InDoubt, Place::Dispensed, Place::Discarded];

    proptest! {
        /// No change loses or creates a pack, and after a count the figures match it.
        #[test]
        fn the_figures_always_balance(changes in proptest::collection::vec((0usize..7, 0usize..5, 0u32..6), 0..60)) {
            let mut figures = [0; 6];
            for (from, to, n) in changes {
                let stock = SlotStock::new(figures).expect("the figures balance");
                let change = match from {
                    5 => Some(StockChange::received(n)),
                    6 => stock.counted(n),
                    from => Some(StockChange::moved(PLACES[from], PLACES[to], n)),
                };
                let Some(change) = change else {
                    prop_assert!(stock.in_doubt() > 0 || n < stock.reserved());
                    continue;
                };
                let after: [i64; 6] = std::array::from_fn(|at| figures[at] + change.figures()[at]);
                prop_assert_eq!(after[0], after[1..].iter().sum::<i64>());
                if after.iter().all(|n| *n >= 0) {
                    figures = after;
                    if from == 6 {
                        prop_assert_eq!(SlotStock::new(figures).unwrap().expected_count(), n);
                    }
                } else {
                    prop_assert!(from != 6, "a count takes what is there");
                }
            }
        }
    }

    #[test]
    fn figures_that_do_not_add_up_are_refused() {
        assert_eq!(SlotStock::new([2, 1, 0, 0, 0, 0]), None);
        assert_eq!(SlotStock::new([0, -1, 1, 0, 0, 0]), None);
        assert_eq!(SlotStock::new([2, 1, 0, 1, 0, 0]).unwrap().counted(1), None);
        assert_eq!(SlotStock::new([2, 1, 1, 0, 0, 0]).unwrap().counted(0), None);
    }
}
