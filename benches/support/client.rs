//! A client with little overhead: plain blocking sockets that stay open, one request
//! in flight on each.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// A server's response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    /// All headers except those that the HTTP library writes.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Total length of head and body.
    pub bytes: usize,
}

/// Written by the HTTP library itself.
const OWN_HEADERS: &[&str] = &["content-length", "date", "connection"];

/// A GET request as bytes.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A POST request with a JSON body, as bytes.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One open connection.
pub struct Connection(TcpStream);

impl Connection {
    /// Opens a connection to a server on this machine.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self(stream))
    }

    /// Sends a request and reads the whole response.
    ///
    /// # Errors
    /// When the connection breaks or the response cannot be read.
    pub fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.0.write_all(request)?;
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            self.0.read_exact(&mut one)?;
            text.push(one[0]);
        }
        let head = std::str::from_utf8(&text)?.to_owned();
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("no status")?;
        let all: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let length = all.iter().find(|(name, _)| name == "content-length").context("no content-length")?;
        let mut body = vec![0; length.1.parse()?];
        self.0.read_exact(&mut body)?;
        Ok(Answer {
            status,
            bytes: head.len() + body.len(),
            headers: all.into_iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str())).collect(),
            body: String::from_utf8(body)?,
        })
    }
}

/// Opens `count` connections. Each round opens new ones, because a server closes
/// connections that are idle for some seconds.
///
/// # Errors
/// When nothing listens there.
pub fn lines(port: u16, count: usize) -> io::Result<Vec<Connection>> {
    (0..count).map(|_| Connection::open(port)).collect()
}

/// Sends requests on all connections at once, repeatedly for `span`, cycling through
/// `requests` from index `next`. Each response must equal `expected` to the last byte
/// of its body. Returns the number of responses and the rate per second.
///
/// # Errors
/// When a connection breaks or a response differs.
pub fn press(
    lines: &mut [Connection],
    requests: &[Vec<u8>],
    next: &mut usize,
    expected: &Answer,
    span: Duration,
) -> anyhow::Result<(u64, f64)> {
    let mut answer = vec![0; expected.bytes];
    let (began, mut answered) = (Instant::now(), 0_u64);
    while began.elapsed() < span {
        for line in &mut *lines {
            line.0.write_all(&requests[*next])?;
            *next = (*next + 1) % requests.len();
        }
        for line in &mut *lines {
            line.0.read_exact(&mut answer)?;
            let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            ensure!(status == Some(expected.status), "another status: {}", String::from_utf8_lossy(&answer));
            ensure!(answer.ends_with(expected.body.as_bytes()), "{}", String::from_utf8_lossy(&answer));
            answered += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok((answered, answered as f64 / began.elapsed().as_secs_f64()))
}
