//! Whole files come in, or nothing of them.

use std::path::PathBuf;

use serde_json::json;
use waystation::service::import::{
    ImportError,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

use crate::harness::TestHouse;

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

async fn load(house: &TestHouse, kind: ImportKind, text: &str) -> Result<usize, ImportError> {
    let file = file(text);
    import_csv(&house.house, kind, &file.path, ImportOptions::default(), |_, _| ()).await
}

fn told(error: ImportError) -> Vec<(u64, String, String)> {
    match error {
        ImportError::Rows(problems) => {
            problems.into_iter().map(|bad| (bad.line, bad.field, bad.code)).collect()
        }
        other => panic!("{other}"),
    }
}

const STATIONS: &str = "code,name_zh,name_en,district,latitude_e6,longitude_e6\n";

#[actix_web::test]
async fn a_bad_row_is_told_by_line_and_field_and_nothing_is_loaded() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let good = "zhifu-02,样例二,Two,zhifu,37500000,121300000\n";
    let bad = format!("{STATIONS}{good}zhifu-03,样例三,Three,zhifu,1,121300000\n");
    let problems = told(load(&house, ImportKind::Stations, &bad).await.expect_err("refused"));
    assert_eq!(problems, [(3, "latitude_e6".to_owned(), "out_of_range".to_owned())]);
    let taken = format!("{STATIONS}{good}zhifu-01,样例一,One,zhifu,37500000,121300000\n");
    let problems = told(load(&house, ImportKind::Stations, &taken).await.expect_err("refused"));
    assert_eq!(problems, [(3, "code".to_owned(), "already_exists".to_owned())]);
    let list = house.get(&seed.operator.token, "/api/v1/stations").await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(load(&house, ImportKind::Stations, &format!("{STATIONS}{good}")).await.expect("loaded"), 1);
    let counts = house.get("", "/api/v1/network/counts").await.expect(200);
    assert_eq!((&counts["stations"], &counts["cabinets"]), (&json!(2), &json!(2)));
}

#[actix_web::test]
async fn imported_workers_are_found_and_unknown_employers_are_told() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let header = "card_number,pin,name,phone,birth_date,sex,job,employer_code\n";
    let row = |employer: &str| {
        format!("990000000028,482913,样例乙,15400000002,1990-01-02,male,courier,{employer}\n")
    };
    let unknown = format!("{header}{}", row("employer-9"));
    let problems = told(load(&house, ImportKind::Workers, &unknown).await.expect_err("refused"));
    assert_eq!(problems, [(2, "employer_code".to_owned(), "unknown_code".to_owned())]);
    let good = format!("{header}{}", row("employer-1"));
    assert_eq!(load(&house, ImportKind::Workers, &good).await.expect("loaded"), 1);
    let again = told(load(&house, ImportKind::Workers, &good).await.expect_err("refused"));
    assert_eq!(again, [(2, "card_number".to_owned(), "already_exists".to_owned())]);
    let path = "/api/v1/workers?phone=15400000002";
    let found = house.get(&seed.operator.token, path).await.expect(200);
    assert_eq!(found["items"][0]["name"], "样例乙");
    assert_eq!(found["items"][0]["phone"], "154****0002");
    house.get(&seed.doctor.token, path).await.problem(403, "role_not_allowed");
    let card = json!({"card_number": "990000000028", "pin": "482913"});
    house.post(&seed.station_token, "/api/v1/check-ins", card).await.expect(201);
}

#[actix_web::test]
async fn the_shipped_formulary_is_a_catalogue_and_replaces_itself() {
    let house = TestHouse::open().await;
    let text = waystation::domain::formulary::SHIPPED_CSV;
    let rows = load(&house, ImportKind::Catalogue, text).await.expect("loaded");
    assert_eq!(load(&house, ImportKind::Catalogue, text).await.expect("loaded again"), rows);
    assert_eq!(house.house.formulary().len(), rows);
}
