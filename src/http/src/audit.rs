//! Verification of the event log's audit chain, for operators.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::{
    auth::Operator,
    body::Query,
    reply::{self, Reply},
    routes::Routes,
};
use service::{AppState, audit::AuditView};

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/audit/chain", chain);
}

#[derive(OpenApi)]
#[openapi(paths(chain))]
pub(crate) struct Doc;

/// How much of the chain is checked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Check what was sealed after this position, 0 for all of it; left out, the
    /// newest 1,000 seals.
    #[param(minimum = 0, maximum = 9007199254740991_i64)]
    after: Option<i64>,
}

/// Compare the event log with its seals and with the witness
#[utoipa::path(get, path = "/api/v1/audit/chain", operation_id = "readAuditChain",
    tag = "audit", params(Since),
    responses((status = 200, body = AuditView)))]
async fn chain(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    since: Query<Since>,
) -> Reply {
    let outcome = app
        .read(caller.actor(), move |conn, app| service::audit::verify_from(conn, app, since.0.after))
        .await;
    reply::json(&request, outcome)
}
