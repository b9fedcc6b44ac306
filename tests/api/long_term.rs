//! Long-term supply and its conditions, and what a first visit may treat: the disease is chronic and stable,
//! beyond four weeks it is assessed, confirmed by the patient and countersigned by the pharmacist.

use serde_json::{Value, json};

use crate::support::{
    Caller, Code, id_in,
    prescribing::{Scene, draft_of},
    seed::SIGNING_PIN,
};
use domain::prescription::EncounterLane;

/// Amlodipine for high blood pressure, once a day.
fn long_term(days: u32) -> Value {
    json!({
        "lines": [{"product_code": "AML-T5", "dose_units_thousandths": 1000, "times_per_day": 1, "days": days}],
        "diagnoses": [{"code": "I10", "name": "高血压"}], "kind": "long_term",
        "long_supply_reason": "病情稳定两年，今日评估。", "stable_attested": true, "patient_confirmed": true,
    })
}

fn with(mut draft: Value, member: &str, value: Value) -> Value {
    draft[member] = value;
    draft
}

#[actix_web::test]
async fn each_condition_is_asked_for_by_its_field() {
    let scene = Scene::open().await;
    let cold = json!([{"code": "J00", "name": "普通感冒，有高血压"}]);
    for (draft, field, code) in [
        (with(long_term(28), "diagnoses", cold), "diagnoses", "not_chronic"),
        (with(long_term(28), "stable_attested", json!(false)), "stable_attested", "needed"),
        (with(long_term(29), "patient_confirmed", json!(false)), "patient_confirmed", "needed"),
        (with(long_term(29), "long_supply_reason", Value::Null), "lines[0].days", "reason_needed"),
    ] {
        let refused =
            scene.doctor().draft(scene.consultation, draft).await.expect_refused(Code::PrescribingRule);
        assert_eq!(
            (&refused["errors"][0]["field"], &refused["errors"][0]["code"]),
            (&json!(field), &json!(code))
        );
        assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    }
    // Within four weeks nobody asks the patient.
    let short = with(long_term(28), "patient_confirmed", json!(false));
    let written = scene.doctor().draft(scene.consultation, short).await.expect_created();
    assert_eq!(written["long_term"]["countersignature_needed"], json!(false), "{written}");
}

#[actix_web::test]
async fn beyond_four_weeks_the_pharmacist_countersigns() {
    let scene = Scene::open().await;
    scene.profile(json!({"birth_date": "1980-01-01", "sex": "male"})).await;
    let id = scene.signed_in(scene.consultation, long_term(56)).await;
    let pharmacist = scene.pharmacist();
    let shown = pharmacist.get(&format!("/api/v1/prescriptions/{id}")).await.expect_ok();
    let stands = json!({"stable_attested": true, "patient_confirmed": true, "countersignature_needed": true,
        "countersigned": false});
    assert_eq!(shown["long_term"], stands);
    assert_eq!(shown["signature_valid"], json!(true));
    let refused = pharmacist.approve(&id).await.expect_refused(Code::PrescribingRule);
    assert_eq!(refused["errors"][0]["field"], "countersigned");
    let path = format!("/api/v1/prescriptions/{id}/approve");
    let approved =
        pharmacist.post(&path, json!({"pin": SIGNING_PIN, "countersigned": true})).await.expect_ok();
    assert_eq!(approved["state"], "approved");
    assert_eq!(approved["long_term"]["countersigned"], json!(true));
    let again = pharmacist.get(&format!("/api/v1/prescriptions/{id}")).await.expect_ok();
    assert_eq!(
        again["signature_valid"],
        json!(true),
        "the countersignature is no part of what the doctor signed"
    );
    drop(pharmacist);
    scene.sound().await;
}

#[actix_web::test]
async fn a_first_visit_treats_the_listed_ailments_only() {
    let scene = Scene::in_lane(EncounterLane::MinorAilmentPilot).await;
    let listed = draft_of(&["PCM-T500"]);
    let written = scene.doctor().draft(scene.consultation, listed.clone()).await.expect_created();
    scene.doctor().withdraw(id_in(&written), "only tried").await.expect_ok();
    let other = with(
        listed,
        "diagnoses",
        json!([{"code": "J00", "name": "普通感冒"}, {"code": "I10", "name": "高血压"}]),
    );
    let refused = scene.doctor().draft(scene.consultation, other).await.expect_refused(Code::PrescribingRule);
    assert_eq!(
        (&refused["errors"][0]["field"], &refused["errors"][0]["code"]),
        (&json!("diagnoses[1]"), &json!("not_minor_ailment"))
    );
}

/// Nitroglycerin is swallowed by nobody: the label says under the tongue.
#[actix_web::test]
async fn nitroglycerin_is_labelled_for_under_the_tongue() {
    let scene = Scene::open().await;
    let draft = json!({
        "lines": [{"product_code": "NTG-L05", "dose_units_thousandths": 1000, "times_per_day": 1, "days": 3}],
        "diagnoses": [{"code": "I20.8", "name": "稳定型心绞痛"}], "kind": "ordinary"});
    let written = scene.doctor().draft(scene.consultation, draft).await.expect_created();
    let label = written["lines"][0]["label"]["zh"].as_str().expect("a label");
    assert!(label.contains("舌下含服，不可吞服"), "{written}");
}
