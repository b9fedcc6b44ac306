//! The formulary as editions that one person proposes and another approves: what a network and a station
//! prescribe and sell, and what happens to drafts, signed prescriptions and orders when a product goes.

use serde_json::{Value, json};

use crate::support::{
    Answer, Caller, Code, Pharmacist, TestApp, Worker,
    counter::counter,
    id_in,
    machine::DROP,
    prescribing::{Scene, draft_of},
};
use domain::prescription::CabinetLane;

const EDITIONS: &str = "/api/v1/formulary-editions";

/// A table of the shipped formulary's prescribable products without these.
fn without(app: &TestApp, left_out: &[&str]) -> String {
    let formulary = app.state.formulary();
    let codes =
        formulary.iter().filter(|product| product.prescribable()).map(|product| product.code.as_str());
    let kept: Vec<&str> =
        std::iter::once("code").chain(codes.filter(|code| !left_out.contains(code))).collect();
    kept.join("\n")
}

async fn propose(by: &impl Caller, edition: &str, station: Value, products: &str) -> Answer {
    let body = json!({"edition": edition, "station_id": station, "products": products, "note": "药事会决定"});
    by.post(EDITIONS, body).await
}

async fn approve(by: &impl Caller, edition: &Value, effective_at: Value) -> Answer {
    by.post(&format!("{EDITIONS}/{}/approve", id_in(edition)), json!({"effective_at": effective_at})).await
}

/// Proposed by one pharmacist and approved by an operator.
async fn publish(app: &TestApp, edition: &str, station: Value, products: &str) -> Value {
    let pharmacist = Pharmacist::new(app, &app.network().await.pharmacist);
    let proposed = propose(&pharmacist, edition, station, products).await.expect_created();
    approve(&app.operator().await, &proposed, Value::Null).await.expect_ok()
}

async fn withdraw(app: &TestApp, edition: &Value) {
    let path = format!("{EDITIONS}/{}/withdraw", id_in(edition));
    app.operator().await.post(&path, json!({"reason": "药事会撤回"})).await.expect_ok();
}

/// The rules that block a check of paracetamol for the worker of the consultation.
async fn blocking(scene: &Scene) -> Vec<String> {
    let lines = draft_of(&["PCM-T500"])["lines"].clone();
    let check = json!({"consultation_id": scene.consultation, "lines": lines});
    let report = scene.doctor().check(check).await.expect_ok();
    let findings = report["findings"].as_array().expect("findings").iter();
    let blocks = findings.filter(|one| one["severity"] == "block");
    blocks.map(|one| one["rule"].as_str().expect("a rule").to_owned()).collect()
}

#[actix_web::test]
async fn two_people_publish_a_formulary_and_one_of_them_is_a_pharmacist() {
    let scene = Scene::open().await;
    let (pharmacist, operator) = (scene.pharmacist(), scene.app.operator().await);
    let products = without(&scene.app, &["PCM-T500"]);
    let edition = propose(&pharmacist, "net-1", Value::Null, &products).await.expect_created();
    assert_eq!((&edition["state"], &edition["in_force"]), (&json!("proposed"), &json!(false)));
    assert_eq!(blocking(&scene).await, Vec::<String>::new(), "a proposal changes nothing");
    approve(&pharmacist, &edition, Value::Null).await.expect_refused(Code::OwnApproval);
    approve(&scene.doctor(), &edition, Value::Null).await.expect_refused(Code::RoleNotAllowed);
    let approved = approve(&operator, &edition, Value::Null).await.expect_ok();
    assert_eq!((&approved["state"], &approved["in_force"]), (&json!("approved"), &json!(true)));
    assert_eq!(approve(&operator, &edition, Value::Null).await.expect_ok(), approved, "again is no error");

    // Two operators are not enough.
    let by_operator = propose(&operator, "net-2", Value::Null, &products).await.expect_created();
    let second = scene.app.person(crypto::tokens::Role::Operator, "second@example.cn", None, None).await;
    let path = format!("{EDITIONS}/{}/approve", id_in(&by_operator));
    scene.app.post(&second.token, &path, json!({})).await.expect_refused(Code::RoleNotAllowed);
    let another = scene.another_pharmacist("third@example.cn").await;
    approve(&another, &by_operator, Value::Null).await.expect_ok();

    // What it leaves out is neither checked as good nor drafted; the rest is.
    assert_eq!(blocking(&scene).await, ["not_in_formulary"]);
    let refused = scene.doctor().prescribe(scene.consultation, &["LOR-T10", "PCM-T500"]).await.expect(422);
    assert_eq!(refused["errors"][0]["field"], "lines[1].product_code", "{refused}");
    assert_eq!(refused["errors"][0]["code"], "not_in_formulary");
    scene.draft(&["LOR-T10"]).await;

    // Withdrawn, what applied before applies again; every edition is kept.
    withdraw(&scene.app, &by_operator).await;
    assert_eq!(blocking(&scene).await, ["not_in_formulary"], "the edition before it leaves it out, too");
    withdraw(&scene.app, &edition).await;
    assert_eq!(blocking(&scene).await, Vec::<String>::new());
    let kept = pharmacist.list(EDITIONS).await;
    let states: Vec<&Value> = kept.iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["withdrawn", "withdrawn"]);
    propose(&pharmacist, "net-1", Value::Null, &products).await.expect_refused(Code::AlreadyExists);
}

#[actix_web::test]
async fn a_product_that_goes_between_draft_and_signature_is_named_by_line_and_not_signed() {
    let scene = Scene::open().await;
    let id = scene.draft(&["GUA-L20", "PCM-T500"]).await;
    let edition = publish(&scene.app, "net-1", Value::Null, &without(&scene.app, &["PCM-T500"])).await;
    let refused = scene.doctor().sign(&id).await.expect_refused(Code::SafetyBlocked);
    let found = refused["data"].as_array().expect("findings").iter();
    let named = found.clone().find(|one| one["rule"] == "not_in_formulary").expect("named");
    assert_eq!(named["lines"], json!([1]), "{refused}");
    assert!(named["message"]["zh"].as_str().is_some_and(|text| text.contains("对乙酰氨基酚")), "{named}");
    assert_eq!(scene.doctor().prescription(&id).await.expect_ok()["state"], "draft");
    withdraw(&scene.app, &edition).await;
    scene.sign_answering(&id).await;
}

#[actix_web::test]
async fn what_was_signed_stays_reviewable_and_dispensable_at_every_later_step() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    let id = scene.signed(&["PCM-T500"]).await;
    let (gone, all) = (without(&scene.app, &["PCM-T500"]), without(&scene.app, &[]));
    let worker = scene.worker();
    publish(&scene.app, "net-1", Value::Null, &gone).await;
    scene.pharmacist().approve(&id).await.expect_ok();
    publish(&scene.app, "net-2", Value::Null, &all).await;
    publish(&scene.app, "own-1", json!(scene.seed.station), "code\nLOR-T10").await;
    let order = worker.order_prescribed(&id).await.expect_created();
    publish(&scene.app, "net-3", Value::Null, &gone).await;
    let paid = worker.pay(&order).await.expect_ok();
    publish(&scene.app, "net-4", Value::Null, "code\nLOR-T10").await;
    let mut cabinet = scene.app.cabinet().await;
    cabinet.vend_pack(&paid, 0, DROP).await;
    cabinet.report().await.expect_ok();
    assert_eq!(worker.prescription(&id).await.expect_ok()["state"], "fulfilled");
    scene.sound().await;
}

#[actix_web::test]
async fn a_station_narrows_the_networks_formulary_for_itself_alone() {
    let scene = Scene::open().await;
    publish(&scene.app, "own-1", json!(scene.seed.station), "code,name\nLOR-T10,\nIBU-T200,\n").await;
    assert_eq!(blocking(&scene).await, ["not_in_station_formulary"]);
    let lines = draft_of(&["PCM-T500"])["lines"].clone();
    let anywhere = scene.doctor().check(json!({"profile": {}, "lines": lines})).await.expect_ok();
    assert_ne!(anywhere["verdict"], "block");
    let refused = scene.doctor().prescribe(scene.consultation, &["PCM-T500"]).await.expect(422);
    assert_eq!(refused["errors"][0]["code"], "not_in_station_formulary");
    // What the network leaves out later is gone here, too, and the station adds nothing.
    publish(&scene.app, "net-1", Value::Null, &without(&scene.app, &["IBU-T200"])).await;
    let shown = async |query: String| {
        let page = scene.doctor().get(&format!("/api/v1/formulary?limit=100{query}")).await.expect_ok();
        let items = page["items"].as_array().expect("items").iter();
        let codes = items.map(|item| item["code"].as_str().expect("a code").to_owned()).collect();
        (page, codes)
    };
    let (page, here): (Value, Vec<String>) = shown(format!("&station={}", scene.seed.station)).await;
    assert_eq!(here, ["LOR-T10"]);
    assert_eq!((&page["network_edition"], &page["station_edition"]), (&json!("net-1"), &json!("own-1")));
    let (page, network): (Value, Vec<String>) = shown(String::new()).await;
    assert!(network.contains(&"PCM-T500".to_owned()) && !network.contains(&"IBU-T200".to_owned()));
    assert_eq!(page["station_edition"], Value::Null);
    let nowhere = format!("/api/v1/formulary?station={}", scene.consultation);
    scene.doctor().get(&nowhere).await.expect_refused(Code::NotFound);
    scene.worker().get("/api/v1/formulary").await.expect_refused(Code::RoleNotAllowed);
    // Page by page the same products come.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/formulary?limit=7{after}");
        let page = scene.pharmacist().get(&path).await.expect_ok();
        let items = page["items"].as_array().expect("items");
        paged.extend(items.iter().map(|item| item["code"].as_str().expect("a code").to_owned()));
        let Some(next) = page["next_after"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(paged.len(), paged.iter().collect::<std::collections::HashSet<_>>().len());
    assert!(network.iter().all(|code| paged.contains(code)), "{paged:?}");
}

#[actix_web::test]
async fn a_formulary_applies_from_its_time_on_at_every_instance() {
    let mut scene = Scene::open().await;
    let products = without(&scene.app, &["PCM-T500"]);
    let proposed = propose(&scene.pharmacist(), "net-1", Value::Null, &products).await.expect_created();
    let (operator, now) = (scene.app.operator().await, scene.app.now());
    for wrong in [now - chrono::TimeDelta::minutes(1), now + chrono::TimeDelta::days(91)] {
        let refused = approve(&operator, &proposed, json!(wrong)).await.expect_refused(Code::InvalidField);
        assert_eq!(refused["errors"][0]["field"], "effective_at");
    }
    approve(&operator, &proposed, json!(now + chrono::TimeDelta::minutes(5))).await.expect_ok();
    let other = scene.app.another().await;
    let product = domain::formulary::ProductCode::parse("PCM-T500").expect("a code");
    let there = || other.state.selection(None).left_out(&product).is_some();
    let (draft, late) = (scene.draft(&["PCM-T500"]).await, scene.app.now());
    assert_eq!(late, now);
    scene.pass(299).await;
    assert_eq!((blocking(&scene).await, there()), (vec![], false));
    scene.pass(1).await;
    assert_eq!((blocking(&scene).await, there()), (vec!["not_in_formulary".to_owned()], true));
    scene.doctor().sign(&draft).await.expect_refused(Code::SafetyBlocked);
    let in_force = scene.pharmacist().list(EDITIONS).await[0]["in_force"].clone();
    assert_eq!(in_force, true);
}

#[actix_web::test]
async fn every_fault_is_told_by_line_and_field_and_nothing_is_stored() {
    let scene = Scene::open().await;
    scene.app.lane(&scene.seed, CabinetLane::RetailBOnly).await;
    publish(&scene.app, "net-1", Value::Null, &without(&scene.app, &["LOR-T10"])).await;
    let formulary = scene.app.state.formulary();
    let find = |wanted: &dyn Fn(&domain::formulary::Product) -> bool| {
        formulary.iter().find(|product| wanted(product)).expect("one").code.to_string()
    };
    let rx = find(&|one| one.class == domain::formulary::SaleClass::Rx && one.prescribable());
    let unsourced = find(&|one| one.in_formulary && !one.has_sourced_maximum());
    scene.app.import_paracetamol(900, false).await;
    service::formulary::edition::look(&scene.app.state).await.expect("looked");
    let table = format!(
        "code,name\nIBU-T200,布洛芬片\nNO-SUCH,\nIBU-T200,\nPCM-T500,\nLOR-T10,\n{rx},\n{unsourced},\nDIC-G1,氯雷他定片\n"
    );
    let body = json!({"station_id": scene.seed.station, "products": table});
    let report = scene.pharmacist().post(&format!("{EDITIONS}/check"), body).await.expect_ok();
    let told: Vec<(u64, &str, &str)> = report["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().expect("a text");
            (fault["line"].as_u64().expect("a line"), text("field"), text("code"))
        })
        .collect();
    let expected = [
        (3, "code", "unknown_code"),
        (4, "code", "duplicate"),
        (5, "code", "kept_out"),
        (6, "code", "not_in_network"),
        (7, "code", "lane"),
        (8, "code", "not_prescribable"),
        (9, "name", "name_differs"),
    ];
    assert_eq!(told, expected, "{report}");
    let before = scene.pharmacist().list(EDITIONS).await;
    let refused = propose(&scene.pharmacist(), "own-1", json!(scene.seed.station), &table)
        .await
        .expect_refused(Code::InvalidField);
    assert_eq!(refused["errors"][0]["field"], "products:3.code");
    assert_eq!(scene.pharmacist().list(EDITIONS).await, before);
    let nowhere = propose(&scene.pharmacist(), "own-1", json!(scene.consultation), "code\nIBU-T200").await;
    assert_eq!(nowhere.expect_refused(Code::InvalidField)["errors"][0]["field"], "station_id");
}

#[actix_web::test]
async fn what_has_become_impossible_since_the_proposal_is_not_approved() {
    let scene = Scene::open().await;
    let proposed =
        propose(&scene.pharmacist(), "net-1", Value::Null, "code\nLOR-T10\nPCM-T500").await.expect_created();
    scene.app.import_paracetamol(900, false).await;
    service::formulary::edition::look(&scene.app.state).await.expect("looked");
    let refused =
        approve(&scene.app.operator().await, &proposed, Value::Null).await.expect_refused(Code::InvalidField);
    assert_eq!(refused["errors"][0]["code"], "kept_out", "{refused}");
    let detail = scene.doctor().get(&format!("{EDITIONS}/{}", id_in(&proposed))).await.expect_ok();
    assert_eq!(detail["state"], "proposed");
}

#[actix_web::test]
async fn what_goes_is_told_with_the_drafts_places_and_packs_that_it_concerns() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    scene.draft(&["PCM-T500"]).await;
    publish(&scene.app, "net-1", Value::Null, &without(&scene.app, &["LOR-T10"])).await;
    let body = json!({"products": without(&scene.app, &["PCM-T500", "IBU-T200"])});
    let report = scene.pharmacist().post(&format!("{EDITIONS}/check"), body).await.expect_ok();
    assert_eq!(report["compared_with"], "net-1");
    assert_eq!((&report["added"], &report["removed"]), (&json!(1), &json!(2)));
    let change = |code: &str| {
        let all = report["changes"].as_array().expect("changes");
        let found = all.iter().find(|one| one["product_code"] == code).expect("changed").clone();
        let figures = ["open_drafts", "places", "packs"].map(|name| found[name].as_i64().expect("a number"));
        (found["change"].as_str().expect("a kind").to_owned(), figures)
    };
    assert_eq!(change("PCM-T500"), ("removed".to_owned(), [1, 1, 5]));
    assert_eq!(change("IBU-T200"), ("removed".to_owned(), [0, 0, 0]));
    assert_eq!(change("LOR-T10"), ("added".to_owned(), [0, 0, 0]));
    // A station with a list of its own: what stands there.
    let body = json!({"station_id": scene.seed.station, "products": "code\nIBU-T200"});
    let report = scene.pharmacist().post(&format!("{EDITIONS}/check"), body).await.expect_ok();
    assert_eq!((&report["compared_with"], &report["added"]), (&Value::Null, &json!(0)));
    let gone = report["changes"].as_array().expect("changes").iter();
    let paracetamol = gone.clone().find(|one| one["product_code"] == "PCM-T500").expect("removed");
    assert_eq!((&paracetamol["open_drafts"], &paracetamol["packs"]), (&json!(1), &json!(5)));
}

#[actix_web::test]
async fn over_the_counter_a_product_is_sold_while_the_formulary_has_it() {
    let app = counter().await;
    let station = app.station().await;
    let buyer = station.check_in(Worker::adult()).await;
    buyer.answer_health_questions(json!({"sex": "male"})).await;
    let order = buyer.buy(&[("PCM-T500", 1)]).await.expect_created();
    let edition = publish(&app, "own-1", json!(station.id), "code\nIBU-T200").await;
    let refused = buyer.pay(&order).await.expect_refused(Code::NotInFormulary);
    assert_eq!(refused["data"]["product_code"], "PCM-T500");
    let refused = buyer.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::NotInFormulary);
    assert_eq!(refused["data"]["product_code"], "PCM-T500");
    withdraw(&app, &edition).await;
    let paid = buyer.pay(&order).await.expect_ok();
    // What is paid is given out.
    publish(&app, "own-2", json!(station.id), "code\nIBU-T200").await;
    let mut cabinet = app.cabinet().await;
    cabinet.vend_pack(&paid, 0, DROP).await;
    cabinet.report().await.expect_ok();
    assert_eq!(buyer.order(&paid).await["state"], "completed");
    app.sound().await;
}
