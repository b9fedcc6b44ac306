//! `waystation operator create` checks what the API checks, and records the
//! same event.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use diesel::prelude::*;
use serde_json::json;

use crate::harness::TestApp;
use domain::staff::{StaffRecord, role::Role};
use service::network::import::{
    ImportError,
    csv_file::{ImportKind, ImportOptions, import_csv},
};
use storage::{Conn, DatabaseUrl, conn::Purpose, on_backend, schema::event};

struct Outcome {
    success: bool,
    stderr: String,
}

fn create(folder: &Path, email: &str, name: &str, password: &str) -> Outcome {
    let mut child = Command::new(env!("CARGO_BIN_EXE_waystation"))
        .current_dir(folder)
        .env("WAYSTATION_DATABASE_URL", format!("sqlite:{}", folder.join("w.db").display()))
        .env("WAYSTATION_MASTER_SECRET", "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=")
        .args(["operator", "create", "--email", email, "--name", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A refusal may come before the password is read.
    let _ = writeln!(child.stdin.take().expect("its input"), "{password}");
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Outcome { success: output.status.success(), stderr }
}

#[test]
fn an_operator_is_checked_like_anybody_else_and_an_event_is_recorded() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let url = DatabaseUrl::parse(&format!("sqlite:{}", folder.path().join("w.db").display())).expect("a URL");
    storage::migrate(&url).expect("migrated");
    let good = "plums under a grey roof";
    for (email, name, password, flag) in [
        ("a@b", "Op", good, "--email"),
        ("two@@example.cn", "Op", good, "--email"),
        ("o p@example.cn", "Op", good, "--email"),
        ("op@example.cn", "", good, "--name"),
        ("op@example.cn", "Op\u{202e}", good, "--name"),
        ("op@example.cn", "Op", "short", "password"),
        ("op@example.cn", "Op", "aaaaaaaaaaaaaaaa", "password"),
        ("chief@example.cn", "Op", "my chief is a good one", "password"),
    ] {
        let ended = create(folder.path(), email, name, password);
        assert!(!ended.success && ended.stderr.contains(flag), "{email} {name} {password}: {}", ended.stderr);
        assert!(!ended.stderr.contains(password) || password.is_empty(), "{}", ended.stderr);
    }
    let first = create(folder.path(), "Op@example.cn", "Op", good);
    assert!(first.success, "{}", first.stderr);
    let again = create(folder.path(), "op@example.cn", "Op", good);
    assert!(!again.success && again.stderr.contains("--email"), "{}", again.stderr);
    let mut conn = Conn::open(&url, Purpose::Write).expect("opened");
    let kinds: Vec<String> = on_backend!(&mut conn, c => event::table
        .filter(event::stream.eq("staff"))
        .select(event::kind)
        .load(c))
    .expect("read");
    assert_eq!(kinds, ["staff.added"]);
}

#[actix_web::test]
async fn a_weak_password_in_a_file_is_reported_with_its_line() {
    let app = TestApp::open().await;
    app.seed().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("file.csv");
    let head = StaffRecord::columns(Role::Pharmacist).all.join(",");
    let text = format!(
        "{head}\ngood@example.cn,甲,A,P-1,2030-01-01,plums under a grey roof\nweak@example.cn,乙,B,P-2,2030-01-01,aaaaaaaaaaaaaa\n\
         own@example.cn,丙,Carola,P-3,2030-01-01,carola is my name\n"
    );
    std::fs::write(&path, text).expect("written");
    let outcome = import_csv(
        &app.state,
        ImportKind::Staff(Role::Pharmacist),
        &path,
        ImportOptions::default(),
        |_, _| (),
    )
    .await;
    let Err(ImportError::Rows(problems)) = outcome else { panic!("it was taken") };
    let found: Vec<(u64, &str, &str)> =
        problems.iter().map(|bad| (bad.line, bad.field.as_str(), bad.code.as_str())).collect();
    assert_eq!(found, [(3, "password", "too_simple"), (4, "password", "personal")]);
}

#[actix_web::test]
async fn overlapping_shifts_in_a_file_are_refused_too() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("file.csv");
    let email = &seed.doctor.email;
    let text = format!(
        "staff_email,starts_at,ends_at\n{email},2026-11-26T00:00:00Z,2026-11-26T08:00:00Z\n\
         {email},2026-11-26T07:00:00Z,2026-11-26T09:00:00Z\n"
    );
    std::fs::write(&path, text).expect("written");
    let outcome =
        import_csv(&app.state, ImportKind::Shifts, &path, ImportOptions::default(), |_, _| ()).await;
    let Err(ImportError::Rows(problems)) = outcome else { panic!("it was taken") };
    assert_eq!((problems[0].line, problems[0].code.as_str()), (3, "overlaps"));
    let list = app.get(&seed.operator.token, &format!("/api/v1/shifts?staff_id={}", seed.doctor.id)).await;
    assert_eq!(list.expect(200)["items"].as_array().map(Vec::len), Some(1), "{}", json!(null));
}
