//! Building responses: JSON with the right status, never cached.

use std::{future::Future, sync::Arc};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use serde::Serialize;

use super::{body::IdempotencyKey, problem::Problem};
use crate::validation;
use domain::refusal::Code;
use service::{Actor, Answer, AppState, Failure, IdempotentRequest, Tx, page::NextPage};

/// What every handler returns.
pub(crate) type Reply = Result<HttpResponse, Problem>;

// Parsed once, because every response has them.
static NO_STORE: header::HeaderValue = header::HeaderValue::from_static("no-store");
static JSON: header::HeaderValue = header::HeaderValue::from_static("application/json");

/// 200 with a JSON body.
pub fn json<T: Serialize>(request: &HttpRequest, outcome: Result<T, Failure>) -> Reply {
    with_status(request, StatusCode::OK, outcome)
}

/// A JSON body under `status`.
pub(crate) fn with_status<T: Serialize>(
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

/// A document that people edit, with its version as the ETag.
pub(crate) fn versioned<T: Serialize>(request: &HttpRequest, outcome: Result<(i64, T), Failure>) -> Reply {
    match outcome {
        Ok((version, body)) => Ok(HttpResponse::Ok()
            .insert_header(etag(version))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(body)),
        Err(failure) => Err(Problem::new(request, failure)),
    }
}

fn etag(version: i64) -> (HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// A page of a list, with a `Link` to the next one (RFC 8288).
pub(crate) fn page<T: Serialize + NextPage>(request: &HttpRequest, outcome: Result<T, Failure>) -> Reply {
    let next = outcome.as_ref().ok().and_then(NextPage::next_after);
    let mut response = json(request, outcome)?;
    if let Some(link) = next.and_then(|after| HeaderValue::try_from(link_to(request, &after)).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The address of this page with another `after`: an id or a code, which an address may hold as it is.
fn link_to(request: &HttpRequest, after: &str) -> String {
    let others = request.query_string().split('&').filter(|pair| !pair.is_empty());
    let others = others.filter(|pair| pair.split('=').next() != Some("after"));
    let query = others.fold(format!("after={after}"), |query, pair| query + "&" + pair);
    format!("<{}?{query}>; rel=\"next\"", request.path())
}

/// Runs a verb once per idempotency key and answers with `status`.
pub async fn idempotent<T: Serialize + Send + 'static>(
    request: &HttpRequest,
    app: &Arc<AppState>,
    actor: Actor,
    key: IdempotencyKey,
    status: StatusCode,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
) -> Reply {
    answer_idempotent(request, status, run(request, app, actor, key, work).await)
}

async fn run<T: Serialize + Send + 'static>(
    request: &HttpRequest,
    app: &Arc<AppState>,
    actor: Actor,
    key: IdempotencyKey,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
) -> Result<Answer, Failure> {
    app.run_idempotent(actor, idempotent_request(request, actor, key), work).await
}

/// Like [`idempotent`], with a preparation that must not be repeated for a repeated request (a try
/// counted against a limit, a password hash). A repeated request gets the stored answer.
///
/// Returns what was prepared; `None` if the answer was stored already or the preparation failed.
///
/// # Errors
/// Those of `prepare` and of `work`.
pub(crate) async fn idempotent_prepared<P: Send + Sync + 'static, T: Serialize + Send + 'static>(
    request: &HttpRequest,
    app: &Arc<AppState>,
    actor: Actor,
    key: IdempotencyKey,
    prepare: impl Future<Output = Result<P, Failure>>,
    work: impl Fn(&mut Tx<'_>, &P) -> Result<T, Failure> + Send + 'static,
) -> (Option<Arc<P>>, Result<Answer, Failure>) {
    let identified = idempotent_request(request, actor, key);
    match app.saved_answer(actor, &identified).await {
        Ok(None) => {}
        Ok(Some(answer)) => return (None, Ok(answer)),
        Err(failure) => return (None, Err(failure)),
    }
    let prepared = match prepare.await {
        Ok(prepared) => Arc::new(prepared),
        Err(failure) => return (None, Err(failure)),
    };
    let for_work = Arc::clone(&prepared);
    let outcome = app.run_idempotent(actor, identified, move |tx| work(tx, &for_work)).await;
    (Some(prepared), outcome)
}

fn idempotent_request(request: &HttpRequest, actor: Actor, key: IdempotencyKey) -> IdempotentRequest {
    IdempotentRequest {
        principal: actor.principal(),
        route: format!("{} {}", request.method(), request.path()),
        key: key.key,
        body_digest: key.body_digest,
    }
}

/// The response of a verb that ran once per idempotency key.
pub(crate) fn answer_idempotent(
    request: &HttpRequest,
    status: StatusCode,
    outcome: Result<Answer, Failure>,
) -> Reply {
    let problem = |failure: Failure| Problem::new(request, failure);
    let answer = outcome.map_err(problem)?;
    let body = answer.outcome.map_err(|refusal| problem(Failure::Refused(refusal)))?;
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    // Only the views of documents that people edit have a version.
    if let Some(version) = body["version"].as_i64() {
        response.insert_header(etag(version));
    }
    if answer.replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    Ok(response.json(body))
}

/// Response to a method that a route does not have: 405, or for `OPTIONS` the allowed methods.
pub fn other_method(request: &HttpRequest, allow: &str) -> HttpResponse {
    let mut response = if *request.method() == Method::OPTIONS {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::from_error(Problem::new(request, Failure::from(Code::MethodNotAllowed)))
    };
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Middleware for routes without query parameters: refuses any parameter, by name.
///
/// # Errors
/// Those of the inner service.
pub(crate) async fn no_parameters(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match validation::no_query(request.query_string()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => {
            let problem = HttpResponse::from_error(Problem::new(request.request(), refusal));
            Ok(request.into_response(problem).map_into_right_body())
        }
    }
}

/// Response to any path without a route.
pub async fn route_not_found(request: HttpRequest) -> Reply {
    Err(Problem::new(&request, Failure::from(Code::RouteNotFound)))
}
