//! The pharmacists' review of signed prescriptions.

use std::{ops::ControlFlow, sync::Arc};

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use super::page::Wait;
use crate::{
    auth::Pharmacist,
    body::{Body, IdempotencyKey, Path, Query},
    process::Process,
    reply::{self, Reply},
    routes::Routes,
};
use coordination::Topic;
use domain::ids::PrescriptionId;
use service::{
    AppState,
    prescription::view::PrescriptionView,
    review::{ApproveInput, ReturnInput, ReviewQueue, record::ReviewView},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/reviews", waiting)
        .get("/api/v1/reviews/{id}", fetch)
        .post("/api/v1/prescriptions/{id}/approve", approve)
        .post("/api/v1/prescriptions/{id}/return", send_back);
}

#[derive(OpenApi)]
#[openapi(paths(waiting, fetch, approve, send_back))]
pub(crate) struct Doc;

/// Signed prescriptions that wait for review, the oldest first
#[utoipa::path(get, path = "/api/v1/reviews", operation_id = "listReviews", tag = "review", params(Wait),
    responses((status = 200, body = ReviewQueue)))]
async fn waiting(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    process: Data<Process>,
    wait: Query<Wait>,
) -> Reply {
    let read = async |_| {
        let queue = app.poll_health(caller.actor(), service::review::waiting).await?.unwrap_or_default();
        Ok(if queue.items.is_empty() { ControlFlow::Continue(queue) } else { ControlFlow::Break(queue) })
    };
    reply::json(&request, process.long_poll(&app, Topic::ReviewQueue, wait.0.span(), |_| None, read).await)
}

/// A prescription under review, with what the pharmacist must assess; the access is recorded
#[utoipa::path(get, path = "/api/v1/reviews/{id}", operation_id = "getReview",
    tag = "review", params(("id" = PrescriptionId, Path)),
    responses((status = 200, body = ReviewView)))]
async fn fetch(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::review::record::read(conn, app, shown, caller.0, id.0)
        })
        .await;
    reply::json(&request, outcome)
}

/// Approve a signed prescription
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/approve", operation_id = "approvePrescription",
    tag = "review",
    params(("id" = PrescriptionId, Path)), request_body = ApproveInput,
    responses((status = 200, body = PrescriptionView)))]
async fn approve(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<ApproveInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::approve(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Send a signed prescription back to its doctor
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/return", operation_id = "returnPrescription",
    tag = "review",
    params(("id" = PrescriptionId, Path)), request_body = ReturnInput,
    responses((status = 200, body = PrescriptionView)))]
async fn send_back(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<ReturnInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::send_back(tx, caller.0, id.0, &body.0)
    })
    .await
}
