//! RFC 9457 problems. The codes and messages are defined in `domain`; this module maps each kind
//! of refusal to an HTTP status. Internal error texts are never sent to callers.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{negotiation::preferred, span::RequestId};
use base::telemetry::Chain;
use domain::{
    refusal::{Code, Refusal, RefusalKind},
    words::Language,
};
use service::Failure;
use storage::StoreError;

/// `Retry-After` in seconds when a row lock could not be obtained in time. Our default.
const BUSY_RETRY_S: u32 = 3;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// A message for people, in the caller's language.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    #[schema(value_type = ProblemCode)]
    pub code: String,
    /// The id of the request, as in the logs and in `X-Request-Id`.
    pub request_id: String,
    /// One entry per bad field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
    /// The current state, if it has changed in the meantime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Findings, allowed values and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// All codes of problems; only for the OpenAPI document.
#[derive(Debug)]
pub(crate) enum ProblemCode {}

/// One bad field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemField {
    /// The field, as a path.
    pub field: String,
    /// A stable code for what is wrong.
    pub code: String,
    /// What is wrong and what is allowed, in the caller's language.
    pub message: String,
}

/// An error response, with the language for its messages.
#[derive(Debug)]
pub struct Problem {
    refusal: Box<Refusal>,
    language: Language,
    request_id: String,
    /// Why the server failed; for its log only.
    fault: Option<Box<Failure>>,
}

impl Problem {
    /// Converts `failure`, with messages in the language that `request` asks for. The caller learns
    /// of a fault only that it is one; [`Self::fault`] keeps it for the log.
    pub fn new(request: &HttpRequest, failure: impl Into<Failure>) -> Self {
        let (refusal, fault) = match failure.into() {
            Failure::Refused(refusal) => (*refusal, None),
            fault => {
                let (code, retry_after) = answer_to(&fault);
                (Refusal::new(code).retry_after(retry_after), Some(Box::new(fault)))
            }
        };
        let refusal = match refusal.code {
            // Every 503 has a `Retry-After`.
            Code::Overloaded if refusal.retry_after_s.is_none() => refusal.retry_after(1),
            _ => refusal,
        };
        let (language, request_id) = (language_of(request), RequestId::in_request(request));
        Self { refusal: Box::new(refusal), language, request_id, fault }
    }

    /// Why the server failed, if it did.
    pub(crate) fn fault(&self) -> Option<&Failure> {
        self.fault.as_deref()
    }
}

/// What a caller learns of a fault: the code, and when to try again, in seconds.
fn answer_to(fault: &Failure) -> (Code, u32) {
    match fault {
        Failure::Store(StoreError::Busy(_)) => (Code::Overloaded, BUSY_RETRY_S),
        Failure::Store(error) if error.is_unreachable() => (Code::Overloaded, 1),
        Failure::Store(_) | Failure::Fault { .. } | Failure::Incomplete(_) | Failure::Refused(_) => {
            (Code::Internal, 1)
        }
    }
}

/// Writes a fault and all its causes to the log, in the span of its request. Called once, where
/// nothing is further out.
pub(crate) fn log_fault(fault: &Failure) {
    let error = Chain(fault);
    match fault {
        Failure::Refused(_) => {}
        Failure::Store(StoreError::Overloaded | StoreError::Busy(_)) => tracing::warn!(%error, "overloaded"),
        Failure::Store(_) | Failure::Fault { .. } | Failure::Incomplete(_) => {
            tracing::error!(%error, "fault")
        }
    }
}

/// English if the caller prefers it, otherwise Chinese, the network's language.
pub(crate) fn language_of(request: &HttpRequest) -> Language {
    let known = |tag: &str| match tag.split('-').next() {
        Some(tag) if tag.eq_ignore_ascii_case("en") => Some(Language::English),
        Some(tag) if tag.eq_ignore_ascii_case("zh") => Some(Language::Chinese),
        _ => None,
    };
    preferred(request, header::ACCEPT_LANGUAGE, known).unwrap_or(Language::Chinese)
}

/// The URI reference that names a kind of problem; `pages::problems` serves it.
pub(crate) fn type_of(code: Code) -> String {
    format!("/problems/{}", code.as_str())
}

/// The HTTP status of each kind of refusal.
pub fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Stale => StatusCode::PRECONDITION_FAILED,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Rule => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The HTTP status of a code.
pub(crate) fn status_of_code(code: Code) -> StatusCode {
    match code {
        // A fault of the server, not a temporary overload.
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::PreconditionMissing => StatusCode::PRECONDITION_REQUIRED,
        code => status_of(code.kind()),
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.refusal.fmt(f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        status_of_code(self.refusal.code)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let refusal = &self.refusal;
        let body = ProblemBody {
            type_uri: type_of(refusal.code),
            title: refusal.code.title().in_language(self.language).to_owned(),
            status: status.as_u16(),
            code: refusal.code.as_str().to_owned(),
            request_id: self.request_id.clone(),
            errors: refusal
                .fields
                .iter()
                .map(|bad| ProblemField {
                    field: bad.field.clone(),
                    code: bad.code.clone(),
                    message: bad.message.in_language(self.language).to_owned(),
                })
                .collect(),
            state: refusal.state.clone(),
            data: refusal.data.clone(),
        };
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        response.insert_header((header::CONTENT_LANGUAGE, self.language.as_str()));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = refusal.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if matches!(refusal.code, Code::RequestTimeout | Code::BodyTooLarge) {
            // Do not wait for the rest of the body.
            response.force_close();
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(body)
    }
}
