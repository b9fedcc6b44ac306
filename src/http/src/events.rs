//! The event stream by SSE, read through fetch with a bearer token. While nothing happens, it
//! makes no database query. Its lifetime is limited, so that the caller must present a valid
//! token again to open the next stream.

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{Bytes, Data},
};
use serde::{Deserialize, Serialize};
use tracing::Span;
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::{
    auth::Follower,
    body::Query,
    problem::{Problem, log_fault},
    process::{Process, Waited},
    reply::Reply,
    routes::Routes,
    validation::{bad_parameters, wrong::Wrong},
};
use base::telemetry::metrics::GaugeGuard;
use coordination::{Listener, LivenessKey, Topic};
use domain::{
    refusal::{Code, Refusal},
    staff::role::Hears,
};
use service::{Actor, AppState, Failure};
use storage::events::{AnyId, Audience, Found, LoggedEvent};

/// Delay before the next read when there are events that may not be shown yet.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// After a wake-up, how long further events are waited for, so that a burst of them is one read. Our
/// default: below what a person notices.
const GATHER: Duration = Duration::from_millis(25);
/// A stream that is woken again and again reads at most once in this time. Our default: as above.
const PACE: Duration = Duration::from_millis(100);
/// Lifetime of a stream: not longer than that of the token that opened it.
const LIFETIME: Duration = Duration::from_secs(300);
/// Events per read.
const BATCH: i64 = 100;
/// What a position can be: a number that JavaScript holds exactly.
const POSITIONS: RangeInclusive<i64> = 0..=9_007_199_254_740_991;

mod union;

pub fn add(routes: &mut Routes) {
    routes.get("/api/v1/events", follow);
}

#[derive(OpenApi)]
#[openapi(paths(follow), components(schemas(EventView)))]
pub(crate) struct Doc;

/// Where a stream resumes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Resume {
    /// The last position seen; left out, the stream begins with what is new.
    #[param(minimum = 0, maximum = 9007199254740991_i64)]
    after: Option<i64>,
}

/// One frame of the stream; only for the OpenAPI document.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
pub(crate) struct StreamFrame {
    /// The position: resume after it, also by `Last-Event-ID`.
    pub id: String,
    /// What happened.
    pub event: String,
    #[schema(schema_with = union::data)]
    pub data: String,
}

/// One event, as the `data` of the stream. [`union`] is its schema.
#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    position: i64,
    stream: String,
    stream_id: AnyId,
    kind: String,
    payload: serde_json::Value,
    at: chrono::DateTime<chrono::Utc>,
}

/// The events that concern the caller, as server-sent events
#[utoipa::path(get, path = "/api/v1/events", operation_id = "followEvents", tag = "realtime",
    params(Resume, ("Last-Event-ID" = Option<i64>, Header, description = "As `after`, which goes before it.",
        minimum = 0, maximum = 9007199254740991_i64)),
    responses((status = 200, content_type = "text/event-stream", body = StreamFrame)))]
async fn follow(
    caller: Follower,
    request: HttpRequest,
    app: Data<Arc<AppState>>,
    process: Data<Process>,
    resume: Query<Resume>,
) -> Reply {
    let (audience, topic) = audience_of(caller.0).map_err(|failure| Problem::new(&request, failure))?;
    let last = last_seen(&request).map_err(|refusal| Problem::new(&request, refusal))?;
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
            .poll(caller.0, |conn, _, live| Ok(storage::events::event_head(conn, live)?))
            .await
            .map_err(|failure| Problem::new(&request, failure))?
            .unwrap_or(0),
    };
    let state = EventStream {
        app: Arc::clone(&app),
        process,
        actor: caller.0,
        audience,
        listener,
        position,
        pending: VecDeque::new(),
        next_read: NextRead::Now,
        live: false,
        ping: Duration::from_millis(app.policy.realtime.ping_ms),
        last_sent: tokio::time::Instant::now(),
        last_read: tokio::time::Instant::now(),
        span: Span::current(),
        _counted: GaugeGuard::by(&app.metrics.event_streams),
        until: tokio::time::Instant::now() + LIFETIME,
    };
    Ok(response.streaming(futures_util::stream::unfold(state, EventStream::next)))
}

/// The position in the header `Last-Event-ID`. An unreadable one is refused: a stream that began with
/// what is new instead would lose events.
fn last_seen(request: &HttpRequest) -> Result<Option<i64>, Refusal> {
    let Some(value) = request.headers().get("Last-Event-ID") else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(position) if POSITIONS.contains(&position) => Ok(Some(position)),
        Some(_) | None => {
            let wrong = Wrong::Range(*POSITIONS.start(), *POSITIONS.end());
            Err(bad_parameters(vec![wrong.into_problem("Last-Event-ID".to_owned())]))
        }
    }
}

/// The events that a caller may see, and the topic that wakes the stream.
fn audience_of(actor: Actor) -> Result<(Audience, Topic), Failure> {
    match actor {
        Actor::Worker(worker) => Ok((Audience::Worker(worker.worker), Topic::Worker(worker.worker))),
        Actor::Staff(staff) => match staff.role.staff().map_or(Hears::Nothing, |kind| kind.hears) {
            Hears::Own => Ok((Audience::Staff(staff.staff), Topic::Staff(staff.staff))),
            Hears::Reviews => Ok((Audience::Pharmacists, Topic::Reviews)),
            Hears::Everything => Ok((Audience::All, Topic::Operators)),
            Hears::Nothing => Err(Code::RoleNotAllowed.into()),
        },
        Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Cabinet(_) => {
            Err(Code::RoleNotAllowed.into())
        }
    }
}

struct EventStream {
    app: Arc<AppState>,
    process: Data<Process>,
    actor: Actor,
    audience: Audience,
    listener: Listener,
    position: i64,
    /// That of the request: the stream outlives its handler.
    span: Span,
    pending: VecDeque<LoggedEvent>,
    next_read: NextRead,
    /// Whether the pending events were read right after a wake-up, so that their delay is measured.
    live: bool,
    /// Interval of keep-alive comments, so that proxies do not close the connection.
    ping: Duration,
    last_sent: tokio::time::Instant,
    last_read: tokio::time::Instant,
    _counted: GaugeGuard,
    until: tokio::time::Instant,
}

/// When to read next. An idle stream makes no database query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextRead {
    /// There may be something to read.
    Now,
    /// There is something, but a transaction that began earlier is still running.
    Soon,
    /// After the next wake-up.
    OnWakeUp,
}

impl EventStream {
    /// The next bytes of the stream; `None` closes it.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        loop {
            let now = tokio::time::Instant::now();
            if let Some(event) = self.pending.pop_front() {
                self.position = event.position;
                if self.live {
                    let delay = (self.app.now() - event.at).num_microseconds().unwrap_or(0).max(0);
                    #[expect(clippy::cast_precision_loss, reason = "a delay is far below 2^52 microseconds")]
                    self.app.metrics.event_delivery_seconds.observe(delay as f64 / 1e6);
                }
                self.sent(now);
                return Some((Ok(frame(event)), self));
            }
            if now >= self.until || self.process.is_closing() {
                return None;
            }
            let next_ping = self.last_sent + self.ping;
            match self.next_read {
                NextRead::Now => {
                    self.last_read = now;
                    // Reading also checks that the caller is still authorised.
                    let found = match self.read().await {
                        Ok(found) => found,
                        Err(failure) => {
                            self.span.in_scope(|| log_fault(&failure));
                            return None;
                        }
                    };
                    self.next_read = match i64::try_from(found.events.len()) {
                        Ok(BATCH) => NextRead::Now,
                        _ if found.more_soon => NextRead::Soon,
                        _ => NextRead::OnWakeUp,
                    };
                    self.pending = found.events.into();
                }
                NextRead::Soon | NextRead::OnWakeUp if now >= next_ping => {
                    return Some((Ok(self.ping(now)), self));
                }
                NextRead::Soon => {
                    self.process.wait(&mut self.listener, RETRY_DELAY).await;
                    self.next_read = NextRead::Now;
                }
                NextRead::OnWakeUp => {
                    let waited = self.process.wait(&mut self.listener, next_ping - now).await;
                    self.live = waited == Waited::Woken;
                    if self.live {
                        let gathered = tokio::time::Instant::now() + GATHER;
                        tokio::time::sleep_until(gathered.max(self.last_read + PACE)).await;
                        // What woke it meanwhile is read together.
                        self.listener.seen();
                    }
                    if waited != Waited::Quiet {
                        self.next_read = NextRead::Now;
                    }
                }
            }
        }
    }

    /// A member of staff with an open stream counts as heard, even without requests, and also while
    /// it is so busy that it needs no pings.
    fn sent(&mut self, now: tokio::time::Instant) {
        self.last_sent = now;
        if let Actor::Staff(staff) = self.actor {
            self.app.coordination.heard(LivenessKey::Staff(staff.staff), self.app.now());
        }
    }

    fn ping(&mut self, now: tokio::time::Instant) -> Bytes {
        self.sent(now);
        Bytes::from_static(b": ping\n\n")
    }

    async fn read(&self) -> Result<Found, Failure> {
        self.app.events_after(self.actor, self.audience, self.position, BATCH).await
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
