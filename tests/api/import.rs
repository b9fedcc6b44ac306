//! A file is imported completely or not at all.

use std::path::PathBuf;

use serde_json::json;

use crate::{harness::TestApp, seed::PIN};
use domain::staff::role::Role;
use service::network::import::{
    Existing, ImportError, Loaded,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

/// An unused card number with a valid check digit.
const CARD: &str = "990000000028";

struct TestFile {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

fn file(text: &str) -> TestFile {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("file.csv");
    std::fs::write(&path, text).expect("written");
    TestFile { path, _dir: dir }
}

pub async fn load(app: &TestApp, kind: ImportKind, text: &str) -> Result<usize, ImportError> {
    let loaded = load_with(app, kind, text, ImportOptions::default()).await?;
    Ok(loaded.added + loaded.updated + loaded.unchanged)
}

pub async fn load_with(
    app: &TestApp,
    kind: ImportKind,
    text: &str,
    options: ImportOptions,
) -> Result<Loaded, ImportError> {
    let file = file(text);
    import_csv(&app.state, kind, &file.path, options, |_, _| ()).await
}

/// Line, field and code of each problem.
pub fn row_problems(error: ImportError) -> Vec<(u64, String, String)> {
    match error {
        ImportError::Rows(problems) | ImportError::Catalogue { problems, .. } => {
            problems.into_iter().map(|bad| (bad.line, bad.field, bad.code)).collect()
        }
        other => panic!("{other}"),
    }
}

const STATIONS: &str = "code,name_zh,name_en,district,latitude_e6,longitude_e6\n";

#[actix_web::test]
async fn a_bad_row_is_reported_by_line_and_field_and_nothing_is_loaded() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let good = "zhifu-02,样例二,Two,zhifu,37500000,121300000\n";
    let bad = format!("{STATIONS}{good}zhifu-03,样例三,Three,zhifu,1,121300000\n");
    let problems = row_problems(load(&app, ImportKind::Stations, &bad).await.expect_err("refused"));
    assert_eq!(problems, [(3, "latitude_e6".to_owned(), "out_of_range".to_owned())]);
    let taken = format!("{STATIONS}{good}zhifu-01,样例一,One,zhifu,37500000,121300000\n");
    let problems = row_problems(load(&app, ImportKind::Stations, &taken).await.expect_err("refused"));
    assert_eq!(problems, [(3, "code".to_owned(), "already_exists".to_owned())]);
    let list = app.get(&seed.operator.token, "/api/v1/stations").await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(load(&app, ImportKind::Stations, &format!("{STATIONS}{good}")).await.expect("loaded"), 1);
    let counts = app.get("", "/api/v1/network/counts").await.expect(200);
    assert_eq!((&counts["stations"], &counts["cabinets"]), (&json!(2), &json!(2)));
}

#[actix_web::test]
async fn imported_workers_are_found_and_unknown_employers_are_reported() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let header = "card_number,pin,name,phone,birth_date,sex,job,employer_code\n";
    let row = |employer: &str| {
        format!("990000000028,482913,样例乙,15400000002,1990-01-02,male,courier,{employer}\n")
    };
    let unknown = format!("{header}{}", row("employer-9"));
    let problems = row_problems(load(&app, ImportKind::Workers, &unknown).await.expect_err("refused"));
    assert_eq!(problems, [(2, "employer_code".to_owned(), "unknown_code".to_owned())]);
    let good = format!("{header}{}", row("employer-1"));
    assert_eq!(load(&app, ImportKind::Workers, &good).await.expect("loaded"), 1);
    let again = row_problems(load(&app, ImportKind::Workers, &good).await.expect_err("refused"));
    assert_eq!(again, [(2, "card_number".to_owned(), "already_exists".to_owned())]);
    let path = "/api/v1/workers?phone=15400000002";
    let found = app.get(&seed.operator.token, path).await.expect(200);
    assert_eq!(found["items"][0]["name"], "样例乙");
    assert_eq!(found["items"][0]["phone"], "154****0002");
    app.get(&seed.doctor.token, path).await.problem(403, "role_not_allowed");
    let card = json!({"card_number": "990000000028", "pin": "482913"});
    app.post(&seed.station_token, "/api/v1/check-ins", card).await.expect(201);
}

#[actix_web::test]
async fn the_shipped_formulary_is_a_catalogue_and_replaces_itself() {
    let app = TestApp::open().await;
    let text = domain::formulary::SHIPPED_CSV;
    let rows = load(&app, ImportKind::Catalogue, text).await.expect("loaded");
    assert_eq!(load(&app, ImportKind::Catalogue, text).await.expect("loaded again"), rows);
    assert_eq!(app.state.formulary().len(), rows);
}

const TWO: &str = "zhifu-02,样例二,Two,zhifu,37500000,121300000\n";

#[actix_web::test]
async fn no_row_is_skipped_and_comments_are_allowed_above_the_header_only() {
    let app = TestApp::open().await;
    app.seed().await;
    let commented = format!(
        "# made by hand\n# on a Monday\n{STATIONS}{TWO}#zhifu-03,三,Three,zhifu,37500000,121300000\n"
    );
    let problems = row_problems(load(&app, ImportKind::Stations, &commented).await.expect_err("refused"));
    assert_eq!(problems, [(5, "code".to_owned(), "bad_format".to_owned())]);
    let named = format!("# made by hand\n{STATIONS}zhifu-04,#4 驿站,No. 4,zhifu,37500000,121300000\n");
    assert_eq!(load(&app, ImportKind::Stations, &named).await.expect("loaded"), 1);
    let no_header = row_problems(
        load(&app, ImportKind::Stations, "# only a comment\ncode\n").await.expect_err("refused"),
    );
    assert_eq!(no_header[0].0, 2, "the header's own line: {no_header:?}");
}

#[actix_web::test]
async fn semicolons_tabs_decimals_and_full_width_digits_are_accepted() {
    let app = TestApp::open().await;
    app.seed().await;
    let header = STATIONS.trim_end();
    for (separator, code) in [(";", "zhifu-11"), ("\t", "zhifu-12"), (",", "zhifu-13")] {
        let row = format!("{code},样例,Sample,zhifu,37.54,１２１３０００００");
        let text = format!("\u{FEFF}{header}\r\n{row}\r\n").replace(',', separator);
        assert_eq!(load(&app, ImportKind::Stations, &text).await.expect("loaded"), 1, "{separator:?}");
    }
    let wide = format!("{}\n", header.replace(',', "，"));
    let problems = row_problems(load(&app, ImportKind::Stations, &wide).await.expect_err("refused"));
    assert_eq!(problems, [(1, "row".to_owned(), "bad_separator".to_owned())]);
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(header.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let file = file("");
    std::fs::write(&file.path, utf16).expect("written");
    let options = ImportOptions::default();
    let refused = import_csv(&app.state, ImportKind::Stations, &file.path, options, |_, _| ()).await;
    assert_eq!(row_problems(refused.expect_err("refused")), [(1, "row".to_owned(), "bad_row".to_owned())]);
}

#[actix_web::test]
async fn many_rows_of_separators_are_reported_once() {
    let app = TestApp::open().await;
    app.seed().await;
    let text = format!("{STATIONS}{TWO}{}", ",,,,,\n".repeat(500));
    let problems = row_problems(load(&app, ImportKind::Stations, &text).await.expect_err("refused"));
    assert_eq!(problems, [(3, "row".to_owned(), "empty_row".to_owned())]);
}

#[actix_web::test]
async fn existing_rows_are_refused_skipped_or_updated_and_a_dry_run_stores_nothing() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let first = format!("{STATIONS}{TWO}");
    load(&app, ImportKind::Stations, &first).await.expect("loaded");
    let second = format!(
        "{STATIONS}zhifu-02,样例二新,Two anew,zhifu,37500000,121300000\nzhifu-03,样例三,Three,zhifu,37500000,121300000\n"
    );
    let with = |existing, dry_run| ImportOptions { existing, dry_run, ..ImportOptions::default() };
    let names = async || {
        let list = app.get(&seed.operator.token, "/api/v1/stations").await.expect(200);
        let items = list["items"].as_array().expect("a list").clone();
        items.iter().map(|item| item["name_en"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let refused = row_problems(load(&app, ImportKind::Stations, &second).await.expect_err("refused"));
    assert_eq!(refused, [(2, "code".to_owned(), "already_exists".to_owned())]);

    // An update would erase what the file has no column for.
    let narrow = load_with(&app, ImportKind::Stations, &second, with(Some(Existing::Update), true)).await;
    let missing = (1, "encounter_lanes".to_owned(), "missing_column".to_owned());
    assert_eq!(row_problems(narrow.expect_err("refused")), [missing]);
    let whole = second
        .replace("longitude_e6\n", "longitude_e6,encounter_lanes\n")
        .replace("121300000\n", "121300000,consultation_only\n");
    let dry = load_with(&app, ImportKind::Stations, &whole, with(Some(Existing::Update), true)).await;
    assert_eq!(dry.expect("tried"), Loaded { added: 1, updated: 1, skipped: 0, ..Loaded::default() });
    assert!(!names().await.contains(&"Three".to_owned()), "a dry run stores nothing");

    let skipped = load_with(&app, ImportKind::Stations, &second, with(Some(Existing::Skip), false)).await;
    assert_eq!(skipped.expect("loaded"), Loaded { added: 1, updated: 0, skipped: 1, ..Loaded::default() });
    let known = names().await;
    assert!(known.contains(&"Three".to_owned()) && known.contains(&"Two".to_owned()), "{known:?}");

    let updated = load_with(&app, ImportKind::Stations, &whole, with(Some(Existing::Update), false)).await;
    assert_eq!(updated.expect("loaded"), Loaded { added: 0, updated: 2, skipped: 0, ..Loaded::default() });
    let known = names().await;
    assert!(known.contains(&"Two anew".to_owned()) && !known.contains(&"Two".to_owned()), "{known:?}");
}

#[actix_web::test]
async fn an_update_keeps_pins_and_requires_a_changed_licence_to_be_verified_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let worker = |pin: &str, name: &str, phone: &str| {
        let header = "card_number,pin,name,phone,birth_date,sex,job,employer_code,language";
        format!("{header}\n{CARD},{pin},{name},{phone},1990-01-02,male,driver,employer-1,zh\n")
    };
    let first = worker("482913", "样例乙", "15400000002");
    load(&app, ImportKind::Workers, &first).await.expect("loaded");
    let second = worker("739154", "样例工人甲改", "15400000009");
    let loaded = load_with(&app, ImportKind::Workers, &second, update).await.expect("loaded");
    assert_eq!(loaded, Loaded { added: 0, updated: 1, skipped: 0, ..Loaded::default() });
    let found = app.get(&seed.operator.token, "/api/v1/workers?phone=15400000009").await.expect(200);
    assert_eq!(found["items"][0]["name"], "样例工人甲改");
    let card = |pin: &str| json!({"card_number": CARD, "pin": pin});
    app.post(&seed.station_token, "/api/v1/check-ins", card("482913")).await.expect(201);
    app.post(&seed.station_token, "/api/v1/check-ins", card("739154")).await.problem(401, "pin_wrong");

    let header = "email,name_zh,name_en,hospital_code,licence_no,licence_valid_until,practising_since,departments,languages,capacity\n";
    let doctor = |email: &str, licence: &str| {
        format!(
            "{header}{email},样例医生,Doctor,hospital-1,{licence},2031-01-01,2010-01-01,general_practice;ent,zh,3\n"
        )
    };
    let mine = doctor("doctor-a@example.cn", "NEW-1");
    let loaded = load_with(&app, ImportKind::Staff(Role::Doctor), &mine, update).await.expect("loaded");
    assert_eq!(loaded, Loaded { added: 0, updated: 1, skipped: 0, ..Loaded::default() });
    let unverified = app.put(&seed.doctor.token, "/api/v1/duty", "0", json!({"presence": "available"})).await;
    unverified.problem(422, "doctor_not_eligible");
    let theirs = doctor("doctor-b@example.cn", "NEW-1");
    let refused = row_problems(
        load_with(&app, ImportKind::Staff(Role::Doctor), &theirs, update).await.expect_err("refused"),
    );
    assert_eq!(refused, [(2, "licence_no".to_owned(), "already_exists".to_owned())]);
    let not_a_doctor = doctor("pharmacist@example.cn", "NEW-2");
    let refused = row_problems(
        load_with(&app, ImportKind::Staff(Role::Doctor), &not_a_doctor, update).await.expect_err("refused"),
    );
    assert_eq!(refused, [(2, "email".to_owned(), "other_role".to_owned())]);
}

#[actix_web::test]
async fn a_pharmacists_licence_is_imported_verified_and_belongs_to_one_person() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let header = "email,name_zh,name_en,licence_no,licence_valid_until\n";
    let row =
        |email: &str, licence: &str| format!("{header}{email},样例药师,Pharmacist,{licence},2031-01-01\n");
    let old = "email,name_zh,name_en\nnew@example.cn,样例药师,Pharmacist\n";
    let missing =
        row_problems(load(&app, ImportKind::Staff(Role::Pharmacist), old).await.expect_err("refused"));
    let columns: Vec<&str> = missing.iter().map(|(_, column, _)| column.as_str()).collect();
    assert_eq!(columns, ["licence_no", "licence_valid_until"]);
    let known = &seed.pharmacist.email;
    load_with(&app, ImportKind::Staff(Role::Pharmacist), &row(known, "P-1"), update).await.expect("loaded");
    let person = format!("/api/v1/staff/{}", seed.pharmacist.id);
    let licence = |verified: bool| json!({"licence_no": "P-1", "licence_valid_until": "2031-01-01", "licence_verified": verified});
    let read = app.get(&seed.operator.token, &person).await.expect(200);
    assert_eq!(read["pharmacist"], licence(false), "another licence must be seen again");
    let seen = ImportOptions { licences_verified: true, ..update };
    load_with(&app, ImportKind::Staff(Role::Pharmacist), &row(known, "P-1"), seen).await.expect("loaded");
    load_with(&app, ImportKind::Staff(Role::Pharmacist), &row(known, "P-1"), update)
        .await
        .expect("loaded again");
    let read = app.get(&seed.operator.token, &person).await.expect(200);
    assert_eq!(read["pharmacist"], licence(true), "an unchanged licence stays verified");
    let theirs = load(&app, ImportKind::Staff(Role::Pharmacist), &row("new@example.cn", "P-1")).await;
    let refused = row_problems(theirs.expect_err("refused"));
    assert_eq!(refused, [(2, "licence_no".to_owned(), "already_exists".to_owned())]);
}

#[actix_web::test]
async fn a_doctor_whose_hospital_or_licence_a_file_changes_loses_duty_or_session() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let other = json!({"code": "hospital-9", "name_zh": "样例九院", "name_en": "Ninth", "district": "zhifu", "weight": 1});
    app.post(&seed.operator.token, "/api/v1/hospitals", other).await.expect(201);
    let header = "email,name_zh,name_en,hospital_code,licence_no,licence_valid_until,practising_since,departments,languages,capacity\n";
    let doctor = |email: &str, hospital: &str, licence: &str| {
        format!(
            "{header}{email},样例医生,Doctor,{hospital},{licence},2031-01-01,2010-01-01,general_practice,zh,3\n"
        )
    };
    // Another licence that nobody has verified yet: off duty at once.
    let available = json!({"presence": "available"});
    app.put(&seed.doctor_b.token, "/api/v1/duty", "*", available).await.expect(200);
    let unverified = doctor("doctor-b@example.cn", "hospital-1", "NEW-7");
    load_with(&app, ImportKind::Staff(Role::Doctor), &unverified, update).await.expect("loaded");
    assert_eq!(app.duty_of(&seed.doctor_b).await.0, "off");
    // Another hospital: tokens contain it, so the doctor must sign in again.
    app.get(&seed.doctor.token, "/api/v1/duty").await.expect(200);
    let moved = doctor("doctor-a@example.cn", "hospital-9", "NEW-8");
    load_with(&app, ImportKind::Staff(Role::Doctor), &moved, update).await.expect("loaded");
    app.get(&seed.doctor.token, "/api/v1/duty").await.problem(401, "session_ended");
    assert_eq!(app.logged("staff.changed").await, 2);
}

#[actix_web::test]
async fn an_unclosed_quote_hides_no_row() {
    let app = TestApp::open().await;
    app.seed().await;
    let row = |code: &str, name: &str| format!("{code},{name},Sample,zhifu,37500000,121300000\n");
    let text = format!(
        "{STATIONS}{}{}{}",
        row("zhifu-21", "\"样例"),
        row("zhifu-22", "样例"),
        row("zhifu-23", "样例\"")
    );
    let problems = row_problems(load(&app, ImportKind::Stations, &text).await.expect_err("refused"));
    assert_eq!(problems, [(2, "row".to_owned(), "open_quote".to_owned())]);
    let text = format!("{STATIONS}{}{}", row("zhifu-21", "\"样例"), row("zhifu-22", "样例"));
    let problems = row_problems(load(&app, ImportKind::Stations, &text).await.expect_err("refused"));
    assert_eq!(problems, [(2, "row".to_owned(), "open_quote".to_owned())]);
}

#[actix_web::test]
async fn a_problem_is_reported_with_the_line_number_of_an_editor() {
    let app = TestApp::open().await;
    app.seed().await;
    let bad = "zhifu-31,样例,Sample,zhifu,1,121300000";
    for (text, line) in [
        (format!("{STATIONS}{TWO}{bad}\n").replace('\n', "\r\n"), 3),
        (format!("{STATIONS}{TWO}{bad}\n").replace('\n', "\r"), 3),
        (format!("# one\n{STATIONS}{TWO}{bad}").replace('\n', "\r\n"), 4),
        (format!("{STATIONS}\n\n{TWO}\n{bad}"), 6),
        (format!("{STATIONS}\r\n\r\n{TWO}\r\n{bad}\r\n"), 6),
    ] {
        let problems = row_problems(load(&app, ImportKind::Stations, &text).await.expect_err("refused"));
        assert_eq!(problems, [(line, "latitude_e6".to_owned(), "out_of_range".to_owned())], "{text:?}");
    }
    let quoted = format!("{STATIONS}\n{TWO}zhifu-32,\"样例,Sample,zhifu,37500000,121300000");
    let problems = row_problems(load(&app, ImportKind::Stations, &quoted).await.expect_err("refused"));
    assert_eq!(problems, [(4, "row".to_owned(), "open_quote".to_owned())]);
}

#[actix_web::test]
async fn a_file_without_rows_or_with_unknown_columns_or_control_characters_is_refused() {
    let app = TestApp::open().await;
    app.seed().await;
    let shipped = domain::formulary::SHIPPED_CSV;
    let header = shipped.lines().find(|line| line.starts_with("code,")).expect("a header");
    let row = shipped.lines().find(|line| line.starts_with("PCM-T500,")).expect("a row");
    let refused = async |kind, text: &str| row_problems(load(&app, kind, text).await.expect_err("refused"));
    let at = |line: u64, field: &str, code: &str| (line, field.to_owned(), code.to_owned());

    assert_eq!(refused(ImportKind::Catalogue, &format!("{header}\n")).await, [at(1, "row", "no_rows")]);
    assert_eq!(refused(ImportKind::Stations, STATIONS).await, [at(1, "row", "no_rows")]);
    let empty = refused(ImportKind::Catalogue, "").await;
    assert!(empty.contains(&at(1, "contraindications", "missing_column")), "{empty:?}");
    let more = format!("{header},colour\n{row},red\n");
    assert_eq!(refused(ImportKind::Catalogue, &more).await, [at(1, "colour", "unknown_column")]);
    let twice = format!("{header},min_age\n{row},0\n");
    assert_eq!(refused(ImportKind::Catalogue, &twice).await, [at(1, "min_age", "duplicate_column")]);
    let long = format!("{header}\n{row},more\n");
    assert_eq!(refused(ImportKind::Catalogue, &long).await, [at(2, "row", "bad_row")]);
    let nul = format!("{header}\n{}\n", row.replacen("PCM", "P\0CM", 1));
    assert_eq!(refused(ImportKind::Catalogue, &nul).await, [at(2, "code", "control_character")]);

    let wide = format!("{header}\n{}\n", row.replacen("PCM-T500", "ＰＣＭ－Ｔ５００", 1));
    assert_eq!(load(&app, ImportKind::Catalogue, &wide).await.expect("loaded"), 1);
}

#[actix_web::test]
async fn an_update_of_workers_needs_all_columns_and_is_logged_like_an_operators_change() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let header = "card_number,pin,name,phone,birth_date,sex,job,employer_code,language";
    let all = |phone: &str, employer: &str| {
        format!("{header}\n{CARD},{PIN},样例乙,{phone},1990-01-02,male,driver,{employer},zh\n")
    };
    load(&app, ImportKind::Workers, &all("15400000002", "employer-1")).await.expect("loaded");
    let card = json!({"card_number": CARD, "pin": PIN});
    let worker = app.post(&seed.station_token, "/api/v1/check-ins", card).await.expect(201);
    let worker = worker["access_token"].as_str().expect("a token").to_owned();
    app.post(&worker, "/api/v1/me/consents", json!({"purpose": "employer_fitness"})).await.expect(201);
    let known = async || {
        let found = app.get(&seed.operator.token, &format!("/api/v1/workers?card_number={CARD}")).await;
        found.expect(200)["items"][0].clone()
    };
    let before = known().await;
    let some =
        format!("card_number,pin,name,birth_date,sex,job\n{CARD},{PIN},样例乙,1990-01-02,male,driver\n");
    let refused =
        row_problems(load_with(&app, ImportKind::Workers, &some, update).await.expect_err("refused"));
    let fields: Vec<&str> = refused.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["phone", "employer_code", "language"]);
    assert_eq!(known().await, before);

    load_with(&app, ImportKind::Workers, &all("", ""), update).await.expect("loaded");
    assert_eq!((&known().await["employer_id"], app.logged("worker.changed").await), (&json!(null), 1));
    assert_eq!(app.logged("consent.withdrawn").await, 1, "it was given for the employer of that time");
    load_with(&app, ImportKind::Workers, &all("", ""), update).await.expect("loaded");
    assert_eq!(app.logged("worker.changed").await, 1, "nothing changed the second time");
}
