//! The log of the test's process.

use std::{
    io::Write,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt, fmt::format::FmtSpan, prelude::*};

/// All that was logged in this process.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text")
    }

    /// The events of errors and warnings whose line contains `part`.
    pub fn troubles(&self, part: &str) -> Vec<String> {
        let is_trouble = |line: &&str| line.contains(" ERROR ") || line.contains(" WARN ");
        self.text().lines().filter(|line| line.contains(part)).filter(is_trouble).map(str::to_owned).collect()
    }
}

/// Requests are served on other threads, so the log subscriber is global.
pub fn subscribe() -> Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES
        .get_or_init(|| {
            let lines = Lines::default();
            let output = lines.clone();
            let layer = fmt::layer()
                .with_ansi(false)
                .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
                .with_writer(move || output.clone());
            // The test's own client uses hyper: its log is not the server's.
            let filter = EnvFilter::new("debug,waystation=trace,hyper=off,hyper_util=off,reqwest=off");
            tracing_subscriber::registry()
                .with(filter)
                .with(layer)
                .try_init()
                .expect("nothing else installs a global subscriber");
            lines
        })
        .clone()
}
