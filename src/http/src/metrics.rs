//! Metrics for Prometheus. They have a separate listener, so that no proxy in front of
//! the public one can expose them by mistake.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data},
};

use crypto::digest;
use service::AppState;

/// SHA-256 of the token that a scrape must present; `None` on loopback.
#[derive(Debug, Clone)]
pub struct MetricsToken(Option<[u8; 32]>);

impl MetricsToken {
    /// Requires `token`, if there is one.
    pub fn new(token: Option<&str>) -> Self {
        Self(token.map(|token| digest::sha256(token.as_bytes())))
    }

    /// Compares digests, so that the timing reveals nothing about the token.
    fn admits(&self, request: &HttpRequest) -> bool {
        let Some(wanted) = self.0 else { return true };
        let header = request.headers().get(header::AUTHORIZATION);
        let presented = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        presented.is_some_and(|token| digest::sha256(token.as_bytes()) == wanted)
    }
}

/// Configures the operators' listener.
pub fn configure(app: &mut web::ServiceConfig) {
    app.route("/metrics", web::get().to(metrics));
}

async fn metrics(request: HttpRequest, app: Data<Arc<AppState>>, token: Data<MetricsToken>) -> HttpResponse {
    if !token.admits(&request) {
        return HttpResponse::Unauthorized().insert_header((header::WWW_AUTHENTICATE, "Bearer")).finish();
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(service::metrics::exposition(&app).await)
}
