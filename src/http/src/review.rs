//! The pharmacists' review of signed prescriptions.

use std::{ops::ControlFlow, sync::Arc};

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::page::{self, Wait};
use crate::{
    auth::{Doctor, Pharmacist, ReviewWatcher, Supplier},
    body::{Body, IdempotencyKey, Path, Query},
    process::Process,
    reply::{self, Reply},
    routes::Routes,
};
use coordination::Topic;
use domain::ids::{PrescriptionId, ReviewAlertId};
use service::{
    AppState,
    prescription::view::PrescriptionView,
    review::{
        AnswerInput, ApproveInput, AskInput, ClaimView, ReturnInput, ReviewQueue, SupplyInput,
        figures::ReviewQueueFigures,
        record::ReviewView,
        watch::{self, ReviewAlertList},
    },
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/reviews", waiting)
        .get("/api/v1/reviews/{id}", fetch)
        .post("/api/v1/reviews/{id}/claim", claim)
        .post("/api/v1/reviews/{id}/release", release)
        .get("/api/v1/review-queue", figures)
        .get("/api/v1/review-alerts", list_alerts)
        .post("/api/v1/prescriptions/{id}/ask", ask)
        .post("/api/v1/prescriptions/{id}/answer", answer)
        .post("/api/v1/prescriptions/{id}/supply", supply)
        .post("/api/v1/prescriptions/{id}/approve", approve)
        .post("/api/v1/prescriptions/{id}/return", send_back);
}

#[derive(OpenApi)]
#[openapi(paths(
    waiting,
    fetch,
    claim,
    release,
    figures,
    list_alerts,
    ask,
    answer,
    supply,
    approve,
    send_back
))]
pub(crate) struct Doc;

/// Signed prescriptions that wait for review: emergencies first, then the oldest
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
        let queue = app
            .poll_health(caller.actor(), move |conn, app, shown, live| {
                service::review::waiting(conn, app, shown, live, caller.0)
            })
            .await?
            .unwrap_or_default();
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

/// Take a prescription for review: nobody else decides about it until the claim expires
#[utoipa::path(post, path = "/api/v1/reviews/{id}/claim", operation_id = "claimReview", tag = "review",
    params(("id" = PrescriptionId, Path)), responses((status = 200, body = ClaimView)))]
async fn claim(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::claim(tx, caller.0, id.0)
    })
    .await
}

/// Give a prescription back to the queue
#[utoipa::path(post, path = "/api/v1/reviews/{id}/release", operation_id = "releaseReview", tag = "review",
    params(("id" = PrescriptionId, Path)), responses((status = 200, body = ClaimView)))]
async fn release(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::release(tx, caller.0, id.0)
    })
    .await
}

/// How many prescriptions wait for review, who is on shift, and how many were reviewed in time
#[utoipa::path(get, path = "/api/v1/review-queue", operation_id = "getReviewQueue", tag = "review",
    responses((status = 200, body = ReviewQueueFigures)))]
async fn figures(caller: ReviewWatcher, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    reply::json(&request, app.read_snapshot(caller.actor(), service::review::figures::of_queue).await)
}

/// A page of alerts of the pharmacists' queue.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReviewAlertPage {
    /// Only those whose trouble is not over.
    open: Option<bool>,
    /// The last id seen.
    #[param(inline)]
    after: Option<ReviewAlertId>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Times in which prescriptions waited and no pharmacist was on shift, or waited too long
#[utoipa::path(get, path = "/api/v1/review-alerts", operation_id = "listReviewAlerts", tag = "review",
    params(ReviewAlertPage), responses((status = 200, body = ReviewAlertList)))]
async fn list_alerts(
    caller: ReviewWatcher,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<ReviewAlertPage>,
) -> Reply {
    let ReviewAlertPage { open, after, limit } = query.0;
    let outcome = app
        .read(caller.actor(), move |conn, _| {
            watch::list(conn, open.unwrap_or(false), after, limit.unwrap_or(page::DEFAULT_LIMIT))
        })
        .await;
    reply::page(&request, outcome)
}

/// Ask the doctor of a signed prescription; it waits for the answer
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/ask", operation_id = "askPrescriber", tag = "review",
    params(("id" = PrescriptionId, Path)), request_body = AskInput,
    responses((status = 200, body = PrescriptionView)))]
async fn ask(
    caller: Pharmacist,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<AskInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::ask(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Answer a pharmacist's question; the prescription waits for review again
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/answer", operation_id = "answerPharmacist",
    tag = "review",
    params(("id" = PrescriptionId, Path)), request_body = AnswerInput,
    responses((status = 200, body = PrescriptionView)))]
async fn answer(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<AnswerInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::answer(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Decide how much of a line is supplied, when it is sold out; what was signed stays as it is
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/supply", operation_id = "decideSupply", tag = "review",
    params(("id" = PrescriptionId, Path)), request_body = SupplyInput,
    responses((status = 200, body = PrescriptionView)))]
async fn supply(
    caller: Supplier,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<SupplyInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::review::decide_supply(tx, caller.0, id.0, &body.0)
    })
    .await
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
