//! The responses that the simulation reads. Fields that it does not need are left
//! out; the server may add more at any time.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use domain::{
    consultation::ConsultationState,
    ids::{
        AttemptId, CabinetId, CheckInId, ConsultationId, MessageId, OfferId, OrderId, OrderUnitId,
        PrescriptionId, StaffId, StationId, WorkerId,
    },
    matching::{Department, presence::Presence},
    money::Fen,
    order::{OrderState, UnitState},
    time::Timestamp,
    vend::AttemptState,
};

/// Declares response structs that are read from JSON.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        pub struct $name { $($(#[$attribute])* pub $field: $type),+ }
    )+};
}

answers! {
    /// The tokens of a member of staff.
    StaffToken { access_token: String, expires_in: i64, refresh_token: String }
    DeviceToken { access_token: String, expires_in: i64, cabinet_id: Option<CabinetId>, station_id: StationId }
    WorkerToken { access_token: String, expires_in: i64 }
    SigningWindow { signing_until: Timestamp }
    CheckIn { id: CheckInId, worker_id: WorkerId, station_id: StationId, ended_at: Option<Timestamp> }
    /// A check-in that has just begun.
    CheckInOpened { check_in: CheckIn, access_token: String, expires_in: i64 }
    /// A reading as stored.
    ReadingView { kind: String, value: Option<i64>, display: String }
    /// The stored readings and their triage.
    ReadingsTaken { readings: Vec<ReadingView>, triage: Value }
    DoctorView { id: StaffId }
    ConsultationView {
        id: ConsultationId,
        state: ConsultationState,
        complaint: String,
        requested_at: Timestamp,
        #[serde(default)] doctor: Option<DoctorView>,
        #[serde(default)] rating: Option<i64>,
    }
    /// A chat message.
    MessageView { id: MessageId, sender_role: String, text: String }
    OfferView {
        id: OfferId,
        consultation_id: ConsultationId,
        fence: i64,
        department: Option<Department>,
        complaint: String,
    }
    DutyView { presence: Presence, on_shift_until: Option<Timestamp>, live: i64, capacity: i64 }
    ProductView { code: String, price_fen: Fen, units_per_pack: i64, prescribable: bool }
    LineView {
        product_code: String,
        dose_units_thousandths: i64,
        times_per_day: i64,
        days: i64,
        packs: i64,
    }
    PrescriptionView {
        id: PrescriptionId,
        consultation_id: ConsultationId,
        state: String,
        lines: Vec<LineView>,
        #[serde(default)] signed_at: Option<Timestamp>,
        #[serde(default)] proposed_valid_days: Option<u32>,
        #[serde(default)] safety: Value,
    }
    /// The attempt to vend a pack.
    AttemptView { id: AttemptId, state: AttemptState }
    /// An order unit.
    UnitView {
        id: OrderUnitId,
        product_code: String,
        price_fen: Fen,
        state: UnitState,
        attempt: Option<AttemptView>,
    }
    OrderView {
        id: OrderId,
        state: OrderState,
        total_fen: Fen,
        units: Vec<UnitView>,
        #[serde(default)] pickup_code: Option<String>,
    }
    /// A worker's subsidy account.
    AccountView { balance_fen: Fen }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
}

/// A line of a prescription, as a doctor writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineInput {
    pub product_code: &'static str,
    /// One dose, in thousandths of a tablet, sachet, drop or gram.
    pub dose_units_thousandths: u32,
    pub times_per_day: u32,
    pub days: u32,
}
