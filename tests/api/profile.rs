//! A worker's own health profile.

use serde_json::json;

use crate::harness::TestApp;

const PATH: &str = "/api/v1/me/profile";

#[actix_web::test]
async fn a_profile_begins_empty_and_the_first_of_two_writers_wins() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let empty = app.get(&token, PATH).await;
    assert_eq!(empty.headers["etag"], "\"0\"");
    assert_eq!(empty.expect(200)["allergies"], json!(null), "nobody has asked");
    let body = json!({"weight_kg_tenths": 705, "allergies": ["penicillins"], "conditions": ["asthma"],
        "medicines": ["aspirin"]});
    let one = app.put(&token, PATH, "\"0\"", body.clone());
    let other = app.put(&token, PATH, "\"0\"", json!({"pregnant": false}));
    let (one, other) = futures_util::future::join(one, other).await;
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let written = app.put(&token, PATH, "\"1\"", body).await;
    assert_eq!(written.headers["etag"], "\"2\"");
    assert_eq!(written.expect(200)["weight_kg_tenths"], 705);
    assert_eq!(app.get(&token, PATH).await.expect(200)["conditions"], json!(["asthma"]));
    app.put(&token, PATH, "\"1\"", json!({})).await.problem(412, "precondition_failed");
    app.get(&seed.doctor.token, PATH).await.problem(403, "role_not_allowed");
    app.get(&seed.safety_officer.token, PATH).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn every_bad_field_is_named() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let bad = json!({"weight_kg_tenths": 0, "egfr": 900, "allergies": ["ok", " "]});
    let problem = app.put(&token, PATH, "\"0\"", bad).await.problem(422, "invalid_field");
    let fields: Vec<&str> =
        problem["errors"].as_array().expect("errors").iter().filter_map(|e| e["field"].as_str()).collect();
    assert_eq!(fields, ["allergies[1]", "egfr", "weight_kg_tenths"]);
}

#[actix_web::test]
async fn every_way_to_write_none_is_an_answer_and_not_an_unknown_drug() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let mut version = 0;
    let mut write = async |body: serde_json::Value| {
        let answer = app.put(&token, PATH, &format!("\"{version}\""), body).await;
        version += i64::from(answer.status == 200);
        answer
    };
    for word in
        ["None", "NKDA", "no known allergies", "无", "没有", "无过敏史", "不过敏", "否认过敏", "N/A", "-"]
    {
        let profile = write(json!({"allergies": [word], "medicines": [word]})).await.expect(200);
        assert_eq!((&profile["allergies"], &profile["medicines"]), (&json!([]), &json!([])), "{word}");
        assert_eq!(profile["conditions"], json!(null), "{word}: nobody has asked");
    }
    for word in ["None", "无", "没有"] {
        let profile = write(json!({"conditions": [word]})).await.expect(200);
        assert_eq!((&profile["conditions"], &profile["allergies"]), (&json!([]), &json!(null)), "{word}");
    }
    // A text that does not clearly mean none is stored as written.
    let profile = write(json!({"allergies": ["未知"], "medicines": ["不清楚"]})).await.expect(200);
    assert_eq!((&profile["allergies"], &profile["medicines"]), (&json!(["未知"]), &json!(["不清楚"])));
    for (field, list) in [
        ("allergies", json!(["无", "青霉素"])),
        ("allergies", json!(["penicillins", "NKDA"])),
        ("medicines", json!(["没有", "aspirin"])),
        ("conditions", json!(["asthma", "无"])),
    ] {
        let problem = write(json!({field: list})).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["code"], "contradictory", "{problem}");
    }
    write(json!({"conditions": ["boredom"]})).await.problem(422, "invalid_field");
    assert_eq!(app.get(&token, PATH).await.expect(200)["allergies"], json!(["未知"]));
}

#[actix_web::test]
async fn a_word_for_none_is_not_an_unknown_drug_in_a_check() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    for word in ["None", "NKDA", "无", "否认过敏"] {
        let body = json!({
            "profile": {"age_years": 40, "sex": "male", "allergies": [word], "medicines": [word]},
            "lines": [{"product_code": "PCM-T500", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3}],
        });
        let report = app.post(&seed.doctor.token, "/api/v1/prescriptions/check", body).await.expect(200);
        assert_eq!(report["verdict"], "ok", "{word}: {report}");
    }
}

#[actix_web::test]
async fn everyday_words_for_conditions_are_recognised_in_both_languages_and_others_refused() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let token = app.check_in(&seed).await;
    let conditions =
        json!({"conditions": ["怀孕", "肝硬化", "高血壓", "high blood pressure", "Stomach ulcer"]});
    let profile = app.put(&token, PATH, "\"0\"", conditions).await.expect(200);
    let known = ["pregnancy", "severe_liver_disease", "peptic_ulcer", "hypertension"];
    assert_eq!(profile["conditions"], json!(known));
    assert_eq!(profile["pregnant"], true, "the condition also answers the question");
    let problem = app.put(&token, PATH, "\"1\"", json!({"conditions": ["祖传毛病"]})).await;
    let problem = problem.problem(422, "invalid_field");
    let message = problem["errors"][0].to_string();
    assert!(message.contains("祖传毛病") && problem["errors"][0]["field"] == "conditions[0]", "{problem}");
    let both = json!({"conditions": ["怀孕"], "pregnant": false});
    let problem = app.put(&token, PATH, "\"1\"", both).await.problem(422, "invalid_field");
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
        (&json!("pregnant"), &json!("contradictory"))
    );
}

#[actix_web::test]
async fn common_drug_names_are_recognised_as_allergy_and_as_medicine() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let found = async |profile: serde_json::Value, code: &str| {
        let mut who = json!({"age_years": 40, "sex": "male"});
        who.as_object_mut().expect("members").extend(profile.as_object().expect("members").clone());
        let line =
            json!({"product_code": code, "dose_units_thousandths": 1000, "times_per_day": 1, "days": 3});
        let body = json!({"profile": who, "lines": [line]});
        let report = app.post(&seed.doctor.token, "/api/v1/prescriptions/check", body).await.expect(200);
        let rules = report["findings"].as_array().expect("findings").iter();
        rules.filter_map(|one| one["rule"].as_str().map(str::to_owned)).collect::<Vec<String>>()
    };
    for (allergy, code) in [
        ("双氯芬酸", "DIC-G1"),
        ("雙氯芬酸鈉緩釋片", "DIC-G1"),
        ("碘", "PVI-S5"),
        ("povidone-iodine", "PVI-S5"),
        ("对青霉素过敏", "AMX-C500"),
        ("阿莫西林胶囊", "AMX-C500"),
        ("头孢、磺胺", "CFU-T250"),
        ("复方氨酚咖那敏颗粒", "PCM-T500"),
        ("感康", "PCM-T500"),
        ("Tylenol", "PCM-T500"),
    ] {
        let rules = found(json!({"allergies": [allergy]}), code).await;
        assert!(rules.contains(&"allergy".to_owned()), "{allergy}: {rules:?}");
        assert!(!rules.contains(&"unknown_allergy".to_owned()), "{allergy}: {rules:?}");
    }
    for none in ["無", "沒有", "無過敏史"] {
        assert!(
            !found(json!({"allergies": [none]}), "PCM-T500").await.contains(&"unknown_allergy".to_owned()),
            "{none}"
        );
    }
    for medicine in ["白加黑", "感冒灵颗粒", "acetaminophen", "对乙酰氨基酚片", "Paracetamol capsules 0.3 g"]
    {
        let rules = found(json!({"medicines": [medicine]}), "PCM-T500").await;
        assert!(
            rules.contains(&"second_product".to_owned()) || rules.contains(&"sum_unknown".to_owned()),
            "{medicine}: {rules:?}"
        );
        assert!(!rules.contains(&"unknown_medicine".to_owned()), "{medicine}: {rules:?}");
    }
    let rules = found(json!({"medicines": ["氨氯地平、祖传秘方"]}), "PCM-T500").await;
    assert!(rules.contains(&"unknown_medicine".to_owned()), "{rules:?}");
}
