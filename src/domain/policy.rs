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
    /// Wrong PINs before a pause.
    pub pin_tries: u32,
    /// The pause, in seconds.
    pub pin_pause_seconds: u32,
    /// Whether codes are sent to phones, so that somebody without a card can
    /// prove theirs.
    pub phone_codes: bool,
    /// Seconds for which such a code is good.
    pub phone_code_seconds: u32,
    /// Wrong tries before it is good for nothing.
    pub phone_code_tries: u32,
    /// Hours for which a change of a worker waits for a second operator.
    pub change_hours: u32,
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
    /// Wrong pickup codes before the order's codes are locked.
    pub pickup_tries: u32,
    /// Subsidy granted to each worker per civil month, in fen.
    pub monthly_subsidy: Fen,
    /// Whether somebody without a card and without an identity document has an
    /// allowance: one for each phone that a code proved, however many records
    /// name it. Nobody whose phone was not proved has one.
    pub walk_in_subsidy: bool,
}

impl Default for VendingPolicy {
    fn default() -> Self {
        Self {
            reserve_minutes: 15,
            authorization_minutes: 30,
            grant_seconds: 30,
            silence_seconds: 120,
            pickup_tries: 5,
            monthly_subsidy: Fen(20_000),
            walk_in_subsidy: false,
        }
    }
}
