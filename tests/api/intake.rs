//! Limits on what one caller can cost: memory for what is sent, time for what is waited for.

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

/// The peak memory of a process since the last call, in bytes; resets the peak.
fn peak_memory(server: &Server) -> u64 {
    let process = Path::new("/proc").join(server.child.id().to_string());
    let status = std::fs::read_to_string(process.join("status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    std::fs::write(process.join("clear_refs"), "5").expect("reset");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}

const MIB: u64 = 1024 * 1024;

/// Bodies of 256 KiB that cost the most memory when parsed, in several ways.
fn expensive_bodies() -> Vec<String> {
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
async fn expensive_bodies_use_bounded_memory() {
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
    peak_memory(&server);
    let before = peak_memory(&server);
    for path in ["/api/v1/triage/assess", "/api/v1/tokens/staff", "/api/v1/stations", "/api/v1/shifts"] {
        for body in expensive_bodies() {
            let small = body[..15 * 1024].to_owned();
            let answers = join_all((0..8).map(|_| ask(path, body.clone()))).await;
            for answer in answers {
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
    let grown = peak_memory(&server).saturating_sub(before);
    assert!(grown < 48 * MIB, "{} MiB for eight at a time", grown / MIB);
}

#[actix_web::test]
async fn four_hundred_slow_senders_use_little_memory() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let secret = operator(folder.path());
    let server = Server::start(folder.path(), 0);
    let token = sign_in(&server, &secret).await;
    peak_memory(&server);
    let before = peak_memory(&server);
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
    // Meanwhile all others are served.
    let answer = reqwest::get(format!("{}/healthz", server.base)).await.expect("answered");
    assert_eq!(answer.status(), 200);
    let grown = peak_memory(&server).saturating_sub(before);
    assert!(grown < 110 * MIB, "{} MiB", grown / MIB);
    drop((known, strangers, small));
}

/// Sends the head and a part of the body, then `piece` at every interval,
/// until the connection ends; returns all that was received.
async fn trickle(app: &TestApp, head: &str, part: &str, piece: &str, every: Duration) -> String {
    let mut line =
        TcpStream::connect(app.base.strip_prefix("http://").expect("an address")).await.expect("connected");
    line.write_all(format!("{head}{part}").as_bytes()).await.expect("sent");
    let (mut reader, mut writer) = line.into_split();
    let mut tick = tokio::time::interval(every);
    let (mut received, mut some) = (Vec::new(), [0_u8; 4096]);
    loop {
        tokio::select! {
            read = reader.read(&mut some) => match read {
                Ok(0) | Err(_) => return String::from_utf8_lossy(&received).into_owned(),
                Ok(bytes) => received.extend_from_slice(&some[..bytes]),
            },
            _ = tick.tick() => { let _ended = writer.write_all(piece.as_bytes()).await; }
        }
    }
}

#[actix_web::test]
async fn a_slow_or_paused_body_is_ended_with_408() {
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
            // A byte at a time, each within the allowed pause.
            (&length, "{", " ", 50),
            (&chunked, "1\r\n{\r\n", "1\r\n \r\n", 50),
            // Nothing more is sent.
            (&length, "{", "", 10_000),
            (&length, "", "", 10_000),
            (&chunked, "1\r\n{\r\n", "", 10_000),
        ] {
            let ended = trickle(&app, head, part, piece, Duration::from_millis(every));
            let received =
                tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the server ends it");
            assert!(received.starts_with("HTTP/1.1 408 "), "{path}: {received}");
            assert!(
                received.contains("application/problem+json") && received.contains("request_timeout"),
                "{received}"
            );
            assert!(received.to_ascii_lowercase().contains("connection: close"), "{received}");
        }
    }
    // When the answer comes before the body, the body is not read to its end either.
    for (start, status) in
        [("POST /api/v1/stations", "401"), ("GET /healthz", "200"), ("POST /nowhere", "404")]
    {
        let head = format!("{start} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let ended = trickle(&app, &head, "1\r\n{\r\n", "1\r\n \r\n", Duration::from_millis(50));
        let received =
            tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the server ends it");
        assert!(received.starts_with(&format!("HTTP/1.1 {status} ")), "{start}: {received}");
    }
}

#[actix_web::test]
async fn a_body_is_refused_by_its_announced_length_and_anonymous_callers_have_a_lower_limit() {
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
async fn endless_parameters_and_languages_are_not_parsed() {
    let app = TestApp::open().await;
    let many = (0..9_000).map(|n| format!("n{n}=")).collect::<Vec<_>>().join("&");
    let answer = app.get("", &format!("/api/v1/network/counts?{many}")).await;
    let problem = answer.problem(400, "invalid_parameter");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{problem}");
    let few: Vec<Value> = (0..20).map(|n| json!(format!("n{n}"))).collect();
    let query = few.iter().filter_map(Value::as_str).map(|name| format!("{name}=1")).collect::<Vec<_>>();
    let answer = app.get("", &format!("/api/v1/network/counts?{}", query.join("&"))).await;
    assert_eq!(answer.problem(400, "invalid_parameter")["errors"].as_array().map(Vec::len), Some(20));
    let languages = format!("{}en;q=1", "fr;q=0.1,".repeat(3_000));
    let request =
        app.client().get(format!("{}/api/v1/nowhere", app.base)).header("Accept-Language", languages);
    let answer = Answer::of(request.send().await.expect("answered")).await;
    assert_eq!(answer.headers["content-language"], "zh");
    let token = "x".repeat(50_000);
    app.get(&token, "/api/v1/me").await.problem(401, "token_invalid");
}

#[actix_web::test]
async fn one_address_cannot_exceed_its_connection_limit() {
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
            // A refused connection may be closed before this write.
            let _gone = stream.write_all(request).await;
            stream
        };
        (app, ask)
    };
    let answered = async |mut stream: tokio::net::TcpStream| {
        let mut received = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut received)).await;
        matches!(read, Ok(Ok(_))) && received == *b"HTTP/1.1 200"
    };
    let whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let (_app, ask) = opened(&[]).await;
    // Unfinished request heads; the server allows each five seconds.
    let mut connections = Vec::new();
    for _ in 0..16 {
        connections.push(ask(b"GET /healthz HTTP/1.1\r\n").await);
    }
    // Two threads accept connections; they may be counted a moment later.
    let mut tries = 0;
    while answered(ask(whole).await).await {
        tries += 1;
        assert!(tries < 200, "one too many is answered");
    }
    connections.clear();
    // The server notices after a moment that they are closed.
    let mut tries = 0;
    while !answered(ask(whole).await).await {
        tries += 1;
        assert!(tries < 200, "the closed connections are still counted");
        tokio::task::yield_now().await;
    }
    // A trusted proxy is not limited: it connects for many callers.
    let (_app, ask) = opened(&["127.0.0.0/8"]).await;
    for _ in 0..16 {
        connections.push(ask(b"GET /healthz HTTP/1.1\r\n").await);
    }
    assert!(answered(ask(whole).await).await);
}
