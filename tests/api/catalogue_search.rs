//! The search box over the whole catalogue, its pages, and products that are easily confused.

use serde_json::Value;

use crate::{harness::TestApp, import::load_with};
use domain::formulary::{Product, ProductCode};
use service::network::import::csv_file::{ImportKind, ImportOptions};
use simulation::sample::catalogue::catalogue_csv;

/// A network with the shipped products and so many of a sample catalogue.
async fn stocked(products: usize) -> (TestApp, String) {
    let app = TestApp::open().await;
    let text = catalogue_csv(products);
    load_with(&app, ImportKind::Catalogue, &text, ImportOptions::default()).await.expect("loaded");
    let token = app.seed().await.doctor.token;
    (app, token)
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"))
}

async fn found(app: &TestApp, token: &str, text: &str) -> Value {
    app.get(token, &format!("/api/v1/products?search={}", encoded(text))).await.expect_ok()
}

fn codes(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|item| item["code"].as_str().expect("a code").to_owned()).collect()
}

#[actix_web::test]
async fn one_box_finds_by_names_pinyin_initials_brand_atc_barcode_and_approval_number() {
    let (app, token) = stocked(1_200).await;
    let product = app.state.formulary().find("SAMPLE-00001").expect("known").clone();
    let label = &product.label;
    // 璐璐洛尔片 and its neighbours in the same file.
    for text in [
        product.code.as_str(),
        "sample-00001",
        &product.generic_zh,
        "璐璐洛尔",
        "璐璐 洛尔",
        "lululuoer",
        "llle",
        "Lululol",
        "lululol tablets 5",
        "样例璐璐洛尔",
        "SampleLululol",
        &product.atc,
        &product.atc[..4],
        label.barcodes[0].as_str(),
        &label.barcodes[0].key(),
        label.approval_numbers[0].as_str(),
        "H99000000",
    ] {
        let page = found(&app, &token, text).await;
        let codes = codes(&page);
        assert!(codes.contains(&"SAMPLE-00001".to_owned()), "{text}: {codes:?}");
    }
    for exact in [product.code.as_str(), label.barcodes[0].as_str()] {
        assert_eq!(codes(&found(&app, &token, exact).await)[0], "SAMPLE-00001", "{exact}");
    }
    assert!(codes(&found(&app, &token, "lller").await).is_empty());
    assert!(codes(&found(&app, &token, "對乙醯氨基酚").await).contains(&"PCM-T500".to_owned()));
    // What may be prescribed here comes before what is only known.
    let tablets = found(&app, &token, "片").await;
    assert!(tablets["items"].as_array().expect("items").iter().all(|item| item["in_formulary"] == true));
}

#[actix_web::test]
async fn pages_of_a_search_follow_one_another_even_when_the_catalogue_changes() {
    let (app, token) = stocked(600).await;
    let all = app.state.formulary().search("lu", None, 10_000).products.len();
    assert!(all > 150, "{all}");
    let mut seen: Vec<String> = Vec::new();
    let mut query = "search=lu&limit=40".to_owned();
    let mut pages = 0;
    loop {
        let page = app.get(&token, &format!("/api/v1/products?{query}")).await.expect_ok();
        seen.extend(codes(&page));
        let Some(next) = page["next_after"].as_str() else { break };
        query = format!("search=lu&limit=40&after={next}");
        // The code of the last product alone goes on at the same place.
        let by_code = format!("/api/v1/products?search=lu&limit=40&after={}", seen.last().expect("one"));
        let next = app.get(&token, &format!("/api/v1/products?{query}")).await.expect_ok();
        assert_eq!(codes(&app.get(&token, &by_code).await.expect_ok()), codes(&next));
        pages += 1;
        if pages == 1 {
            // The last product of the page no longer matches at all.
            let mut product: Product =
                app.state.formulary().find(seen.last().expect("one")).expect("known").clone();
            product.generic_zh = "改名".into();
            product.generic_en = "Renamed".into();
            product.label.brands.clear();
            product.atc = "-".into();
            crate::never_list::put(&app, product).await;
        }
    }
    assert_eq!(seen.len(), all, "none is repeated or left out");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[actix_web::test]
async fn bad_searches_are_refused_by_name_and_odd_ones_find_nothing() {
    let (app, token) = stocked(30).await;
    let refused = async |query: &str| app.get(&token, &format!("/api/v1/products?{query}")).await;
    for query in ["search=%00", "search=a%0Ab", "search=%E2%80%8B", "search=x&after=%00"] {
        let problem = refused(query).await.problem(400, "invalid_parameter");
        assert!(problem.to_string().contains("control"), "{query}: {problem}");
    }
    refused(&format!("search={}", "a".repeat(61))).await.problem(400, "invalid_parameter");
    for after in ["NOT-THERE", "9~", "x~PCM-T500", &encoded("' OR 1=1")] {
        let problem = refused(&format!("search=PCM&after={after}")).await;
        assert_eq!(problem.status, 400, "{}", problem.body);
        assert_eq!(problem.body["errors"][0]["field"], "after", "{}", problem.body);
    }
    for odd in ["%25", "_", "*", "'", "%5C", "~", "%F0%9F%92%8A", "%E2%80%A6", "-", "国药准字"] {
        let page = refused(&format!("search={odd}")).await.expect_ok();
        assert!(page["items"].is_array(), "{odd}");
    }
    // Without a search, products are listed by code, whatever `after` is.
    let listed = refused("after=PCM&limit=2").await.expect_ok();
    assert!(codes(&listed)[0].starts_with("PCM-"), "{listed}");
    let page = refused("search=%20%20&limit=100").await.expect_ok();
    assert!(codes(&page).is_sorted());
}

#[actix_web::test]
async fn products_that_are_easily_confused_are_shown_apart() {
    let (app, token) = stocked(24).await;
    let shown = app.get(&token, "/api/v1/products/LOR-T10").await.expect_ok();
    let alike = shown["look_alikes"].as_array().expect("a list");
    assert!(!alike.is_empty() && alike.len() <= 5);
    let other = alike.iter().find(|one| one["code"] == "DES-T5").expect("one character more");
    assert_eq!(other["alike"], serde_json::json!(["name"]));
    assert_eq!(other["differs"][0], "ingredients");
    assert_eq!(
        other["generic_zh"],
        serde_json::json!({"before": "", "differs": "地", "after": "氯雷他定片"})
    );
    // The same in a search.
    let page = found(&app, &token, "LOR-T10").await;
    assert_eq!(page["items"][0]["look_alikes"], shown["look_alikes"]);
    // However many names are alike, other packs of the drug are named too. Packs of one drug in several strengths, and a code of which one character differs.
    let sample = app.get(&token, "/api/v1/products/SAMPLE-00001").await.expect_ok();
    let pack = sample["look_alikes"].as_array().expect("a list").iter();
    let pack = pack.clone().find(|one| one["code"] == "SAMPLE-00002").expect("the other pack");
    assert_eq!((&pack["alike"][0], &pack["differs"]), (&"drug".into(), &serde_json::json!(["pack"])));
    assert_ne!(sample["units_per_pack"], pack["units_per_pack"]);
    // A new look-alike is named once the edition is in use.
    let mut product = app.state.formulary().find("PCM-T500").expect("known").clone();
    product.code = ProductCode::parse("PCM-T50O").expect("a code");
    (product.generic_zh, product.generic_en) = ("样例药片".into(), "Sample".into());
    product.ingredients = app.state.formulary().find("IBU-T200").expect("known").ingredients.clone();
    product.in_formulary = false;
    crate::never_list::put(&app, product).await;
    let back = app.get(&token, "/api/v1/products/PCM-T50O").await.expect_ok();
    let named = back["look_alikes"].as_array().expect("a list").iter();
    assert!(named.clone().any(|one| one["code"] == "IBU-T200"), "{back}");
}
