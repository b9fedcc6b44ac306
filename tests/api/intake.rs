//! What one caller can cost: memory by what is sent, time by what is waited for.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    harness::{Answer, TestApp},
    shutdown::{Server, operator, sign_in},
};

/// Bytes that a process had at most since this was asked last, and begins anew.
fn most_memory(server: &Server) -> u64 {
    let process = Path::new("/proc").join(server.child.id().to_string());
    let status = std::fs::read_to_string(process.join("status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    std::fs::write(process.join("clear_refs"), "5").expect("begun anew");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

const MIB: u64 = 1024 * 1024;

/// 256 KiB of what costs most to keep, in several ways.
fn dear_bodies() -> Vec<String> {
    let size = 255 * 1024;
    let fill = |piece: &str| piece.repeat(size / piece.len());
    let deep = "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":".repeat(100);
    let twice = "\"x\":0,".repeat((size - deep.len() - 200) / 6);
    vec![
        format!("{deep}{{{twice}\"x\":0}}{}", "}".repeat(100)),
        format!("{{{}\"email\":0}}", fill("\"email\":{},")),
        format!("{{\"email\":[{}0]}}", fill("{\"\":0},")),
        format!("{{{}\"z\":0}}", (0..26_000).map(|n| format!("\"{n:05}\":0,")).collect::<String>()),
        format!("{{\"vitals\":[{}0]}}", fill("{\"a\":{}},")),
        format!("[{}0]", fill("[],")),
    ]
}

#[actix_web::test]
async fn dear_bodies_cost_no_more_than_they_weigh() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let secret = operator(folder.path());
    let server = Server::start(folder.path(), 0);
    let token = sign_in(&server, &secret).await;
    let client = reqwest::Client::new();
    let ask = |path: &'static str, body: String| {
        let request = client
            .post(format!("{}{path}", server.base))
            .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
            .header("Content-Type", "application/json")
            .bearer_auth(&token)
            .body(body);
        async move { Answer::of(request.send().await.expect("answered")).await }
    };
    for path in ["/api/v1/triage/assess", "/api/v1/tokens/staff", "/api/v1/stations", "/api/v1/shifts"] {
        ask(path, "{}".to_owned()).await;
    }
    most_memory(&server);
    let before = most_memory(&server);
    for path in ["/api/v1/triage/assess", "/api/v1/tokens/staff", "/api/v1/stations", "/api/v1/shifts"] {
        for body in dear_bodies() {
            let small = body[..15 * 1024].to_owned();
            let told = join_all((0..8).map(|_| ask(path, body.clone()))).await;
            for answer in told {
                assert!(
                    matches!(answer.status.as_u16(), 400 | 413 | 422),
                    "{}: {}",
                    answer.status,
                    answer.body
                );
                assert!(answer.body.to_string().len() < 100_000, "{}", answer.body.to_string().len());
            }
            ask(path, small).await.problem(400, "malformed_body");
        }
    }
    let grown = most_memory(&server).saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB for eight at a time", grown / MIB);
}

#[actix_web::test]
async fn four_hundred_slow_senders_hold_little() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let secret = operator(folder.path());
    let server = Server::start(folder.path(), 0);
    let token = sign_in(&server, &secret).await;
    most_memory(&server);
    let before = most_memory(&server);
    let address = server.base.strip_prefix("http://").expect("an address").to_owned();
    let send = |path: &'static str, bearer: String, bytes: usize| {
        let address = address.clone();
        async move {
            let mut line = TcpStream::connect(&address).await.expect("connected");
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: 12345678\r\n{bearer}Content-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n",
                bytes + 1
            );
            let _maybe_refused = line.write_all(head.as_bytes()).await;
            let _maybe_refused = line.write_all(&vec![b' '; bytes]).await;
            line
        }
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let known = join_all((0..200).map(|_| send("/api/v1/stations", bearer.clone(), 200 * 1024))).await;
    let strangers = join_all((0..200).map(|_| send("/api/v1/tokens/staff", String::new(), 200 * 1024))).await;
    let small = join_all((0..200).map(|_| send("/api/v1/triage/assess", String::new(), 16_000))).await;
    // Meanwhile everybody else is served.
    let answer = reqwest::get(format!("{}/healthz", server.base)).await.expect("answered");
    assert_eq!(answer.status(), 200);
    let grown = most_memory(&server).saturating_sub(before);
    assert!(grown < 110 * MIB, "{} MiB", grown / MIB);
    drop((known, strangers, small));
}

/// Sends the head and a part of the body, then a byte whenever `tick` says so,
/// until the connection ends; gives all that came back.
async fn trickle(app: &TestApp, head: &str, part: &str, piece: &str, every: Duration) -> String {
    let mut line =
        TcpStream::connect(app.base.strip_prefix("http://").expect("an address")).await.expect("connected");
    line.write_all(format!("{head}{part}").as_bytes()).await.expect("sent");
    let (mut hears, mut says) = line.into_split();
    let mut tick = tokio::time::interval(every);
    let (mut heard, mut some) = (Vec::new(), [0_u8; 4096]);
    loop {
        tokio::select! {
            read = hears.read(&mut some) => match read {
                Ok(0) | Err(_) => return String::from_utf8_lossy(&heard).into_owned(),
                Ok(bytes) => heard.extend_from_slice(&some[..bytes]),
            },
            _ = tick.tick() => { let _ended = says.write_all(piece.as_bytes()).await; }
        }
    }
}

#[actix_web::test]
async fn a_body_that_trickles_or_pauses_is_ended() {
    let app = TestApp::open_with(|config| (config.body_ms, config.body_pause_ms) = (600, 200)).await;
    let seed = app.seed().await;
    let bearer = format!("Authorization: Bearer {}\r\n", seed.operator.token);
    for (path, bearer) in [("/api/v1/triage/assess", ""), ("/api/v1/stations", &bearer)] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: 12345678\r\nAccept-Language: en\r\n{bearer}\
             Content-Type: application/json\r\n"
        );
        let length = format!("{head}Content-Length: 9000\r\n\r\n");
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
        for (head, part, piece, every) in [
            // A byte now and then, within each pause.
            (&length, "{", " ", 50),
            (&chunked, "1\r\n{\r\n", "1\r\n \r\n", 50),
            // Nothing at all any more.
            (&length, "{", "", 10_000),
            (&length, "", "", 10_000),
            (&chunked, "1\r\n{\r\n", "", 10_000),
        ] {
            let ended = trickle(&app, head, part, piece, Duration::from_millis(every));
            let heard = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it is ended");
            assert!(heard.starts_with("HTTP/1.1 408 "), "{path}: {heard}");
            assert!(
                heard.contains("application/problem+json") && heard.contains("request_timeout"),
                "{heard}"
            );
            assert!(heard.to_ascii_lowercase().contains("connection: close"), "{heard}");
        }
    }
    // Whoever is refused, or answered, before the body is there is not drained either.
    for (start, status) in
        [("POST /api/v1/stations", "401"), ("GET /healthz", "200"), ("POST /nowhere", "404")]
    {
        let head = format!("{start} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let ended = trickle(&app, &head, "1\r\n{\r\n", "1\r\n \r\n", Duration::from_millis(50));
        let heard = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it is ended");
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {heard}");
    }
}

#[actix_web::test]
async fn a_body_is_refused_by_what_it_announces_and_strangers_announce_less() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let blank = |bytes: usize| format!("{}{{}}", " ".repeat(bytes - 2));
    let ask = |path: &'static str, token: &str, bytes: usize| {
        let request = app
            .client()
            .post(format!("{}{path}", app.base))
            .header("Idempotency-Key", "12345678")
            .header("Content-Type", "application/json")
            .bearer_auth(token)
            .body(blank(bytes));
        async move { Answer::of(request.send().await.expect("answered")).await }
    };
    ask("/api/v1/stations", &seed.operator.token, 256 * 1024).await.problem(422, "invalid_field");
    ask("/api/v1/stations", &seed.operator.token, 256 * 1024 + 1).await.problem(413, "body_too_large");
    ask("/api/v1/tokens/staff", "", 16 * 1024).await.problem(422, "invalid_field");
    ask("/api/v1/tokens/staff", "", 16 * 1024 + 1).await.problem(413, "body_too_large");
}

#[actix_web::test]
async fn names_and_languages_without_number_are_not_looked_through() {
    let app = TestApp::open().await;
    let many = (0..9_000).map(|n| format!("n{n}=")).collect::<Vec<_>>().join("&");
    let answer = app.get("", &format!("/api/v1/network/counts?{many}")).await;
    let told = answer.problem(400, "invalid_parameter");
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(1), "{told}");
    let few: Vec<Value> = (0..20).map(|n| json!(format!("n{n}"))).collect();
    let query = few.iter().filter_map(Value::as_str).map(|name| format!("{name}=1")).collect::<Vec<_>>();
    let told = app.get("", &format!("/api/v1/network/counts?{}", query.join("&"))).await;
    assert_eq!(told.problem(400, "invalid_parameter")["errors"].as_array().map(Vec::len), Some(20));
    let languages = format!("{}en;q=1", "fr;q=0.1,".repeat(3_000));
    let request =
        app.client().get(format!("{}/api/v1/nowhere", app.base)).header("Accept-Language", languages);
    let answer = Answer::of(request.send().await.expect("answered")).await;
    assert_eq!(answer.headers["content-language"], "zh");
    let token = "x".repeat(50_000);
    app.get(&token, "/api/v1/me").await.problem(401, "token_invalid");
}

#[actix_web::test]
async fn one_address_holds_no_more_connections_than_it_may() {
    let opened = async |proxies: &[&str]| {
        let trusted: Vec<_> = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        let app = TestApp::open_with(|config| {
            config.connections_per_address = 16;
            config.trusted_proxies = trusted;
        })
        .await;
        let address = app.base.trim_start_matches("http://").to_owned();
        let ask = async move |request: &'static [u8]| {
            let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connected");
            // One that is refused may be gone before this.
            let _gone = stream.write_all(request).await;
            stream
        };
        (app, ask)
    };
    let answered = async |mut stream: tokio::net::TcpStream| {
        let mut heard = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut heard)).await;
        matches!(read, Ok(Ok(_))) && heard == *b"HTTP/1.1 200"
    };
    let whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let (_app, ask) = opened(&[]).await;
    // Heads that have begun; the server gives each five seconds.
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(ask(b"GET /healthz HTTP/1.1\r\n").await);
    }
    // Two threads accept; the heads may come to be counted a moment later.
    let mut tries = 0;
    while answered(ask(whole).await).await {
        tries += 1;
        assert!(tries < 200, "one too many is answered");
    }
    held.clear();
    // The server sees in its own time that they are gone.
    let mut tries = 0;
    while !answered(ask(whole).await).await {
        tries += 1;
        assert!(tries < 200, "the address is counted for ever");
        tokio::task::yield_now().await;
    }
    // A proxy of ours speaks for many.
    let (_app, ask) = opened(&["127.0.0.0/8"]).await;
    for _ in 0..16 {
        held.push(ask(b"GET /healthz HTTP/1.1\r\n").await);
    }
    assert!(answered(ask(whole).await).await);
}
