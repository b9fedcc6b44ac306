//! Staff sessions: sign-in and sign-out, token refresh, signing window, passwords.

use std::sync::Arc;

use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
    web::Data,
};
use utoipa::OpenApi;

use crate::{
    address::Address,
    auth::{Anyone, Signer, Staff},
    body::{Body, IdempotencyKey},
    reply::{self, Reply},
    routes::Routes,
};
use crypto::digest;
use service::{
    Actor, AppState,
    staff::{
        password_link::{Accepted, PasswordInput, PasswordSet, ResetInput},
        session::{RefreshInput, Revoked, SessionView, SignInInput, SignedOut, StaffTokens},
        signing_window::{SigningWindow, SigningWindowInput},
    },
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/tokens/staff", sign_in)
        .post("/api/v1/tokens/refresh", refresh)
        .post("/api/v1/tokens/revoke", revoke)
        .get("/api/v1/session", session)
        .post("/api/v1/session/signing-window", open_signing_window)
        .post("/api/v1/session/sign-out", sign_out)
        .post("/api/v1/staff/password-reset", request_reset)
        .post("/api/v1/staff/password", set_password);
}

#[derive(OpenApi)]
#[openapi(paths(
    sign_in,
    refresh,
    revoke,
    session,
    open_signing_window,
    sign_out,
    request_reset,
    set_password
))]
pub(crate) struct Doc;

/// Sign in with e-mail, password and one-time code
#[utoipa::path(post, path = "/api/v1/tokens/staff", operation_id = "signInStaff",
    tag = "identity", request_body = SignInInput,
    responses((status = 200, body = StaffTokens)))]
async fn sign_in(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<SignInInput>,
) -> Reply {
    reply::json(&request, service::staff::sign_in::sign_in(&app, body.0, &address.0).await)
}

/// Exchange a refresh token for a new pair
///
/// A refresh token can be used once. The same caller (address, or /64 of IPv6, and
/// user agent) who sends it again within 10 seconds, before the new one is
/// used, gets the same answer; in any other case, reusing it ends the whole
/// session.
#[utoipa::path(post, path = "/api/v1/tokens/refresh", operation_id = "refreshTokens",
    tag = "identity", request_body = RefreshInput,
    responses((status = 200, body = StaffTokens)))]
async fn refresh(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    address: Address,
    body: Body<RefreshInput>,
) -> Reply {
    let client = client_of(&request, &address);
    reply::json(
        &request,
        service::staff::session::exchange(&app, body.0.refresh_token, &address.0, client).await,
    )
}

/// Identifies a client by a digest of its address (for IPv6 the /64) and its user agent.
fn client_of(request: &HttpRequest, address: &Address) -> String {
    let agent = request.headers().get(header::USER_AGENT).map_or(&[][..], |value| value.as_bytes());
    digest::hex(&digest::sha256(&[address.0.as_bytes(), b"\n", agent].concat()))
}

/// End the session of a refresh token
#[utoipa::path(post, path = "/api/v1/tokens/revoke", operation_id = "revokeTokens",
    tag = "identity", request_body = RefreshInput,
    responses((status = 200, body = Revoked)))]
async fn revoke(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<RefreshInput>,
) -> Reply {
    reply::json(&request, service::staff::session::revoke_token(&app, body.0.refresh_token).await)
}

/// Who is signed in
#[utoipa::path(get, path = "/api/v1/session", operation_id = "getSession", tag = "identity",
    responses((status = 200, body = SessionView)))]
async fn session(caller: Staff, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, app| service::staff::session::fetch(conn, app, caller.0))
        .await;
    reply::json(&request, outcome)
}

/// Open the signing window with a one-time code
#[utoipa::path(post, path = "/api/v1/session/signing-window", operation_id = "openSigningWindow",
    tag = "identity",
    request_body = SigningWindowInput, responses((status = 200, body = SigningWindow)))]
async fn open_signing_window(
    caller: Signer,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<SigningWindowInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::staff::signing_window::open_signing_window(tx, caller.0, &body.0)
    })
    .await
}

/// Sign out: end this session
#[utoipa::path(post, path = "/api/v1/session/sign-out", operation_id = "signOut", tag = "identity",
    responses((status = 200, body = SignedOut)))]
async fn sign_out(
    caller: Staff,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::staff::session::sign_out(tx, caller.0)
    })
    .await
}

/// Request a link for setting a new password
///
/// The answer is the same whether or not the account exists.
#[utoipa::path(post, path = "/api/v1/staff/password-reset", operation_id = "requestPasswordReset",
    tag = "identity", request_body = ResetInput,
    responses((status = 202, body = Accepted)))]
async fn request_reset(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    address: Address,
    body: Body<ResetInput>,
) -> Reply {
    let email = body.0.email.clone();
    let (_, outcome) = reply::idempotent_prepared(
        &request,
        &app,
        Actor::Anyone,
        key,
        service::staff::password_link::may_request(&app, &email, &address.0),
        move |tx, may_send| service::staff::password_link::request(tx, &body.0, *may_send),
    )
    .await;
    reply::answer_idempotent(&request, StatusCode::ACCEPTED, outcome)
}

/// Set a password by a link
///
/// Ends every session. If the account had no authenticator yet, the answer
/// contains the secret for one-time codes; it is shown only this once.
#[utoipa::path(post, path = "/api/v1/staff/password", operation_id = "setPassword",
    tag = "identity", request_body = PasswordInput,
    responses((status = 200, body = PasswordSet)))]
async fn set_password(
    _caller: Anyone,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    address: Address,
    body: Body<PasswordInput>,
) -> Reply {
    let (_, outcome) = reply::idempotent_prepared(
        &request,
        &app,
        Actor::Anyone,
        key,
        service::staff::password_link::prepare(&app, body.0, &address.0),
        service::staff::password_link::set,
    )
    .await;
    reply::answer_idempotent(&request, StatusCode::OK, outcome)
}
