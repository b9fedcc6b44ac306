//! Editions of the safety rules: a pharmacist changes a maximum without a release, and a second person
//! approves it.

use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    key_rotation::command,
    support::{
        Caller, Code, Pharmacist, TestApp, id_in,
        prescribing::{Scene, draft_of},
    },
};
use storage::{on_backend, schema::rule_edition};

const EDITIONS: &str = "/api/v1/rule-editions";

/// The tables of an edition in which paracetamol is limited to `day_mg` a day.
fn limited(version: &str, csv: &str, day_mg: u32) -> Value {
    let was = "paracetamol,500,650,4,2000,";
    assert!(csv.contains(was), "{csv}");
    let limits = csv.replace(was, &format!("paracetamol,500,650,4,{day_mg},"));
    json!({"edition": format!("version,zh,en\n{version},更低的限量,A lower limit\n"), "limits": limits})
}

async fn limits(pharmacist: &Pharmacist<'_>) -> Value {
    pharmacist.get("/api/v1/safety-rules/limits").await.expect_ok()
}

/// Proposes a lower maximum; returns the edition.
async fn propose(pharmacist: &Pharmacist<'_>, version: &str, day_mg: u32) -> Value {
    let csv = limits(pharmacist).await["csv"].as_str().expect("a text").to_owned();
    let body = json!({"tables": limited(version, &csv, day_mg), "note": "说明书已修订。"});
    pharmacist.post(EDITIONS, body).await.expect_created()
}

async fn approve(by: &impl Caller, edition: &Value, effective_at: Value) -> crate::support::Answer {
    by.post(&format!("{EDITIONS}/{}/approve", id_in(edition)), json!({"effective_at": effective_at})).await
}

/// What a check says of paracetamol, 1,500 mg a day: verdict, and version of the rules.
async fn judged(scene: &Scene) -> (String, String) {
    let draft = json!({"profile": {}, "lines": draft_of(&["PCM-T500"])["lines"]});
    let report = scene.doctor().check(draft).await.expect_ok();
    let text = |name: &str| report[name].as_str().expect("a text").to_owned();
    (text("verdict"), text("ruleset_version"))
}

#[actix_web::test]
async fn a_maximum_that_a_pharmacist_changes_holds_once_a_second_person_approves_it() {
    let mut scene = Scene::open().await;
    let before = judged(&scene).await;
    assert_ne!(before.0, "block");
    let kept = scene.signed(&["PCM-T500"]).await;
    let edition = propose(&scene.pharmacist(), "safety-low", 1000).await;
    assert_eq!((&edition["state"], &edition["in_force"]), (&json!("proposed"), &json!(false)));
    assert_eq!(judged(&scene).await, before, "a proposal changes nothing");
    approve(&scene.pharmacist(), &edition, Value::Null).await.expect_refused(Code::OwnApproval);
    scene
        .doctor()
        .post(&format!("{EDITIONS}/{}/approve", id_in(&edition)), json!({}))
        .await
        .expect_refused(Code::RoleNotAllowed);
    let second = scene.another_pharmacist("second@example.cn").await;
    let approved = approve(&second, &edition, Value::Null).await.expect_ok();
    assert_eq!((&approved["state"], &approved["in_force"]), (&json!("approved"), &json!(true)));
    assert_eq!(approve(&second, &edition, Value::Null).await.expect_ok(), approved, "again is no error");
    assert_eq!(judged(&scene).await, ("block".to_owned(), "safety-low".to_owned()));
    let shown = limits(&second).await;
    assert_eq!(shown["ruleset_version"], "safety-low");
    let rule = shown["rules"].as_array().expect("rules").iter().find(|rule| rule["id"] == "paracetamol");
    let cells = rule.expect("paracetamol")["cells"].as_array().expect("cells");
    assert!(cells.contains(&json!({"field": "day_mg", "value": "1000"})), "{cells:?}");

    // What was signed keeps the edition of its decision, and the review, which checks again, refuses it.
    let signed = scene.pharmacist().prescription(&kept).await.expect_ok();
    assert_eq!(signed["safety"]["ruleset_version"], json!(before.1));
    scene.pharmacist().approve(&kept).await.expect_refused(Code::SafetyBlocked);

    // Withdrawn, the rules before it apply again, at every instance.
    let other = scene.app.another().await;
    let path = format!("{EDITIONS}/{}/withdraw", id_in(&edition));
    let withdrawn = second.post(&path, json!({"reason": "说明书的修订被撤回"})).await.expect_ok();
    assert_eq!((&withdrawn["state"], &withdrawn["in_force"]), (&json!("withdrawn"), &json!(false)));
    assert_eq!(judged(&scene).await, before);
    scene.pass(20).await;
    let check = json!({"profile": {}, "lines": draft_of(&["PCM-T500"])["lines"]});
    service::formulary::edition::look(&other.state).await.expect("the job that looks");
    let there = other.post(&scene.seed.doctor.token, "/api/v1/prescriptions/check", check).await.expect(200);
    assert_eq!(there["ruleset_version"], json!(before.1));
    scene.pharmacist().approve(&kept).await.expect_ok();
}

#[actix_web::test]
async fn an_edition_that_changes_between_draft_and_signature_is_the_one_that_counts() {
    let scene = Scene::open().await;
    let draft = scene.draft(&["PCM-T500"]).await;
    let edition = propose(&scene.pharmacist(), "safety-low", 1000).await;
    approve(&scene.another_pharmacist("second@example.cn").await, &edition, Value::Null).await.expect_ok();
    scene.doctor().sign(&draft).await.expect_refused(Code::SafetyBlocked);
}

#[actix_web::test]
async fn an_edition_applies_from_its_time_on_at_every_instance() {
    let mut scene = Scene::open().await;
    let before = judged(&scene).await;
    let edition = propose(&scene.pharmacist(), "safety-later", 1000).await;
    let second = scene.another_pharmacist("second@example.cn").await;
    let now = scene.app.now();
    for wrong in [now - chrono::TimeDelta::minutes(1), now + chrono::TimeDelta::days(91)] {
        let refused = approve(&second, &edition, json!(wrong)).await.expect_refused(Code::InvalidField);
        assert_eq!(refused["errors"][0]["field"], "effective_at");
    }
    approve(&second, &edition, json!(now + chrono::TimeDelta::minutes(5))).await.expect_ok();
    assert_eq!(judged(&scene).await, before);
    let other = scene.app.another().await;
    scene.pass(299).await;
    assert_eq!(judged(&scene).await, before);
    scene.pass(1).await;
    assert_eq!(judged(&scene).await, ("block".to_owned(), "safety-later".to_owned()));
    assert_eq!(other.state.rules().edition, "safety-later");
    // A process that starts later reads it too.
    assert_eq!(scene.app.another().await.state.rules().edition, "safety-later");
}

#[actix_web::test]
async fn every_fault_of_a_table_is_told_by_line_and_column_and_nothing_is_stored() {
    let scene = Scene::open().await;
    let pharmacist = scene.pharmacist();
    let edition = "version,zh,en\nsafety-bad,甲,One\n";
    let limits = "ingredient,dose_mg,sustained_dose_mg,usual_times,day_mg,days,fever_days,only_one_product,source\n\
                  paracetamol,500,,4,-2,5,3,yes,cn_paracetamol\n\
                  unobtainium,500,,4,2000,5,3,yes,cn_paracetamol\n\
                  ibuprofen,400,,3,1200,5,3,no,nobody\n";
    let tables = json!({"edition": edition, "limits": limits});
    let report = pharmacist.post(&format!("{EDITIONS}/check"), json!({"tables": tables})).await.expect_ok();
    let told: Vec<(u64, &str, &str)> = report["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .filter(|fault| fault["table"] == "limits")
        .map(|fault| {
            let text = |name: &str| fault[name].as_str().expect("a text");
            (fault["line"].as_u64().expect("a line"), text("field"), text("code"))
        })
        .collect();
    for wanted in [(2, "day_mg", "invalid"), (3, "ingredient", "unknown_name"), (4, "source", "no_source")] {
        assert!(told.contains(&wanted), "{wanted:?} is not in {told:?}");
    }
    let body = json!({"tables": tables, "note": "样例"});
    let refused = pharmacist.post(EDITIONS, body).await.expect_refused(Code::InvalidField);
    let fields: Vec<&str> = refused["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert!(fields.contains(&"tables.limits:2.day_mg"), "{fields:?}");
    assert_eq!(pharmacist.list(EDITIONS).await, Vec::<Value>::new());
    // A version is used once, that of the shipped rules too.
    let shipped = pharmacist.get("/api/v1/safety-rules/edition").await.expect_ok()["csv"].clone();
    let body = json!({"tables": {"edition": shipped}, "note": "样例"});
    pharmacist.post(EDITIONS, body).await.expect_refused(Code::AlreadyExists);
    propose(&pharmacist, "safety-low", 1000).await;
    let again = json!({"tables": {"edition": "version,zh,en\nsafety-low,甲,One\n"}, "note": "样例"});
    pharmacist.post(EDITIONS, again).await.expect_refused(Code::AlreadyExists);
}

#[actix_web::test]
async fn what_an_edition_changes_is_told_cell_by_cell_to_those_who_work_with_the_rules() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let pharmacist = Pharmacist::new(&app, &seed.pharmacist);
    let edition = propose(&pharmacist, "safety-low", 1000).await;
    let path = format!("{EDITIONS}/{}", id_in(&edition));
    let detail = app.get(&seed.operator.token, &path).await.expect(200);
    let cell = json!({"field": "day_mg", "before": "2000", "after": "1000"});
    let changed = json!({"table": "limits", "id": "paracetamol", "change": "changed", "cells": [cell]});
    let changes = detail["changes"].as_array().expect("changes");
    assert!(changes.contains(&changed), "{changes:?}");
    assert!(
        changes
            .iter()
            .all(|change| ["limits", "edition"].contains(&change["table"].as_str().expect("a name")))
    );
    for path in [EDITIONS, &path, "/api/v1/safety-rules/pairs"] {
        app.get(&seed.doctor.token, path).await.expect(200);
        app.get(&seed.safety_officer.token, path).await.problem(403, "role_not_allowed");
    }
    app.get(&seed.doctor.token, "/api/v1/safety-rules/nothing").await.problem(404, "not_found");
    let page = app.get(&seed.operator.token, "/api/v1/safety-rules.html").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    app.get(&seed.doctor.token, "/api/v1/safety-rules.html").await.problem(403, "role_not_allowed");
    // Two operators are not enough: one of the two is a pharmacist.
    let csv = limits(&pharmacist).await["csv"].as_str().expect("a text").to_owned();
    let body = json!({"tables": limited("safety-operator", &csv, 900), "note": "样例"});
    let proposed = app.post(&seed.operator.token, EDITIONS, body).await.expect(201);
    let second = app.person(crypto::tokens::Role::Operator, "second@example.cn", None, None).await;
    let approve_path = format!("{EDITIONS}/{}/approve", id_in(&proposed));
    app.post(&second.token, &approve_path, json!({})).await.problem(403, "role_not_allowed");
    let approved = pharmacist.post(&approve_path, json!({})).await.expect_ok();
    assert_eq!(approved["in_force"], json!(true));
}

/// What an earlier program stored may be nothing that a later one can read.
#[actix_web::test]
async fn an_edition_that_cannot_be_read_is_named_by_the_command_and_can_be_withdrawn() {
    let scene = Scene::open().await;
    let shipped = scene.app.state.rules().edition.clone();
    let edition = propose(&scene.pharmacist(), "safety-low", 1000).await;
    approve(&scene.another_pharmacist("second@example.cn").await, &edition, Value::Null).await.expect_ok();
    // The command has the clock of this computer: the edition is in force by then.
    let (good, told) = command(&scene.app, &["rules", "check"]);
    assert!(good, "{told}");
    let broken =
        json!({"edition": "version,zh,en\nsafety-low,甲,One\n", "limits": "ingredient\nx\n"}).to_string();
    let mut conn = scene.app.connection();
    on_backend!(&mut conn, c => diesel::update(rule_edition::table)
        .set(rule_edition::tables.eq(&broken))
        .execute(c))
    .expect("changed");
    let (good, told) = command(&scene.app, &["rules", "check"]);
    assert!(!good && told.contains("safety-low: limits line 1, row: unreadable"), "{told}");
    let (good, told) = command(&scene.app, &["rules", "withdraw", "safety-high", "--reason", "样例"]);
    assert!(!good && told.contains("no such edition"), "{told}");
    let (good, told) = command(&scene.app, &["rules", "withdraw", "safety-low", "--reason", "样例"]);
    assert!(good, "{told}");
    assert!(command(&scene.app, &["rules", "check"]).0);
    assert_eq!(scene.app.another().await.state.rules().edition, shipped);
    let shown = scene.pharmacist().list(EDITIONS).await;
    assert_eq!((&shown[0]["state"], &shown[0]["withdrawn_by"]), (&json!("withdrawn"), &Value::Null));
}

/// An approver sees verdicts, not only cells.
#[actix_web::test]
async fn a_trial_and_an_edition_show_the_worked_cases_that_they_change() {
    let scene = Scene::open().await;
    let pharmacist = scene.pharmacist();
    let pairs = pharmacist.get("/api/v1/safety-rules/pairs").await.expect_ok();
    let pairs = pairs["csv"].as_str().expect("a text");
    let weaker = pairs.replace(
        "pde5_nitrate,class:pde5_inhibitor,class:nitrate,always,block",
        "pde5_nitrate,class:pde5_inhibitor,class:nitrate,always,warn",
    );
    assert_ne!(weaker, pairs);
    let edition = "version,zh,en\nsafety-weaker,更宽松,Weaker\n";
    let tables = json!({"edition": edition, "pairs": weaker});
    let trial = pharmacist.post(&format!("{EDITIONS}/check"), json!({"tables": tables})).await.expect_ok();
    let cases = &trial["cases"];
    assert!(cases["cases_run"].as_u64() > Some(5_000), "{cases}");
    assert!(cases["blocks_lost"].as_u64() > Some(0), "{cases}");
    assert!(cases["warning"]["zh"].as_str().is_some_and(|text| text.contains("不再拦截")), "{cases}");
    let first = &cases["changes"][0];
    assert_eq!((&first["before"], &first["after"]), (&json!("block"), &json!("warn")), "{first}");
    let finding = json!({"rule": "pde5_nitrate", "before": "block", "after": "warn"});
    assert!(first["findings"].as_array().expect("findings").contains(&finding), "{first}");
    assert!(cases["changes"].as_array().expect("changes").len() <= 200);
    // A lower maximum loses nothing, and the stored edition shows the same as its trial.
    let proposed = propose(&pharmacist, "safety-low", 1000).await;
    let shown = pharmacist.get(&format!("{EDITIONS}/{}", id_in(&proposed))).await.expect_ok();
    assert_eq!((&shown["cases"]["blocks_lost"], shown["cases"].get("warning")), (&json!(0), None), "{shown}");
    assert!(shown["cases"]["cases_changed"].as_u64() > Some(0), "{shown}");
    // One with faults shows none.
    let broken = json!({"tables": {"edition": edition, "limits": "ingredient\nx\n"}});
    let report = pharmacist.post(&format!("{EDITIONS}/check"), broken).await.expect_ok();
    assert!(report.get("cases").is_none() && report["faults"] != json!([]), "{report}");
}

#[actix_web::test]
async fn a_folder_of_tables_is_tried_and_proposed_by_command_and_approved_by_a_second_person() {
    let scene = Scene::open().await;
    let csv = limits(&scene.pharmacist()).await["csv"].as_str().expect("a text").to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path").to_owned();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    let lower = csv.replace("paracetamol,500,650,4,2000,", "paracetamol,500,650,4,1000,");
    write("limits.csv", &lower);
    let (good, told) = command(&scene.app, &["rules", "check", &path]);
    assert!(!good && told.contains("edition.csv"), "{told}");
    write("edition.csv", "version,zh,en\nsafety-folder,更低的限量,A lower limit\n");
    let (good, told) = command(&scene.app, &["rules", "check", &path]);
    assert!(good && told.contains("limits paracetamol: changed"), "{told}");
    assert!(told.contains("day_mg: \"2000\" -> \"1000\"") && told.contains("max_day: - -> block"), "{told}");
    write("limits.csv", &lower.replace("paracetamol,500,", "paracetamol,many,"));
    let (good, told) = command(&scene.app, &["rules", "check", &path]);
    assert!(!good && told.contains("limits line") && told.contains("dose_mg"), "{told}");
    write("limits.csv", &lower);
    let import =
        |by: &str| command(&scene.app, &["rules", "import", &path, "--by", by, "--note", "说明书已修订。"]);
    let (good, told) = import("nobody@example.cn");
    assert!(!good && told.contains("no operator or pharmacist"), "{told}");
    assert!(scene.pharmacist().list(EDITIONS).await.is_empty());
    let second = scene.another_pharmacist("second@example.cn").await;
    let (good, told) = import("second@example.cn");
    assert!(good && told.contains("safety-folder"), "{told}");
    let (good, told) = import("second@example.cn");
    assert!(!good && told.contains("used before"), "{told}");
    let listed = scene.pharmacist().list(EDITIONS).await;
    assert_eq!(listed[0]["state"], "proposed");
    approve(&second, &listed[0], Value::Null).await.expect_refused(Code::OwnApproval);
    let approved = approve(&scene.pharmacist(), &listed[0], Value::Null).await.expect_ok();
    assert_eq!(
        (&approved["ruleset_version"], &approved["in_force"]),
        (&json!("safety-folder"), &json!(true))
    );
}
