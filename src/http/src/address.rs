//! The network address of a caller. Used only for rate limits: an address is no proof of
//! identity.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use ipnet::IpNet;

use crate::process::Process;

/// The address of the caller, reduced to what identifies one subscriber (see [`source`]).
#[derive(Debug, Clone)]
pub(crate) struct Address(pub String);

impl FromRequest for Address {
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let process = request.app_data::<Data<Process>>();
        let trusted = process.map_or(&[][..], |process| &process.trusted_proxies);
        std::future::ready(Ok(Self(caller(request, trusted))))
    }
}

/// The peer; or, if the peer is a trusted proxy, the last address that it wrote into
/// `X-Forwarded-For`. Earlier entries can be forged by the caller.
fn caller(request: &HttpRequest, trusted: &[IpNet]) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else {
        return "unknown".to_owned();
    };
    if !trusted.iter().any(|proxy| proxy.contains(&peer)) {
        return source(peer);
    }
    let forwarded = request.headers().get_all("X-Forwarded-For").last();
    let last = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.rsplit(',').next())
        .and_then(|text| address(text.trim()));
    source(last.unwrap_or(peer))
}

/// Parses an address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

/// The address range of one subscriber: an IPv4 address, also when written as IPv6
/// (mapped, RFC 4291; translated, RFC 6052), or an IPv6 /64, in which every subscriber
/// has 2^64 addresses (RFC 6177).
pub(super) fn source(address: IpAddr) -> String {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical().to_string() };
    let [a, b, c, d, e, f, high, low] = v6.segments();
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [[one, two], [three, four]] = [high.to_be_bytes(), low.to_be_bytes()];
        return Ipv4Addr::new(one, two, three, four).to_string();
    }
    format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
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
    fn only_the_last_entry_of_a_trusted_proxy_is_used() {
        assert_eq!(seen("10.1.2.3:1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("10.1.2.3:1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("[::ffff:127.0.0.1]:1", &["203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen("10.2.0.1:1", &["198.51.100.7"]), "10.2.0.1");
        assert_eq!(seen("203.0.113.9:1", &["127.0.0.1"]), "203.0.113.9");
        for nothing in [vec![], vec!["not an address"], vec!["198.51.100.7, "]] {
            assert_eq!(seen("127.0.0.1:1", &nothing), "127.0.0.1");
        }
    }

    #[test]
    fn a_subscriber_is_one_source_however_its_address_is_written() {
        for (peer, source) in [
            ("[2001:db8:1:2:aaaa::1]:1", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2:ffff:ffff:ffff:ffff]:1", "2001:db8:1:2::/64"),
            ("[2001:db8:1:3::1]:1", "2001:db8:1:3::/64"),
            ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
            ("[64:ff9b::203.0.113.9]:1", "203.0.113.9"),
            ("203.0.113.9:1", "203.0.113.9"),
        ] {
            assert_eq!(seen(peer, &[]), source);
        }
        for (forwarded, source) in [
            ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("198.51.100.7:5555", "198.51.100.7"),
        ] {
            assert_eq!(seen("127.0.0.1:1", &[forwarded]), source);
        }
    }
}
