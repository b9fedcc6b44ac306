//! Consultations, for the worker who requested one and the doctor who accepted it.

use std::{ops::ControlFlow, sync::Arc};

use actix_web::{HttpRequest, http::StatusCode, web::Data};
use utoipa::OpenApi;

use super::page::{ListQuery, Wait};
use crate::{
    auth::{Doctor, Party, Station, Worker},
    body::{Body, IdempotencyKey, Path, Query},
    process::Process,
    reply::{self, Reply},
    routes::Routes,
};
use coordination::Topic;
use domain::{ids::ConsultationId, refusal::Code};
use service::{
    Actor, AppState, Failure,
    consultation::{
        CalledWorkersView, ColleaguesQuery, ColleaguesView, Completion, ConsultationView, ConsultationsView,
        MessageInput, MessageView, MessagesView, RatingInput, RecordView, StartInput, TransferInput,
        Transferred,
    },
};

pub fn add(routes: &mut Routes) {
    routes
        .post("/api/v1/consultations", start)
        .get("/api/v1/consultations", list)
        .get("/api/v1/consultations/{id}", fetch)
        .post("/api/v1/consultations/{id}/cancel", cancel)
        .post("/api/v1/consultations/{id}/complete", complete)
        .post("/api/v1/consultations/{id}/no-show", no_show)
        .post("/api/v1/consultations/{id}/transfer", transfer)
        .get("/api/v1/consultations/{id}/colleagues", colleagues)
        .post("/api/v1/consultations/{id}/rating", rate)
        .post("/api/v1/consultations/{id}/messages", send_message)
        .get("/api/v1/consultations/{id}/messages", messages)
        .get("/api/v1/consultations/{id}/record", record)
        .get("/api/v1/station/called", called);
}

#[derive(OpenApi)]
#[openapi(paths(
    start,
    list,
    fetch,
    cancel,
    complete,
    no_show,
    transfer,
    colleagues,
    rate,
    send_message,
    messages,
    record,
    called
))]
pub(crate) struct Doc;

/// Ask for a doctor
#[utoipa::path(post, path = "/api/v1/consultations", operation_id = "requestConsultation",
    tag = "consultation", request_body = StartInput,
    responses((status = 201, body = ConsultationView)))]
async fn start(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    body: Body<StartInput>,
) -> Reply {
    service::consultation::prepare_start(&app, &body.0).await;
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::CREATED, move |tx| {
        service::consultation::start(tx, caller.0, &body.0)
    })
    .await
}

/// A worker's own consultations, or those that a doctor has now
#[utoipa::path(get, path = "/api/v1/consultations", operation_id = "listConsultations",
    tag = "consultation", params(ListQuery),
    responses((status = 200, body = ConsultationsView)))]
async fn list(
    caller: Party,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    page: Query<ListQuery>,
) -> Reply {
    let (after, limit) = (page.0.after(), page.0.limit());
    let outcome = app
        .poll_health(caller.0, move |conn, app, shown, live| match caller.0 {
            Actor::Worker(worker) => {
                service::consultation::list_for_worker(conn, app, live, worker.worker, after, limit)
            }
            Actor::Staff(staff) => {
                service::consultation::list_for_doctor(conn, app, shown, live, staff.staff)
            }
            _ => Err(Failure::from(Code::RoleNotAllowed)),
        })
        .await
        .map(Option::unwrap_or_default);
    reply::page(&request, outcome)
}

/// One consultation, for one of its parties
#[utoipa::path(get, path = "/api/v1/consultations/{id}", operation_id = "getConsultation",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), responses((status = 200, body = ConsultationView)))]
async fn fetch(
    caller: Party,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<ConsultationId>,
) -> Reply {
    let outcome = match caller.0 {
        Actor::Worker(worker) => {
            app.poll_found(caller.0, move |conn, app, live| {
                service::consultation::fetch_for_worker(conn, app, live, worker.worker, id.0)
            })
            .await
        }
        // What the doctor still sees of an ended one depends on its prescription.
        Actor::Staff(staff) => {
            app.read_health(caller.0, move |conn, app, shown| {
                service::consultation::fetch_for_doctor(conn, app, shown, staff.staff, id.0)
            })
            .await
        }
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Cabinet(_) => {
            Err(Code::RoleNotAllowed.into())
        }
    };
    reply::json(&request, outcome)
}

/// Cancel the request, while no doctor has accepted it
#[utoipa::path(post, path = "/api/v1/consultations/{id}/cancel", operation_id = "cancelConsultation",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), responses((status = 200, body = ConsultationView)))]
async fn cancel(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::cancel(tx, caller.0, id.0)
    })
    .await
}

/// Complete it with a summary
#[utoipa::path(post, path = "/api/v1/consultations/{id}/complete", operation_id = "completeConsultation",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), request_body = Completion,
    responses((status = 200, body = ConsultationView)))]
async fn complete(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
    body: Body<Completion>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::complete(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// End it because the worker does not come
#[utoipa::path(post, path = "/api/v1/consultations/{id}/no-show", operation_id = "reportNoShow",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), responses((status = 200, body = ConsultationView)))]
async fn no_show(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::no_show(tx, caller.0, id.0)
    })
    .await
}

/// Hand it on to a department or to another doctor
#[utoipa::path(post, path = "/api/v1/consultations/{id}/transfer", operation_id = "transferConsultation",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), request_body = TransferInput,
    responses((status = 200, body = Transferred)))]
async fn transfer(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
    body: Body<TransferInput>,
) -> Reply {
    let silent = service::consultation::is_silent(&app, &body.0).await;
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::transfer(tx, caller.0, id.0, &body.0, silent)
    })
    .await
}

/// The doctors on call who could take it
#[utoipa::path(get, path = "/api/v1/consultations/{id}/colleagues", operation_id = "listColleagues",
    tag = "consultation",
    params(("id" = ConsultationId, Path), ColleaguesQuery),
    responses((status = 200, body = ColleaguesView)))]
async fn colleagues(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<ConsultationId>,
    query: Query<ColleaguesQuery>,
) -> Reply {
    reply::json(&request, service::consultation::colleagues(&app, caller.0, id.0, query.0).await)
}

/// Rate it, once it is completed
#[utoipa::path(post, path = "/api/v1/consultations/{id}/rating", operation_id = "rateConsultation",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), request_body = RatingInput,
    responses((status = 200, body = ConsultationView)))]
async fn rate(
    caller: Worker,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
    body: Body<RatingInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.actor(), key, StatusCode::OK, move |tx| {
        service::consultation::rate(tx, caller.0, id.0, &body.0)
    })
    .await
}

/// Send a message to the other party
#[utoipa::path(post, path = "/api/v1/consultations/{id}/messages", operation_id = "sendMessage",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), request_body = MessageInput,
    responses((status = 201, body = MessageView)))]
async fn send_message(
    caller: Party,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    key: IdempotencyKey,
    id: Path<ConsultationId>,
    body: Body<MessageInput>,
) -> Reply {
    reply::idempotent(&request, &app, caller.0, key, StatusCode::CREATED, move |tx| {
        service::consultation::say(tx, id.0, &body.0)
    })
    .await
}

/// The messages of a consultation
#[utoipa::path(get, path = "/api/v1/consultations/{id}/messages", operation_id = "listMessages",
    tag = "consultation",
    params(("id" = ConsultationId, Path), ListQuery), responses((status = 200, body = MessagesView)))]
async fn messages(
    caller: Party,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<ConsultationId>,
    page: Query<ListQuery>,
) -> Reply {
    let page = (page.0.after(), page.0.limit());
    let outcome = app
        .poll_own_or_read_health(caller.0, move |conn, app, shown, live| {
            service::consultation::messages(conn, app, shown, live, caller.0, id.0, page)
        })
        .await
        .and_then(|found| found.ok_or_else(|| Code::NotFound.into()));
    reply::page(&request, outcome)
}

/// The worker's record; the access is recorded
#[utoipa::path(get, path = "/api/v1/consultations/{id}/record", operation_id = "getPatientRecord",
    tag = "consultation",
    params(("id" = ConsultationId, Path)), responses((status = 200, body = RecordView)))]
async fn record(
    caller: Doctor,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<ConsultationId>,
) -> Reply {
    let outcome = app
        .read_health(caller.actor(), move |conn, app, shown| {
            service::consultation::read_record(conn, app, shown, caller.0, id.0)
        })
        .await;
    reply::json(&request, outcome)
}

/// Who is called at this screen; waits up to `wait` seconds while nobody is
#[utoipa::path(get, path = "/api/v1/station/called", operation_id = "listCalledWorkers",
    tag = "consultation", params(Wait), responses((status = 200, body = CalledWorkersView)))]
async fn called(
    caller: Station,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    process: Data<Process>,
    wait: Query<Wait>,
) -> Reply {
    let read = async |_| {
        let called = app
            .poll(caller.actor(), move |conn, app, live| {
                service::consultation::called(conn, app, live, caller.0)
            })
            .await?
            .unwrap_or_default();
        Ok(if called.items.is_empty() { ControlFlow::Continue(called) } else { ControlFlow::Break(called) })
    };
    let topic = Topic::Screen(caller.0.station);
    reply::json(&request, process.long_poll(&app, topic, wait.0.span(), |_| None, read).await)
}
