//! The bridge against a server that only pretends: what a real one would not
//! do on demand. `tests/api/postgres_tls.rs` has the real one.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::postgres::url::{Roots, Trust};

/// What the server answers to the request for TLS.
#[derive(Clone)]
enum Manner {
    Tls(TlsAcceptor),
    Says(&'static [u8]),
}

/// Echoes whatever comes through TLS.
async fn pretend(manner: Manner) -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = socket.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = socket.accept().await {
            let manner = manner.clone();
            tokio::spawn(async move {
                let mut asked = [0; 8];
                client.read_exact(&mut asked).await?;
                assert_eq!(asked, SSL_REQUEST);
                match manner {
                    Manner::Says(word) => client.write_all(word).await,
                    Manner::Tls(acceptor) => {
                        client.write_all(b"S").await?;
                        let (mut heard, mut said) = tokio::io::split(acceptor.accept(client).await?);
                        tokio::io::copy(&mut heard, &mut said).await?;
                        said.shutdown().await
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

/// Sends `bytes` through a bridge, and gives back all that comes.
async fn ask(bridge: &Bridge, port: u16, bytes: Vec<u8>) -> Vec<u8> {
    let path = bridge.dir().join(format!(".s.PGSQL.{port}"));
    let asked = tokio::task::spawn_blocking(move || {
        let mut client = UnixStream::connect(path).expect("the door is open");
        let mut hears = client.try_clone().expect("cloned");
        let listening = std::thread::spawn(move || {
            let mut all = Vec::new();
            hears.read_to_end(&mut all).map(|_| all)
        });
        client.write_all(&bytes).expect("sent");
        client.shutdown(std::net::Shutdown::Write).expect("ended");
        listening.join().expect("heard").expect("an answer")
    });
    asked.await.expect("asked")
}

#[tokio::test]
async fn bytes_go_both_ways_unchanged_on_as_many_connections_as_one_likes() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let port = pretend(Manner::Tls(acceptor(&certificate))).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("written");
    let bridge =
        Bridge::open(plan(port, Trust::Name(Roots::File(file.path().to_owned())))).expect("a bridge");
    let mut much = b"\0\0\0\x08\0\x03\0\0".to_vec();
    much.extend((0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]));
    assert!(ask(&bridge, port, much.clone()).await == much);
    // A cancel request is a short connection of its own, and gets no answer.
    let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2].to_vec();
    let each = (0..20).map(|_| ask(&bridge, port, cancel.clone()));
    for echoed in futures_util::future::join_all(each).await {
        assert_eq!(echoed, cancel);
    }
    let (path, door) = (bridge.dir().to_owned(), bridge.accepting.clone());
    drop(bridge);
    assert!(!path.exists());
    tokio::task::spawn_blocking(move || while !door.is_finished() {}).await.expect("the door closes");
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_that_says_so() {
    for (word, said) in
        [(&b"N"[..], "offers none"), (&b"HTTP/1.1 400 No\r\n"[..], "protocol"), (&b""[..], "end of file")]
    {
        let port = pretend(Manner::Says(word)).await;
        let bridge = Bridge::open(plan(port, Trust::Anyone)).expect("a bridge");
        // The first words of a client that would log in, password and all.
        let answer = ask(&bridge, port, b"\0\0\0\x08\0\x03\0\0".to_vec()).await;
        assert_eq!(answer.first(), Some(&b'E'));
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains("08001") && text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn plain_bytes_smuggled_in_before_the_handshake_break_it() {
    let port = pretend(Manner::Says(b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")).await;
    let bridge = Bridge::open(plan(port, Trust::Anyone)).expect("a bridge");
    let answer = ask(&bridge, port, b"\0\0\0\x08\0\x03\0\0".to_vec()).await;
    assert_eq!(answer.first(), Some(&b'E'), "{:?}", String::from_utf8_lossy(&answer));
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let missing = Trust::Name(Roots::File("/nowhere/ca.pem".into()));
    let why = Bridge::open(plan(1, missing)).err().expect("refused");
    assert!(why.starts_with("sslrootcert"), "{why}");
    let empty = tempfile::NamedTempFile::new().expect("a file");
    let why = Bridge::open(plan(1, Trust::Chain(Roots::File(empty.path().to_owned())))).err();
    assert!(why.as_deref().is_some_and(|why| why.starts_with("sslrootcert")), "{why:?}");
}
