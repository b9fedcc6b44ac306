//! Readings and triage.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use crate::{
    domain::triage::{News2Input, News2Score},
    service::{
        House,
        vitals::{self, ReadingsInput, ReadingsStored, ReadingsView, TriageView},
    },
    transport::{
        auth::{Anyone, Worker},
        body::{Body, IdempotencyKey},
        reply::{self, Reply},
        routes::Routes,
    },
};

/// Adds this file's routes.
pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/triage/assess", assess)
        .get("/api/v1/triage", triage)
        .post("/api/v1/readings", record)
        .get("/api/v1/readings", list);
}

/// This file's part of the document.
#[derive(OpenApi)]
#[openapi(paths(assess, triage, record, list))]
pub struct Doc;

/// Score a set of readings by NEWS2; nothing is stored
#[utoipa::path(post, path = "/api/v1/triage/assess", tag = "vitals", request_body = News2Input,
    responses((status = 200, body = News2Score)))]
async fn assess(_: Anyone, request: HttpRequest, body: Body<News2Input>) -> Reply {
    reply::json(&request, vitals::score(&body.0))
}

/// What the readings of this check-in mean together
#[utoipa::path(get, path = "/api/v1/triage", tag = "vitals", responses((status = 200, body = TriageView)))]
async fn triage(caller: Worker, request: HttpRequest, house: Data<Arc<House>>) -> Reply {
    let outcome =
        house.read(caller.actor(), move |conn, house| vitals::assess(conn, house, caller.0, &[])).await;
    reply::json(&request, outcome)
}

/// Store readings of this check-in
#[utoipa::path(post, path = "/api/v1/readings", tag = "vitals", request_body = ReadingsInput,
    responses((status = 201, body = ReadingsStored)))]
async fn record(
    caller: Worker,
    request: HttpRequest,
    house: Data<Arc<House>>,
    key: IdempotencyKey,
    body: Body<ReadingsInput>,
) -> Reply {
    reply::once(&request, &house, caller.actor(), key, StatusCode::CREATED, move |tx| {
        vitals::record(tx, caller.0, &body.0)
    })
    .await
}

/// The readings of this check-in
#[utoipa::path(get, path = "/api/v1/readings", tag = "vitals", responses((status = 200, body = ReadingsView)))]
async fn list(caller: Worker, request: HttpRequest, house: Data<Arc<House>>) -> Reply {
    let outcome = house.read(caller.actor(), move |conn, _| vitals::list(conn, caller.0.check_in)).await;
    reply::json(&request, outcome)
}
