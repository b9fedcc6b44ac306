//! The cost of checking a draft of five lines against the safety rules: the rules
//! alone, and the whole call. It must not grow with the formulary.
//!
//! `cargo bench --bench safety [-- --rounds 9 --millis 300]`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::{Value, json};

use domain::{
    formulary::Formulary,
    safety::{RuleSet, SafetyInput, check},
};

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use support::{
    app, arguments,
    child::{Served, ServerKind, serve_if_child},
    client::{Answer, Connection, lines as connections, post, press},
    median, table,
};

/// Products of a catalogue from which a city curates its formulary.
const CATALOGUE: usize = 7_000;
const LINES: usize = 16;

fn main() -> anyhow::Result<()> {
    if serve_if_child()? {
        return Ok(());
    }
    let rounds = arguments::number("rounds", 9)?;
    let span = Duration::from_millis(arguments::number("millis", 300)?.try_into()?);
    let shipped = app::grown(0)?;
    let catalogue = app::grown(CATALOGUE)?;
    the_rules(&shipped, &catalogue, rounds, span)?;
    the_call(&shipped, rounds, span)
}

/// Five drugs of the shipped formulary that a doctor could prescribe together.
fn lines(formulary: &Formulary) -> anyhow::Result<Vec<Value>> {
    let wanted = ["paracetamol", "loratadine", "ambroxol", "omeprazole", "smectite"];
    let line = |ingredient: &&str| {
        let product = formulary
            .iter()
            .find(|one| {
                one.prescribable() && one.ingredients.iter().any(|part| part.code.as_str() == *ingredient)
            })
            .with_context(|| format!("no product with {ingredient}"))?;
        Ok(
            json!({"product_code": product.code, "dose_units_thousandths": 1000, "times_per_day": 1, "days": 3}),
        )
    };
    wanted.iter().map(line).collect()
}

/// The draft as input of the domain's check.
fn draft(lines: &[Value]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({"product": line["product_code"], "dose_units_thousandths": line["dose_units_thousandths"],
                "times_per_day": line["times_per_day"], "days": line["days"]})
        })
        .collect();
    json!({"on": "2026-11-23", "lines": lines, "taking": [], "profile": {"age_years": 36, "sex": "male"}})
}

type Work<'w> = Box<dyn FnMut() + 'w>;

/// The pure function, compared with reading the same draft from JSON.
fn the_rules(
    shipped: &Formulary,
    catalogue: &Formulary,
    rounds: usize,
    span: Duration,
) -> anyhow::Result<()> {
    let lines = lines(shipped)?;
    let text = serde_json::to_string(&draft(&lines))?;
    let five: SafetyInput = serde_json::from_str(&text)?;
    let one: SafetyInput = serde_json::from_value(draft(&lines[..1]))?;
    let rules = RuleSet::standard();
    let mut works: [(&str, Work<'_>, Vec<f64>); 5] = [
        (
            "five lines, as shipped",
            Box::new(|| drop(black_box(check(black_box(&five), shipped, &rules)))),
            vec![],
        ),
        (
            "five lines, a catalogue",
            Box::new(|| drop(black_box(check(black_box(&five), catalogue, &rules)))),
            vec![],
        ),
        (
            "one line, as shipped",
            Box::new(|| drop(black_box(check(black_box(&one), shipped, &rules)))),
            vec![],
        ),
        (
            "the draft read from JSON",
            Box::new(|| drop(black_box(serde_json::from_str::<SafetyInput>(black_box(&text))))),
            vec![],
        ),
        ("the rules compiled", Box::new(|| drop(black_box(RuleSet::standard()))), vec![]),
    ];
    for _ in 0..rounds {
        for (_, work, micros) in &mut works {
            micros.push(micros_of(work, span / 10));
        }
    }
    let figures: Vec<(&str, f64)> =
        works.into_iter().map(|(name, _, micros)| (name, median(micros))).collect();
    let read = figures[3].1;
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|(name, micros)| {
            vec![(*name).to_owned(), format!("{micros:.2}"), format!("{:.2}", micros / read)]
        })
        .collect();
    let title = format!(
        "Safety rules alone, {} and {} products, medians of {rounds} rounds in turn",
        shipped.len(),
        catalogue.len()
    );
    table::print(&title, &["work", "us", "of reading the draft"], &rows);
    Ok(())
}

/// Microseconds per run of `work`, measured over about `span`.
fn micros_of(work: &mut dyn FnMut(), span: Duration) -> f64 {
    let (began, mut runs) = (Instant::now(), 0_u32);
    while began.elapsed() < span {
        for _ in 0..64 {
            work();
        }
        runs += 64;
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
}

/// One server, its request and its results.
struct Side {
    name: &'static str,
    server: Served,
    request: Vec<Vec<u8>>,
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Side {
    fn open(name: &'static str, kind: &ServerKind, body: &str) -> anyhow::Result<Self> {
        let server = Served::start(kind)?;
        let token = server.tokens.first().unwrap_or(&server.ready.doctor);
        let request = vec![post("/api/v1/prescriptions/check", token, body)];
        Ok(Self { name, server, request, per_second: Vec::new(), cpu_micros: Vec::new() })
    }

    fn first_answer(&self) -> anyhow::Result<Answer> {
        Connection::open(self.server.ready.port)?.ask(&self.request[0])
    }

    fn round(&mut self, expected: &Answer, span: Duration) -> anyhow::Result<()> {
        let mut lines = connections(self.server.ready.port, LINES)?;
        let before = self.server.cpu_time()?;
        let (answered, per_second) = press(&mut lines, &self.request, &mut 0, expected, span)?;
        let cpu = self.server.cpu_time()?.saturating_sub(before);
        self.per_second.push(per_second);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        self.cpu_micros.push(cpu.as_secs_f64() * 1e6 / answered.max(1) as f64);
        Ok(())
    }
}

/// The whole call, compared with a bare handler that reads the body and returns the
/// same response.
fn the_call(shipped: &Formulary, rounds: usize, span: Duration) -> anyhow::Result<()> {
    let lines = lines(shipped)?;
    let body = json!({"profile": {"age_years": 36, "sex": "male"}, "lines": lines}).to_string();
    let one = json!({"profile": {"age_years": 36, "sex": "male"}, "lines": lines[..1]}).to_string();
    let app = |products| ServerKind::Waystation { cabinets: 0, products };
    let as_shipped = Side::open("five lines, as shipped", &app(0), &body)?;
    let answer = as_shipped.first_answer()?;
    anyhow::ensure!(answer.status == 200 && answer.body.contains("\"verdict\""), "{answer:?}");
    let of_one = Side::open("one line, as shipped", &app(0), &one)?;
    let answer_of_one = of_one.first_answer()?;
    let bare = ServerKind::Bare { cabinets: 1, answer: answer.clone(), holds: false };
    let mut sides = [
        (as_shipped, answer.clone()),
        (Side::open("five lines, a catalogue", &app(CATALOGUE), &body)?, answer.clone()),
        (of_one, answer_of_one),
        (Side::open("a bare handler", &bare, &body)?, answer),
    ];
    for _ in 0..rounds {
        for (side, answer) in &mut sides {
            side.round(answer, span)?;
        }
    }
    let figures: Vec<(&str, f64, f64)> = sides
        .into_iter()
        .map(|(side, _)| (side.name, median(side.per_second), median(side.cpu_micros)))
        .collect();
    let bare = figures[3].1;
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|(name, per_second, micros)| {
            vec![
                (*name).to_owned(),
                table::whole(*per_second),
                format!("{:.2}", per_second / bare),
                format!("{micros:.1}"),
            ]
        })
        .collect();
    let title = format!("The whole safety call, {LINES} connections, medians of {rounds} rounds in turn");
    table::print(&title, &["call", "a second", "of bare", "us CPU"], &rows);
    Ok(())
}
