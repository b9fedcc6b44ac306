//! Changes of staff: names, addresses, licences, disabling and enabling.

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{PASSWORD, Person, pharmacist_licence},
    staff_tokens::code,
};
use domain::staff::role::Role;
use storage::{on_backend, schema::doctor as stored};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

fn path(who: &Person) -> String {
    format!("/api/v1/staff/{}", who.id)
}

/// The document to write: what was read, without what cannot be changed. The seeded
/// licence numbers are not valid labels, so they are replaced.
fn editable(document: &Value) -> Value {
    let mut document = document.clone();
    if document["doctor"].is_object() {
        document["doctor"]["licence_no"] = json!("OLD-1");
    }
    json!({"name_zh": document["staff"]["name_zh"], "name_en": document["staff"]["name_en"],
        "hospital_id": document["staff"]["hospital_id"], "employer_id": document["staff"]["employer_id"],
        "doctor": document["doctor"]})
}

#[actix_web::test]
async fn a_doctors_licence_is_renewed_and_an_expired_one_takes_them_off_duty() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let (operator, doctor) = (&seed.operator.token, &seed.doctor.token);
    app.put(doctor, "/api/v1/duty", "*", json!({"presence": "available"})).await.expect(200);
    let read = app.get(operator, &path(&seed.doctor)).await.expect(200);
    let mut lapsed = editable(&read);
    lapsed["doctor"]["licence_valid_until"] = json!("2026-11-22");
    app.put(operator, &path(&seed.doctor), "\"1\"", lapsed).await.expect(200);
    assert_eq!(app.get(doctor, "/api/v1/duty").await.expect(200)["presence"], "off");
    let want = json!({"presence": "available"});
    app.put(doctor, "/api/v1/duty", "*", want.clone()).await.problem(422, "doctor_not_eligible");
    let mut renewed = editable(&read);
    renewed["name_en"] = json!("Renewed");
    renewed["doctor"]["licence_no"] = json!("NEW-1");
    renewed["doctor"]["licence_valid_until"] = json!("2031-01-01");
    renewed["doctor"]["departments"] = json!(["general_practice", "dermatology"]);
    renewed["doctor"]["languages"] = json!(["zh"]);
    renewed["doctor"]["capacity"] = json!(3);
    let written = app.put(operator, &path(&seed.doctor), "\"2\"", renewed.clone()).await.expect(200);
    assert_eq!(written["staff"]["name_en"], "Renewed");
    assert_eq!(written["doctor"]["licence_no"], "NEW-1");
    assert_eq!(app.put(doctor, "/api/v1/duty", "*", want).await.expect(200)["capacity"], 3);
    // Another doctor's licence number, and no doctor's details at all.
    let mut other = editable(&app.get(operator, &path(&seed.doctor_b)).await.expect(200));
    other["doctor"]["licence_no"] = json!("THEIRS-1");
    app.put(operator, &path(&seed.doctor_b), "*", other).await.expect(200);
    renewed["doctor"]["licence_no"] = json!("THEIRS-1");
    let taken =
        app.put(operator, &path(&seed.doctor), "\"3\"", renewed.clone()).await.problem(409, "already_exists");
    assert_eq!(taken["errors"][0]["field"], "licence_no");
    renewed["doctor"] = Value::Null;
    app.put(operator, &path(&seed.doctor), "\"3\"", renewed.clone()).await.problem(422, "invalid_field");
    app.put(doctor, &path(&seed.doctor), "\"3\"", renewed).await.problem(403, "role_not_allowed");
}

#[actix_web::test]
async fn a_doctor_moved_to_another_hospital_must_sign_in_again() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let other = json!({"code": "hospital-2", "name_zh": "二院", "name_en": "Second", "district": "zhifu", "weight": 1});
    let other = app.post(operator, "/api/v1/hospitals", other).await.expect(201);
    let mut moved = editable(&app.get(operator, &path(&seed.doctor)).await.expect(200));
    moved["hospital_id"] = other["id"].clone();
    let written = app.put(operator, &path(&seed.doctor), "\"1\"", moved.clone()).await.expect(200);
    assert_eq!(written["staff"]["hospital_id"], other["id"]);
    app.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    moved["hospital_id"] = json!(uuid::Uuid::now_v7());
    let unknown = app.put(operator, &path(&seed.doctor), "\"2\"", moved).await.problem(422, "invalid_field");
    assert_eq!(unknown["errors"][0]["field"], "hospital_id");
}

#[actix_web::test]
async fn a_new_address_must_be_confirmed_and_the_old_one_is_notified() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let ask = format!("{}/email", path(&seed.doctor));
    let taken = json!({"email": seed.doctor_b.email});
    app.post(operator, &ask, taken).await.problem(409, "already_exists");
    app.post(operator, &ask, json!({"email": "not-an-address@"})).await.problem(422, "invalid_field");
    let asked = app.post(operator, &ask, json!({"email": "Moved@example.cn"})).await.expect(200);
    assert_eq!((&asked["email"], &asked["confirmed"]), (&json!("moved@example.cn"), &json!(false)));
    // Until the new address is confirmed the old one is valid.
    let sign_in = |email: &str| {
        let body = json!({"email": email, "password": PASSWORD, "totp": code(&app, &seed.doctor)});
        let app = &app;
        async move { app.post("", "/api/v1/tokens/staff", body).await }
    };
    sign_in("moved@example.cn").await.problem(401, "credentials_wrong");
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    let letter = letters.last().expect("a letter");
    assert_eq!(letter.email, "moved@example.cn");
    let (address, token) = letter.link.split_once("#token=").expect("a link");
    assert!(address.ends_with("/staff/email"));
    let confirm = "/api/v1/staff/email";
    app.post("", confirm, json!({"token": "no-such"})).await.problem(401, "link_invalid");
    let confirmed = app.post("", confirm, json!({"token": token})).await.expect(200);
    assert_eq!(confirmed["email"], "moved@example.cn");
    app.post("", confirm, json!({"token": token})).await.problem(401, "link_invalid");
    sign_in(&seed.doctor.email).await.problem(401, "credentials_wrong");
    sign_in("moved@example.cn").await.expect(200);
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    assert_eq!(letters.last().expect("a letter").email, seed.doctor.email);
}

#[actix_web::test]
async fn a_wrong_address_of_an_invitation_is_corrected() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let input = json!({"role": "restocker", "email": "wrogn@example.cn", "name_zh": "补货", "name_en": "Re"});
    let made = app.post(operator, "/api/v1/staff", input).await.expect(201);
    let ask = format!("/api/v1/staff/{}/email", made["staff"]["id"].as_str().expect("an id"));
    let corrected = app.post(operator, &ask, json!({"email": "right@example.cn"})).await.expect(200);
    assert_eq!(corrected["confirmed"], true);
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    let to: Vec<&str> = letters.iter().map(|letter| letter.email.as_str()).collect();
    assert_eq!(to, ["right@example.cn"], "the first one is not sent any more");
}

#[actix_web::test]
async fn the_address_and_the_licence_of_a_disabled_doctor_are_free_for_another() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let own = editable(&app.get(operator, &path(&seed.doctor)).await.expect(200));
    app.put(operator, &path(&seed.doctor), "\"1\"", own).await.expect(200);
    let disabled =
        app.post(operator, &format!("{}/disable", path(&seed.doctor)), json!({})).await.expect(200);
    // The document still shows their address.
    assert_eq!(disabled["staff"]["email"], seed.doctor.email.as_str());
    let body = json!({"role": "doctor", "email": seed.doctor.email, "name_zh": "新医生", "name_en": "New",
        "hospital_id": seed.hospital, "doctor": {"licence_no": "OLD-1",
        "licence_valid_until": "2030-01-01", "licence_verified": true, "practising_since": "2010-01-01",
        "departments": ["general_practice"], "languages": ["zh"], "capacity": 2}});
    let new = app.post(operator, "/api/v1/staff", body).await.expect(201);
    assert_ne!(new["staff"]["id"], json!(seed.doctor.id));
    // The first one cannot return while both are taken.
    let back = format!("{}/enable", path(&seed.doctor));
    let taken = app.post(operator, &back, json!({})).await.problem(409, "already_exists");
    assert_eq!(taken["errors"][0]["field"], "email");
    let gone = format!("/api/v1/staff/{}/disable", new["staff"]["id"].as_str().expect("an id"));
    app.post(operator, &gone, json!({})).await.expect(200);
    let enabled = app.post(operator, &back, json!({})).await.expect(200);
    assert_eq!(
        (&enabled["disabled_at"], &enabled["staff"]["email"]),
        (&Value::Null, &json!(seed.doctor.email))
    );
    let document = app.get(operator, &path(&seed.doctor)).await.expect(200);
    assert_eq!(document["doctor"]["licence_no"], "OLD-1");
    app.get(&seed.doctor.token, "/api/v1/session").await.problem(401, "session_ended");
    let sign_in = json!({"email": seed.doctor.email, "password": PASSWORD, "totp": code(&app, &seed.doctor)});
    app.post("", "/api/v1/tokens/staff", sign_in).await.expect(200);
}

#[actix_web::test]
async fn a_freed_address_is_given_to_one_person_and_concurrent_disabling_is_done_once() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let disable = format!("{}/disable", path(&seed.pharmacist));
    for answer in join_all((0..6).map(|_| app.post(operator, &disable, json!({})))).await {
        assert_eq!(answer.expect(200)["staff"]["email"], seed.pharmacist.email.as_str());
    }
    let enable = format!("{}/enable", path(&seed.pharmacist));
    let invite = json!({"role": "pharmacist", "email": seed.pharmacist.email, "name_zh": "新", "name_en": "New",
            "pharmacist": pharmacist_licence("P-2")});
    let (back, new) = futures_util::future::join(
        app.post(operator, &enable, json!({})),
        app.post(operator, "/api/v1/staff", invite),
    )
    .await;
    let good = [back.status.as_u16(), new.status.as_u16()].iter().filter(|status| **status < 300).count();
    assert_eq!(good, 1, "{} {}", back.body, new.body);
}

#[actix_web::test]
async fn a_disabled_person_cannot_be_edited_and_gets_no_letter() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let operator = &seed.operator.token;
    let person = app.person(Role::Restocker, "gone@example.cn", None, None).await;
    app.post("", "/api/v1/staff/password-reset", json!({"email": person.email})).await.expect(202);
    app.post(operator, &format!("{}/disable", path(&person)), json!({})).await.expect(200);
    assert!(service::letter::claim_due(&app.state).await.expect("claimed").is_empty());
    let names = json!({"name_zh": "甲", "name_en": "A"});
    let problem = app.put(operator, &path(&person), "*", names).await.problem(409, "state_moved_on");
    assert_eq!(problem["state"], "disabled");
    let ask = json!({"email": "other@example.cn"});
    app.post(operator, &format!("{}/email", path(&person)), ask).await.problem(409, "state_moved_on");
    let shift = json!({"staff_id": person.id, "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-01T08:00:00Z"});
    app.post(operator, "/api/v1/shifts", shift).await.problem(409, "state_moved_on");
}

#[actix_web::test]
async fn a_person_disabled_by_an_earlier_version_frees_the_address_too() {
    let before = TestApp::open().await;
    let seed = before.seed().await;
    let mut conn = before.connection();
    loop {
        let version = on_backend!(&mut conn, c => c.revert_last_migration(MIGRATIONS)).expect("reverted");
        if version.to_string() == "20261129000082" {
            break;
        }
    }
    let disable = "UPDATE staff SET disabled_at = created_at WHERE email = 'pharmacist@example.cn'";
    on_backend!(&mut conn, c => diesel::sql_query(disable).execute(c)).expect("disabled");
    on_backend!(&mut conn, c => c.run_pending_migrations(MIGRATIONS).map(drop)).expect("made again");
    let app = before.another().await;
    let operator = &seed.operator.token;
    let known = app.get(operator, &path(&seed.pharmacist)).await.expect(200);
    assert_eq!(known["staff"]["email"], seed.pharmacist.email.as_str());
    let invite = json!({"role": "pharmacist", "email": seed.pharmacist.email, "name_zh": "新", "name_en": "New",
            "pharmacist": pharmacist_licence("P-2")});
    let new = app.post(operator, "/api/v1/staff", invite).await.expect(201);
    assert_ne!(new["staff"]["id"], json!(seed.pharmacist.id));
    app.post(operator, &format!("{}/enable", path(&seed.pharmacist)), json!({}))
        .await
        .problem(409, "already_exists");
}

/// Whoever had more places before the policy keeps them until somebody changes the number.
#[actix_web::test]
async fn a_doctor_is_given_no_more_places_for_text_than_the_policy_allows() {
    for most in [None, Some(5)] {
        let app = TestApp::open_with(|config| {
            if let Some(most) = most {
                config.policy["matching"]["most_text_places"] = json!(most);
            }
        })
        .await;
        let seed = app.seed().await;
        let (operator, allowed) = (&seed.operator.token, most.unwrap_or(3));
        let doctor = path(&seed.doctor);
        let mut wanted = editable(&app.get(operator, &doctor).await.expect(200));
        wanted["doctor"]["licence_no"] = json!("PLACES-1");
        wanted["doctor"]["capacity"] = json!(allowed + 1);
        let refused = app.put(operator, &doctor, "*", wanted.clone()).await.problem(422, "invalid_field");
        assert_eq!(
            (&refused["errors"][0]["field"], &refused["errors"][0]["code"]),
            (&json!("capacity"), &json!("out_of_range"))
        );
        let invited = json!({"role": "doctor", "email": "places@example.cn", "name_zh": "样例", "name_en": "Sample",
            "hospital_id": wanted["hospital_id"], "doctor": wanted["doctor"]});
        let refused = app.post(operator, "/api/v1/staff", invited).await.problem(422, "invalid_field");
        assert_eq!(refused["errors"][0]["field"], "capacity");
        wanted["doctor"]["capacity"] = json!(allowed);
        app.put(operator, &doctor, "*", wanted.clone()).await.expect(200);
        let mut conn = app.connection();
        let row = diesel::update(stored::table.find(seed.doctor.id));
        on_backend!(&mut conn, c => row.set(stored::capacity.eq(9)).execute(c)).expect("changed");
        wanted["doctor"]["capacity"] = json!(9);
        wanted["name_en"] = json!("Another Name");
        let kept = app.put(operator, &doctor, "*", wanted.clone()).await.expect(200);
        assert_eq!(kept["doctor"]["capacity"], 9);
        wanted["doctor"]["capacity"] = json!(8);
        app.put(operator, &doctor, "*", wanted).await.problem(422, "invalid_field");
    }
}
