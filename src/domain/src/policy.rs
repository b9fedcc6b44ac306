//! The values of the rules that a deployment may change, collected from the modules that own them.

use serde::{Deserialize, Serialize};

use super::{
    bounds::{Bounds, OutOfBounds},
    matching::MatchingPolicy,
    money::Fen,
    prescription::{CabinetLane, EncounterLane, PrescribingPolicy},
    review::ReviewPolicy,
    triage::TriageLimits,
    vitals::{FitnessRules, VitalRules},
};

/// How long a request waits for news at most, in seconds. Our default: below the 30 seconds after
/// which callers and proxies give up.
pub const LONGEST_POLL_S: u32 = 25;

/// Every value that an operator may set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The network's name; it is bound into every sealed field and token.
    pub network: String,
    /// Offers, ageing, continuity.
    pub matching: MatchingPolicy,
    /// Days, drugs, validity.
    pub prescribing: PrescribingPolicy,
    /// Claims of pharmacists, and their queue.
    pub review: ReviewPolicy,
    pub check_in: CheckInPolicy,
    /// Orders and vending.
    pub vending: VendingPolicy,
    /// Event streams.
    pub realtime: RealtimePolicy,
    /// Categories of readings.
    pub vitals: VitalRules,
    /// Emergency limits.
    pub triage: TriageLimits,
    /// Limits for work at height.
    pub fitness: FitnessRules,
    pub sessions: SessionPolicy,
    /// Access to health records.
    pub records: RecordsPolicy,
    /// Encounter lanes of stations whose row names none.
    pub encounter_lanes: Vec<EncounterLane>,
    /// The lane of a cabinet whose row names none.
    pub cabinet_lane: CabinetLane,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            network: "waystation".to_owned(),
            matching: MatchingPolicy::default(),
            prescribing: PrescribingPolicy::default(),
            review: ReviewPolicy::default(),
            check_in: CheckInPolicy::default(),
            vending: VendingPolicy::default(),
            realtime: RealtimePolicy::default(),
            vitals: VitalRules::default(),
            triage: TriageLimits::default(),
            fitness: FitnessRules::default(),
            sessions: SessionPolicy::default(),
            records: RecordsPolicy::default(),
            encounter_lanes: vec![EncounterLane::FollowUpWithEvidence, EncounterLane::ConsultationOnly],
            cabinet_lane: CabinetLane::RetailBOnly,
        }
    }
}

impl Policy {
    /// Every value with which a network could not work.
    pub fn out_of_bounds(&self) -> Vec<OutOfBounds> {
        let Self {
            network,
            matching,
            prescribing,
            review,
            check_in,
            vending,
            realtime,
            vitals,
            triage,
            fitness,
            sessions,
            records,
            encounter_lanes,
            cabinet_lane: CabinetLane::RetailBOnly | CabinetLane::InstitutionDispense,
        } = self;
        let mut found = Vec::new();
        let mut bounds = Bounds::new(&mut found);
        let plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let named = (1..=64).contains(&network.len()) && plain(network);
        bounds.must("network", named, "it must be 1 to 64 letters, digits and -_. without spaces");
        bounds.must("encounter_lanes", !encounter_lanes.is_empty(), "there must be at least one");
        matching.check(&mut bounds.of("matching"));
        prescribing.check(&mut bounds.of("prescribing"));
        review.check(&mut bounds.of("review"));
        check_in.check(&mut bounds.of("check_in"));
        vending.check(&mut bounds.of("vending"));
        realtime.check(&mut bounds.of("realtime"));
        vitals.check(&mut bounds.of("vitals"));
        triage.check(&mut bounds.of("triage"));
        fitness.check(&mut bounds.of("fitness"));
        sessions.check(&mut bounds.of("sessions"));
        records.check(&mut bounds.of("records"));
        // A doctor is heard at the beginning of each poll and with each ping of a stream.
        let (key, grace) = ("matching.reconnect_grace_s", u64::from(matching.reconnect_grace_s));
        bounds.longer(key, grace, "a poll", u64::from(LONGEST_POLL_S));
        bounds.longer(key, grace, "realtime.ping_ms in seconds", realtime.ping_ms / 1_000);
        let (key, within) = ("matching.heard_within_s", u64::from(matching.heard_within_s));
        bounds.longer(key, within, "realtime.ping_ms in seconds", realtime.ping_ms / 1_000);
        found
    }
}

/// How a check-in ends. Source: the project's security checks, no. 17 and 20.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckInPolicy {
    /// Seconds without activity after which it ends.
    pub idle_seconds: u32,
    /// Wrong PINs of one card at one station before a pause.
    pub pin_tries: u32,
    /// The pause, in seconds.
    pub pin_pause_seconds: u32,
    /// Whether codes are sent to phones, so that a person without a card can prove their phone.
    pub phone_codes: bool,
    /// Seconds for which such a code is valid.
    pub phone_code_seconds: u32,
    /// Wrong tries after which the code is invalid.
    pub phone_code_tries: u32,
    /// Hours for which a change of a worker waits for a second operator.
    pub change_hours: u32,
    /// Wrong PINs at one screen, over all cards, in `screen_pause_seconds`. Our default: more than
    /// a queue of people mistypes, and too few to try out cards.
    pub screen_tries: u32,
    /// The window for `screen_tries`, in seconds.
    pub screen_pause_seconds: u32,
}

impl Default for CheckInPolicy {
    fn default() -> Self {
        Self {
            idle_seconds: 90,
            pin_tries: 5,
            pin_pause_seconds: 900,
            phone_codes: true,
            phone_code_seconds: 300,
            phone_code_tries: 5,
            change_hours: 72,
            screen_tries: 20,
            screen_pause_seconds: 300,
        }
    }
}

impl CheckInPolicy {
    fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            idle_seconds,
            pin_tries,
            pin_pause_seconds,
            phone_codes: true | false,
            phone_code_seconds,
            phone_code_tries,
            change_hours,
            screen_tries,
            screen_pause_seconds,
        } = self;
        bounds.within("idle_seconds", *idle_seconds, 15..=900);
        bounds.within("pin_tries", *pin_tries, 1..=10);
        bounds.within("pin_pause_seconds", *pin_pause_seconds, 60..=86_400);
        bounds.within("phone_code_seconds", *phone_code_seconds, 60..=900);
        bounds.within("phone_code_tries", *phone_code_tries, 1..=10);
        bounds.within("change_hours", *change_hours, 1..=720);
        bounds.within("screen_tries", *screen_tries, 5..=1_000);
        bounds.within("screen_pause_seconds", *screen_pause_seconds, 10..=3_600);
        let reached = screen_tries >= pin_tries;
        bounds.must("screen_tries", reached, "with fewer than pin_tries no card is ever paused");
    }
}

/// Event streams. Our defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealtimePolicy {
    /// Milliseconds between two keep-alive messages on an idle connection: proxies close
    /// connections that are idle for long.
    pub ping_ms: u64,
}

impl Default for RealtimePolicy {
    fn default() -> Self {
        Self { ping_ms: 15_000 }
    }
}

/// Sessions of staff. Our defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// Seconds within which the same caller may send a refresh token again and gets the same
    /// answer: the first answer may have been lost in transit. 0: every second use ends the
    /// session.
    pub refresh_grace_seconds: u32,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self { refresh_grace_seconds: 10 }
    }
}

impl SessionPolicy {
    fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { refresh_grace_seconds } = self;
        bounds.within("refresh_grace_seconds", *refresh_grace_seconds, 0..=60);
    }
}

impl RealtimePolicy {
    fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { ping_ms } = self;
        bounds.within("ping_ms", *ping_ms, 10..=60_000);
    }
}

/// Who may read health records, and for how long.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordsPolicy {
    /// Minutes after the end of a consultation in which its doctor can still read the worker's
    /// record, their messages and their complaint. Our default: none.
    pub grace_minutes: u32,
}

impl RecordsPolicy {
    fn check(&self, bounds: &mut Bounds<'_>) {
        let Self { grace_minutes } = self;
        bounds.within("grace_minutes", *grace_minutes, 0..=1440);
    }
}

/// Orders, vend authorizations and the subsidy. Our defaults.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VendingPolicy {
    /// Minutes for which an unpaid order keeps its stock reserved.
    pub reserve_minutes: u32,
    /// Minutes for which an open draft holds its packs softly: other doctors do not count on them.
    pub draft_hold_minutes: u32,
    /// Minutes within which a vend authorization may be started.
    pub authorization_minutes: u32,
    /// Seconds within which a GRANT must be used.
    pub grant_seconds: u32,
    /// Seconds of silence after which a started attempt is in doubt.
    pub silence_seconds: u32,
    /// Wrong pickup codes at a hatch after which it accepts codes more slowly.
    pub pickup_tries: u32,
    /// Seconds without a wrong code after which the slowdown ends.
    pub pickup_pause_seconds: u32,
    /// Unpaid over-the-counter orders that one person may have.
    pub unpaid_orders: u32,
    /// Packs in all of these orders together.
    pub unpaid_packs: u32,
    /// Packs with one ingredient that one station sells in a civil day to all unidentified people
    /// together: those without a card, a proved phone or a document. They count as a new person at
    /// every visit, so limits per person do not apply to them.
    pub walk_in_packs: u32,
    /// Days over which the over-the-counter purchases of one person with an ingredient count
    /// towards one course.
    pub counter_days: u32,
    /// Below this age, in years, nothing is sold without a doctor. 16 is the minimum age of
    /// employment in China (labour law, article 15).
    pub counter_from_years: u32,
    /// Subsidy granted to each worker per civil month, in fen.
    pub monthly_subsidy: Fen,
    /// Whether a person without a card and without an identity document has an allowance: one for
    /// each phone proved by a code, however many records name that phone. Without a proved phone
    /// there is none.
    pub walk_in_subsidy: bool,
}

impl Default for VendingPolicy {
    fn default() -> Self {
        Self {
            reserve_minutes: 15,
            draft_hold_minutes: 15,
            authorization_minutes: 30,
            grant_seconds: 30,
            silence_seconds: 120,
            pickup_tries: 5,
            pickup_pause_seconds: 120,
            unpaid_orders: 2,
            unpaid_packs: 10,
            walk_in_packs: 4,
            counter_days: 7,
            counter_from_years: 16,
            monthly_subsidy: Fen(20_000),
            walk_in_subsidy: false,
        }
    }
}

impl VendingPolicy {
    fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            reserve_minutes,
            draft_hold_minutes,
            authorization_minutes,
            grant_seconds,
            silence_seconds,
            pickup_tries,
            pickup_pause_seconds,
            unpaid_orders,
            unpaid_packs,
            walk_in_packs,
            counter_days,
            counter_from_years,
            monthly_subsidy,
            walk_in_subsidy: true | false,
        } = self;
        bounds.within("reserve_minutes", *reserve_minutes, 1..=240);
        bounds.within("draft_hold_minutes", *draft_hold_minutes, 1..=240);
        bounds.within("authorization_minutes", *authorization_minutes, 1..=1_440);
        bounds.within("grant_seconds", *grant_seconds, 5..=300);
        bounds.within("silence_seconds", *silence_seconds, 30..=3_600);
        // A cabinet that has used its GRANT reports at the end of a poll at the latest.
        let reported = grant_seconds.saturating_add(LONGEST_POLL_S);
        bounds.longer("silence_seconds", *silence_seconds, "grant_seconds and a poll", reported);
        bounds.within("pickup_tries", *pickup_tries, 1..=20);
        bounds.within("pickup_pause_seconds", *pickup_pause_seconds, 10..=3_600);
        bounds.within("unpaid_orders", *unpaid_orders, 1..=100);
        bounds.within("unpaid_packs", *unpaid_packs, 1..=1_000);
        bounds.within("walk_in_packs", *walk_in_packs, 1..=100);
        bounds.within("counter_days", *counter_days, 1..=90);
        bounds.within("counter_from_years", *counter_from_years, 12..=21);
        bounds.within("monthly_subsidy", monthly_subsidy.0, 0..=10_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<String> {
        let policy: Policy = serde_json::from_str(text).expect("readable");
        policy.out_of_bounds().into_iter().map(|value| value.key).collect()
    }

    #[test]
    fn the_defaults_can_work() {
        assert_eq!(Policy::default().out_of_bounds(), vec![]);
    }

    #[test]
    fn values_that_cannot_work_are_named_all_at_once() {
        let text = r#"{"network": "", "encounter_lanes": [], "matching": {"offer_expiry_s": 0},
            "check_in": {"idle_seconds": 0, "pin_tries": 0}, "vending": {"monthly_subsidy": -1},
            "prescribing": {"max_drugs": 6, "valid_days": 3, "max_valid_days": 2}, "realtime": {"ping_ms": 0}}"#;
        let named = [
            "network",
            "encounter_lanes",
            "matching.offer_expiry_s",
            "prescribing.max_drugs",
            "prescribing.max_valid_days",
            "check_in.idle_seconds",
            "check_in.pin_tries",
            "vending.monthly_subsidy",
            "realtime.ping_ms",
        ];
        assert_eq!(refused(text), named);
    }

    #[test]
    fn values_that_exclude_each_other_are_refused() {
        for (text, named) in [
            (r#"{"vending": {"grant_seconds": 200}}"#, "vending.silence_seconds"),
            (r#"{"vending": {"silence_seconds": 55}}"#, "vending.silence_seconds"),
            (r#"{"matching": {"weights": {"urgent": 2000}}}"#, "matching.weights.emergency"),
            (r#"{"matching": {"unserved_after_s": 900}}"#, "matching.unserved_after_s"),
            (r#"{"matching": {"wait_limit_s": 60, "unserved_after_s": 60}}"#, "matching.unserved_after_s"),
            (r#"{"matching": {"ageing_points_per_minute": 0}}"#, "matching.ageing_points_per_minute"),
            (r#"{"matching": {"reconnect_grace_s": 25}}"#, "matching.reconnect_grace_s"),
            (
                r#"{"matching": {"reconnect_grace_s": 40, "heard_within_s": 60}, "realtime": {"ping_ms": 40000}}"#,
                "matching.reconnect_grace_s",
            ),
            (r#"{"realtime": {"ping_ms": 30000}}"#, "matching.heard_within_s"),
            (r#"{"check_in": {"pin_tries": 6, "screen_tries": 5}}"#, "check_in.screen_tries"),
            (r#"{"prescribing": {"reasoned_days": 6}}"#, "prescribing.reasoned_days"),
            (r#"{"prescribing": {"long_term_days": 6}}"#, "prescribing.long_term_days"),
            (r#"{"prescribing": {"max_drugs": 6}}"#, "prescribing.max_drugs"),
            (r#"{"prescribing": {"valid_days": 3, "max_valid_days": 2}}"#, "prescribing.max_valid_days"),
        ] {
            assert_eq!(refused(text), [named], "{text}");
        }
    }
}
