//! The databases of tests: copies of a migrated one, or empty ones.

use std::{
    io::Read,
    path::Path,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use diesel::{connection::SimpleConnection, prelude::*, sql_types};

use super::{Database, Engine};
use storage::{Conn, DatabaseUrl, conn::Purpose};

/// The first key of our advisory locks on the server.
const LOCKS: i32 = 723_987;

/// A copy of a migrated file, which is made once per run; or a file that does not
/// exist yet.
pub fn sqlite(folder: &Path, migrated: bool) -> Database {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let file = folder.join("app.db");
    if migrated {
        let bytes = TEMPLATE.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = dir.path().join("template.db");
            storage::migrate(&parsed(&format!("sqlite:{}", path.display()))).expect("migrated");
            std::fs::read(&path).expect("read")
        });
        std::fs::write(&file, bytes).expect("written");
    }
    Database { url: format!("sqlite:{}", file.display()), name: None }
}

/// A copy of the database that `tests/released/make` stored of `version`.
pub fn released(engine: Engine, folder: &Path, version: &str) -> Database {
    let stored = crate::harness::root().join("tests/released").join(version);
    let unpacked = |name: &str| {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(stored.join(name)).expect(name);
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("unpacked");
        bytes
    };
    match engine {
        Engine::Sqlite => {
            let database = sqlite(folder, false);
            std::fs::write(folder.join("app.db"), unpacked("sqlite.db.gz")).expect("written");
            database
        }
        Engine::Postgres => {
            let database = server().create(false);
            let sql = String::from_utf8(unpacked("postgres.sql.gz")).expect("text");
            run_sql(&mut Conn::open(&parsed(&database.url), Purpose::Write).expect("opened"), &sql);
            database
        }
    }
}

fn parsed(url: &str) -> DatabaseUrl {
    DatabaseUrl::parse(url).expect("a URL")
}

/// The server that the tests of this process share.
pub struct Server {
    url: String,
    /// Creates and drops databases. While it is open it has this run's advisory lock.
    admin: Mutex<Conn>,
    /// A random number of this run, part of the name of each of its databases.
    run: i32,
    template: String,
    created: AtomicU32,
}

/// The server, with its migrated template ready.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let url = super::server_url().unwrap_or_else(|why| panic!("no PostgreSQL: {why}"));
        Server::at(url)
    })
}

impl Server {
    fn at(url: String) -> Self {
        let mut conn = Conn::open(&parsed(&url), Purpose::Write).expect("the server answers");
        let run = rand::random_range(1..i32::MAX);
        run_sql(&mut conn, &format!("SELECT pg_advisory_lock({LOCKS}, {run})"));
        remove_abandoned(&mut conn);
        let template = format!("waystation_test_{run}_template");
        run_sql(&mut conn, &format!("CREATE DATABASE {template} TEMPLATE template0"));
        storage::migrate(&parsed(&with_database(&url, &template))).expect("migrated");
        Self { url, admin: Mutex::new(conn), run, template, created: AtomicU32::new(0) }
    }

    /// Creates a database, migrated or without any table.
    pub fn create(&self, migrated: bool) -> Database {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("waystation_test_{}_{number}", self.run);
        let template = if migrated { &self.template } else { "template0" };
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        run_sql(&mut admin, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { url: with_database(&self.url, &name), name: Some(name) }
    }

    /// Removes a database, whoever is still connected to it.
    pub fn remove(&self, name: &str) {
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that fails already must not panic again here; what is left is dropped
        // by the next run.
        let _dropped = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

#[track_caller]
fn run_sql(conn: &mut Conn, sql: &str) {
    conn.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[derive(QueryableByName)]
struct DatabaseName {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

/// Drops the databases of runs whose advisory lock is free: those runs were killed.
fn remove_abandoned(conn: &mut Conn) {
    let Conn::Pg(pg) = conn else { return };
    let abandoned: Vec<DatabaseName> = diesel::sql_query(format!(
        "SELECT name FROM (SELECT datname::text AS name, split_part(datname::text, '_', 3) AS run FROM pg_database \
         WHERE datname ~ '^waystation_test_[0-9]{{1,10}}_') AS made \
         WHERE pg_try_advisory_lock({LOCKS}, run::bigint::int)"
    ))
    .load(pg)
    .expect("the databases");
    for DatabaseName { name } in abandoned {
        let _dropped = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }
}

/// The URL of another database on the same server.
pub fn with_database(url: &str, name: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let (location, options) =
        rest.split_once('?').map_or((rest, None), |(location, more)| (location, Some(more)));
    let authority = location.split_once('/').map_or(location, |(authority, _)| authority);
    let options = options.map(|more| format!("?{more}")).unwrap_or_default();
    format!("{scheme}://{authority}/{name}{options}")
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = sql_types::Text)]
    version: String,
}

/// The server's name and version.
pub fn version_of(url: &str) -> Result<String, String> {
    let url = DatabaseUrl::parse(url)?;
    let Conn::Pg(mut pg) = Conn::open(&url, Purpose::Read).map_err(|why| why.to_string())? else {
        return Err("it is no PostgreSQL URL".to_owned());
    };
    diesel::sql_query("SELECT split_part(current_setting('server_version'), ' ', 1) AS version")
        .get_result::<Version>(&mut pg)
        .map(|row| format!("PostgreSQL {}", row.version))
        .map_err(|why| why.to_string())
}
