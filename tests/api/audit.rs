//! The audit chain: every change to the log, its seals or its end is detected
//! and reported with its position.

use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, engine},
    harness::TestApp,
    seed::Seed,
    support::waiting::until_every_event_is_visible,
};
use domain::{
    event::care::CheckInFact,
    ids::{CheckInId, Id},
};
use service::{
    Actor, Recipients,
    audit::{AuditView, FindingKind},
};
use storage::Conn;

fn run(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
}

impl TestApp {
    /// Logs `count` events that name the worker and the doctor, and seals them.
    pub async fn log_and_seal(&self, seed: &Seed, count: usize) -> AuditView {
        let (worker, doctor) = (seed.worker, seed.doctor.id);
        self.state
            .write(Actor::System, move |tx| {
                for _ in 0..count {
                    let recipients = Recipients::both(worker, Some(doctor));
                    tx.record(CheckInId::generate(), CheckInFact::SymptomsRecorded { count: 1 }, recipients)?;
                }
                Ok(())
            })
            .await
            .expect("logged");
        self.seal_all().await;
        self.chain().await
    }

    /// Seals every event.
    async fn seal_all(&self) {
        until_every_event_is_visible(self).await;
        while service::audit::seal(&self.state).await.expect("sealed") > 0 {}
    }

    /// The signature of each seal.
    pub async fn seal_signatures(&self) -> Vec<String> {
        let read = self.state.read(Actor::System, |conn, _| Ok(storage::audit::seals_after(conn, 0, 100)?));
        read.await.expect("read").into_iter().map(|seal| seal.signature).collect()
    }

    async fn chain(&self) -> AuditView {
        self.state.read(Actor::System, service::audit::verify).await.expect("checked")
    }

    /// The findings after `sql` changed the database.
    async fn after(&self, sql: &str) -> Vec<FindingKind> {
        run(&mut self.connection(), sql);
        let view = self.chain().await;
        assert_eq!(view.unbroken, view.findings.is_empty());
        assert_eq!(view.broken_at, view.findings.first().map(|finding| finding.position));
        view.findings.iter().map(|finding| finding.kind).collect()
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let folder = self.data_dir().join("audit-witness");
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
    }
}

/// A log of three seals of ten events each; returns the positions of the seals.
async fn sealed() -> (TestApp, Seed, [i64; 3]) {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let mut positions = [0; 3];
    for position in &mut positions {
        let view = app.log_and_seal(&seed, 10).await;
        assert!(view.unbroken, "{view:?}");
        *position = view.sealed_to;
        app.pass(10);
    }
    (app, seed, positions)
}

#[actix_web::test]
async fn a_changed_or_emptied_column_is_found_at_its_seal() {
    let columns = [
        "stream = 'x'",
        "kind = 'x'",
        "payload = '{\"a\":1}'",
        "actor_role = 'operator'",
        "worker_id = NULL",
        "staff_id = NULL",
        "worker_id = staff_id",
        "version = version + 1000",
    ];
    for change in columns {
        let (app, _, [first, second, _]) = sealed().await;
        let one = format!("UPDATE event SET {change} WHERE position = {}", second - 4);
        assert_eq!(app.after(&one).await, [FindingKind::EventsChanged], "{change}");
        let finding = &app.chain().await.findings[0];
        assert_eq!((finding.after, finding.position), (first, second));
    }
}

#[actix_web::test]
async fn a_value_stored_as_another_type_is_found() {
    // PostgreSQL columns store their own type only.
    if engine() == Engine::Postgres {
        return;
    }
    for change in [
        "payload = CAST(payload AS BLOB)",
        "kind = CAST(kind AS BLOB)",
        "actor_role = CAST(actor_role AS BLOB)",
        "at = CAST(at AS TEXT) || ''",
        "worker_id = CAST(worker_id AS TEXT)",
    ] {
        let (app, _, [_, second, _]) = sealed().await;
        let one = format!("UPDATE event SET {change} WHERE position = {}", second - 4);
        run(&mut app.connection(), &one);
        let stored = app.chain().await;
        let retyped = |finding: &service::audit::Finding| finding.kind == FindingKind::EventRetyped;
        let found = stored.findings.iter().find(|finding| retyped(finding)).map(|finding| finding.position);
        // This column's affinity converts the value back to its own type, so nothing changed.
        let unchanged = change.starts_with("at ");
        assert_eq!(found, (!unchanged).then_some(second - 4), "{change}: {stored:?}");
    }
    let (app, _, [_, second, _]) = sealed().await;
    let kinds = app
        .after(&format!("UPDATE audit_seal SET hash = CAST(hash AS BLOB) WHERE position = {second}"))
        .await;
    assert_eq!(kinds, [FindingKind::SealInvalid]);
}

#[actix_web::test]
async fn a_removed_or_incomplete_witness_is_found() {
    let (app, seed, [_, second, _]) = sealed().await;
    let file = app.files().remove(0);
    let lines = std::fs::read_to_string(&file).expect("read");
    let without: Vec<&str> =
        lines.lines().filter(|line| !line.contains(&format!("\"position\":{second},"))).collect();
    std::fs::write(&file, without.join("\n") + "\n").expect("written");
    let view = app.chain().await;
    let finding = view.findings.first().expect("a finding");
    assert_eq!((finding.kind, finding.position), (FindingKind::WitnessMissing, second));
    // Remove the whole witness, and the end of the log with it.
    std::fs::remove_file(&file).expect("removed");
    run(&mut app.connection(), &format!("DELETE FROM event WHERE position > {second}"));
    run(&mut app.connection(), &format!("DELETE FROM audit_seal WHERE position > {second}"));
    let chain = app.get(&seed.operator.token, "/api/v1/audit/chain?after=0").await.expect(200);
    assert_eq!(
        (&chain["unbroken"], &chain["findings"][0]["kind"]),
        (&json!(false), &json!("witness_missing"))
    );
}

#[actix_web::test]
async fn removed_added_or_hidden_events_are_found() {
    let (app, _, [_, second, _]) = sealed().await;
    let all = format!("DELETE FROM event WHERE position = {}", second - 2);
    assert_eq!(app.after(&all).await, [FindingKind::EventsMissing]);
    let (app, _, [_, second, _]) = sealed().await;
    let last = format!("DELETE FROM event WHERE position = {second}");
    assert_eq!(app.after(&last).await, [FindingKind::EventsMissing]);
    let (app, ..) = sealed().await;
    let put = "INSERT INTO event (position, stream, stream_id, version, kind, payload, actor_role, at, writer_xid) \
               SELECT -5, stream, stream_id, 999, kind, payload, actor_role, at, writer_xid FROM event LIMIT 1";
    assert_eq!(app.after(put).await, [FindingKind::EventsAdded]);
    let (app, _, [_, _, third]) = sealed().await;
    let hide = format!("UPDATE event SET writer_xid = 4611686018427387904 WHERE position = {}", third - 1);
    let kinds = app.after(&hide).await;
    assert!(kinds.contains(&FindingKind::EventHidden), "{kinds:?}");
}

#[actix_web::test]
async fn a_cut_end_is_found_with_the_witness() {
    let (app, seed, [first, _, third]) = sealed().await;
    let cut = format!(
        "DELETE FROM event WHERE position > {first}; DELETE FROM audit_seal WHERE position > {first}"
    );
    let kinds = app.after(&cut).await;
    assert_eq!(kinds, [FindingKind::CutOrRolledBack; 2]);
    let view = app.chain().await;
    assert_eq!((view.sealed_to, view.witnessed_to), (first, Some(third)));
    // Without the witness the cut would go undetected.
    let signer = app.state.keys.audit.clone();
    let alone = app.state.read(Actor::System, move |conn, _| service::audit::verify_signed_by(conn, &signer));
    assert!(alone.await.expect("checked").unbroken);
    // Appending new events after the cut does not hide it.
    app.log_and_seal(&seed, 40).await;
    let view = app.chain().await;
    assert!(!view.unbroken, "{view:?}");
    let chain = app.get(&seed.operator.token, "/api/v1/audit/chain?after=0").await.expect(200);
    assert_eq!(chain["unbroken"], false);
}

#[actix_web::test]
async fn changed_swapped_or_removed_seals_are_found() {
    let (app, _, [_, second, _]) = sealed().await;
    let kinds = app.after(&format!("DELETE FROM audit_seal WHERE position = {second}")).await;
    assert_eq!(kinds, [FindingKind::SealMissing]);
    let fields = ["hash = repeat('0', 64)", "events = events + 1", "version = 1", "signature = 'x..y'"];
    for field in fields {
        let (app, _, [_, second, _]) = sealed().await;
        let field = match engine() {
            Engine::Sqlite => field.replace("repeat('0', 64)", &format!("'{}'", "0".repeat(64))),
            Engine::Postgres => field.to_owned(),
        };
        let kinds = app.after(&format!("UPDATE audit_seal SET {field} WHERE position = {second}")).await;
        assert!(kinds.contains(&FindingKind::SealInvalid), "{field}: {kinds:?}");
    }
    let (app, _, [first, second, _]) = sealed().await;
    let kinds = app
        .after(&format!(
            "UPDATE audit_seal SET position = -1 WHERE position = {first}; \
             UPDATE audit_seal SET position = {first} WHERE position = {second}; \
             UPDATE audit_seal SET position = {second} WHERE position = -1"
        ))
        .await;
    assert!(kinds.iter().filter(|kind| **kind == FindingKind::SealInvalid).count() == 2, "{kinds:?}");
}

#[actix_web::test]
async fn the_first_full_seal_covers_what_older_seals_did_not() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    app.log_and_seal(&seed, 10).await;
    let signer = app.state.keys.audit.clone();
    // Data of version 0.1.0: seals without the two columns.
    run(&mut app.connection(), "DELETE FROM audit_seal");
    std::fs::remove_dir_all(app.data_dir().join("audit-witness")).expect("removed");
    let first = signer.signing(app.now()).expect("a key");
    seal_as_released(&app, &first).await;
    let old = app.chain().await;
    assert!(old.unbroken && old.seals == 1, "{old:?}");
    let restarted = app.another().await;
    let view = restarted.log_and_seal(&seed, 3).await;
    assert!(view.unbroken && view.seals == 2, "{view:?}");
    let emptied = format!("UPDATE event SET worker_id = NULL WHERE position = {}", old.sealed_to - 1);
    assert_eq!(restarted.after(&emptied).await, [FindingKind::EventsChanged]);
}

/// Adds one seal of version 1 over all events.
async fn seal_as_released(app: &TestApp, signer: &crypto::signer::Ed25519Signer) {
    use crypto::{
        digest,
        signer::{DetachedKind, sign_detached},
    };
    use storage::{
        audit::{SealRow, seal_add},
        events::{Audience, events_after},
    };
    let signer = signer.clone();
    app.state
        .write(Actor::System, move |tx| {
            let events = loop {
                let found = events_after(tx.conn, Audience::All, 0, 10_000)?;
                if !found.more_soon {
                    break found.events;
                }
            };
            let head = events.iter().fold(digest::CHAIN_START, |head, event| {
                let actor = event.actor_id.map(|id: Id<_>| id.to_string()).unwrap_or_default();
                let parts = [
                    event.position.to_string(),
                    event.stream.clone(),
                    event.stream_id.to_string(),
                    event.version.to_string(),
                    event.kind.clone(),
                    event.payload.clone(),
                    event.actor_role.clone(),
                    actor,
                    event.at.timestamp_micros().to_string(),
                ];
                let mut bytes = Vec::new();
                for part in parts {
                    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
                    bytes.extend_from_slice(part.as_bytes());
                }
                digest::chain(&head, &bytes)
            });
            let position = events.last().expect("events").position;
            let mut signed = position.to_be_bytes().to_vec();
            signed.extend_from_slice(&head);
            let signature = sign_detached(&signer, DetachedKind::AuditHead, &signed)?;
            let sealed_at = tx.now;
            seal_add(
                tx.conn,
                &SealRow {
                    position,
                    hash: digest::hex(&head),
                    signature,
                    sealed_at,
                    version: 1,
                    events: None,
                },
            )?;
            Ok(())
        })
        .await
        .expect("sealed");
}

#[actix_web::test]
async fn the_witness_is_private_and_recovers_from_a_truncated_line() {
    use std::os::unix::fs::PermissionsExt;
    let (app, seed, _) = sealed().await;
    let files = app.files();
    assert_eq!(files.len(), 1, "one month");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(files[0].parent().expect("a folder"))), (0o600, 0o700));
    // Truncate the last line, as a power cut would; the instance restarts.
    let text = std::fs::read_to_string(&files[0]).expect("read");
    std::fs::write(&files[0], &text[..text.len() - 20]).expect("torn");
    let again = app.another().await;
    let view = again.log_and_seal(&seed, 1).await;
    assert!(view.unbroken && view.witnessed_to == Some(view.sealed_to), "{view:?}");
    let lines = std::fs::read_to_string(&files[0]).expect("read");
    let whole = lines.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
    assert_eq!(whole, 4, "{lines}");
    // A line without a valid signature is reported.
    let forged = lines.lines().next().expect("a line").replace("\"events\":", "\"events\":1");
    std::fs::write(&files[0], format!("{lines}{forged}\n")).expect("written");
    assert_eq!(again.chain().await.findings[0].kind, FindingKind::WitnessInvalid);
}

#[actix_web::test]
async fn every_instance_records_the_seals_of_all_instances_in_its_witness() {
    let (app, seed, _) = sealed().await;
    let other = app.another().await;
    other.log_and_seal(&seed, 2).await;
    app.pass(10);
    app.log_and_seal(&seed, 2).await;
    let view = other.chain().await;
    assert!(view.unbroken && view.witnessed_to == Some(view.sealed_to), "{view:?}");
}

#[actix_web::test]
async fn the_command_finds_what_the_route_finds() {
    let (app, _, [first, ..]) = sealed().await;
    let verify = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_waystation"))
            .args(["audit", "verify"])
            .args(more)
            .env("WAYSTATION_DATABASE_URL", app.url())
            .env("WAYSTATION_DATA_DIR", app.data_dir())
            .env("WAYSTATION_MASTER_SECRET", "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=")
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, output_text) = verify(&[]);
    assert_eq!(status, Some(0), "{output_text}");
    let copy = app.data_dir().join("copy.jsonl");
    std::fs::copy(&app.files()[0], &copy).expect("copied");
    run(&mut app.connection(), &format!("DELETE FROM event WHERE position > {first}"));
    run(&mut app.connection(), &format!("DELETE FROM audit_seal WHERE position > {first}"));
    let (status, output_text) = verify(&[]);
    assert!(status == Some(1) && output_text.contains("cut_or_rolled_back"), "{output_text}");
    // Removing the witness as well is detected with a copy of it.
    std::fs::remove_file(&app.files()[0]).expect("removed");
    let (status, output_text) = verify(&[]);
    assert!(status == Some(1) && output_text.contains("witness_missing"), "{output_text}");
    let (status, output_text) = verify(&["--witness", &copy.display().to_string()]);
    assert!(status == Some(1) && output_text.contains("cut_or_rolled_back"), "{output_text}");
    // An emptied database does not pass as a verified one.
    run(&mut app.connection(), "DELETE FROM event; DELETE FROM audit_seal");
    let (status, output_text) = verify(&[]);
    assert!(status == Some(4) && output_text.contains("nothing is sealed"), "{output_text}");
    assert!(!output_text.contains("unbroken"), "{output_text}");
}
