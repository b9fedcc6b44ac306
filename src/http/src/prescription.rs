//! Prescriptions: safety check, draft, signature, reading, withdrawal.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use super::page::ListQuery;
use crate::{
    auth::{Checker, Doctor, PrescriptionReader},
    body::{Body, IdempotencyKey, IfMatch, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{ConsultationId, PrescriptionId};
use service::{
    AppState,
    prescription::{
        VoidInput,
        draft::PrescriptionInput,
        sign::SignInput,
        view::{PrescriptionPage, PrescriptionView},
    },
    safety::{CheckInput, facts::SafetyReportView},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/prescriptions/check", check)
        .post("/api/v1/consultations/{id}/prescriptions", draft)
        .get("/api/v1/prescriptions", list)
        .get("/api/v1/prescriptions/{id}", fetch)
        .put("/api/v1/prescriptions/{id}", edit)
        .post("/api/v1/prescriptions/{id}/sign", sign)
        .post("/api/v1/prescriptions/{id}/void", void);
}

#[derive(OpenApi)]
#[openapi(paths(check, draft, list, fetch, edit, sign, void))]
pub(crate) struct Doc;

/// Check drugs against the safety rules; nothing is stored
#[utoipa::path(post, path = "/api/v1/prescriptions/check", operation_id = "checkPrescription",
    tag = "prescription", request_body = CheckInput,
    responses((status = 200, body = SafetyReportView)))]
async fn check(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<CheckInput>,
) -> Reply {
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::safety::check_only(conn, app, shown, caller.0, body.0.clone())
        })
        .await;
    reply::json(&request, outcome)
}

/// Write a draft in an active consultation
#[utoipa::path(post, path = "/api/v1/consultations/{id}/prescriptions", operation_id = "draftPrescription",
    tag = "prescription",
    params(("id" = ConsultationId, Path)), request_body = PrescriptionInput,
    responses((status = 201, body = PrescriptionView)))]
async fn draft(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
    body: Body<PrescriptionInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::prescription::draft(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Prescriptions, the newest first: the caller's own; for a pharmacist, all except drafts
#[utoipa::path(get, path = "/api/v1/prescriptions", operation_id = "listPrescriptions",
    tag = "prescription", params(ListQuery),
    responses((status = 200, body = PrescriptionPage)))]
async fn list(
    caller: PrescriptionReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<ListQuery>,
) -> Reply {
    let page = (page.0.after(), page.0.limit());
    let outcome = app
        .poll_own_or_read_health(caller.0, move |conn, app, shown, live| {
            service::prescription::list(conn, app, shown, live, caller.0, page)
        })
        .await
        .map(Option::unwrap_or_default);
    reply::page(&request, outcome)
}

/// One prescription; its version is the ETag
#[utoipa::path(get, path = "/api/v1/prescriptions/{id}", operation_id = "getPrescription",
    tag = "prescription",
    params(("id" = PrescriptionId, Path)), responses((status = 200, body = PrescriptionView)))]
async fn fetch(
    caller: PrescriptionReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    let outcome = app
        .read_health(caller.0, move |conn, app, shown| {
            service::prescription::fetch(conn, app, shown, caller.0, id.0)
        })
        .await;
    reply::versioned(&request, outcome)
}

/// Replace the content of a draft or of a returned prescription
#[utoipa::path(put, path = "/api/v1/prescriptions/{id}", operation_id = "replacePrescription",
    tag = "prescription",
    params(("id" = PrescriptionId, Path)),
    request_body = PrescriptionInput, responses((status = 200, body = PrescriptionView)))]
async fn edit(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
    version: IfMatch,
    body: Body<PrescriptionInput>,
) -> Reply {
    let outcome = app
        .write(caller.actor(), move |tx| service::prescription::edit(tx, caller.0, id.0, &version.0, &body.0))
        .await;
    reply::versioned(&request, outcome)
}

/// Sign a draft
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/sign", operation_id = "signPrescription",
    tag = "prescription",
    params(("id" = PrescriptionId, Path)), request_body = SignInput,
    responses((status = 200, body = PrescriptionView)))]
async fn sign(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<SignInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::prescription::sign::sign(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Withdraw a prescription
#[utoipa::path(post, path = "/api/v1/prescriptions/{id}/void", operation_id = "voidPrescription",
    tag = "prescription",
    params(("id" = PrescriptionId, Path)), request_body = VoidInput,
    responses((status = 200, body = PrescriptionView)))]
async fn void(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<VoidInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::prescription::void(tx, caller.0, id.0, &body.0)
    })
    .await
}
