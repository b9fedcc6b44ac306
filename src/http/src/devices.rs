//! Enrolment and tokens of stations and cabinets.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    address::Address,
    auth::{Anyone, Operator},
    body::{Body, IdempotencyKey, Path},
    reply::{self, Reply},
    routes::Routes,
};
use domain::{devices::DeviceKind, ids::DeviceId};
use service::{
    AppState,
    devices::{AssertionInput, CodeInput, CodeView, DeviceToken, EnrolInput, EnrolledView, RevokedDevice},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/enrolment-codes", make_code)
        .post("/api/v1/tokens/enrol", enrol_station)
        .post("/cabinet/v1/enrol", enrol_cabinet)
        .post("/api/v1/tokens/device", token)
        .post("/api/v1/devices/{id}/revoke", revoke);
}

#[derive(OpenApi)]
#[openapi(paths(make_code, enrol_station, enrol_cabinet, token, revoke))]
pub(crate) struct Doc;

/// Make an enrolment code for a station or a cabinet
#[utoipa::path(post, path = "/api/v1/enrolment-codes", operation_id = "createEnrolmentCode",
    tag = "identity", request_body = CodeInput,
    responses((status = 201, body = CodeView)))]
async fn make_code(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<CodeInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::devices::code_make(tx, caller.0, &body.0)
    })
    .await
}

/// Enrol a station's screen
#[utoipa::path(post, path = "/api/v1/tokens/enrol", operation_id = "enrolStation",
    tag = "identity", request_body = EnrolInput,
    responses((status = 201, body = EnrolledView)))]
async fn enrol_station(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<EnrolInput>,
) -> Reply {
    enrol(&request, &app, &address, DeviceKind::Station, body.0).await
}

/// Enrol a cabinet
#[utoipa::path(post, path = "/cabinet/v1/enrol", operation_id = "enrolCabinet",
    tag = "cabinet", request_body = EnrolInput,
    responses((status = 201, body = EnrolledView)))]
async fn enrol_cabinet(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<EnrolInput>,
) -> Reply {
    enrol(&request, &app, &address, DeviceKind::Cabinet, body.0).await
}

/// Exchange a signed assertion for an access token
///
/// The assertion is a JWT signed by the device's key (EdDSA): header `typ` =
/// `client-auth+jwt` and `kid` = the device's id; claims `iss` and `sub` = the
/// device's id, `aud` = this route's full address, `iat`, `nbf`, `exp` (within 60
/// seconds of `iat`) and a `jti` that is used once (RFC 7523).
#[utoipa::path(post, path = "/api/v1/tokens/device", operation_id = "signInDevice",
    tag = "identity", request_body = AssertionInput,
    responses((status = 200, body = DeviceToken)))]
async fn token(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<AssertionInput>,
) -> Reply {
    reply::json(&request, service::devices::token(&app, &body.0, &address.0).await)
}

/// Revoke a device at once
#[utoipa::path(post, path = "/api/v1/devices/{id}/revoke", operation_id = "revokeDevice",
    tag = "identity", params(("id" = DeviceId, Path)),
    responses((status = 200, body = RevokedDevice)))]
async fn revoke(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<DeviceId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::devices::revoke(tx, id.0)
    })
    .await
}

async fn enrol(
    request: &HttpRequest,
    app: &Arc<AppState>,
    address: &Address,
    kind: DeviceKind,
    input: EnrolInput,
) -> Reply {
    let outcome = service::devices::enrol_from(app, kind, input, &address.0).await;
    reply::with_status(request, StatusCode::CREATED, outcome)
}
