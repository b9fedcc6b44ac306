//! TLS to a real PostgreSQL: a private server that accepts TLS only over the network.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use diesel::{connection::SimpleConnection, prelude::*, sql_types};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::engines::{binaries, print_line, required, somebody_else};
use storage::{Conn, DatabaseUrl, Store, StoreError, conn::Purpose};

/// Contains every character that a URL must escape.
const PASSWORD: &str = "p@s/s%w:o rd?";

/// Starts the server, and stops it when its own standard input closes, so a killed
/// test run leaves nothing behind either.
const KEEPER: &str = r#"
bin=$1 dir=$2 port=$3
end() { "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$dir"; }
trap end EXIT
"$bin/initdb" -D "$dir/data" -U waystation -A scram-sha-256 --pwfile "$dir/password" -E UTF8 --locale=C \
  --no-sync >"$dir/log" 2>&1 </dev/null &&
echo "ssl = on" >>"$dir/data/postgresql.conf" &&
"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -o "-k '$dir' -h 127.0.0.1 -p $port -c fsync=off \
  -c hba_file='$dir/pg_hba.conf' -c ssl_cert_file='$dir/server.crt' -c ssl_key_file='$dir/server.key' \
  -c ssl_ca_file='$dir/ca.crt' -c max_connections=150" start >>"$dir/log" 2>&1 </dev/null ||
  { tail -n 5 "$dir/log"; exit 1; }
echo ready
cat >/dev/null
"#;

/// Client authentication. Over the network TLS only, except for `bare`; `certified`
/// needs a client certificate.
const HBA: &str = "local all all trust\n\
                   hostnossl all bare 127.0.0.1/32 trust\n\
                   hostssl all certified 127.0.0.1/32 cert\n\
                   hostssl all all 127.0.0.1/32 scram-sha-256\n";

struct TlsServer {
    keeper: Child,
    bin: PathBuf,
    run_as: Option<(u32, u32)>,
    dir: tempfile::TempDir,
    port: u16,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

impl TlsServer {
    fn start() -> Result<Self, String> {
        let bin = binaries().ok_or("no PostgreSQL server is on this machine")?;
        let dir =
            tempfile::Builder::new().prefix("way-tls-").tempdir_in("/tmp").map_err(|why| why.to_string())?;
        Self::write_files(dir.path());
        let run_as = somebody_else(dir.path())?;
        if let Some((uid, gid)) = run_as {
            for file in std::fs::read_dir(dir.path()).expect("files") {
                let path = file.expect("a file").path();
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|why| why.to_string())?;
            }
        }
        // The port is free now; if another process takes it in between, the start fails.
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        drop(socket);
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&bin).arg(dir.path()).arg(port.to_string());
        if let Some((uid, gid)) = run_as {
            command.uid(uid).gid(gid);
        }
        let command = command.current_dir(dir.path()).process_group(0);
        let mut keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| why.to_string())?;
        let mut lines =
            BufReader::new(keeper.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let first: Vec<String> = lines.by_ref().take(1).collect();
        if first == ["ready"] {
            return Ok(Self { keeper, bin, run_as, dir, port });
        }
        Err(format!("{} does not start: {first:?} {:?}", bin.display(), lines.collect::<Vec<_>>()))
    }

    fn write_files(dir: &Path) {
        let write = |name: &str, text: &str| {
            use std::os::unix::fs::OpenOptionsExt;
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).mode(0o600).open(dir.join(name)).expect("a file");
            std::io::Write::write_all(&mut file, text.as_bytes()).expect("written");
        };
        let ours = authority("Waystation test authority");
        let server = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        write("server.crt", &params.signed_by(&server, &ours).expect("signed").pem());
        write("server.key", &server.serialize_pem());
        let client = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, "certified");
        write("client.crt", &params.signed_by(&client, &ours).expect("signed").pem());
        write("client.key", &client.serialize_pem());
        write("ca.crt", &ours.pem());
        write("other.crt", &authority("Somebody else").pem());
        write("password", PASSWORD);
        write("pg_hba.conf", HBA);
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A URL with these query parameters.
    fn url(&self, user: &str, query: &str) -> DatabaseUrl {
        let text = format!("postgres://{user}@localhost:{}/postgres?{query}", self.port);
        DatabaseUrl::parse(&text).expect("a URL")
    }

    fn with_password(&self, query: &str) -> DatabaseUrl {
        let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.url(&format!("waystation:{password}"), query)
    }

    fn verified(&self) -> DatabaseUrl {
        self.with_password(&format!("sslmode=verify-full&sslrootcert={}", self.file("ca.crt")))
    }

    /// A connection over the Unix socket, without TLS, to change the server's settings.
    fn admin(&self) -> Conn {
        let text =
            format!("postgres://waystation@/postgres?host={}&port={}", self.dir.path().display(), self.port);
        Conn::open(&DatabaseUrl::parse(&text).expect("a URL"), Purpose::Write).expect("the socket")
    }

    fn restart(&self) {
        let mut command = Command::new(self.bin.join("pg_ctl"));
        command.args(["-w", "-m", "fast", "restart", "-D"]).arg(self.dir.path().join("data"));
        command.arg("-l").arg(self.dir.path().join("log"));
        if let Some((uid, gid)) = self.run_as {
            command.uid(uid).gid(gid);
        }
        let done = command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(done.expect("pg_ctl").success());
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The script stops the server, and removes the folder.
        let _ended = self.keeper.wait();
    }
}

#[derive(QueryableByName)]
struct TlsStatus {
    #[diesel(sql_type = sql_types::Bool)]
    ssl: bool,
    #[diesel(sql_type = sql_types::Text)]
    version: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// What the server reports about this connection.
fn tls_status(conn: &mut Conn) -> TlsStatus {
    let Conn::Pg(conn) = conn else { panic!("PostgreSQL") };
    diesel::sql_query(
        "SELECT ssl, coalesce(version, '') AS version, current_setting('application_name') AS name \
         FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )
    .get_result(conn)
    .expect("a row")
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

fn text(conn: &mut Conn, sql: &str) -> String {
    let Conn::Pg(conn) = conn else { panic!("PostgreSQL") };
    diesel::sql_query(sql).get_result::<Found>(conn).expect("a row").text
}

fn open(url: &DatabaseUrl) -> Result<Conn, String> {
    Conn::open(url, Purpose::Read).map_err(|why| why.to_string())
}

#[track_caller]
fn refused(url: &DatabaseUrl, reason: &str) {
    let Err(why) = open(url) else { panic!("{url:?} was accepted") };
    assert!(why.contains(reason), "{why}");
    assert!(!why.contains(PASSWORD), "{why}");
}

/// Which servers are trusted, in each `sslmode`.
fn trust(server: &TlsServer) {
    let (ours, other) = (server.file("ca.crt"), server.file("other.crt"));
    let elsewhere = "host=db.example&hostaddr=127.0.0.1";
    let mut conn = open(&server.with_password(&format!(
        "sslmode=verify-full&sslrootcert={ours}&application_name=way%20station&options=-c%20geqo%3Doff"
    )))
    .expect("verified");
    let status = tls_status(&mut conn);
    assert!(status.ssl && ["TLSv1.2", "TLSv1.3"].contains(&status.version.as_str()), "{}", status.version);
    assert_eq!(status.name, "way station");
    assert_eq!(text(&mut conn, "SELECT current_setting('geqo') AS text"), "off");
    refused(&server.with_password(&format!("sslmode=verify-full&sslrootcert={other}")), "certificate");
    refused(&server.with_password(&format!("sslmode=verify-ca&sslrootcert={other}")), "certificate");
    refused(&server.with_password(&format!("sslmode=require&sslrootcert={other}")), "certificate");
    refused(
        &server.with_password(&format!("{elsewhere}&sslmode=verify-full&sslrootcert={ours}")),
        "not valid for name",
    );
    for mode in
        [format!("verify-ca&sslrootcert={ours}"), format!("require&sslrootcert={ours}"), "require".into()]
    {
        let url = server.with_password(&format!("{elsewhere}&sslmode={mode}"));
        assert!(tls_status(&mut open(&url).unwrap_or_else(|why| panic!("{mode}: {why}"))).ssl, "{mode}");
    }
    refused(&server.url("waystation:wrong", "sslmode=require"), "password");
    // The server itself refuses connections without TLS.
    refused(&server.with_password("sslmode=disable"), "pg_hba.conf");
}

/// A client certificate instead of a password.
fn identity(server: &TlsServer) {
    server.admin().batch_execute("CREATE ROLE certified LOGIN").expect("made");
    let ca = server.file("ca.crt");
    let (cert, key) = (server.file("client.crt"), server.file("client.key"));
    let shown = format!("sslmode=verify-full&sslrootcert={ca}&sslcert={cert}&sslkey={key}");
    let mut conn = open(&server.url("certified", &shown)).expect("certified");
    assert_eq!(text(&mut conn, "SELECT current_user::text AS text"), "certified");
    refused(&server.url("certified", &format!("sslmode=verify-full&sslrootcert={ca}")), "certificate");
}

/// Large values, and many connections at once, through one TLS bridge.
fn load(server: &TlsServer) {
    let url = server.verified();
    let mut conn = open(&url).expect("open");
    let large =
        text(&mut conn, "SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 400000) AS n");
    assert_eq!(large.len(), 400_000 * 32);
    let sent = "x".repeat(5_000_000);
    let Conn::Pg(pg) = &mut conn else { panic!("PostgreSQL") };
    let back: Found = diesel::sql_query("SELECT md5($1) || length($1) AS text")
        .bind::<sql_types::Text, _>(&sent)
        .get_result(pg)
        .expect("taken");
    assert!(back.text.ends_with("5000000"));
    let many: Vec<_> = (0..60)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || {
                let mut conn = open(&url).expect("open");
                (tls_status(&mut conn).ssl, conn)
            })
        })
        .collect();
    let open: Vec<_> = many.into_iter().map(|one| one.join().expect("answered")).collect();
    assert!(open.iter().all(|(ssl, _)| *ssl));
}

/// A store with TLS keeps working after the server restarts.
fn restart(server: &TlsServer) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    server.admin().batch_execute("CREATE DATABASE waystation").expect("made");
    let ca = server.file("ca.crt");
    let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = DatabaseUrl::parse(&format!(
        "postgres://waystation:{password}@localhost:{}/waystation?sslmode=verify-full&sslrootcert={ca}",
        server.port
    ))
    .expect("a URL");
    let store = Store::open(&url, 2).expect("opened and migrated");
    let ask = || runtime.block_on(store.read::<_, StoreError>(|conn| Ok(tls_status(conn).ssl)));
    assert!(ask().expect("answered"));
    server.restart();
    // Open connections are lost, which is reported; new ones replace them.
    let again = (0..5).find_map(|_| std::panic::catch_unwind(std::panic::AssertUnwindSafe(ask)).ok()?.ok());
    assert_eq!(again, Some(true));
    // When the server does not offer TLS, no connection is made.
    server.admin().batch_execute("ALTER SYSTEM SET ssl = off").expect("set");
    server.restart();
    refused(&server.verified(), "offers none");
    refused(&server.with_password("sslmode=require"), "offers none");
    server.admin().batch_execute("ALTER SYSTEM RESET ssl").expect("set");
    server.restart();
    assert!(tls_status(&mut open(&server.verified()).expect("back")).ssl);
}

#[test]
fn the_connection_to_postgresql_is_encrypted_and_the_server_is_verified() {
    let server = match TlsServer::start() {
        Ok(server) => server,
        Err(why) => {
            assert!(!required("postgres"), "PostgreSQL is required, but {why}");
            return print_line(&format!("\nTLS to PostgreSQL: SKIPPED: {why}"));
        }
    };
    trust(&server);
    identity(&server);
    load(&server);
    restart(&server);
}

/// Not a test: prints the throughput of the TLS bridge and of a plain connection to
/// the same server.
#[test]
#[ignore = "a measurement"]
fn the_throughput_of_the_tls_bridge() {
    let server = TlsServer::start().expect("a server");
    server.admin().batch_execute("CREATE ROLE bare LOGIN").expect("made");
    let figures = |url: &DatabaseUrl| {
        let mut conn = open(url).expect("open");
        let mut each = |sql: &str, times: u32| {
            let begun = std::time::Instant::now();
            for _ in 0..times {
                let _read = text(&mut conn, sql);
            }
            f64::from(times) / begun.elapsed().as_secs_f64()
        };
        each("SELECT 'x' AS text", 200);
        [each("SELECT 'x' AS text", 5_000), each("SELECT repeat('x', 1000000) AS text", 200)]
    };
    let [plain, bridged] =
        [server.url("bare", "sslmode=disable"), server.verified()].map(|url| figures(&url));
    for (name, plain, bridged) in [("small reads", plain[0], bridged[0]), ("megabytes", plain[1], bridged[1])]
    {
        print_line(&format!(
            "{name}: plain {plain:.0}/s, bridged {bridged:.0}/s, ratio {:.2}",
            bridged / plain
        ));
    }
}
