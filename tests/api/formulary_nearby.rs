//! What a doctor sees of the formulary first: what the cabinet here can vend now, then where else it is; and
//! what open drafts of others hold softly.

use serde_json::{Value, json};

use crate::support::{
    Caller, Code, Doctor, TestApp, Worker,
    places::{self, FilledSlot, Place},
    prescribing::{Scene, draft_of},
    seed::Seed,
};
use domain::{
    ids::{CabinetId, ConsultationId, StationId},
    prescription::{CabinetLane, EncounterLane},
    triage::TriageLevel,
};
use service::{Actor, Failure};

/// About 111 metres of a meridian, in millionths of a degree.
const HUNDRED_METRES: i32 = 1_000;

/// The product in a consultation's formulary: its place, the packs here, those that drafts hold, and the
/// nearest station.
async fn seen(doctor: &Doctor<'_>, consultation: ConsultationId, product: &str) -> (usize, u64, u64, Value) {
    let path = format!("/api/v1/consultations/{consultation}/formulary?limit=50&search={product}");
    let found = doctor.get(&path).await.expect_ok();
    let items = found["items"].as_array().expect("items");
    let at = items.iter().position(|item| item["product"]["code"] == product).expect("in the formulary");
    let number = |name: &str| items[at][name].as_u64().expect("a number");
    (at, number("packs_here"), number("packs_held"), items[at]["nearest"].clone())
}

async fn packs(scene: &Scene) -> (u64, u64) {
    let (_, here, held, _) = seen(&scene.doctor(), scene.consultation, "PCM-T500").await;
    (here, held)
}

/// A station so far to the north of the first one, whose cabinet has these packs.
async fn shop(app: &TestApp, code: &str, north: i32, stock: &'static [(&'static str, i64)]) -> StationId {
    let near = Place::nearby(code.to_owned());
    let station = app.open_station(Place { at_e6: (near.at_e6.0 + north, near.at_e6.1), ..near }).await.id;
    let (cabinet, device) = (CabinetId::generate(), app.new_device());
    app.state
        .write(Actor::System, move |tx| -> Result<(), Failure> {
            places::add_cabinet(tx, cabinet, station, CabinetLane::InstitutionDispense)?;
            places::add_device(tx, &device, station, Some(cabinet))?;
            for (slot_no, (product, packs)) in (1..).zip(stock) {
                let lot = format!("{product}-{slot_no}-{station}");
                places::add_lot(tx, product, &lot, "2027-12-31".parse().expect("a day"))?;
                let filled = FilledSlot { slot_no, product, lot: &lot, packs: *packs, capacity: 40 };
                places::add_slot(tx, cabinet, &filled)?;
            }
            Ok(())
        })
        .await
        .expect("a shop");
    station
}

/// A consultation of the second doctor at the same station.
async fn of_second_doctor(scene: &Scene, phone: &str) -> (Seed, ConsultationId, String) {
    let mut seed = scene.seed.clone();
    seed.doctor = seed.doctor_b.clone();
    scene.open_window(&seed.doctor).await;
    let patient = Worker::walk_in().phone(phone).born("1990-05-01").sex("male");
    let worker = scene.app.station().await.check_in(patient).await;
    let lane = EncounterLane::FollowUpWithEvidence;
    let id = scene.app.in_care(&seed, (worker.id, worker.check_in), lane, TriageLevel::Routine).await;
    (seed, id, worker.token())
}

/// Signs a draft, with a reason for every warning.
async fn sign(doctor: &Doctor<'_>, id: &str) {
    let first = doctor.sign(id).await;
    if first.status != 200 {
        let problem = first.expect_refused(Code::SafetyWarningsUnanswered);
        let found = problem["data"].as_array().expect("findings");
        let rules: Vec<&str> = found.iter().filter_map(|one| one["rule"].as_str()).collect();
        doctor.sign_overriding(id, &rules, "asked, and none of it is so").await.expect_ok();
    }
}

#[actix_web::test]
async fn what_the_cabinet_here_can_vend_comes_first_with_its_packs() {
    let scene = Scene::open().await;
    let path = format!("/api/v1/consultations/{}/formulary", scene.consultation);
    let all = scene.doctor().get(&format!("{path}?limit=50")).await.expect_ok();
    assert_eq!((&all["cabinet"], &all["more"]), (&json!("ready"), &json!(true)));
    assert!(all["items"].as_array().expect("items").iter().all(|item| item["packs_here"] == 0));
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    scene.app.fill_slot(&scene.seed, 2, "LOR-T10", 2).await;
    let found = scene.doctor().get(&format!("{path}?limit=3")).await.expect_ok();
    let items = found["items"].as_array().expect("items");
    let figures: Vec<u64> = items.iter().map(|item| item["packs_here"].as_u64().expect("packs")).collect();
    assert_eq!(items.len(), 3);
    assert_eq!((figures[0] + figures[1], figures[2]), (7, 0), "{found}");

    // What an order has set aside is not free, and what an edition leaves out is not shown.
    let id = scene.approved(&["PCM-T500"]).await;
    scene.worker().order_prescribed(&id).await.expect_created();
    assert_eq!(packs(&scene).await, (4, 0));
    let edition = json!({"edition": "own-1", "station_id": scene.seed.station, "products": "code\nLOR-T10", "note": "样例"});
    let proposed = scene.pharmacist().post("/api/v1/formulary-editions", edition).await.expect_created();
    let approve = format!("/api/v1/formulary-editions/{}/approve", crate::support::id_in(&proposed));
    scene.app.operator().await.post(&approve, json!({})).await.expect_ok();
    let found = scene.doctor().get(&path).await.expect_ok();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!((&found["items"][0]["product"]["code"], &found["more"]), (&json!("LOR-T10"), &json!(false)));
    assert_eq!(found["station_edition"], "own-1");
    // Only the doctor of the consultation sees it.
    scene.other_doctor().get(&path).await.expect_refused(Code::NotFound);
    scene.pharmacist().get(&path).await.expect_refused(Code::RoleNotAllowed);
}

#[actix_web::test]
async fn a_pack_counts_until_its_last_day_and_never_of_a_recalled_lot() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    scene.app.expire_on("F1", scene.app.now().date_naive()).await;
    assert_eq!(packs(&scene).await.0, 5, "its last day is today");
    scene.app.spoil("F1").await;
    assert_eq!(packs(&scene).await.0, 0, "it was yesterday");
    scene.app.expire_on("F1", (scene.app.now() + chrono::TimeDelta::days(90)).date_naive()).await;
    assert_eq!(packs(&scene).await.0, 5);
    scene.app.operator().await.recall("PCM-T500", "F1").await.expect_ok();
    assert_eq!(packs(&scene).await.0, 0);
}

#[actix_web::test]
async fn a_cabinet_that_is_silent_or_out_of_order_has_nothing_now() {
    let mut scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    let path = format!("/api/v1/consultations/{}/formulary", scene.consultation);
    let standing = async |scene: &Scene| {
        scene.doctor().get(&path).await.expect_ok()["cabinet"].as_str().expect("a state").to_owned()
    };
    scene.pass(119).await;
    assert_eq!((standing(&scene).await, packs(&scene).await.0), ("ready".to_owned(), 5));
    scene.pass(2).await;
    assert_eq!((standing(&scene).await, packs(&scene).await.0), ("silent".to_owned(), 0));
    scene.app.cabinet().await;
    assert_eq!((standing(&scene).await, packs(&scene).await.0), ("ready".to_owned(), 5));
    scene.app.revoke_cabinet(&scene.seed).await;
    assert_eq!((standing(&scene).await, packs(&scene).await.0), ("out_of_order".to_owned(), 0));
}

#[actix_web::test]
async fn what_is_not_here_is_shown_with_the_nearest_station_that_has_it() {
    let scene = Scene::open().await;
    shop(&scene.app, "far-01", 300 * HUNDRED_METRES, &[("PCM-T500", 9), ("LOR-T10", 1)]).await;
    let near = shop(&scene.app, "near-01", 5 * HUNDRED_METRES, &[("PCM-T500", 3)]).await;
    shop(&scene.app, "near-02", 8 * HUNDRED_METRES, &[("PCM-T500", 4)]).await;
    let (_, here, _, nearest) = seen(&scene.doctor(), scene.consultation, "PCM-T500").await;
    assert_eq!((here, &nearest["packs"]), (0, &json!(3)), "{nearest}");
    let station = &nearest["station"];
    assert_eq!((&station["station_id"], &station["district"]), (&json!(near), &json!("zhifu")));
    let metres = station["metres"].as_u64().expect("metres");
    assert!((550..=562).contains(&metres), "{metres}");
    // Further away than around the corner, and nowhere.
    let (_, _, _, nearest) = seen(&scene.doctor(), scene.consultation, "LOR-T10").await;
    assert_eq!(nearest["station"]["code"], "far-01");
    assert_eq!(seen(&scene.doctor(), scene.consultation, "DIC-G1").await.3, Value::Null);
    // With packs here nobody is sent away.
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 1).await;
    assert_eq!(seen(&scene.doctor(), scene.consultation, "PCM-T500").await.3, Value::Null);
}

#[actix_web::test]
async fn a_draft_is_shown_the_stations_that_have_all_of_its_lines_the_nearest_first() {
    let scene = Scene::open().await;
    const BOTH: &[(&str, i64)] = &[("PCM-T500", 2), ("LOR-T10", 2)];
    let far = shop(&scene.app, "far-01", 20 * HUNDRED_METRES, BOTH).await;
    let near = shop(&scene.app, "near-01", 5 * HUNDRED_METRES, BOTH).await;
    shop(&scene.app, "half-01", HUNDRED_METRES, &[("PCM-T500", 9)]).await;
    let id = scene.draft(&["PCM-T500", "LOR-T10"]).await;
    let stations = async || {
        let path = format!("/api/v1/prescriptions/{id}/stations");
        let found = scene.doctor().get(&path).await.expect_ok();
        let items = found["items"].as_array().expect("items").clone();
        items
            .iter()
            .map(|one| (one["here"].clone(), one["station"]["station_id"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(stations().await, [(json!(false), json!(near)), (json!(false), json!(far))]);
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 1).await;
    assert_eq!(stations().await.len(), 2, "only one of the lines is here");
    scene.app.fill_slot(&scene.seed, 2, "LOR-T10", 1).await;
    assert_eq!(stations().await[0], (json!(true), json!(scene.seed.station)));
    let path = format!("/api/v1/prescriptions/{id}/stations");
    scene.other_doctor().get(&path).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn of_two_drafts_for_the_last_pack_the_second_doctor_sees_none_and_who_orders_first_has_it() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 1).await;
    let (second, consultation, token) = of_second_doctor(&scene, "15400000062").await;
    let doctor_b = Doctor::new(&scene.app, &second.doctor);
    let theirs = async || {
        let (_, here, held, _) = seen(&doctor_b, consultation, "PCM-T500").await;
        (here, held)
    };
    assert_eq!((packs(&scene).await, theirs().await), ((1, 0), (1, 0)));
    let first = scene.draft(&["PCM-T500"]).await;
    assert_eq!((packs(&scene).await, theirs().await), ((1, 0), (0, 1)), "held by the first draft");
    // The second doctor may write and sign all the same.
    let drafted = doctor_b.draft(consultation, draft_of(&["PCM-T500"])).await.expect_created();
    assert_eq!((packs(&scene).await, theirs().await), ((1, 0), (0, 1)), "the first draft comes first");
    let other = crate::support::id_in(&drafted);
    sign(&doctor_b, other).await;
    sign(&scene.doctor(), &first).await;
    assert_eq!((packs(&scene).await, theirs().await), ((1, 0), (1, 0)), "signed drafts hold nothing");
    for id in [first.as_str(), other] {
        scene.pharmacist().approve(id).await.expect_ok();
    }
    // Whoever orders first has the pack, although the other draft was the first.
    let order = json!({"prescription_id": other});
    scene.app.post(&token, "/api/v1/orders", order).await.expect_created();
    let worker = scene.app.station().await.check_in(Worker::adult()).await;
    let refused = worker.order_prescribed(&first).await.expect_refused(Code::OutOfStock);
    assert_eq!(refused["data"]["product_code"], "PCM-T500");
    assert_eq!(scene.app.packs_in(1).await, (0, 1, 0, Value::Null));
}

#[actix_web::test]
async fn a_hold_ends_with_its_draft_or_after_the_policys_time_and_refuses_nothing() {
    let mut scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 1).await;
    let approved = scene.approved(&["PCM-T500"]).await;
    let (second, consultation, _) = of_second_doctor(&scene, "15400000063").await;
    let doctor_b = Doctor::new(&scene.app, &second.doctor);
    let drafted = doctor_b.draft(consultation, draft_of(&["PCM-T500"])).await.expect_created();
    let id = crate::support::id_in(&drafted).to_owned();
    assert_eq!(packs(&scene).await, (0, 1));
    let void = format!("/api/v1/prescriptions/{id}/void");
    doctor_b.post(&void, json!({"reason": "样例：不再需要"})).await.expect_ok();
    assert_eq!(packs(&scene).await, (1, 0), "withdrawn");
    doctor_b.draft(consultation, draft_of(&["PCM-T500"])).await.expect_created();
    assert_eq!(packs(&scene).await, (0, 1));
    // A real order takes the pack in spite of the hold; cancelled, the pack is free again.
    {
        let worker = scene.app.station().await.check_in(Worker::adult()).await;
        let order = worker.order_prescribed(&approved).await.expect_created();
        worker.pay(&order).await.expect_ok();
        assert_eq!(packs(&scene).await, (0, 0), "paid in spite of the hold");
        worker.cancel(&order).await.expect_ok();
    }
    scene.pass(15 * 60 - 1).await;
    scene.app.cabinet().await;
    assert_eq!(packs(&scene).await, (0, 1));
    scene.pass(1).await;
    assert_eq!(packs(&scene).await, (1, 0), "an abandoned draft holds nothing for ever");
    assert_eq!(scene.app.packs_in(1).await, (1, 0, 0, Value::Null));
}
