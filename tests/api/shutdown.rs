//! The real program gets SIGTERM while callers are active: it finishes the requests
//! that it accepted, and does nothing of those that got no answer.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};

use base::clock::{Clock, SystemClock};
use crypto::totp::{TotpSecret, code_at, step_of};
use storage::{Conn, DatabaseUrl, conn::Purpose};

const EMAIL: &str = "op@example.cn";
const PASSWORD: &str = "correct horse battery";
/// Long enough for a debug build on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waystation"));
    let secret = folder.join("secret");
    std::fs::write(&secret, "d2F5c3RhdGlvbi10ZXN0LXNlY3JldC0zMi1ieXRlcyE=\n").expect("written");
    command
        .env("WAYSTATION_LISTEN", "127.0.0.1:0")
        .env("WAYSTATION_DATABASE_URL", database_url(folder))
        .env("WAYSTATION_DATA_DIR", folder)
        .env("WAYSTATION_MASTER_SECRET_FILE", secret)
        .env("WAYSTATION_LOG", "json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn database_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("w.db").display())
}

/// Adds an operator; returns their TOTP secret.
pub fn operator(folder: &Path) -> TotpSecret {
    let arguments = ["operator", "create", "--email", EMAIL, "--name", "Op"];
    let mut child = program(folder).args(arguments).spawn().expect("it starts");
    writeln!(child.stdin.take().expect("its input"), "{PASSWORD}").expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    let code = text.lines().find_map(|line| line.strip_prefix("TOTP: ")).unwrap_or_else(|| panic!("{text}"));
    TotpSecret::from_base32(code).expect("a secret")
}

/// A running server; it is killed when the test ends early.
pub struct Server {
    pub child: Child,
    pub base: String,
}

impl Server {
    pub fn start(folder: &Path, drain_seconds: u32) -> Self {
        let mut child = program(folder)
            .arg("serve")
            .env("WAYSTATION_DRAIN_SECONDS", drain_seconds.to_string())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let base = loop {
            let line = lines.next().expect("it logs its address").expect("text");
            let entry: Value = serde_json::from_str(&line).expect("a line of JSON");
            if entry["message"] == "open" {
                break format!("http://{}", entry["address"].as_str().expect("an address"));
            }
        };
        // Keep reading its log, or the server blocks on a full pipe.
        std::thread::spawn(move || for _line in lines {});
        Self { child, base }
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            assert!(began.elapsed() < TIMEOUT, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub async fn sign_in(server: &Server, secret: &TotpSecret) -> String {
    let totp = code_at(secret, step_of(SystemClock.now()));
    let body = json!({"email": EMAIL, "password": PASSWORD, "totp": totp});
    let request = Client::new().post(format!("{}/api/v1/tokens/staff", server.base)).json(&body);
    let answer: Value = request.send().await.expect("answered").json().await.expect("JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What a caller knows of its writes.
#[derive(Default)]
struct Seen {
    answered: BTreeSet<String>,
    /// The last write, which got no answer.
    cut_off: Option<(String, reqwest::Error)>,
}

/// Sends one write after the other until one gets no answer.
async fn keep_writing(
    base: String,
    token: String,
    name: usize,
    count: std::sync::Arc<std::sync::atomic::AtomicUsize>,
) -> Seen {
    let client = Client::new();
    let mut seen = Seen::default();
    for n in 0.. {
        let code = format!("e{name}-{n}");
        let request = client
            .post(format!("{base}/api/v1/employers"))
            .bearer_auth(&token)
            .header("Idempotency-Key", format!("key-{code}"))
            .json(&json!({"code": code, "name_zh": "样例", "name_en": "Sample"}));
        let outcome = match request.send().await {
            Ok(answer) if answer.status() == 201 => answer.bytes().await.map(|_| ()),
            Ok(answer) => panic!("{}: {}", answer.status(), answer.text().await.unwrap_or_default()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => drop(seen.answered.insert(code)),
            Err(error) => {
                seen.cut_off = Some((code, error));
                break;
            }
        }
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    seen
}

#[actix_web::test]
async fn after_sigterm_it_finishes_the_requests_that_it_accepted() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let secret = operator(folder.path());
    let mut server = Server::start(folder.path(), 1);
    let token = sign_in(&server, &secret).await;
    let stream = Client::new().get(format!("{}/api/v1/events", server.base)).bearer_auth(&token);
    let stream = stream.send().await.expect("answered");
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let callers: Vec<_> = (0..8)
        .map(|name| tokio::spawn(keep_writing(server.base.clone(), token.clone(), name, count.clone())))
        .collect();
    while count.load(std::sync::atomic::Ordering::Relaxed) < 40 {
        assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller gave up early");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.terminate();
    let began = Instant::now();
    // A proxy learns of it from /readyz while all other callers are still served.
    let proxy = Client::new();
    let not_ready = loop {
        let answer = proxy.get(format!("{}/readyz", server.base)).send().await.expect("it still answers");
        if answer.status() == 503 {
            break answer.json::<Value>().await.expect("JSON");
        }
    };
    assert_eq!(not_ready["checks"][0], json!({"name": "lifecycle", "ok": false, "code": "draining"}));
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    println!("ended {:.1?} after SIGTERM", began.elapsed());
    stream.bytes().await.expect("the stream ends whole");
    let mut conn =
        Conn::open(&DatabaseUrl::parse(&database_url(folder.path())).expect("a URL"), Purpose::Read)
            .expect("opened");
    let rows = storage::network::listing::employer_list(&mut conn, None, 1_000_000).expect("read");
    let stored: BTreeSet<String> = rows.into_iter().map(|row| row.code).collect();
    let mut answered = BTreeSet::new();
    for caller in callers {
        let seen = caller.await.expect("joined");
        let (code, error) = seen.cut_off.expect("it came to an end");
        // No accepted request is cut off.
        assert!(
            error.is_connect() || !stored.contains(&code),
            "{code} was done without an answer: {error:?}"
        );
        answered.extend(seen.answered);
    }
    assert!(answered.len() >= 40);
    assert_eq!(stored, answered, "every answered write was done, and no other");
}

#[actix_web::test]
async fn a_second_sigterm_ends_it_at_once() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut server = Server::start(folder.path(), 600);
    server.terminate();
    let client = Client::new();
    while client.get(format!("{}/readyz", server.base)).send().await.expect("answered").status() != 503 {}
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1));
}
