//! Accesses to health data.

use super::{AnyId, events};

crate::text_enum! {
    /// Which part of a health record was shown.
    pub enum Part as "HealthRecordPart" {
        /// Profile, readings and earlier consultations.
        Record = "record",
        /// Name, day of birth and the like.
        Identity = "identity",
        /// Complaint, signs, summary and diagnoses of a consultation.
        Consultation = "consultation",
        /// The messages of a consultation.
        Messages = "messages",
        /// An offer, with the complaint.
        Offer = "offer",
        /// A prescription, with the findings about the worker.
        Prescription = "prescription",
        /// What the safety rules find for the worker.
        SafetyCheck = "safety_check",
        /// Whether the worker may work at height.
        Fitness = "fitness",
        /// That the worker has, or may have, a pack of a recalled lot.
        Recall = "recall",
        /// A stream of events that name workers.
        Events = "events",
    }
}

events! {
    /// Somebody else was shown a part of a worker's record.
    pub enum RecordEvent, kinds RecordEventKind {
        /// In the stream of the worker; of a stream of events, in that of its reader.
        Read = "record.read" to() {
            #[serde(alias = "part")]
            what: Part,
            /// The consultation, prescription, ... that was shown.
            #[serde(alias = "consultation", skip_serializing_if = "Option::is_none")]
            id: Option<AnyId>,
        },
    }
}
