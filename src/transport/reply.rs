//! How answers leave: JSON with the right status, never cached.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::{body::IdempotencyKey, problem::Problem};
use crate::{
    domain::refusal::Code,
    service::{Actor, Failure, House, Once, Tx},
};

/// What every handler returns.
pub type Reply = Result<HttpResponse, Problem>;

// Made once: every answer has them.
static NO_STORE: header::HeaderValue = header::HeaderValue::from_static("no-store");
static JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");

/// 200 with a JSON body.
pub fn json<T: Serialize>(request: &HttpRequest, outcome: Result<T, Failure>) -> Reply {
    with_status(request, StatusCode::OK, outcome)
}

/// A JSON body under `status`.
pub fn with_status<T: Serialize>(
    request: &HttpRequest,
    status: StatusCode,
    outcome: Result<T, Failure>,
) -> Reply {
    match outcome {
        Ok(body) => Ok(HttpResponse::build(status)
            .insert_header((header::CACHE_CONTROL, NO_STORE.clone()))
            .insert_header((header::CONTENT_TYPE, JSON.clone()))
            .json(body)),
        Err(failure) => Err(Problem::new(request, failure)),
    }
}

/// A document that people edit: its version travels as an ETag.
pub fn versioned<T: Serialize>(request: &HttpRequest, outcome: Result<(i64, T), Failure>) -> Reply {
    match outcome {
        Ok((version, body)) => Ok(HttpResponse::Ok()
            .insert_header((header::ETAG, format!("\"{version}\"")))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(body)),
        Err(failure) => Err(Problem::new(request, failure)),
    }
}

/// Runs a verb once per idempotency key and answers with `status`.
pub async fn once<T: Serialize + Send + 'static>(
    request: &HttpRequest,
    house: &Arc<House>,
    actor: Actor,
    key: IdempotencyKey,
    status: StatusCode,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
) -> Reply {
    let once = Once {
        principal: actor.principal(),
        route: format!("{} {}", request.method(), request.path()),
        key: key.key,
        body_digest: key.body_digest,
    };
    match house.once(actor, once, work).await {
        Ok(answer) => {
            let mut response = HttpResponse::build(status);
            response.insert_header((header::CACHE_CONTROL, "no-store"));
            if answer.replayed {
                response.insert_header(("Idempotency-Replayed", "true"));
            }
            Ok(response.json(answer.body))
        }
        Err(failure) => Err(Problem::new(request, failure)),
    }
}

/// The version that an `If-Match` header names.
pub fn if_match(request: &HttpRequest) -> Result<i64, Problem> {
    let header = request.headers().get(header::IF_MATCH).ok_or_else(|| {
        Problem::with_status(request, Code::PreconditionMissing, StatusCode::PRECONDITION_REQUIRED)
    })?;
    header
        .to_str()
        .ok()
        .and_then(|text| text.trim().trim_matches('"').parse().ok())
        .ok_or_else(|| Problem::new(request, Failure::from(Code::PreconditionFailed)))
}

/// Any method that a route does not take.
pub async fn method_not_allowed(request: HttpRequest) -> Reply {
    Err(Problem::with_status(&request, Code::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED))
}

/// Any path that no route has.
pub async fn route_not_found(request: HttpRequest) -> Reply {
    Err(Problem::new(&request, Failure::from(Code::RouteNotFound)))
}
