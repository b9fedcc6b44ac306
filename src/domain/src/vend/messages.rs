//! The messages between cabinet and server, in full. Unknown fields are refused on both sides: a
//! field that one side does not understand may be the one that matters.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    identity::{BootId, Epoch},
    journal::{JournalEntry, JournalHead},
};
use crate::{ids::AttemptId, spelling, stock::SlotNo, time::Timestamp};

/// What the cabinet believes one slot to contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotReport {
    pub slot: SlotNo,
    /// The scanned product; `None` when empty.
    #[schema(max_length = 200, format = "scanned")]
    pub product_code: Option<String>,
    /// The scanned lot.
    #[schema(max_length = 200, format = "scanned")]
    pub lot_no: Option<String>,
    /// The lot's last day.
    pub expires_on: Option<NaiveDate>,
    /// The cabinet's count.
    #[schema(value_type = i64, minimum = 0, maximum = 4_294_967_295_i64)]
    pub count: u32,
}

/// What runs in the cabinet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// The version of the firmware.
    #[schema(value_type = spelling::Designation)]
    pub firmware: String,
    /// The version of this protocol that it speaks.
    pub protocol: u32,
}

/// `POST /cabinet/v1/hello`: the first message of a boot, and after every reconnect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HelloRequest {
    /// The epoch it was enrolled in.
    pub epoch: Epoch,
    /// This boot.
    pub boot_id: BootId,
    /// Milliseconds since it began.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    pub mono_ms: i64,
    /// The cabinet's wall clock, for people.
    #[schema(value_type = chrono::DateTime<chrono::Utc>)]
    pub wall: Timestamp,
    /// The end of its journal.
    pub journal: JournalHead,
    /// Attempts with an intent and no outcome.
    #[schema(max_items = 1000)]
    pub open_intents: Vec<AttemptId>,
    /// A door is open, or was shut without a full count.
    pub door_open: bool,
    /// The tamper switch is set.
    pub tampered: bool,
    /// What each slot holds.
    #[schema(max_items = 1000)]
    pub slots: Vec<SlotReport>,
    /// What runs in it.
    pub versions: Versions,
}

/// The server's answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HelloAnswer {
    /// The server's clock, for people.
    #[schema(value_type = chrono::DateTime<chrono::Utc>)]
    pub server_time: Timestamp,
    /// The journal has arrived up to here.
    pub acked_seq: i64,
    /// Report the journal before anything else: an attempt here is unresolved, the
    /// journals differ, or the slots do.
    pub must_reconcile: bool,
}

/// `GET /cabinet/v1/work`: where to go on, and how long to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkQuery {
    /// The last answer's cursor; 0 at first.
    #[serde(default)]
    #[param(minimum = 0, maximum = 9007199254740991_i64, default = 0)]
    pub cursor: i64,
    /// Seconds to wait for something to do.
    #[serde(default)]
    #[param(schema_with = spelling::wait_seconds)]
    pub wait: u32,
}

/// One message for a cabinet. Delivery does not change any state and may happen twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum WorkItem {
    /// May be asked for at START.
    Vend {
        /// Of which attempt.
        attempt: AttemptId,
        /// The vend authorization, a compact JWS.
        authorization: String,
    },
    /// Withdrawn.
    Void { attempt: AttemptId },
    /// No pack of this lot may move.
    Recall { product_code: String, lot_no: String },
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkAnswer {
    /// To be sent with the next call.
    pub cursor: i64,
    /// In the order in which they arose.
    pub items: Vec<WorkItem>,
}

/// `POST /cabinet/v1/attempts/{id}/start`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// The boot that asks; the GRANT is bound to it.
    pub boot_id: BootId,
    /// What the worker typed at the hatch.
    #[schema(value_type = spelling::PickupCode)]
    pub pickup_code: String,
}

// The code releases a drug: it must not appear in logs.
impl std::fmt::Debug for StartRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartRequest").field("boot_id", &self.boot_id).finish_non_exhaustive()
    }
}

/// GRANT: the motor may run once, in this boot, in this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The boot that asked.
    pub boot_id: BootId,
    /// Milliseconds since the asking, on the cabinet's monotonic clock.
    pub ttl_ms: u32,
}

/// `POST /cabinet/v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsRequest {
    /// The epoch of this journal; an old epoch's late journal still counts.
    pub epoch: Epoch,
    /// In seq order, at most `journal::BATCH_MAX`.
    #[schema(max_items = 200)]
    pub entries: Vec<JournalEntry>,
}

/// What has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsAnswer {
    /// The journal has arrived up to here.
    pub acked_seq: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused_and_the_pickup_code_is_not_printed() {
        let boot = "ab".repeat(16);
        let good = format!(r#"{{"boot_id":"{boot}","pickup_code":"483920"}}"#);
        let request: StartRequest = serde_json::from_str(&good).unwrap();
        assert!(!format!("{request:?}").contains("483920"));
        let bad = good.replace('}', r#","force":true}"#);
        assert!(serde_json::from_str::<StartRequest>(&bad).is_err());
        let void = r#"{"kind":"void","attempt":"01920000-0000-7000-8000-000000000001"}"#;
        assert!(serde_json::from_str::<WorkItem>(void).is_ok());
        assert!(serde_json::from_str::<WorkItem>(&void.replace('}', r#","x":1}"#)).is_err());
    }
}
