//! Orders and the subsidy account, at a station screen.

use std::sync::Arc;

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use super::page::ListQuery;
use crate::{
    auth::Worker,
    body::{Body, IdempotencyKey, Path, Query},
    reply::{self, Reply},
    routes::Routes,
};
use domain::ids::OrderId;
use service::{
    AppState,
    ledger::AccountView,
    order::{OrderInput, OrderList, OrderView, PayInput},
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/orders", create)
        .get("/api/v1/orders", list)
        .get("/api/v1/orders/{id}", fetch)
        .post("/api/v1/orders/{id}/pay", pay)
        .post("/api/v1/orders/{id}/cancel", cancel)
        .get("/api/v1/account", account);
}

#[derive(OpenApi)]
#[openapi(paths(create, list, fetch, pay, cancel, account))]
pub(crate) struct Doc;

/// Reserve the packs of a prescription, or of over-the-counter lines
#[utoipa::path(post, path = "/api/v1/orders", operation_id = "placeOrder",
    tag = "order", request_body = OrderInput,
    responses((status = 201, body = OrderView)))]
async fn create(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<OrderInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::order::create(tx, caller.0, &body.0)
    })
    .await
}

/// The worker's orders
#[utoipa::path(get, path = "/api/v1/orders", operation_id = "listOrders", tag = "order", params(ListQuery),
    responses((status = 200, body = OrderList)))]
async fn list(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    query: Query<ListQuery>,
) -> Reply {
    let outcome = app
        .read(caller.actor(), move |conn, app| {
            service::order::list(conn, app, caller.0.worker, query.0.after(), query.0.limit())
        })
        .await;
    reply::page(&request, outcome)
}

/// One of the worker's orders
#[utoipa::path(get, path = "/api/v1/orders/{id}", operation_id = "getOrder",
    tag = "order", params(("id" = OrderId, Path)),
    responses((status = 200, body = OrderView)))]
async fn fetch(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>, id: Path<OrderId>) -> Reply {
    let outcome = app
        .poll_found(caller.actor(), move |conn, app, live| {
            service::order::fetch(conn, app, live, caller.0.worker, id.0)
        })
        .await;
    reply::json(&request, outcome)
}

/// Pay; each pack is then authorised for vending
#[utoipa::path(post, path = "/api/v1/orders/{id}/pay", operation_id = "payOrder",
    tag = "order", params(("id" = OrderId, Path)),
    request_body = PayInput, responses((status = 200, body = OrderView)))]
async fn pay(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<OrderId>,
    body: Body<PayInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::order::pay(tx, caller.0, id.0, body.0.method)
    })
    .await
}

/// Cancel the units whose vending has not started; they are refunded
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel", operation_id = "cancelOrder",
    tag = "order", params(("id" = OrderId, Path)),
    responses((status = 200, body = OrderView)))]
async fn cancel(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<OrderId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::order::cancel(tx, caller.0, id.0)
    })
    .await
}

/// The subsidy account, with this month's allowance in it
#[utoipa::path(get, path = "/api/v1/account", operation_id = "getAccount",
    tag = "order", responses((status = 200, body = AccountView)))]
async fn account(caller: Worker, request: HttpRequest, app: Data<Arc<AppState>>) -> Reply {
    let (actor, worker) = (caller.actor(), caller.0.worker);
    let known = app
        .poll(actor, move |conn, app, live| service::ledger::account_with_allowance(conn, app, live, worker))
        .await;
    let outcome = match known {
        Ok(Some(account)) => Ok(account),
        // A write: this request may be the one that grants the month's allowance.
        Ok(None) => app.write(actor, move |tx| service::ledger::account(tx, worker)).await,
        Err(failure) => Err(failure),
    };
    reply::json(&request, outcome)
}
