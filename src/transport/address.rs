//! Where a request came from, for limits and nothing else: an address proves
//! nothing.

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use ipnet::IpNet;

use crate::service::House;

/// The address of the caller.
#[derive(Debug, Clone)]
pub struct Address(pub String);

impl FromRequest for Address {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let house = request.app_data::<Data<Arc<House>>>();
        let trusted = house.map_or(&[][..], |house| &house.trusted_proxies);
        std::future::ready(Ok(Self(caller(request, trusted))))
    }
}

/// The peer; or, where the peer is a proxy of ours, the last address that it
/// wrote into `X-Forwarded-For`. Earlier entries come from outside and say
/// whatever the caller likes.
fn caller(request: &HttpRequest, trusted: &[IpNet]) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else {
        return "unknown".to_owned();
    };
    if !trusted.iter().any(|proxy| proxy.contains(&peer)) {
        return peer.to_string();
    }
    let forwarded = request.headers().get_all("X-Forwarded-For").last();
    let last = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.rsplit(',').next())
        .and_then(|text| text.trim().parse::<std::net::IpAddr>().ok());
    last.unwrap_or(peer).to_string()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use ipnet::IpNet;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> =
            ["127.0.0.0/8", "10.1.0.0/16", "::1/128"].map(|net| net.parse().expect("a network")).into();
        let mut request = TestRequest::default().peer_addr(peer.parse().expect("a peer"));
        for value in forwarded {
            request = request.append_header(("X-Forwarded-For", *value));
        }
        caller(&request.to_http_request(), &trusted)
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed_and_only_what_it_wrote_itself() {
        assert_eq!(seen("10.1.2.3:1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("10.1.2.3:1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("[::ffff:127.0.0.1]:1", &["203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("10.2.0.1:1", &["198.51.100.7"]), "10.2.0.1");
        assert_eq!(seen("203.0.113.9:1", &["127.0.0.1"]), "203.0.113.9");
        for nothing in [vec![], vec!["not an address"], vec!["198.51.100.7, "]] {
            assert_eq!(seen("127.0.0.1:1", &nothing), "127.0.0.1");
        }
    }
}
