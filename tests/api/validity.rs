//! How long a prescription may be used, and how much it may supply: every bound of the law, on both sides.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{
    Caller, Code,
    prescribing::{Scene, draft_of, id_of},
    seed::SIGNING_PIN,
};
use domain::prescription::PrescribingPolicy;

fn lasting(product: &str, kind: &str, days: u32, reason: Option<&str>) -> Value {
    let mut draft = draft_of(&[product]);
    draft["kind"] = json!(kind);
    (draft["lines"][0]["days"], draft["long_supply_reason"]) = (json!(days), json!(reason));
    // Once a day, so that no maximum of the drug is met before the days are.
    draft["lines"][0]["times_per_day"] = json!(1);
    if kind == "long_term" {
        draft["diagnoses"] = json!([{"code": "I10", "name": "高血压"}]);
        (draft["stable_attested"], draft["patient_confirmed"]) = (json!(true), json!(true));
    }
    draft
}

/// The code of the first broken rule of a draft, if there is one; drafts are withdrawn again.
async fn broken(scene: &Scene, draft: Value) -> Option<String> {
    let answer = scene.doctor().draft(scene.consultation, draft).await;
    if answer.status == 201 {
        let id = answer.body["id"].as_str().expect("an id");
        scene.doctor().withdraw(id, "only tried").await.expect_ok();
        return None;
    }
    // What is beyond every kind of supply, the schema refuses.
    let problem = answer.expect(422);
    assert_eq!(problem["errors"][0]["field"], "lines[0].days", "{problem}");
    Some(problem["errors"][0]["code"].as_str().expect("a code").to_owned())
}

#[actix_web::test]
async fn days_of_supply_have_their_bounds() {
    let scene = Scene::open().await;
    let reason = Some("travels to the sea");
    for (product, kind, days, why, code) in [
        ("LOR-T10", "ordinary", 7, None, None),
        ("LOR-T10", "ordinary", 8, None, Some("reason_needed")),
        ("LOR-T10", "ordinary", 8, Some("abc"), Some("reason_needed")),
        ("LOR-T10", "ordinary", 8, reason, None),
        ("LOR-T10", "ordinary", 30, reason, None),
        ("LOR-T10", "ordinary", 31, reason, Some("too_long")),
        ("LOR-T10", "emergency", 3, None, None),
        ("LOR-T10", "emergency", 4, None, Some("reason_needed")),
        ("LOR-T10", "emergency", 4, reason, None),
        ("AML-T5", "long_term", 28, None, None),
        ("AML-T5", "long_term", 29, None, Some("reason_needed")),
        ("AML-T5", "long_term", 84, Some("stable for two years; assessed today"), None),
        ("PCM-T500", "long_term", 1, reason, Some("analgesic_long_term")),
        ("AML-T5", "long_term", 85, reason, Some("out_of_range")),
        ("AMX-C500", "long_term", 1, reason, Some("antimicrobial_long_term")),
    ] {
        let found = broken(&scene, lasting(product, kind, days, why)).await;
        assert_eq!(found.as_deref(), code, "{product} {kind} {days} {why:?}");
    }
}

#[actix_web::test]
async fn the_validity_is_chosen_between_today_and_three_days() {
    let scene = Scene::open().await;
    let doctor = scene.doctor();
    for (days, until) in [
        (1, "2026-11-23T15:59:59.999999Z"),
        (2, "2026-11-24T15:59:59.999999Z"),
        (3, "2026-11-25T15:59:59.999999Z"),
    ] {
        let id = scene.draft(&["PCM-T500"]).await;
        let signed = doctor.sign_with(&id, json!({"pin": SIGNING_PIN, "valid_days": days})).await.expect_ok();
        assert_eq!(signed["valid_until"], until);
        doctor.withdraw(&id, "only tried").await.expect_ok();
    }
    let id = scene.draft(&["PCM-T500"]).await;
    for days in [4, 30, u32::MAX] {
        let refused = doctor.sign_with(&id, json!({"pin": SIGNING_PIN, "valid_days": days})).await;
        let problem = refused.expect(422);
        assert_eq!(problem["errors"][0]["field"], "valid_days", "{problem}");
    }
    for days in [json!(0), json!(-1), json!(1.5), json!("2")] {
        let refused = doctor.sign_with(&id, json!({"pin": SIGNING_PIN, "valid_days": days})).await;
        refused.expect_refused(Code::InvalidField);
    }
}

#[actix_web::test]
async fn under_six_hours_of_the_day_the_extension_is_proposed_and_the_doctor_decides() {
    // Tests begin at ten in Shanghai.
    for (seconds, proposed) in [(8 * 3600 - 1, false), (8 * 3600 + 1, true)] {
        let mut scene = Scene::open().await;
        scene.pass(seconds).await;
        let id = scene.draft(&["PCM-T500"]).await;
        let doctor = scene.doctor();
        let answer = doctor.sign(&id).await;
        assert_eq!(answer.status == 422, proposed, "{seconds}: {}", answer.body);
        if proposed {
            let problem = answer.expect_refused(Code::PrescribingRule);
            assert_eq!(problem["errors"][0]["code"], "extension_proposed");
            assert_eq!(problem["data"]["valid_until"], "2026-11-24T15:59:59.999999Z");
            // Declined: it ends today.
            let today = json!({"pin": SIGNING_PIN, "valid_days": 1});
            let signed = doctor.sign_with(&id, today).await.expect_ok();
            assert_eq!(signed["valid_until"], "2026-11-23T15:59:59.999999Z");
        }
    }
}

#[actix_web::test]
async fn it_is_usable_to_the_last_instant_of_the_day_in_shanghai_and_not_after() {
    let scene = Scene::open().await;
    let id = id_of(&scene.approved(&["PCM-T500"]).await);
    let starts = async |after: TimeDelta| {
        let read = scene.app.state.read(service::Actor::System, move |conn, app| {
            service::prescription::dispense::verify_for_start(conn, app, id, app.now() + after)
        });
        read.await.expect("looked")
    };
    let midnight = TimeDelta::hours(14);
    assert!(starts(midnight - TimeDelta::microseconds(1)).await);
    assert!(!starts(midnight).await);
}

#[actix_web::test]
async fn the_policy_of_the_signature_is_kept_with_it() {
    let scene = Scene::open().await;
    let id = scene.approved(&["PCM-T500"]).await;
    let stored = scene
        .app
        .state
        .read(service::Actor::System, {
            let id = id_of(&id);
            move |conn, _| -> Result<Vec<String>, service::Failure> {
                let all = storage::events::events_of(conn, domain::ids::Id::from_uuid(id.uuid()))?;
                Ok(all
                    .into_iter()
                    .filter(|one| one.kind == "prescription.signed")
                    .map(|one| one.payload)
                    .collect())
            }
        })
        .await
        .expect("read");
    let signed: Value = serde_json::from_str(&stored[0]).expect("JSON");
    assert_eq!(signed["policy_version"], json!(PrescribingPolicy::default().version));
    assert!(signed["ruleset_version"].as_str().is_some_and(|version| version.starts_with("safety-")));
}

#[actix_web::test]
async fn what_was_withdrawn_is_neither_ordered_nor_started() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 5).await;
    let id = scene.approved(&["PCM-T500"]).await;
    let (worker, doctor) = (scene.worker(), scene.doctor());
    let order = worker.order_prescribed(&id).await.expect_created();
    doctor.withdraw(&id, "too late for that").await.expect_refused(Code::StateMovedOn);
    worker.cancel(&order).await.expect_ok();
    doctor.withdraw(&id, "nothing was taken").await.expect_ok();
    worker.order_prescribed(&id).await.expect_refused(Code::StateMovedOn);
    assert_eq!(doctor.prescription(&id).await.expect_ok()["state"], "void");
}

#[actix_web::test]
async fn it_is_redeemed_once_however_many_ask_at_once() {
    let scene = Scene::open().await;
    scene.app.fill_slot(&scene.seed, 1, "PCM-T500", 9).await;
    let id = scene.approved(&["PCM-T500"]).await;
    let worker = scene.worker();
    let answers = futures_util::future::join_all((0..6).map(|_| worker.order_prescribed(&id))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for refused in answers.into_iter().filter(|answer| answer.status != 201) {
        refused.expect_refused(Code::UnitsExceeded);
    }
    scene.sound().await;
}
