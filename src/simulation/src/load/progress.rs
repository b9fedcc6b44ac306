//! Progress output: an updating line on a terminal, plain lines elsewhere. It goes
//! to standard error; the result goes to standard output.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Interval of plain progress lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Redraw interval of the updating line.
const TICK: Duration = Duration::from_millis(120);

pub(crate) struct Progress {
    /// `None` if standard error is not a terminal.
    line: Option<ProgressBar>,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    pub fn start() -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let line = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                line.set_style(style);
            }
            line.enable_steady_tick(TICK);
            line
        });
        Self { line, last: Mutex::new(None) }
    }

    /// Reports a new stage.
    pub fn stage(&self, text: &str) {
        match &self.line {
            Some(line) => line.set_message(text.to_owned()),
            None => eprintln!("{text}"),
        }
    }

    /// Reports frequently changing figures; plain lines are rate-limited.
    pub fn figures(&self, text: &str) {
        if self.line.is_some() {
            return self.stage(text);
        }
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            *last = Some(Instant::now());
            eprintln!("{text}");
        }
    }

    /// Clears the line.
    pub fn end(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
