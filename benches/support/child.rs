//! Servers in processes of their own: each benchmark starts its own binary
//! again, tells it on standard input what to be, and ends it by closing that.

use std::{
    io::{BufRead, BufReader, BufWriter, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{app, bare, client::Answer, process};

/// What a child is told to be.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The house itself, as `waystation serve` runs it.
    AppState {
        /// Tokens for as many cabinets are wanted.
        cabinets: usize,
        /// Products in the formulary.
        products: usize,
    },
    /// A bare handler that gives one answer.
    Bare {
        /// Tokens for as many cabinets are wanted.
        cabinets: usize,
        /// What it answers.
        answer: Answer,
        /// Whether it waits first.
        holds: bool,
    },
}

/// What a child tells once it listens. The tokens of its cabinets follow, a
/// line each: a child that kept them would be larger than it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// On 127.0.0.1.
    pub port: u16,
    /// How many tokens follow.
    pub cabinets: usize,
    /// A doctor's token.
    pub doctor: String,
    /// With which a cabinet has nothing to do.
    pub cursor: i64,
}

/// A running child.
pub struct Served {
    /// What it told.
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
    pub fn start(order: &Order) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its logs are written, and not looked at.
            .stderr(Stdio::null())
            .spawn()?;
        let mut input = child.stdin.take().context("no way in")?;
        writeln!(input, "{}", serde_json::to_string(order)?)?;
        let mut told = BufReader::new(child.stdout.take().context("no way out")?).lines();
        let first = told.next().context("the child said nothing")??;
        let ready: Ready =
            serde_json::from_str(&first).with_context(|| format!("the child did not get ready: {first}"))?;
        let tokens: Vec<String> = told.take(ready.cabinets).collect::<Result<_, _>>()?;
        anyhow::ensure!(tokens.len() == ready.cabinets, "{} of {} tokens", tokens.len(), ready.cabinets);
        Ok(Self { ready, tokens, child, input: Some(input) })
    }

    /// The time that it has run so far.
    ///
    /// # Errors
    /// Where the kernel does not tell it.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        process::cpu_time(self.child.id())
    }

    /// Bytes in memory now.
    ///
    /// # Errors
    /// Where the kernel does not tell it.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        process::resident_bytes(self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// In a child: serves as told until the input ends, and returns true.
///
/// # Errors
/// When it cannot serve.
pub fn serve_if_told() -> anyhow::Result<bool> {
    if !std::env::args().any(|word| word == "--child") {
        return Ok(false);
    }
    super::open_many_files()?;
    let mut input = std::io::stdin().lock();
    let mut told = String::new();
    input.read_line(&mut told)?;
    let order: Order = serde_json::from_str(&told)?;
    drop(input);
    let served = actix_web::rt::System::new().block_on(async {
        match order {
            Order::AppState { cabinets, products } => app::serve(cabinets, products).await,
            Order::Bare { cabinets, answer, holds } => bare::serve(cabinets, answer, holds).await,
        }
    });
    if let Err(error) = served {
        println!("{error:#}");
    }
    Ok(true)
}

/// In a child: tells the parent, and waits until it ends the input.
pub(super) async fn ready_until_told(
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
