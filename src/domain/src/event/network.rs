//! Changes of the network: places, devices, imports and the server's keys.

use chrono::{DateTime, Utc};

use super::events;
use crate::{
    devices::{DeviceKind, RetireReason},
    ids::{DeviceId, StaffId, StationId},
    keys::KeyKind,
    matching::Department,
    network::import::ImportKind,
};

events! {
    /// A change of a station.
    pub enum StationEvent, kinds StationEventKind {
        Added = "station.added" to() { code: String },
        /// A code that enrols one of its devices.
        EnrolmentCodeMade = "station.enrolment_code_made" to() { kind: DeviceKind },
        /// Too many wrong PINs were entered at its screen.
        PinsTriedOften = "station.pins_tried_often" to() { device: DeviceId },
    }
}

events! {
    /// A change of a hospital.
    pub enum HospitalEvent, kinds HospitalEventKind {
        Added = "hospital.added" to() { code: String },
    }
}

events! {
    /// A change of a department.
    pub enum DepartmentEvent, kinds DepartmentEventKind {
        Added = "department.added" to() { department: Department },
        Changed = "department.changed" to() { fields: Vec<String> },
    }
}

events! {
    /// A change of an edition of the safety rules.
    pub enum RuleEditionEvent, kinds RuleEditionEventKind {
        Proposed = "rule_edition.proposed" to(pharmacists) { version: String, by: StaffId },
        Approved = "rule_edition.approved" to(pharmacists) { version: String, by: StaffId, effective_at: DateTime<Utc> },
        Withdrawn = "rule_edition.withdrawn" to(pharmacists) {
            version: String,
            /// None from the command line.
            by: Option<StaffId>,
        },
    }
}

events! {
    /// A change of an edition of the formulary: of the network's, or of a station's selection from it.
    pub enum FormularyEditionEvent, kinds FormularyEditionEventKind {
        Proposed = "formulary_edition.proposed" to(pharmacists) {
            version: String,
            /// None for the network's.
            station: Option<StationId>,
            by: StaffId,
        },
        Approved = "formulary_edition.approved" to(pharmacists) {
            version: String,
            station: Option<StationId>,
            by: StaffId,
            effective_at: DateTime<Utc>,
        },
        Withdrawn = "formulary_edition.withdrawn" to(pharmacists) {
            version: String,
            station: Option<StationId>,
            by: StaffId,
        },
    }
}

events! {
    /// A change of an employer.
    pub enum EmployerEvent, kinds EmployerEventKind {
        Added = "employer.added" to() { code: String },
    }
}

events! {
    /// A change of an enrolled device.
    pub enum DeviceEvent, kinds DeviceEventKind {
        Enrolled = "device.enrolled" to() {
            kind: DeviceKind,
            station: StationId,
            epoch: i64,
            /// The operator who made the code.
            by: StaffId,
            /// The thumbprint of its key.
            key: String,
        },
        Revoked = "device.revoked" to() { kind: DeviceKind, station: StationId, reason: RetireReason },
    }
}

/// Imports before these were counted, and of other files, say nothing of them.
fn is_none(count: &usize) -> bool {
    *count == 0
}

events! {
    /// An import.
    pub enum ImportEvent, kinds ImportEventKind {
        Loaded = "import.loaded" to() {
            kind: ImportKind,
            /// Those added.
            rows: usize,
            #[serde(default)]
            updated: usize,
            #[serde(default)]
            skipped: usize,
            /// Products that were stored as the file says already.
            #[serde(default, skip_serializing_if = "is_none")]
            unchanged: usize,
            /// Products that the file took into the formulary, among those updated.
            #[serde(default, skip_serializing_if = "is_none")]
            into_formulary: usize,
            /// Products that the file took out of the formulary, among those updated.
            #[serde(default, skip_serializing_if = "is_none")]
            out_of_formulary: usize,
        },
    }
}

events! {
    /// A change of a key of the server.
    pub enum KeyEvent, kinds KeyEventKind {
        Added = "key.added" to() {
            kind: KeyKind,
            /// Its thumbprint or number.
            id: String,
        },
        Retired = "key.retired" to() {
            kind: KeyKind,
            /// Its thumbprint or number.
            id: String,
        },
    }
}
