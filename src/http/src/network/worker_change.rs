//! Changes to workers' records, for operators: those that one operator may make, and
//! those that a second one must approve.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Operator,
    body::{Body, IdempotencyKey, Path, Query},
    page::ListQuery,
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{WorkerChangeId, WorkerId};
use service::{
    AppState,
    network::{
        WorkerDetailsInput, WorkerSummary,
        worker_change::{WorkerChangeInput, WorkerChangeView},
    },
    page::Page,
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/workers/{id}/details", details)
        .post("/api/v1/workers/{id}/card/stop", stop_card)
        .post("/api/v1/workers/{id}/changes", request_change)
        .get("/api/v1/worker-changes", list)
        .post("/api/v1/worker-changes/{id}/approve", approve)
        .post("/api/v1/worker-changes/{id}/refuse", refuse);
}

#[derive(OpenApi)]
#[openapi(paths(details, stop_card, request_change, list, approve, refuse))]
pub(crate) struct Doc;

/// Change a worker's details; fields that are left out stay as they are
#[utoipa::path(post, path = "/api/v1/workers/{id}/details", operation_id = "correctWorkerDetails",
    tag = "network", params(("id" = WorkerId, Path)),
    request_body = WorkerDetailsInput, responses((status = 200, body = WorkerSummary)))]
async fn details(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerId>,
    body: Body<WorkerDetailsInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_change_details(tx, id.0, &body.0)
    })
    .await
}

/// Block a lost card at once; its check-ins end
#[utoipa::path(post, path = "/api/v1/workers/{id}/card/stop", operation_id = "stopCard",
    tag = "network", params(("id" = WorkerId, Path)),
    responses((status = 200, body = WorkerSummary)))]
async fn stop_card(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_change::stop_card(tx, id.0)
    })
    .await
}

/// Request a change of what opens a worker's record; another operator must approve it
#[utoipa::path(post, path = "/api/v1/workers/{id}/changes", operation_id = "requestWorkerChange",
    tag = "network", params(("id" = WorkerId, Path)),
    request_body = WorkerChangeInput, responses((status = 201, body = WorkerChangeView)))]
async fn request_change(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerId>,
    body: Body<WorkerChangeInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::network::worker_change::request(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Changes that wait for a second operator
#[utoipa::path(get, path = "/api/v1/worker-changes", operation_id = "listWorkerChanges",
    tag = "network", params(ListQuery),
    responses((status = 200, body = Page<WorkerChangeView>)))]
async fn list(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<ListQuery>,
) -> Reply {
    let outcome = app
        .read(caller.actor(), move |conn, app| {
            service::network::worker_change::list(conn, app, page.0.after(), page.0.limit())
        })
        .await;
    reply::page(&request, outcome)
}

/// Approve and apply a change that another operator requested
#[utoipa::path(post, path = "/api/v1/worker-changes/{id}/approve", operation_id = "approveWorkerChange",
    tag = "network",
    params(("id" = WorkerChangeId, Path)), responses((status = 200, body = WorkerChangeView)))]
async fn approve(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerChangeId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_change::approve(tx, caller.0, id.0)
    })
    .await
}

/// Refuse a change, or withdraw one's own request
#[utoipa::path(post, path = "/api/v1/worker-changes/{id}/refuse", operation_id = "refuseWorkerChange",
    tag = "network",
    params(("id" = WorkerChangeId, Path)), responses((status = 200, body = WorkerChangeView)))]
async fn refuse(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerChangeId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_change::refuse(tx, caller.0, id.0)
    })
    .await
}
