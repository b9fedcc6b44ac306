//! What happens around a consultation without changing its state.

use chrono::{DateTime, Utc};

use super::events;
use crate::{
    ids::{CheckInId, ConsultationId, MessageId, StaffId, StationId, WorkerId},
    matching::{Department, QueueTrouble},
    review::ReviewTrouble,
    staff::role::Role,
    vitals::ReadingKind,
};

events! {
    /// What a worker stated or measured during a check-in.
    pub enum CheckInFact, kinds CheckInFactKind {
        ReadingsRecorded = "readings.recorded" to(worker, staff) { check_in: CheckInId, kinds: Vec<ReadingKind> },
        SymptomsRecorded = "symptoms.recorded" to(worker, staff) {
            /// Of the whole check-in.
            count: usize,
        },
    }
}

events! {
    /// What happens in a consultation without changing its state.
    pub enum ConsultationNote, kinds ConsultationNoteKind {
        /// One party wrote to the other.
        Message = "consultation.message" to(worker, staff) { message: MessageId, sender: Role },
        /// It is an emergency now.
        RedFlag = "consultation.red_flag" to(staff) { consultation: ConsultationId, station: StationId },
        /// The worker left while an emergency waited for a doctor.
        EmergencyLeft = "consultation.emergency_left" to() { station: StationId, check_in: CheckInId },
        /// Nothing happens at the screen while an emergency waits for a doctor.
        EmergencySilent = "consultation.emergency_silent" to() { station: StationId, since: DateTime<Utc> },
    }
}

events! {
    /// An emergency at a station that an operator must handle.
    pub enum AlertEvent, kinds AlertEventKind {
        Raised = "alert.raised" to(worker, staff) {
            station: StationId,
            check_in: CheckInId,
            consultation: Option<ConsultationId>,
        },
        Closed = "alert.closed" to() { by: StaffId },
    }
}

events! {
    /// A department whose queue is in trouble; its stream has the id of the alert.
    pub enum QueueAlertEvent, kinds QueueAlertEventKind {
        Raised = "queue_alert.raised" to() {
            department: Department,
            trouble: QueueTrouble,
            waiting: i64,
            oldest_since: DateTime<Utc>,
        },
        /// The trouble is over.
        Ended = "queue_alert.ended" to() { department: Department },
    }
}

events! {
    /// The pharmacists' queue in trouble; its stream has the id of the alert, like that of a department.
    pub enum ReviewAlertEvent, kinds ReviewAlertEventKind {
        Raised = "review_alert.raised" to() {
            trouble: ReviewTrouble,
            waiting: i64,
            oldest_since: DateTime<Utc>,
            /// When the next pharmacist comes on shift; for nobody on shift.
            on_shift_from: Option<DateTime<Utc>>,
        },
        /// The trouble is over.
        Ended = "review_alert.ended" to() {},
    }
}

events! {
    /// A change of a worker's health profile; its stream has the worker's id.
    pub enum HealthProfileEvent, kinds HealthProfileEventKind {
        Updated = "profile.updated" to(worker, staff) {
            version: i64,
            /// The record whose profile was merged into this one, or taken out again.
            #[serde(skip_serializing_if = "Option::is_none")]
            merged_from: Option<WorkerId>,
        },
    }
}
