//! The listeners: the public one, and the operators' one for `/metrics`.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::Server, web};
use secrecy::{ExposeSecret, SecretString};

use crate::compose::Built;
use service::AppState;

/// A connection is closed when data that was sent stays unacknowledged, or unread by the
/// caller, for this long. Until then a doctor whose line broke counts as heard by their stream, so it is
/// shorter than the time after which the silent get no offers. Our default.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection on which no request has arrived is answered 408 and closed after this time, which
/// counts from its acceptance. It must be longer than clients keep a connection that they opened in
/// advance (90 s in hyper, up to 115 s in browsers): one that sends its first request in the moment
/// of the answer would take the 408 for the answer to it. Our default.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Limits how long the kernel buffers data for a caller who does not read. Accepted
/// connections inherit the option from the listener.
fn set_unread_timeout(listener: &std::net::TcpListener) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(listener).set_tcp_user_timeout(Some(UNREAD_TIMEOUT)) {
        tracing::warn!(%error, "connections of callers who do not read are not ended");
    }
}

/// Seconds that accepted requests have to finish, unless the settings have another value.
const SHUTDOWN_SECONDS: u64 = 30;

/// Serves `/metrics` and nothing else.
///
/// # Errors
/// When the socket cannot be used.
pub fn serve_metrics(
    app: &Arc<AppState>,
    listener: TcpListener,
    token: Option<&SecretString>,
) -> std::io::Result<Server> {
    let app = web::Data::new(Arc::clone(app));
    let token = http::metrics::MetricsToken::new(token.map(ExposeSecret::expose_secret));
    let token = web::Data::new(token);
    let server = HttpServer::new(move || {
        App::new().app_data(app.clone()).app_data(token.clone()).configure(http::metrics::configure)
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

impl Built {
    /// Serves the API and the pages on `listener`; `http_workers` threads, or one per core for 0.
    /// It listens to no signals: the caller stops it.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn serve(&self, listener: TcpListener, http_workers: usize) -> std::io::Result<Server> {
        self.serve_for(listener, http_workers, SHUTDOWN_SECONDS)
    }

    /// [`serve`](Self::serve); accepted requests have `shutdown_seconds` to finish.
    pub(crate) fn serve_for(
        &self,
        listener: TcpListener,
        http_workers: usize,
        shutdown_seconds: u64,
    ) -> std::io::Result<Server> {
        set_unread_timeout(&listener);
        let connections = http::connections::Connections::of(&self.app, &self.process);
        let app = web::Data::new(Arc::clone(&self.app));
        let process = web::Data::from(Arc::clone(&self.process));
        let tokens = web::Data::new(http::token_cache::TokenCache::default());
        let mut server = HttpServer::new(move || {
            App::new()
                .wrap(actix_web::middleware::from_fn(http::span::wrap_request))
                .app_data(app.clone())
                .app_data(process.clone())
                .app_data(tokens.clone())
                .configure(http::configure)
        })
        .on_connect(move |connection, known| connections.accept(connection, known))
        .client_request_timeout(FIRST_REQUEST_TIMEOUT)
        .shutdown_timeout(shutdown_seconds)
        .disable_signals()
        .listen(listener)?;
        if http_workers > 0 {
            server = server.workers(http_workers);
        }
        Ok(server.run())
    }
}
