//! Cabinet management: stock, incidents, attempts in doubt, recalls, invariant checks.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::page::{self, ListQuery};
use crate::{
    auth::{Operator, StockKeeper},
    body::{Body, IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{AttemptId, CabinetId, IncidentId};
use service::{
    AppState,
    stock::recall::{RecallInput, RecallView},
    vend::{AttemptView, CabinetList, CabinetView, CloseIncident, IncidentList, IncidentView, ResolveInput},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/cabinets", list)
        .get("/api/v1/cabinets/{id}", fetch)
        .get("/api/v1/incidents", incidents)
        .post("/api/v1/incidents/{id}/close", close_incident)
        .post("/api/v1/attempts/{id}/resolve", resolve)
        .post("/api/v1/lots/recall", recall)
        .get("/api/v1/audit/invariants", invariants);
}

#[derive(OpenApi)]
#[openapi(paths(list, fetch, incidents, close_incident, resolve, recall, invariants))]
pub(crate) struct Doc;

/// A page of incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IncidentPage {
    /// Only those that are not closed.
    open: Option<bool>,
    /// The last id seen.
    #[param(inline)]
    after: Option<IncidentId>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The result of the invariant check.
#[derive(Debug, Serialize, ToSchema)]
struct AuditView {
    /// One sentence for each violation; empty when all is well.
    violations: Vec<String>,
}

/// Cabinets and their stock
#[utoipa::path(get, path = "/api/v1/cabinets", operation_id = "listCabinets", tag = "vend", params(ListQuery),
    responses((status = 200, body = CabinetList)))]
async fn list(
    caller: StockKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<ListQuery>,
) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, _| {
            service::vend::cabinets(conn, page.0.after(), page.0.limit())
        })
        .await;
    reply::page(&request, outcome)
}

/// One cabinet and its stock
#[utoipa::path(get, path = "/api/v1/cabinets/{id}", operation_id = "getCabinet",
    tag = "vend", params(("id" = CabinetId, Path)),
    responses((status = 200, body = CabinetView)))]
async fn fetch(
    caller: StockKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<CabinetId>,
) -> Reply {
    let outcome = app.read_snapshot(caller.actor(), move |conn, _| service::vend::cabinet(conn, id.0)).await;
    reply::json(&request, outcome)
}

/// Incidents that a person must look at
#[utoipa::path(get, path = "/api/v1/incidents", operation_id = "listIncidents",
    tag = "vend", params(IncidentPage),
    responses((status = 200, body = IncidentList)))]
async fn incidents(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<IncidentPage>,
) -> Reply {
    let open = query.0.open.unwrap_or(false);
    let outcome = app
        .read(caller.actor(), move |conn, _| {
            service::vend::incidents(conn, open, query.0.after, query.0.limit.unwrap_or(page::DEFAULT_LIMIT))
        })
        .await;
    reply::page(&request, outcome)
}

/// Close an incident
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close", operation_id = "closeIncident",
    tag = "vend", params(("id" = IncidentId, Path)),
    request_body = CloseIncident, responses((status = 200, body = IncidentView)))]
async fn close_incident(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<IncidentId>,
    body: Body<CloseIncident>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::vend::close_incident(tx, caller.0.staff, id.0, &body.0)
    })
    .await
}

/// Resolve an attempt in doubt, after a restart and a count
#[utoipa::path(post, path = "/api/v1/attempts/{id}/resolve", operation_id = "resolveAttempt",
    tag = "vend", params(("id" = AttemptId, Path)),
    request_body = ResolveInput, responses((status = 200, body = AttemptView)))]
async fn resolve(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<AttemptId>,
    body: Body<ResolveInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::vend::resolve(tx, caller.0.staff, id.0, &body.0)
    })
    .await
}

/// Recall a lot
#[utoipa::path(post, path = "/api/v1/lots/recall", operation_id = "recallLot",
    tag = "vend", request_body = RecallInput,
    responses((status = 200, body = RecallView)))]
async fn recall(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<RecallInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::stock::recall::recall(tx, &body.0)
    })
    .await
}

/// Check the invariants of stock, vending and the ledger
#[utoipa::path(get, path = "/api/v1/audit/invariants", operation_id = "checkInvariants", tag = "vend",
    responses((status = 200, body = AuditView)))]
async fn invariants(caller: Operator, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), |conn, _| {
            service::stock::check::invariants(conn).map(|violations| AuditView { violations })
        })
        .await;
    reply::json(&request, outcome)
}
