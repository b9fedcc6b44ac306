//! Emergencies at stations, and queues in trouble, for operators.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::page;
use crate::{
    auth::Operator,
    body::{Body, IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::{AlertId, QueueAlertId};
use service::{
    AppState,
    alert::{AlertList, AlertView, CloseAlert},
    matching::watch::{self, QueueAlertList},
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/alerts", list)
        .post("/api/v1/alerts/{id}/close", close)
        .get("/api/v1/queue-alerts", list_queues);
}

#[derive(OpenApi)]
#[openapi(paths(list, close, list_queues))]
pub(crate) struct Doc;

/// A page of alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AlertPage {
    /// Only those that are not closed.
    open: Option<bool>,
    /// The last id seen.
    #[param(inline)]
    after: Option<AlertId>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A page of alerts of queues.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct QueueAlertPage {
    /// Only those whose trouble is not over.
    open: Option<bool>,
    /// The last id seen.
    #[param(inline)]
    after: Option<QueueAlertId>,
    /// 1 to 100, default 50.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Departments where somebody waits and nobody is on call, or where somebody waits too long
#[utoipa::path(get, path = "/api/v1/queue-alerts", operation_id = "listQueueAlerts", tag = "matching",
    params(QueueAlertPage), responses((status = 200, body = QueueAlertList)))]
async fn list_queues(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<QueueAlertPage>,
) -> Reply {
    let QueueAlertPage { open, after, limit } = query.0;
    let outcome = app
        .read(caller.actor(), move |conn, _| {
            watch::list(conn, open.unwrap_or(false), after, limit.unwrap_or(page::DEFAULT_LIMIT))
        })
        .await;
    reply::page(&request, outcome)
}

/// Emergencies at stations that an operator must handle
#[utoipa::path(get, path = "/api/v1/alerts", operation_id = "listAlerts", tag = "vitals", params(AlertPage),
    responses((status = 200, body = AlertList)))]
async fn list(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<AlertPage>,
) -> Reply {
    let open = query.0.open.unwrap_or(false);
    let outcome = app
        .read(caller.actor(), move |conn, _| {
            service::alert::list(conn, open, query.0.after, query.0.limit.unwrap_or(page::DEFAULT_LIMIT))
        })
        .await;
    reply::page(&request, outcome)
}

/// Close an alert that was handled
#[utoipa::path(post, path = "/api/v1/alerts/{id}/close", operation_id = "closeAlert",
    tag = "vitals", params(("id" = AlertId, Path)),
    request_body = CloseAlert, responses((status = 200, body = AlertView)))]
async fn close(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<AlertId>,
    body: Body<CloseAlert>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::alert::close(tx, caller.0.staff, id.0, &body.0)
    })
    .await
}
