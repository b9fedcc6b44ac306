//! Changes of cabinets, their incidents, and lots.

use super::{events, is_false};
use crate::{
    ids::{AttemptId, CabinetId, StaffId},
    stock::{SlotClosedReason, SlotNo},
    vend::{BootId, event::IncidentKind, reconcile::DiscrepancyKind},
};

events! {
    /// A change of a cabinet or of one of its slots.
    pub enum CabinetEvent, kinds CabinetEventKind {
        /// The first message of a boot.
        Booted = "cabinet.booted" to() {
            boot_id: BootId,
            epoch: i64,
            /// Whether the cabinet generated a known boot id again.
            #[serde(default, skip_serializing_if = "is_false")]
            same_boot_id: bool,
        },
        /// A boot that another one had replaced is the live one.
        BootLives = "cabinet.boot_lives" to() { boot_id: BootId, epoch: i64 },
        /// It was enrolled again.
        EpochReplaced = "cabinet.epoch_replaced" to() { epoch: i64 },
        DoorOpened = "cabinet.door_opened" to() {
            /// Unknown where only a hello reports it.
            #[serde(skip_serializing_if = "Option::is_none")]
            who: Option<StaffId>,
            /// Number of the journal's entry.
            #[serde(skip_serializing_if = "Option::is_none")]
            seq: Option<i64>,
        },
        DoorClosed = "cabinet.door_closed" to() { seq: i64 },
        /// A person counted the packs in a slot.
        Counted = "cabinet.counted" to() { slot: SlotNo, n: u32 },
        Restocked = "cabinet.restocked" to() { slot: SlotNo, product_code: String, lot_no: String, packs: u32 },
        /// A slot takes no more attempts.
        SlotClosed = "cabinet.slot_closed" to() { slot: SlotNo, reason: SlotClosedReason },
        /// A closed slot is closed for another reason now.
        SlotReclosed = "cabinet.slot_reclosed" to() {
            slot: SlotNo,
            was: SlotClosedReason,
            reason: SlotClosedReason,
        },
        SlotOpened = "cabinet.slot_opened" to() { slot: SlotNo, was: SlotClosedReason },
        /// The tamper alarm was raised.
        Tampered = "cabinet.tampered" to() { kind: IncidentKind },
        TamperCleared = "cabinet.tamper_cleared" to() {},
        /// Cabinet and server disagree.
        Differs = "cabinet.differs" to() {
            kind: DiscrepancyKind,
            /// 0 for the cabinet as a whole.
            slot: i32,
        },
        /// They agree again.
        Reconciled = "cabinet.reconciled" to() {
            kind: DiscrepancyKind,
            /// 0 for the cabinet as a whole.
            slot: i32,
        },
        /// Wrong pickup codes slow its hatch down.
        CodesTriedOften = "cabinet.codes_tried_often" to() { wrong: i32, seconds_between: i64 },
    }
}

events! {
    /// A change of an incident.
    pub enum IncidentEvent, kinds IncidentEventKind {
        Opened = "incident.opened" to() {
            cabinet: CabinetId,
            kind: IncidentKind,
            slot: Option<i32>,
            attempt: Option<AttemptId>,
        },
        Closed = "incident.closed" to() { by: StaffId },
    }
}

events! {
    /// A change of a lot; the id of its stream is a digest of product and lot.
    pub enum LotEvent, kinds LotEventKind {
        Recalled = "lot.recalled" to() {
            product_code: String,
            lot_no: String,
            /// The same lot as cabinets have reported it.
            #[serde(default)]
            lots: Vec<String>,
        },
    }
}
