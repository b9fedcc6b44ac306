//! Requests signed by a device. The signature is checked before the handler runs. A cabinet's key is
//! cached: its operations check in their own transaction that it may still act, so neither a cached
//! token nor a revoked key is enough.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web::Data,
};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{
    auth::actor_of,
    body::{Body, RawBody, receive},
    problem::Problem,
    routes::{self, Part, Takes},
};
use crypto::{
    device::{self, BoundRequest},
    public_key::Ed25519PublicKey,
};
use domain::refusal::Code;
use service::{
    Actor, AppState, Failure,
    caller::{CabinetCaller, StationCaller},
};

/// The header with the detached JWS over method, path and body.
pub(crate) const SIGNATURE_HEADER: &str = "Waystation-Signature";

/// A JSON body that the calling cabinet signed.
pub(crate) struct SignedBody<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for SignedBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Both extractors share one read of the body.
        let raw = RawBody::from_request(request, payload);
        let body = Body::<T>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let bytes = raw.await?;
            verify(&request, bytes.0.as_ref()).await.map_err(|failure| Problem::new(&request, failure))?;
            match body.await {
                Ok(body) => Ok(SignedBody(body.0)),
                // No operation will check that the device may still act.
                Err(problem) => {
                    still_enrolled(&request).await.map_err(|failure| Problem::new(&request, failure))?;
                    Err(problem)
                }
            }
        })
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> Part for SignedBody<T> {
    const TAKES: Takes = routes::BODY | routes::SIGNATURE;
}

/// Middleware: lets a request of a station's screen pass if the screen signed it; other callers
/// need only their token. It runs before anything else reads the request, so that nothing is
/// done, counted or disclosed for somebody who only has a stolen screen token.
///
/// # Errors
/// Those of the inner service.
pub(crate) async fn by_screen(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // A caller without a valid token is refused later, by the handler's first argument.
    let Ok(Actor::Station(caller)) = actor_of(request.request()) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    match verify_screen(&mut request, caller).await {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(failure) => {
            let problem = HttpResponse::from_error(Problem::new(request.request(), failure));
            Ok(request.into_response(problem).map_into_right_body())
        }
    }
}

async fn verify_screen(request: &mut ServiceRequest, caller: StationCaller) -> Result<(), Failure> {
    // Before the body: without a signature header it need not be read.
    let signature = signature_of(request.request())?;
    let reading = {
        let (http, payload) = request.parts_mut();
        receive(http, payload)
    };
    let body = reading.await?;
    let http = request.request();
    let key = service::vend::device_key(app_of(http)?, caller.device, caller.epoch).await?;
    let header = |name: &str| http.headers().get(name).map(|value| value.as_bytes()).unwrap_or_default();
    let token = header(header::AUTHORIZATION.as_str());
    let token = std::str::from_utf8(token).ok().and_then(|text| text.strip_prefix("Bearer "));
    let bound = BoundRequest {
        method: http.method().as_str(),
        path: path_of(http),
        body: &body,
        access_token: token.ok_or(Code::TokenInvalid)?,
        idempotency_key: header("Idempotency-Key"),
    };
    let signer =
        device::verify_bound_request(&key, &signature, &bound).map_err(|_| Code::SignatureInvalid)?;
    if signer == caller.device { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
}

async fn verify(request: &HttpRequest, body: &[u8]) -> Result<(), Failure> {
    let caller = cabinet_of(request)?;
    let signature = signature_of(request)?;
    let (method, path) = (request.method().as_str(), path_of(request));
    let fits = |key: &Ed25519PublicKey| {
        device::verify_request(key, &signature, method, path, body)
            .is_ok_and(|signer| signer == caller.device)
    };
    let known = service::vend::known_device_key(app_of(request)?, caller.device, caller.epoch);
    if known.is_some_and(|key| fits(&key)) {
        return Ok(());
    }
    // Of a revoked device the revocation is reported, not the signature.
    let key = service::vend::device_key(app_of(request)?, caller.device, caller.epoch).await?;
    if fits(&key) { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
}

async fn still_enrolled(request: &HttpRequest) -> Result<(), Failure> {
    let caller = cabinet_of(request)?;
    service::vend::device_key(app_of(request)?, caller.device, caller.epoch).await.map(drop)
}

fn cabinet_of(request: &HttpRequest) -> Result<CabinetCaller, Failure> {
    match actor_of(request)? {
        Actor::Cabinet(caller) => Ok(caller),
        _another_role => Err(Code::RoleNotAllowed.into()),
    }
}

fn app_of(request: &HttpRequest) -> Result<&Arc<AppState>, Failure> {
    let app = request.app_data::<Data<Arc<AppState>>>();
    Ok(app.ok_or_else(|| Failure::inconsistent("the application state is not at hand"))?)
}

fn signature_of(request: &HttpRequest) -> Result<String, Failure> {
    let header = request.headers().get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    Ok(header.ok_or(Code::SignatureInvalid)?.to_owned())
}

/// The path and query exactly as received: decoding and re-encoding could change the signed text.
fn path_of(request: &HttpRequest) -> &str {
    request.uri().path_and_query().map_or("/", |path| path.as_str())
}
