//! Drugs that are never prescribed or sold are not imported, and a row of an old database
//! cannot be used. The same is true of implausible maxima and of sources that name
//! nothing.

use serde_json::json;

use crate::support::{
    Caller, Code, TestApp,
    prescribing::{Scene, draft_of},
};
use domain::formulary::{COLUMNS, IngredientCode, Product, ProductCode};
use service::{
    Actor,
    network::import::{
        ImportError,
        csv_file::{ImportKind, ImportOptions, import_csv},
    },
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

/// Imports a file of one row, with these cells changed; returns line, field and code of
/// every problem.
async fn refused(app: &TestApp, changed: &[(&str, &str)]) -> Vec<(u64, String, String)> {
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
    match import_csv(&app.state, ImportKind::Catalogue, &path, options, |_, _| ()).await {
        Ok(_) => Vec::new(),
        Err(ImportError::Catalogue { problems, .. }) => {
            problems.into_iter().map(|bad| (bad.line, bad.field, bad.code)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// Writes a product past the import, as in an old database.
pub async fn put(app: &TestApp, product: Product) {
    app.state
        .write(Actor::System, move |tx| service::formulary::put(tx, &[&product]).map(|_| ()))
        .await
        .expect("put");
    service::formulary::edition::look(&app.state).await.expect("looked");
}

/// Paracetamol tablets under another code and with another ingredient.
pub fn disguised(app: &TestApp, code: &str, ingredient: &str) -> Product {
    let mut product = app.state.formulary().find("PCM-T500").expect("shipped").clone();
    product.code = ProductCode::parse(code).expect("a code");
    product.ingredients[0].code = IngredientCode::parse(ingredient).expect("an ingredient");
    product.generic_zh = "样例药".into();
    product.generic_en = "Sample".into();
    product.atc = "-".into();
    product
}

#[actix_web::test]
async fn a_file_brings_nothing_of_the_never_list_into_the_formulary() {
    let app = TestApp::open().await;
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
        assert_eq!(refused(&app, &cells).await, one("ingredients"), "{ingredient}");
    }
    assert_eq!(refused(&app, &[("atc", "R05DA09")]).await, one("atc"));
    assert_eq!(refused(&app, &[("generic_zh", "酚麻美敏片")]).await, one("generic_zh"));
    assert_eq!(refused(&app, &[("generic_en", "Warfarin tablets")]).await, one("generic_en"));
    assert_eq!(refused(&app, &[("form", "injection")]).await, one("form"));
    assert!(app.state.formulary().find("NEW-1").is_none());
    // It may be in the catalogue, so that what a patient takes is recognised.
    let known =
        [("ingredients", "warfarin:3"), ("in_formulary", "no"), ("max_dose_mg", ""), ("max_day_mg", "")];
    assert_eq!(refused(&app, &known).await, []);
    let shown = app.station().await.get("/api/v1/products/NEW-1").await.expect_ok();
    assert_eq!(shown["prescribable"], false);
    assert_eq!(refused(&app, &[]).await, []);
    assert!(app.state.formulary().find("NEW-1").expect("known").prescribable());
}

#[actix_web::test]
async fn a_name_that_is_spelt_otherwise_is_found_all_the_same() {
    let app = TestApp::open().await;
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
        let found = refused(&app, &[("generic_zh", name), ("atc", "-"), ("ingredients", "sample:5")]).await;
        assert_eq!(found, [(2, "generic_zh".to_owned(), "never_list".to_owned())], "{name}");
    }
    for name in ["Ｗａｒｆａｒｉｎ", "cod\u{435}ine", "Coumadin", "Xanax"] {
        let found = refused(&app, &[("generic_en", name), ("atc", "-"), ("ingredients", "sample:5")]).await;
        assert_eq!(found, [(2, "generic_en".to_owned(), "never_list".to_owned())], "{name}");
    }
}

#[actix_web::test]
async fn maxima_that_nobody_can_mean_are_refused_by_their_column() {
    let app = TestApp::open().await;
    let one = |field: &str| vec![(2, field.to_owned(), "implausible".to_owned())];
    assert_eq!(refused(&app, &[("max_day_mg", "20000")]).await, one("max_day_mg"));
    assert_eq!(refused(&app, &[("max_dose_mg", "2000")]).await, one("max_dose_mg"));
    let by_units = [("max_dose_mg", ""), ("max_day_mg", ""), ("max_day_units", "40")];
    assert_eq!(refused(&app, &by_units).await, one("max_day_units"));
    let by_times = [("max_dose_mg", ""), ("max_day_mg", ""), ("max_times", "24")];
    assert_eq!(refused(&app, &by_times).await, one("max_times"));
    let compound = [
        ("ingredients", "paracetamol:250;amantadine:100"),
        ("strength_mg", ""),
        ("max_dose_mg", ""),
        ("max_day_mg", ""),
        ("max_day_units", "30"),
    ];
    assert_eq!(refused(&app, &compound).await, one("max_day_units"));
    let other = [
        ("ingredients", "loratadine:10"),
        ("atc", "R06AX13"),
        ("strength_mg", "10"),
        ("max_dose_mg", ""),
        ("max_day_mg", "1000"),
    ];
    assert_eq!(refused(&app, &other).await, one("max_day_mg"));
}

#[actix_web::test]
async fn who_names_nobody_names_no_source() {
    let app = TestApp::open().await;
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
        "nobody, section 3",
        "nobody knows",
        "老王",
        "店长说的",
        "TBD 2026",
        "http://",
        "as above",
        "label",
        "说明书",
        "说明书，待定",
        "my colleague, page 4",
    ] {
        let found = refused(&app, &[("source", source)]).await;
        assert_eq!(found, [(2, "source".to_owned(), "no_source".to_owned())], "{source}");
    }
    for source in [
        "国药准字H20051234",
        "中国药典 2020 年版 二部，第 312 页",
        "SmPC PL 04416-0321, section 4.2",
        "https://www.example.org/labels/paracetamol.pdf",
    ] {
        let again = ("code", source.len().to_string());
        let found = refused(&app, &[("source", source), ("code", &format!("SRC-{}", again.1))]).await;
        assert_eq!(found, [], "{source}");
    }
    let both = refused(&app, &[("source", "nobody"), ("max_day_mg", "20000")]).await;
    let fields: Vec<&str> = both.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["max_day_mg", "source"], "all problems at once");
}

#[actix_web::test]
async fn every_kind_of_name_and_code_of_a_listed_drug_is_found() {
    let app = TestApp::open().await;
    let listed = async |column: &str, text: &str| {
        let mut cells = vec![
            ("atc", "-"),
            ("ingredients", "glucose:5"),
            ("strength_mg", ""),
            ("max_dose_mg", ""),
            ("max_day_mg", ""),
            ("max_day_units", "2"),
        ];
        cells.retain(|(name, _)| *name != column);
        cells.push((column, text));
        let found = refused(&app, &cells).await;
        assert_eq!(found, [(2, column.to_owned(), "never_list".to_owned())], "{column} {text}");
    };
    for name in [
        "茶鹼緩釋片",
        "二羟丙茶硷片",
        "氨茶碱片",
        "多索茶鹼",
        "诺和灵30R笔芯",
        "甘精胰島素預填充",
        "門冬胰岛素",
        "重组人胰岛素",
        "复方甘草片",
        "複方甘草片",
        "强力枇杷露",
        "罌粟殼",
        "氨酚双氢可待因片",
        "复方可待因口服溶液",
        "洛芬待因缓释片",
        "盐酸曲马多缓释片",
        "曲馬朵",
        "氨酚美沙芬",
        "复方氨酚美沙糖浆（右美沙芬）",
        "右旋美沙芬",
        "地西泮片",
        "右佐匹克隆片",
        "艾司佐匹克隆",
        "噻奈普汀钠片",
        "苯妥英麻黄茶碱",
        "复方麻黄碱",
        "碳酸锂片",
        "奥氮平",
        "阿普唑侖（唑仑）",
        "注射用头孢曲松",
        "维生素C针剂",
    ] {
        listed("generic_zh", name).await;
    }
    for name in ["Tianeptine tablets", "Insulin glargine", "Olanzapine", "Penfill", "Theophylline", "Tramal"]
    {
        listed("generic_en", name).await;
    }
    for atc in [
        "N02AX02", "N05AH03", "N05BA12", "N05CF02", "N06BA04", "N06AX14", "R05DA04", "R05FA02", "R03DA04",
        "C01AA05", "B01AA07", "N03AF02", "A10AB05",
    ] {
        listed("atc", atc).await;
    }
    for code in
        ["youmeishafen:15", "albuterol_codeine:5;codeine_phosphate:5", "sodium_warfarin:3", "qumaduo:50"]
    {
        listed("ingredients", code).await;
    }
    // A name that only sounds like one of them is imported.
    for (code, name) in [("OK-1", "泰诺林（对乙酰氨基酚片）"), ("OK-2", "对乙酰氨基酚缓释片")]
    {
        assert_eq!(refused(&app, &[("code", code), ("generic_zh", name)]).await, [], "{name}");
    }
}

#[actix_web::test]
async fn an_ingredient_is_one_whatever_it_is_called() {
    let scene = Scene::open().await;
    let app = &scene.app;
    for (number, name) in
        ["acetaminophen", "apap", "paracetamol_bp", "duiyixiananjifen"].into_iter().enumerate()
    {
        let ingredients = format!("{name}:500");
        let cells = [("ingredients", ingredients.as_str())];
        let implausible = [cells[0], ("max_day_mg", "20000")];
        assert_eq!(
            refused(app, &implausible).await,
            [(2, "max_day_mg".to_owned(), "implausible".to_owned())],
            "{name}"
        );
        let code = format!("APAP-{number}");
        assert_eq!(refused(app, &[cells[0], ("code", &code)]).await, [], "{name}");
        service::formulary::edition::look(&app.state).await.expect("looked");
        let path = format!("/api/v1/products/{code}");
        let shown = scene.worker().station.get(&path).await.expect_ok();
        assert_eq!(shown["ingredients"][0]["code"], "paracetamol", "{shown}");
        let lines = draft_of(&[&code, "PCM-T500"])["lines"].clone();
        let body = json!({"profile": {"age_years": 40, "sex": "male"}, "lines": lines});
        let report = scene.doctor().check(body).await.expect_ok();
        let rules: Vec<&str> = report["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|one| one["rule"].as_str())
            .collect();
        assert!(rules.contains(&"second_product"), "{name}: {report}");
        assert!(!rules.contains(&"unknown_ingredient"), "{name}: {report}");
    }
    let twice = [
        ("ingredients", "paracetamol:250;acetaminophen:250"),
        ("strength_mg", ""),
        ("max_dose_mg", ""),
        ("max_day_mg", ""),
        ("max_day_units", "4"),
    ];
    assert_eq!(refused(app, &twice).await, [(2, "ingredients".to_owned(), "invalid".to_owned())]);
}

#[actix_web::test]
async fn what_nobody_knows_has_no_maximum() {
    let app = TestApp::open().await;
    let unknown = [("ingredients", "unobtainium:500"), ("atc", "-")];
    assert_eq!(
        refused(&app, &unknown).await,
        [(2, "ingredients".to_owned(), "unknown_ingredient".to_owned())]
    );
    let known_only = [unknown[0], unknown[1], ("max_dose_mg", ""), ("max_day_mg", "")];
    assert_eq!(refused(&app, &known_only).await, []);
    assert!(!app.state.formulary().find("NEW-1").expect("known").prescribable());
    // A row of an old database, and one without the amount.
    let mut old = disguised(&app, "OLD-UNK", "loratadine");
    old.ingredients[0].code = IngredientCode::parse("unobtainium").expect("a code");
    assert!(!old.prescribable());
    let silent =
        [("ingredients", "paracetamol:0"), ("max_dose_mg", ""), ("max_day_mg", ""), ("max_day_units", "40")];
    assert_eq!(refused(&app, &silent).await, [(2, "ingredients".to_owned(), "implausible".to_owned())]);
    let other = [
        ("ingredients", "ibuprofen:200"),
        ("strength_mg", "200"),
        ("max_dose_mg", "400"),
        ("max_day_mg", "1200"),
    ];
    assert_eq!(refused(&app, &other).await, [(2, "atc".to_owned(), "atc_mismatch".to_owned())]);
}

#[actix_web::test]
async fn a_slip_with_a_strong_drug_a_course_or_a_childs_dose_is_refused() {
    let app = TestApp::open().await;
    for (ingredient, day) in [
        ("methotrexate:2.5", "100"),
        ("nitroglycerin:0.5", "50"),
        ("dexamethasone:0.75", "100"),
        ("glibenclamide:2.5", "50"),
        ("glyburide:2.5", "50"),
        ("colchicine:0.5", "20"),
        ("levothyroxine:0.05", "5"),
        ("prednisone:5", "500"),
        ("albuterol:2", "100"),
    ] {
        let cells = [
            ("ingredients", ingredient),
            ("atc", "-"),
            ("strength_mg", ""),
            ("max_dose_mg", ""),
            ("max_day_mg", day),
        ];
        assert_eq!(
            refused(&app, &cells).await,
            [(2, "max_day_mg".to_owned(), "implausible".to_owned())],
            "{ingredient}"
        );
    }
    let one = |field: &str| vec![(2, field.to_owned(), "implausible".to_owned())];
    assert_eq!(refused(&app, &[("max_days", "365")]).await, one("max_days"));
    assert_eq!(refused(&app, &[("max_days", "30")]).await, one("max_days"), "sold without a doctor");
    assert_eq!(refused(&app, &[("max_days", "85"), ("class", "rx")]).await, one("max_days"));
    let child = [("child_mg_kg_dose", "500"), ("child_mg_kg_day", "500")];
    let found = refused(&app, &child).await;
    let fields: Vec<&str> = found.iter().map(|(_, field, _)| field.as_str()).collect();
    assert_eq!(fields, ["child_mg_kg_dose", "child_mg_kg_day"]);
    assert_eq!(refused(&app, &[("child_mg_kg_dose", "15"), ("child_mg_kg_day", "60")]).await, []);
}

#[actix_web::test]
async fn a_row_of_an_old_database_is_neither_drafted_nor_signed() {
    let scene = Scene::open().await;
    let app = &scene.app;
    put(app, disguised(app, "OLD-DXM", "dextromethorphan")).await;
    let mut implausible = disguised(app, "OLD-MAD", "loratadine");
    implausible.adult_max.day_ug = Some(1_000_000);
    put(app, implausible).await;
    let mut unsourced = disguised(app, "OLD-SRC", "paracetamol");
    unsourced.source = "nobody, section 3".into();
    put(app, unsourced).await;
    let (doctor, station) = (scene.doctor(), app.station().await);
    for (code, rule) in
        [("OLD-DXM", "never_list"), ("OLD-MAD", "implausible_maximum"), ("OLD-SRC", "no_sourced_maximum")]
    {
        let shown = station.get(&format!("/api/v1/products/{code}")).await.expect_ok();
        assert_eq!(shown["prescribable"], false, "{code}");
        let body = json!({"profile": {"age_years": 40, "sex": "male"}, "lines": draft_of(&[code])["lines"]});
        let report = doctor.check(body).await.expect_ok();
        assert_eq!(report["verdict"], "block", "{report}");
        let found = report["findings"].as_array().expect("findings").iter().any(|one| one["rule"] == rule);
        assert!(found, "{code}: {report}");
        let drafted = doctor.prescribe(scene.consultation, &[code]).await;
        let problem = drafted.expect_refused(Code::PrescribingRule);
        assert_eq!(problem["errors"][0]["code"], "not_prescribable", "{problem}");
    }
    // A draft from before the row was known to be on the never list.
    put(app, disguised(app, "OLD-LATE", "paracetamol")).await;
    let id = scene.draft(&["OLD-LATE"]).await;
    put(app, disguised(app, "OLD-LATE", "pseudoephedrine")).await;
    let problem = doctor.sign(&id).await.expect(422);
    let never = problem["data"].as_array().into_iter().flatten().any(|one| one["rule"] == "never_list");
    assert!(never || problem["code"] == "prescribing_rule", "{problem}");
}
