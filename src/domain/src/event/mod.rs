//! The event log: every kind of event, with its stream, its payload, and who hears of it. A payload
//! contains ids, codes, times and digests only, never personal data, so that the log can be stored
//! and chained while people's data is deleted.
//!
//! The events of a state machine are next to the machine; all others are in this folder. A kind is
//! spelt once, where it is declared. The kinds and the members of the payloads are stored: a member
//! that was added later has a default.

pub mod cabinet;
pub mod care;
pub mod letter;
pub mod network;
pub mod record;
pub mod staff;
pub mod worker;

#[cfg(test)]
mod samples_tests;

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{OneOf, RefOr, Schema},
};

use crate::{
    check_in::CheckInEvent,
    consultation::ConsultationEvent,
    ids::Id,
    ledger::TransferEvent,
    order::OrderEvent,
    prescription::Event as PrescriptionEvent,
    vend::{AttemptEvent, event::AttemptNote},
};
use cabinet::{CabinetEvent, IncidentEvent, LotEvent};
use care::{
    AlertEvent, CheckInFact, ConsultationNote, HealthProfileEvent, QueueAlertEvent, ReviewAlertEvent,
};
use letter::{LetterEvent, TextMessageEvent};
use network::{
    DepartmentEvent, DeviceEvent, EmployerEvent, FormularyEditionEvent, HospitalEvent, ImportEvent, KeyEvent,
    RuleEditionEvent, StationEvent,
};
use record::{Part, RecordEvent};
use staff::{SessionEvent, SignInEvent, StaffEvent};
use worker::{PhoneCodeEvent, WorkerChangeEvent, WorkerEvent};

/// Marker for the id of any entity or actor.
#[derive(Debug)]
pub enum Any {}
/// An id whose kind is in another column of the same row.
pub type AnyId = Id<Any>;

/// Who hears of an event, besides the operators, who hear of all: who is woken, and who may see it
/// in the stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearers {
    /// The worker whom it concerns.
    pub worker: bool,
    /// The member of staff whom it concerns.
    pub staff: bool,
    /// All pharmacists.
    pub pharmacists: bool,
}

impl Hearers {
    pub const OPERATORS: Self = Self { worker: false, staff: false, pharmacists: false };
}

/// Declares the events of one kind of entity, and the enum of their kinds. Each event has its kind,
/// its hearers, and its payload: `Opened = "x.opened" to(worker, staff) { by: StaffId }`.
macro_rules! events {
    ($(#[$meta:meta])* pub enum $name:ident, kinds $kinds:ident {
        $( $(#[$doc:meta])* $variant:ident = $kind:tt to($($hearer:ident),*) $payload:tt ),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(tag = "kind", content = "payload", deny_unknown_fields)]
        pub enum $name { $( $(#[$doc])* #[serde(rename = $kind)] $variant $payload ),+ }

        $crate::text_enum! {
            #[doc = concat!("The kinds of [`", stringify!($name), "`].")]
            pub enum $kinds { $( $(#[$doc])* $variant = $kind ),+ }
        }

        impl $kinds {
            /// Who hears of events of this kind.
            #[allow(clippy::needless_update, reason = "an event may name all of them")]
            pub const fn hearers(self) -> $crate::event::Hearers {
                match self {
                    $( Self::$variant => $crate::event::Hearers {
                        $( $hearer: true, )*
                        ..$crate::event::Hearers::OPERATORS
                    } ),+
                }
            }
        }

        impl $name {
            /// The kind in the event log.
            pub const fn kind(&self) -> &'static str {
                self.code().as_str()
            }

            /// The kind, as a code.
            pub const fn code(&self) -> $kinds {
                match self { $( Self::$variant { .. } => $kinds::$variant ),+ }
            }

            /// The payload as stored in the event log.
            pub fn payload(&self) -> serde_json::Value {
                let mut whole = serde_json::to_value(self).expect("ids, codes and times are always JSON");
                whole["payload"].take()
            }

            /// Parses an event from the log.
            ///
            /// # Errors
            /// If `kind` is none of these events, or `payload` does not match it.
            pub fn read(kind: &str, payload: serde_json::Value) -> Result<Self, serde_json::Error> {
                serde_json::from_value(serde_json::json!({ "kind": kind, "payload": payload }))
            }
        }
    };
}
pub(crate) use events;

crate::text_enum! {
    /// What kind of entity an event is about; with its id, the stream that the event is in.
    pub enum Stream {
        Alert = "alert",
        Attempt = "attempt",
        Cabinet = "cabinet",
        CheckIn = "check_in",
        Consultation = "consultation",
        Department = "department",
        Device = "device",
        Employer = "employer",
        HealthProfile = "health_profile",
        Hospital = "hospital",
        Import = "import",
        Incident = "incident",
        Key = "key",
        Letter = "letter",
        Lot = "lot",
        Order = "order",
        PhoneCode = "phone_code",
        Prescription = "prescription",
        QueueAlert = "queue_alert",
        Session = "session",
        SignIn = "sign_in",
        Staff = "staff",
        Station = "station",
        TextMessage = "text_message",
        Transfer = "transfer",
        Worker = "worker",
        WorkerChange = "worker_change",
    }
}

/// Declares [`Event`] over the enums of its groups.
macro_rules! groups {
    ($($group:ident($events:ident, $kinds:path)),+ $(,)?) => {
        /// One change, as it is appended to the event log.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event { $( $group($events) ),+ }

        impl Event {
            /// For example `consultation.accepted`.
            pub const fn kind(&self) -> &'static str {
                match self { $( Self::$group(event) => event.kind() ),+ }
            }

            /// Ids, codes, times and digests.
            pub fn payload(&self) -> Value {
                match self { $( Self::$group(event) => event.payload() ),+ }
            }

            /// Who hears of it, besides the operators.
            pub const fn hearers(&self) -> Hearers {
                match self { $( Self::$group(event) => event.code().hearers() ),+ }
            }

            /// Every kind, with those who hear of it.
            pub fn kinds() -> impl Iterator<Item = (&'static str, Hearers)> {
                std::iter::empty()$( .chain(<$kinds>::ALL.iter().map(|kind| (kind.as_str(), kind.hearers()))) )+
            }

            fn read(kind: &str, payload: Value) -> Result<Self, ParseError> {
                $( if <$kinds>::parse(kind).is_some() {
                    return Ok(Self::$group($events::read(kind, payload).map_err(ParseError::Payload)?));
                } )+
                Err(ParseError::Kind(kind.to_owned()))
            }
        }

        /// One variant for each kind: an object with `kind` and `payload`.
        impl PartialSchema for Event {
            fn schema() -> RefOr<Schema> {
                let groups = [$( $events::schema() ),+];
                let variants = groups.into_iter().flat_map(|group| match group {
                    RefOr::T(Schema::OneOf(variants)) => variants.items,
                    one => vec![one],
                });
                RefOr::T(Schema::OneOf(OneOf { items: variants.collect(), ..OneOf::new() }))
            }
        }
        impl ToSchema for Event {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $( <$events as ToSchema>::schemas(schemas); )+
            }
        }

        $( impl From<$events> for Event {
            fn from(event: $events) -> Self {
                Self::$group(event)
            }
        }
        /// Returns an event of another group as it is.
        impl TryFrom<Event> for $events {
            type Error = Event;
            fn try_from(event: Event) -> Result<Self, Event> {
                match event { Event::$group(event) => Ok(event), other => Err(other) }
            }
        } )+
    };
}
groups! {
    Alert(AlertEvent, care::AlertEventKind),
    QueueAlert(QueueAlertEvent, care::QueueAlertEventKind),
    Attempt(AttemptEvent, crate::vend::event::AttemptEventKind),
    AttemptNote(AttemptNote, crate::vend::event::AttemptNoteKind),
    Cabinet(CabinetEvent, cabinet::CabinetEventKind),
    CheckIn(CheckInEvent, crate::check_in::CheckInEventKind),
    CheckInFact(CheckInFact, care::CheckInFactKind),
    Consultation(ConsultationEvent, crate::consultation::ConsultationEventKind),
    ConsultationNote(ConsultationNote, care::ConsultationNoteKind),
    Department(DepartmentEvent, network::DepartmentEventKind),
    Device(DeviceEvent, network::DeviceEventKind),
    Employer(EmployerEvent, network::EmployerEventKind),
    FormularyEdition(FormularyEditionEvent, network::FormularyEditionEventKind),
    HealthProfile(HealthProfileEvent, care::HealthProfileEventKind),
    Hospital(HospitalEvent, network::HospitalEventKind),
    Import(ImportEvent, network::ImportEventKind),
    Incident(IncidentEvent, cabinet::IncidentEventKind),
    Key(KeyEvent, network::KeyEventKind),
    Letter(LetterEvent, letter::LetterEventKind),
    Lot(LotEvent, cabinet::LotEventKind),
    Order(OrderEvent, crate::order::OrderEventKind),
    PhoneCode(PhoneCodeEvent, worker::PhoneCodeEventKind),
    Prescription(PrescriptionEvent, crate::prescription::EventKind),
    Record(RecordEvent, record::RecordEventKind),
    ReviewAlert(ReviewAlertEvent, care::ReviewAlertEventKind),
    RuleEdition(RuleEditionEvent, network::RuleEditionEventKind),
    Session(SessionEvent, staff::SessionEventKind),
    SignIn(SignInEvent, staff::SignInEventKind),
    Staff(StaffEvent, staff::StaffEventKind),
    Station(StationEvent, network::StationEventKind),
    TextMessage(TextMessageEvent, letter::TextMessageEventKind),
    Transfer(TransferEvent, crate::ledger::TransferEventKind),
    Worker(WorkerEvent, worker::WorkerEventKind),
    WorkerChange(WorkerChangeEvent, worker::WorkerChangeEventKind),
}

impl Event {
    pub const fn stream(&self) -> Stream {
        match self {
            Self::Alert(_) => Stream::Alert,
            Self::Attempt(_) | Self::AttemptNote(_) => Stream::Attempt,
            Self::Cabinet(_) => Stream::Cabinet,
            Self::CheckIn(_) | Self::CheckInFact(_) => Stream::CheckIn,
            Self::Consultation(_) | Self::ConsultationNote(_) => Stream::Consultation,
            Self::Department(_) => Stream::Department,
            Self::Device(_) => Stream::Device,
            Self::Employer(_) => Stream::Employer,
            Self::HealthProfile(_) => Stream::HealthProfile,
            Self::Hospital(_) => Stream::Hospital,
            Self::Import(_) | Self::RuleEdition(_) | Self::FormularyEdition(_) => Stream::Import,
            Self::Incident(_) => Stream::Incident,
            Self::Key(_) => Stream::Key,
            Self::Letter(_) => Stream::Letter,
            Self::Lot(_) => Stream::Lot,
            Self::Order(_) => Stream::Order,
            Self::PhoneCode(_) => Stream::PhoneCode,
            Self::Prescription(_) => Stream::Prescription,
            Self::QueueAlert(_) | Self::ReviewAlert(_) => Stream::QueueAlert,
            // Who follows events is shown data of many workers.
            Self::Record(RecordEvent::Read { what: Part::Events, .. }) => Stream::Staff,
            Self::Record(RecordEvent::Read { .. }) => Stream::Worker,
            Self::Session(_) => Stream::Session,
            Self::SignIn(_) => Stream::SignIn,
            Self::Staff(_) => Stream::Staff,
            Self::Station(_) => Stream::Station,
            Self::TextMessage(_) => Stream::TextMessage,
            Self::Transfer(_) => Stream::Transfer,
            Self::Worker(_) => Stream::Worker,
            Self::WorkerChange(_) => Stream::WorkerChange,
        }
    }

    /// Parses a stored event.
    ///
    /// # Errors
    /// If the kind is unknown or belongs to another stream, or the payload does not match it.
    pub fn parse(stream: &str, kind: &str, payload: &str) -> Result<Self, ParseError> {
        let event = Self::read(kind, serde_json::from_str(payload).map_err(ParseError::Payload)?)?;
        if event.stream().as_str() != stream {
            return Err(ParseError::Stream(kind.to_owned(), stream.to_owned()));
        }
        Ok(event)
    }
}

/// Why a stored event cannot be parsed.
#[derive(Debug)]
pub enum ParseError {
    Kind(String),
    /// A kind, and the stream that it does not belong to.
    Stream(String, String),
    Payload(serde_json::Error),
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "an unknown kind of event: {kind}"),
            Self::Stream(kind, stream) => write!(f, "{kind} in the stream of {stream}"),
            Self::Payload(_) => f.write_str("the payload does not match its kind"),
        }
    }
}
impl std::error::Error for ParseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payload(why) => Some(why),
            Self::Kind(_) | Self::Stream(..) => None,
        }
    }
}

/// Whether a member may be left out because it is false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}
