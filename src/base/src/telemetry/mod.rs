//! Logs and metrics. Each request has an id; names, phones, tokens and health data
//! never reach a log line, because no span or event gets them.

pub mod metrics;

use std::{error::Error, fmt};

use tracing_subscriber::{EnvFilter, fmt as lines, prelude::*};

use crate::config::LogFormat;

/// Malformed requests are answered with an error to the caller. They are not the
/// server's fault, and callers must not be able to fill its log.
const SILENCED: &str = "actix_http::h1::dispatcher=off";

/// An error with all its causes, in one line: the first is what failed, the last is why.
#[derive(Debug)]
pub struct Chain<'a, E>(pub &'a E);

impl<E: Error> fmt::Display for Chain<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Starts logging to standard error. `RUST_LOG` replaces the default filter.
/// A second call changes nothing, so that tests may share a process.
pub fn start(format: LogFormat, default_filter: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default_filter},{SILENCED}")));
    let registry = tracing_subscriber::registry().with(filter);
    // Colours on a terminal only, not in a file or the system journal.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = lines::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    let _ = match format {
        LogFormat::Text => registry.with(lines.compact()).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init(),
    };
}
