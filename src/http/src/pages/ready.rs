//! Readiness of this process, for proxies and supervisors.

use std::sync::Arc;

use actix_web::{HttpResponse, http::header, web::Data};

use crate::{auth::Anyone, process::Process};
use service::{AppState, readiness::Readiness};

/// Whether this process is ready for requests
///
/// Checks the database, its migrations, the queue of writes and the clock,
/// at most once a second. A proxy that gets 503 should send no more requests.
#[utoipa::path(get, path = "/readyz", operation_id = "checkReadiness", tag = "public", responses(
    (status = 200, description = "Ready", body = Readiness),
    (status = 503, description = "Not ready, and why", body = Readiness)))]
pub async fn ready(_: Anyone, app: Data<Arc<AppState>>, process: Data<Process>) -> HttpResponse {
    let found = process.readiness(&app).await;
    let mut response = if found.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(found)
}
