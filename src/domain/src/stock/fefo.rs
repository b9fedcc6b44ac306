//! First expired, first out (FEFO): selects the slots for the packs of an order.

use chrono::NaiveDate;

use super::slot::SlotNo;

/// A slot that contains the requested product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCandidate {
    pub slot: SlotNo,
    pub lot_no: String,
    /// The last day on which the lot may be used, in Asia/Shanghai.
    pub expires_on: NaiveDate,
    /// Packs not reserved for an order.
    pub on_hand: u32,
    /// No attempt may vend from this slot.
    pub closed: bool,
    pub recalled: bool,
}

impl SlotCandidate {
    fn is_usable(&self, today: NaiveDate) -> bool {
        !self.closed && !self.recalled && self.expires_on >= today && self.on_hand > 0
    }
}

/// One slot per pack, the lot that expires first at the front; ties go to the lower
/// slot number, so the result is deterministic. `None` if there are not enough packs.
/// Expired, recalled and closed slots are skipped; a lot may still be used on its
/// expiry day.
pub fn choose_slots(candidates: &[SlotCandidate], packs: u32, today: NaiveDate) -> Option<Vec<SlotNo>> {
    let mut usable: Vec<&SlotCandidate> = candidates.iter().filter(|c| c.is_usable(today)).collect();
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

/// The packs of these slots that an order could get today: what [`choose_slots`] chooses from.
pub fn packs_free(candidates: &[SlotCandidate], today: NaiveDate) -> u32 {
    candidates.iter().filter(|c| c.is_usable(today)).map(|c| c.on_hand).fold(0, u32::saturating_add)
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
        fn takes_only_usable_packs_and_the_first_to_expire_first(all in candidates(), packs in 0u32..9) {
            let today = day(14);
            let find = |slot: &SlotNo| all.iter().find(|c| c.slot == *slot).unwrap();
            let good: u32 = all.iter().filter(|c| c.is_usable(today)).map(|c| c.on_hand).sum();
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
                    for c in all.iter().filter(|c| c.is_usable(today)) {
                        let taken = slots.iter().filter(|s| **s == c.slot).count();
                        prop_assert!(taken == c.on_hand as usize || last.is_none_or(|d| c.expires_on >= d));
                    }
                }
            }
        }
    }
}
