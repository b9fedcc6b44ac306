//! A backup is taken during writes and can be restored; a file that differs from
//! what was backed up is refused.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base::{
    clock::SystemClock,
    config::{Config, Flags},
};
use crypto::digest;
use domain::{event::network::EmployerEvent, ids::EmployerId};
use service::{Actor, AppState, Recipients};
use storage::{
    Conn, DatabaseUrl,
    conn::Purpose,
    network::{NewEmployer, employers_add},
    sql_types::At,
};

const SECRET: &str = "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=";
const OTHER_SECRET: &str = "YW5vdGhlci10ZXN0LXNlY3JldC1vZi0zMi1ieXRlcyE=";

fn url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// Runs the program; returns whether it succeeded, and its output and errors.
fn run(arguments: &[&str], database: &str, secret: &str) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_waystation"))
        .args(arguments)
        .env("WAYSTATION_DATABASE_URL", database)
        .env("WAYSTATION_MASTER_SECRET", secret)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

fn restore(file: &Path, target: &Path, more: &[&str]) -> (bool, String) {
    let file = file.display().to_string();
    run(&[&["restore", &file], more].concat(), &url(target), SECRET)
}

#[track_caller]
fn refused(outcome: (bool, String), expected: &str) {
    assert!(!outcome.0 && outcome.1.contains(expected), "{expected} is not in: {}", outcome.1);
}

async fn open(path: &Path) -> Arc<AppState> {
    let mut config = Config::load(None, &Flags::default()).expect("the defaults");
    config.database_url = url(path).into();
    config.data_dir = path.with_extension("data");
    config.master_secret = Some(SECRET.to_owned().into());
    waystation::build(&config, Arc::new(SystemClock)).await.expect("built").app
}

/// Adds an employer, and records its event.
async fn add(app: &Arc<AppState>, code: String) {
    let write = app.write(Actor::System, move |tx| {
        let id = EmployerId::generate();
        let row = NewEmployer {
            id,
            code: code.clone(),
            name_zh: "样例".to_owned(),
            name_en: "Sample".to_owned(),
            created_at: At(tx.now),
        };
        employers_add(tx.conn, &[row])?;
        tx.record(id, EmployerEvent::Added { code: code.clone() }, Recipients::nobody())
    });
    write.await.expect("written");
}

fn codes(path: &Path) -> BTreeSet<String> {
    let mut conn =
        Conn::open(&DatabaseUrl::parse(&url(path)).expect("a URL"), Purpose::Read).expect("opened");
    assert_eq!(service::stock::check::invariants(&mut conn).expect("audited"), Vec::<String>::new());
    let rows = storage::network::listing::employer_list(&mut conn, None, 1_000_000).expect("read");
    rows.into_iter().map(|row| row.code).collect()
}

/// Replaces the first `from` in the file by `to`, and writes the new digest to the manifest.
fn forge(file: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(file).expect("read");
    // Everywhere: the unused space of a page may contain bytes of rows that were moved.
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "it is there");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(file, &bytes).expect("written");
    write_digest(file, &bytes);
}

fn write_digest(file: &Path, bytes: &[u8]) {
    let sum = digest::hex(&digest::sha256(bytes));
    std::fs::write(manifest(file), format!("{sum}  copy\n")).expect("written");
}

fn manifest(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sha256", file.display()))
}

#[actix_web::test]
async fn a_backup_taken_during_writes_contains_all_acknowledged_writes() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (source, file, target) =
        (folder.path().join("w.db"), folder.path().join("b 1.db"), folder.path().join("r.db"));
    let app = open(&source).await;
    let (acknowledged, stop) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..8)
        .map(|name| {
            let (app, acknowledged, stop) = (Arc::clone(&app), Arc::clone(&acknowledged), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let code = format!("E{name}-{n:05}");
                    add(&app, code.clone()).await;
                    acknowledged.lock().expect("no panic").insert(code);
                    n += 1;
                }
            })
        })
        .collect();
    while acknowledged.lock().expect("no panic").len() < 400 {
        tokio::task::yield_now().await;
    }
    service::audit::seal(&app).await.expect("sealed");
    let before = acknowledged.lock().expect("no panic").clone();
    let (command, database) = (file.display().to_string(), url(&source));
    let taken = tokio::task::spawn_blocking(move || run(&["backup", &command], &database, SECRET));
    let (ok, output) = taken.await.expect("joined");
    assert!(ok, "{output}");
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("joined");
    }
    let all = acknowledged.lock().expect("no panic").clone();
    assert!(all.len() > before.len(), "nothing was written meanwhile");
    assert!(output.contains("master secret is NOT in it") && output.contains("unbroken"), "{output}");
    let (ok, output) = restore(&file, &target, &[]);
    assert!(ok, "{output}");
    let restored_codes = codes(&target);
    assert!(before.is_subset(&restored_codes), "acknowledged before the copy began, and not in it");
    assert!(restored_codes.is_subset(&all), "in the copy, and never acknowledged");
    // The copy is one snapshot: of each writer, all writes up to one moment and none after it.
    for name in 0..8 {
        let of = |set: &BTreeSet<String>| -> Vec<String> {
            set.iter().filter(|code| code.starts_with(&format!("E{name}-"))).cloned().collect()
        };
        assert!(of(&all).starts_with(&of(&restored_codes)), "a gap in the writes of {name}");
    }
    // The application runs on the restored database.
    let restored = open(&target).await;
    while service::audit::seal(&restored).await.expect("sealed") > 0 {}
    assert!(restored.read(Actor::System, service::audit::verify).await.expect("walked").unbroken);
    let leftovers: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".partial") || name.ends_with(".restoring"))
        .collect();
    assert_eq!(leftovers, Vec::<String>::new());
}

#[actix_web::test]
async fn a_file_that_differs_from_the_backup_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (source, file) = (folder.path().join("w.db"), folder.path().join("b.db"));
    let name = file.display().to_string();
    let app = open(&source).await;
    for n in 0..50 {
        add(&app, format!("E{n}")).await;
    }
    service::audit::seal(&app).await.expect("sealed");
    refused(run(&["backup", &name], &url(&source), OTHER_SECRET), "wrong master secret");
    assert!(!file.exists() && !manifest(&file).exists());
    refused(run(&["backup", &name], &url(&folder.path().join("none.db")), SECRET), "there is no database");
    refused(run(&["backup", &name], "postgres://127.0.0.1:1/w", SECRET), "pg_dump");
    let (ok, output) = run(&["backup", &name], &url(&source), SECRET);
    assert!(ok, "{output}");
    refused(run(&["backup", &name], &url(&source), SECRET), "not overwritten");
    let whole = std::fs::read(&file).expect("read");
    let target = folder.path().join("r.db");

    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&file, &flipped).expect("written");
    refused(restore(&file, &target, &[]), "digest differs");
    std::fs::write(&file, &whole[..whole.len() - 4096]).expect("written");
    refused(restore(&file, &target, &[]), "digest differs");
    // With a matching digest the damage is found in the file's contents.
    write_digest(&file, &whole[..whole.len() - 4096]);
    refused(restore(&file, &target, &[]), "database");
    std::fs::write(&file, &whole).expect("written");
    forge(&file, b"employer.added", b"employer.ADDED");
    refused(restore(&file, &target, &[]), "audit chain is broken");
    std::fs::write(&file, b"no database at all").expect("written");
    write_digest(&file, b"no database at all");
    refused(restore(&file, &target, &[]), "no usable database");
    std::fs::write(&file, &whole).expect("written");
    std::fs::remove_file(manifest(&file)).expect("removed");
    refused(restore(&file, &target, &[]), "is missing");
    write_digest(&file, &whole);
    refused(run(&["restore", &name], &url(&target), OTHER_SECRET), "wrong master secret");
    assert!(!target.exists(), "a refused file became a database");

    // A database that is in use or already there is not touched.
    refused(restore(&file, &source, &["--replace"]), "stop the server");
    add(&app, "later".to_owned()).await;
    drop(app);
    refused(restore(&file, &source, &[]), "--replace");
    assert!(codes(&source).contains("later"));
    let (ok, output) = restore(&file, &source, &["--replace"]);
    assert!(ok, "{output}");
    assert_eq!(codes(&source).len(), 50);
    let former = std::fs::read_dir(folder.path()).expect("a folder").find_map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        (name.starts_with("w.db.before-") && !name.ends_with("-wal")).then_some(path)
    });
    assert!(codes(&former.expect("the former database")).contains("later"));
}
