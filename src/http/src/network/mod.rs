//! Stations, hospitals, employers, staff and workers, for operators; fitness for
//! employers; counts for anyone.

pub(crate) mod access;
pub(crate) mod coverage;
pub(crate) mod department;
pub(crate) mod me;
pub(crate) mod merge;
pub(crate) mod roster;
pub(crate) mod worker_change;

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::page::{DEFAULT_LIMIT, ListQuery};
use crate::{
    auth::{Anyone, Operator, SafetyOfficer},
    body::{Body, IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::{
    ids::{StaffId, StationId, WorkerId},
    staff::role::Role,
};
use service::{
    Actor, AppState,
    network::{
        EmployerInput, EmployerView, FitnessItem, HospitalInput, HospitalView, NetworkCounts, StationInput,
        StationView, WorkerInput, WorkerQuery, WorkerSummary,
    },
    page::Page,
    staff::{StaffInput, StaffSummary},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/stations", station_add)
        .get("/api/v1/stations", station_list)
        .get("/api/v1/stations/{id}", station_fetch)
        .post("/api/v1/hospitals", hospital_add)
        .get("/api/v1/hospitals", hospital_list)
        .post("/api/v1/employers", employer_add)
        .get("/api/v1/employers", employer_list)
        .post("/api/v1/staff", staff_invite)
        .get("/api/v1/staff", staff_list)
        .post("/api/v1/staff/{id}/disable", staff_disable)
        .post("/api/v1/workers", worker_add)
        .get("/api/v1/workers", worker_find)
        .get("/api/v1/workers/{id}", worker_fetch)
        .get("/api/v1/employees/fitness", fitness)
        .get("/api/v1/network/counts", counts);
}

#[derive(OpenApi)]
#[openapi(paths(
    station_add,
    station_list,
    station_fetch,
    hospital_add,
    hospital_list,
    employer_add,
    employer_list,
    staff_invite,
    staff_list,
    staff_disable,
    worker_add,
    worker_find,
    worker_fetch,
    fitness,
    counts
))]
pub(crate) struct Doc;

/// A page of staff.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StaffPage {
    /// The last id of the page before.
    #[param(inline)]
    after: Option<StaffId>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Those of this role only.
    #[param(inline)]
    role: Option<Role>,
}

/// Declares a POST handler with which an operator creates something from a body.
macro_rules! added {
    ($(#[$doc:meta])* $name:ident($input:ty) -> $view:ty, $operation:literal, $path:literal, $verb:expr) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, operation_id = $operation, tag = "network", request_body = $input,
            responses((status = 201, body = $view)))]
        async fn $name(
            caller: Operator,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            key: IdempotencyKey,
            body: Body<$input>,
        ) -> Reply {
            reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
                ($verb)(tx, body.0.clone())
            })
            .await
        }
    };
}

/// Declares a GET handler with which an operator lists something by id.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident($page:ty) -> $view:ty, $operation:literal, $path:literal, $verb:expr) => {
        $(#[$doc])*
        #[utoipa::path(get, path = $path, operation_id = $operation, tag = "network", params($page),
            responses((status = 200, body = Page<$view>)))]
        async fn $name(
            caller: Operator,
            request: HttpRequest,
            app: Data<Arc<AppState>>,
            page: Query<$page>,
        ) -> Reply {
            let outcome = app.read_snapshot(caller.actor(), move |conn, app| ($verb)(conn, app, &page.0)).await;
            reply::page(&request, outcome)
        }
    };
}

added!(
    /// Add a station, with a cabinet unless the request says otherwise
    station_add(StationInput) -> StationView, "addStation", "/api/v1/stations", service::network::station_add);
added!(
    /// Add a hospital
    hospital_add(HospitalInput) -> HospitalView, "addHospital", "/api/v1/hospitals", service::network::hospital_add);
added!(
    /// Add an employer
    employer_add(EmployerInput) -> EmployerView, "addEmployer", "/api/v1/employers", service::network::employer_add);
added!(
    /// Add a member of staff; they get an invitation by mail
    staff_invite(StaffInput) -> StaffSummary, "inviteStaff", "/api/v1/staff", service::staff::staff_invite);
added!(
    /// Add a worker with a card
    worker_add(WorkerInput) -> WorkerSummary, "registerWorker", "/api/v1/workers", service::network::worker_add);
listed!(
    /// Stations
    station_list(ListQuery) -> StationView, "listStations", "/api/v1/stations",
    |conn, _, page: &ListQuery| service::network::station_list(conn, page.after(), page.limit()));
listed!(
    /// Hospitals
    hospital_list(ListQuery) -> HospitalView, "listHospitals", "/api/v1/hospitals",
    |conn, _, page: &ListQuery| service::network::hospital_list(conn, page.after(), page.limit()));
listed!(
    /// Employers
    employer_list(ListQuery) -> EmployerView, "listEmployers", "/api/v1/employers",
    |conn, _, page: &ListQuery| service::network::employer_list(conn, page.after(), page.limit()));
listed!(
/// Staff
staff_list(StaffPage) -> StaffSummary, "listStaff", "/api/v1/staff",
|conn, _, page: &StaffPage| {
    service::staff::staff_list(conn, page.role, page.after, page.limit.unwrap_or(DEFAULT_LIMIT))
});
/// One station
#[utoipa::path(get, path = "/api/v1/stations/{id}", operation_id = "getStation",
    tag = "network", params(("id" = StationId, Path)),
    responses((status = 200, body = StationView)))]
async fn station_fetch(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<StationId>,
) -> Reply {
    reply::json(
        &request,
        app.read_snapshot(caller.actor(), move |conn, _| service::network::station_fetch(conn, id.0)).await,
    )
}

/// Disable a member of staff; their sessions end at once
#[utoipa::path(post, path = "/api/v1/staff/{id}/disable", operation_id = "disableStaff",
    tag = "network", params(("id" = StaffId, Path)),
    responses((status = 200, body = StaffSummary)))]
async fn staff_disable(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<StaffId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::staff::staff_disable(tx, caller.0, id.0)
    })
    .await
}

/// Find a worker by exact phone, card number or document; the reading is logged
#[utoipa::path(get, path = "/api/v1/workers", operation_id = "findWorkers",
    tag = "network", params(WorkerQuery),
    responses((status = 200, body = Page<WorkerSummary>)))]
async fn worker_find(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<WorkerQuery>,
) -> Reply {
    let outcome = app.write(caller.actor(), move |tx| service::network::worker_find(tx, &query.0)).await;
    reply::json(&request, outcome)
}

/// One worker; the reading is logged
#[utoipa::path(get, path = "/api/v1/workers/{id}", operation_id = "getWorker",
    tag = "network", params(("id" = WorkerId, Path)),
    responses((status = 200, body = WorkerSummary)))]
async fn worker_fetch(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<WorkerId>,
) -> Reply {
    reply::json(&request, app.write(caller.actor(), move |tx| service::network::worker_fetch(tx, id.0)).await)
}

/// Whether the caller's own people may work at height now; never why
#[utoipa::path(get, path = "/api/v1/employees/fitness", operation_id = "listFitness",
    tag = "network", params(ListQuery),
    responses((status = 200, body = Page<FitnessItem>)))]
async fn fitness(
    caller: SafetyOfficer,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<ListQuery>,
) -> Reply {
    // Also writes: the access is recorded.
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::network::fitness(conn, app, shown, caller.0, page.0.after(), page.0.limit())
        })
        .await;
    reply::page(&request, outcome)
}

/// The network in figures
#[utoipa::path(get, path = "/api/v1/network/counts", operation_id = "getNetworkCounts", tag = "network",
    responses((status = 200, body = NetworkCounts)))]
async fn counts(_caller: Anyone, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    reply::json(&request, app.read_snapshot(Actor::Anyone, service::network::counts).await)
}
