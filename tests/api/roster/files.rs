//! Rules and single shifts from a file.

use diesel::prelude::*;
use futures_util::future::join3;
use serde_json::{Value, json};

use super::{planned_for, shifts_of};
use crate::harness::TestApp;
use service::network::import::{
    Existing, ImportError, Loaded,
    csv_file::{ImportKind, ImportOptions, import_csv},
};
use storage::schema::event;

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
        "staff_email,starts_at,ends_at,department\n\
         {email},2026-11-24T20:00:00+08:00,2026-11-25T08:00:00+08:00,\n\
         {email},2026-11-25T20:00:00+08:00,2026-11-26T02:00:00+08:00,\n"
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
        "staff_email,starts_at,ends_at,department\n\
         {email},2026-12-20T20:00:00+08:00,2026-12-21T02:00:00+08:00,\n"
    );
    let found = problems(load(&app, ImportKind::Shifts, &within, update).await);
    assert_eq!(found, [(2, "starts_at".to_owned(), "on_leave".to_owned())]);
}

#[actix_web::test]
async fn what_was_cancelled_or_moved_by_hand_stays_so_when_the_file_is_loaded_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let email = &seed.doctor.email;
    let file = |minutes: i32, except: &str| {
        format!("{HEADER}{email},,2026-11-25,08:00,{minutes},FREQ=DAILY,{except},,\n")
    };
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    load(&app, ImportKind::ShiftRules, &file(480, "2026-12-01;2026-12-02"), update).await.expect("loaded");
    let list = app.get(operator, &format!("/api/v1/shifts?staff_id={}", seed.doctor.id)).await.expect(200);
    let path_on = |start: &str| {
        let mut items = list["items"].as_array().expect("a list").iter();
        super::path_of(items.find(|item| item["starts_at"] == start).expect("a shift"))
    };
    let cancelled = path_on("2026-12-05T00:00:00Z");
    app.post(operator, &format!("{cancelled}/cancel"), json!({})).await.expect(200);
    let later = json!({"starts_at": "2026-12-06T03:00:00Z", "ends_at": "2026-12-06T11:00:00Z"});
    app.put(operator, &path_on("2026-12-06T00:00:00Z"), "*", later).await.expect(200);
    // The file is loaded again, with longer shifts and one exception date less: its own date is a shift
    // again, and what somebody did by hand stays.
    let again = file(500, "2026-12-02");
    let dry = ImportOptions { dry_run: true, ..update };
    let kept = Loaded { updated: 1, kept_by_hand: 2, ..Loaded::default() };
    assert_eq!(load(&app, ImportKind::ShiftRules, &again, dry).await.expect("tried"), kept);
    assert_eq!(load(&app, ImportKind::ShiftRules, &again, update).await.expect("loaded"), kept);
    let all = shifts_of(&app, operator, &seed.doctor).await;
    let on = |day: &str| -> Vec<String> {
        all.iter().filter(|shift| shift.0.starts_with(day)).map(|shift| shift.0[11..16].to_owned()).collect()
    };
    assert_eq!(on("2026-12-05"), Vec::<String>::new(), "cancelled by hand");
    assert_eq!(on("2026-12-06"), ["03:00"], "moved by hand");
    assert_eq!((on("2026-12-01"), on("2026-12-02")), (vec!["00:00".to_owned()], vec![]), "the file's dates");
    let rules = app.get(operator, "/api/v1/shift-rules").await.expect(200);
    let rule = &rules["items"][0];
    assert_eq!(rule["except"], json!(["2026-12-02", "2026-12-05", "2026-12-06"]));
    // In the form the dates are seen, so that what is left out there is given up; the others keep their origin.
    let path = format!("/api/v1/shift-rules/{}", rule["id"].as_str().expect("an id"));
    let form = json!({"first_date": "2026-11-25", "start_time": "08:00", "length_minutes": 500,
        "rrule": "FREQ=DAILY", "except": ["2026-12-02", "2026-12-06"]});
    app.put(operator, &path, "*", form).await.expect(200);
    let last = Loaded { updated: 1, kept_by_hand: 1, ..Loaded::default() };
    assert_eq!(load(&app, ImportKind::ShiftRules, &file(500, ""), update).await.expect("loaded"), last);
    assert_eq!(app.get(operator, &path).await.expect(200)["except"], json!(["2026-12-06"]));
}

#[actix_web::test]
async fn a_file_and_a_form_add_no_two_shifts_of_one_time() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, email) = (&seed.operator.token, &seed.doctor.email);
    for day in 25..29 {
        let file = format!(
            "staff_email,starts_at,ends_at\n{email},2026-11-{day}T00:00:00Z,2026-11-{day}T08:00:00Z\n"
        );
        let body = json!({"staff_id": seed.doctor.id, "starts_at": format!("2026-11-{day}T01:00:00Z"),
            "ends_at": format!("2026-11-{day}T09:00:00Z")});
        let leave = json!({"staff_id": seed.doctor.id, "starts_at": format!("2026-11-{day}T07:00:00Z"),
            "ends_at": format!("2026-11-{day}T10:00:00Z"), "reason": "sick"});
        let (file, form, leave) = join3(
            load(&app, ImportKind::Shifts, &file, ImportOptions::default()),
            app.post(operator, "/api/v1/shifts", body),
            app.post(operator, "/api/v1/leaves", leave),
        )
        .await;
        leave.expect(201);
        let of_day = shifts_of(&app, operator, &seed.doctor).await;
        let of_day: Vec<_> =
            of_day.into_iter().filter(|shift| shift.0.starts_with(&format!("2026-11-{day}"))).collect();
        assert!(of_day.len() <= 1, "{of_day:?} {file:?} {form:?}");
        assert!(of_day.iter().all(|shift| shift.1.as_str() <= format!("2026-11-{day}T07:00:00Z").as_str()));
    }
}

#[actix_web::test]
async fn a_file_that_changes_shifts_is_told_like_a_form_and_changes_none_that_is_over() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor, email) = (&seed.operator.token, &seed.doctor.token, &seed.doctor.email);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let shift = super::current_shift(&app, &seed).await;
    let starts_at = shift["starts_at"].as_str().expect("an instant");
    let file =
        |until: &str| format!("staff_email,starts_at,ends_at,department\n{email},{starts_at},{until},\n");
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    let shorter = file("2026-11-23T01:59:00Z");
    load(&app, ImportKind::Shifts, &shorter, update).await.expect("loaded");
    // The doctor is on no shift any more, and the log says which one was changed.
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "off");
    let mut conn = app.connection();
    let changed: Vec<String> = storage::on_backend!(&mut conn, c => event::table
        .filter(event::kind.eq("staff.shift_changed"))
        .select(event::payload)
        .load(c))
    .expect("events");
    let told: Vec<Value> = changed.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    assert_eq!(told.iter().map(|one| &one["shift"]).collect::<Vec<_>>(), [&shift["id"]]);
    // What is over tells who was on call: neither a file nor a form changes it, and nobody cancels it.
    assert_eq!(load(&app, ImportKind::Shifts, &shorter, update).await.expect("the same").updated, 1);
    let found = problems(load(&app, ImportKind::Shifts, &file("2026-11-23T05:00:00Z"), update).await);
    assert_eq!(found, [(2, "ends_at".to_owned(), "over".to_owned())]);
    let path = super::path_of(&shift);
    let problem =
        app.post(operator, &format!("{path}/cancel"), json!({})).await.problem(409, "state_moved_on");
    assert_eq!(problem["state"], "over");
    app.get(operator, &path).await.expect(200);
}

#[actix_web::test]
async fn shifts_of_a_file_may_be_for_one_department() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let (a, p) = (&seed.doctor.email, &seed.pharmacist.email);
    let header = "staff_email,starts_at,ends_at,department\n";
    let hours = "2026-11-25T08:00:00+08:00,2026-11-25T16:00:00+08:00";
    let update = ImportOptions { existing: Some(Existing::Update), ..ImportOptions::default() };
    load(&app, ImportKind::Shifts, &format!("{header}{a},{hours},\n{p},{hours},\n"), update)
        .await
        .expect("in");
    let one = format!("{header}{a},{hours},general_practice\n");
    assert_eq!(load(&app, ImportKind::Shifts, &one, update).await.expect("loaded").updated, 1);
    let list = app.get(operator, &format!("/api/v1/shifts?staff_id={}", seed.doctor.id)).await.expect(200);
    let shift = list["items"].as_array().expect("a list").iter().find(|item| item["version"] == 2);
    assert_eq!(shift.expect("the changed one")["department"], "general_practice");
    let bad = format!(
        "{header}{a},{hours},surgery\n{p},2026-11-25T17:00:00+08:00,2026-11-25T18:00:00+08:00,general_practice\n"
    );
    let entry = |line| (line, "department".to_owned(), "unknown".to_owned());
    assert_eq!(problems(load(&app, ImportKind::Shifts, &bad, update).await), [entry(2), entry(3)]);
}
