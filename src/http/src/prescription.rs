//! Prescriptions: safety check, draft, signature, reading, withdrawal.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use super::page::ListQuery;
use crate::{
    auth::{Checker, Doctor, PrescriptionReader},
    body::{Body, IdempotencyKey, IfMatch, Path, Query},
    pages,
    problem::Problem,
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{ConsultationId, PrescriptionId};
use service::{
    AppState,
    prescription::{
        VoidInput,
        draft::PrescriptionInput,
        elsewhere,
        paper::{self, Paper, SignedDocument},
        sign::{self, SignInput},
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
        .post("/api/v1/prescriptions/{id}/sign", sign_draft)
        .post("/api/v1/prescriptions/{id}/void", void)
        .get("/api/v1/prescriptions/{id}/document", document)
        .get("/api/v1/prescriptions/{id}/print.html", print)
        .get("/api/v1/prescriptions/{id}/labels.html", labels);
}

#[derive(OpenApi)]
#[openapi(paths(check, draft, list, fetch, edit, sign_draft, void, document, print, labels))]
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
    let outcome = if body.0.consultation_id.is_some() {
        app.read_health(caller.actor(), move |conn, app, shown| {
            service::safety::check_of_consultation(conn, app, shown, caller.0, body.0.clone())
        })
        .await
    } else {
        // Nothing is read for an example but whether the caller still may.
        let may = app.read(caller.actor(), |_, _| Ok(())).await;
        may.and_then(|()| service::safety::check_example(&app, body.0))
    };
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
async fn sign_draft(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<PrescriptionId>,
    body: Body<SignInput>,
) -> Reply {
    let (actor, caller, id, input) = (caller.actor(), caller.0, id.0, Arc::new(body.0));
    if !app.signs_elsewhere() {
        return reply::idempotent(&request, &app, actor, key, StatusCode::OK, move |tx| {
            sign::sign(tx, caller, id, &input, None)
        })
        .await;
    }
    // The service is asked before the transaction, and not again for a repeated request.
    let preparation = elsewhere::prepare(&app, caller, id, Arc::clone(&input));
    let (_, outcome) =
        reply::idempotent_prepared(&request, &app, actor, key, preparation, move |tx, signed| {
            sign::sign(tx, caller, id, &input, Some(signed))
        })
        .await;
    reply::answer_idempotent(&request, StatusCode::OK, outcome)
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

/// The document as its doctor signed it, with the signature and the certificates to verify it
#[utoipa::path(get, path = "/api/v1/prescriptions/{id}/document", operation_id = "getSignedDocument",
    tag = "prescription",
    params(("id" = PrescriptionId, Path)), responses((status = 200, body = SignedDocument)))]
async fn document(
    caller: PrescriptionReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    let outcome = app
        .read_health(caller.0, move |conn, app, shown| {
            paper::signed_document(conn, app, shown, caller.0, id.0)
        })
        .await;
    reply::json(&request, outcome)
}

/// The prescription form, as a page to print
#[utoipa::path(get, path = "/api/v1/prescriptions/{id}/print.html", operation_id = "getPrescriptionPage",
    tag = "prescription", params(("id" = PrescriptionId, Path)),
    responses((status = 200, content_type = "text/html", body = String)))]
async fn print(
    caller: PrescriptionReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    on_paper(caller, &request, &app, id.0).await.map(|paper| pages::prescription::form(&paper))
}

/// A label for each pack, as a page to print
#[utoipa::path(get, path = "/api/v1/prescriptions/{id}/labels.html", operation_id = "getPackLabelsPage",
    tag = "prescription", params(("id" = PrescriptionId, Path)),
    responses((status = 200, content_type = "text/html", body = String)))]
async fn labels(
    caller: PrescriptionReader,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<PrescriptionId>,
) -> Reply {
    on_paper(caller, &request, &app, id.0).await.map(|paper| pages::prescription::labels(&paper))
}

async fn on_paper(
    caller: PrescriptionReader,
    request: &HttpRequest,
    app: &Arc<AppState>,
    id: PrescriptionId,
) -> Result<Paper, Problem> {
    let outcome =
        app.read_health(caller.0, move |conn, app, shown| paper::paper(conn, app, shown, caller.0, id)).await;
    outcome.map_err(|failure| Problem::new(request, failure))
}
