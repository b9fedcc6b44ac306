//! Names and texts that others read contain no characters that hide or reorder the
//! text, whichever route or file they come in by.

use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{Seed, pharmacist_licence},
};
use service::network::import::{
    ImportError,
    csv_file::{ImportKind, ImportOptions, import_csv},
};

/// Each of them hides something, or reorders the text around it.
const HIDDEN: &[&str] = &[
    "\u{202E}",
    "\u{200B}",
    "\u{2066}",
    "\u{FEFF}",
    "\u{200D}",
    "\u{061C}",
    "\u{3164}",
    "\u{AD}",
    "\u{1BCA0}",
    "\u{1D173}",
    "\u{FFF0}",
    "\u{FFFC}",
    "\u{E0080}",
    "\u{E01F0}",
    "\u{13430}",
    "\u{70F}",
    "\u{2800}",
    "\u{FDD0}",
    "\u{FFFF}",
    "\u{E000}",
    "\u{378}",
    "\u{85}",
    "a\u{E0100}",
    "a\u{FE0F}",
];

#[track_caller]
fn refused(answer: crate::harness::Answer, field: &str) {
    let body = answer.problem(422, "invalid_field");
    let entry = body["errors"].as_array().expect("entries").iter().find(|entry| entry["field"] == field);
    assert_eq!(entry.map(|entry| entry["code"].clone()), Some(json!("control_character")), "{body}");
}

async fn refused_everywhere(app: &TestApp, seed: &Seed, worker: &str, hidden: &str) {
    let text = format!("样例{hidden}甲");
    let post = async |token: &str, path: &str, field: &str, body: Value| {
        refused(app.post(token, path, body).await, field);
    };
    let (station, operator) = (&seed.station_token, &seed.operator.token);
    post(
        station,
        "/api/v1/check-ins/walk-in",
        "name",
        json!({"name": text, "phone": "15400000002", "consent": true}),
    )
    .await;
    post(
        operator,
        "/api/v1/hospitals",
        "name_zh",
        json!({"code": "h-9", "name_zh": text, "name_en": "H",
        "district": "zhifu", "weight": 1}),
    )
    .await;
    post(
        operator,
        "/api/v1/employers",
        "name_en",
        json!({"code": "e-9", "name_zh": "公司", "name_en": text}),
    )
    .await;
    post(
        operator,
        "/api/v1/staff",
        "name_zh",
        json!({"role": "pharmacist", "email": "p9@example.cn",
        "name_zh": text, "name_en": "P", "pharmacist": pharmacist_licence("P-9")}),
    )
    .await;
    post(
        worker,
        "/api/v1/consultations",
        "complaint",
        json!({"complaint": text, "lane": "consultation_only"}),
    )
    .await;
    post(
        operator,
        "/api/v1/lots/recall",
        "reason",
        json!({"product_code": "x1", "lot_no": "y", "reason": text}),
    )
    .await;
    let profile = json!({"allergies": [text]});
    refused(app.put(worker, "/api/v1/me/profile", "\"0\"", profile).await, "allergies[0]");
}

#[actix_web::test]
async fn no_text_that_others_read_contains_hidden_characters() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    for hidden in HIDDEN {
        refused_everywhere(&app, &seed, &worker, hidden).await;
    }
    // Names also allow no joined emoji and no unusual blanks.
    for name in ["\u{1F468}\u{200D}\u{1F469}", "样\u{A0}例"] {
        let body = json!({"name": name, "consent": true});
        refused(app.post(&seed.station_token, "/api/v1/check-ins/walk-in", body).await, "name");
    }
    let path = format!("/api/v1/workers/{}/details", seed.worker);
    refused(app.post(&seed.operator.token, &path, json!({"name": "样\u{A0}例"})).await, "name");
    let outer = json!({"code": "e-8", "name_zh": "公司 ", "name_en": "Firm"});
    let problem =
        app.post(&seed.operator.token, "/api/v1/employers", outer).await.problem(422, "invalid_field");
    assert_eq!(problem["errors"][0]["code"], "outer_blanks");
    // Text that people really write is accepted.
    let family = "头痛 \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\n两天";
    let asked = json!({"complaint": family, "lane": "consultation_only"});
    assert_eq!(app.post(&worker, "/api/v1/consultations", asked).await.expect(201)["complaint"], family);
    for name in ["葛\u{E0100}", "买买提\u{B7}艾力", "欧阳 娜娜"] {
        let body = json!({"name": name, "consent": true});
        app.post(&seed.station_token, "/api/v1/check-ins/walk-in", body).await.expect(201);
    }
}

#[actix_web::test]
async fn an_imported_file_with_hidden_characters_is_refused() {
    let app = TestApp::open().await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("employers.csv");
    std::fs::write(&file, "code,name_zh,name_en\ne-1,公司,Firm\ne-2,公\u{202E}司,Firm\n").expect("written");
    let outcome =
        import_csv(&app.state, ImportKind::Employers, &file, ImportOptions::default(), |_, _| ()).await;
    let Err(ImportError::Rows(problems)) = outcome else { panic!("it was taken") };
    let found: Vec<_> =
        problems.iter().map(|bad| (bad.line, bad.field.as_str(), bad.code.as_str())).collect();
    assert_eq!(found, [(3, "name_zh", "control_character")]);
}

#[actix_web::test]
async fn files_with_secrets_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let ask = json!({"email": seed.doctor.email});
    app.post("", "/api/v1/staff/password-reset", ask).await.expect(202);
    let config = base::config::MailConfig::Files { from: "Waystation <w@w.example>".to_owned() };
    let mailer = mail::Mailer::new(&config, app.data_dir()).expect("a mailer");
    assert_eq!(service::jobs::letters::send_due(&app.state, &mailer).await.expect("sent"), 1);
    let mut files = Vec::new();
    let mut folders = vec![app.data_dir().join("mail")];
    if let Some(database) = app.database().file() {
        folders.push(database.parent().expect("a folder").to_owned());
    }
    for folder in folders {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    for file in files {
        let mode = std::fs::metadata(&file).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
}

/// Known and unknown addresses run the same statements up to the answer.
#[actix_web::test]
async fn a_reset_does_the_same_for_a_known_and_for_an_unknown_address() {
    use std::sync::{Arc, Mutex};

    use diesel::connection::{Connection, InstrumentationEvent};

    use service::Actor;
    use storage::on_backend;
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let mut recorded_by_address = Vec::new();
    for email in [seed.doctor.email.as_str(), "nobody@example.cn"] {
        let input = json!({"email": email});
        let statements = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&statements);
        app.state
            .write(Actor::Anyone, move |tx| {
                let listener = {
                    let statements = Arc::clone(&statements);
                    move |event: InstrumentationEvent<'_>| {
                        if let InstrumentationEvent::StartQuery { query, .. } = event {
                            let text = query.to_string();
                            let text = text.split(" -- ").next().unwrap_or_default().to_owned();
                            statements.lock().expect("not poisoned").push(text);
                        }
                    }
                };
                on_backend!(tx.conn, c => c.set_instrumentation(listener));
                let input = serde_json::from_value(input.clone())?;
                let accepted = service::staff::password_link::request(tx, &input, true);
                on_backend!(tx.conn, c => c.set_instrumentation(|_: InstrumentationEvent<'_>| ()));
                accepted
            })
            .await
            .expect("accepted");
        recorded_by_address.push(recorded.lock().expect("not poisoned").clone());
    }
    assert_eq!(recorded_by_address[0], recorded_by_address[1]);
    assert!(!recorded_by_address[0].is_empty());
    // Only the known address gets a letter.
    let letters = service::letter::claim_due(&app.state).await.expect("claimed");
    assert_eq!(letters.len(), 1);
}
