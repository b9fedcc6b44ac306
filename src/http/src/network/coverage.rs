//! How the roster covers departments, and how many doctors a load needs; for operators and the
//! coordinators of hospitals.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::RosterKeeper,
    body::{Body, Query},
    reply::{self, Reply},
    routes::Routes,
};
use service::{
    AppState,
    network::coverage::{self, CoverageQuery, CoverageView, StaffingInput, StaffingView},
};

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/coverage", coverage).post("/api/v1/coverage/estimate", estimate);
}

#[derive(OpenApi)]
#[openapi(paths(coverage, estimate))]
pub(crate) struct Doc;

/// Doctors on shift by department over the next 72 hours, and the gaps
///
/// An operator sees the network or one hospital, a coordinator their hospital. A gap that begins
/// within 24 hours is told to operators and the hospital's coordinators by mail, once.
#[utoipa::path(get, path = "/api/v1/coverage", operation_id = "getCoverage", tag = "network",
    params(CoverageQuery), responses((status = 200, body = CoverageView)))]
async fn coverage(
    caller: RosterKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<CoverageQuery>,
) -> Reply {
    let outcome = app
        .read_snapshot(caller.actor(), move |conn, app| coverage::coverage(conn, app, caller.0, query.0))
        .await;
    reply::json(&request, outcome)
}

/// What a number of doctors does for a load, and how many a wanted service level needs
///
/// By Erlang C. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/coverage/estimate", operation_id = "estimateStaffing", tag = "network",
    request_body = StaffingInput, responses((status = 200, body = StaffingView)))]
async fn estimate(
    caller: RosterKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<StaffingInput>,
) -> Reply {
    // In the blocking pool: a large load takes a while to compute.
    let outcome = app.read(caller.actor(), move |_, _| coverage::estimate(&body.0)).await;
    reply::json(&request, outcome)
}
