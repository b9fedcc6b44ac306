//! Letters to staff, for operators: which are waiting, which failed for good and why.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::page::DEFAULT_LIMIT;
use crate::{
    auth::Operator,
    body::{IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::{ids::LetterId, letter::LetterState};
use service::{AppState, letter::LetterView, page::Page};

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/letters", list).post("/api/v1/letters/{id}/resend", resend);
}

#[derive(OpenApi)]
#[openapi(paths(list, resend))]
pub(crate) struct Doc;

/// A page of letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LetterPage {
    /// The last id of the page before.
    #[param(inline)]
    after: Option<LetterId>,
    /// 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Those in this state only.
    #[param(inline)]
    state: Option<LetterState>,
}

/// Letters to staff, without their text
#[utoipa::path(get, path = "/api/v1/letters", operation_id = "listLetters",
    tag = "network", params(LetterPage),
    responses((status = 200, body = Page<LetterView>)))]
async fn list(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<LetterPage>,
) -> Reply {
    let page = page.0;
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT);
    let outcome = app
        .read(caller.actor(), move |conn, _| service::letter::list(conn, page.state, page.after, limit))
        .await;
    reply::page(&request, outcome)
}

/// Send a letter again, with a fresh link
///
/// The links of earlier invitations stop working.
#[utoipa::path(post, path = "/api/v1/letters/{id}/resend", operation_id = "resendLetter",
    tag = "network", params(("id" = LetterId, Path)),
    responses((status = 200, body = LetterView)))]
async fn resend(
    caller: Operator,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<LetterId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::letter::resend(tx, id.0)
    })
    .await
}
