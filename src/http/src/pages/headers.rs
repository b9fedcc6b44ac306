//! Security headers of every answer: load nothing from other hosts, do not guess content
//! types, send no referrer.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

// Static, because parsing a header value checks each of its bytes.
static FRONT: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// Swagger UI sets inline styles.
static DOCS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// For the API; the printable record contains its style inline.
static DATA: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
static SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The content security policy for a path.
pub fn policy(path: &str) -> &'static HeaderValue {
    if path == "/docs" || path.starts_with("/docs/") {
        &DOCS
    } else if path.starts_with("/api/") || path.starts_with("/cabinet/") || path.starts_with("/.well-known/")
    {
        &DATA
    } else {
        &FRONT
    }
}

/// Adds the headers that an answer does not have yet.
pub(crate) fn secure(policy: &HeaderValue, headers: &mut HeaderMap) {
    let mut add = |name: &HeaderName, value: &HeaderValue| {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    };
    add(&header::CONTENT_SECURITY_POLICY, policy);
    add(&header::X_CONTENT_TYPE_OPTIONS, &NOSNIFF);
    add(&header::REFERRER_POLICY, &NO_REFERRER);
    add(&OPENER_POLICY, &SAME_ORIGIN);
    add(&RESOURCE_POLICY, &SAME_ORIGIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_policy_and_none_allows_inline_scripts() {
        assert_eq!(policy("/docs/index.html"), DOCS);
        assert_eq!(policy("/"), FRONT);
        assert_eq!(policy("/docsecret"), FRONT);
        assert_eq!(policy("/api/v1/network/counts"), DATA);
        for policy in [&DOCS, &FRONT, &DATA] {
            let policy = policy.to_str().expect("text");
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
            assert!(!policy.contains("script-src 'self' 'unsafe-inline'"));
        }
    }
}
