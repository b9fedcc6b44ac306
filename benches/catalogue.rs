//! The search box over a catalogue of 10,000 products: the index against a plain scan of the same
//! products in the same run, the first page and the last; what an edition costs to load and to keep;
//! look-alikes; and the whole call.
//!
//! `cargo bench --bench catalogue [-- --products 10000 --rounds 9]`

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use domain::formulary::{Formulary, Product, SearchCursor};
use simulation::sample::catalogue::catalogue_csv;

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod support;

use support::{
    arguments,
    child::{Served, ServerKind, serve_if_child},
    client::{Connection, get},
    median, process, table,
};

/// What people type, and what it is.
const TEXTS: &[(&str, &str)] = &[
    ("code", "SAMPLE-04711"),
    ("barcode", "2000000047102"),
    ("approval number", "国药准字H99002355"),
    ("Chinese name", "璐缇洛尔"),
    ("part of a name", "洛尔片"),
    ("pinyin", "lutiluoer"),
    ("initials", "ltle"),
    ("English words", "lutilol tablets"),
    ("brand", "Samplelutilol"),
    ("ATC group", "V90"),
    ("other characters, same sound", "路缇洛尔"),
    ("one character", "片"),
    ("one letter", "l"),
    ("nothing", "zzzzqqq"),
];

const PAGE: usize = 50;

fn main() -> anyhow::Result<()> {
    if serve_if_child()? {
        return Ok(());
    }
    let products = arguments::number("products", 10_000)?;
    let rounds = arguments::number("rounds", 9)?;
    let formulary = the_edition(products, rounds)?;
    the_search(&formulary, rounds);
    the_look_alikes(&formulary);
    the_call(products, rounds)
}

/// The shipped products and a sample catalogue.
fn rows(products: usize) -> anyhow::Result<Vec<Product>> {
    let shipped = Formulary::shipped().map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let mut all: Vec<Product> = shipped.iter().cloned().collect();
    let text = catalogue_csv(products.saturating_sub(all.len()));
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    for record in reader.records() {
        let record = record?;
        let cells: HashMap<&str, &str> = header.iter().zip(record.iter()).collect();
        all.push(Product::from_fields(&cells).map_err(|issues| anyhow::anyhow!("{issues:?}"))?);
    }
    Ok(all)
}

/// What loading an edition costs, step by step.
fn the_edition(products: usize, rounds: usize) -> anyhow::Result<Formulary> {
    let rows = rows(products)?;
    let bodies: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let (mut read, mut by_name, mut index) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = Instant::now();
        let parsed: Vec<Product> =
            bodies.iter().map(|body| serde_json::from_str(body)).collect::<Result<_, _>>()?;
        read.push(millis(began.elapsed()));
        let began = Instant::now();
        let formulary = Formulary::from_products(parsed);
        by_name.push(millis(began.elapsed()));
        let began = Instant::now();
        formulary.prepare();
        index.push(millis(began.elapsed()));
        black_box(&formulary);
    }
    let before = process::resident_bytes(std::process::id())?;
    let formulary = Formulary::from_products(rows);
    let without = process::resident_bytes(std::process::id())?;
    formulary.prepare();
    let with = process::resident_bytes(std::process::id())?;
    let row = |name: &str, figures: Vec<f64>, bytes: Option<u64>| {
        #[expect(clippy::cast_precision_loss, reason = "a size")]
        let bytes = bytes.map_or(String::new(), |bytes| table::mib(bytes as f64));
        vec![name.to_owned(), format!("{:.1}", median(figures)), bytes]
    };
    table::print(
        &format!("Loading an edition of {} products, medians of {rounds} rounds", formulary.len()),
        &["step", "ms", "grows by"],
        &[
            row("products read from JSON", read, None),
            row("by code, name and sound", by_name, Some(without.saturating_sub(before))),
            row("indexes of searches and look-alikes", index, Some(with.saturating_sub(without))),
        ],
    );
    Ok(formulary)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// The cursor before the last page.
fn last_page(formulary: &Formulary, text: &str) -> Option<SearchCursor> {
    let mut last = None;
    let mut after = None;
    loop {
        let page = formulary.search(text, after.as_ref(), PAGE);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
        last.clone_from(&after);
    }
    last
}

fn the_search(formulary: &Formulary, rounds: usize) {
    let mut lines = Vec::new();
    for (what, text) in TEXTS {
        let last = last_page(formulary, text);
        let matches = formulary.search(text, None, usize::MAX - 1).products.len();
        let (mut first, mut end, mut scan) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds.max(3) {
            first.push(once(|| drop(black_box(formulary.search(text, None, PAGE)))));
            end.push(once(|| drop(black_box(formulary.search(text, last.as_ref(), PAGE)))));
            scan.push(once(|| drop(black_box(formulary.search_by_scan(text, None, PAGE)))));
        }
        let (first, end, scan) = (median(first), median(end), median(scan));
        lines.push(vec![
            (*what).to_owned(),
            matches.to_string(),
            format!("{first:.3}"),
            format!("{end:.3}"),
            format!("{scan:.3}"),
            format!("{:.3}", first / scan),
        ]);
    }
    let title =
        format!("A page of {PAGE} of {} products, medians of {rounds} rounds in turn", formulary.len());
    table::print(
        &title,
        &["text", "matches", "ms", "ms, last page", "ms, plain scan", "of the scan"],
        &lines,
    );
}

/// Milliseconds of one run, of ten in a row.
fn once(mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..10 {
        work();
    }
    millis(began.elapsed()) / 10.0
}

/// Look-alikes of every product, each for the first time and then again.
fn the_look_alikes(formulary: &Formulary) {
    let all = || {
        let began = Instant::now();
        let named: usize = formulary.iter().map(|one| formulary.look_alikes(&one.code).len()).sum();
        (millis(began.elapsed()), named)
    };
    let ((first, named), (again, _)) = (all(), all());
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = |total: f64| format!("{:.2}", total * 1e3 / formulary.len() as f64);
    table::print(
        &format!("Look-alikes of {} products, {named} in all", formulary.len()),
        &["asked", "us each"],
        &[vec!["first".to_owned(), each(first)], vec!["again".to_owned(), each(again)]],
    );
}

/// The whole call on one connection, beside a call that finds nothing.
fn the_call(products: usize, rounds: usize) -> anyhow::Result<()> {
    let server = Served::start(&ServerKind::Waystation { cabinets: 0, products })?;
    let mut line = Connection::open(server.ready.port)?;
    let token = &server.ready.doctor;
    let mut lines = Vec::new();
    for (what, query) in [
        ("finds nothing", "search=zzzzqqq"),
        ("a code", "search=PCM-T500"),
        ("50 of a name", "search=buluofen"),
        ("50 of one letter", "search=l"),
        ("100 of one letter", "search=l&limit=100"),
        ("50 by code", "limit=50"),
    ] {
        let request = get(&format!("/api/v1/products?{query}"), token);
        let (mut spans, mut bytes) = (Vec::new(), 0);
        for _ in 0..rounds * 20 {
            let began = Instant::now();
            let answer = line.ask(&request)?;
            spans.push(millis(began.elapsed()));
            ensure!(answer.status == 200, "{answer:?}");
            bytes = answer.bytes;
        }
        let slowest = spans.iter().copied().max_by(f64::total_cmp).context("no call")?;
        lines.push(vec![
            what.to_owned(),
            format!("{:.2}", median(spans)),
            format!("{slowest:.2}"),
            table::whole(f64::from(u32::try_from(bytes)?)),
        ]);
    }
    let title =
        format!("The whole call with {products} products, one connection, {} calls each", rounds * 20);
    table::print(&title, &["answer", "ms, median", "ms, slowest", "bytes"], &lines);
    Ok(())
}
