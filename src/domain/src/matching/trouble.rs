//! When the queue of a department is in trouble that an operator must hear of.

use super::policy::MatchingPolicy;
use crate::{time::Timestamp, words::Bilingual};

crate::text_enum! {
    /// Why the queue of a department is in trouble.
    pub enum QueueTrouble {
        /// Somebody waits, and nobody is on call: neither here nor where it overflows to.
        NobodyOnCall = "nobody_on_call",
        /// Somebody waits beyond the limit.
        Overdue = "overdue",
    }
}

impl QueueTrouble {
    /// In words, for operators.
    pub const fn label(self) -> Bilingual {
        match self {
            Self::NobodyOnCall => {
                Bilingual::fixed("有人候诊，无医生值班", "somebody waits and nobody is on call")
            }
            Self::Overdue => Bilingual::fixed("有人候诊超时", "somebody has waited too long"),
        }
    }
}

/// The trouble of a queue in which somebody has waited since `oldest`. `on_call` says whether anybody
/// of the department or its chain is on call.
pub fn queue_trouble(
    oldest: Timestamp,
    on_call: bool,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<QueueTrouble> {
    if !on_call {
        Some(QueueTrouble::NobodyOnCall)
    } else if now >= policy.overdue_at(oldest) {
        Some(QueueTrouble::Overdue)
    } else {
        None
    }
}
