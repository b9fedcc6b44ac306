//! Workers change their own access: PIN and phone.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::{Station, Worker},
    body::{Body, IdempotencyKey},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    check_in::CheckInOpened,
    network::access::{AccessView, ForgottenPinInput, OwnPhoneInput, OwnPinInput},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/me/pin", change_pin)
        .post("/api/v1/me/phone", change_phone)
        .post("/api/v1/check-ins/pin", reset_pin);
}

#[derive(OpenApi)]
#[openapi(paths(change_pin, change_phone, reset_pin))]
pub(crate) struct Doc;

/// Change my PIN, by the old one
#[utoipa::path(post, path = "/api/v1/me/pin", operation_id = "changeMyPin",
    tag = "check-in", request_body = OwnPinInput,
    responses((status = 200, body = AccessView)))]
async fn change_pin(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<OwnPinInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::access::change_pin(tx, caller.0, &body.0)
    })
    .await
}

/// Change my phone, by a code sent to the new one
#[utoipa::path(post, path = "/api/v1/me/phone", operation_id = "changeMyPhone",
    tag = "check-in", request_body = OwnPhoneInput,
    responses((status = 200, body = AccessView)))]
async fn change_phone(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<OwnPhoneInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::access::change_phone(tx, caller.0, &body.0)
    })
    .await
}

/// Replace a forgotten PIN, by card and a code sent to the worker's verified phone; also checks in
#[utoipa::path(post, path = "/api/v1/check-ins/pin", operation_id = "checkInWithNewPin",
    tag = "check-in", request_body = ForgottenPinInput,
    responses((status = 201, body = CheckInOpened)))]
async fn reset_pin(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<ForgottenPinInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::network::access::reset_pin(tx, caller.0, &body.0)
    })
    .await
}
