//! FLOOR 0: logs. Each request carries an id; names, phones, tokens and health
//! data never reach a log line, because no span or event is given them.

pub mod figures;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::LogFormat;

/// A caller's garbled bytes are told to the caller. They are no fault of the
/// house, and nobody may fill its log with errors.
const NO_FAULT: &str = "actix_http::h1::dispatcher=off";

/// Starts logging to standard error. `RUST_LOG` narrows or widens it.
/// A second call changes nothing, so that tests may share a process.
pub fn start(format: LogFormat, default_filter: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default_filter},{NO_FAULT}")));
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for people: in a file or a journal they would be noise.
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours).with_target(false);
    let _ = match format {
        LogFormat::Text => registry.with(lines.compact()).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_span_list(false)).try_init(),
    };
}
