//! The cabinet protocol. Every POST is signed with the cabinet's own key. While wake-ups are
//! received, an idle poll with a current cursor makes no database query.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use actix_web::{HttpRequest, web::Data};
use utoipa::OpenApi;

use crate::{
    auth::Cabinet,
    body::{Path, Query},
    process::Process,
    reply::{self, Reply},
    routes::Routes,
    signed::SignedBody,
};
use coordination::Topic;
use domain::{
    ids::AttemptId,
    vend::messages::{
        EventsAnswer, EventsRequest, Grant, HelloAnswer, HelloRequest, StartRequest, WorkAnswer, WorkQuery,
    },
};
use service::{AppState, Failure};

pub fn add(routes: &mut Routes) {
    routes
        .post("/cabinet/v1/hello", hello)
        .get("/cabinet/v1/work", work)
        .post("/cabinet/v1/attempts/{id}/start", start)
        .post("/cabinet/v1/events", events);
}

#[derive(OpenApi)]
#[openapi(paths(hello, work, start, events))]
pub(crate) struct Doc;

/// Announce a boot; the first request after it
///
/// `boot_id` is 128 random bits in 32 lower hex digits; the head of an empty
/// journal is `seq` 0 with a hash of 64 zeros.
#[utoipa::path(post, path = "/cabinet/v1/hello", operation_id = "sayHello", tag = "cabinet",
    request_body = HelloRequest, responses((status = 200, body = HelloAnswer)))]
async fn hello(
    caller: Cabinet,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: SignedBody<HelloRequest>,
) -> Reply {
    let outcome = app.write(caller.actor(), move |tx| service::vend::hello(tx, caller.0, &body.0)).await;
    reply::json(&request, outcome)
}

/// Work for the cabinet: authorizations, voids, recalls
#[utoipa::path(get, path = "/cabinet/v1/work", operation_id = "pollWork", tag = "cabinet",
    params(WorkQuery), responses((status = 200, body = WorkAnswer)))]
async fn work(
    caller: Cabinet,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    process: Data<Process>,
    query: Query<WorkQuery>,
) -> Reply {
    reply::json(&request, next_work(&caller, &app, &process, &query.0).await)
}

async fn next_work(
    caller: &Cabinet,
    app: &Arc<AppState>,
    process: &Process,
    query: &WorkQuery,
) -> Result<WorkAnswer, Failure> {
    let own = caller.0;
    let unchanged = || WorkAnswer { cursor: query.cursor, items: Vec::new() };
    // If the last read gave this cursor and nothing has changed since, no query is needed.
    let known = |generation| {
        let is_current = app.work_cursors.get(&own.cabinet) == Some((generation, query.cursor));
        is_current.then(unchanged)
    };
    // The generation is older than the read: a change during the read causes another one.
    let read = async |generation| {
        let items = service::vend::work(app, own).await?;
        let cursor = service::vend::cursor_of(&items)?;
        app.work_cursors.insert(own.cabinet, (generation, cursor));
        Ok(match cursor == query.cursor {
            true => ControlFlow::Continue(unchanged()),
            false => ControlFlow::Break(WorkAnswer { cursor, items }),
        })
    };
    let wait = Duration::from_secs(query.wait.into());
    process.long_poll(app, Topic::Cabinet(own.cabinet), wait, known, read).await
}

/// START: ask for permission to begin one attempt
#[utoipa::path(post, path = "/cabinet/v1/attempts/{id}/start", operation_id = "startAttempt", tag = "cabinet",
    params(("id" = AttemptId, Path)),
    request_body = StartRequest, responses((status = 200, body = Grant)))]
async fn start(
    caller: Cabinet,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    id: Path<AttemptId>,
    body: SignedBody<StartRequest>,
) -> Reply {
    let outcome =
        app.write(caller.actor(), move |tx| service::vend::start(tx, caller.0, id.0, &body.0)).await;
    reply::json(&request, outcome)
}

/// Report the journal
///
/// An entry is `{seq, prev_hash, hash, boot_id, mono_ms, wall, kind, body}`.
/// Its hash is the SHA-256 in lower hex of eight lines, each ended by `\n`:
/// `waystation-journal-v1`, seq, prev_hash, boot_id, mono_ms, wall in UTC with
/// six decimals and `Z`, kind, and the body as JSON with sorted keys and no
/// white space. The first entry's `prev_hash` is 64 zeros. A gap is answered
/// with `journal_gap` and the expected seq in `data`.
#[utoipa::path(post, path = "/cabinet/v1/events", operation_id = "reportJournal", tag = "cabinet",
    request_body = EventsRequest, responses((status = 200, body = EventsAnswer)))]
async fn events(
    caller: Cabinet,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    body: SignedBody<EventsRequest>,
) -> Reply {
    let outcome = app.write(caller.actor(), move |tx| service::vend::accept(tx, caller.0, &body.0)).await;
    reply::json(&request, outcome)
}
