//! Importing a catalogue: thousands of rows in portions and in one transaction, again and again, with
//! what is printed on the packs.

use std::{collections::HashMap, sync::Arc};

use crate::{
    harness::TestApp,
    import::{load_with, row_problems},
};
use domain::formulary::{COLUMNS, LABEL_COLUMNS, Product};
use service::{
    Actor,
    network::import::{
        Existing, ImportError, Loaded,
        csv_file::{ImportKind, ImportOptions, import_csv},
    },
};
use simulation::sample::catalogue::{DEFAULT_PRODUCTS, catalogue_csv};

const GOOD: &[(&str, &str)] = &[
    ("code", "NEW-1"),
    ("generic_zh", "对乙酰氨基酚片"),
    ("generic_en", "Paracetamol tablets"),
    ("atc", "N02BE01"),
    ("form", "tablet"),
    ("strength_mg", "500"),
    ("ingredients", "paracetamol:500"),
    ("units_per_pack", "20"),
    ("price_fen", "900"),
    ("class", "otc_b"),
    ("max_day_mg", "2000"),
    ("storage", "室温"),
    ("source", "a label, section 4.2"),
];

type Cells<'c> = &'c [(&'c str, &'c str)];

/// A file with these columns and a row for each of `rows`, which change cells of [`GOOD`].
fn file(columns: &[&str], rows: &[Cells<'_>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).expect("a header");
    for row in rows {
        let cell = |column: &&str| {
            let mut own = row.iter().chain(GOOD);
            own.find(|(name, _)| name == column).map_or("", |(_, value)| *value)
        };
        writer.write_record(columns.iter().map(cell)).expect("a row");
    }
    String::from_utf8(writer.into_inner().expect("flushed")).expect("text")
}

fn all_columns() -> Vec<&'static str> {
    [COLUMNS, LABEL_COLUMNS].concat()
}

fn without<'c>(columns: &[&'c str], left_out: &[&str]) -> Vec<&'c str> {
    columns.iter().copied().filter(|column| !left_out.contains(column)).collect()
}

async fn load(app: &TestApp, text: &str) -> Result<Loaded, ImportError> {
    load_with(app, ImportKind::Catalogue, text, ImportOptions::default()).await
}

async fn refused(app: &TestApp, text: &str) -> Vec<(u64, String, String)> {
    row_problems(load(app, text).await.expect_err("refused"))
}

async fn edition(app: &TestApp) -> i64 {
    let number =
        |conn: &mut storage::Conn, _: &service::AppState| Ok(storage::formulary::edition_number(conn)?);
    app.state.read(Actor::System, number).await.expect("read")
}

fn known(app: &TestApp, code: &str) -> Product {
    app.state.formulary().find(code).expect("known").clone()
}

fn at(line: u64, field: &str, code: &str) -> (u64, String, String) {
    (line, field.to_owned(), code.to_owned())
}

#[actix_web::test]
async fn seven_thousand_rows_are_loaded_once_and_a_later_file_updates_and_deletes_nothing() {
    let app = TestApp::open().await;
    let shipped = app.state.formulary().len();
    let text = catalogue_csv(DEFAULT_PRODUCTS);
    let dry_run = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let all = Loaded { added: DEFAULT_PRODUCTS, ..Loaded::default() };
    let before = edition(&app).await;
    assert_eq!(load_with(&app, ImportKind::Catalogue, &text, dry_run).await.expect("tried"), all);
    assert_eq!(
        (app.state.formulary().len(), edition(&app).await),
        (shipped, before),
        "a dry run keeps nothing"
    );

    // One bad row at the end: nothing is loaded, and the fault is named.
    let last = text.lines().count() as u64;
    let bad = text.trim_end().rsplit_once("mg*").map(|(head, _)| format!("{head}mg*{}\n", "x".repeat(121)));
    let bad = bad.expect("a row");
    let tried = load_with(&app, ImportKind::Catalogue, &bad, dry_run).await.expect_err("refused");
    let ImportError::Catalogue { problems, others } = &tried else { panic!("{tried}") };
    assert_eq!((problems.len(), others.added, others.unchanged), (1, DEFAULT_PRODUCTS - 1, 0));
    assert_eq!(refused(&app, &bad).await, [at(last, "specification", "invalid")]);
    assert_eq!((app.state.formulary().len(), edition(&app).await), (shipped, before));

    assert_eq!(load(&app, &text).await.expect("loaded"), all);
    assert_eq!((app.state.formulary().len(), edition(&app).await), (shipped + DEFAULT_PRODUCTS, before + 1));
    let again = Loaded { unchanged: DEFAULT_PRODUCTS, ..Loaded::default() };
    assert_eq!(load(&app, &text).await.expect("loaded again"), again);
    assert_eq!(edition(&app).await, before + 1, "what changes nothing makes no edition");

    // A later file names three of them, of which one differs, and one new one.
    let mut lines: Vec<String> = text.lines().take(5).map(str::to_owned).collect();
    lines[3] = lines[3].replace("样例制药（虚构）", "样例二厂（虚构）");
    lines.push(lines[4].replace("SAMPLE-00003", "SAMPLE-99999").replace(&barcode_of(&lines[4]), ""));
    let later = load(&app, &lines.join("\n")).await.expect("loaded");
    assert_eq!(later, Loaded { added: 1, updated: 1, unchanged: 2, ..Loaded::default() });
    assert_eq!(app.state.formulary().len(), shipped + DEFAULT_PRODUCTS + 1);
    assert_eq!(known(&app, "SAMPLE-00002").label.manufacturer.as_deref(), Some("样例二厂（虚构）"));
    let last = format!("SAMPLE-{DEFAULT_PRODUCTS:05}");
    assert!(!known(&app, &last).prescribable());
}

fn barcode_of(line: &str) -> String {
    line.split(',').nth(25).expect("a barcode").to_owned()
}

/// Killed while rows are written, as by a fault of the machine: the next try begins anew.
#[actix_web::test]
async fn an_import_that_is_cut_off_leaves_nothing_and_can_be_run_again() {
    let app = TestApp::open().await;
    let (shipped, before) = (app.state.formulary().len(), edition(&app).await);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("catalogue.csv");
    std::fs::write(&path, catalogue_csv(1_600)).expect("written");
    let cut_off = |read: u64, total: u64| assert!(read < total / 2, "cut off on purpose");
    let options = ImportOptions::default();
    let outcome = import_csv(&app.state, ImportKind::Catalogue, &path, options, cut_off).await;
    assert!(matches!(outcome, Err(ImportError::Failed(_))), "{outcome:?}");
    service::formulary::load(&app.state).await.expect("loaded");
    assert_eq!((app.state.formulary().len(), edition(&app).await), (shipped, before));
    let seen: Arc<std::sync::Mutex<Vec<(u64, u64)>>> = Arc::default();
    let steps = Arc::clone(&seen);
    let progress = move |read, total| steps.lock().expect("unpoisoned").push((read, total));
    let loaded =
        import_csv(&app.state, ImportKind::Catalogue, &path, options, progress).await.expect("loaded");
    assert_eq!(loaded.added, 1_600);
    let seen = seen.lock().expect("unpoisoned").clone();
    assert!(seen.len() >= 4 && seen.is_sorted(), "{seen:?}");
    assert!(seen.last().is_some_and(|(read, total)| read == total));
}

#[actix_web::test]
async fn what_a_file_has_no_column_for_stays_and_an_empty_cell_clears_it() {
    let app = TestApp::open().await;
    let label: Cells<'_> = &[
        ("brands", "泰样；Tylesample; 泰样"),
        ("barcodes", "６９０１２３４５６７８９２"),
        ("approval_numbers", "國藥準字 h20051234; H20140475"),
        ("manufacturer", "样例制药"),
        ("specification", "0.5g*20片/盒"),
        ("in_formulary", "yes"),
    ];
    load(&app, &file(&all_columns(), &[label])).await.expect("loaded");
    let first = known(&app, "NEW-1");
    assert_eq!(first.label.brands, ["泰样", "Tylesample"]);
    assert_eq!(first.label.barcodes[0].as_str(), "6901234567892");
    let numbers: Vec<&str> = first.label.approval_numbers.iter().map(|one| one.as_str()).collect();
    assert_eq!(numbers, ["国药准字H20051234", "H20140475"]);
    let operator = app.seed().await.operator.token;
    let shown = app.get(&operator, "/api/v1/products/NEW-1").await.expect_ok();
    assert_eq!(
        (&shown["brands"][1], &shown["specification"]),
        (&"Tylesample".into(), &"0.5g*20片/盒".into())
    );
    assert_eq!(
        (&shown["barcodes"][0], &shown["manufacturer"]),
        (&"6901234567892".into(), &"样例制药".into())
    );

    // An older file has none of the columns; a supplier's knows nothing of the formulary.
    let older = file(&without(COLUMNS, &["in_formulary"]), &[&[("price_fen", "950")]]);
    let loaded = load(&app, &older).await.expect("loaded");
    assert_eq!(loaded, Loaded { updated: 1, ..Loaded::default() });
    let updated = known(&app, "NEW-1");
    assert_eq!((updated.price.0, updated.in_formulary), (950, true));
    assert_eq!(updated.label, first.label);

    let cleared = file(&all_columns(), &[&[("in_formulary", "no"), ("brands", "新样")]]);
    let loaded = load(&app, &cleared).await.expect("loaded");
    assert_eq!(loaded, Loaded { updated: 1, out_of_formulary: 1, ..Loaded::default() });
    let updated = known(&app, "NEW-1");
    assert_eq!((updated.label.brands.len(), updated.label.barcodes.len()), (1, 0));
    assert!(!updated.in_formulary);
    let back = file(COLUMNS, &[&[("in_formulary", "yes")]]);
    let loaded = load(&app, &back).await.expect("loaded");
    assert_eq!(loaded, Loaded { updated: 1, into_formulary: 1, ..Loaded::default() });

    // What stays in the formulary is checked like a row that says so.
    let never =
        file(&without(COLUMNS, &["in_formulary"]), &[&[("ingredients", "warfarin:3"), ("max_day_mg", "")]]);
    assert_eq!(refused(&app, &never).await, [at(2, "ingredients", "never_list")]);
    // A new product of such a file is only known.
    let new = file(&without(COLUMNS, &["in_formulary"]), &[&[("code", "NEW-2")]]);
    load(&app, &new).await.expect("loaded");
    assert!(!known(&app, "NEW-2").in_formulary);
}

#[actix_web::test]
async fn every_bad_number_of_a_pack_is_named_by_line_and_field() {
    let app = TestApp::open().await;
    let rows: &[Cells<'_>] = &[
        &[("code", "N-1"), ("in_formulary", "no"), ("barcodes", "6901234567893")],
        &[("code", "N-2"), ("in_formulary", "no"), ("barcodes", "6.90123E+12")],
        &[("code", "N-3"), ("in_formulary", "no"), ("barcodes", "690123456789")],
        &[("code", "N-4"), ("in_formulary", "no"), ("approval_numbers", "国药准字X20051234")],
        &[("code", "N-5"), ("in_formulary", "no"), ("brands", "a;b;c;d;e;f;g;h;i;j;k")],
    ];
    let problems = refused(&app, &file(&all_columns(), rows)).await;
    let wanted: Vec<_> = (2..)
        .zip(["barcodes", "barcodes", "barcodes", "approval_numbers", "brands"])
        .map(|(line, field)| at(line, field, "invalid"))
        .collect();
    assert_eq!(problems, wanted);
    let hidden: Cells<'_> = &[("in_formulary", "no"), ("brands", "泰\u{200B}样")];
    assert_eq!(refused(&app, &file(&all_columns(), &[hidden])).await, [at(2, "brands", "control_character")]);
}

#[actix_web::test]
async fn a_barcode_names_one_product_and_an_approval_number_one_drug() {
    let app = TestApp::open().await;
    let (code, other) = ("6901234567892", "96385074");
    let one = |code: &'static str, barcodes: &'static str| {
        vec![
            ("code", code),
            ("in_formulary", "no"),
            ("barcodes", barcodes),
            ("approval_numbers", "国药准字H20051234"),
        ]
    };
    let (first, second) = (one("N-1", code), one("N-2", other));
    load(&app, &file(&all_columns(), &[&first, &second])).await.expect("two packs of one drug");

    let columns = all_columns();
    let twice = file(&columns, &[&one("N-3", "614141123452"), &one("N-4", "00614141123452")]);
    assert_eq!(refused(&app, &twice).await, [at(3, "barcodes", "duplicate")]);
    assert_eq!(refused(&app, &file(&columns, &[&one("N-3", code)])).await, [at(2, "barcodes", "duplicate")]);
    let mut ibuprofen = one("N-5", "");
    ibuprofen.extend([("ingredients", "ibuprofen:200"), ("max_day_mg", "")]);
    let refused_drug = refused(&app, &file(&columns, &[&ibuprofen])).await;
    assert_eq!(refused_drug, [at(2, "approval_numbers", "other_drug")]);
    // The barcodes change places within one file.
    let (first, second) = (one("N-1", other), one("N-2", code));
    let loaded = load(&app, &file(&columns, &[&first, &second])).await.expect("loaded");
    assert_eq!(loaded, Loaded { updated: 2, ..Loaded::default() });
    assert_eq!(known(&app, "N-2").label.barcodes[0].as_str(), code);
    // A row that is skipped keeps its number.
    let skip = ImportOptions { existing: Some(Existing::Skip), ..ImportOptions::default() };
    let text = file(&columns, &[&one("N-1", ""), &one("N-6", other)]);
    let problems = load_with(&app, ImportKind::Catalogue, &text, skip).await.expect_err("refused");
    assert_eq!(row_problems(problems), [at(3, "barcodes", "duplicate")]);
}

#[actix_web::test]
async fn a_byte_order_mark_is_accepted_and_another_encoding_is_named_once() {
    let app = TestApp::open().await;
    let text = catalogue_csv(3);
    let marked = format!("\u{FEFF}{}", text.lines().skip(1).collect::<Vec<_>>().join("\r\n"));
    assert_eq!(load(&app, &marked).await.expect("loaded").added, 3);
    // 对乙酰氨基酚 in GB18030, in each of two rows.
    let gbk: &[u8] = b"\xb6\xd4\xd2\xd2\xf5\xa3\xb0\xb1\xbb\xf9\xb7\xd3";
    let rows = file(
        &without(COLUMNS, &["in_formulary"]),
        &[&[("storage", "x")], &[("code", "NEW-2"), ("storage", "x")]],
    );
    let mut bytes = Vec::new();
    for part in rows.split("对乙酰氨基酚片") {
        if !bytes.is_empty() {
            bytes.extend_from_slice(gbk);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("catalogue.csv");
    std::fs::write(&path, &bytes).expect("written");
    let outcome =
        import_csv(&app.state, ImportKind::Catalogue, &path, ImportOptions::default(), |_, _| ()).await;
    assert_eq!(row_problems(outcome.expect_err("refused")), [at(2, "row", "encoding")]);
    // Bytes of no encoding are a problem of their line.
    std::fs::write(
        &path,
        bytes.iter().map(|byte| if *byte == 0xb6 { 0xFF } else { *byte }).collect::<Vec<_>>(),
    )
    .expect("written");
    let outcome =
        import_csv(&app.state, ImportKind::Catalogue, &path, ImportOptions::default(), |_, _| ()).await;
    assert_eq!(
        row_problems(outcome.expect_err("refused")),
        [at(2, "row", "bad_row"), at(3, "row", "bad_row")]
    );
}

/// A product of an older database has no such columns and reads as before.
#[actix_web::test]
async fn stored_products_of_older_databases_are_read() {
    let app = TestApp::open().await;
    let product = known(&app, "PCM-T500");
    let body = serde_json::to_value(&product).expect("json");
    assert!(body.get("label").is_none(), "nothing is stored where nothing is known");
    let back: HashMap<String, serde_json::Value> = serde_json::from_value(body.clone()).expect("an object");
    assert!(!back.contains_key("label"));
    assert_eq!(serde_json::from_value::<Product>(body).expect("read"), product);
}
