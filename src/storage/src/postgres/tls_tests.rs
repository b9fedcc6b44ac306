//! The bridge against a fake server, for what a real one does not do on demand.
//! `tests/api/postgres_tls.rs` uses a real one.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::postgres::url::{Roots, Trust};

/// How the fake server answers the request for TLS.
#[derive(Clone)]
enum TlsAnswer {
    Tls(TlsAcceptor),
    Bytes(&'static [u8]),
}

/// Starts a fake server that echoes whatever comes through TLS; returns its port.
async fn fake_server(answer: TlsAnswer) -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = socket.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = socket.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut asked = [0; 8];
                client.read_exact(&mut asked).await?;
                assert_eq!(asked, SSL_REQUEST);
                match answer {
                    TlsAnswer::Bytes(bytes) => client.write_all(bytes).await,
                    TlsAnswer::Tls(acceptor) => {
                        client.write_all(b"S").await?;
                        let (mut reader, mut writer) = tokio::io::split(acceptor.accept(client).await?);
                        tokio::io::copy(&mut reader, &mut writer).await?;
                        writer.shutdown().await
                    }
                }
            });
        }
    });
    port
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.into())
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

fn plan(port: u16, trust: Trust) -> Arc<TlsPlan> {
    let (host, address) = ("localhost".to_owned(), "127.0.0.1".to_owned());
    Arc::new(TlsPlan { host, address, port, trust, identity: None })
}

/// Sends `bytes` through a bridge, and returns all that comes back.
async fn exchange(bridge: &Bridge, port: u16, bytes: Vec<u8>) -> Vec<u8> {
    let path = bridge.dir().join(format!(".s.PGSQL.{port}"));
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut client = UnixStream::connect(path).expect("the socket accepts");
        let mut receiver = client.try_clone().expect("cloned");
        let received = std::thread::spawn(move || {
            let mut all = Vec::new();
            receiver.read_to_end(&mut all).map(|_| all)
        });
        client.write_all(&bytes).expect("sent");
        client.shutdown(std::net::Shutdown::Write).expect("ended");
        received.join().expect("joined").expect("an answer")
    });
    exchanged.await.expect("exchanged")
}

#[tokio::test]
async fn bytes_pass_both_ways_unchanged_on_many_connections() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let port = fake_server(TlsAnswer::Tls(acceptor(&certificate))).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("written");
    let bridge =
        Bridge::open(plan(port, Trust::Name(Roots::File(file.path().to_owned())))).expect("a bridge");
    let mut large = b"\0\0\0\x08\0\x03\0\0".to_vec();
    large.extend((0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]));
    assert!(exchange(&bridge, port, large.clone()).await == large);
    // A cancel request is a short connection of its own, and gets no answer.
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2].to_vec();
    let cancels = (0..20).map(|_| exchange(&bridge, port, cancel.clone()));
    for echoed in futures_util::future::join_all(cancels).await {
        assert_eq!(echoed, cancel);
    }
    let (path, listener) = (bridge.dir().to_owned(), bridge.accepting.clone());
    drop(bridge);
    assert!(!path.exists());
    tokio::task::spawn_blocking(move || while !listener.is_finished() {}).await.expect("the listener closes");
}

#[tokio::test]
async fn a_server_without_tls_is_a_clear_error() {
    for (bytes, expected) in
        [(&b"N"[..], "offers none"), (&b"HTTP/1.1 400 No\r\n"[..], "protocol"), (&b""[..], "end of file")]
    {
        let port = fake_server(TlsAnswer::Bytes(bytes)).await;
        let bridge = Bridge::open(plan(port, Trust::Anyone)).expect("a bridge");
        // The first bytes of a client that would log in, with its password.
        let answer = exchange(&bridge, port, b"\0\0\0\x08\0\x03\0\0".to_vec()).await;
        assert_eq!(answer.first(), Some(&b'E'));
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("08001") && text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn plain_bytes_smuggled_in_before_the_handshake_break_it() {
    let port = fake_server(TlsAnswer::Bytes(b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")).await;
    let bridge = Bridge::open(plan(port, Trust::Anyone)).expect("a bridge");
    let answer = exchange(&bridge, port, b"\0\0\0\x08\0\x03\0\0".to_vec()).await;
    assert_eq!(answer.first(), Some(&b'E'), "{:?}", String::from_utf8_lossy(&answer));
}

#[test]
fn unreadable_certificates_are_named_in_the_error() {
    let missing = Trust::Name(Roots::File("/nowhere/ca.pem".into()));
    let why = Bridge::open(plan(1, missing)).err().expect("refused");
    assert!(why.starts_with("sslrootcert"), "{why}");
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let why = Bridge::open(plan(1, Trust::Chain(Roots::File(empty.path().to_owned())))).err();
    assert!(why.as_deref().is_some_and(|why| why.starts_with("sslrootcert")), "{why:?}");
}
