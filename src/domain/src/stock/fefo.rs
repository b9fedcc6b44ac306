//! First expired, first out: which slots the packs of an order come from.

use chrono::NaiveDate;

use super::slot::SlotNo;

/// A slot that holds the wanted product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCandidate {
    /// Which slot.
    pub slot: SlotNo,
    /// The lot in it.
    pub lot_no: String,
    /// The lot's last good day, in Asia/Shanghai.
    pub expires_on: NaiveDate,
    /// Free packs.
    pub on_hand: u32,
    /// The slot takes no attempts.
    pub closed: bool,
    /// The lot was recalled.
    pub recalled: bool,
}

impl SlotCandidate {
    fn may_be_taken(&self, today: NaiveDate) -> bool {
        !self.closed && !self.recalled && self.expires_on >= today && self.on_hand > 0
    }
}

/// One slot per pack, the lot that expires first at the front; among equals the lower
/// slot number, so the answer is always the same. `None` when there are not enough.
/// Expired, recalled and closed slots are passed over; a lot may be taken on its last
/// day.
pub fn choose_slots(candidates: &[SlotCandidate], packs: u32, today: NaiveDate) -> Option<Vec<SlotNo>> {
    let mut usable: Vec<&SlotCandidate> = candidates.iter().filter(|c| c.may_be_taken(today)).collect();
    usable.sort_by_key(|c| (c.expires_on, c.slot));
    let mut chosen = Vec::new();
    let mut wanted = packs;
    for candidate in usable {
        let take = wanted.min(candidate.on_hand);
        chosen.extend(std::iter::repeat_n(candidate.slot, usize::try_from(take).ok()?));
        wanted -= take;
        if wanted == 0 {
            break;
        }
    }
    (wanted == 0).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, n).unwrap()
    }

    fn candidates() -> impl Strategy<Value = Vec<SlotCandidate>> {
        let one = (1u32..29, 0u32..4, any::<bool>(), any::<bool>());
        proptest::collection::vec(one, 0..7).prop_map(|all| {
            let made = all.into_iter().zip(1..).map(|((d, on_hand, closed, recalled), n)| SlotCandidate {
                slot: SlotNo::new(n).unwrap(),
                lot_no: format!("L{n}"),
                expires_on: day(d),
                on_hand,
                closed,
                recalled,
            });
            made.collect()
        })
    }

    proptest! {
        #[test]
        fn takes_only_good_packs_and_the_oldest_first(all in candidates(), packs in 0u32..9) {
            let today = day(14);
            let find = |slot: &SlotNo| all.iter().find(|c| c.slot == *slot).unwrap();
            let good: u32 = all.iter().filter(|c| c.may_be_taken(today)).map(|c| c.on_hand).sum();
            match choose_slots(&all, packs, today) {
                None => prop_assert!(good < packs),
                Some(slots) => {
                    prop_assert_eq!(slots.len(), packs as usize);
                    prop_assert!(slots.is_sorted_by_key(|s| find(s).expires_on));
                    for slot in &slots {
                        let c = find(slot);
                        prop_assert!(!c.closed && !c.recalled && c.expires_on >= today);
                        prop_assert!(slots.iter().filter(|s| *s == slot).count() <= c.on_hand as usize);
                    }
                    // Nothing that is left over expires before anything that was taken.
                    let last = slots.iter().map(|s| find(s).expires_on).max();
                    for c in all.iter().filter(|c| c.may_be_taken(today)) {
                        let taken = slots.iter().filter(|s| **s == c.slot).count();
                        prop_assert!(taken == c.on_hand as usize || last.is_none_or(|d| c.expires_on >= d));
                    }
                }
            }
        }
    }
}
