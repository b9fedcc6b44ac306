//! A private PostgreSQL server: a new data folder, a socket in that folder and no
//! port. It is gone when its owner is, however the owner ends.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Makes the server, and stops it when the script's input ends: so a killed test run
/// leaves nothing behind either.
const KEEPER: &str = r#"
bin=$1 dir=$2
end() { "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$dir"; }
trap end EXIT
"$bin/initdb" -D "$dir/data" -U waystation -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 </dev/null &&
"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -o "-k '$dir' -h '' -c fsync=off -c full_page_writes=off \
  -c synchronous_commit=off -c max_connections=400 -c shared_buffers=64MB -c autovacuum=off" \
  start >>"$dir/log" 2>&1 </dev/null || { tail -n 5 "$dir/log"; exit 1; }
echo ready
cat >/dev/null
"#;

/// A running private server.
pub struct Cluster {
    keeper: Child,
    url: String,
    // Removed by the keeper script already.
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts a server; `Err` is the reason why there is none.
    pub fn start() -> Result<Self, String> {
        let bin = binaries().ok_or(
            "no PostgreSQL server was named in TEST_POSTGRES_URL, and no binaries (initdb, pg_ctl, postgres) \
             are on this machine",
        )?;
        // A socket's path must be short, whatever TMPDIR says.
        let parent =
            Some(PathBuf::from("/tmp")).filter(|short| short.is_dir()).unwrap_or_else(std::env::temp_dir);
        let dir =
            tempfile::Builder::new().prefix("way-pg-").tempdir_in(parent).map_err(|why| why.to_string())?;
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&bin).arg(dir.path());
        if let Some((uid, gid)) = somebody_else(dir.path())? {
            command.uid(uid).gid(gid);
        }
        let mut keeper = command
            .current_dir(dir.path())
            // Ctrl-C is for the tests; the script then sees its input end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("sh does not start: {why}"))?;
        let mut printed = Vec::new();
        for line in BufReader::new(keeper.stdout.take().expect("its output")).lines().map_while(Result::ok) {
            let ready = line == "ready";
            printed.push(line);
            if ready {
                break;
            }
        }
        let url = format!(
            "postgres://waystation@/postgres?host={}",
            dir.path().display().to_string().replace('/', "%2F")
        );
        let cluster = Self { keeper, url, dir };
        if printed.last().is_some_and(|line| line == "ready") {
            return Ok(cluster);
        }
        Err(format!("the server of {} does not start: {}", bin.display(), printed.join("; ")))
    }

    /// The URL of its first database.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ended = self.keeper.wait();
    }
}

/// Where the server's programs are: on the path, where `pg_config` points, or where
/// the distributions install them; of several versions the newest.
pub fn binaries() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        places.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let mut packaged: Vec<(u32, PathBuf)> = ["/usr/lib/postgresql", "/usr"]
        .iter()
        .filter_map(|parent| std::fs::read_dir(parent).ok())
        .flat_map(|versions| versions.filter_map(Result::ok))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("pgsql-").unwrap_or(&name).parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    packaged.sort();
    places.extend(packaged.into_iter().rev().map(|(_, bin)| bin));
    places.push("/usr/local/pgsql/bin".into());
    let complete =
        |bin: &PathBuf| ["initdb", "pg_ctl", "postgres"].iter().all(|name| bin.join(name).is_file());
    places.into_iter().find(complete)
}

/// The user to run the server as: it refuses to run as root. Then it runs as
/// `postgres` or `nobody`, who becomes the owner of the folder.
pub fn somebody_else(dir: &Path) -> Result<Option<(u32, u32)>, String> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(dir).map_err(|why| why.to_string())?.uid();
    if owner != 0 {
        return Ok(None);
    }
    let people = std::fs::read_to_string("/etc/passwd").map_err(|why| why.to_string())?;
    let ids = ["postgres", "nobody"].iter().find_map(|name| {
        let line = people.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let (uid, gid) =
        ids.ok_or("root may not run PostgreSQL, and there is neither `postgres` nor `nobody`")?;
    std::os::unix::fs::chown(dir, Some(uid), Some(gid)).map_err(|why| why.to_string())?;
    Ok(Some((uid, gid)))
}
