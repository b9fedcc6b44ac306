//! The events of an attempt in the event log: ids and codes only.

use chrono::{DateTime, Utc};

use super::{
    attempt::{DoubtCause, NotDispensedReason, VoidReason},
    identity::{BootId, Epoch},
};
use crate::{
    event::events,
    ids::{CabinetId, OrderUnitId, StaffId},
    stock::{SlotClosedReason, SlotNo},
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

events! {
    /// One change of an attempt, or its consequence for the slot.
    #[derive(Copy)]
    pub enum AttemptEvent, kinds AttemptEventKind {
        /// It was authorised.
        Issued = "attempt.issued" to(worker) {
            order_unit: OrderUnitId,
            cabinet: CabinetId,
            epoch: Epoch,
            slot: SlotNo,
            /// START may be requested until this time.
            expires_at: DateTime<Utc>,
        },
        /// START was granted.
        Started = "attempt.started" to(worker) {
            /// The only boot that may use the GRANT.
            #[serde(rename = "boot_id")]
            boot: BootId,
            epoch: Epoch,
        },
        /// It was withdrawn before START.
        Voided = "attempt.voided" to(worker) { reason: VoidReason },
        /// It is in doubt.
        Doubted = "attempt.in_doubt" to(worker) { cause: DoubtCause },
        /// The pack came out.
        Dispensed = "attempt.dispensed" to(worker) { proof: Proof },
        /// The pack did not come out.
        NotDispensed = "attempt.not_dispensed" to(worker) { reason: NotDispensedReason, proof: Proof },
        /// A person must look at the cabinet.
        IncidentOpened = "attempt.incident_opened" to() { kind: IncidentKind, slot: SlotNo },
        /// The slot takes no more attempts until a blind count.
        SlotClosed = "attempt.slot_closed" to() { slot: SlotNo, reason: SlotClosedReason },
    }
}

events! {
    /// What concerns an attempt without changing it.
    pub enum AttemptNote, kinds AttemptNoteKind {
        /// Who decided about an attempt in doubt.
        ResolvedBy = "attempt.resolved_by" to() { by: StaffId },
    }
}
