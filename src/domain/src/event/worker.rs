//! Changes of workers: their records, proofs, cards, PINs and consents.

use super::events;
use crate::{
    ids::{MergeId, StaffId, StationId, WorkerId},
    network::{ChangeKind, CodePurpose, ConsentPurpose, IdentityKind},
};

crate::text_enum! {
    /// Who set a new PIN.
    pub enum PinResetBy {
        /// The worker, with a code that was sent to their phone.
        Phone = "phone",
        Operators = "operators",
    }
}

crate::text_enum! {
    /// Why a consent ended without the worker.
    pub enum ConsentEnd {
        /// It was given for the employer of that time.
        EmployerChanged = "employer_changed",
    }
}

events! {
    /// A change of a worker.
    pub enum WorkerEvent, kinds WorkerEventKind {
        Registered = "worker.registered" to(worker) {
            /// The station where a walk-in registered.
            #[serde(skip_serializing_if = "Option::is_none")]
            station: Option<StationId>,
        },
        /// A walk-in stated what the record lacked.
        Completed = "worker.completed" to(worker) {
            /// Whether a phone was proved.
            phone: bool,
        },
        /// An operator changed the record.
        Changed = "worker.changed" to(worker) { fields: Vec<String> },
        /// This record is part of another one now, whose worker hears of it.
        Merged = "worker.merged" to(worker) {
            into: WorkerId,
            #[serde(skip_serializing_if = "Option::is_none")]
            merge: Option<MergeId>,
            /// The fields of the other record that the merge changed.
            #[serde(skip_serializing_if = "Option::is_none")]
            fields: Option<Vec<String>>,
        },
        Unmerged = "worker.unmerged" to(worker) { into: WorkerId, merge: MergeId },
        ConsentGranted = "consent.granted" to(worker) { purpose: ConsentPurpose },
        ConsentWithdrawn = "consent.withdrawn" to(worker) {
            purpose: ConsentPurpose,
            #[serde(skip_serializing_if = "Option::is_none")]
            why: Option<ConsentEnd>,
        },
        /// A phone or a document identifies the worker from now on.
        IdentityProved = "identity.proved" to(worker) { kind: IdentityKind },
        PhoneChanged = "phone.changed" to(worker) { proved: bool },
        PinChanged = "pin.changed" to(worker) {},
        PinReset = "pin.reset" to(worker) { by: PinResetBy },
        CardReplaced = "card.replaced" to(worker) {
            #[serde(skip_serializing_if = "Option::is_none")]
            merged_from: Option<WorkerId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            unmerged_from: Option<WorkerId>,
        },
        CardStopped = "card.stopped" to(worker) {},
    }
}

events! {
    /// A change of a worker that a second operator decides on.
    pub enum WorkerChangeEvent, kinds WorkerChangeEventKind {
        Requested = "worker_change.requested" to(worker) { worker: WorkerId, kind: ChangeKind },
        Approved = "worker_change.approved" to(worker) {
            worker: WorkerId,
            kind: ChangeKind,
            requested_by: StaffId,
        },
        Refused = "worker_change.refused" to(worker) {
            worker: WorkerId,
            kind: ChangeKind,
            requested_by: StaffId,
        },
    }
}

events! {
    /// A code that is sent to a phone.
    pub enum PhoneCodeEvent, kinds PhoneCodeEventKind {
        Sent = "phone_code.sent" to() { station: StationId, purpose: CodePurpose },
        Used = "phone_code.used" to() { station: StationId, purpose: CodePurpose },
    }
}
