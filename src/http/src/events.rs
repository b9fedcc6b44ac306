//! The event stream by SSE, read through fetch with a bearer token. While
//! nothing happens it touches no database; its life is bounded, so that the
//! caller's authority is proven again by the token of the next stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{Bytes, Data},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::{auth::Follower, body::Query, problem::Problem, reply::Reply, routes::Routes};
use base::telemetry::figures::Held;
use coordination::{Listener, Speaker, Topic};
use domain::staff::role::Role;
use service::{Actor, AppState, Failure};
use storage::events::{AnyId, Audience, Found, LoggedEvent};

/// How soon a reader looks again when there is more than may be shown yet.
const SOON: Duration = Duration::from_millis(50);
/// No stream lives longer than the token that opened it.
const LIFE: Duration = Duration::from_secs(300);
/// Events per read.
const BATCH: i64 = 100;

/// Adds this file's routes.
pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/events", follow);
}

/// This file's part of the document.
#[derive(OpenApi)]
#[openapi(paths(follow), components(schemas(EventView)))]
pub struct Doc;

/// Where a stream resumes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Resume {
    /// The last position seen; left out, the stream begins with what is new.
    #[param(minimum = 0, maximum = 9007199254740991_i64)]
    after: Option<i64>,
}

/// One frame of the stream; for the document.
#[derive(Debug, ToSchema)]
pub struct StreamFrame {
    /// The position: resume after it, also by `Last-Event-ID`.
    pub id: String,
    /// What happened.
    pub event: String,
    /// An `EventView` as JSON.
    pub data: String,
}

/// One event, as the `data` of the stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Place in the global log; resume after it.
    pub position: i64,
    /// What kind of thing changed.
    pub stream: String,
    /// Which one.
    pub stream_id: AnyId,
    /// What happened.
    pub kind: String,
    /// Ids and codes.
    pub payload: serde_json::Value,
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
}

/// Follow what concerns me, as server-sent events
#[utoipa::path(get, path = "/api/v1/events", tag = "realtime", params(Resume),
    responses((status = 200, content_type = "text/event-stream", body = StreamFrame)))]
async fn follow(
    caller: Follower,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    resume: Query<Resume>,
) -> Reply {
    let (audience, topic) = place_of(caller.0).map_err(|failure| Problem::new(&request, failure))?;
    let last = request.headers().get("Last-Event-ID").and_then(|value| value.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"));
    if *request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let listener = app.coordination.listen(topic);
    let position = match resume.0.after.or(last) {
        Some(position) => position,
        None => app
            .read(caller.0, |conn, _| Ok(storage::events::event_head(conn)?))
            .await
            .map_err(|failure| Problem::new(&request, failure))?,
    };
    let state = Following {
        app: Arc::clone(&app),
        actor: caller.0,
        audience,
        listener,
        position,
        pending: VecDeque::new(),
        look: Look::Now,
        live: false,
        ping: Duration::from_millis(app.policy.realtime.ping_ms),
        heard: tokio::time::Instant::now(),
        _held: Held::by(&app.figures.event_streams),
        until: tokio::time::Instant::now() + LIFE,
    };
    Ok(response.streaming(futures_util::stream::unfold(state, Following::next)))
}

/// Whose events a caller hears, and what wakes the stream.
fn place_of(actor: Actor) -> Result<(Audience, Topic), Failure> {
    match actor {
        Actor::Worker(worker) => Ok((Audience::Worker(worker.worker), Topic::Worker(worker.worker))),
        Actor::Staff(staff) => Ok(match staff.role {
            Role::Pharmacist => (Audience::Reviews, Topic::Reviews),
            Role::Operator => (Audience::All, Topic::Operators),
            _ => (Audience::Staff(staff.staff), Topic::Staff(staff.staff)),
        }),
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Cabinet(_) => {
            Err(domain::refusal::Code::RoleNotAllowed.into())
        }
    }
}

struct Following {
    app: Arc<AppState>,
    actor: Actor,
    audience: Audience,
    listener: Listener,
    position: i64,
    pending: VecDeque<LoggedEvent>,
    look: Look,
    /// Whether what is pending has only just happened.
    live: bool,
    /// A comment is sent this often, so that proxies keep the line open.
    ping: Duration,
    /// When the caller was sent something last.
    heard: tokio::time::Instant,
    _held: Held,
    until: tokio::time::Instant,
}

/// When to read next. A stream that has nothing to wait for touches no database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// There may be something to read.
    Now,
    /// There is, but a transaction that began before it still runs.
    Soon,
    /// When somebody wrote something.
    WhenWoken,
}

impl Following {
    /// The next bytes of the stream; `None` closes it.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        loop {
            let now = tokio::time::Instant::now();
            if let Some(event) = self.pending.pop_front() {
                self.position = event.position;
                if self.live {
                    let late = (self.app.now() - event.at).num_microseconds().unwrap_or(0).max(0);
                    #[expect(clippy::cast_precision_loss, reason = "a delay is far below 2^52 microseconds")]
                    self.app.figures.event_delivery_seconds.observe(late as f64 / 1e6);
                }
                self.heard = now;
                return Some((Ok(frame(event)), self));
            }
            if now >= self.until || self.app.lifecycle.is_closing() {
                return None;
            }
            let quiet = self.heard + self.ping;
            match self.look {
                Look::Now => {
                    // Reading also proves that the caller may still hear it.
                    let found = self.read().await.ok()?;
                    self.look = match i64::try_from(found.events.len()) {
                        Ok(BATCH) => Look::Now,
                        _ if found.more_soon => Look::Soon,
                        _ => Look::WhenWoken,
                    };
                    self.pending = found.events.into();
                }
                Look::Soon | Look::WhenWoken if now >= quiet => return Some((Ok(self.ping(now)), self)),
                Look::Soon => {
                    self.app.hold(&mut self.listener, SOON).await;
                    self.look = Look::Now;
                }
                Look::WhenWoken => {
                    self.live = self.app.hold(&mut self.listener, quiet - now).await;
                    if self.live {
                        self.look = Look::Now;
                    }
                }
            }
        }
    }

    fn ping(&mut self, now: tokio::time::Instant) -> Bytes {
        self.heard = now;
        if self.listener.may_have_missed() {
            self.look = Look::Now;
        }
        // Who holds an open line is not lost, though it is silent.
        if let Actor::Staff(staff) = self.actor {
            self.app.coordination.heard(Speaker::Staff(staff.staff), self.app.now());
        }
        Bytes::from_static(b": ping\n\n")
    }

    async fn read(&self) -> Result<Found, Failure> {
        let (audience, position) = (self.audience, self.position);
        self.app
            .read_health(self.actor, move |conn, _, shown| {
                let found = storage::events::events_after(conn, audience, position, BATCH)?;
                if !found.events.is_empty() {
                    // They name workers.
                    shown.note_stream();
                }
                Ok(found)
            })
            .await
    }
}

fn frame(event: LoggedEvent) -> Bytes {
    let view = EventView {
        position: event.position,
        stream: event.stream,
        stream_id: event.stream_id,
        kind: event.kind,
        payload: serde_json::from_str(&event.payload).unwrap_or(serde_json::Value::Null),
        at: event.at,
    };
    let data = serde_json::to_string(&view).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", view.position, view.kind))
}
