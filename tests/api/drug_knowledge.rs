//! What the rules know of drugs, seen by who prescribes and who buys: names that people type, skin tests,
//! antibiotics by diagnosis, children by weight.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code, id_in,
    prescribing::{Scene, draft_of},
};

const CHECK: &str = "/api/v1/prescriptions/check";

fn line(code: &str, dose: i64, times: u32, days: u32) -> Value {
    json!({"product_code": code, "dose_units_thousandths": dose, "times_per_day": times, "days": days})
}

fn rules_of(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|one| one["rule"].as_str().expect("a rule")).collect()
}

fn standings(names: &Value) -> Vec<(&str, &str)> {
    let names = names.as_array().expect("names").iter();
    names
        .map(|one| (one["text"].as_str().expect("a text"), one["standing"].as_str().expect("a standing")))
        .collect()
}

#[actix_web::test]
async fn typed_names_are_understood_suggested_or_left_unknown_and_never_guessed() {
    let scene = Scene::open().await;
    let worker = scene.worker();
    let body = json!({"medicines": ["泰诺、布洛分", "tainuo"], "allergies": ["头孢", "海鲜", "祖传秘方"]});
    let looked = worker.post("/api/v1/drug-names/recognise", body.clone()).await.expect_ok();
    assert_eq!(
        standings(&looked["medicines"]),
        [("泰诺", "recognised"), ("布洛分", "suggested"), ("tainuo", "recognised")]
    );
    assert_eq!(
        standings(&looked["allergies"]),
        [("头孢", "class"), ("海鲜", "not_a_drug"), ("祖传秘方", "unrecognised")]
    );
    assert_eq!(looked["medicines"][0]["means"].as_array().map(Vec::len), Some(4), "{looked}");
    assert_eq!(looked["medicines"][1]["suggestions"][0]["means"]["zh"], "布洛芬");
    // The same in the profile that the worker writes, and in the check of the doctor.
    let stated =
        json!({"medicines": ["布洛分"], "allergies": ["头孢"], "birth_date": "1986-05-01", "sex": "male"});
    scene.profile(stated).await;
    let profile = worker.get("/api/v1/me/profile").await.expect_ok();
    assert_eq!(standings(&profile["names"]["medicines"]), [("布洛分", "suggested")]);
    let check = json!({"consultation_id": scene.consultation, "lines": [line("IBU-T200", 1000, 3, 3)]});
    let checked = scene.doctor().post(CHECK, check).await.expect_ok();
    assert_eq!(standings(&checked["names"]["medicines"]), [("布洛分", "suggested")]);
    let unknown = checked["findings"].as_array().expect("findings").iter();
    let unknown = unknown.filter(|one| one["rule"] == "unknown_medicine").collect::<Vec<_>>();
    assert!(unknown[0]["message"]["zh"].as_str().expect("a text").contains("布洛芬"), "{unknown:?}");
    assert_ne!(checked["verdict"], "ok");
    let check = json!({"consultation_id": scene.consultation, "lines": [line("CFU-T250", 1000, 2, 3)]});
    let checked = scene.doctor().post(CHECK, check).await.expect_ok();
    assert!(rules_of(&checked).contains(&"allergy"), "{checked}");
}

#[actix_web::test]
async fn a_penicillin_needs_a_skin_test_of_the_last_72_hours_until_it_is_vended() {
    let mut scene = Scene::open().await;
    let doctor = scene.doctor();
    let tested = |scene: &Scene, result: &str, hours: i64| json!({"result": result, "at": scene.app.now() - TimeDelta::hours(hours)});
    let check = async |test: Value| {
        let profile = json!({"age_years": 40, "sex": "male", "egfr": 90, "job": "courier"});
        let body = json!({"profile": profile, "lines": [line("AMX-C500", 1000, 3, 5)], "skin_test": test});
        doctor.post(CHECK, body).await
    };
    for (test, rule) in [
        (Value::Null, "penicillin_no_skin_test"),
        (tested(&scene, "positive", 1), "penicillin_skin_test_positive"),
        (tested(&scene, "negative", 73), "penicillin_skin_test_old"),
    ] {
        let report = check(test).await.expect_ok();
        assert_eq!(report["verdict"], "block");
        assert!(rules_of(&report).contains(&rule), "{rule}: {report}");
    }
    assert_ne!(check(tested(&scene, "negative", 71)).await.expect_ok()["verdict"], "block");
    let future = check(tested(&scene, "negative", -1)).await.expect_refused(Code::InvalidField);
    assert_eq!(future["errors"][0]["field"], "skin_test.at");
    // Without one a draft cannot be signed; with one it can, as long as the test is recent.
    let mut draft = draft_of(&["AMX-C500"]);
    draft["diagnoses"] = json!([{"code": "J03.9", "name": "急性扁桃体炎"}]);
    let drafts = scene.drafts_path();
    let written = doctor.post(&drafts, draft.clone()).await.expect_created();
    let id = id_in(&written).to_owned();
    doctor.sign(&id).await.expect_refused(Code::SafetyBlocked);
    draft["skin_test"] = tested(&scene, "negative", 70);
    let path = format!("/api/v1/prescriptions/{id}");
    let token = scene.seed.doctor.token.clone();
    let edited = scene.app.put(&token, &path, "\"1\"", draft).await.expect(200);
    assert_eq!(edited["skin_test"]["result"], "negative");
    let report = &edited["safety"];
    let open: Vec<&str> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|one| one["severity"] == "warn" || one["severity"] == "unknown")
        .map(|one| one["rule"].as_str().expect("a rule"))
        .collect();
    doctor.sign_overriding(&id, &open, "asked, and none of it is so").await.expect_ok();
    drop(doctor);
    scene.pass(3 * 3600).await;
    scene.open_window(&scene.seed.pharmacist).await;
    let late = scene.pharmacist().approve(&id).await.expect_refused(Code::SafetyBlocked);
    let found = late["data"].as_array().expect("findings").iter();
    assert!(found.into_iter().any(|one| one["rule"] == "penicillin_skin_test_old"), "{late}");
}

#[actix_web::test]
async fn diagnosis_and_weight_decide_too() {
    let scene = Scene::open().await;
    let doctor = scene.doctor();
    let check = async |profile: Value, lines: Value, diagnoses: Value| {
        let body = json!({"profile": profile, "lines": lines, "diagnoses": diagnoses});
        doctor.post(CHECK, body).await.expect_ok()
    };
    let man = json!({"age_years": 40, "sex": "male", "egfr": 90});
    let azithromycin = json!([line("AZI-T500", 1000, 1, 3)]);
    let cold = json!([{"code": "J00", "name": "普通感冒"}]);
    let report = check(man.clone(), azithromycin.clone(), cold).await;
    assert!(rules_of(&report).contains(&"antibiotic_cold"), "{report}");
    let report = check(man, azithromycin, json!([{"name": "支原体肺炎"}])).await;
    assert!(!rules_of(&report).contains(&"antibiotic_cold"), "{report}");
    let syrup = |millilitres: i64| json!([line("LOR-S1", millilitres * 1000, 1, 3)]);
    let child = |weight: Value| json!({"age_years": 6, "sex": "male", "weight_kg_tenths": weight});
    let report = check(child(Value::Null), syrup(5), json!([])).await;
    assert!(rules_of(&report).contains(&"child_weight_unknown"), "{report}");
    let report = check(child(json!(300)), syrup(6), json!([])).await;
    assert_eq!(report["verdict"], "block", "{report}");
    let report = check(child(json!(301)), syrup(10), json!([])).await;
    assert_eq!(report["verdict"], "ok", "{report}");
}
