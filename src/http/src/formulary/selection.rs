//! The formulary in force, and its editions: one person proposes, another approves.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::{Checker, RuleKeeper},
    body::{Body, IdempotencyKey, Path, Query},
    page::{self, ListQuery},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{FormularyEditionId, StationId};
use service::{
    AppState,
    edition::{EditionApproval, EditionWithdrawal},
    formulary::{
        edition as catalogue,
        selection::{
            self, FormularyEditionDetail, FormularyEditionInput, FormularyEditionPage,
            FormularyEditionReport, FormularyEditionTrial, FormularyEditionView, FormularyPage,
        },
    },
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/formulary", current)
        .get("/api/v1/formulary-editions", list)
        .post("/api/v1/formulary-editions", propose)
        .post("/api/v1/formulary-editions/check", try_out)
        .get("/api/v1/formulary-editions/{id}", fetch)
        .post("/api/v1/formulary-editions/{id}/approve", approve)
        .post("/api/v1/formulary-editions/{id}/withdraw", withdraw);
}

#[derive(OpenApi)]
#[openapi(paths(current, list, propose, try_out, fetch, approve, withdraw))]
pub(crate) struct Doc;

/// Whose formulary.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormularyQuery {
    /// A station; the network's formulary if left out.
    #[param(inline)]
    station: Option<StationId>,
    /// Only products after this code.
    #[param(max_length = 40)]
    after: Option<String>,
    /// Maximum number of products; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The formulary in force, of the network or of a station, by code
#[utoipa::path(get, path = "/api/v1/formulary", operation_id = "getFormulary",
    tag = "formulary", params(FormularyQuery),
    responses((status = 200, body = FormularyPage)))]
async fn current(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<FormularyQuery>,
) -> Reply {
    let query = query.0;
    let outcome = app
        .read(caller.actor(), move |conn, app| {
            let limit = query.limit.unwrap_or(page::DEFAULT_LIMIT);
            selection::current(conn, app, query.station, query.after.as_deref(), limit)
        })
        .await;
    reply::page(&request, outcome)
}

/// The editions of the formulary, of the network and of stations, the newest first
#[utoipa::path(get, path = "/api/v1/formulary-editions", operation_id = "listFormularyEditions",
    tag = "formulary", params(ListQuery),
    responses((status = 200, body = FormularyEditionPage)))]
async fn list(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<ListQuery>,
) -> Reply {
    let (after, limit) = (query.0.after(), query.0.limit());
    let outcome = app.read(caller.actor(), move |conn, app| selection::list(conn, app, after, limit)).await;
    reply::page(&request, outcome)
}

/// Try an edition of the formulary; nothing is stored
///
/// Tells every fault by line and field, and what comes and goes: of a product that goes, the open drafts with
/// it, the places in cabinets that are given to it, and its free packs.
#[utoipa::path(post, path = "/api/v1/formulary-editions/check", operation_id = "checkFormularyEdition",
    tag = "formulary", request_body = FormularyEditionTrial,
    responses((status = 200, body = FormularyEditionReport)))]
async fn try_out(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<FormularyEditionTrial>,
) -> Reply {
    let outcome =
        app.read_snapshot(caller.actor(), move |conn, app| selection::try_out(conn, app, &body.0)).await;
    reply::json(&request, outcome)
}

/// Propose an edition of the formulary
///
/// It applies once another person has approved it. A station only chooses from what the network has.
#[utoipa::path(post, path = "/api/v1/formulary-editions", operation_id = "proposeFormularyEdition",
    tag = "formulary", request_body = FormularyEditionInput,
    responses((status = 201, body = FormularyEditionView)))]
async fn propose(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<FormularyEditionInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        selection::propose(tx, caller.0, &body.0)
    })
    .await
}

/// One edition of the formulary, and what it changes of the one in force
#[utoipa::path(get, path = "/api/v1/formulary-editions/{id}", operation_id = "getFormularyEdition",
    tag = "formulary", params(("id" = FormularyEditionId, Path)),
    responses((status = 200, body = FormularyEditionDetail)))]
async fn fetch(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<FormularyEditionId>,
) -> Reply {
    let outcome =
        app.poll_found(caller.actor(), move |conn, app, live| selection::fetch(conn, app, live, id.0)).await;
    reply::json(&request, outcome)
}

/// Approve an edition of the formulary that somebody else proposed
///
/// One of the two is a pharmacist. Every instance uses it within seconds of its time. What was signed before
/// stays dispensable; drafts with a product that goes are not signed any more.
#[utoipa::path(post, path = "/api/v1/formulary-editions/{id}/approve", operation_id = "approveFormularyEdition",
    tag = "formulary", params(("id" = FormularyEditionId, Path)), request_body = EditionApproval,
    responses((status = 200, body = FormularyEditionView)))]
async fn approve(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<FormularyEditionId>,
    body: Body<EditionApproval>,
) -> Reply {
    let reply = reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        selection::approve(tx, caller.0, id.0, &body.0)
    })
    .await;
    catalogue::look_after_change(&app).await;
    reply
}

/// Withdraw an edition of the formulary
///
/// Of one that is in force, what applied before it applies again.
#[utoipa::path(post, path = "/api/v1/formulary-editions/{id}/withdraw", operation_id = "withdrawFormularyEdition",
    tag = "formulary", params(("id" = FormularyEditionId, Path)), request_body = EditionWithdrawal,
    responses((status = 200, body = FormularyEditionView)))]
async fn withdraw(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<FormularyEditionId>,
    body: Body<EditionWithdrawal>,
) -> Reply {
    let reply = reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        selection::withdraw(tx, caller.0, id.0, &body.0)
    })
    .await;
    catalogue::look_after_change(&app).await;
    reply
}
