//! Workers in danger are not sold a drug against it: the triage counts at the sale and
//! at the payment, whatever check-in or screen the danger was seen in.

use serde_json::{Value, json};

use crate::support::{
    Caller, Code, WorkerAtStation,
    care::{pressure, reading},
    counter::{counter, customer, expect_rule, rules_of},
    worker::ORDERS,
};

/// Leaves, and comes back ten minutes later as the same person.
async fn come_back<'a>(worker: WorkerAtStation<'a>, phone: &str) -> WorkerAtStation<'a> {
    worker.leave().await.expect_ok();
    worker.app().pass(600);
    customer(&worker.station, phone).await
}

#[actix_web::test]
async fn in_an_emergency_nothing_is_sold_and_first_aid_is_shown() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000051").await;
    worker.report_symptoms(&["chest_pain"]).await.expect_created();
    worker.measure(&[reading("spo2", 70), reading("heart_rate", 170)]).await;
    for product in ["PCM-T500", "IBU-T200", "PVI-S5"] {
        let refused = worker.buy(&[(product, 1)]).await.expect_refused(Code::SafetyBlocked);
        let emergencies: Vec<&Value> = refused["data"]
            .as_array()
            .expect("findings")
            .iter()
            .filter(|one| one["rule"] == "triage_emergency")
            .collect();
        assert!(emergencies.len() >= 3, "{refused}");
        for one in emergencies {
            assert!(one["message"]["zh"].as_str().is_some_and(|text| text.contains("120")), "{one}");
            assert!(one["message"]["en"].as_str().is_some_and(|text| text.contains("120")), "{one}");
        }
        assert!(refused["data"].to_string().contains("AED"), "the first aid of chest pain: {refused}");
    }
    // Leaving and coming back does not remove it.
    let worker = come_back(worker, "15400000051").await;
    worker.measure(&[reading("spo2", 98), reading("heart_rate", 75)]).await;
    let refused = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "triage_emergency");
    assert_eq!(worker.list(ORDERS).await, Vec::<Value>::new());
}

#[actix_web::test]
async fn the_doctor_who_saw_it_settles_it_and_what_comes_after_counts_again() {
    let app = counter().await;
    let doctor = app.doctor().await;
    let worker = customer(&app.station().await, "15400000052").await;
    worker.report_symptoms(&["burn"]).await.expect_created();
    worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    let consultation = doctor.consult_with(&worker).await;
    // It still counts during the consultation.
    let refused = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "triage_emergency");
    doctor.complete(&consultation).await.expect_ok();
    let order = worker.buy(&[("PCM-T500", 1)]).await.expect_created();
    // Something new is reported before the packs are paid.
    worker.report_symptoms(&["fainting"]).await.expect_created();
    let refused = worker.pay(&order).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "triage_emergency");
}

#[actix_web::test]
async fn an_extreme_is_measured_again_before_anything_is_sold() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000053").await;
    worker.measure(&[reading("heart_rate", 160)]).await;
    let refused = worker.buy(&[("PVI-S5", 1)]).await.expect_refused(Code::SafetyBlocked);
    assert_eq!(rules_of(&refused), ["triage_measure_again"], "{refused}");
    app.pass(20);
    worker.measure(&[reading("heart_rate", 78)]).await;
    worker.buy(&[("PVI-S5", 1)]).await.expect_created();
    worker.measure(&[reading("heart_rate", 160)]).await;
    // Nobody measured again.
    let worker = come_back(worker, "15400000053").await;
    let refused = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "triage_emergency");
}

#[actix_web::test]
async fn what_is_urgent_is_read_and_accepted() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000054").await;
    worker.measure(&[reading("temperature", 392)]).await;
    let warned = worker.buy(&[("PVI-S5", 1)]).await.expect_refused(Code::SafetyWarningsUnaccepted);
    assert_eq!(rules_of(&warned), ["triage_urgent"], "{warned}");
    let order = worker.buy_accepting("PVI-S5", &["triage_urgent"]).await.expect_created();
    assert_eq!(order["safety"]["accepted_warnings"], json!(["triage_urgent"]));
}

#[actix_web::test]
async fn a_painkiller_that_raises_it_is_not_sold_at_a_very_high_blood_pressure() {
    let app = counter().await;
    let station = app.station().await;
    for (at, (systolic, diastolic)) in [(184, 96), (150, 112)].into_iter().enumerate() {
        let worker = customer(&station, &format!("1540000006{at}")).await;
        worker.measure(&[pressure(systolic, diastolic)]).await;
        let rules = ["triage_urgent", "nsaid_severe_pressure"];
        let refused = worker.buy_accepting("IBU-T200", &rules).await.expect_refused(Code::SafetyBlocked);
        expect_rule(&refused, "self_care_severe_pressure");
        worker.buy_accepting("PCM-T500", &["triage_urgent"]).await.expect_created();
    }
    let normal = customer(&station, "15400000069").await;
    normal.measure(&[pressure(150, 92)]).await;
    normal.buy(&[("IBU-T200", 1)]).await.expect_created();
    // A doctor is warned, and may have a reason.
    let draft = json!({"profile": {"age_years": 40, "sex": "male", "systolic": 184, "diastolic": 96},
        "lines": [{"product_code": "IBU-T200", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3}]});
    let report = app.doctor().await.check(draft).await.expect_ok();
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|one| one["rule"] == "nsaid_severe_pressure"), "{report}");
    normal.answer_health_questions(json!({})).await;
}
