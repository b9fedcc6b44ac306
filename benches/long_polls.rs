//! Memory per long poll in flight, compared with a bare handler with as many.
//!
//! `cargo bench --bench long_polls [-- --polls 15000]`

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use support::{
    arguments,
    child::{Served, ServerKind, serve_if_child},
    client::{Answer, Connection, get},
    open_many_files, table,
};

/// Seconds; the maximum that a poll may ask for.
const WAIT: u32 = 25;
/// Connections being opened at a time: fewer than a listener's backlog.
const OPENING: usize = 200;
/// Open files that a process needs in addition to its connections.
const OTHER_FILES: usize = 200;

/// Memory of one server.
struct Memory {
    before: f64,
    holding: f64,
    polls: f64,
}

impl Memory {
    fn per_poll(&self) -> f64 {
        (self.holding - self.before) / self.polls
    }
}

fn main() -> anyhow::Result<()> {
    if serve_if_child()? {
        return Ok(());
    }
    let wanted = arguments::number("polls", 15_000)?;
    let polls = wanted.min(open_many_files()?.saturating_sub(OTHER_FILES));
    if polls < wanted {
        println!("this process may open too few files for {wanted} polls; holding {polls}");
    }
    let app = Served::start(&ServerKind::Waystation { cabinets: polls, products: 0 })?;
    let cursor = app.ready.cursor;
    let answer = one_idle_answer(&app, cursor)?;
    let app = measure(app, cursor)?;
    let bare = measure(Served::start(&ServerKind::Bare { cabinets: polls, answer, holds: true })?, cursor)?;
    let row = |name: &str, figure: &dyn Fn(&Memory) -> f64, unit: &dyn Fn(f64) -> String| {
        let (app, bare) = (figure(&app), figure(&bare));
        vec![name.to_owned(), unit(app), unit(bare), format!("{:.2}", app / bare)]
    };
    table::print(
        &format!("{polls} long polls, each of a cabinet of its own; wanted: ratio at most 1.3"),
        &["resident memory", "server", "bare", "ratio"],
        &[
            row("while they are held", &|memory| memory.holding, &table::mib),
            row("before the first one", &|memory| memory.before, &table::mib),
            row("bytes per long poll", &Memory::per_poll, &table::whole),
        ],
    );
    Ok(())
}

fn one_idle_answer(app: &Served, cursor: i64) -> anyhow::Result<Answer> {
    let path = format!("/cabinet/v1/work?cursor={cursor}&wait=0");
    Connection::open(app.ready.port)?.ask(&get(&path, &app.tokens[0]))
}

/// Opens a connection per cabinet, polls on each, and measures while all polls wait.
fn measure(server: Served, cursor: i64) -> anyhow::Result<Memory> {
    let before = server.resident_bytes()?;
    let (waiting, opening) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(OPENING)));
    let path = format!("/cabinet/v1/work?cursor={cursor}&wait={WAIT}");
    let polls = server.tokens.len();
    let holding = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        for token in &server.tokens {
            let (request, waiting) = (get(&path, token), Arc::clone(&waiting));
            let (port, opening) = (server.ready.port, Arc::clone(&opening));
            tokio::spawn(async move {
                if let Err(error) = poll_forever(port, &request, &opening, &waiting).await {
                    println!("a poll ended: {error:#}");
                }
            });
        }
        // An answered poll is repeated, so that all of them wait at some time.
        for _ in 0..1200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if waiting.load(Ordering::SeqCst) == polls && stays_waiting(&waiting, polls).await {
                return server.resident_bytes();
            }
        }
        anyhow::bail!("{} of {polls} polls were held at the same time", waiting.load(Ordering::SeqCst))
    })?;
    #[expect(clippy::cast_precision_loss, reason = "for a ratio")]
    Ok(Memory { before: before as f64, holding: holding as f64, polls: polls as f64 })
}

/// A written request may not have been read yet: checks that all polls keep waiting for
/// a while.
async fn stays_waiting(waiting: &AtomicUsize, polls: usize) -> bool {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if waiting.load(Ordering::SeqCst) != polls {
            return false;
        }
    }
    true
}

async fn poll_forever(
    port: u16,
    request: &[u8],
    opening: &Semaphore,
    waiting: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut stream = {
        let _turn = opening.acquire().await?;
        TcpStream::connect(("127.0.0.1", port)).await?
    };
    let mut answer = [0; 4096];
    loop {
        stream.write_all(request).await?;
        waiting.fetch_add(1, Ordering::SeqCst);
        let read = stream.read(&mut answer).await?;
        waiting.fetch_sub(1, Ordering::SeqCst);
        let response = String::from_utf8_lossy(&answer[..read]);
        anyhow::ensure!(
            response.starts_with("HTTP/1.1 200") && response.ends_with("\"items\":[]}"),
            "{response}"
        );
    }
}
