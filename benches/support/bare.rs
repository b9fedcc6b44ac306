//! The baseline: an actix-web handler with nothing around it. It looks up the token
//! like the server and returns a fixed response.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    web::{self, Bytes, Data},
};
use tokio::sync::Notify;

use super::{
    app::HTTP_WORKERS,
    cabinets::Cabinet,
    child::{Ready, report_ready},
    client::Answer,
};
use base::clock::{Clock, SystemClock};
use crypto::{
    digest,
    tokens::{Audience, TokenKey, TokenKeys},
};
use http::token_cache::TokenCache;
use service::Actor;

const ISSUER: &str = "bare";

/// The handler's state.
struct Bare {
    keys: TokenKeys,
    clock: SystemClock,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    notify: Notify,
}

impl Bare {
    /// Looks up the token's digest in the cache and checks its expiry; verifies a new token.
    fn authenticate(&self, request: &HttpRequest, cache: &TokenCache) -> Option<Actor> {
        let token = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let now = self.clock.now();
        let key = digest::sha256(token.as_bytes());
        if let Some(actor) = cache.get(&key, now) {
            return Some(actor);
        }
        let claims = self.keys.verify(token, Audience::Cabinet, ISSUER, now).ok()?;
        let actor = Actor::of(&claims)?;
        cache.insert(key, actor, claims.expires_at, now);
        Some(actor)
    }

    fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

/// Responds at once.
async fn immediate(request: HttpRequest, bare: Data<Bare>, cache: Data<TokenCache>) -> HttpResponse {
    if bare.authenticate(&request, &cache).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    bare.answer()
}

/// Responds after the longest wait of a long poll: it waits for a notification that
/// never comes.
async fn long_poll(request: HttpRequest, bare: Data<Bare>, cache: Data<TokenCache>) -> HttpResponse {
    if bare.authenticate(&request, &cache).is_none() {
        return HttpResponse::Unauthorized().finish();
    }
    let _ = tokio::time::timeout(Duration::from_secs(25), bare.notify.notified()).await;
    bare.answer()
}

/// Parses the body as JSON and responds at once.
async fn parsed(
    request: HttpRequest,
    bare: Data<Bare>,
    cache: Data<TokenCache>,
    body: web::Json<serde_json::Value>,
) -> HttpResponse {
    if bare.authenticate(&request, &cache).is_none() || !body.0.is_object() {
        return HttpResponse::Unauthorized().finish();
    }
    bare.answer()
}

/// Serves until standard input is closed.
///
/// # Errors
/// When it cannot.
pub async fn serve(cabinets: usize, answer: Answer, holds: bool) -> anyhow::Result<()> {
    let clock = SystemClock;
    let keys = TokenKeys::new(vec![TokenKey::generate(clock.now())?])?;
    let mut headers = Vec::new();
    for (name, value) in &answer.headers {
        headers.push((HeaderName::try_from(name.as_str())?, HeaderValue::from_str(value)?));
    }
    let status = StatusCode::from_u16(answer.status)?;
    let body = Bytes::from(answer.body);
    let bare = Data::from(Arc::new(Bare { keys, clock, status, headers, body, notify: Notify::new() }));
    let cache = Data::new(TokenCache::default());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let shared = bare.clone();
    let server = HttpServer::new(move || {
        let work = if holds { web::get().to(long_poll) } else { web::get().to(immediate) };
        App::new()
            .app_data(shared.clone())
            .app_data(cache.clone())
            .route("/cabinet/v1/work", work)
            .route("/api/v1/prescriptions/check", web::post().to(parsed))
    })
    .listen(listener)?
    .workers(HTTP_WORKERS)
    .run();
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let tokens = (0..cabinets).map(|_| Cabinet::fresh().token(&bare.keys, ISSUER, clock.now()));
    report_ready(Ready { port, cabinets, doctor: String::new(), cursor: 0 }, tokens).await?;
    handle.stop(false).await;
    Ok(serving.await??)
}
