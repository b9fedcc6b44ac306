//! What a caller prefers, from headers such as `Accept-Language: en, zh;q=0.5` (RFC 9110, 12.5).

use actix_web::{HttpRequest, http::header::HeaderName};

/// Maximum entries of such a header that are read. Our default.
const MAX_ENTRIES: usize = 16;

/// The most preferred entry of a header that `known` recognises, the first of equals; entries of
/// weight 0 are not wanted.
pub(crate) fn preferred<T>(
    request: &HttpRequest,
    name: HeaderName,
    known: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let entries = request.headers().get(name).and_then(|value| value.to_str().ok())?;
    let mut best = (None, 0.0_f32);
    for entry in entries.split(',').take(MAX_ENTRIES) {
        let mut parts = entry.split(';').map(str::trim);
        let Some(found) = parts.next().and_then(&known) else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if weight > best.1 {
            best = (Some(found), weight);
        }
    }
    best.0
}
