//! The worker's record of a visit, as JSON and as a page to print.

pub mod page;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Worker,
    problem::Problem,
    reply::{self, Reply},
    routes::Routes,
};
use service::{AppState, report::ReportView};

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/report", fetch).get("/api/v1/report.html", print);
}

#[derive(OpenApi)]
#[openapi(paths(fetch, print))]
pub(crate) struct Doc;

/// My record of this visit
#[utoipa::path(get, path = "/api/v1/report", operation_id = "getReport", tag = "report",
    responses((status = 200, body = ReportView)))]
async fn fetch(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::report::of_visit(conn, app, shown, caller.0)
        })
        .await;
    reply::json(&request, outcome)
}

/// My record of this visit, as a page to print
#[utoipa::path(get, path = "/api/v1/report.html", operation_id = "getReportPage", tag = "report",
    responses((status = 200, content_type = "text/html", body = String)))]
async fn print(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::report::of_visit(conn, app, shown, caller.0)
        })
        .await;
    let report = outcome.map_err(|failure| Problem::new(&request, failure))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page::page(&report).into_string()))
}
