//! The middleware of every request: request id, tracing span, one log line at the end, metrics,
//! and the headers of every answer. One middleware for all of these, because each layer costs
//! memory in every waiting long poll. A log line contains the method, the route pattern, the
//! status and the request id. It never contains the URL as sent, a header or the text of a
//! refusal: these may contain phone numbers, card numbers, PINs and tokens. A fault is logged here,
//! with its causes: here its route is known.

use std::{borrow::Cow, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use tracing::{Instrument, Span};

use super::{
    pages::headers,
    problem::{Problem, log_fault},
    process::Process,
    routes::Pattern,
    unread,
};
use service::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Routes that are called so often that a successful answer is logged only at debug level.
const QUIET: &[&str] = &["/healthz", "/readyz", "/cabinet/v1/work"];

/// The id of one request, in the answer and in all its log lines.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id that the caller or a proxy gave the request; otherwise a new one.
    /// Accepts only 32 hexadecimal digits, with or without the dashes of a UUID:
    /// anything else might be a phone number.
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given = text(REQUEST_ID.as_str()).filter(|id| is_id(id));
        let traced = || text("traceparent").and_then(trace_id);
        match given.or_else(traced) {
            Some(id) => Self(id.to_ascii_lowercase()),
            None => Self(uuid::Uuid::new_v4().simple().to_string()),
        }
    }

    /// The id of `request`; empty if this middleware did not handle it.
    pub(crate) fn in_request(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && uuid::Uuid::try_parse(text).is_ok_and(|id| !id.is_nil())
}

/// The trace id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace_id(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    (version.len() == 2 && trace.len() == 32 && parts.count() >= 2 && is_id(trace)).then_some(trace)
}

/// The method for logs and metrics; an unknown one is "other", since its text is the caller's.
fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The pattern of the route that matched `request`. Routes attach it as app data; matching
/// again, as for the documentation's files, costs as much as the routing itself.
fn route_of(request: &HttpRequest) -> Cow<'static, str> {
    match request.app_data::<Pattern>() {
        Some(pattern) => Cow::Borrowed(pattern.0),
        None => request.match_pattern().map_or(Cow::Borrowed("none"), Cow::Owned),
    }
}

/// Handles one request: see the module.
///
/// # Errors
/// Those of the inner service.
pub async fn wrap_request(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let body = unread::share_payload(&mut request);
    let id = RequestId::of(request.headers());
    let method = method_of(request.method());
    let span = tracing::info_span!("request", method, route = tracing::field::Empty, request_id = %id.0);
    request.extensions_mut().insert(id);
    let outcome = next.call(request).instrument(span.clone()).await;
    let took = began.elapsed().as_secs_f64();
    span.in_scope(|| log_answer(&span, &outcome, took));
    let mut response = outcome?;
    finish(&mut response, method, took);
    Ok(unread::attach_payload(body, response))
}

/// The problem that a request was answered with.
fn problem_in<B>(outcome: &Result<ServiceResponse<B>, Error>) -> Option<&Problem> {
    match outcome {
        Ok(response) => response.response().error(),
        Err(error) => Some(error),
    }?
    .as_error()
}

/// Writes the log lines of a finished request.
fn log_answer<B>(span: &Span, outcome: &Result<ServiceResponse<B>, Error>, took: f64) {
    let (route, status) = match outcome {
        Ok(response) => (route_of(response.request()), response.status()),
        Err(error) => (Cow::Borrowed("none"), error.as_response_error().status_code()),
    };
    span.record("route", &*route);
    if let Some(fault) = problem_in(outcome).and_then(Problem::fault) {
        log_fault(fault);
    }
    let (status, duration_ms) = (status.as_u16(), (took * 1e6).round() / 1e3);
    if status < 400 && QUIET.contains(&&*route) {
        tracing::debug!(status, duration_ms, "answered");
    } else {
        tracing::info!(status, duration_ms, "answered");
    }
}

/// Counts an answer in the metrics, and adds the headers that every answer has.
fn finish<B>(response: &mut ServiceResponse<B>, method: &'static str, took: f64) {
    let request = response.request().clone();
    let app = request.app_data::<Data<Arc<AppState>>>();
    if let Some(app) = app {
        app.metrics.request(method, &route_of(&request), response.status().as_str(), took);
    }
    let headers = response.headers_mut();
    headers::secure(headers::policy(request.path()), headers);
    if let Ok(id) = HeaderValue::from_str(&RequestId::in_request(&request)) {
        headers.insert(REQUEST_ID, id);
    }
    let process = request.app_data::<Data<Process>>();
    if process.is_some_and(|process| process.is_draining()) {
        // So that the caller's next request opens a connection to another instance.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(name: &'static str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        RequestId::of(&headers).0
    }

    #[test]
    fn only_valid_ids_are_accepted() {
        let hex = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(id_for("x-request-id", hex), hex);
        assert_eq!(id_for("x-request-id", &hex.to_uppercase()), hex);
        let uuid = "0af76519-16cd-43dd-8448-eb211c80319c";
        assert_eq!(id_for("x-request-id", uuid), uuid);
        assert_eq!(id_for("traceparent", &format!("00-{hex}-b7ad6b7169203331-01")), hex);
        let zeros = "0".repeat(32);
        for wrong in ["15498765431", "", "{0af76519-16cd-43dd-8448-eb211c80319c}", &zeros, &"g".repeat(32)] {
            let generated = id_for("x-request-id", wrong);
            assert!(generated != wrong && is_id(&generated), "{wrong} became {generated}");
        }
        for wrong in [format!("00-{zeros}-b7ad6b7169203331-01"), format!("00-{hex}"), hex.to_owned()] {
            assert_ne!(id_for("traceparent", &wrong), hex);
        }
    }
}
