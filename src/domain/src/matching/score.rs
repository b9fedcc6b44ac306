//! The order of the queue: triage weight plus ageing, with a limit to the wait.

use chrono::TimeDelta;
use serde::Serialize;

use super::policy::MatchingPolicy;
use crate::{ids::ConsultationId, time::Timestamp, triage::TriageLevel};

crate::text_enum! {
    /// The class of a queue entry, in the order of service; within a class the score decides.
    pub enum QueueClass {
        /// Triage level emergency: always first.
        Emergency = "emergency",
        /// Waited beyond the limit, so that nobody starves.
        Overdue = "overdue",
        /// All others, by score.
        Ordinary = "ordinary",
    }
}

/// Sort key of a queue entry. The lowest key is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QueueKey {
    pub class: QueueClass,
    /// Triage weight plus ageing, as the start of a wait that has the same score; see [`ranked_since`].
    pub ranked_since: Timestamp,
    /// The original start of the wait, even after a requeue.
    pub waiting_since: Timestamp,
    pub consultation: ConsultationId,
}

impl QueueKey {
    /// The key of one consultation at `now`.
    pub fn of(
        level: TriageLevel,
        waiting_since: Timestamp,
        consultation: ConsultationId,
        now: Timestamp,
        policy: &MatchingPolicy,
    ) -> Self {
        let class = match level {
            TriageLevel::Emergency => QueueClass::Emergency,
            TriageLevel::Urgent | TriageLevel::Standard | TriageLevel::Routine => {
                if waiting_since <= policy.overdue_since(now) {
                    QueueClass::Overdue
                } else {
                    QueueClass::Ordinary
                }
            }
        };
        let ranked_since = ranked_since(level, waiting_since, policy);
        Self { class, ranked_since, waiting_since, consultation }
    }

    fn order(&self) -> (QueueClass, Timestamp, Timestamp, ConsultationId) {
        (self.class, self.ranked_since, self.waiting_since, self.consultation)
    }
}

impl Ord for QueueKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}
impl PartialOrd for QueueKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The start of a wait that would give the same score without any triage weight. All
/// entries age at the same rate (if the policy ages at all), so ascending `ranked_since`
/// is descending score at every later time: an indexed sort column that is never updated, and
/// by which a worker's place in the queue is counted.
pub fn ranked_since(level: TriageLevel, waiting_since: Timestamp, policy: &MatchingPolicy) -> Timestamp {
    // Without ageing no wait equals a weight; one minute per point is close enough.
    let per_minute = i64::from(policy.ageing_points_per_minute.max(1));
    let head_start_s = i64::from(policy.weights.of(level)) * 60 / per_minute;
    waiting_since.checked_sub_signed(TimeDelta::seconds(head_start_s)).unwrap_or(Timestamp::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    fn now() -> Timestamp {
        chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
    }

    fn key(level: TriageLevel, waited_s: i64) -> QueueKey {
        let since = now() - TimeDelta::seconds(waited_s);
        QueueKey::of(level, since, ConsultationId::generate(), now(), &MatchingPolicy::default())
    }

    #[test]
    fn the_triage_level_ranks_first_and_waiting_catches_up() {
        assert!(key(TriageLevel::Urgent, 0) < key(TriageLevel::Standard, 0));
        assert!(key(TriageLevel::Standard, 0) < key(TriageLevel::Routine, 0));
        // 100 points at 10 a minute: ten minutes.
        assert!(key(TriageLevel::Standard, 0) < key(TriageLevel::Routine, 599));
        assert!(key(TriageLevel::Routine, 601) < key(TriageLevel::Standard, 0));
    }

    #[test]
    fn overdue_entries_outrank_all_but_emergencies() {
        assert!(key(TriageLevel::Routine, 900) < key(TriageLevel::Urgent, 899));
        assert_eq!(key(TriageLevel::Routine, 899).class, QueueClass::Ordinary);
        assert!(key(TriageLevel::Emergency, 0) < key(TriageLevel::Urgent, 90_000));
    }

    #[test]
    fn equal_scores_rank_by_wait_and_never_tie() {
        let (one, other) = (key(TriageLevel::Routine, 60), key(TriageLevel::Routine, 60));
        assert_ne!(one.cmp(&other), std::cmp::Ordering::Equal);
        assert!(key(TriageLevel::Emergency, 2) < key(TriageLevel::Emergency, 1));
    }

    #[test]
    fn the_rank_gives_the_same_order_as_the_points() {
        let policy = MatchingPolicy::default();
        // In 1/60 point, so that every second counts.
        let points = |level, waited_s: i64| {
            i64::from(policy.weights.of(level)) * 60 + waited_s * i64::from(policy.ageing_points_per_minute)
        };
        let waiting: Vec<_> = (0..40_i64)
            .map(|step| (TriageLevel::ALL[1 + (step as usize * 7) % 3], step * 13 % 800))
            .collect();
        for &(level, waited) in &waiting {
            for &(other_level, other_waited) in &waiting {
                let rank = ranked_since(level, now() - TimeDelta::seconds(waited), &policy);
                let other = ranked_since(other_level, now() - TimeDelta::seconds(other_waited), &policy);
                assert_eq!(points(level, waited).cmp(&points(other_level, other_waited)), other.cmp(&rank));
            }
        }
    }
}
