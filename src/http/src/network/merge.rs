//! Merging two records of one person, for operators.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Operator,
    body::{Body, IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::WorkerId;
use service::{
    AppState,
    network::{MergeInput, MergePreview, MergeQuery, WorkerSummary},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/workers/{id}/merge-preview", preview)
        .post("/api/v1/workers/{id}/merge", merge)
        .post("/api/v1/workers/{id}/unmerge", unmerge);
}

#[derive(OpenApi)]
#[openapi(paths(preview, merge, unmerge))]
pub(crate) struct Doc;

/// Preview what a merge would combine and change; the access is logged
#[utoipa::path(get, path = "/api/v1/workers/{id}/merge-preview", operation_id = "previewMerge",
    tag = "network",
    params(("id" = WorkerId, Path), MergeQuery), responses((status = 200, body = MergePreview)))]
async fn preview(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<WorkerId>,
    query: Query<MergeQuery>,
) -> Reply {
    let into = query.0.into;
    reply::json(
        &request,
        app.write(caller.actor(), move |tx| service::network::merge_preview(tx, id.0, into)).await,
    )
}

/// Merge a record that nobody can open by themselves into the record of the worker whose it is
#[utoipa::path(post, path = "/api/v1/workers/{id}/merge", operation_id = "mergeWorker",
    tag = "network", params(("id" = WorkerId, Path)),
    request_body = MergeInput, responses((status = 200, body = WorkerSummary)))]
async fn merge(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerId>,
    body: Body<MergeInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_merge(tx, id.0, &body.0)
    })
    .await
}

/// Undo a merge: both records are separate again, with what happened since
#[utoipa::path(post, path = "/api/v1/workers/{id}/unmerge", operation_id = "unmergeWorker",
    tag = "network", params(("id" = WorkerId, Path)),
    responses((status = 200, body = WorkerSummary)))]
async fn unmerge(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<WorkerId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::network::worker_unmerge(tx, id.0)
    })
    .await
}
