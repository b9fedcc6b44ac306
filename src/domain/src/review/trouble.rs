//! When the pharmacists' queue is in trouble that an operator must hear of.

use super::policy::ReviewPolicy;
use crate::{time::Timestamp, words::Bilingual};

crate::text_enum! {
    /// Why the pharmacists' queue is in trouble.
    pub enum ReviewTrouble {
        /// A prescription waits, and no pharmacist is on shift.
        NobodyOnShift = "nobody_on_shift",
        /// A prescription waits beyond the limit.
        Overdue = "overdue",
    }
}

impl ReviewTrouble {
    /// In words, for operators.
    pub const fn label(self) -> Bilingual {
        match self {
            Self::NobodyOnShift => Bilingual::fixed(
                "有处方待审核，无药师值班",
                "a prescription waits and no pharmacist is on shift",
            ),
            Self::Overdue => {
                Bilingual::fixed("有处方待审核超时", "a prescription has waited too long for its review")
            }
        }
    }
}

/// The trouble of the queue in which a prescription has waited for a pharmacist since `oldest`, with so
/// many of them on shift.
pub fn review_trouble(
    oldest: Timestamp,
    on_shift: u32,
    now: Timestamp,
    policy: &ReviewPolicy,
) -> Option<ReviewTrouble> {
    if on_shift == 0 {
        Some(ReviewTrouble::NobodyOnShift)
    } else if now >= policy.overdue_at(oldest) {
        Some(ReviewTrouble::Overdue)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone, Utc};

    #[test]
    fn nobody_on_shift_comes_first_and_the_limit_is_met_exactly() {
        let policy = ReviewPolicy::default();
        let oldest = Utc.with_ymd_and_hms(2026, 11, 30, 2, 0, 0).single().expect("once");
        let trouble = |on_shift, seconds| {
            review_trouble(oldest, on_shift, oldest + TimeDelta::seconds(seconds), &policy)
        };
        assert_eq!(trouble(0, 0), Some(ReviewTrouble::NobodyOnShift));
        assert_eq!(trouble(1, 899), None);
        assert_eq!(trouble(1, 900), Some(ReviewTrouble::Overdue));
    }
}
