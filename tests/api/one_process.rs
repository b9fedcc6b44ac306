//! One process serves an embedded database. A second one names the process that
//! has it, and ends; commands next to a running server do only what is safe.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::engines::{Engine, engine};

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waystation"));
    let secret = folder.join("secret");
    std::fs::write(&secret, "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=\n").expect("written");
    command
        .args(arguments)
        .env("WAYSTATION_LISTEN", "127.0.0.1:0")
        .env("WAYSTATION_DATABASE_URL", format!("sqlite:{}", folder.join("w.db").display()))
        .env("WAYSTATION_DATA_DIR", folder)
        .env("WAYSTATION_MASTER_SECRET_FILE", secret)
        .env("WAYSTATION_LOG", "json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running server; killed when the test ends.
struct Server(Child);

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = program(folder, &["serve"]).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        loop {
            let line = lines.next().expect("it logs its address").expect("text");
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if entry["message"] == "open" {
                break;
            }
        }
        // Keep reading its log, or the server blocks on a full pipe.
        std::thread::spawn(move || for _line in lines {});
        Self(child)
    }

    /// SIGKILL, like a power cut.
    fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("reaped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Runs a command to its end, with `input` on its standard input.
fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = program(folder, arguments).spawn().expect("it starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str], input: &str) {
    let output = run(folder, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", output_text(&output));
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str], expected: &[&str]) {
    let output = run(folder, arguments, "");
    assert!(!output.status.success(), "{arguments:?} succeeded");
    for text in expected {
        assert!(
            output_text(&output).contains(text),
            "{arguments:?} does not print {text}: {}",
            output_text(&output)
        );
    }
}

fn folder() -> Option<tempfile::TempDir> {
    (engine() == Engine::Sqlite).then(|| tempfile::tempdir().expect("a temporary directory"))
}

#[test]
fn a_second_server_names_the_process_that_has_the_database_and_ends() {
    let Some(folder) = folder() else { return };
    let first = Server::start(folder.path());
    let pid = format!("pid {} on ", first.0.id());
    refused(folder.path(), &["serve"], &[&pid, " since ", "w.db"]);
    // Other names of the same file.
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("w.db"), &link).expect("linked");
    for url in [
        format!("sqlite:{}", link.display()),
        format!("sqlite:{}", folder.path().join("./w.db").display()),
        format!("sqlite:file:{}", folder.path().join("w.db").display()),
    ] {
        refused(folder.path(), &["serve", "--database-url", &url], &[&pid]);
    }
    // A hard link in another folder, with data of its own, is the same file too.
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    std::fs::hard_link(folder.path().join("w.db"), elsewhere.path().join("w.db")).expect("linked");
    refused(elsewhere.path(), &["serve"], &[&pid, "w.db"]);
    // Under that name SQLite would use another journal file: no command writes through it either.
    refused(elsewhere.path(), &["migrate"], &[&pid, "use that name"]);
    let operator = ["operator", "create", "--email", "op@example.cn", "--name", "Op"];
    refused(elsewhere.path(), &operator, &[&pid, "use that name"]);
    // The first server goes on undisturbed, and after a crash no lock remains.
    first.kill();
    let second = Server::start(folder.path());
    let pid = format!("pid {} on ", second.0.id());
    refused(folder.path(), &["serve"], &[&pid]);
}

#[test]
fn of_many_servers_started_at_once_one_serves() {
    let Some(folder) = folder() else { return };
    // Migrated first, so that they compete for the right to serve only.
    succeeds(folder.path(), &["migrate"], "");
    let mut started: Vec<Child> =
        (0..4).map(|_| program(folder.path(), &["serve"]).spawn().expect("it starts")).collect();
    let ended = loop {
        let ended = started
            .iter_mut()
            .map(|child| usize::from(matches!(child.try_wait(), Ok(Some(_)))))
            .sum::<usize>();
        if ended >= 3 {
            break ended;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    };
    assert_eq!(ended, 3);
    let mut serving = 0;
    for mut child in started {
        match child.try_wait().expect("its status") {
            Some(status) => assert!(!status.success()),
            None => {
                serving += 1;
                child.kill().expect("killed");
                child.wait().expect("reaped");
            }
        }
    }
    assert_eq!(serving, 1);
}

#[test]
fn a_demonstration_locks_its_database_too() {
    let Some(folder) = folder() else { return };
    let path = folder.path().to_str().expect("text");
    let data = ["demo", "--data", path, "--port", "0", "--no-simulation", "--workers", "20"];
    let ready = folder.path().join("ready.json");
    let arguments = [&data[..], &["--ready-file", ready.to_str().expect("text")]].concat();
    let mut first = program(folder.path(), &arguments).spawn().expect("it starts");
    while !ready.exists() {
        assert!(first.try_wait().expect("its status").is_none(), "the demonstration ended");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let pid = format!("pid {} on ", first.id());
    refused(folder.path(), &data, &[&pid, "demo.db"]);
    let url = format!("sqlite:{}", folder.path().join("demo.db").display());
    refused(folder.path(), &["serve", "--database-url", &url], &[&pid]);
    first.kill().expect("killed");
    first.wait().expect("reaped");
}

#[test]
fn commands_next_to_a_running_server_do_what_is_safe() {
    let Some(folder) = folder() else { return };
    let _server = Server::start(folder.path());
    let operator = ["operator", "create", "--email", "op@example.cn", "--name", "Op"];
    succeeds(folder.path(), &operator, "correct horse battery\n");
    // There is nothing to migrate, so it is not refused.
    succeeds(folder.path(), &["migrate"], "");
    let csv = folder.path().join("employers.csv");
    std::fs::write(&csv, "code,name_zh,name_en\nemployer-9,样例快递,Sample Couriers\n").expect("written");
    succeeds(folder.path(), &["import", "employers", csv.to_str().expect("text")], "");
    let copy = folder.path().join("copy.db");
    succeeds(folder.path(), &["backup", copy.to_str().expect("text")], "");
    refused(
        folder.path(),
        &["restore", copy.to_str().expect("text"), "--replace"],
        &["stop the server first"],
    );
}

#[test]
fn no_command_migrates_the_database_under_a_running_server() {
    let Some(folder) = folder() else { return };
    let server = Server::start(folder.path());
    // As if this program had one migration more than the running server.
    let newest = "(SELECT max(version) FROM __diesel_schema_migrations)";
    execute(folder.path(), "CREATE TABLE saved AS SELECT * FROM __diesel_schema_migrations");
    execute(folder.path(), &format!("DELETE FROM __diesel_schema_migrations WHERE version = {newest}"));
    let pid = format!("pid {} on ", server.0.id());
    refused(folder.path(), &["migrate"], &[&pid, "stop it before"]);
    let csv = folder.path().join("employers.csv");
    std::fs::write(&csv, "code,name_zh,name_en\n").expect("written");
    refused(folder.path(), &["import", "employers", csv.to_str().expect("text")], &[&pid]);
    execute(folder.path(), "INSERT OR IGNORE INTO __diesel_schema_migrations SELECT * FROM saved");
    succeeds(folder.path(), &["migrate"], "");
}

/// Executes SQL on the database's own record of migrations.
fn execute(folder: &Path, sql: &str) {
    use diesel::RunQueryDsl;

    use storage::{Conn, DatabaseUrl, conn::Purpose};
    let url = DatabaseUrl::parse(&format!("sqlite:{}", folder.join("w.db").display())).expect("a URL");
    let Ok(Conn::Sqlite(mut conn)) = Conn::open(&url, Purpose::Write) else { panic!("SQLite") };
    diesel::sql_query(sql).execute(&mut conn).expect("executed");
}
