//! Where a request came from, for limits and nothing else: an address proves
//! nothing.

use actix_web::{FromRequest, HttpRequest, dev::Payload};

/// The address of the caller.
#[derive(Debug, Clone)]
pub struct Address(pub String);

impl FromRequest for Address {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(address_of(request))))
    }
}

/// The peer; or, where the peer is on this machine and so the proxy that ends
/// TLS, the last address that it wrote into `X-Forwarded-For`. Earlier entries
/// come from outside and say whatever the caller likes.
fn address_of(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip()) else { return "unknown".to_owned() };
    let forwarded = request.headers().get_all("X-Forwarded-For").last();
    let last = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.rsplit(',').next())
        .and_then(|text| text.trim().parse::<std::net::IpAddr>().ok());
    match last {
        Some(caller) if peer.is_loopback() => caller.to_string(),
        _ => peer.to_string(),
    }
}
