//! The state space of the model check ("world" = one global state): one unit, two attempts, two
//! cabinets, a network that loses, duplicates and reorders without bound, and power that fails
//! after any step and may lose the last journal write. Server and cabinets are the real functions;
//! only the environment between them is modelled.
//!
//! A sent message may arrive at any later time, any number of times, or never, so the network is
//! the set of everything ever sent. Two server instances may disagree about the time, so each
//! command is tried with the clock that is worst for safety.

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::{
    ids::{AttemptId, CabinetId, OrderUnitId},
    stock::SlotNo,
    time::Timestamp,
    vend::{
        attempt::{Attempt, AttemptState, NotDispensedReason},
        cabinet_side::{CabinetSide, Sensed, Stage},
        decide::Evidence,
        identity::{BootId, Epoch},
        journal::Body,
    },
};

/// The ten weakenings that the cabinet protocol names, and one for boot ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    MotorAgainAfterReboot,
    StartAcrossBoots,
    TimeoutIsFailure,
    IssueAgainWithoutVoid,
    VoidAfterStart,
    VendOffline,
    GrantNotBoundToBoot,
    CountWhileLive,
    AbandonmentTakesGrant,
    AbandonmentFromAnotherBoot,
    SameBootIsNoRestart,
}

impl Mutation {
    pub(crate) const WEAKENINGS: [Mutation; 11] = [
        Mutation::MotorAgainAfterReboot,
        Mutation::StartAcrossBoots,
        Mutation::TimeoutIsFailure,
        Mutation::IssueAgainWithoutVoid,
        Mutation::VoidAfterStart,
        Mutation::VendOffline,
        Mutation::GrantNotBoundToBoot,
        Mutation::CountWhileLive,
        Mutation::AbandonmentTakesGrant,
        Mutation::AbandonmentFromAnotherBoot,
        Mutation::SameBootIsNoRestart,
    ];
}

/// Power cuts per cabinet, in addition to the restarts by people.
const CUTS: [u8; 2] = [2, 1];

/// Everything a journal can report, in the order of the bits of `Wire::reported`.
pub(crate) const EVIDENCE: [Evidence; 6] = [
    Evidence::Dispensed,
    Evidence::NotDispensed { reason: NotDispensedReason::Jam, hatch_empty_sensor: true },
    Evidence::NotDispensed { reason: NotDispensedReason::Jam, hatch_empty_sensor: false },
    Evidence::Unknown,
    Evidence::Abandoned,
    Evidence::NotDispensed { reason: NotDispensedReason::Empty, hatch_empty_sensor: false },
];
pub(crate) const BOOTS: u8 = 6;

pub fn attempt_id(k: usize) -> AttemptId {
    AttemptId::from_uuid(Uuid::from_u128(k as u128 + 1))
}
pub(crate) fn index_of(id: AttemptId) -> usize {
    (id.uuid().as_u128() - 1) as usize
}
pub(crate) fn boot_id(n: u8) -> BootId {
    BootId::from_bytes([n; 16])
}
pub(crate) fn early() -> Timestamp {
    DateTime::UNIX_EPOCH
}
pub(crate) fn late() -> Timestamp {
    early() + TimeDelta::days(1)
}
pub(crate) fn slot() -> SlotNo {
    SlotNo::new(1).expect("one is a slot")
}

/// Everything ever sent about one attempt; bit n of `starts` and `grants` is boot n.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wire {
    pub(crate) starts: u8,
    pub(crate) grants: u8,
    pub(crate) reported: u64,
}

#[derive(Clone)]
pub(crate) struct Cabinet {
    pub(crate) side: CabinetSide,
    pub(crate) disk: Vec<Body>,
    pub(crate) boot: u8,
    pub(crate) cuts: u8,
    pub(crate) motor: Option<usize>,
    pub(crate) felt: Option<(usize, Sensed)>,
    /// Packs that physically fell, per attempt.
    pub(crate) drops: [u8; 2],
}

#[derive(Clone)]
pub struct World {
    pub(crate) mutation: Mutation,
    pub(crate) attempts: [Option<Attempt>; 2],
    pub(crate) at: [usize; 2],
    pub(crate) wires: [Wire; 2],
    pub(crate) cabinets: [Cabinet; 2],
    pub(crate) replaced: bool,
}

impl World {
    pub fn new(mutation: Mutation) -> Self {
        let cabinet = |c: usize| Cabinet {
            side: CabinetSide::boot(boot_id(0), []).0,
            disk: vec![],
            boot: 0,
            cuts: CUTS[c],
            motor: None,
            felt: None,
            drops: [0, 0],
        };
        let mut world = Self {
            mutation,
            attempts: [None, None],
            at: [0, 0],
            wires: [Wire::default(); 2],
            cabinets: [cabinet(0), cabinet(1)],
            replaced: false,
        };
        world.issue(0, 0);
        world
    }

    pub(crate) fn issue(&mut self, k: usize, c: usize) {
        let cabinet = CabinetId::from_uuid(Uuid::from_u128(c as u128));
        let unit = OrderUnitId::from_uuid(Uuid::nil());
        let expires_at = early() + TimeDelta::hours(1);
        self.attempts[k] =
            Some(Attempt::issued(attempt_id(k), unit, (cabinet, Epoch::FIRST, slot()), expires_at));
        self.at[k] = c;
    }

    pub fn state(&self, k: usize) -> Option<AttemptState> {
        self.attempts[k].map(|attempt| attempt.state)
    }

    pub fn cabinet_of(&self, k: usize) -> usize {
        self.at[k]
    }

    /// Every attempt has ended: the unit is dispensed, or free for another attempt.
    pub(crate) fn is_settled(&self) -> bool {
        self.attempts.iter().flatten().all(|attempt| !attempt.state.is_live())
    }

    /// The first broken safety property of this world, if any.
    pub(crate) fn violation(&self) -> Option<String> {
        let drops = |k: usize| self.cabinets.iter().map(|cabinet| cabinet.drops[k]).sum::<u8>();
        if drops(0) + drops(1) > 1 {
            return Some("two packs came out".into());
        }
        for (k, attempt) in self.attempts.iter().enumerate() {
            let Some(attempt) = attempt else { continue };
            let wrong = match attempt.state {
                AttemptState::Dispensed => drops(k) == 0,
                AttemptState::NotDispensed | AttemptState::Voided | AttemptState::Issued => drops(k) > 0,
                AttemptState::Started | AttemptState::InDoubt => false,
            };
            if wrong {
                return Some(format!("attempt {k} is {} with {} packs out", attempt.state, drops(k)));
            }
        }
        None
    }

    /// Removes messages that can no longer change anything, so that worlds that behave the same are
    /// equal. `decide_tests` shows that they change nothing.
    pub(crate) fn forget_the_dead(&mut self) {
        for k in 0..2 {
            let (wire, boot) = (&mut self.wires[k], self.cabinets[self.at[k]].boot);
            let state = self.attempts[k].map_or(AttemptState::Issued, |attempt| attempt.state);
            if !state.is_live() {
                wire.reported = 0;
            }
            if !state.is_live() || state == AttemptState::InDoubt {
                wire.starts = 0;
            }
            if self.mutation != Mutation::GrantNotBoundToBoot {
                wire.grants &= 1 << boot;
            }
        }
    }

    /// The whole world, packed without loss; the caller hashes it to 128 bits.
    pub fn key(&self) -> [u64; 6] {
        let mut words = [0u64; 6];
        for (k, word) in words.iter_mut().take(2).enumerate() {
            let attempt = self.attempts[k];
            let state = attempt.map_or(7, |a| a.state as u64);
            let granted = attempt.and_then(|a| a.granted_boot).map_or(7, |b| u64::from(b.bytes()[0]));
            let wire = self.wires[k];
            *word = state
                | granted << 3
                | (self.at[k] as u64) << 6
                | u64::from(self.replaced) << 7
                | u64::from(wire.starts) << 8
                | u64::from(wire.grants) << 16
                | wire.reported << 24;
        }
        for (c, cabinet) in self.cabinets.iter().enumerate() {
            let mut machine = u64::from(cabinet.boot) | u64::from(cabinet.cuts) << 4;
            machine |= cabinet.motor.map_or(0, |k| k as u64 + 1) << 8;
            machine |= cabinet
                .felt
                .map_or(0, |(k, s)| 1 + k as u64 + 2 * (u64::from(s.drop) + 2 * u64::from(s.hatch_empty)))
                << 10;
            for k in 0..2 {
                machine |= u64::from(cabinet.drops[k]) << (16 + 4 * k);
                machine |= job_code(&cabinet.side, k) << (24 + 4 * k);
            }
            assert!(cabinet.disk.len() <= 16 && cabinet.boot < BOOTS, "the packing is too narrow");
            machine |= (cabinet.disk.len() as u64) << 32;
            words[2 + 2 * c] = machine;
            words[3 + 2 * c] = cabinet.disk.iter().fold(0, |code, body| code << 4 | body_code(body));
        }
        words
    }
}

fn job_code(side: &CabinetSide, k: usize) -> u64 {
    side.job(attempt_id(k)).map_or(0, |job| {
        let stage = match job.stage {
            Stage::Pending { asked_at_ms: None } => 1,
            Stage::Pending { asked_at_ms: Some(_) } => 2,
            Stage::GivenUp => 3,
            Stage::Running => 4,
            Stage::Spent => 5,
        };
        stage | u64::from(job.permission.is_some()) << 3
    })
}

fn body_code(body: &Body) -> u64 {
    let kind = match body {
        Body::Intent { .. } => 1,
        Body::DropSensed { .. } => 2,
        Body::Dispensed { .. } => 3,
        Body::NotDispensed { hatch_empty: true, .. } => 4,
        Body::NotDispensed { reason: NotDispensedReason::Jam, .. } => 5,
        Body::NotDispensed { .. } => 0,
        Body::Unknown { .. } => 6,
        Body::Abandoned { .. } => 7,
        other => unreachable!("the model writes no {}", other.kind()),
    };
    kind | (body.attempt().map_or(0, index_of) as u64) << 3
}
