//! What the person who waits sees: a moving line on a terminal, plain lines
//! elsewhere. It goes to standard error; the result goes to standard output.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines of figures.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Between two drawings of the moving line.
const TICK: Duration = Duration::from_millis(120);

/// The line.
pub struct Progress {
    /// `None` where nobody would see it move.
    line: Option<ProgressBar>,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    /// Begins to tell.
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

    /// Tells of a new stage.
    pub fn tell(&self, words: &str) {
        match &self.line {
            Some(line) => line.set_message(words.to_owned()),
            None => eprintln!("{words}"),
        }
    }

    /// Tells figures that change all the time.
    pub fn figures(&self, words: &str) {
        if self.line.is_some() {
            return self.tell(words);
        }
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            *last = Some(Instant::now());
            eprintln!("{words}");
        }
    }

    /// Leaves the line free for what follows.
    pub fn end(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
