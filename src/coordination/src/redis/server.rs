//! Which Redis server a URL names, and whether the connection is protected: the
//! same rule as for the database. Redis contains no health data, but whoever can
//! write to it can wake every listener and reset every limit, and the password
//! would cross the network unencrypted.

use url::Url;

use base::config::is_this_machine;

const KINDS: &str = "it must be redis://.., rediss://.. or redis+unix://..";

/// The client for a server whose connection is protected, is local to this
/// machine, or was declared to need no protection (`sslmode=disable`).
///
/// # Errors
/// Why the URL is refused; the text contains no part of the URL.
pub(super) fn client(text: &str) -> Result<redis::Client, String> {
    let (url, plain_is_wanted) = without_sslmode(text)?;
    if url.fragment().is_some() {
        return Err("it may have no #fragment: a certificate is always verified".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let elsewhere = !host.is_empty() && !is_this_machine(host);
    match url.scheme() {
        scheme if !["redis", "rediss", "redis+unix", "unix"].contains(&scheme) => {
            return Err(KINDS.to_owned());
        }
        "rediss" if plain_is_wanted => {
            return Err("rediss:// is TLS, and sslmode=disable is none: say one of them".to_owned());
        }
        "redis" if elsewhere && !plain_is_wanted => {
            return Err("its server is another machine, so the way must be protected: use rediss://; only \
                        where the network itself is private and protected, say sslmode=disable"
                .to_owned());
        }
        "redis" if elsewhere => {
            tracing::warn!("setting `redis_url`: the password and all hints cross the network in plain");
        }
        _ => {}
    }
    redis::Client::open(url).map_err(|_| KINDS.to_owned())
}

/// The URL without our own parameter `sslmode`, and whether that was `disable`;
/// the client library reads all other parameters.
fn without_sslmode(text: &str) -> Result<(Url, bool), String> {
    let mut url = Url::parse(text).map_err(|_| KINDS.to_owned())?;
    let Some(query) = url.query() else { return Ok((url, false)) };
    let (ours, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| pair.split('=').next() == Some("sslmode"));
    let disable = match ours[..] {
        [] => false,
        ["sslmode=disable"] => true,
        _ => return Err("sslmode may only be disable, once; TLS is rediss://".to_owned()),
    };
    let others = others.join("&");
    url.set_query(Some(others.as_str()).filter(|query| !query.is_empty()));
    Ok((url, disable))
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn addr(text: &str) -> ConnectionAddr {
        let client = client(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        client.get_connection_info().addr().clone()
    }

    #[test]
    fn this_machine_and_sockets_need_no_tls() {
        for text in
            ["redis://localhost", "redis://:hunter2@127.0.0.1:7000/2", "redis://[::1]?sslmode=disable"]
        {
            assert!(matches!(addr(text), ConnectionAddr::Tcp(..)), "{text}");
        }
        for text in
            ["redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=1", "unix:///run/redis.sock"]
        {
            assert!(matches!(addr(text), ConnectionAddr::Unix(_)), "{text}");
        }
    }

    #[test]
    fn another_machine_needs_tls_or_sslmode_disable() {
        let tls = addr("rediss://:hunter2@cache.example:6380/0");
        assert!(
            matches!(tls, ConnectionAddr::TcpTls { host, port: 6380, insecure: false, .. } if host == "cache.example")
        );
        for text in [
            "redis://:hunter2@cache.example/3?sslmode=disable",
            "redis://cache.example/3?protocol=resp3&sslmode=disable",
        ] {
            assert_eq!(addr(text), ConnectionAddr::Tcp("cache.example".to_owned(), 6379), "{text}");
            let known = client(text).expect("taken").get_connection_info().redis_settings().db();
            assert_eq!(known, 3);
        }
    }

    #[test]
    fn unsafe_and_unknown_urls_are_refused_without_repeating_secrets() {
        for (text, named) in [
            ("redis://:hunter2@cache.example:6379/0", "rediss://"),
            ("redis://:hunter2@10.0.0.7", "rediss://"),
            ("redis://:hunter2@localhost.example", "rediss://"),
            ("redis://:hunter2@cache.example?sslmode=require", "rediss://"),
            ("redis://:hunter2@cache.example?sslmode=disable&sslmode=disable", "once"),
            ("rediss://:hunter2@cache.example?sslmode=disable", "one of them"),
            ("rediss://:hunter2@cache.example/#insecure", "verified"),
            ("http://:hunter2@localhost", "redis+unix"),
            ("valkey://:hunter2@cache.example", "redis+unix"),
            ("hunter2", "redis+unix"),
        ] {
            let Err(why) = client(text) else { panic!("{text}: taken") };
            assert!(why.contains(named), "{text}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
