//! The departments of the network: read by everyone, added and changed by operators.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::{Operator, SignedIn},
    body::{Body, IdempotencyKey, IfMatch, Path, Query},
    page::DEFAULT_LIMIT,
    reply::{self, Reply},
    routes::Routes,
};
use domain::matching::Department;
use service::{
    AppState,
    formulary::edition,
    network::department::{self, DepartmentChange, DepartmentInput, DepartmentPage, DepartmentView},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/departments", list)
        .post("/api/v1/departments", create)
        .get("/api/v1/departments/{code}", fetch)
        .put("/api/v1/departments/{code}", change);
}

#[derive(OpenApi)]
#[openapi(paths(list, create, fetch, change))]
pub(crate) struct Doc;

/// A page of departments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DepartmentsAfter {
    /// Only departments after this code.
    #[param(inline)]
    after: Option<Department>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// The departments of the network, by code
#[utoipa::path(get, path = "/api/v1/departments", operation_id = "listDepartments",
    tag = "network", params(DepartmentsAfter),
    responses((status = 200, body = DepartmentPage)))]
async fn list(
    caller: SignedIn,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<DepartmentsAfter>,
) -> Reply {
    let DepartmentsAfter { after, limit } = query.0;
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let outcome = app.read(caller.0, move |conn, _| department::department_list(conn, after, limit)).await;
    reply::page(&request, outcome)
}

/// Add a department
///
/// Consultations may ask for it and doctors may serve it at once.
#[utoipa::path(post, path = "/api/v1/departments", operation_id = "addDepartment",
    tag = "network", request_body = DepartmentInput,
    responses((status = 201, body = DepartmentView)))]
async fn create(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<DepartmentInput>,
) -> Reply {
    let reply = reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        department::department_add(tx, body.0.clone())
    })
    .await;
    edition::look_after_change(&app).await;
    reply
}

/// One department; the version is the ETag
#[utoipa::path(get, path = "/api/v1/departments/{code}", operation_id = "getDepartment",
    tag = "network", params(("code" = Department, Path)),
    responses((status = 200, body = DepartmentView)))]
async fn fetch(
    caller: SignedIn,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    code: Path<Department>,
) -> Reply {
    let outcome =
        app.poll_found(caller.0, move |conn, _, live| department::department_fetch(conn, live, code.0)).await;
    reply::versioned(&request, outcome)
}

/// Change a department's names, patience and overflow chain
///
/// Those who wait for it already are searched along the new chain. A department is never deleted.
#[utoipa::path(put, path = "/api/v1/departments/{code}", operation_id = "changeDepartment",
    tag = "network", params(("code" = Department, Path)),
    request_body = DepartmentChange, responses((status = 200, body = DepartmentView)))]
async fn change(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    code: Path<Department>,
    version: IfMatch,
    body: Body<DepartmentChange>,
) -> Reply {
    let outcome = app
        .write(caller.actor(), move |tx| {
            department::department_change(tx, code.0, &version.0, body.0.clone())
        })
        .await;
    edition::look_after_change(&app).await;
    reply::versioned(&request, outcome)
}
