//! Emergencies by a single sign, for workers who only measure and for those who ask for
//! a doctor; the second measurement; groups; symptoms; the operator's list.

use serde_json::{Value, json};

pub use crate::support::care::reading;
use crate::support::{
    Caller, Code, TestApp, Worker,
    care::{flags, pressure},
    id_in,
};
use service::triage::alarm_unmeasured;

/// A reading in which a meter shows HI or LO instead of a number.
fn beyond_meter(kind: &str, unit: &str, beyond: &str) -> Value {
    json!({"kind": kind, "beyond": beyond, "unit": unit, "device": "sample-device"})
}

#[actix_web::test]
async fn a_single_extreme_is_measured_again_and_alarms_when_it_is_not() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let seen = worker.measure(&[reading("temperature", 410), reading("spo2", 98)]).await;
    assert_eq!((&seen["level"], &seen["emergency_number"]), (&json!("urgent"), &json!("120")), "{seen}");
    assert_eq!(seen["measure_again"]["kind"], "temperature");
    assert!(seen["measure_again"]["advice"]["zh"].as_str().is_some_and(|text| text.contains("120")));
    assert!(operator.open_alerts().await.is_empty());
    app.pass(179);
    assert_eq!(alarm_unmeasured(&app.state).await.expect("a round"), 0);
    assert_eq!(worker.triage().await["level"], "urgent");
    app.pass(1);
    let late = worker.triage().await;
    assert_eq!((&late["level"], flags(&late)), (&json!("emergency"), vec!["temperature_high"]));
    assert_eq!(alarm_unmeasured(&app.state).await.expect("a round"), 1);
    assert_eq!(alarm_unmeasured(&app.state).await.expect("a round"), 0);
    let alerts = operator.open_alerts().await;
    assert_eq!((alerts.len(), &alerts[0]["station_code"]), (1, &json!("zhifu-01")));
    assert_eq!((&alerts[0]["emergency_number"], &alerts[0]["red_flags"]), (&json!("120"), &Value::Null));
    assert_eq!(app.logged("alert.raised").await, 1);
}

#[actix_web::test]
async fn the_alarm_comes_though_the_worker_has_walked_away() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.measure(&[reading("heart_rate", 160)]).await;
    worker.leave().await.expect_ok();
    app.pass(180);
    assert_eq!(alarm_unmeasured(&app.state).await.expect("a round"), 1);
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn the_second_measurement_decides_at_once() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.measure(&[reading("spo2", 82)]).await;
    app.pass(20);
    let normal = worker.measure(&[reading("spo2", 97)]).await;
    assert_eq!((&normal["measure_again"], flags(&normal)), (&Value::Null, vec![]));
    app.pass(200);
    assert_eq!(alarm_unmeasured(&app.state).await.expect("a round"), 0);
    let worker = worker.station.check_in(Worker::adult()).await;
    worker.measure(&[reading("spo2", 82)]).await;
    app.pass(20);
    let again = worker.measure(&[reading("spo2", 84)]).await;
    assert_eq!((&again["level"], flags(&again)), (&json!("emergency"), vec!["oxygen_low"]));
    assert_eq!(operator.open_alerts().await.len(), 1);
    // Once it has alarmed, a normal value does not take it back.
    app.pass(20);
    let later = worker.measure(&[reading("spo2", 98)]).await;
    assert_eq!((&later["level"], flags(&later)), (&json!("emergency"), vec!["oxygen_low"]));
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn two_signs_or_a_symptom_beside_one_alarm_at_once() {
    for (readings, context, wanted) in [
        (
            vec![reading("temperature", 410), reading("glucose", 20)],
            Value::Null,
            vec!["temperature_high", "glucose_low"],
        ),
        (vec![reading("glucose", 21)], json!({"consciousness": "C"}), vec!["not_alert", "glucose_low"]),
        (vec![reading("glucose", 29)], json!({"consciousness": "C"}), vec!["not_alert", "glucose_low"]),
        (vec![reading("heart_rate", 70)], json!({"consciousness": "V"}), vec!["not_alert"]),
        (
            vec![reading("heart_rate", 135), reading("blood_pressure", 88)],
            Value::Null,
            vec!["news2_two_threes"],
        ),
        (
            vec![reading("temperature", 320), reading("respiratory_rate", 7)],
            Value::Null,
            vec!["news2_two_threes", "temperature_low", "breathing_slow"],
        ),
    ] {
        let app = TestApp::open().await;
        let operator = app.operator().await;
        let worker = app.station().await.check_in(Worker::adult()).await;
        let body = json!({"readings": readings, "context": context});
        let seen = worker.post("/api/v1/readings", body).await.expect_created()["triage"].clone();
        assert_eq!((&seen["level"], flags(&seen)), (&json!("emergency"), wanted), "{readings:?}");
        assert_eq!(seen["emergency_number"], "120");
        assert_eq!(operator.open_alerts().await.len(), 1, "{readings:?}");
    }
}

#[actix_web::test]
async fn who_asks_for_a_doctor_waits_for_no_second_measurement() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    assert_eq!(worker.measure(&[reading("temperature", 400)]).await["level"], "urgent");
    let request = json!({"complaint": "发烧", "lane": "consultation_only"});
    let view = worker.request_consultation(request).await.expect_created();
    assert_eq!((&view["triage"], &view["emergency_number"]), (&json!("emergency"), &json!("120")));
    assert_eq!(flags(&view), ["temperature_high"]);
    let alerts = operator.open_alerts().await;
    assert_eq!((alerts.len(), &alerts[0]["consultation_id"]), (1, &view["id"]));
    let note = "样例：已派人到场";
    let close = format!("/api/v1/alerts/{}/close", id_in(&alerts[0]));
    app.doctor().await.post(&close, json!({"note": note})).await.expect_refused(Code::RoleNotAllowed);
    let closed = operator.close_alert(&alerts[0], note).await.expect_ok();
    assert!(closed["closed_at"].is_string());
    operator.close_alert(&alerts[0], note).await.expect_refused(Code::StateMovedOn);
    assert!(operator.open_alerts().await.is_empty());
}

#[actix_web::test]
async fn low_values_are_never_called_normal() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let readings = [reading("temperature", 320), reading("blood_pressure", 78), reading("spo2", 91)];
    let seen = worker.measure(&readings).await;
    let categories: Vec<_> = seen["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|found| found["category"].clone())
        .collect();
    for category in ["deep_hypothermia", "very_low", "low"] {
        assert!(categories.contains(&json!(category)), "{categories:?}");
    }
    for finding in seen["findings"].as_array().expect("findings") {
        assert_ne!(finding["severity"], "normal", "{finding}");
    }
}

#[actix_web::test]
async fn in_pregnancy_the_groups_limits_hold_and_a_pregnancy_told_later_counts() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let shock = [reading("blood_pressure", 78), reading("heart_rate", 150), reading("respiratory_rate", 32)];
    worker.write_profile(json!({"pregnant": true})).await.expect_ok();
    let seen = worker.measure(&shock).await;
    assert_eq!((&seen["level"], &seen["news2_applicability"]), (&json!("emergency"), &json!("pregnant")));
    assert_eq!(flags(&seen), ["pressure_low", "heart_rate_high", "breathing_fast"]);
    assert_eq!(operator.open_alerts().await.len(), 1);
    // Two values that are no emergency for anybody else become one once a pregnancy is known.
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let mild = worker.measure(&[reading("heart_rate", 122), reading("spo2", 93)]).await;
    assert_eq!(flags(&mild), Vec::<&str>::new());
    worker.write_profile(json!({"pregnant": true})).await.expect_ok();
    assert_eq!(worker.triage().await["level"], "emergency");
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn in_pregnancy_what_only_warns_is_seen_soon_and_two_of_it_are_an_emergency() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    worker.write_profile(json!({"pregnant": true})).await.expect_ok();
    let one = worker.measure(&[reading("heart_rate", 104)]).await;
    assert_eq!((&one["level"], flags(&one)), (&json!("urgent"), vec![]), "{one}");
    let many = [
        pressure(158, 109),
        reading("heart_rate", 118),
        reading("respiratory_rate", 24),
        reading("spo2", 94),
        reading("temperature", 379),
    ];
    let seen = worker.measure(&many).await;
    assert_eq!((&seen["level"], &seen["emergency_number"]), (&json!("emergency"), &json!("120")), "{seen}");
    assert_eq!(flags(&seen), ["group_warnings"]);
    assert_eq!(operator.open_alerts().await.len(), 1);
}

#[actix_web::test]
async fn an_infants_fever_is_an_emergency_and_a_toddlers_fast_breath_is_seen_soon() {
    let app = TestApp::open().await;
    let station = app.station().await;
    for (phone, born, measured, wanted) in [
        ("15400000012", "2026-10-20", reading("temperature", 392), "emergency"),
        ("15400000013", "2026-07-10", reading("temperature", 392), "urgent"),
        ("15400000014", "2025-09-01", reading("respiratory_rate", 58), "urgent"),
        ("15400000015", "2025-09-01", reading("respiratory_rate", 38), "standard"),
    ] {
        let child = station.check_in(Worker::walk_in().phone(phone).born(born)).await;
        assert_eq!(child.measure(&[measured]).await["level"], wanted, "{born}");
    }
}

#[actix_web::test]
async fn a_childs_limits_are_those_of_its_age() {
    let app = TestApp::open().await;
    let station = app.station().await;
    for (phone, born, heart_rate, wanted) in [
        ("15400000002", "2020-01-01", 165, "emergency"),
        ("15400000003", "2024-11-01", 165, "urgent"),
        ("15400000004", "2026-05-01", 155, "standard"),
        ("15400000005", "2026-05-01", 165, "urgent"),
    ] {
        let child = station.check_in(Worker::walk_in().phone(phone).born(born)).await;
        let readings = [reading("heart_rate", heart_rate), reading("respiratory_rate", 35)];
        let seen = child.measure(&readings).await;
        assert_eq!(seen["news2_applicability"], "under_sixteen");
        let request = json!({"complaint": "发烧", "lane": "consultation_only"});
        let view = child.request_consultation(request).await.expect_created();
        assert_eq!(view["triage"], wanted, "{born}: {seen}");
    }
}

#[actix_web::test]
async fn hi_and_lo_of_a_meter_are_readings_without_a_number() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let meter = |beyond: &str| beyond_meter("glucose", "10*-1.mmol/L", beyond);
    let body = json!({"readings": [meter("high")]});
    let stored = worker.post("/api/v1/readings", body).await.expect_created();
    let reading = &stored["readings"][0];
    assert_eq!((&reading["value"], &reading["beyond"]), (&Value::Null, &json!("high")));
    assert_eq!((&reading["display"], &reading["unit"]), (&json!("HI"), &json!("10*-1.mmol/L")));
    assert_eq!(stored["triage"]["findings"][0]["category"], "above_meter");
    app.pass(30);
    let again = worker.measure(&[meter("high")]).await;
    assert_eq!((&again["level"], flags(&again)), (&json!("emergency"), vec!["glucose_high"]));
    assert_eq!(operator.open_alerts().await.len(), 1);
    let low = json!({"readings": [meter("low")], "context": {"consciousness": "C"}});
    let low = worker.post("/api/v1/readings", low).await.expect_created();
    assert!(flags(&low["triage"]).contains(&"glucose_low"));
    assert_eq!(low["readings"][0]["display"], "LO");
    let page = worker.get("/api/v1/report.html").await.expect_ok();
    assert!(page.as_str().is_some_and(|text| text.contains("HI") && text.contains("LO")), "{page}");
    // Other devices can show them, too; those of a device that cannot are refused.
    worker.measure(&[beyond_meter("temperature", "dCel", "low"), beyond_meter("spo2", "%", "low")]).await;
    for (bad, field) in [
        (beyond_meter("respiratory_rate", "/min", "high"), "readings[0].beyond"),
        (beyond_meter("spo2", "%", "high"), "readings[0].beyond"),
        (json!({"kind": "glucose", "unit": "10*-1.mmol/L", "device": "m"}), "readings[0].value"),
        (
            json!({"kind": "glucose", "value": 333, "beyond": "high", "unit": "10*-1.mmol/L", "device": "m"}),
            "readings[0].beyond",
        ),
    ] {
        let refused = worker.post("/api/v1/readings", json!({"readings": [bad]})).await;
        let problem = refused.expect_refused(Code::InvalidField);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

#[actix_web::test]
async fn every_symptom_that_is_asked_has_first_aid_of_its_own_and_alarms() {
    let app = TestApp::open().await;
    let operator = app.operator().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let list = app.get("", "/api/v1/symptoms").await.expect_ok();
    assert_eq!((&list["emergency_number"], &list["support_number"]), (&json!("120"), &json!("12356")));
    let items = list["items"].as_array().expect("items");
    for code in [
        "chest_pain",
        "stroke_signs",
        "worst_headache",
        "fainting",
        "breathlessness",
        "heavy_bleeding",
        "black_stool_or_vomited_blood",
        "head_injury",
        "eye_injury",
        "chemical_in_eye",
        "burn",
        "electric_shock",
        "gas_or_smoke",
        "fall_from_height",
        "bite_or_sting",
        "face_swelling",
        "dark_urine_after_heat",
        "pregnancy_bleeding",
        "self_harm_thoughts",
    ] {
        let item = items.iter().find(|item| item["code"] == code).unwrap_or_else(|| panic!("{code}"));
        for language in ["zh", "en"] {
            assert!(item["label"][language].as_str().is_some_and(|text| !text.is_empty()));
            assert!(item["first_aid"]["advice"][language].as_str().is_some_and(|text| text.contains("120")));
        }
    }
    let aid =
        |code: &str| items.iter().find(|item| item["code"] == code).expect("asked")["first_aid"].clone();
    assert_eq!(aid("self_harm_thoughts")["emergency_number"], "12356");
    assert!(
        aid("electric_shock")["advice"]["en"].as_str().is_some_and(|text| text.contains("cut the power"))
    );
    assert!(aid("chemical_in_eye")["advice"]["zh"].as_str().is_some_and(|text| text.contains("15")));
    // Only reported, never measured: it alarms all the same.
    let seen = worker.report_symptoms(&["self_harm_thoughts"]).await.expect_created();
    assert_eq!((&seen["level"], flags(&seen)), (&json!("emergency"), vec!["self_harm_thoughts"]));
    assert_eq!(operator.open_alerts().await.len(), 1);
    // A reported symptom stays when something else is measured or reported.
    let seen = worker.report_symptoms(&[]).await.expect_created();
    assert_eq!(seen["symptoms"], json!(["self_harm_thoughts"]));
    let seen = worker.measure(&[reading("spo2", 98)]).await;
    assert_eq!(seen["level"], "emergency");
    let request = json!({"complaint": "心情差", "lane": "consultation_only"});
    let view = worker.request_consultation(request).await.expect_created();
    assert_eq!((&view["triage"], flags(&view)), (&json!("emergency"), vec!["self_harm_thoughts"]));
}

#[actix_web::test]
async fn the_stateless_assessment_obeys_the_same_rules() {
    let app = TestApp::open().await;
    let assess = async |input: Value| app.post("", "/api/v1/triage/assess", input).await.expect_ok();
    let fever = assess(json!({"temperature_tenths_c": 410})).await;
    assert_eq!((&fever["level"], &fever["emergency_number"]), (&json!("emergency"), &json!("120")));
    assert_eq!(flags(&fever), ["temperature_high"]);
    let shock = json!({"systolic_mmhg": 78, "diastolic_mmhg": 50, "heart_rate_per_min": 150,
        "respiratory_rate_per_min": 32, "pregnant": true});
    let shock = assess(shock).await;
    assert_eq!((&shock["level"], &shock["total"]), (&json!("emergency"), &Value::Null));
    assert_eq!(flags(&shock), ["pressure_low", "heart_rate_high", "breathing_fast"]);
    let meter = assess(json!({"glucose_beyond": "low"})).await;
    assert_eq!(flags(&meter), ["glucose_low"]);
    let child = json!({"heart_rate_per_min": 160, "age_years": 6});
    assert_eq!(flags(&assess(child).await), ["heart_rate_high"]);
    let toddler = assess(json!({"heart_rate_per_min": 160, "age_years": 2})).await;
    assert_eq!((&toddler["level"], flags(&toddler)), (&json!("urgent"), vec![]));
    let newborn = assess(json!({"temperature_tenths_c": 385, "age_years": 0})).await;
    assert_eq!(newborn["level"], "emergency");
    let reported = assess(json!({"symptoms": ["electric_shock"]})).await;
    assert_eq!(reported["level"], "emergency");
    assert_eq!(assess(json!({"spo2_percent": 97})).await["level"], "standard");
}

#[actix_web::test]
async fn the_limits_are_a_deployments_own() {
    let app = TestApp::open_with(|config| {
        let limits =
            json!({"version": "clinic-1", "measure_again_s": 60, "single": {"spo2": {"at_most": 91}}});
        config.policy.insert("triage".to_owned(), limits);
    })
    .await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let seen = worker.measure(&[reading("spo2", 91)]).await;
    assert_eq!(
        (&seen["measure_again"]["kind"], &seen["limits_version"]),
        (&json!("spo2"), &json!("clinic-1"))
    );
    app.pass(60);
    assert_eq!(worker.triage().await["level"], "emergency");
}

#[actix_web::test]
async fn the_newest_measurement_counts_whichever_comes_in_first() {
    let app = TestApp::open().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    app.pass(200);
    let at = |seconds: i64, kind: &str, value| {
        let mut reading = reading(kind, value);
        reading["measured_at"] = json!(app.now() - chrono::TimeDelta::seconds(seconds));
        reading
    };
    worker.measure(&[at(10, "spo2", 97)]).await;
    // An older value that a device sends late changes nothing.
    let seen = worker.measure(&[at(120, "spo2", 70)]).await;
    assert_eq!((&seen["measure_again"], flags(&seen)), (&Value::Null, vec![]));
}
