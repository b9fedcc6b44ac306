//! A bound that the policy sets is one value: the check, its message and the published schema
//! change with it.

use serde_json::{Value, json};

use crate::support::{Caller, Code, TestApp};
use domain::ids::{ConsultationId, PrescriptionId};

#[actix_web::test]
async fn a_stricter_policy_changes_check_message_and_schema_at_once() {
    let app = TestApp::open_with(|config| {
        let stricter = json!({"max_drugs": 2, "max_times_per_day": 4, "ordinary_days": 5, "reasoned_days": 10,
            "long_term_days": 10, "max_valid_days": 2, "min_reason_chars": 12});
        config.policy.insert("prescribing".to_owned(), stricter);
    })
    .await;
    let doctor = app.doctor().await;
    let line = |times: u32, days: u32| json!({"product_code": "PCM-T500", "dose_units_thousandths": 1000, "times_per_day": times, "days": days});
    let draft =
        |lines: Vec<Value>| json!({"lines": lines, "diagnoses": [{"name": "感冒"}], "kind": "ordinary"});
    let drafts = format!("/api/v1/consultations/{}/prescriptions", ConsultationId::generate());
    let prescription = format!("/api/v1/prescriptions/{}", PrescriptionId::generate());
    let (sign, void) = (format!("{prescription}/sign"), format!("{prescription}/void"));
    // What the policy allows is read, and then finds nothing.
    let allowed = [
        (&drafts, draft(vec![line(4, 10); 2])),
        (&sign, json!({"pin": "739154", "valid_days": 2})),
        (&void, json!({"reason": "twelve chars"})),
    ];
    for (path, body) in allowed {
        doctor.post(path, body).await.expect_refused(Code::NotFound);
    }
    let document = app.get("", "/api/v1/openapi.json").await.body;
    let cases = [
        (&drafts, draft(vec![line(1, 1); 3]), "lines", "/PrescriptionInput/properties/lines/maxItems", 2),
        (
            &drafts,
            draft(vec![line(5, 1)]),
            "lines[0].times_per_day",
            "/LineInput/properties/times_per_day/maximum",
            4,
        ),
        (&drafts, draft(vec![line(1, 11)]), "lines[0].days", "/LineInput/properties/days/maximum", 10),
        (
            &sign,
            json!({"pin": "739154", "valid_days": 3}),
            "valid_days",
            "/SignInput/properties/valid_days/maximum",
            2,
        ),
        (&void, json!({"reason": "too short"}), "reason", "/Reason/minLength", 12),
    ];
    for (path, body, field, bound, value) in cases {
        let refused = doctor.post(path, body).await.expect_refused(Code::InvalidField);
        let errors = refused["errors"].as_array().expect("errors");
        assert!(errors.len() == 1 && errors[0]["field"] == field, "{refused}");
        assert!(
            errors[0]["message"].as_str().is_some_and(|text| text.contains(&value.to_string())),
            "{refused}"
        );
        let published = document.pointer(&format!("/components/schemas{bound}"));
        assert_eq!(published, Some(&json!(value)), "{bound}");
    }
}
