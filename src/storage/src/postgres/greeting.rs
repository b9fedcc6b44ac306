//! The startup messages of a connection to PostgreSQL, the only ones that the bridge parses. Over
//! TLS a server also offers passwords bound to the TLS channel (`SCRAM-SHA-256-PLUS`). The client
//! library does not know of the channel and takes the offer for an attack, so the bridge removes
//! it; unbound SCRAM stays.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest first packet of a client.
const LONGEST_START: usize = 10_000;
/// Longest message of a server before the login.
const LONGEST_MESSAGE: usize = 2_000;
/// Message type of an authentication request, and its code for SASL.
const AUTHENTICATION: u8 = b'R';
const SASL: [u8; 4] = [0, 0, 0, 10];
/// Message type of NegotiateProtocolVersion: the server supports an older protocol; the
/// authentication request follows.
const OLDER_PROTOCOL: u8 = b'v';

/// Forwards the client's first packet, and the answer up to the authentication request. What
/// follows may be copied without parsing.
///
/// # Errors
/// When a side closes, or uses another protocol.
pub(crate) async fn relay_startup<C, S>(client: &mut C, server: &mut S) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let start = body(client, LONGEST_START).await?;
    send(server, None, &start).await?;
    loop {
        let kind = match server.read_u8().await {
            Ok(kind) => kind,
            // A cancel request gets no answer.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if ![AUTHENTICATION, OLDER_PROTOCOL].contains(&kind) {
            client.write_u8(kind).await?;
            return client.flush().await;
        }
        let message = unbound(body(server, LONGEST_MESSAGE).await?);
        send(client, Some(kind), &message).await?;
        if kind == AUTHENTICATION {
            return Ok(());
        }
    }
}

/// Reads a body after its length, which counts itself.
async fn body(from: &mut (impl AsyncRead + Unpin), longest: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
    if !(8..=longest).contains(&length) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not PostgreSQL's protocol"));
    }
    let mut body = vec![0; length - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), kind: Option<u8>, body: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(body.len() + 5);
    message.extend(kind);
    message.extend(u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    message.extend(body);
    to.write_all(&message).await?;
    to.flush().await
}

/// The list of mechanisms without those bound to the channel.
fn unbound(message: Vec<u8>) -> Vec<u8> {
    let Some(names) = message.strip_prefix(&SASL) else { return message };
    let mut rest = SASL.to_vec();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && !name.ends_with(b"-PLUS")) {
        rest.extend(name);
        rest.push(0);
    }
    rest.push(0);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"\0\0\0\x08\0\x03\0\0";

    /// What each side has received at the end of the startup.
    async fn relayed(from_client: &[u8], from_server: &[u8]) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        let (mut client, mut near) = tokio::io::duplex(1 << 14);
        let (mut server, mut far) = tokio::io::duplex(1 << 14);
        client.write_all(from_client).await.expect("written");
        server.write_all(from_server).await.expect("written");
        server.shutdown().await.expect("ended");
        let outcome = relay_startup(&mut near, &mut far).await;
        drop((near, far));
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        client.read_to_end(&mut to_client).await.expect("read");
        server.read_to_end(&mut to_server).await.expect("read");
        (outcome, to_client, to_server)
    }

    #[tokio::test]
    async fn only_the_channel_bound_mechanism_is_removed() {
        let offer = b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let left = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
        let (outcome, to_client, to_server) = relayed(START, offer).await;
        outcome.expect("relayed");
        assert_eq!((to_client.as_slice(), to_server.as_slice()), (left.as_slice(), START));
        // The same after a message about an older protocol.
        let older = b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0".as_slice();
        let (outcome, to_client, _) = relayed(START, &[older, offer].concat()).await;
        outcome.expect("relayed");
        assert_eq!(to_client, [older, left.as_slice()].concat());
        // Without SASL nothing changes.
        let trust = b"R\0\0\0\x08\0\0\0\0";
        assert_eq!(relayed(START, trust).await.1, trust);
    }

    #[tokio::test]
    async fn refusals_and_silence_pass_and_other_protocols_fail() {
        let (outcome, to_client, _) = relayed(START, b"E\0\0\0\x05\0").await;
        assert!(outcome.is_ok() && to_client == b"E", "the rest is copied without parsing");
        assert!(relayed(START, b"").await.0.is_ok());
        for (client, server) in [
            (&b"GET / HTTP/1.1\r\n"[..], &b""[..]),
            (b"\0\0\0\x04", b""),
            (START, b"R\x7f\xff\xff\xff\0"),
            (START, b"R\0\0\0\x10\0\0"),
        ] {
            assert!(relayed(client, server).await.0.is_err(), "{client:?} {server:?}");
        }
    }
}
