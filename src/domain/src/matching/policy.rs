//! Times and weights of matching, configurable per deployment.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{bounds::Bounds, staff::MAX_CAPACITY, time::Timestamp, triage::TriageWeights};

/// The matching policy. Source: the project's design, matching. Waits and weights are our defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchingPolicy {
    /// Must change whenever a value changes.
    pub version: Cow<'static, str>,
    /// The source of the values.
    pub source: Cow<'static, str>,
    /// How long a doctor may take to answer an offer, in seconds.
    pub offer_expiry_s: u32,
    /// From this wait on, in seconds, a worker outranks all but emergencies.
    pub wait_limit_s: u32,
    /// How long a doctor may be disconnected before the consultation is requeued, in seconds.
    pub reconnect_grace_s: u32,
    /// Points added per minute of waiting.
    pub ageing_points_per_minute: u32,
    /// For how many days the previous doctor is preferred.
    pub continuity_days: u32,
    /// How long a consultation may wait without a doctor before it ends as unserved, in seconds.
    pub unserved_after_s: u32,
    /// How long a worker who left while waiting may come back, in seconds: from when they left or
    /// were called, and at least until they have waited for `wait_limit_s`. Until then no offer is made.
    pub worker_return_s: u32,
    /// How often a screen repeats the call of a worker who is away, in seconds.
    pub call_again_s: u32,
    /// How long a doctor waits for a silent worker, in seconds, before the
    /// consultation may be ended as a no-show.
    pub no_show_after_s: u32,
    /// How long a doctor gets no offers after a completed consultation, in seconds.
    pub wrap_up_s: u32,
    /// A doctor who was not heard from for longer than this gets no offers, in seconds.
    pub heard_within_s: u32,
    /// The most consultations by text that a doctor can be given at once; whoever had more places before
    /// keeps them until they are changed.
    pub most_text_places: u32,
    /// Points per triage level.
    pub weights: TriageWeights,
}

impl Default for MatchingPolicy {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed("2026-11"),
            source: Cow::Borrowed("Waystation design, matching; waits and weights are our defaults"),
            offer_expiry_s: 20,
            wait_limit_s: 15 * 60,
            reconnect_grace_s: 90,
            ageing_points_per_minute: 10,
            continuity_days: 7,
            unserved_after_s: 2 * 60 * 60,
            // Our defaults: the time to walk to another station; twice the idle timeout of a screen.
            worker_return_s: 5 * 60,
            // Our default: often enough for somebody who looks up now and then.
            call_again_s: 60,
            no_show_after_s: 3 * 60,
            // Our default: the time to write a note. Source of the other: the project's design, duty.
            wrap_up_s: 30,
            heard_within_s: 30,
            // Source: the project's design, duty and capacity ("text up to 3").
            most_text_places: 3,
            weights: TriageWeights::default(),
        }
    }
}

impl MatchingPolicy {
    /// Checks the bounds of all values.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            version: _,
            source: _,
            offer_expiry_s,
            wait_limit_s,
            reconnect_grace_s,
            ageing_points_per_minute,
            continuity_days,
            unserved_after_s,
            worker_return_s,
            call_again_s,
            no_show_after_s,
            wrap_up_s,
            heard_within_s,
            most_text_places,
            weights,
        } = self;
        bounds.within("offer_expiry_s", *offer_expiry_s, 5..=600);
        bounds.within("wait_limit_s", *wait_limit_s, 60..=86_400);
        bounds.within("reconnect_grace_s", *reconnect_grace_s, 10..=3_600);
        bounds.within("ageing_points_per_minute", *ageing_points_per_minute, 1..=10_000);
        bounds.within("continuity_days", *continuity_days, 0..=365);
        bounds.within("unserved_after_s", *unserved_after_s, 60..=604_800);
        bounds.within("worker_return_s", *worker_return_s, 0..=3_600);
        bounds.within("call_again_s", *call_again_s, 10..=3_600);
        bounds.within("no_show_after_s", *no_show_after_s, 30..=3_600);
        bounds.within("wrap_up_s", *wrap_up_s, 0..=600);
        bounds.within("heard_within_s", *heard_within_s, 20..=86_400);
        bounds.within("most_text_places", *most_text_places, 1..=MAX_CAPACITY.unsigned_abs());
        for (key, shorter) in [("offer_expiry_s", offer_expiry_s), ("wait_limit_s", wait_limit_s)] {
            bounds.longer("unserved_after_s", *unserved_after_s, key, *shorter);
        }
        weights.check(&mut bounds.of("weights"));
    }

    /// When an offer made `now` expires.
    pub fn offer_expires_at(&self, now: Timestamp) -> Timestamp {
        now + seconds(self.offer_expiry_s)
    }

    /// Until when a doctor who completed a consultation `now` gets no offers; `None` for no time.
    pub fn wrap_up_until(&self, now: Timestamp) -> Option<Timestamp> {
        (self.wrap_up_s > 0).then(|| now + seconds(self.wrap_up_s))
    }

    /// From when a doctor who was last heard from at `heard` gets no offers.
    pub fn silent_from(&self, heard: Timestamp) -> Timestamp {
        heard + seconds(self.heard_within_s)
    }

    /// When a doctor who was last heard from at `lost_since` loses the consultation.
    pub fn grace_ends_at(&self, lost_since: Timestamp) -> Timestamp {
        lost_since + seconds(self.reconnect_grace_s)
    }

    /// Who was last heard from, or signed in, until then has lost their consultations by `now`.
    pub fn lost_until(&self, now: Timestamp) -> Timestamp {
        now - seconds(self.reconnect_grace_s)
    }

    /// From when a worker waiting since `waiting_since` outranks all but emergencies.
    pub(crate) fn overdue_at(&self, waiting_since: Timestamp) -> Timestamp {
        waiting_since + seconds(self.wait_limit_s)
    }

    /// Whoever has waited since then or longer outranks all but emergencies.
    pub fn overdue_since(&self, now: Timestamp) -> Timestamp {
        now - seconds(self.wait_limit_s)
    }

    /// When a waiting consultation ends whose worker is away, counted from `left_at`: when they left, or were
    /// called, or when their turn must have come.
    pub(crate) fn absent_ends_at(&self, left_at: Timestamp) -> Timestamp {
        left_at + seconds(self.worker_return_s)
    }

    /// From when a doctor may end a consultation as a no-show if the worker was last active at `since`.
    pub(crate) fn no_show_at(&self, since: Timestamp) -> Timestamp {
        since + seconds(self.no_show_after_s)
    }

    /// From when a consultation without a doctor since `since` may end as unserved.
    pub(crate) fn unserved_at(&self, since: Timestamp) -> Timestamp {
        since + seconds(self.unserved_after_s)
    }
}

fn seconds(count: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_match_the_design_and_each_value_can_be_changed_alone() {
        let policy: MatchingPolicy = serde_json::from_str(r#"{"wait_limit_s":600}"#).expect("one value");
        assert_eq!(policy, MatchingPolicy { wait_limit_s: 600, ..MatchingPolicy::default() });
        assert_eq!((policy.offer_expiry_s, policy.reconnect_grace_s, policy.continuity_days), (20, 90, 7));
        assert!(serde_json::from_str::<MatchingPolicy>(r#"{"wait_limit":600}"#).is_err());
    }
}
