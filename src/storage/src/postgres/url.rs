//! Parses a `postgres://` URL: which server, and how the connection is protected. Parameter names
//! are those of PostgreSQL's own client; an unsupported one is refused by name, not ignored.

use std::{
    borrow::Cow,
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::tls::Bridge;
use base::config::is_this_machine;

/// Characters to escape in a value of the query.
const VALUE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'=').add(b'?').add(b'@');

/// Parameters that are read here; the client library gets all others as written.
const READ_HERE: [&str; 7] = ["host", "hostaddr", "port", "sslmode", "sslrootcert", "sslcert", "sslkey"];

/// One PostgreSQL server, and how to reach it. Its `Debug` output shows no password.
#[derive(Clone)]
pub struct PostgresUrl(Arc<Inner>);

struct Inner {
    text: String,
    target: Target,
    /// Opened by the first connection; dropping it closes the listener.
    bridge: OnceLock<Result<Bridge, String>>,
}

/// How to connect to the server.
enum Target {
    /// This machine, or one for which TLS was explicitly disabled.
    Plain {
        /// The URL for the client library.
        url: String,
    },
    /// Through TLS; the client library then connects to a socket of this process.
    Tls {
        plan: Arc<TlsPlan>,
        /// The URL for the client library, without the socket's directory.
        url: String,
    },
}

/// Server and certificates of a TLS connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsPlan {
    /// The name in the URL: the certificate must be for it.
    pub host: String,
    /// Where to connect: `hostaddr`, or the name.
    pub address: String,
    pub port: u16,
    pub trust: Trust,
    /// Client certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Which servers are trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Any: encrypted, but the server is not authenticated.
    Anyone,
    /// Certificates of these authorities, for any name.
    Chain(Roots),
    /// Certificates of these authorities, for the name in the URL.
    Name(Roots),
}

/// The trusted certificate authorities.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of the operating system.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

impl PostgresUrl {
    /// Parses the URL. The environment variables `PGHOST`, `PGHOSTADDR`, `PGPORT` and `PGSERVICE`
    /// count as they do for the client library.
    ///
    /// # Errors
    /// Why it is refused; repeats no part of the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let target = read(text, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
        Ok(Self(Arc::new(Inner { text: text.to_owned(), target, bridge: OnceLock::new() })))
    }

    /// The URL for the client library. The first call opens the bridge, if there is TLS.
    ///
    /// # Errors
    /// A certificate that cannot be read; a socket that cannot be created.
    pub(crate) fn for_client(&self) -> Result<Cow<'_, str>, String> {
        match &self.0.target {
            Target::Plain { url } => Ok(Cow::Borrowed(url)),
            Target::Tls { plan, url } => {
                let bridge = self.0.bridge.get_or_init(|| Bridge::open(Arc::clone(plan)));
                let dir = bridge.as_ref().map_err(Clone::clone)?.dir().to_string_lossy();
                Ok(Cow::Owned(format!("{url}&host={}", utf8_percent_encode(&dir, VALUE))))
            }
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.target {
            Target::Plain { .. } => out.write_str("postgres://(plain)"),
            Target::Tls { plan, .. } => {
                write!(out, "postgres://{}:{} (TLS, {:?})", plan.host, plan.port, plan.trust)
            }
        }
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}
impl Eq for PostgresUrl {}

/// The parts of the URL, and the environment.
struct Parts<E> {
    url: Url,
    /// `name:password`, as written.
    user: String,
    /// Names decoded, values as written.
    parameters: Vec<(String, String)>,
    environment: E,
}

impl<E: Fn(&str) -> Option<String>> Parts<E> {
    /// A parameter's decoded value; the last one counts.
    fn parameter(&self, name: &str) -> Result<Option<String>, String> {
        let found = self.parameters.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, raw)| decoded(raw)).transpose().map(|value| value.filter(|value| !value.is_empty()))
    }

    /// The host name or socket directory; `None` is the default socket.
    fn host(&self) -> Result<Option<String>, String> {
        if let Some(host) = self.parameter("host")? {
            return Ok(Some(host));
        }
        match self.url.host_str().filter(|host| !host.is_empty()) {
            Some(host) => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                decoded(bare.unwrap_or(host)).map(Some)
            }
            None => Ok((self.environment)("PGHOST")),
        }
    }

    fn port(&self) -> Result<u16, String> {
        let text = match (self.parameter("port")?, self.url.port()) {
            (Some(text), _) => text,
            (None, Some(port)) => return Ok(port),
            (None, None) => (self.environment)("PGPORT").unwrap_or_else(|| "5432".to_owned()),
        };
        text.parse().map_err(|_| "its port is no number".to_owned())
    }

    /// The URL without the parameters `left_out`, and with TLS disabled.
    fn without(&self, left_out: &[&str], authority: &str) -> String {
        let at = if self.user.is_empty() { "" } else { "@" };
        let mut text =
            format!("postgresql://{}{at}{authority}{}?sslmode=disable", self.user, self.url.path());
        for (name, raw) in &self.parameters {
            if !left_out.contains(&name.as_str()) {
                text = format!("{text}&{}={raw}", utf8_percent_encode(name, VALUE));
            }
        }
        text
    }

    /// Host and port as in the URL.
    fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

fn decoded(raw: &str) -> Result<String, String> {
    let text = percent_decode_str(raw).decode_utf8();
    text.map(Cow::into_owned).map_err(|_| "a part of it is not UTF-8".to_owned())
}

/// Refuses broken escapes: the error message of the client library would repeat the text around it,
/// as a rule a password.
fn refuse_broken_escapes(text: &str) -> Result<(), String> {
    let whole = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits != b"00" && digits.iter().all(u8::is_ascii_hexdigit))
    };
    if text.split('%').skip(1).all(whole) {
        return Ok(());
    }
    Err("a % in it is not followed by two hexadecimal digits other than 00; a % itself is written %25"
        .to_owned())
}

fn read(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Target, String> {
    refuse_broken_escapes(text)?;
    let (text, lone_user) = split_lone_user(text);
    let url = Url::parse(&text).map_err(|error| format!("it cannot be read: {error}"))?;
    let user = match (lone_user, url.password()) {
        (Some(user), _) => user,
        (None, Some(password)) => format!("{}:{password}", url.username()),
        (None, None) => url.username().to_owned(),
    };
    let pairs = url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let parameters = pairs
        .map(|pair| {
            let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
            decoded(name).map(|name| (name, raw.to_owned()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let parts = Parts { url, user, parameters, environment };
    refuse_unsupported(&parts)?;
    let host = parts.host()?;
    let address = match parts.parameter("hostaddr")? {
        Some(address) => Some(address),
        None => (parts.environment)("PGHOSTADDR"),
    };
    let reached = address.clone().or_else(|| host.clone());
    if reached.iter().chain(&host).any(|name| name.contains(',')) {
        return Err("it names several hosts; name one (a DNS name or a proxy can stand for more)".to_owned());
    }
    let Some(reached) = reached.filter(|name| !name.starts_with(['/', '@'])) else {
        // Unix sockets have no TLS, whatever the URL asks for.
        return plain(&parts);
    };
    match parts.parameter("sslmode")?.as_deref() {
        None if is_this_machine(&reached) => plain(&parts),
        None => Err("its server is another machine, so the way must be protected: add sslmode=verify-full \
                     and sslrootcert=FILE (or system); only where the network itself is private and \
                     protected, say sslmode=disable"
            .to_owned()),
        Some("disable") => {
            if !is_this_machine(&reached) {
                tracing::warn!("setting `database_url`: health data crosses the network in plain");
            }
            plain(&parts)
        }
        Some(mode @ ("require" | "verify-ca" | "verify-full")) => through_tls(&parts, mode, host, reached),
        Some("prefer" | "allow") => {
            Err("sslmode=prefer and sslmode=allow fall back to plain without a word; \
                                         use verify-full"
                .to_owned())
        }
        Some(_) => Err("sslmode is one of disable, require, verify-ca, verify-full".to_owned()),
    }
}

/// PostgreSQL accepts `postgres://user@/name`, but the URL standard does not: the user is then cut
/// out and returned separately.
fn split_lone_user(text: &str) -> (Cow<'_, str>, Option<String>) {
    let Some((scheme, rest)) = text.split_once("://") else { return (Cow::Borrowed(text), None) };
    let (authority, more) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.strip_suffix('@') {
        Some(user) => (Cow::Owned(format!("{scheme}://{more}")), Some(user.to_owned())),
        None => (Cow::Borrowed(text), None),
    }
}

fn plain<E: Fn(&str) -> Option<String>>(parts: &Parts<E>) -> Result<Target, String> {
    let protected = ["sslmode", "sslrootcert", "sslcert", "sslkey"];
    Ok(Target::Plain { url: parts.without(&protected, &parts.authority()) })
}

fn through_tls<E: Fn(&str) -> Option<String>>(
    parts: &Parts<E>,
    mode: &str,
    host: Option<String>,
    address: String,
) -> Result<Target, String> {
    let roots = parts.parameter("sslrootcert")?.map(|value| match value.as_str() {
        "system" => Roots::System,
        path => Roots::File(PathBuf::from(path)),
    });
    let trust = match (mode, roots) {
        ("require" | "verify-ca", Some(Roots::System)) => {
            return Err("sslrootcert=system goes only with sslmode=verify-full: anybody can have a \
                        certificate of a public authority"
                .to_owned());
        }
        ("require", None) => {
            tracing::warn!(
                "setting `database_url`: sslmode=require encrypts but does not tell who answers; \
                 verify-full with sslrootcert does"
            );
            Trust::Anyone
        }
        // As PostgreSQL's client does it.
        ("require" | "verify-ca", Some(roots)) => Trust::Chain(roots),
        (_, Some(roots)) => Trust::Name(roots),
        (_, None) => return Err(format!("sslmode={mode} needs sslrootcert=FILE (or system)")),
    };
    let identity = match (parts.parameter("sslcert")?, parts.parameter("sslkey")?) {
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        (None, None) => None,
        _ => return Err("sslcert and sslkey go together".to_owned()),
    };
    let port = parts.port()?;
    // Verification by name needs the name; without one the address is used.
    let host = host.filter(|name| !name.starts_with(['/', '@'])).unwrap_or_else(|| address.clone());
    let plan = Arc::new(TlsPlan { host, address, port, trust, identity });
    let url = format!("{}&port={port}", parts.without(&READ_HERE, ""));
    Ok(Target::Tls { plan, url })
}

/// Refuses parameters that would be silently ignored or would mean something else.
fn refuse_unsupported<E: Fn(&str) -> Option<String>>(parts: &Parts<E>) -> Result<(), String> {
    for (name, _) in &parts.parameters {
        let foreign = name.starts_with("ssl") && !READ_HERE.contains(&name.as_str());
        if foreign || ["service", "servicefile", "requiressl", "channel_binding"].contains(&name.as_str()) {
            return Err(format!("the parameter {name} is not supported"));
        }
    }
    if (parts.environment)("PGSERVICE").is_some() {
        return Err("PGSERVICE is set, and may name another server; unset it".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
