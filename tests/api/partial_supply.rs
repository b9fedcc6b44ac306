//! What is sold out is dropped or reduced by a decision beside the signed document.

use serde_json::{Value, json};

use crate::support::{
    Answer, CabinetMachine, Caller, Code, Pharmacist,
    machine::DROP,
    prescribing::{Scene, draft_of, id_of},
};
use domain::ids::PrescriptionId;
use service::Actor;

/// A signed prescription of two drugs, of which the cabinet has the first.
async fn two_lines() -> (Scene, String) {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-C300", 5).await;
    let drafted = scene.doctor().draft(scene.consultation, draft_of(&["PCM-C300", "LOR-T10"])).await;
    let mut body = draft_of(&["PCM-C300", "LOR-T10"]);
    let id = drafted.expect_created()["id"].as_str().expect("an id").to_owned();
    // Two packs of the first; the second once a day.
    body["lines"][0]["days"] = json!(5);
    body["lines"][1]["times_per_day"] = json!(1);
    let path = format!("/api/v1/prescriptions/{id}");
    scene.doctor().put(&path, "\"1\"", body).await.expect_ok();
    let id = scene.sign_answering(&id).await;
    (scene, id)
}

fn input(line_no: u32, packs: u32) -> Value {
    json!({"line_no": line_no, "packs": packs, "reason": "the cabinet has no more of it", "code": "sold_out"})
}

async fn decide(by: &impl Caller, id: &str, body: Value) -> Answer {
    by.post(&format!("/api/v1/prescriptions/{id}/supply"), body).await
}

#[actix_web::test]
async fn a_doctor_drops_what_is_sold_out_and_the_order_takes_the_rest() {
    let (scene, id) = two_lines().await;
    scene.pharmacist().approve(&id).await.expect_ok();
    let (worker, doctor) = (scene.worker(), scene.doctor());
    let sold_out = worker.order_prescribed(&id).await.expect_refused(Code::OutOfStock);
    assert_eq!(sold_out["data"]["product_code"], "LOR-T10");
    let signed = doctor.prescription(&id).await.expect_ok();
    let decided = decide(&doctor, &id, input(2, 0)).await.expect_ok();
    assert_eq!(decided["lines"][1]["supply"]["packs"], 0);
    assert_eq!(decided["lines"][1]["packs"], signed["lines"][1]["packs"], "what was signed stays");
    assert_eq!(decided["lines"][1]["supply"]["reason"], "the cabinet has no more of it");
    assert_eq!(decided["state"], "approved");
    // The worker sees what is not supplied, and not the words of staff.
    let seen = worker.prescription(&id).await.expect_ok();
    assert_eq!(
        (&seen["lines"][1]["supply"]["packs"], &seen["lines"][1]["supply"]["code"]),
        (&json!(0), &json!("sold_out"))
    );
    assert!(seen["lines"][1]["supply"].get("reason").is_none() && seen["lines"][0].get("supply").is_none());
    assert_eq!(
        scene.pharmacist().prescription(&id).await.expect_ok()["lines"][1]["supply"]["decided_by"],
        json!(doctor.person.id)
    );
    let order = worker.order_prescribed(&id).await.expect_created();
    let packs = usize::try_from(signed["lines"][0]["packs"].as_u64().expect("packs")).expect("few");
    assert_eq!(order["units"].as_array().map(Vec::len), Some(packs));
    // Under the order nothing that it took is dropped.
    decide(&doctor, &id, input(1, 0)).await.expect_refused(Code::UnitsExceeded);
    decide(&doctor, &id, input(2, 1)).await.expect_ok();
    decide(&doctor, &id, input(1, 0)).await.expect_refused(Code::UnitsExceeded);
    decide(&doctor, &id, input(2, 0)).await.expect_ok();
    let paid = worker.pay(&order).await.expect_ok();
    let mut cabinet = scene.app.cabinet().await;
    for pack in 0..packs {
        vend(&mut cabinet, &paid, pack).await;
    }
    assert_eq!(worker.prescription(&id).await.expect_ok()["state"], "fulfilled");
    decide(&doctor, &id, input(2, 1)).await.expect_refused(Code::StateMovedOn);
    scene.sound().await;
}

/// The skin test that the doctor stated counts for what remains.
#[actix_web::test]
async fn a_penicillin_with_its_skin_test_is_supplied_without_what_is_sold_out() {
    let scene = Scene::open().await;
    let mut draft = draft_of(&["AMX-C500", "PCM-C300"]);
    draft["diagnoses"] = json!([{"code": "J03.9", "name": "急性扁桃体炎"}]);
    draft["skin_test"] = json!({"result": "negative", "at": scene.app.now() - chrono::TimeDelta::hours(1)});
    let id = scene.signed_in(scene.consultation, draft).await;
    let decided = decide(&scene.doctor(), &id, input(2, 0)).await.expect_ok();
    assert_eq!(decided["lines"][1]["supply"]["packs"], 0);
}

async fn vend(cabinet: &mut CabinetMachine<'_>, paid: &Value, pack: usize) {
    cabinet.vend_pack(paid, pack, DROP).await;
    cabinet.report().await.expect_ok();
}

#[actix_web::test]
async fn what_is_left_after_a_vend_is_dropped_and_the_prescription_is_fulfilled() {
    let (scene, id) = two_lines().await;
    scene.pharmacist().approve(&id).await.expect_ok();
    let (worker, doctor) = (scene.worker(), scene.doctor());
    decide(&doctor, &id, input(2, 0)).await.expect_ok();
    decide(&doctor, &id, input(1, 1)).await.expect_ok();
    let order = worker.order_prescribed(&id).await.expect_created();
    assert_eq!(order["units"].as_array().map(Vec::len), Some(1), "reduced");
    let paid = worker.pay(&order).await.expect_ok();
    // The second pack may come after all, and then it may not.
    decide(&doctor, &id, input(1, 2)).await.expect_ok();
    let mut cabinet = scene.app.cabinet().await;
    vend(&mut cabinet, &paid, 0).await;
    assert_eq!(worker.prescription(&id).await.expect_ok()["state"], "approved");
    let done = decide(&doctor, &id, input(1, 1)).await.expect_ok();
    assert_eq!(done["state"], "fulfilled");
    scene.sound().await;
}

#[actix_web::test]
async fn a_pharmacist_decides_before_the_approval_only_and_only_who_has_it() {
    let (scene, id) = two_lines().await;
    let (doctor, pharmacist) = (scene.doctor(), scene.pharmacist());
    let other = scene.another_pharmacist("pharmacist-b@example.cn").await;
    other.claim(&id).await.expect_ok();
    decide(&pharmacist, &id, input(2, 0)).await.expect_refused(Code::ReviewClaimed);
    decide(&other, &id, input(2, 0)).await.expect_ok();
    other.approve(&id).await.expect_ok();
    decide(&other, &id, input(2, 1)).await.expect_refused(Code::StateMovedOn);
    decide(&scene.other_doctor(), &id, input(2, 1)).await.expect_refused(Code::NotFound);
    decide(&scene.worker(), &id, input(2, 1)).await.expect_refused(Code::RoleNotAllowed);
    decide(&doctor, &id, input(2, 1)).await.expect_ok();
    // The signature holds whatever was decided.
    let id = id_of(&id);
    assert!(starts(&scene, id).await);
}

async fn starts(scene: &Scene, id: PrescriptionId) -> bool {
    let read = scene.app.state.read(Actor::System, move |conn, app| {
        service::prescription::dispense::verify_for_start(conn, app, id, app.now())
    });
    read.await.expect("looked")
}

#[actix_web::test]
async fn what_nobody_can_mean_is_refused_by_its_field() {
    let (scene, id) = two_lines().await;
    let doctor = scene.doctor();
    for (body, field, code) in [(input(3, 0), "line_no", "unknown"), (input(1, 99), "packs", "out_of_range")]
    {
        let problem = decide(&doctor, &id, body).await.expect_refused(Code::PrescribingRule);
        assert_eq!(
            (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
            (&json!(field), &json!(code))
        );
    }
    decide(&doctor, &id, input(2, 0)).await.expect_ok();
    let problem = decide(&doctor, &id, input(1, 0)).await.expect_refused(Code::PrescribingRule);
    assert_eq!(problem["errors"][0]["code"], "nothing_left");
    for body in [
        json!({"line_no": 0, "packs": 0, "reason": "sold out"}),
        json!({"line_no": 1, "packs": -1, "reason": "sold out"}),
        json!({"line_no": 1, "packs": 1.5, "reason": "sold out"}),
        json!({"line_no": 1, "packs": 1, "reason": " "}),
        json!({"line_no": 1, "packs": 1, "reason": "长".repeat(501)}),
        json!({"line_no": 1, "packs": 1}),
        json!({"line_no": 1, "packs": 1, "reason": "sold out", "code": "lost"}),
    ] {
        decide(&doctor, &id, body).await.expect_refused(Code::InvalidField);
    }
    let draft = Scene::open().await;
    let unsigned = draft.draft(&["PCM-T500"]).await;
    decide(&draft.doctor(), &unsigned, input(1, 0)).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn what_remains_is_checked_again() {
    let (scene, id) = two_lines().await;
    scene.profile(json!({"allergies": ["paracetamol"]})).await;
    let pharmacist: Pharmacist<'_> = scene.pharmacist();
    // What remains is the drug that the worker is allergic to.
    decide(&pharmacist, &id, input(2, 0)).await.expect_refused(Code::SafetyBlocked);
    assert!(
        pharmacist.prescription(&id).await.expect_ok()["lines"][1].get("supply").is_none(),
        "nothing half done"
    );
    decide(&pharmacist, &id, input(1, 0)).await.expect_ok();
}

#[actix_web::test]
async fn a_new_version_of_the_prescription_begins_with_the_whole_supply() {
    let (scene, id) = two_lines().await;
    let pharmacist = scene.pharmacist();
    decide(&pharmacist, &id, input(2, 0)).await.expect_ok();
    let back = json!({"reason": "choose another drug", "code": "other"});
    let version = pharmacist.send_back(&id, back).await.expect_ok()["version"].as_u64().expect("a version");
    let edited =
        scene.doctor().edit(&id, u32::try_from(version).expect("small"), &["PCM-T500"]).await.expect_ok();
    assert!(edited["lines"][0].get("supply").is_none(), "{edited}");
}
