//! A worker's own data, presence and consents.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Worker,
    body::{Body, IdempotencyKey},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    network::me::{ConsentInput, ConsentsView, MeView, PresenceView},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/me", fetch)
        .post("/api/v1/me/presence", stay)
        .post("/api/v1/me/consents", grant)
        .post("/api/v1/me/consents/withdraw", withdraw);
}

#[derive(OpenApi)]
#[openapi(paths(fetch, stay, grant, withdraw))]
pub(crate) struct Doc;

/// My own data
#[utoipa::path(get, path = "/api/v1/me", operation_id = "getMe",
    tag = "check-in", responses((status = 200, body = MeView)))]
async fn fetch(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome =
        app.read(caller.actor(), move |conn, app| service::network::me::fetch(conn, app, caller.0)).await;
    reply::json(&request, outcome)
}

/// I am still here
///
/// Sent when the screen is touched. Every action of the worker also counts as presence; what
/// the screen only reads (polls, streams) does not.
#[utoipa::path(post, path = "/api/v1/me/presence", operation_id = "reportPresence", tag = "check-in",
    responses((status = 200, body = PresenceView)))]
async fn stay(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app.write(caller.actor(), |tx| Ok(service::network::me::stay(tx))).await;
    reply::json(&request, outcome)
}

/// Consent to one purpose
#[utoipa::path(post, path = "/api/v1/me/consents", operation_id = "giveConsent",
    tag = "check-in", request_body = ConsentInput,
    responses((status = 201, body = ConsentsView)))]
async fn grant(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<ConsentInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::network::me::grant(tx, caller.0, &body.0)
    })
    .await
}

/// Withdraw the consent to one purpose
#[utoipa::path(post, path = "/api/v1/me/consents/withdraw", operation_id = "withdrawConsent",
    tag = "check-in", request_body = ConsentInput,
    responses((status = 200, body = ConsentsView)))]
async fn withdraw(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<ConsentInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::me::withdraw(tx, caller.0, &body.0)
    })
    .await
}
