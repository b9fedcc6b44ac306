//! Nothing is sold over the counter unchecked: the health questions are asked and the
//! safety rules run before a pack is set aside, and warnings must be accepted.

use serde_json::{Value, json};

use crate::{
    never_list::{disguised, put},
    support::{
        Caller, Code, TestApp, Worker,
        care::reading,
        counter::{counter, customer, expect_rule, man, rules_of},
        worker::ORDERS,
    },
};

/// The fields that a refusal asks for.
fn questions_of(problem: &Value) -> Vec<String> {
    let questions = problem["data"]["questions"].as_array().expect("questions");
    for one in questions {
        assert!(one["question"]["zh"].is_string() && one["question"]["en"].is_string(), "{one}");
    }
    questions.iter().map(|one| one["field"].as_str().expect("a field").to_owned()).collect()
}

#[actix_web::test]
async fn who_was_never_asked_is_asked_what_the_products_need_and_no_more() {
    let app = counter().await;
    let worker = app.station().await.check_in(Worker::walk_in().phone("15400000077")).await;
    let unanswered = async |product: &str| {
        worker.buy(&[(product, 1)]).await.expect_refused(Code::HealthQuestionsUnanswered)
    };
    let problem = unanswered("IBU-T200").await;
    assert_eq!(
        questions_of(&problem),
        ["birth_date", "pregnant", "breastfeeding", "allergies", "conditions", "medicines"]
    );
    let about = &problem["data"]["questions"][4]["about"];
    assert!(about.as_array().expect("conditions").contains(&json!("peptic_ulcer")), "{about}");
    // What stays on the skin asks less; what makes drowsy asks for the job.
    let of_gel = questions_of(&unanswered("DIC-G1").await);
    assert_eq!(of_gel, ["birth_date", "pregnant", "allergies", "conditions", "medicines"]);
    let of_cold = questions_of(&unanswered("COLD-G").await);
    assert_eq!(
        of_cold,
        ["birth_date", "pregnant", "breastfeeding", "allergies", "conditions", "medicines", "job"]
    );
    // What a profile leaves out is unanswered, and does not count as "no".
    let half = json!({"sex": "male", "birth_date": "1990-01-01", "allergies": ["无"]});
    worker.write_profile(half).await.expect_ok();
    assert_eq!(questions_of(&unanswered("IBU-T200").await), ["conditions", "medicines"]);
    let whole = json!({"sex": "male", "birth_date": "1990-01-01", "allergies": ["NKDA"]});
    worker.answer_health_questions(whole).await;
    let order = worker.buy(&[("IBU-T200", 1)]).await.expect_created();
    assert_eq!(order["safety"]["accepted_warnings"], json!([]));
    app.sound().await;
}

#[actix_web::test]
async fn a_woman_of_any_fertile_age_is_asked_and_a_pregnant_one_warned_or_refused() {
    let app = counter().await;
    let woman = Worker::walk_in().phone("15400000077").born("1995-06-01").sex("female");
    let worker = app.station().await.check_in(woman).await;
    worker.answer_health_questions(json!({"pregnant": null, "breastfeeding": null})).await;
    let problem = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::HealthQuestionsUnanswered);
    assert_eq!(questions_of(&problem), ["pregnant", "breastfeeding"]);
    worker.answer_health_questions(json!({"pregnant": true, "breastfeeding": false})).await;
    let refused = worker.buy(&[("IBU-T200", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "contraindication");
    let warned = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyWarningsUnaccepted);
    assert_eq!(rules_of(&warned), ["care_pregnancy"], "one finding per fact");
}

#[actix_web::test]
async fn pregnant_with_a_sick_liver_and_allergic_nothing_of_it_is_set_aside() {
    let app = counter().await;
    let woman = Worker::walk_in().phone("15400000077").born("1992-06-01").sex("female");
    let worker = app.station().await.check_in(woman).await;
    let ill = json!({"pregnant": true, "conditions": ["severe_liver_disease"],
        "allergies": ["nsaids", "paracetamol"]});
    worker.answer_health_questions(ill).await;
    for wanted in [
        &[("PCM-T500", 1), ("COLD-G", 1), ("IBU-T200", 1)][..],
        &[("PCM-T500", 1)],
        &[("COLD-G", 1)],
        &[("IBU-T200", 1)],
    ] {
        let refused = worker.buy(wanted).await.expect_refused(Code::SafetyBlocked);
        expect_rule(&refused, "allergy");
        let first = &refused["data"][0];
        assert_eq!(first["severity"], "block");
        assert!(first["message"]["zh"].is_string() && first["message"]["en"].is_string(), "{first}");
    }
    for slot in [1, 3, 4] {
        assert_eq!(app.packs_in(slot).await.1, 0, "nothing is reserved");
    }
    assert_eq!(worker.list(ORDERS).await, Vec::<Value>::new());
}

#[actix_web::test]
async fn a_warning_is_read_accepted_and_kept() {
    let app = counter().await;
    let worker = app.station().await.check_in(man().phone("15400000077")).await;
    worker.answer_health_questions(json!({"job": "courier"})).await;
    let warned = worker.buy(&[("COLD-G", 1)]).await.expect_refused(Code::SafetyWarningsUnaccepted);
    assert_eq!(rules_of(&warned), ["sedating_machines"]);
    let other = worker.buy_accepting("COLD-G", &["another_rule"]).await;
    other.expect_refused(Code::SafetyWarningsUnaccepted);
    let order = worker.buy_accepting("COLD-G", &["another_rule", "sedating_machines"]).await;
    let order = order.expect_created();
    let accepted = &order["safety"]["accepted_warnings"];
    assert_eq!(*accepted, json!(["sedating_machines"]), "only a warning that was given");
    let again = worker.order(&order).await;
    assert_eq!(again["safety"], order["safety"]);
    assert!(again["safety"]["findings"][0]["message"]["zh"].is_string(), "{again}");
    // The event says that a warning was accepted, not which: that would be health data.
    let events = app.operator().await.get("/api/v1/events/page?limit=100").await;
    if events.status == 200 {
        assert!(!events.body.to_string().contains("sedating_machines"));
    }
    worker.pay(&order).await;
    // The warnings of a prescription are answered by the doctor.
    let mixed = json!({"prescription_id": uuid::Uuid::now_v7(), "accepted_warnings": []});
    worker.post(ORDERS, mixed).await.expect_refused(Code::InvalidField);
}

#[actix_web::test]
async fn of_two_statements_of_age_the_younger_counts() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000073").await;
    worker.answer_health_questions(json!({"birth_date": "2014-06-01", "job": "courier"})).await;
    let refused = worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "self_care_age");
}

#[actix_web::test]
async fn two_products_with_one_drug_in_one_order_are_judged_together() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000033").await;
    let both = worker.buy(&[("PCM-T500", 1), ("COLD-G", 1)]).await;
    let refused = both.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "second_product");
    expect_rule(&refused, "max_day");
    worker.buy(&[("PCM-T500", 1), ("PCM-T500", 1)]).await.expect_refused(Code::InvalidField);
}

#[actix_web::test]
async fn what_nobody_can_judge_is_not_sold_by_a_machine() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000037").await;
    for (answers, rule) in [
        (json!({"medicines": ["祖传秘方"]}), "unknown_medicine"),
        (json!({"allergies": ["祖传秘方"]}), "unknown_allergy"),
        (json!({"medicines": ["paracetamol"]}), "sum_unknown"),
        (json!({"medicines": ["digoxin"]}), "unknown_pair"),
    ] {
        worker.answer_health_questions(answers).await;
        let refused = worker.buy(&[("PCM-T500", 1)]).await.expect(422);
        assert!(refused["code"] == "safety_unknown" || refused["code"] == "safety_blocked", "{refused}");
        expect_rule(&refused, rule);
    }
    // An unknown is nothing that a buyer may accept.
    worker.answer_health_questions(json!({"medicines": ["祖传秘方"]})).await;
    let accepting = worker.buy_accepting("PCM-T500", &["unknown_medicine"]).await;
    accepting.expect_refused(Code::SafetyUnknown);
    worker.answer_health_questions(json!({"medicines": ["无"], "allergies": ["不过敏"]})).await;
    worker.buy(&[("PCM-T500", 1)]).await.expect_created();
}

#[actix_web::test]
async fn age_breath_and_the_job_count() {
    let app = counter().await;
    let station = app.station().await;
    let born = |day: &str| Worker::walk_in().phone("15400000077").born(day).sex("male");
    let child = station.check_in(born("2012-06-01")).await;
    child.answer_health_questions(json!({"job": "courier"})).await;
    let refused = child.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    assert_eq!(rules_of(&refused), ["self_care_age"], "{refused}");
    let small = station.check_in(born("2021-06-01")).await;
    small.answer_health_questions(json!({})).await;
    let refused = small.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "age_minimum");
    let adult = station.check_in(born("1985-06-01")).await;
    adult.answer_health_questions(json!({"job": "construction_at_height"})).await;
    let refused = adult.buy(&[("COLD-G", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "sedating_height");
    adult.measure(&[reading("breath_alcohol", 300)]).await;
    let refused = adult.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "paracetamol_ethanol_breath");
}

#[actix_web::test]
async fn what_is_said_before_paying_counts() {
    let app = counter().await;
    let woman = Worker::walk_in().phone("15400000077").born("1995-06-01").sex("female");
    let worker = app.station().await.check_in(woman).await;
    worker.answer_health_questions(json!({})).await;
    let order = worker.buy(&[("IBU-T200", 1)]).await.expect_created();
    worker.answer_health_questions(json!({"pregnant": true})).await;
    worker.pay(&order).await.expect_refused(Code::SafetyBlocked);
    assert_eq!(worker.order(&order).await["state"], "reserved");
}

#[actix_web::test]
async fn a_product_without_a_sourced_maximum_or_of_the_never_list_is_not_sold() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000038").await;
    let refused = worker.buy(&[("ZNO-O", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "no_sourced_maximum");
    put(&app, disguised(&app, "OLD-DXM", "dextromethorphan")).await;
    let refused = worker.buy(&[("OLD-DXM", 1)]).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "never_list");
    assert_eq!(app.packs_in(8).await.1, 0);
}

#[actix_web::test]
async fn nothing_is_sold_without_consent_to_read_the_record() {
    let app = counter().await;
    let worker = customer(&app.station().await, "15400000039").await;
    worker.withdraw_consent("health_care").await.expect_ok();
    worker.buy(&[("PCM-T500", 1)]).await.expect_refused(Code::ConsentMissing);
}

#[actix_web::test]
async fn a_prescription_is_checked_again_when_it_is_ordered_and_paid() {
    let app = TestApp::open_filled().await;
    let worker = app.station().await.check_in(Worker::adult()).await;
    let prescription = worker.approved_prescription(1).await;
    // Something new that a doctor could answer, and something that nobody can.
    worker.answer_health_questions(json!({"medicines": ["喷托维林"]})).await;
    let again = worker.order_prescribed(prescription).await.expect_refused(Code::SafetyRecheckNeeded);
    assert_eq!(rules_of(&again), ["mucolytic_antitussive"]);
    worker.answer_health_questions(json!({"allergies": ["羧甲司坦"]})).await;
    let refused = worker.order_prescribed(prescription).await.expect_refused(Code::SafetyBlocked);
    expect_rule(&refused, "allergy");
    worker.answer_health_questions(json!({})).await;
    let order = worker.order_prescribed(prescription).await.expect_created();
    worker.answer_health_questions(json!({"allergies": ["羧甲司坦"]})).await;
    worker.pay(&order).await.expect_refused(Code::SafetyBlocked);
    worker.answer_health_questions(json!({})).await;
    worker.pay(&order).await.expect_ok();
    app.sound().await;
}
