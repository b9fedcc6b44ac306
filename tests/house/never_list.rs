//! What is never prescribed or sold does not come in by a file, and a row that
//! an old database holds is of no use. Neither are maxima that nobody can mean,
//! and sources that name nothing.

use serde_json::json;
use waystation::{
    domain::formulary::{COLUMNS, IngredientCode, Product, ProductCode},
    service::{
        Actor, edition, formulary,
        import::{
            ImportError,
            csv_file::{ImportKind, ImportOptions, import_csv},
        },
    },
};

use crate::{
    harness::TestHouse,
    prescribing::{Scene, draft_of},
    seed::SIGNING_PIN,
};

/// Cells of a good row: paracetamol.
const GOOD: &[(&str, &str)] = &[
    ("code", "NEW-1"),
    ("generic_zh", "对乙酰氨基酚片"),
    ("generic_en", "Paracetamol tablets"),
    ("atc", "N02BE01"),
    ("form", "tablet"),
    ("strength_mg", "500"),
    ("ingredients", "paracetamol:500"),
    ("units_per_pack", "10"),
    ("price_fen", "900"),
    ("class", "otc_b"),
    ("max_dose_mg", "500"),
    ("max_day_mg", "2000"),
    ("max_days", "3"),
    ("min_age", "12"),
    ("storage", "室温"),
    ("in_formulary", "yes"),
    ("source", "说明书 2023-04 版，用法用量"),
];

/// Loads a file of one row, with these cells instead; tells what was refused.
pub async fn refused(house: &TestHouse, changed: &[(&str, &str)]) -> Vec<(u64, String, String)> {
    let cell = |column: &&str| {
        let own = changed.iter().chain(GOOD).find(|(name, _)| name == column);
        own.map_or("", |(_, value)| *value).to_owned()
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect("a header");
    writer.write_record(COLUMNS.iter().map(cell)).expect("a row");
    let text = writer.into_inner().expect("flushed");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("catalogue.csv");
    std::fs::write(&path, text).expect("written");
    let options = ImportOptions::default();
    match import_csv(&house.house, ImportKind::Catalogue, &path, options, |_, _| ()).await {
        Ok(_) => Vec::new(),
        Err(ImportError::Rows(problems)) => {
            problems.into_iter().map(|bad| (bad.line, bad.field, bad.code)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// A product of an old database, written past the import.
pub async fn put(house: &TestHouse, product: Product) {
    house
        .house
        .write(Actor::System, move |tx| formulary::put(tx, &[&product]).map(|_| ()))
        .await
        .expect("put");
    edition::look(&house.house).await.expect("looked");
}

/// Paracetamol tablets under another code and with another ingredient.
pub fn disguised(house: &TestHouse, code: &str, ingredient: &str) -> Product {
    let mut product = house.house.formulary().find("PCM-T500").expect("shipped").clone();
    product.code = ProductCode::parse(code).expect("a code");
    product.ingredients[0].code = IngredientCode::parse(ingredient).expect("an ingredient");
    product.generic_zh = "样例药".into();
    product.generic_en = "Sample".into();
    product.atc = "-".into();
    product
}

#[actix_web::test]
async fn a_file_brings_nothing_of_the_never_list_into_the_formulary() {
    let house = TestHouse::open().await;
    let one = |field: &str| vec![(2, field.to_owned(), "never_list".to_owned())];
    for ingredient in [
        "dextromethorphan:15",
        "dextromethorphan_hydrobromide:15",
        "pseudoephedrine:30",
        "pseudoephedrine_hydrochloride:30;paracetamol:325",
        "warfarin:3",
        "warfarin_sodium:3",
        "digoxin:0.25",
        "theophylline:100",
        "aminophylline:100",
        "carbamazepine:100",
        "codeine:10",
        "tramadol:50",
        "diazepam:2.5",
    ] {
        let cells =
            [("ingredients", ingredient), ("max_dose_mg", ""), ("max_day_mg", ""), ("max_day_units", "2")];
        assert_eq!(refused(&house, &cells).await, one("ingredients"), "{ingredient}");
    }
    assert_eq!(refused(&house, &[("atc", "R05DA09")]).await, one("atc"));
    assert_eq!(refused(&house, &[("generic_zh", "酚麻美敏片")]).await, one("generic_zh"));
    assert_eq!(refused(&house, &[("generic_en", "Warfarin tablets")]).await, one("generic_en"));
    assert_eq!(refused(&house, &[("form", "injection")]).await, one("form"));
    assert!(house.house.formulary().find("NEW-1").is_none());
    // It may be known, so that what somebody takes is recognised.
    let known =
        [("ingredients", "warfarin:3"), ("in_formulary", "no"), ("max_dose_mg", ""), ("max_day_mg", "")];
    assert_eq!(refused(&house, &known).await, []);
    let seed = house.seed().await;
    let shown = house.get(&seed.station_token, "/api/v1/products/NEW-1").await.expect(200);
    assert_eq!(shown["prescribable"], false);
    assert_eq!(refused(&house, &[]).await, []);
    assert!(house.house.formulary().find("NEW-1").expect("known").prescribable());
}

#[actix_web::test]
async fn a_name_that_is_spelt_otherwise_is_found_all_the_same() {
    let house = TestHouse::open().await;
    for name in [
        "伪 麻 黄 碱 片",
        "可　待因片",
        "華法林",
        "卡馬西平",
        "嗎啡",
        "新康泰克",
        "安定片/valium",
        "诺和灵30R注射",
        "头孢曲松钠粉针",
    ] {
        let told = refused(&house, &[("generic_zh", name), ("atc", "-"), ("ingredients", "sample:5")]).await;
        assert_eq!(told, [(2, "generic_zh".to_owned(), "never_list".to_owned())], "{name}");
    }
    for name in ["Ｗａｒｆａｒｉｎ", "cod\u{435}ine", "Coumadin", "Xanax"] {
        let told = refused(&house, &[("generic_en", name), ("atc", "-"), ("ingredients", "sample:5")]).await;
        assert_eq!(told, [(2, "generic_en".to_owned(), "never_list".to_owned())], "{name}");
    }
}

#[actix_web::test]
async fn maxima_that_nobody_can_mean_are_refused_by_their_column() {
    let house = TestHouse::open().await;
    let one = |field: &str| vec![(2, field.to_owned(), "implausible".to_owned())];
    assert_eq!(refused(&house, &[("max_day_mg", "20000")]).await, one("max_day_mg"));
    assert_eq!(refused(&house, &[("max_dose_mg", "2000")]).await, one("max_dose_mg"));
    let by_units = [("max_dose_mg", ""), ("max_day_mg", ""), ("max_day_units", "40")];
    assert_eq!(refused(&house, &by_units).await, one("max_day_units"));
    let by_times = [("max_dose_mg", ""), ("max_day_mg", ""), ("max_times", "24")];
    assert_eq!(refused(&house, &by_times).await, one("max_times"));
    let compound = [
        ("ingredients", "paracetamol:250;amantadine:100"),
        ("strength_mg", ""),
        ("max_dose_mg", ""),
        ("max_day_mg", ""),
        ("max_day_units", "30"),
    ];
    assert_eq!(refused(&house, &compound).await, one("max_day_units"));
    let other = [
        ("ingredients", "loratadine:10"),
        ("strength_mg", "10"),
        ("max_dose_mg", ""),
        ("max_day_mg", "1000"),
    ];
    assert_eq!(refused(&house, &other).await, one("max_day_mg"));
}

#[actix_web::test]
async fn who_names_nobody_names_no_source() {
    let house = TestHouse::open().await;
    for source in [
        "nobody",
        "None",
        "n/a",
        "N.A.",
        "test",
        "-",
        "--",
        "?",
        "无",
        "（无）",
        "没有来源",
        "未知",
        "TBD",
        "xxx",
        "123",
    ] {
        let told = refused(&house, &[("source", source)]).await;
        assert_eq!(told, [(2, "source".to_owned(), "no_source".to_owned())], "{source}");
    }
    let both = refused(&house, &[("source", "nobody"), ("max_day_mg", "20000")]).await;
    let fields: Vec<&str> = both.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["max_day_mg", "source"], "all of it is told at once");
}

#[actix_web::test]
async fn a_row_of_an_old_database_is_neither_drafted_nor_signed() {
    let scene = Scene::open().await;
    let house = &scene.house;
    put(house, disguised(house, "OLD-DXM", "dextromethorphan")).await;
    let mut mad = disguised(house, "OLD-MAD", "loratadine");
    mad.adult_max.day_ug = Some(1_000_000);
    put(house, mad).await;
    let mut unsourced = disguised(house, "OLD-SRC", "paracetamol");
    unsourced.source = "nobody".into();
    put(house, unsourced).await;
    let doctor = &scene.seed.doctor.token;
    for (code, rule) in
        [("OLD-DXM", "never_list"), ("OLD-MAD", "implausible_maximum"), ("OLD-SRC", "no_sourced_maximum")]
    {
        let shown =
            house.get(&scene.seed.station_token, &format!("/api/v1/products/{code}")).await.expect(200);
        assert_eq!(shown["prescribable"], false, "{code}");
        let body = json!({"profile": {"age_years": 40, "sex": "male"}, "lines": draft_of(&[code])["lines"]});
        let report = house.post(doctor, "/api/v1/prescriptions/check", body).await.expect(200);
        assert_eq!(report["verdict"], "block", "{report}");
        let found = report["findings"].as_array().expect("findings").iter().any(|one| one["rule"] == rule);
        assert!(found, "{code}: {report}");
        let drafted = house.post(doctor, &scene.drafts_path(), draft_of(&[code])).await;
        let problem = drafted.problem(422, "prescribing_rule");
        assert_eq!(problem["errors"][0]["code"], "not_prescribable", "{problem}");
    }
    // A draft of before the row was known for what it is.
    put(house, disguised(house, "OLD-LATE", "paracetamol")).await;
    let id = scene.draft(&["OLD-LATE"]).await;
    put(house, disguised(house, "OLD-LATE", "pseudoephedrine")).await;
    let path = format!("/api/v1/prescriptions/{id}/sign");
    let signed = house.post(doctor, &path, json!({"pin": SIGNING_PIN})).await;
    assert_eq!(signed.status, 422, "{}", signed.body);
    let problem = signed.body;
    let never = problem["data"].as_array().into_iter().flatten().any(|one| one["rule"] == "never_list");
    assert!(never || problem["code"] == "prescribing_rule", "{problem}");
}
