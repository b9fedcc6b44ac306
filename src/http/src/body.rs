//! Extractors for requests: bounded, strict, and reporting every bad field at once.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web};
use futures_util::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, Shared},
};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Authenticated,
    problem::Problem,
    process::{Process, bodies::Bodies},
    routes::{self, Part, Takes},
};
use crate::validation;
use crypto::digest;
use domain::{precondition::Expected, refusal::Code, spelling::IDEMPOTENCY_KEY_CHARS};
use service::Failure;

/// Maximum bytes of a request body.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;
/// Maximum bytes of a body from an unauthenticated caller. The largest valid body of such a route
/// is a tenth of this. Our default.
pub(crate) const UNAUTHENTICATED_LIMIT: usize = 16 * 1024;

/// A JSON body, read strictly: unknown fields are refused.
pub struct Body<T>(pub T);

/// The caller's idempotency key, bound to the body that came with it.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// 8 to 128 visible ASCII characters.
    pub key: String,
    /// SHA-256 of the body as received.
    pub body_digest: [u8; 32],
}

/// The body as received, for routes that verify a signature over it.
pub(crate) struct RawBody(pub web::Bytes);

/// A path parameter that can be parsed as `T`. An id that cannot be parsed is a 404, because
/// nothing can have it.
pub struct Path<T>(pub T);

/// A query string, read strictly.
pub struct Query<T>(pub T);

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// The body can be read only once, but several extractors of one handler (body, key,
/// signature) need it: they share one future.
pub(super) type SharedRead = Shared<LocalBoxFuture<'static, Result<web::Bytes, Code>>>;

#[derive(Clone)]
struct SharedBody(SharedRead);

/// The body of `request`; read once, shared by all extractors.
pub(super) fn receive(request: &HttpRequest, payload: &mut Payload) -> SharedRead {
    if let Some(shared) = request.extensions().get::<SharedBody>() {
        return shared.0.clone();
    }
    // The caller is the first argument of every handler, so it is extracted by now.
    let authenticated = request.extensions().contains::<Authenticated>();
    let bodies = request.app_data::<web::Data<Process>>().map(|process| process.bodies.clone());
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let intake = Intake { authenticated, bodies: bodies.unwrap_or_default(), announced };
    let arriving = intake.read(payload.take()).boxed_local().shared();
    request.extensions_mut().insert(SharedBody(arriving.clone()));
    arriving
}

/// Reads one body within its limits.
struct Intake {
    authenticated: bool,
    bodies: Bodies,
    /// `Content-Length` in bytes, as declared by the caller.
    announced: Option<usize>,
}

impl Intake {
    /// Memory is reserved as bytes arrive, not by the announced length.
    async fn read(self, mut payload: Payload) -> Result<web::Bytes, Code> {
        let most = if self.authenticated { BODY_LIMIT } else { UNAUTHENTICATED_LIMIT };
        if self.announced.is_some_and(|bytes| bytes > most) {
            return Err(Code::BodyTooLarge);
        }
        let whole = Instant::now() + self.bodies.whole;
        let mut memory = self.bodies.begin(self.authenticated);
        let mut bytes = web::BytesMut::new();
        loop {
            let until = whole.min(Instant::now() + self.bodies.pause);
            let Ok(next) = timeout_at(until, payload.next()).await else { return Err(Code::RequestTimeout) };
            let Some(chunk) = next else { return Ok(bytes.freeze()) };
            let chunk = chunk.map_err(|_| Code::MalformedBody)?;
            if bytes.len() + chunk.len() > most {
                return Err(Code::BodyTooLarge);
            }
            if !memory.grow_to(bytes.len() + chunk.len()) {
                return Err(Code::Overloaded);
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let bytes = arriving.await.map_err(|code| Problem::new(&request, Failure::from(code)))?;
            Ok(RawBody(bytes))
        })
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let problem = |code: Code| Problem::new(&request, Failure::from(code));
            let header = request
                .headers()
                .get("Idempotency-Key")
                .ok_or_else(|| problem(Code::IdempotencyKeyMissing))?;
            let key = header.to_str().map_err(|_| problem(Code::IdempotencyKeyInvalid))?.to_owned();
            if !IDEMPOTENCY_KEY_CHARS.contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(problem(Code::IdempotencyKeyInvalid));
            }
            let bytes = arriving.await.map_err(|code| Problem::new(&request, Failure::from(code)))?;
            Ok(Self { key, body_digest: digest::sha256(&bytes) })
        })
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Extracted<Self>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, arriving) = (request.clone(), receive(request, payload));
        Box::pin(async move {
            let bytes = arriving.await.map_err(|code| Problem::new(&request, Failure::from(code)))?;
            if !is_plain_json(&request) {
                return Err(Problem::new(&request, Failure::from(Code::UnsupportedMediaType)));
            }
            let process = request.app_data::<web::Data<Process>>().ok_or_else(|| {
                Problem::new(&request, Failure::inconsistent("the process's state is not at hand"))
            })?;
            validation::body(&process.schemas, &bytes)
                .map(Body)
                .map_err(|refusal| Problem::new(&request, refusal))
        })
    }
}

/// Whether the content type is JSON and the body is not compressed: decompression is not supported.
fn is_plain_json(request: &HttpRequest) -> bool {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let media = header(header::CONTENT_TYPE).and_then(|text| text.split(';').next()).unwrap_or_default();
    let coding = header(header::CONTENT_ENCODING).unwrap_or("identity");
    media.trim().eq_ignore_ascii_case("application/json") && coding.eq_ignore_ascii_case("identity")
}

impl<T: std::str::FromStr + 'static> FromRequest for Path<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().iter().next().map(|(_, text)| text);
        // U+0000 is allowed in no text, so no id or code contains it.
        let parsed = text.filter(|text| !text.contains('\0')).and_then(|text| text.parse().ok());
        std::future::ready(
            parsed.map(Path).ok_or_else(|| Problem::new(request, Failure::from(Code::NotFound))),
        )
    }
}

impl<T: DeserializeOwned + IntoParams + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = validation::query(request.query_string());
        std::future::ready(read.map(Query).map_err(|refusal| Problem::new(request, refusal)))
    }
}

/// The versions in the `If-Match` header; several header lines are joined into one list.
pub(crate) struct IfMatch(pub Expected);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let lines: Option<Vec<&str>> =
            request.headers().get_all(header::IF_MATCH).map(|line| line.to_str().ok()).collect();
        let read = match lines {
            Some(lines) if lines.is_empty() => Err(Code::PreconditionMissing),
            Some(lines) => Expected::parse(&lines.join(",")).ok_or(Code::PreconditionInvalid),
            None => Err(Code::PreconditionInvalid),
        };
        std::future::ready(read.map(IfMatch).map_err(|code| Problem::new(request, Failure::from(code))))
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> Part for Body<T> {
    const TAKES: Takes = routes::BODY;
}
impl Part for IdempotencyKey {
    const TAKES: Takes = routes::KEY;
}
impl<T: DeserializeOwned + IntoParams + 'static> Part for Query<T> {
    const TAKES: Takes = routes::QUERY;
}
impl<T: std::str::FromStr + 'static> Part for Path<T> {
    const TAKES: Takes = routes::PATH;
}
impl Part for IfMatch {
    const TAKES: Takes = routes::IF_MATCH;
}
