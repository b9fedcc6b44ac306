//! TLS to PostgreSQL. The bundled client library has none (its own would bring a second
//! cryptographic backend), so it connects in plain text to a unix socket that only this process may
//! use, and a bridge here forwards the bytes through rustls. The bridge parses only the startup
//! messages and has no password.
//!
//! A failure of the bridge is returned to the client library as a PostgreSQL error response, so
//! that it shows where every other refused connection shows.

use std::{
    io,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    runtime::Runtime,
    task::AbortHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{greeting::relay_startup, trust, url::TlsPlan};

/// Longest time to connect and to complete the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// PostgreSQL's SSLRequest: its length, and a code that is not a protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Buffer size in bytes, for each direction of a connection.
const BUFFER: usize = 32 * 1024;
/// Longest path of a unix socket: the system's structure has 104 bytes on some systems.
const MAX_SOCKET_PATH: usize = 100;

/// Runs all bridges of this process, separate from the runtime of the callers: these block in the
/// client library while the bridge works for them.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("postgres-tls")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

/// A listening socket. Dropping it closes the listener; open connections continue until one of
/// their sides closes.
pub(crate) struct Bridge {
    dir: tempfile::TempDir,
    accepting: AbortHandle,
}

impl Bridge {
    /// Reads the certificates and opens the socket.
    ///
    /// # Errors
    /// Which file could not be read, or why there is no socket.
    pub fn open(plan: Arc<TlsPlan>) -> Result<Self, String> {
        let name = ServerName::try_from(plan.host.clone())
            .map_err(|_| "the host is neither a DNS name nor an address".to_owned())?;
        let connector = TlsConnector::from(Arc::<ClientConfig>::new(trust::client_config(&plan)?));
        // The directory is created with mode 0700.
        let dir = tempfile::Builder::new()
            .prefix("waystation-pg-")
            .tempdir()
            .map_err(|error| format!("no folder for the socket to PostgreSQL: {error}"))?;
        let path = dir.path().join(format!(".s.PGSQL.{}", plan.port));
        if path.as_os_str().len() > MAX_SOCKET_PATH {
            return Err("the folder for temporary files (TMPDIR) has too long a name for a socket".to_owned());
        }
        let socket = std::os::unix::net::UnixListener::bind(&path)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|error| format!("no socket to PostgreSQL: {error}"))?;
        let runtime = RUNTIME.as_ref().map_err(Clone::clone)?;
        let socket = {
            let _inside = runtime.enter();
            UnixListener::from_std(socket).map_err(|error| error.to_string())?
        };
        let upstream = Arc::new(Upstream { plan, name, connector });
        let accepting = runtime.spawn(accept(socket, upstream)).abort_handle();
        Ok(Self { dir, accepting })
    }

    /// Directory of the socket, for the client library.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How each connection of a bridge reaches the server.
struct Upstream {
    plan: Arc<TlsPlan>,
    name: ServerName<'static>,
    connector: TlsConnector,
}

async fn accept(socket: UnixListener, upstream: Arc<Upstream>) {
    loop {
        match socket.accept().await {
            Ok((client, _)) if is_own(&client) => {
                let upstream = Arc::clone(&upstream);
                tokio::spawn(async move { forward(client, &upstream).await });
            }
            Ok(_) => tracing::warn!("another process knocked at the socket to PostgreSQL"),
            // For example out of file descriptors: they become free as connections end.
            Err(error) => {
                tracing::warn!(%error, "the socket to PostgreSQL");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The connection may use this process's certificate, so no other process may use it.
fn is_own(client: &UnixStream) -> bool {
    let pid = client.peer_cred().ok().and_then(|peer| peer.pid());
    // Where the system reports no process id, the directory's mode must do.
    pid.is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()))
}

async fn forward(mut client: UnixStream, upstream: &Upstream) {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, upstream.connect()).await;
    match connected.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        Ok(mut server) => {
            let forwarded = async {
                relay_startup(&mut client, &mut server).await?;
                tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
            };
            if let Err(error) = forwarded.await {
                tracing::debug!(%error, "a connection to PostgreSQL broke");
            }
        }
        Err(why) => {
            let (host, port) = (&upstream.plan.host, upstream.plan.port);
            tracing::warn!(host, port, why, "no TLS to PostgreSQL");
            // The client library may be gone; then nobody reads the error.
            let _ = refuse(&mut client, &format!("no TLS to {host}:{port}: {why}")).await;
        }
    }
}

impl Upstream {
    /// Connects, requests TLS and performs the handshake. Any answer other than "yes" is an error
    /// and never a reason to continue in plain text.
    async fn connect(&self) -> Result<TlsStream<TcpStream>, String> {
        let text = |error: io::Error| error.to_string();
        let mut server =
            TcpStream::connect((self.plan.address.as_str(), self.plan.port)).await.map_err(text)?;
        server.set_nodelay(true).map_err(text)?;
        set_keep_alive(&server).map_err(text)?;
        server.write_all(&SSL_REQUEST).await.map_err(text)?;
        // Reads one byte only: what follows it is TLS already.
        match server.read_u8().await.map_err(text)? {
            b'S' => self.connector.connect(self.name.clone(), server).await.map_err(text),
            b'N' => Err("the server offers none".to_owned()),
            _ => Err("the server does not speak PostgreSQL's protocol, or has no free connection".to_owned()),
        }
    }
}

/// TCP keep-alive to the server: that of the client library covers only the unix socket.
fn set_keep_alive(server: &TcpStream) -> io::Result<()> {
    let keep_alive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket2::SockRef::from(server).set_tcp_keepalive(&keep_alive)
}

/// Sends an ErrorResponse, then reads until the client closes, so that the client can read the
/// response.
async fn refuse(client: &mut UnixStream, why: &str) -> io::Result<()> {
    let mut fields = Vec::new();
    // 08001: the client could not establish the connection.
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "08001"), (b'M', why)] {
        fields.push(field);
        fields.extend(value.bytes().filter(|byte| *byte != 0));
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    client.write_u8(b'E').await?;
    client.write_u32(length).await?;
    client.write_all(&fields).await?;
    client.shutdown().await?;
    let mut rest = [0; 1024];
    let drained = async {
        while client.read(&mut rest).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(1), drained).await.unwrap_or(Ok(()))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
