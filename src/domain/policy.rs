//! The values of the rules that a deployment may change, gathered from the
//! rooms that own them.

use serde::{Deserialize, Serialize};

use super::{
    matching::MatchingPolicy,
    money::Fen,
    prescription::{CabinetLane, EncounterLane, PrescribingPolicy},
};

/// Every value that an operator may set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The network's name: bound into every sealed field and token.
    pub network: String,
    /// Offers, ageing, continuity.
    pub matching: MatchingPolicy,
    /// Days, drugs, validity.
    pub prescribing: PrescribingPolicy,
    /// Check-ins.
    pub check_in: CheckInPolicy,
    /// Orders and vending.
    pub vending: VendingPolicy,
    /// Event streams.
    pub realtime: RealtimePolicy,
    /// Lanes that stations open with when their row names none.
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
            check_in: CheckInPolicy::default(),
            vending: VendingPolicy::default(),
            realtime: RealtimePolicy::default(),
            encounter_lanes: vec![EncounterLane::FollowUpWithEvidence, EncounterLane::ConsultationOnly],
            cabinet_lane: CabinetLane::RetailBOnly,
        }
    }
}

/// How a check-in ends. Source: the house's security checks, no. 17 and 20.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckInPolicy {
    /// Seconds of silence after which it ends.
    pub idle_seconds: u32,
    /// Wrong PINs of one card at one station before a pause.
    pub pin_tries: u32,
    /// The pause, in seconds.
    pub pin_pause_seconds: u32,
    /// Wrong PINs at one screen, whatever the cards, in `screen_pause_seconds`.
    /// Our default: more than a queue of people mistypes, and too few to go
    /// through cards with.
    pub screen_tries: u32,
    /// The window of them, in seconds.
    pub screen_pause_seconds: u32,
}

impl Default for CheckInPolicy {
    fn default() -> Self {
        Self {
            idle_seconds: 90,
            pin_tries: 5,
            pin_pause_seconds: 900,
            screen_tries: 20,
            screen_pause_seconds: 300,
        }
    }
}

/// Event streams. The defaults are the house's own [P].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RealtimePolicy {
    /// Milliseconds between two signs of life on a quiet line: proxies close
    /// lines that are quiet for long.
    pub ping_ms: u64,
}

impl Default for RealtimePolicy {
    fn default() -> Self {
        Self { ping_ms: 15_000 }
    }
}

/// Orders, vend authorizations and the subsidy. All defaults of the house [P].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VendingPolicy {
    /// Minutes for which an unpaid order keeps its stock.
    pub reserve_minutes: u32,
    /// Minutes for which a vend authorization may be started.
    pub authorization_minutes: u32,
    /// Seconds within which a GRANT must be used.
    pub grant_seconds: u32,
    /// Seconds of silence after which a started attempt is in doubt.
    pub silence_seconds: u32,
    /// Wrong pickup codes before the order takes none for a while.
    pub pickup_tries: u32,
    /// How long that is, in seconds. Our default.
    pub pickup_pause_seconds: u32,
    /// Subsidy granted to each worker per civil month, in fen.
    pub monthly_subsidy: Fen,
}

impl Default for VendingPolicy {
    fn default() -> Self {
        Self {
            reserve_minutes: 15,
            authorization_minutes: 30,
            grant_seconds: 30,
            silence_seconds: 120,
            pickup_tries: 5,
            pickup_pause_seconds: 120,
            monthly_subsidy: Fen(20_000),
        }
    }
}
