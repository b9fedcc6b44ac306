//! What the server answered, and the checks of it. A check that fails prints the
//! whole body.

use reqwest::{Response, StatusCode, header::HeaderMap};
use serde_json::Value;

pub use domain::refusal::Code;

/// A status with its JSON body; a body that is not JSON is a JSON string.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
    pub headers: HeaderMap,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, body, headers }
    }

    /// The body of a 200.
    #[track_caller]
    pub fn expect_ok(self) -> Value {
        self.expect(200)
    }

    /// The body of a 201.
    #[track_caller]
    pub fn expect_created(self) -> Value {
        self.expect(201)
    }

    /// The problem document of a refusal with this code and the status of it.
    #[track_caller]
    pub fn expect_refused(self, code: Code) -> Value {
        self.problem(status_of(code), code.as_str())
    }

    /// The body, if the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// The problem document with this status and code. It comes without its
    /// `request_id`, which is checked here: no two requests have the same one, and
    /// tests compare problems.
    #[track_caller]
    pub fn problem(mut self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["code"], code, "{}", self.body);
        let id = self.body.as_object_mut().and_then(|body| body.remove("request_id"));
        assert_eq!(id.as_ref().and_then(Value::as_str), self.headers["x-request-id"].to_str().ok());
        self.body
    }
}

/// The documented status of a code, written down once more, so that no code changes
/// its status unseen.
fn status_of(code: Code) -> u16 {
    match code {
        Code::MalformedBody
        | Code::InvalidParameter
        | Code::IdempotencyKeyMissing
        | Code::IdempotencyKeyInvalid
        | Code::PreconditionInvalid => 400,
        Code::Unauthenticated
        | Code::TokenInvalid
        | Code::TokenExpired
        | Code::SessionEnded
        | Code::CheckInEnded
        | Code::CredentialsWrong
        | Code::TotpUsed
        | Code::PinWrong
        | Code::CardStopped
        | Code::RefreshReused
        | Code::DeviceRevoked
        | Code::SignatureInvalid
        | Code::EnrolmentCodeInvalid
        | Code::LinkInvalid
        | Code::EpochRevoked => 401,
        Code::ApprovalNeeded
        | Code::OwnApproval
        | Code::RoleNotAllowed
        | Code::SigningWindowClosed
        | Code::SigningPinWrong
        | Code::ReauthenticationNeeded
        | Code::OwnReview => 403,
        Code::RouteNotFound | Code::NotFound => 404,
        Code::MethodNotAllowed => 405,
        Code::RequestTimeout => 408,
        Code::StateMovedOn
        | Code::AlreadyExists
        | Code::ConsultationLive
        | Code::OfferNotYours
        | Code::DoctorAtCapacity
        | Code::DoctorUnavailable
        | Code::WorkerAbsent
        | Code::PrescriptionOpen
        | Code::PrescriptionSignatureInvalid
        | Code::ReviewClaimed
        | Code::QuestionOpen
        | Code::OutOfStock
        | Code::UnitsExceeded
        | Code::UnpaidOrdersExceeded
        | Code::AttemptVoid
        | Code::AttemptInDoubt
        | Code::AttemptClosed
        | Code::DoorOpen
        | Code::CabinetTampered
        | Code::CabinetNotReconciled
        | Code::CabinetClosed
        | Code::CabinetNotRebooted
        | Code::BootUnknown
        | Code::JournalGap => 409,
        Code::PreconditionFailed => 412,
        Code::BodyTooLarge => 413,
        Code::UnsupportedMediaType => 415,
        Code::InvalidField
        | Code::IdempotencyKeyReused
        | Code::PhoneCodeWrong
        | Code::PhoneCodeGone
        | Code::PhoneCodesOff
        | Code::ConsentMissing
        | Code::LaneNotPermitted
        | Code::LaneNoPrescription
        | Code::DoctorNotEligible
        | Code::NotOnShift
        | Code::SafetyBlocked
        | Code::SafetyWarningsUnanswered
        | Code::SafetyUnknown
        | Code::SafetyWarningsUnaccepted
        | Code::SafetyRecheckNeeded
        | Code::HealthQuestionsUnanswered
        | Code::PrescribingRule
        | Code::PrescriptionExpired
        | Code::SigningRefused
        | Code::LaneNotVendable
        | Code::BalanceTooLow
        | Code::PickupCodeWrong
        | Code::LotNotAllowed
        | Code::NotInFormulary => 422,
        Code::PreconditionMissing => 428,
        Code::PinLocked | Code::TooManyRequests | Code::PickupCodeLocked => 429,
        Code::Internal => 500,
        Code::SigningUnavailable | Code::Overloaded => 503,
    }
}
