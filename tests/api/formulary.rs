//! Searching products, shipping the built-in formulary, and replacing one edition
//! with the next.

use serde_json::json;

use crate::{
    harness::TestApp,
    prescribing::{Scene, draft_of},
    seed::SIGNING_PIN,
};
use service::Actor;

#[actix_web::test]
async fn products_are_found_by_name_code_and_class_in_pages() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = &seed.station_token;
    let one = app.get(token, "/api/v1/products/PCM-T500").await.expect(200);
    assert_eq!((one["price_fen"].as_i64(), one["prescribable"].as_bool()), (Some(900), Some(true)));
    assert_eq!((one["class"].as_str(), one["form"].as_str()), (Some("otc_b"), Some("tablet")));
    let unsourced = app.get(token, "/api/v1/products/BLG-G").await.expect(200);
    assert_eq!(unsourced["prescribable"], false);
    app.get(token, "/api/v1/products/NOT-THERE").await.problem(404, "not_found");
    for search in ["TABLETS%20paracetamol", "pcm-t5", "N02BE01", "n02be", "%E5%AF%B9%E4%B9%99%E9%85%B0"] {
        let found = app.get(token, &format!("/api/v1/products?search={search}")).await.expect(200);
        let items = found["items"].as_array().expect("items");
        assert!(items.iter().any(|item| item["code"] == "PCM-T500"), "{search}: {found}");
        assert!(items.len() < 20, "{search} finds what it names only");
    }
    // A wildcard character matches itself only.
    let percent = app.get(token, "/api/v1/products?search=%25").await.expect(200);
    let has_percent =
        |item: &serde_json::Value| item["generic_en"].as_str().is_some_and(|name| name.contains('%'));
    assert!(percent["items"].as_array().is_some_and(|items| items.iter().all(has_percent)), "{percent}");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.get(token, &format!("/api/v1/products?limit=40&after={after}")).await.expect(200);
        let codes = page["items"].as_array().expect("items").iter();
        seen.extend(codes.map(|item| item["code"].as_str().expect("a code").to_owned()));
        match page["next_after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), app.state.formulary().len());
    assert!(seen.is_sorted() && seen.len() >= 80);
    app.get(token, "/api/v1/products?limit=101").await.problem(400, "invalid_parameter");
    app.get(&seed.safety_officer.token, "/api/v1/products").await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn shipping_again_changes_nothing_and_restores_what_differs() {
    let app = TestApp::open().await;
    let known = app.state.formulary().len();
    assert_eq!(app.state.write(Actor::System, service::formulary::ship).await.expect("shipped"), 0);
    let mut changed = app.state.formulary().find("PCM-T500").expect("known").clone();
    changed.price.0 = 1;
    let put = app.state.write(Actor::System, move |tx| service::formulary::put(tx, &[&changed])).await;
    assert_eq!(put.expect("put"), 1);
    assert_eq!(service::formulary::load(&app.state).await.expect("loaded"), known);
    assert_eq!(app.state.formulary().find("PCM-T500").expect("known").price.0, 1);
    assert_eq!(app.state.write(Actor::System, service::formulary::ship).await.expect("shipped"), 1);
}

impl TestApp {
    /// Puts an edition in force in which paracetamol has this price, in fen, and is in the formulary or not.
    pub async fn import_paracetamol(&self, price: i64, in_formulary: bool) {
        let mut changed = self.state.formulary().find("PCM-T500").expect("known").clone();
        (changed.price.0, changed.in_formulary) = (price, in_formulary);
        let put = self.state.write(Actor::System, move |tx| service::formulary::put(tx, &[&changed])).await;
        assert_eq!(put.expect("put"), 1);
    }

    /// The price of paracetamol, in fen, in the edition in force.
    pub fn price_in_force(&self) -> i64 {
        self.state.formulary().find("PCM-T500").expect("known").price.0
    }
}

#[actix_web::test]
async fn a_check_loads_the_catalogue_only_when_the_edition_changed() {
    let app = TestApp::open().await;
    let other = app.another().await;
    let look = async || service::formulary::edition::look(&other.state).await.expect("looked");
    assert_eq!(look().await, 0);
    app.import_paracetamol(1, true).await;
    assert_eq!((app.price_in_force(), other.price_in_force()), (900, 900));
    assert_eq!(look().await, other.state.formulary().len());
    assert_eq!((other.price_in_force(), look().await), (1, 0));
    // Importing the same again does not make a new edition.
    assert_eq!(app.state.write(Actor::System, service::formulary::ship).await.expect("shipped"), 1);
    assert_eq!(app.state.write(Actor::System, service::formulary::ship).await.expect("shipped"), 0);
    assert_ne!(look().await, 0);
    assert_eq!((other.price_in_force(), look().await), (900, 0));
}

/// The instances do not notify each other and no job runs: prescribing itself checks for a new edition.
#[actix_web::test]
async fn nobody_prescribes_from_an_edition_that_another_instance_replaced_some_time_ago() {
    let mut scene = Scene::open().await;
    let other = scene.app.another().await;
    let id = scene.draft(&["PCM-T500"]).await;
    scene.app.import_paracetamol(900, false).await;
    scene.pass(service::formulary::edition::MAX_EDITION_AGE.num_seconds() - 1).await;
    assert!(other.state.formulary().find("PCM-T500").expect("known").in_formulary, "not checked yet");
    scene.pass(1).await;
    let doctor = scene.seed.doctor.token.clone();
    let sign = format!("/api/v1/prescriptions/{id}/sign");
    let refused = other.post(&doctor, &sign, json!({"pin": SIGNING_PIN})).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(refused.body["data"][0]["rule"], "not_in_formulary", "{}", refused.body);
    // The first instance has not checked since, either.
    let void = format!("/api/v1/prescriptions/{id}/void");
    scene.app.post(&doctor, &void, json!({"reason": "样例：不再供应", "code": null})).await.expect(200);
    let refused = scene.app.post(&doctor, &scene.drafts_path(), draft_of(&["PCM-T500"])).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    scene.app.import_paracetamol(900, true).await;
    scene.pass(service::formulary::edition::MAX_EDITION_AGE.num_seconds()).await;
    let doctor = &scene.seed.doctor.token;
    other.post(doctor, &scene.drafts_path(), draft_of(&["PCM-T500"])).await.expect(201);
}
