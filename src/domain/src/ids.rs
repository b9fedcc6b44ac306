//! One id type per entity over UUID v7: the compiler refuses a worker's id where a station's is
//! expected, and a bare `Uuid` never appears in a signature.

use std::{fmt, hash, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};
use uuid::Uuid;

/// The id of an entity of kind `K`. Sorts by the time it was made.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Id<K: 'static>(Uuid, #[serde(skip)] PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// A new id. UUID v7 contains the millisecond of its creation; no rule depends on it.
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// The id for a stored or received UUID.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The plain UUID, for storage and for the wire.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> hash::Hash for Id<K> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<K> FromStr for Id<K> {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::from_str(text).map(Self::from_uuid)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $alias:ident),+ $(,)?) => {
        /// Marker types that distinguish the ids; they have no values.
        pub mod kind { $( $(#[$doc])* #[derive(Debug)] pub enum $kind {} )+ }
        $( $(#[$doc])* pub type $alias = Id<kind::$kind>; )+
    };
}

kinds! {
    /// A person who seeks care.
    Worker => WorkerId,
    /// A place with a screen and measuring devices.
    Station => StationId,
    /// The dispensing machine at a station.
    Cabinet => CabinetId,
    /// An enrolled key of a station or a cabinet.
    Device => DeviceId,
    /// A partner institution.
    Hospital => HospitalId,
    /// A company whose employees are workers of the network.
    Employer => EmployerId,
    /// A doctor, pharmacist, operator, restocker or safety officer.
    Staff => StaffId,
    /// A signed-in span of one member of staff.
    Session => SessionId,
    /// A span in which a doctor or pharmacist is on call.
    Shift => ShiftId,
    /// What repeats: shifts of one person that follow one rule.
    ShiftRule => ShiftRuleId,
    /// A span in which a member of staff takes no shifts.
    Leave => LeaveId,
    /// A span without doctors that somebody was told of.
    CoverageGap => CoverageGapId,
    /// A worker known to one station screen for a short time.
    CheckIn => CheckInId,
    /// One measured vital.
    Reading => ReadingId,
    /// One request for care.
    Consultation => ConsultationId,
    /// One consultation put to one doctor.
    Offer => OfferId,
    /// One consultation handed on by its doctor.
    ConsultationTransfer => ConsultationTransferId,
    /// One chat message in a consultation.
    Message => MessageId,
    /// An edition of the safety rules.
    RuleEdition => RuleEditionId,
    /// An edition of the selection of a formulary.
    FormularyEdition => FormularyEditionId,
    /// A signed order for drugs.
    Prescription => PrescriptionId,
    /// A key with which one doctor signs.
    DoctorKey => DoctorKeyId,
    /// What is paid for.
    Order => OrderId,
    /// One physical pack of an order.
    OrderUnit => OrderUnitId,
    /// One authorised try to vend one order unit.
    Attempt => AttemptId,
    /// Something at a cabinet that a person must look at.
    Incident => IncidentId,
    /// An emergency at a station that an operator must handle.
    Alert => AlertId,
    /// A department whose queue is in trouble.
    QueueAlert => QueueAlertId,
    /// The pharmacists' queue in trouble.
    ReviewAlert => ReviewAlertId,
    /// What a pharmacist asks the doctor of a prescription.
    ReviewQuestion => ReviewQuestionId,
    /// A ledger account.
    Account => AccountId,
    /// A balanced set of postings.
    Transfer => TransferId,
    /// A letter waiting to be sent.
    Letter => LetterId,
    /// A phone or document by which a worker is identified.
    Identity => IdentityId,
    /// A code sent to a phone.
    PhoneCode => PhoneCodeId,
    /// A text message waiting to be sent.
    TextMessage => TextMessageId,
    /// One worker's record merged into another's.
    Merge => MergeId,
    /// A change of a worker that a second operator decides on.
    WorkerChange => WorkerChangeId,
    /// One consent, for one purpose.
    Consent => ConsentId,
}

impl<K> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).into()
    }
}
impl<K> ToSchema for Id<K> {}
