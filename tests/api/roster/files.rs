//! Rules and single shifts from a file.

use super::{planned_for, shifts_of};
use crate::harness::TestApp;
use service::network::import::{
    Existing, ImportError, Loaded,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

const HEADER: &str =
    "staff_email,department,first_date,start_time,length_minutes,rrule,except,last_date,time_zone\n";

async fn load(
    app: &TestApp,
    kind: ImportKind,
    text: &str,
    options: ImportOptions,
) -> Result<Loaded, ImportError> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file.csv");
    std::fs::write(&file, text).expect("written");
    import_csv(&app.state, kind, &file, options, |_, _| ()).await
}

fn problems(outcome: Result<Loaded, ImportError>) -> Vec<(u64, String, String)> {
    let Err(ImportError::Rows(rows)) = outcome else { panic!("not refused: {outcome:?}") };
    rows.into_iter().map(|bad| (bad.line, bad.field, bad.code)).collect()
}

#[actix_web::test]
async fn rules_are_imported_as_a_whole_and_bad_rows_are_named() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let (a, b, p) = (&seed.doctor.email, &seed.doctor_b.email, &seed.pharmacist.email);
    let good = format!(
        "{HEADER}{a},general_practice,2026-11-25,20:00,720,FREQ=DAILY,2026-11-26;2026-11-27,2026-11-30,Asia/Shanghai\n\
         {p},,2026-11-25,08:00,480,\"FREQ=WEEKLY;BYDAY=WE,TH\",,,\n"
    );
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let two = Loaded { added: 2, ..Loaded::default() };
    assert_eq!(load(&app, ImportKind::ShiftRules, &good, dry).await.expect("tried"), two);
    assert_eq!(planned_for(&app, operator, &seed.doctor).await, Vec::<String>::new());
    assert_eq!(
        load(&app, ImportKind::ShiftRules, &good, ImportOptions::default()).await.expect("loaded"),
        two
    );
    let nights =
        ["2026-11-25T12:00:00Z", "2026-11-28T12:00:00Z", "2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z"];
    assert_eq!(planned_for(&app, operator, &seed.doctor).await, nights);
    assert_eq!(planned_for(&app, operator, &seed.pharmacist).await.len(), 4);
    let again = problems(load(&app, ImportKind::ShiftRules, &good, ImportOptions::default()).await);
    let exists = |line| (line, "first_date".to_owned(), "already_exists".to_owned());
    assert_eq!(again, [exists(2), exists(3)]);
    let longer = good.replace(",2026-11-30,", ",2026-12-01,");
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let updated = Loaded { updated: 2, ..Loaded::default() };
    assert_eq!(load(&app, ImportKind::ShiftRules, &longer, update).await.expect("loaded"), updated);
    assert_eq!(planned_for(&app, operator, &seed.doctor).await.len(), 5);
    let bad = format!(
        "{HEADER}{b},,2026-11-25,8 o'clock,480,FREQ=DAILY,,,\n\
         {b},,2026-11-25,08:00,480,FREQ=HOURLY,,,\n\
         nobody@example.cn,,2026-11-25,08:00,480,FREQ=DAILY,,,\n"
    );
    let found = problems(load(&app, ImportKind::ShiftRules, &bad, ImportOptions::default()).await);
    let entry = |line, field: &str, code: &str| (line, field.to_owned(), code.to_owned());
    assert_eq!(found, [entry(2, "start_time", "bad_time"), entry(3, "rrule", "bad_frequency")]);
    let meeting = format!(
        "{HEADER}{b},,2026-11-25,08:00,480,FREQ=DAILY,,,\n\
         {b},,2026-11-25,09:00,60,FREQ=DAILY,,,\n\
         {b},psychiatry,2026-11-25,18:00,60,FREQ=DAILY,,,\n\
         {},,2026-11-25,18:00,60,FREQ=DAILY,,,\n\
         nobody@example.cn,,2026-11-25,08:00,480,FREQ=DAILY,,,\n",
        seed.restocker.email
    );
    let found = problems(load(&app, ImportKind::ShiftRules, &meeting, ImportOptions::default()).await);
    assert_eq!(
        found,
        [
            entry(3, "rrule", "overlaps"),
            entry(4, "department", "unknown"),
            entry(5, "staff_email", "not_rostered"),
            entry(6, "staff_email", "unknown_code"),
        ]
    );
    assert_eq!(planned_for(&app, operator, &seed.doctor_b).await, Vec::<String>::new(), "all or nothing");
}

#[actix_web::test]
async fn overnight_shifts_are_imported_and_an_update_makes_one_of_a_rule_a_single_one() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let email = &seed.doctor.email;
    let rule = format!("{HEADER}{email},,2026-11-25,20:00,720,FREQ=DAILY,,,\n");
    load(&app, ImportKind::ShiftRules, &rule, ImportOptions::default()).await.expect("loaded");
    let shifts = format!(
        "staff_email,starts_at,ends_at\n{email},2026-11-24T20:00:00+08:00,2026-11-25T08:00:00+08:00\n\
         {email},2026-11-25T20:00:00+08:00,2026-11-26T02:00:00+08:00\n"
    );
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let loaded = load(&app, ImportKind::Shifts, &shifts, update).await.expect("loaded");
    assert_eq!(loaded, Loaded { added: 1, updated: 1, skipped: 0, ..Loaded::default() });
    let all = shifts_of(&app, operator, &seed.doctor).await;
    let single = |from: &str, to: &str| (from.to_owned(), to.to_owned(), false);
    assert_eq!(all[1], single("2026-11-24T12:00:00Z", "2026-11-25T00:00:00Z"));
    assert_eq!(all[2], single("2026-11-25T12:00:00Z", "2026-11-25T18:00:00Z"));
    let rules = app.get(operator, "/api/v1/shift-rules").await.expect(200);
    assert_eq!(rules["items"][0]["except"], serde_json::json!(["2026-11-25"]));
    let leave = serde_json::json!({"staff_id": seed.doctor.id, "starts_at": "2026-12-20T00:00:00Z",
        "ends_at": "2026-12-21T00:00:00Z", "reason": "annual"});
    app.post(operator, "/api/v1/leaves", leave).await.expect(201);
    let within = format!(
        "staff_email,starts_at,ends_at\n{email},2026-12-20T20:00:00+08:00,2026-12-21T02:00:00+08:00\n"
    );
    let found = problems(load(&app, ImportKind::Shifts, &within, update).await);
    assert_eq!(found, [(2, "starts_at".to_owned(), "on_leave".to_owned())]);
}
