//! Requests that a device signed itself. The signature is checked before the
//! handler runs, with the key that the database holds now: neither a cached
//! token nor a revoked key gets past it.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{
    auth::actor_of,
    body::{Body, RawBody},
    problem::Problem,
    routes::{self, Part, Takes},
};
use crate::{
    crypto::{device, public_key::Ed25519PublicKey},
    domain::refusal::Code,
    service::{Actor, Failure, House, caller::CabinetCaller},
};

/// The header with the detached JWS over method, path and body.
pub const SIGNATURE_HEADER: &str = "Waystation-Signature";

/// A JSON body that the calling cabinet signed.
pub struct SignedBody<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for SignedBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Both share one reading of the body.
        let raw = RawBody::from_request(request, payload);
        let body = Body::<T>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let bytes = raw.await?;
            verify(&request, bytes.0.as_ref()).await.map_err(|failure| Problem::new(&request, failure))?;
            body.await.map(|body| SignedBody(body.0))
        })
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> Part for SignedBody<T> {
    const TAKES: Takes = routes::BODY | routes::SIGNATURE;
}

async fn verify(request: &HttpRequest, body: &[u8]) -> Result<(), Failure> {
    let Actor::Cabinet(caller) = actor_of(request)? else { return Err(Code::RoleNotAllowed.into()) };
    let signature = request
        .headers()
        .get(SIGNATURE_HEADER)
        .and_then(|value| value.to_str().ok())
        .ok_or(Code::SignatureInvalid)?;
    let key = device_key(request, caller).await?;
    // As received: a path that was decoded and written anew is another text.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let signer = device::verify_request(&key, signature, request.method().as_str(), path, body)
        .map_err(|_| Code::SignatureInvalid)?;
    if signer == caller.device { Ok(()) } else { Err(Code::SignatureInvalid.into()) }
}

async fn device_key(request: &HttpRequest, caller: CabinetCaller) -> Result<Ed25519PublicKey, Failure> {
    let house = request
        .app_data::<Data<Arc<House>>>()
        .ok_or_else(|| Failure::Fault("the house is not at hand".to_owned()))?;
    let text = house
        .read(Actor::Cabinet(caller), move |conn, _| {
            crate::service::vend::device_key(conn, caller.device, caller.epoch)
        })
        .await?;
    Ok(text.parse::<Ed25519PublicKey>()?)
}
