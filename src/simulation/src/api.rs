//! What the simulation reads of the house's answers. Fields that it does not
//! need are left out; the house may add more at any time.

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

/// Declares an answer: a struct that is read from JSON.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[allow(missing_docs)]
        pub struct $name { $($(#[$attribute])* pub $field: $type),+ }
    )+};
}

answers! {
    /// A signed-in member of staff's tokens.
    StaffToken { access_token: String, expires_in: i64, refresh_token: String }
    /// A device's token.
    DeviceToken { access_token: String, expires_in: i64, cabinet_id: Option<CabinetId>, station_id: StationId }
    /// A worker's token.
    WorkerToken { access_token: String, expires_in: i64 }
    /// An open signing window.
    SigningWindow { signing_until: Timestamp }
    /// A check-in.
    CheckIn { id: CheckInId, worker_id: WorkerId, station_id: StationId, ended_at: Option<Timestamp> }
    /// A check-in that has just begun.
    CheckInOpened { check_in: CheckIn, access_token: String, expires_in: i64 }
    /// A reading as kept.
    ReadingView { kind: String, value: Option<i64>, display: String }
    /// What the readings come to.
    ReadingsTaken { readings: Vec<ReadingView>, triage: Value }
    /// The doctor of a consultation.
    DoctorView { id: StaffId }
    /// A consultation.
    ConsultationView {
        id: ConsultationId,
        state: ConsultationState,
        complaint: String,
        #[serde(default)] doctor: Option<DoctorView>,
        #[serde(default)] rating: Option<i64>,
    }
    /// A line of talk.
    MessageView { id: MessageId, sender_role: String, text: String }
    /// A consultation put to a doctor.
    OfferView {
        id: OfferId,
        consultation_id: ConsultationId,
        fence: i64,
        department: Option<Department>,
        complaint: String,
    }
    /// A doctor's duty.
    DutyView { presence: Presence, on_shift_until: Option<Timestamp>, live: i64, capacity: i64 }
    /// A drug.
    ProductView { code: String, price_fen: Fen, units_per_pack: i64, prescribable: bool }
    /// A line of a prescription.
    LineView {
        product_code: String,
        dose_units_thousandths: i64,
        times_per_day: i64,
        days: i64,
        packs: i64,
    }
    /// A prescription.
    PrescriptionView {
        id: PrescriptionId,
        consultation_id: ConsultationId,
        state: String,
        lines: Vec<LineView>,
        #[serde(default)] signed_at: Option<Timestamp>,
        #[serde(default)] proposed_valid_days: Option<u32>,
        #[serde(default)] safety: Value,
    }
    /// The attempt of a pack.
    AttemptView { id: AttemptId, state: AttemptState }
    /// A pack.
    UnitView {
        id: OrderUnitId,
        product_code: String,
        price_fen: Fen,
        state: UnitState,
        attempt: Option<AttemptView>,
    }
    /// An order.
    OrderView {
        id: OrderId,
        state: OrderState,
        total_fen: Fen,
        units: Vec<UnitView>,
        #[serde(default)] pickup_code: Option<String>,
    }
    /// A worker's subsidy.
    AccountView { balance_fen: Fen }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
}

/// A line of a prescription, as a doctor writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineInput {
    /// The drug.
    pub product_code: &'static str,
    /// One dose, in thousandths of a tablet, sachet, drop or gram.
    pub dose_units_thousandths: u32,
    /// Doses a day.
    pub times_per_day: u32,
    /// For how many days.
    pub days: u32,
}
