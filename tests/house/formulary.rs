//! Looking drugs up, and shipping the built-in formulary.

use waystation::service::{Actor, formulary};

use crate::harness::TestHouse;

#[actix_web::test]
async fn products_are_found_by_name_code_and_class_in_pages() {
    let house = TestHouse::open().await;
    let seed = house.seed().await;
    let token = &seed.station_token;
    let one = house.get(token, "/api/v1/products/PCM-T500").await.expect(200);
    assert_eq!((one["price_fen"].as_i64(), one["prescribable"].as_bool()), (Some(900), Some(true)));
    assert_eq!((one["class"].as_str(), one["form"].as_str()), (Some("otc_b"), Some("tablet")));
    let unsourced = house.get(token, "/api/v1/products/LHQW-C").await.expect(200);
    assert_eq!(unsourced["prescribable"], false);
    house.get(token, "/api/v1/products/NOT-THERE").await.problem(404, "not_found");
    for search in ["TABLETS%20paracetamol", "pcm-t5", "N02BE01", "n02be", "%E5%AF%B9%E4%B9%99%E9%85%B0"] {
        let found = house.get(token, &format!("/api/v1/products?search={search}")).await.expect(200);
        let items = found["items"].as_array().expect("items");
        assert!(items.iter().any(|item| item["code"] == "PCM-T500"), "{search}: {found}");
        assert!(items.len() < 20, "{search} finds what it names only");
    }
    // A wildcard stands for itself.
    let percent = house.get(token, "/api/v1/products?search=%25").await.expect(200);
    let says = |item: &serde_json::Value| item["generic_en"].as_str().is_some_and(|name| name.contains('%'));
    assert!(percent["items"].as_array().is_some_and(|items| items.iter().all(says)), "{percent}");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = house.get(token, &format!("/api/v1/products?limit=40&after={after}")).await.expect(200);
        let codes = page["items"].as_array().expect("items").iter();
        seen.extend(codes.map(|item| item["code"].as_str().expect("a code").to_owned()));
        match page["next_after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), house.house.formulary().len());
    assert!(seen.is_sorted() && seen.len() >= 80);
    house.get(token, "/api/v1/products?limit=101").await.problem(400, "invalid_parameter");
    house.get(&seed.safety_officer.token, "/api/v1/products").await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn shipping_again_changes_nothing_and_mends_what_differs() {
    let house = TestHouse::open().await;
    let known = house.house.formulary().len();
    assert_eq!(house.house.write(Actor::System, formulary::ship).await.expect("shipped"), 0);
    let mut changed = house.house.formulary().find("PCM-T500").expect("known").clone();
    changed.price.0 = 1;
    let put = house.house.write(Actor::System, move |tx| formulary::put(tx, &[&changed])).await;
    assert_eq!(put.expect("put"), 1);
    assert_eq!(formulary::load(&house.house).await.expect("loaded"), known);
    assert_eq!(house.house.formulary().find("PCM-T500").expect("known").price.0, 1);
    assert_eq!(house.house.write(Actor::System, formulary::ship).await.expect("shipped"), 1);
}
