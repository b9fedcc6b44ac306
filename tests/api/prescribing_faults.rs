//! What goes wrong between the steps of a prescription: nobody can mean it, or the world has changed. Each has
//! a clear answer, and nothing is half done.

use chrono::NaiveDate;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code,
    machine::DROP,
    prescribing::{Scene, draft_of},
    seed::SIGNING_PIN,
};
use service::{Actor, Failure};
use storage::{on_backend, schema::doctor};

/// A worker with an approved prescription of paracetamol, which the cabinet has.
async fn approved() -> (Scene, String) {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    let id = scene.approved(&["PCM-T500"]).await;
    (scene, id)
}

#[actix_web::test]
async fn impossible_amounts_and_texts_are_refused_by_their_fields() {
    let scene = Scene::open().await;
    let line = |member: &str, value: Value| {
        let mut draft = draft_of(&["PCM-T500"]);
        draft["lines"][0][member] = value;
        (draft, format!("lines[0].{member}"))
    };
    let mut cases: Vec<(Value, String)> = Vec::new();
    for (member, values) in [
        (
            "dose_units_thousandths",
            [json!(0), json!(-1000), json!(1_000_001), json!(0.5), json!("1"), json!(null)],
        ),
        ("times_per_day", [json!(0), json!(-1), json!(25), json!(2.5), json!("3"), json!(null)]),
        ("days", [json!(0), json!(-3), json!(85), json!(1.5), json!("3"), json!(null)]),
    ] {
        cases.extend(values.map(|value| line(member, value)));
    }
    // A dose in milligrams beside the one in units: no two units are mixed.
    cases.push({
        let (draft, _) = line("dose_mg", json!(500));
        (draft, "lines[0].dose_mg".to_owned())
    });
    cases.push({
        let (draft, _) = line("unit", json!("mg"));
        (draft, "lines[0].unit".to_owned())
    });
    let whole = |member: &str, value: Value, field: &str| {
        let mut draft = draft_of(&["PCM-T500"]);
        draft[member] = value;
        (draft, field.to_owned())
    };
    let long = "长".repeat(501);
    cases.push(whole("diagnoses", json!([{"code": null, "name": "长".repeat(5000)}]), "diagnoses[0].name"));
    cases.push(whole("diagnoses", json!([{"code": null, "name": " "}]), "diagnoses[0].name"));
    cases.push(whole("diagnoses", json!([]), "diagnoses"));
    cases.push(whole("long_supply_reason", json!(long), "long_supply_reason"));
    cases.push(whole("lines", json!([]), "lines"));
    cases.push(whole("kind", json!("sometimes"), "kind"));
    for (draft, field) in cases {
        let answer = scene.doctor().draft(scene.consultation, draft.clone()).await;
        assert_eq!(answer.status, 422, "{draft}: {}", answer.body);
        let fields: Vec<&str> = answer.body["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .filter_map(|one| one["field"].as_str())
            .collect();
        assert!(fields.contains(&field.as_str()), "{draft}: {fields:?}");
    }
    let six = ["PCM-T500", "LOR-T10", "DIC-G1", "CLO-CR1", "PCM-C300", "PCM-SR650"];
    let problem = scene.doctor().prescribe(scene.consultation, &six).await.expect(422);
    assert_eq!(problem["errors"][0]["field"], "lines", "{problem}");
    // None of it is left behind: a good draft is taken.
    scene.draft(&["PCM-T500"]).await;
}

#[actix_web::test]
async fn a_dose_that_nobody_survives_is_drafted_with_its_finding_and_never_signed() {
    let scene = Scene::open().await;
    let mut draft = draft_of(&["PCM-T500"]);
    // Twenty tablets at a time.
    draft["lines"][0]["dose_units_thousandths"] = json!(20_000);
    let drafted = scene.doctor().draft(scene.consultation, draft).await.expect_created();
    assert_eq!(drafted["safety"]["verdict"], "block");
    let id = drafted["id"].as_str().expect("an id");
    let problem = scene.doctor().sign(id).await.expect_refused(Code::SafetyBlocked);
    assert!(problem["data"].as_array().is_some_and(|found| !found.is_empty()));
    assert_eq!(scene.doctor().prescription(id).await.expect_ok()["state"], "draft");
    scene.pharmacist().prescription(id).await.expect_refused(Code::NotFound);
}

#[actix_web::test]
async fn what_is_withdrawn_after_the_draft_is_not_signed() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    scene.app.import_paracetamol(900, false).await;
    scene.look().await;
    let problem = scene.doctor().sign(&id).await.expect(422);
    let named = problem["data"][0]["rule"] == "not_in_formulary"
        || problem["errors"][0]["code"] == "not_prescribable";
    assert!(named, "{problem}");
    assert_eq!(scene.doctor().prescription(&id).await.expect_ok()["state"], "draft");
}

#[actix_web::test]
async fn what_is_withdrawn_after_the_signature_is_not_approved() {
    let scene = Scene::open().await;
    let id = scene.signed(&["PCM-T500"]).await;
    scene.app.import_paracetamol(900, false).await;
    scene.look().await;
    let problem = scene.pharmacist().approve(&id).await.expect_refused(Code::SafetyBlocked);
    assert!(
        problem["data"].as_array().expect("findings").iter().any(|one| one["rule"] == "not_in_formulary")
    );
    let back = json!({"reason": "it is not supplied any more", "code": "other"});
    scene.pharmacist().send_back(&id, back).await.expect_ok();
}

#[actix_web::test]
async fn what_is_withdrawn_after_the_approval_is_neither_ordered_paid_nor_started() {
    let (scene, id) = approved().await;
    let worker = scene.worker();
    let withdraw = async |in_formulary: bool| {
        scene.app.import_paracetamol(900, in_formulary).await;
        scene.look().await;
    };
    withdraw(false).await;
    let refused = worker.order_prescribed(&id).await;
    assert!(matches!(refused.status.as_u16(), 409 | 422), "{}", refused.body);
    withdraw(true).await;
    let order = worker.order_prescribed(&id).await.expect_created();
    withdraw(false).await;
    let refused = worker.pay(&order).await;
    assert!(matches!(refused.status.as_u16(), 409 | 422), "{}", refused.body);
    assert_eq!(worker.order(&order).await["state"], "reserved", "nothing was paid");
    withdraw(true).await;
    let paid = worker.pay(&order).await.expect_ok();
    withdraw(false).await;
    let mut cabinet = scene.app.cabinet().await;
    cabinet.work().await;
    let refused = cabinet.start_pack(&paid, 0).await;
    assert!(matches!(refused.status.as_u16(), 409 | 422), "{}", refused.body);
    withdraw(true).await;
    scene.sound().await;
}

/// A price changes, and nothing else: what was ordered keeps its price, and what was signed its names.
#[actix_web::test]
async fn an_edition_with_other_prices_between_any_two_steps_breaks_nothing() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    let edition = async |price: i64| {
        scene.app.import_paracetamol(price, true).await;
        scene.look().await;
    };
    let id = scene.draft(&["PCM-T500"]).await;
    edition(901).await;
    scene.doctor().sign(&id).await.expect_ok();
    edition(902).await;
    scene.pharmacist().claim(&id).await.expect_ok();
    edition(903).await;
    scene.pharmacist().approve(&id).await.expect_ok();
    edition(904).await;
    let worker = scene.worker();
    let order = worker.order_prescribed(&id).await.expect_created();
    assert_eq!(order["total_fen"], 904);
    edition(905).await;
    let paid = worker.pay(&order).await.expect_ok();
    assert_eq!(paid["total_fen"], 904, "as it was reserved");
    edition(906).await;
    let mut cabinet = scene.app.cabinet().await;
    cabinet.vend_pack(&paid, 0, DROP).await;
    cabinet.report().await.expect_ok();
    assert_eq!(worker.prescription(&id).await.expect_ok()["state"], "fulfilled");
    scene.sound().await;
}

#[actix_web::test]
async fn stock_that_is_gone_before_the_order_is_named() {
    let scene = Scene::open().await;
    let id = scene.approved(&["PCM-T500"]).await;
    let problem = scene.worker().order_prescribed(&id).await.expect_refused(Code::OutOfStock);
    assert_eq!(problem["data"]["product_code"], "PCM-T500");
    // Still usable when it was restocked.
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 1).await;
    scene.worker().order_prescribed(&id).await.expect_created();
}

#[actix_web::test]
async fn a_doctor_whose_licence_ends_after_the_draft_signs_nothing() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let until = async |day: &'static str| {
        let day: NaiveDate = day.parse().expect("a day");
        let written = scene.app.state.write(Actor::System, move |tx| -> Result<(), Failure> {
            on_backend!(tx.conn, c => diesel::update(doctor::table)
                .set(doctor::licence_valid_until.eq(day))
                .execute(c))?;
            Ok(())
        });
        written.await.expect("written");
    };
    until("2026-11-22").await;
    scene.doctor().sign(&id).await.expect_refused(Code::DoctorNotEligible);
    assert_eq!(scene.doctor().prescription(&id).await.expect_ok()["state"], "draft");
    until("2026-11-23").await;
    scene.doctor().sign(&id).await.expect_ok();
    // What was signed while the licence was valid stays in effect.
    until("2026-11-22").await;
    scene.pharmacist().approve(&id).await.expect_ok();
}

#[actix_web::test]
async fn a_doctor_whose_shift_ends_after_the_draft_finishes_what_was_begun() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    scene.off_shift(scene.seed.doctor.id).await;
    scene.doctor().sign(&id).await.expect_ok();
    let question = scene.pharmacist().ask(&id, "is it so?").await;
    scene.doctor().answer_question(&id, &question, "it is").await.expect_ok();
    scene.pharmacist().approve(&id).await.expect_ok();
}

/// The process ends between the commit of the signature and its answer: the repeated request gets the saved
/// answer from another process, and nothing is signed twice.
#[actix_web::test]
async fn a_signature_whose_answer_was_lost_is_answered_again_by_another_process() {
    let scene = Scene::open().await;
    let id = scene.draft(&["PCM-T500"]).await;
    let (token, path) = (scene.doctor().token(), format!("/api/v1/prescriptions/{id}/sign"));
    let body = json!({"pin": SIGNING_PIN});
    let lost = scene.app.post_with_key(&token, &path, "sign-lost-1", body.clone()).await.expect_ok();
    let other = scene.app.another().await;
    let again = other.post_with_key(&token, &path, "sign-lost-1", body.clone()).await.expect_ok();
    assert_eq!(lost, again);
    // Without its key the caller is told what the state is.
    other.post(&token, &path, body).await.expect_refused(Code::StateMovedOn);
    assert_eq!(scene.pharmacist().reviews().await.len(), 1);
}

impl Scene {
    /// The server looks for a new edition of the formulary.
    async fn look(&self) {
        service::formulary::edition::look(&self.app.state).await.expect("looked");
    }
}
