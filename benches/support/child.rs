//! Servers in child processes: each benchmark starts its own binary again, sends it
//! the server to run on standard input, and ends it by closing that input.

use std::{
    io::{BufRead, BufReader, BufWriter, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{app, bare, client::Answer, process};

/// Which server a child runs.
#[derive(Debug, Serialize, Deserialize)]
pub enum ServerKind {
    /// The server as `waystation serve` runs it.
    Waystation {
        /// Number of cabinets, each with a token.
        cabinets: usize,
        /// Products in the formulary.
        products: usize,
    },
    /// A bare handler that returns one response.
    Bare {
        /// Number of cabinets, each with a token.
        cabinets: usize,
        /// The response.
        answer: Answer,
        /// Whether it waits first.
        holds: bool,
    },
}

/// What a child reports once it listens. The tokens of its cabinets follow, a line
/// each: storing them would increase the child's memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// How many tokens follow.
    pub cabinets: usize,
    /// A doctor's token.
    pub doctor: String,
    /// The cursor with which a cabinet has no work.
    pub cursor: i64,
}

/// A running child.
pub struct Served {
    pub ready: Ready,
    /// A token for each cabinet.
    pub tokens: Vec<String>,
    child: Child,
    input: Option<ChildStdin>,
}

impl Served {
    /// Starts a child and waits until it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(kind: &ServerKind) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its logs are written, but discarded.
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("no way in")?;
        writeln!(input, "{}", serde_json::to_string(kind)?)?;
        let mut lines = BufReader::new(child.stdout.take().context("no way out")?).lines();
        let first = lines.next().context("the child said nothing")??;
        let ready: Ready =
            serde_json::from_str(&first).with_context(|| format!("the child did not get ready: {first}"))?;
        let tokens: Vec<String> = lines.take(ready.cabinets).collect::<Result<_, _>>()?;
        anyhow::ensure!(tokens.len() == ready.cabinets, "{} of {} tokens", tokens.len(), ready.cabinets);
        Ok(Self { ready, tokens, child, input: Some(input) })
    }

    /// The CPU time used so far.
    ///
    /// # Errors
    /// When the kernel does not report it.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time(self.child.id())
    }

    /// Bytes in memory now.
    ///
    /// # Errors
    /// When the kernel does not report it.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        process::resident_bytes(self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends when its input is closed.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// In a child: runs the requested server until the input ends, and returns true.
///
/// # Errors
/// When it cannot serve.
pub fn serve_if_child() -> anyhow::Result<bool> {
    if !std::env::args().any(|argument| argument == "--child") {
        return Ok(false);
    }
    super::open_many_files()?;
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let kind: ServerKind = serde_json::from_str(&line)?;
    drop(input);
    let served = actix_web::rt::System::new().block_on(async {
        match kind {
            ServerKind::Waystation { cabinets, products } => app::serve(cabinets, products).await,
            ServerKind::Bare { cabinets, answer, holds } => bare::serve(cabinets, answer, holds).await,
        }
    });
    if let Err(error) = served {
        println!("{error:#}");
    }
    Ok(true)
}

/// In a child: reports to the parent, and waits until it closes the input.
pub(super) async fn report_ready(
    ready: Ready,
    tokens: impl Iterator<Item = anyhow::Result<String>>,
) -> anyhow::Result<()> {
    let mut output = BufWriter::new(std::io::stdout().lock());
    writeln!(output, "{}", serde_json::to_string(&ready)?)?;
    for token in tokens {
        writeln!(output, "{}", token?)?;
    }
    output.flush()?;
    drop(output);
    tokio::task::spawn_blocking(|| std::io::stdin().lock().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
