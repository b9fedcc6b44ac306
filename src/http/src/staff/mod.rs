//! Changes to staff, for operators, and to a hospital's doctors for its coordinator; and the links by
//! which a new mail address is confirmed.

pub(crate) mod session;

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    address::Address,
    auth::{Anyone, Operator, RosterKeeper},
    body::{Body, IdempotencyKey, IfMatch, Path},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::StaffId;
use service::{
    Actor, AppState,
    staff::{
        StaffSummary,
        authenticator::{ResetReason, ResetView},
        change::{StaffChange, StaffDocument},
        email::{EmailChange, EmailConfirmed, EmailInput},
        password_link::{LinkInput, LinkView},
    },
};

/// Adds this file's routes. Fixed paths come before those with an id in the same place.
pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/staff/link", inspect_link)
        .post("/api/v1/staff/email", confirm_email)
        .get("/api/v1/staff/{id}", fetch)
        .put("/api/v1/staff/{id}", change)
        .post("/api/v1/staff/{id}/email", request_email_change)
        .post("/api/v1/staff/{id}/enable", enable)
        .post("/api/v1/staff/{id}/authenticator-reset", reset_ask)
        .post("/api/v1/staff/{id}/authenticator-reset/approve", reset_approve)
        .post("/api/v1/staff/{id}/authenticator-reset/withdraw", reset_withdraw);
}

#[derive(OpenApi)]
#[openapi(paths(
    inspect_link,
    confirm_email,
    fetch,
    change,
    request_email_change,
    enable,
    reset_ask,
    reset_approve,
    reset_withdraw
))]
pub(crate) struct Doc;

/// What the link in a letter can be used for
///
/// This does not use the link up, since mail scanners open every link.
#[utoipa::path(post, path = "/api/v1/staff/link", operation_id = "inspectLink",
    tag = "identity", request_body = LinkInput,
    responses((status = 200, body = LinkView)))]
async fn inspect_link(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<LinkInput>,
) -> Reply {
    reply::json(&request, service::staff::password_link::look(&app, body.0, &address.0).await)
}

/// Confirm a new mail address by the link that was sent to it
#[utoipa::path(post, path = "/api/v1/staff/email", operation_id = "confirmEmail",
    tag = "identity", request_body = LinkInput,
    responses((status = 200, body = EmailConfirmed)))]
async fn confirm_email(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    address: Address,
    body: Body<LinkInput>,
) -> Reply {
    let (_, outcome) = reply::idempotent_prepared(
        &request,
        &app,
        Actor::Anyone,
        key,
        service::staff::email::look(&app, &body.0, &address.0),
        service::staff::email::confirm,
    )
    .await;
    reply::answer_idempotent(&request, StatusCode::OK, outcome)
}

/// One member of staff; the version is the ETag
///
/// For a coordinator: a doctor of their hospital.
#[utoipa::path(get, path = "/api/v1/staff/{id}", operation_id = "getStaff",
    tag = "network", params(("id" = StaffId, Path)),
    responses((status = 200, body = StaffDocument)))]
async fn fetch(
    caller: RosterKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<StaffId>,
) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, app| {
            service::staff::change::staff_fetch(conn, caller.0, id.0, app.now())
        })
        .await;
    reply::versioned(&request, outcome)
}

/// Change names, hospital, licence, departments, languages and capacity
///
/// Takes effect at once: a doctor without a verified, valid licence is off
/// duty, a pharmacist without one approves nothing, and a doctor who moves to
/// another hospital must sign in again. A coordinator changes the doctors of their hospital; only an
/// operator verifies a licence, or moves a doctor to another hospital.
#[utoipa::path(put, path = "/api/v1/staff/{id}", operation_id = "changeStaff",
    tag = "network", params(("id" = StaffId, Path)),
    request_body = StaffChange, responses((status = 200, body = StaffDocument)))]
async fn change(
    caller: RosterKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<StaffId>,
    version: IfMatch,
    body: Body<StaffChange>,
) -> Reply {
    let outcome = app
        .write(caller.actor(), move |tx| {
            service::staff::change::staff_change(tx, caller.0, id.0, &version.0, body.0.clone())
        })
        .await;
    reply::versioned(&request, outcome)
}

/// Request a change of the mail address
///
/// A link is sent to the new address; the old address is notified once it is confirmed.
/// Somebody who has not used their invitation yet is invited again, at the new address.
#[utoipa::path(post, path = "/api/v1/staff/{id}/email", operation_id = "changeStaffEmail",
    tag = "network", params(("id" = StaffId, Path)),
    request_body = EmailInput, responses((status = 200, body = EmailChange)))]
async fn request_email_change(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<StaffId>,
    body: Body<EmailInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::staff::email::ask(tx, id.0, &body.0)
    })
    .await
}

/// Declares a POST handler for operators, about one id and without a body.
macro_rules! done {
    ($(#[$doc:meta])* $name:ident($id:ty) -> $view:ty, $operation:literal, $path:literal, $verb:expr) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $operation,
            tag = "network", params(("id" = $id, Path)),
            responses((status = 200, body = $view)))]
        async fn $name(
            caller: Operator,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            key: IdempotencyKey,
            id: Path<$id>,
        ) -> Reply {
            reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
                ($verb)(tx, caller, id.0)
            })
            .await
        }
    };
}

done!(
    /// Enable a disabled member of staff again
    ///
    /// Refused when their mail address or licence number belongs to somebody else by now.
    enable(StaffId) -> StaffSummary, "enableStaff", "/api/v1/staff/{id}/enable",
    |tx: &mut _, _: Operator, id| service::staff::staff_enable(tx, id));
done!(
    /// Approve the reset that another operator requested: the person is invited again
    ///
    /// Their sessions end, and password and one-time codes stop working.
    reset_approve(StaffId) -> StaffSummary, "approveAuthenticatorReset",
    "/api/v1/staff/{id}/authenticator-reset/approve",
    |tx: &mut _, caller: Operator, id| service::staff::authenticator::reset_approve(tx, caller.0, id));
done!(
    /// Withdraw the request for an authenticator reset
    reset_withdraw(StaffId) -> StaffSummary, "withdrawAuthenticatorReset",
    "/api/v1/staff/{id}/authenticator-reset/withdraw",
    |tx: &mut _, caller: Operator, id| service::staff::authenticator::reset_withdraw(tx, caller.0, id));
/// Request an authenticator reset for somebody who has lost theirs
///
/// Another operator must approve it within 24 hours. The owner is notified by letter.
#[utoipa::path(post, path = "/api/v1/staff/{id}/authenticator-reset",
    operation_id = "requestAuthenticatorReset", tag = "network",
    params(("id" = StaffId, Path)), request_body = ResetReason, responses((status = 200, body = ResetView)))]
async fn reset_ask(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<StaffId>,
    body: Body<ResetReason>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::staff::authenticator::reset_ask(tx, caller.0, id.0, &body.0)
    })
    .await
}
