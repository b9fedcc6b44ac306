//! The events of an attempt in the event log: ids and codes only.

use serde_json::{Value, json};

use super::{
    attempt::{DoubtCause, NotDispensedReason, VoidReason},
    identity::{BootId, Epoch},
};
use crate::{
    ids::{CabinetId, OrderUnitId},
    stock::{SlotClosedReason, SlotNo},
    time::Timestamp,
};

crate::text_enum! {
    /// The proof of a conclusion about a pack.
    pub enum Proof {
        /// The cabinet's signed journal.
        Journal = "journal",
        /// A person's blind count, after a restart.
        HumanCount = "human_count",
    }
}

crate::text_enum! {
    /// Something at a cabinet that a person must look at.
    pub enum IncidentKind {
        /// Evidence against an attempt that was closed otherwise.
        Contradiction = "contradiction",
        /// A motor ran, or may have run, without START.
        VendWithoutStart = "vend_without_start",
        /// The journal was rewritten: the same seq with another hash.
        JournalFork = "journal_fork",
        /// The cabinet's journal is shorter than the part that the server has received.
        JournalLost = "journal_lost",
        /// The cabinet's own tamper alarm.
        Tamper = "tamper",
        /// A scan did not match what the slot should hold.
        WrongSlot = "wrong_slot",
        /// A blind count differed from the ledger.
        CountDiffers = "count_differs",
        /// Too warm or too cold for the stored products.
        Temperature = "temperature",
    }
}

/// One change of an attempt, or its consequence for the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEvent {
    /// It was authorised.
    Issued {
        order_unit: OrderUnitId,
        cabinet: CabinetId,
        epoch: Epoch,
        slot: SlotNo,
        /// START may be requested until this time.
        expires_at: Timestamp,
    },
    /// START was granted.
    Started {
        /// The only boot that may use the GRANT.
        boot: BootId,
        epoch: Epoch,
    },
    /// It was withdrawn before START.
    Voided { reason: VoidReason },
    /// It is in doubt.
    Doubted { cause: DoubtCause },
    /// The pack came out.
    Dispensed { proof: Proof },
    /// The pack did not come out.
    NotDispensed { reason: NotDispensedReason, proof: Proof },
    /// A person must look at the cabinet.
    IncidentOpened { kind: IncidentKind, slot: SlotNo },
    /// The slot takes no more attempts until a blind count.
    SlotClosed { slot: SlotNo, reason: SlotClosedReason },
}

impl AttemptEvent {
    /// The stable kind in the event log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Issued { .. } => "attempt.issued",
            Self::Started { .. } => "attempt.started",
            Self::Voided { .. } => "attempt.voided",
            Self::Doubted { .. } => "attempt.in_doubt",
            Self::Dispensed { .. } => "attempt.dispensed",
            Self::NotDispensed { .. } => "attempt.not_dispensed",
            Self::IncidentOpened { .. } => "attempt.incident_opened",
            Self::SlotClosed { .. } => "attempt.slot_closed",
        }
    }

    /// Ids and codes, never personal data.
    pub fn payload(&self) -> Value {
        match self {
            Self::Issued { order_unit, cabinet, epoch, slot, expires_at } => json!({
                "order_unit": order_unit, "cabinet": cabinet, "epoch": epoch, "slot": slot, "expires_at": expires_at,
            }),
            Self::Started { boot, epoch } => json!({ "boot_id": boot, "epoch": epoch }),
            Self::Voided { reason } => json!({ "reason": reason }),
            Self::Doubted { cause } => json!({ "cause": cause }),
            Self::Dispensed { proof } => json!({ "proof": proof }),
            Self::NotDispensed { reason, proof } => json!({ "reason": reason, "proof": proof }),
            Self::IncidentOpened { kind, slot } => json!({ "kind": kind, "slot": slot }),
            Self::SlotClosed { slot, reason } => json!({ "slot": slot, "reason": reason }),
        }
    }
}
