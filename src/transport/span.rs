//! What a request leaves in the logs: its method, the pattern of its route, the
//! status and an id. Never the address as sent, a header or the text of an
//! error: they may hold phones, card numbers, PINs and tokens.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tracing::{Span, field};
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// Makes the span that surrounds a request.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let span = tracing::info_span!(
            "request",
            method = request.method().as_str(),
            route = request.match_pattern().as_deref().unwrap_or("none"),
            status = field::Empty,
            request_id = field::Empty,
        );
        if let Some(id) = request.extensions().get::<RequestId>() {
            span.record("request_id", field::display(id));
        }
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
    }
}
