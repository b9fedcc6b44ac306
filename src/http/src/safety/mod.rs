//! The safety rules: shown to everyone who works with them, changed by editions that one person
//! proposes and another approves.

mod page;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use utoipa::OpenApi;

use crate::{
    auth::{Checker, RuleKeeper},
    body::{Body, IdempotencyKey, Path, Query},
    page::ListQuery,
    problem::Problem,
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::RuleEditionId;
use service::{
    AppState,
    edition::{EditionApproval, EditionWithdrawal},
    formulary::edition as catalogue,
    safety::edition::{
        self, RuleEditionDetail, RuleEditionInput, RuleEditionPage, RuleEditionReport, RuleEditionTrial,
        RuleEditionView, RuleTableView,
    },
};

pub fn add(routes: &mut Routes) {
    routes
        .get("/api/v1/safety-rules.html", print)
        .get("/api/v1/safety-rules/{table}", table)
        .get("/api/v1/rule-editions", list)
        .post("/api/v1/rule-editions", propose)
        .post("/api/v1/rule-editions/check", try_out)
        .get("/api/v1/rule-editions/{id}", fetch)
        .post("/api/v1/rule-editions/{id}/approve", approve)
        .post("/api/v1/rule-editions/{id}/withdraw", withdraw);
}

#[derive(OpenApi)]
#[openapi(paths(table, print, list, propose, try_out, fetch, approve, withdraw))]
pub(crate) struct Doc;

/// The safety rules of one table, as they are in force
///
/// Each with what it says in both languages, the documents that it cites, and the worked cases that
/// exercise it. The tables: `edition`, `sources`, `classes`, `ingredients`, `thresholds`, `limits`, `pairs`,
/// `people`, `conditions`, `allergies`, `aliases`, `diagnoses`, `child_doses`,
/// `ailments`.
#[utoipa::path(get, path = "/api/v1/safety-rules/{table}", operation_id = "getSafetyRules",
    tag = "safety", params(("table" = String, Path)),
    responses((status = 200, body = RuleTableView)))]
async fn table(caller: Checker, request: HttpRequest, app: Data<Arc<AppState>>, name: Path<String>) -> Reply {
    let outcome = app.read(caller.actor(), move |conn, app| edition::table(conn, app, &name.0)).await;
    reply::json(&request, outcome)
}

/// The safety rules in force, as a page to print
#[utoipa::path(get, path = "/api/v1/safety-rules.html", operation_id = "getSafetyRulesPage", tag = "safety",
    responses((status = 200, content_type = "text/html", body = String)))]
async fn print(caller: RuleKeeper, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let outcome = app.read(caller.actor(), edition::all_tables).await;
    let tables = outcome.map_err(|failure| Problem::new(&request, failure))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page::page(&tables).into_string()))
}

/// The editions of the safety rules, the newest first
#[utoipa::path(get, path = "/api/v1/rule-editions", operation_id = "listRuleEditions",
    tag = "safety", params(ListQuery),
    responses((status = 200, body = RuleEditionPage)))]
async fn list(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<ListQuery>,
) -> Reply {
    let (after, limit) = (query.0.after(), query.0.limit());
    let outcome = app.read(caller.actor(), move |conn, app| edition::list(conn, app, after, limit)).await;
    reply::page(&request, outcome)
}

/// Try an edition of the safety rules; nothing is stored
///
/// Tells every fault by table, line and column, and what the edition changes of the rules in force.
#[utoipa::path(post, path = "/api/v1/rule-editions/check", operation_id = "checkRuleEdition",
    tag = "safety", request_body = RuleEditionTrial,
    responses((status = 200, body = RuleEditionReport)))]
async fn try_out(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: Body<RuleEditionTrial>,
) -> Reply {
    let outcome =
        app.read(caller.actor(), move |conn, app| edition::try_out(conn, app, &body.0.tables)).await;
    reply::json(&request, outcome)
}

/// Propose an edition of the safety rules
///
/// It applies once another person has approved it. Tables that are left out stay as they are in force.
#[utoipa::path(post, path = "/api/v1/rule-editions", operation_id = "proposeRuleEdition",
    tag = "safety", request_body = RuleEditionInput,
    responses((status = 201, body = RuleEditionView)))]
async fn propose(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<RuleEditionInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        edition::propose(tx, caller.0, &body.0)
    })
    .await
}

/// One edition of the safety rules, and what it changes of those in force
#[utoipa::path(get, path = "/api/v1/rule-editions/{id}", operation_id = "getRuleEdition",
    tag = "safety", params(("id" = RuleEditionId, Path)),
    responses((status = 200, body = RuleEditionDetail)))]
async fn fetch(
    caller: Checker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<RuleEditionId>,
) -> Reply {
    let outcome =
        app.poll_found(caller.actor(), move |conn, app, live| edition::fetch(conn, app, live, id.0)).await;
    reply::json(&request, outcome)
}

/// Approve an edition of the safety rules that somebody else proposed
///
/// One of the two is a pharmacist. Every instance uses it within seconds of its time.
#[utoipa::path(post, path = "/api/v1/rule-editions/{id}/approve", operation_id = "approveRuleEdition",
    tag = "safety", params(("id" = RuleEditionId, Path)), request_body = EditionApproval,
    responses((status = 200, body = RuleEditionView)))]
async fn approve(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<RuleEditionId>,
    body: Body<EditionApproval>,
) -> Reply {
    let reply = reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        edition::approve(tx, caller.0, id.0, &body.0)
    })
    .await;
    catalogue::look_after_change(&app).await;
    reply
}

/// Withdraw an edition of the safety rules
///
/// Of one that is in force, the rules that applied before it apply again.
#[utoipa::path(post, path = "/api/v1/rule-editions/{id}/withdraw", operation_id = "withdrawRuleEdition",
    tag = "safety", params(("id" = RuleEditionId, Path)), request_body = EditionWithdrawal,
    responses((status = 200, body = RuleEditionView)))]
async fn withdraw(
    caller: RuleKeeper,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<RuleEditionId>,
    body: Body<EditionWithdrawal>,
) -> Reply {
    let reply = reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        edition::withdraw(tx, caller.0, id.0, &body.0)
    })
    .await;
    catalogue::look_after_change(&app).await;
    reply
}
