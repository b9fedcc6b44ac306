//! The times of reviews, configurable per deployment.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::{bounds::Bounds, time::Timestamp};

/// What a deployment sets for reviews. All values are our defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewPolicy {
    /// Must change whenever a value changes.
    pub version: Cow<'static, str>,
    /// The source of the values.
    pub source: Cow<'static, str>,
    /// How long a pharmacist has a prescription that they took for review, in seconds.
    pub claim_s: u32,
    /// A prescription is reviewed in time within these seconds from its signature.
    pub target_s: u32,
    /// An operator hears of a prescription that waits longer than this, in seconds.
    pub wait_limit_s: u32,
    /// How long a review takes, in seconds, until enough of them were measured.
    pub usual_review_s: u32,
    /// Letters to each operator about the queue in an hour, at most.
    pub letters_per_hour: u32,
    /// Whether only a pharmacist on shift decides. One who is not can never take a prescription for review.
    pub decide_on_shift_only: bool,
}

impl Default for ReviewPolicy {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed("review-2026-11-30"),
            source: Cow::Borrowed("our defaults"),
            claim_s: 10 * 60,
            target_s: 5 * 60,
            wait_limit_s: 15 * 60,
            usual_review_s: 120,
            letters_per_hour: 4,
            // Who has no roster of pharmacists has nobody on shift.
            decide_on_shift_only: false,
        }
    }
}

impl ReviewPolicy {
    /// Checks the bounds of all values.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            version: _,
            source: _,
            claim_s,
            target_s,
            wait_limit_s,
            usual_review_s,
            letters_per_hour,
            decide_on_shift_only: true | false,
        } = self;
        bounds.within("claim_s", *claim_s, 30..=3_600);
        bounds.within("target_s", *target_s, 30..=86_400);
        bounds.within("wait_limit_s", *wait_limit_s, 60..=86_400);
        bounds.within("usual_review_s", *usual_review_s, 10..=3_600);
        bounds.within("letters_per_hour", *letters_per_hour, 0..=60);
    }

    /// When a claim of `now` expires.
    pub fn claim_until(&self, now: Timestamp) -> Timestamp {
        now + TimeDelta::seconds(i64::from(self.claim_s))
    }

    /// From when on a prescription that was signed at `signed` waits too long.
    pub(super) fn overdue_at(&self, signed: Timestamp) -> Timestamp {
        signed + TimeDelta::seconds(i64::from(self.wait_limit_s))
    }
}
