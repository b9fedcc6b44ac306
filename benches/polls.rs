//! Idle cabinet polls a second, compared with a bare handler that looks up the token
//! and returns the same response.
//!
//! `cargo bench --bench polls [-- --rounds 9 --millis 700]`

use std::time::Duration;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use support::{
    arguments,
    child::{Served, ServerKind, serve_if_child},
    client::{Answer, Connection, get, lines, press},
    median, table,
};

/// Connections, each with one poll in flight.
const LINES: usize = 64;

/// A server, its requests and its results.
struct Side {
    server: Served,
    requests: Vec<Vec<u8>>,
    next: usize,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Side {
    fn open(kind: &ServerKind, cursor: Option<i64>) -> anyhow::Result<Self> {
        let server = Served::start(kind)?;
        let cursor = cursor.unwrap_or(server.ready.cursor);
        let path = format!("/cabinet/v1/work?cursor={cursor}&wait=0");
        let requests = server.tokens.iter().map(|token| get(&path, token)).collect();
        Ok(Self { server, requests, next: 0, per_second: Vec::new(), cpu_micros: Vec::new() })
    }

    fn first_answer(&self) -> anyhow::Result<Answer> {
        Connection::open(self.server.ready.port)?.ask(&self.requests[0])
    }

    /// Polls until the server has every token in its cache: it verifies each only once.
    fn warm_up(&mut self, expected: &Answer) -> anyhow::Result<()> {
        let (mut answered, span) = (0, Duration::from_millis(100));
        let mut lines = lines(self.server.ready.port, LINES)?;
        while answered < self.requests.len() as u64 {
            answered += press(&mut lines, &self.requests, &mut self.next, expected, span)?.0;
        }
        Ok(())
    }

    fn round(&mut self, expected: &Answer, span: Duration) -> anyhow::Result<()> {
        let mut lines = lines(self.server.ready.port, LINES)?;
        let before = self.server.cpu_time()?;
        let (answered, per_second) = press(&mut lines, &self.requests, &mut self.next, expected, span)?;
        let cpu = self.server.cpu_time()?.saturating_sub(before);
        self.per_second.push(per_second);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        self.cpu_micros.push(cpu.as_secs_f64() * 1e6 / answered.max(1) as f64);
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    if serve_if_child()? {
        return Ok(());
    }
    let rounds = arguments::number("rounds", 9)?;
    let span = Duration::from_millis(arguments::number("millis", 700)?.try_into()?);
    let mut rows = Vec::new();
    // A city's cabinets, and many times as many: the cost per poll must not grow.
    for cabinets in [226, 15_000] {
        let mut app = Side::open(&ServerKind::Waystation { cabinets, products: 0 }, None)?;
        let answer = app.first_answer()?;
        anyhow::ensure!(answer.status == 200 && answer.body.ends_with("\"items\":[]}"), "{answer:?}");
        let cursor = Some(app.server.ready.cursor);
        let mut bare =
            Side::open(&ServerKind::Bare { cabinets, answer: answer.clone(), holds: false }, cursor)?;
        anyhow::ensure!(bare.first_answer()?.bytes == answer.bytes, "not the same bytes");
        app.warm_up(&answer)?;
        bare.warm_up(&answer)?;
        for _ in 0..rounds {
            app.round(&answer, span)?;
            bare.round(&answer, span)?;
        }
        let ratios = app.per_second.iter().zip(&bare.per_second).map(|(app, bare)| app / bare).collect();
        let figures =
            [&app, &bare].map(|side| (median(side.per_second.clone()), median(side.cpu_micros.clone())));
        rows.push(vec![
            cabinets.to_string(),
            table::whole(figures[0].0),
            table::whole(figures[1].0),
            format!("{:.2}", median(ratios)),
            format!("{:.1}", figures[0].1),
            format!("{:.1}", figures[1].1),
            format!("{:.2}", figures[1].1 / figures[0].1),
        ]);
    }
    table::print(
        &format!(
            "Idle cabinet polls, {LINES} connections, medians of {rounds} rounds in turn; wanted: ratio 0.6"
        ),
        &["cabinets", "server/s", "bare/s", "ratio", "server us CPU", "bare us CPU", "ratio"],
        &rows,
    );
    Ok(())
}
