//! The load tool against a server process with sample data: the commands that a
//! person who sizes a deployment would run.

#![expect(clippy::disallowed_methods, reason = "polls another process, which cannot wake this one")]

use std::{
    io::Read,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Long enough for a debug build on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(90);
const SEED: &str = "7";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn waystation(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waystation"));
    command
        .env("WAYSTATION_DATABASE_URL", format!("sqlite:{}", folder.join("trial.db").display()))
        .env("WAYSTATION_DATA_DIR", folder)
        .env("WAYSTATION_MASTER_SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        .env("WAYSTATION_LISTEN", format!("127.0.0.1:{port}"))
        .env("WAYSTATION_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null());
    command
}

fn output_text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_load_run_against_a_filled_server_finds_no_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
    let fill = ["sample", "--workers", "60", "--seed", SEED];
    let filled = waystation(folder.path(), port).args(fill).output().expect("runs");
    assert!(filled.status.success(), "{}", output_text(&filled));
    let again = waystation(folder.path(), port).args(fill).output().expect("runs");
    assert!(!again.status.success() && output_text(&again).contains("not empty"), "{}", output_text(&again));

    let serve =
        waystation(folder.path(), port).arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut server = Server(serve.expect("runs"));
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < TIMEOUT, "the server does not answer");
        if server.0.try_wait().expect("its status").is_some() {
            let mut why = String::new();
            server.0.stderr.as_mut().expect("piped").read_to_string(&mut why).expect("text");
            panic!("the server ended: {why}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = format!("http://127.0.0.1:{port}");
    let load = ["load", "--url", &url, "--stations", "5", "--workers", "3", "--max", "--seconds", "4"];
    let tried = waystation(folder.path(), port).args(load).args(["--seed", SEED]).output().expect("runs");
    assert!(tried.status.success(), "{}", output_text(&tried));
    let text = String::from_utf8(tried.stdout).expect("text");
    let summary: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("an object");
    assert!(summary["journeys"].as_u64() > Some(2), "{text}");
    assert!(summary["steps"]["vend"]["n"].as_u64() > Some(0) && summary["seed"] == 7, "{text}");
    assert_eq!(summary["wrong_answers"], serde_json::json!({}));
}

#[test]
fn a_load_run_without_a_server_fails_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let load = ["load", "--url", "http://127.0.0.1:1", "--stations", "2", "--max", "--seconds", "1"];
    let tried = waystation(folder.path(), 1).args(load).output().expect("runs");
    assert!(
        !tried.status.success() && output_text(&tried).contains("no server answers there"),
        "{}",
        output_text(&tried)
    );
}
