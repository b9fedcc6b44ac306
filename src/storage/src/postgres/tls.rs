//! TLS on the way to PostgreSQL. The bundled client library has none (its own
//! would bring a second cryptographic backend), so it talks in plain to a unix
//! socket that only this process may open, and a bridge here carries the bytes
//! on through rustls. The bridge reads only the greeting and holds no password.
//!
//! Whatever fails on the way is told to the client library in PostgreSQL's own
//! words, so that it shows where every other refusal to connect shows.

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

use super::{greeting::greet, trust, url::TlsPlan};

/// Reaching the server and agreeing on TLS takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// PostgreSQL's request for TLS: its length, and a code that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Bytes under way in each direction of a connection.
const BUFFER: usize = 32 * 1024;
/// A unix socket's path must fit into the system's structure (104 on some).
const LONGEST_PATH: usize = 100;

/// Carries all bridges of this process, beside the runtime of the callers:
/// these block in the client library while the bridge works for them.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("postgres-tls")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

/// An open door. Dropping it closes the door; connections that went through
/// live on until one of their sides closes.
pub(crate) struct Bridge {
    dir: tempfile::TempDir,
    accepting: AbortHandle,
}

impl Bridge {
    /// Reads the certificates and opens the socket.
    ///
    /// # Errors
    /// What could not be read or made.
    pub fn open(plan: Arc<TlsPlan>) -> Result<Self, String> {
        let name = ServerName::try_from(plan.host.clone())
            .map_err(|_| "the host is neither a DNS name nor an address".to_owned())?;
        let connector = TlsConnector::from(Arc::<ClientConfig>::new(trust::client_config(&plan)?));
        // The folder is made with mode 0700.
        let dir = tempfile::Builder::new()
            .prefix("waystation-pg-")
            .tempdir()
            .map_err(|error| format!("no folder for the socket to PostgreSQL: {error}"))?;
        let path = dir.path().join(format!(".s.PGSQL.{}", plan.port));
        if path.as_os_str().len() > LONGEST_PATH {
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
        let way = Arc::new(Way { plan, name, connector });
        let accepting = runtime.spawn(accept(socket, way)).abort_handle();
        Ok(Self { dir, accepting })
    }

    /// Where the client library finds the socket.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How every connection of a bridge reaches the server.
struct Way {
    plan: Arc<TlsPlan>,
    name: ServerName<'static>,
    connector: TlsConnector,
}

async fn accept(socket: UnixListener, way: Arc<Way>) {
    loop {
        match socket.accept().await {
            Ok((client, _)) if is_own(&client) => {
                let way = Arc::clone(&way);
                tokio::spawn(async move { carry(client, &way).await });
            }
            Ok(_) => tracing::warn!("another process knocked at the socket to PostgreSQL"),
            // Out of file descriptors, say: they come back as connections end.
            Err(error) => {
                tracing::warn!(%error, "the socket to PostgreSQL");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The line may carry this process's certificate, so nobody else may use it.
fn is_own(client: &UnixStream) -> bool {
    let pid = client.peer_cred().ok().and_then(|peer| peer.pid());
    // Where the system tells no process, the folder's mode has to do.
    pid.is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()))
}

async fn carry(mut client: UnixStream, way: &Way) {
    let reached = tokio::time::timeout(PATIENCE, way.reach()).await;
    match reached.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
        Ok(mut server) => {
            let carried = async {
                greet(&mut client, &mut server).await?;
                tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
            };
            if let Err(error) = carried.await {
                tracing::debug!(%error, "a connection to PostgreSQL broke");
            }
        }
        Err(why) => {
            let (host, port) = (&way.plan.host, way.plan.port);
            tracing::warn!(host, port, why, "no TLS to PostgreSQL");
            // The client library may have gone; then nobody needs the words.
            let _ = refuse(&mut client, &format!("no TLS to {host}:{port}: {why}")).await;
        }
    }
}

impl Way {
    /// Connects, asks for TLS, and agrees on it. An answer other than "yes" is
    /// an error and never a reason to go on in plain.
    async fn reach(&self) -> Result<TlsStream<TcpStream>, String> {
        let say = |error: io::Error| error.to_string();
        let mut server =
            TcpStream::connect((self.plan.address.as_str(), self.plan.port)).await.map_err(say)?;
        server.set_nodelay(true).map_err(say)?;
        notice_the_dead(&server).map_err(say)?;
        server.write_all(&SSL_REQUEST).await.map_err(say)?;
        // One byte and no more: what follows it is TLS already.
        match server.read_u8().await.map_err(say)? {
            b'S' => self.connector.connect(self.name.clone(), server).await.map_err(say),
            b'N' => Err("the server offers none".to_owned()),
            _ => Err("the server does not speak PostgreSQL's protocol, or has no room".to_owned()),
        }
    }
}

/// The client library's own keep-alive sees only the unix socket.
fn notice_the_dead(server: &TcpStream) -> io::Result<()> {
    let often = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket2::SockRef::from(server).set_tcp_keepalive(&often)
}

/// Says why in an ErrorResponse, then hears the client out so that it can read it.
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
