//! Check-ins at a station screen.

pub(crate) mod phone_code;

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Station,
    body::{Body, IdempotencyKey, Path},
    problem::Problem,
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::CheckInId;
use service::{
    AppState,
    check_in::{CheckInInput, CheckInOpened, CheckInView, WorkerToken, walk_in::WalkInInput},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/check-ins", open)
        .post("/api/v1/check-ins/walk-in", open_walk_in)
        .get("/api/v1/check-ins/{id}", fetch)
        .post("/api/v1/check-ins/{id}/leave", leave)
        .post("/api/v1/check-ins/{id}/token", renew);
}

#[derive(OpenApi)]
#[openapi(paths(open, open_walk_in, fetch, leave, renew))]
pub(crate) struct Doc;

/// Check in by card number and PIN
#[utoipa::path(post, path = "/api/v1/check-ins", operation_id = "checkIn",
    tag = "check-in", request_body = CheckInInput,
    responses((status = 201, body = CheckInOpened)))]
async fn open(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<CheckInInput>,
) -> Reply {
    let (tried, outcome) = reply::idempotent_prepared(
        &request,
        &app,
        caller.actor(),
        key,
        service::check_in::card_pin::screen_try(&app, caller.0),
        move |tx, tried| service::check_in::open(tx, caller.0, &body.0, tried),
    )
    .await;
    if let Some(tried) = tried {
        let counted = service::check_in::card_pin::screen_tried(&app, caller.0, &tried, &outcome).await;
        counted.map_err(|failure| Problem::new(&request, failure))?;
    }
    reply::answer_idempotent(&request, StatusCode::CREATED, outcome)
}

/// Check in somebody without a card, under the record that their proof finds, or a new one
#[utoipa::path(post, path = "/api/v1/check-ins/walk-in", operation_id = "checkInWalkIn",
    tag = "check-in", request_body = WalkInInput,
    responses((status = 201, body = CheckInOpened)))]
async fn open_walk_in(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<WalkInInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::check_in::walk_in::open(tx, caller.0, &body.0)
    })
    .await
}

/// A check-in of this screen
#[utoipa::path(get, path = "/api/v1/check-ins/{id}", operation_id = "getCheckIn",
    tag = "check-in", params(("id" = CheckInId, Path)),
    responses((status = 200, body = CheckInView)))]
async fn fetch(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<CheckInId>,
) -> Reply {
    let outcome = app
        .read(caller.actor(), move |conn, app| service::check_in::fetch(conn, app, caller.0.station, id.0))
        .await;
    reply::json(&request, outcome)
}

/// Leave: end the check-in
#[utoipa::path(post, path = "/api/v1/check-ins/{id}/leave", operation_id = "leaveCheckIn",
    tag = "check-in", params(("id" = CheckInId, Path)),
    responses((status = 200, body = CheckInView)))]
async fn leave(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<CheckInId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::check_in::leave(tx, caller.0.station, id.0)
    })
    .await
}

/// A fresh worker token for a check-in that is still open
#[utoipa::path(post, path = "/api/v1/check-ins/{id}/token", operation_id = "renewWorkerToken",
    tag = "check-in", params(("id" = CheckInId, Path)),
    responses((status = 200, body = WorkerToken)))]
async fn renew(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<CheckInId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::check_in::renew(tx, caller.0, id.0)
    })
    .await
}
