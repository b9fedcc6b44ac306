//! A retrying client of the public API: whatever may be repeated is repeated with
//! the same idempotency key after a growing pause; other failures are returned to
//! the caller.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, StatusCode, header};
use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    offer_times::OfferTimes,
    sessions::{Device, Staff, WorkerPass},
};
use base::clock::Clock;
use crypto::{
    device::{BoundRequest, sign_bound_request, sign_request},
    random,
};

/// How long a call is retried before its failure is returned.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Request timeout: longer than any long poll of the server.
const LONGEST_CALL: Duration = Duration::from_secs(40);

/// The server's address and one connection pool for all simulated people.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: Arc<str>,
    /// For tokens and one-time codes.
    pub clock: Arc<dyn Clock>,
    /// Counts of unexpected responses.
    pub tally: Arc<Tally>,
    pub(crate) offers: Arc<OfferTimes>,
}

/// Counts of unexpected responses, by their code.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<Tallied>,
    sent: AtomicU64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Requests sent; each try counts.
    pub sent: u64,
    /// Final refusals.
    pub refused: BTreeMap<String, u64>,
    /// Responses after which the call was retried (429, 503, no response).
    pub put_off: BTreeMap<String, u64>,
}

impl Tally {
    pub fn read(&self) -> Tallied {
        Tallied { sent: self.sent.load(Ordering::Relaxed), ..self.locked().clone() }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Tallied> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The server refused.
    #[error("{method} {path}: {status} {code}{}", state.as_deref().map(|s| format!(" (now {s})")).unwrap_or_default())]
    Refused {
        method: Method,
        path: String,
        status: u16,
        code: String,
        /// The current state, on a state conflict.
        state: Option<String>,
        /// Findings and the like.
        data: Option<Box<Value>>,
    },
    /// No response in any try.
    #[error("{path}: no answer: {why}")]
    Lost { path: String, why: String },
    /// The response does not match the API.
    #[error("{path}: unreadable answer: {why}")]
    Unreadable { path: String, why: String },
    /// A signature or token could not be made in this process.
    #[error("on our side: {0}")]
    Ours(String),
}

impl CallError {
    /// The stable code of a refusal, else empty.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Lost { .. } | Self::Unreadable { .. } | Self::Ours(_) => "",
        }
    }

    /// The HTTP status of a refusal, else 0.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused { status, .. } => *status,
            Self::Lost { .. } | Self::Unreadable { .. } | Self::Ours(_) => 0,
        }
    }

    /// Whether another caller changed it first, or it is in another state by now.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self.status(), 404 | 409)
    }
}

impl From<crypto::CryptoError> for CallError {
    fn from(error: crypto::CryptoError) -> Self {
        Self::Ours(error.to_string())
    }
}

#[derive(Clone, Copy)]
pub enum As<'a> {
    Nobody,
    Staff(&'a Staff),
    /// A station, which signs its POSTs.
    Station(&'a Device),
    /// A cabinet, which signs its POSTs.
    Cabinet(&'a Device),
    Worker(&'a WorkerPass),
}

impl As<'_> {
    async fn token(&self) -> Result<Option<String>, CallError> {
        match self {
            Self::Nobody => Ok(None),
            Self::Staff(staff) => Box::pin(staff.token()).await.map(Some),
            Self::Station(device) | Self::Cabinet(device) => Box::pin(device.token()).await.map(Some),
            Self::Worker(pass) => Box::pin(pass.token()).await.map(Some),
        }
    }

    /// The token was refused: the next call requests a new one.
    async fn forget_token(&self) {
        match self {
            Self::Nobody => {}
            Self::Staff(staff) => staff.forget_token().await,
            Self::Station(device) | Self::Cabinet(device) => device.forget_token().await,
            Self::Worker(pass) => pass.forget_token().await,
        }
    }
}

/// One call and its retry settings.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    key: Option<String>,
    if_match: Option<String>,
    retry_for: Duration,
    /// Error statuses that are expected.
    may_refuse: &'static [u16],
}

/// A response with its ETag.
#[derive(Debug)]
pub struct Tagged<T> {
    pub body: T,
    /// The version, for `If-Match`.
    pub etag: Option<String>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self::of(Method::GET, path.into(), None)
    }

    /// A POST with a new idempotency key.
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Self {
        let mut call = Self::of(Method::POST, path.into(), Some(bytes_of(body)));
        call.key = Some(random::token_128().expose_secret().to_owned());
        call
    }

    /// A POST to a route without idempotency keys: tokens, cabinets, computations.
    pub(crate) fn post_plain(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self::of(Method::POST, path.into(), Some(bytes_of(body)))
    }

    /// A PUT that replaces the version `etag`.
    pub fn put(path: impl Into<String>, etag: Option<String>, body: &impl Serialize) -> Self {
        let mut call = Self::of(Method::PUT, path.into(), Some(bytes_of(body)));
        call.if_match = etag;
        call
    }

    /// Without retries: a failure is returned at once.
    pub fn once(mut self) -> Self {
        self.retry_for = Duration::ZERO;
        self
    }

    /// Refusals with these statuses are expected and not counted.
    pub(crate) fn may_refuse(mut self, statuses: &'static [u16]) -> Self {
        self.may_refuse = statuses;
        self
    }

    /// Another caller may change it first.
    pub(crate) fn may_conflict(self) -> Self {
        self.may_refuse(&[404, 409])
    }

    /// It may not exist.
    pub(crate) fn may_miss(self) -> Self {
        self.may_refuse(&[404])
    }

    fn of(method: Method, path: String, body: Option<Vec<u8>>) -> Self {
        Self { method, path, body, key: None, if_match: None, retry_for: RETRY_FOR, may_refuse: &[] }
    }
}

fn bytes_of(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("what the simulation sends has text keys and finite numbers")
}

/// The result of one try.
enum Try {
    Answer(reqwest::Response),
    Again { after: Option<Duration>, why: String, refusal: Option<CallError> },
}

impl Api {
    /// A client of the server at `base`, e.g. `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When the HTTP client cannot be created.
    pub fn new(base: &str, clock: Arc<dyn Clock>) -> Result<Self, CallError> {
        let http = reqwest::Client::builder()
            .timeout(LONGEST_CALL)
            .pool_max_idle_per_host(512)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| CallError::Ours(error.to_string()))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').into(),
            clock,
            tally: Arc::default(),
            offers: Arc::default(),
        })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a call and reads the response as a `T`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<T: DeserializeOwned>(&self, who: As<'_>, call: Call) -> Result<T, CallError> {
        Ok(self.call_tagged(who, call).await?.body)
    }

    /// Sends a call and reads the response with its ETag.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call_tagged<T: DeserializeOwned>(
        &self,
        who: As<'_>,
        call: Call,
    ) -> Result<Tagged<T>, CallError> {
        let path = call.path.clone();
        let unreadable = |why: String| CallError::Unreadable { path: path.clone(), why };
        let response = self.send(who, &call).await?;
        let etag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let bytes = response
            .bytes()
            .await
            .map_err(|error| CallError::Lost { path: path.clone(), why: error.to_string() })?;
        let body = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(Tagged { body, etag })
    }

    /// Opens a streaming response, such as an event stream.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn open(&self, who: As<'_>, call: Call) -> Result<reqwest::Response, CallError> {
        self.send(who, &call).await
    }

    async fn send(&self, who: As<'_>, call: &Call) -> Result<reqwest::Response, CallError> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(100);
        let mut renewed = false;
        loop {
            let (after, why, refusal) = match self.try_once(who, call).await? {
                Try::Answer(response) if response.status().is_success() => return Ok(response),
                Try::Answer(response) => {
                    let refused = refusal_of(call, response).await;
                    let stale = matches!(refused.code(), "token_expired" | "token_invalid" | "session_ended");
                    if !stale || renewed {
                        self.count(call, &refused);
                        return Err(refused);
                    }
                    renewed = true;
                    who.forget_token().await;
                    continue;
                }
                Try::Again { after, why, refusal } => (after, why, refusal),
            };
            let wait = after.unwrap_or(pause);
            if began.elapsed() + wait > call.retry_for {
                let failed = refusal.unwrap_or(CallError::Lost { path: call.path.clone(), why });
                self.count(call, &failed);
                return Err(failed);
            }
            let code = refusal.as_ref().map_or("no_answer", CallError::code).to_owned();
            *self.tally.locked().put_off.entry(code).or_default() += 1;
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn count(&self, call: &Call, error: &CallError) {
        if !call.may_refuse.contains(&error.status()) {
            let code = if error.code().is_empty() { "no_answer" } else { error.code() };
            *self.tally.locked().refused.entry(code.to_owned()).or_default() += 1;
        }
    }

    async fn try_once(&self, who: As<'_>, call: &Call) -> Result<Try, CallError> {
        let mut request = self
            .http
            .request(call.method.clone(), format!("{}{}", self.base, call.path))
            .header(header::ACCEPT_LANGUAGE, "en");
        let token = who.token().await?;
        if let Some(signed) = signature(who, call, token.as_deref())? {
            request = request.header("Waystation-Signature", signed);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(tag) = &call.if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        if let Some(body) = &call.body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Try::Again { after: None, why: plain(&error), refusal: None }),
        };
        let wait = response.status() == StatusCode::SERVICE_UNAVAILABLE
            || response.status() == StatusCode::TOO_MANY_REQUESTS;
        if !wait {
            return Ok(Try::Answer(response));
        }
        let seconds =
            response.headers().get(header::RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
        let why = format!("status {}", response.status());
        let refusal = Some(refusal_of(call, response).await);
        Ok(Try::Again { after: seconds.map(Duration::from_secs), why, refusal })
    }
}

/// The signature of a device's request; a device signs every request with a body.
fn signature(who: As<'_>, call: &Call, token: Option<&str>) -> Result<Option<String>, CallError> {
    let (method, path) = (call.method.as_str(), call.path.as_str());
    match (who, &call.body) {
        (As::Cabinet(device), Some(body)) => {
            Ok(Some(sign_request(&device.key, device.id, method, path, body)?))
        }
        (As::Station(device), Some(body)) => {
            let key = call.key.as_deref().unwrap_or_default().as_bytes();
            let access_token = token.unwrap_or_default();
            let bound = BoundRequest { method, path, body, access_token, idempotency_key: key };
            Ok(Some(sign_bound_request(&device.key, device.id, &bound)?))
        }
        _ => Ok(None),
    }
}

/// The error's text without the URL, which may contain a phone number.
fn plain(error: &reqwest::Error) -> String {
    let mut why = if error.is_timeout() { "timed out".to_owned() } else { "connection lost".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    why
}

async fn refusal_of(call: &Call, response: reqwest::Response) -> CallError {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let mut data = body.get("data").cloned();
    if let Some(errors) = body.get("errors") {
        data = Some(serde_json::json!({"errors": errors, "data": data}));
    }
    CallError::Refused {
        method: call.method.clone(),
        path: call.path.split('?').next().unwrap_or_default().to_owned(),
        status,
        code: text("code").unwrap_or_default(),
        state: text("state"),
        data: data.map(Box::new),
    }
}
