//! Readings and triage.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::{Anyone, Worker},
    body::{Body, IdempotencyKey},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState, Failure,
    triage::{
        TriageView,
        assess::{AssessInput, Assessment},
        symptoms::{SymptomList, SymptomsInput},
    },
    vitals::{ReadingsInput, ReadingsStored, ReadingsView},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/triage/assess", assess)
        .get("/api/v1/triage", current)
        .get("/api/v1/symptoms", list_symptoms)
        .post("/api/v1/symptoms", report_symptoms)
        .post("/api/v1/readings", record)
        .get("/api/v1/readings", list);
}

#[derive(OpenApi)]
#[openapi(paths(assess, current, list_symptoms, report_symptoms, record, list))]
pub(crate) struct Doc;

/// Assess a set of values by the triage rules, with NEWS2; nothing is stored
#[utoipa::path(post, path = "/api/v1/triage/assess", operation_id = "assessVitals",
    tag = "vitals", request_body = AssessInput,
    responses((status = 200, body = Assessment)))]
async fn assess(_: Anyone, request: HttpRequest, app: Data<Arc<AppState>>, body: Body<AssessInput>) -> Reply {
    reply::json(&request, service::triage::assess::assess(&app, &body.0))
}

/// The symptoms that a screen asks about, with first aid for each
#[utoipa::path(get, path = "/api/v1/symptoms", operation_id = "listSymptoms", tag = "vitals",
    responses((status = 200, body = SymptomList)))]
async fn list_symptoms(_: Anyone, request: HttpRequest) -> Reply {
    reply::json(&request, Ok::<_, Failure>(service::triage::symptoms::asked()))
}

/// Report my symptoms; added to those that I reported before
#[utoipa::path(post, path = "/api/v1/symptoms", operation_id = "recordSymptoms",
    tag = "vitals", request_body = SymptomsInput,
    responses((status = 201, body = TriageView)))]
async fn report_symptoms(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<SymptomsInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::triage::symptoms::record(tx, caller.0, &body.0)
    })
    .await
}

/// How soon a doctor must see me, based on all that is known now
#[utoipa::path(get, path = "/api/v1/triage", operation_id = "getTriage",
    tag = "vitals", responses((status = 200, body = TriageView)))]
async fn current(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, app| service::triage::assess(conn, app, caller.0))
        .await;
    reply::json(&request, outcome)
}

/// Store readings of this check-in
#[utoipa::path(post, path = "/api/v1/readings", operation_id = "recordReadings",
    tag = "vitals", request_body = ReadingsInput,
    responses((status = 201, body = ReadingsStored)))]
async fn record(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<ReadingsInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::vitals::record(tx, caller.0, &body.0)
    })
    .await
}

/// The readings of this check-in
#[utoipa::path(get, path = "/api/v1/readings", operation_id = "listReadings",
    tag = "vitals", responses((status = 200, body = ReadingsView)))]
async fn list(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome =
        app.read(caller.actor(), move |conn, _| service::vitals::list(conn, caller.0.check_in)).await;
    reply::json(&request, outcome)
}
