//! A private Redis server: a Unix socket in a folder of its own and no port. It
//! stops when the test process ends, however that ends.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use super::engines::{print_line, required};

/// Runs the server, and stops it when its own standard input closes.
const KEEPER: &str = r#"
redis-server --port 0 --unixsocket "$1/redis.sock" --save "" --appendonly no --dir "$1" --daemonize no \
  >"$1/log" 2>&1 </dev/null &
server=$!
trap 'kill -9 $server 2>/dev/null' EXIT
for _ in $(seq 200); do
  [ -S "$1/redis.sock" ] && break
  kill -0 $server 2>/dev/null || { tail -n 3 "$1/log"; exit 1; }
  sleep 0.05
done
echo ready
cat >/dev/null
"#;

/// A server that can be killed.
pub struct RedisServer {
    dir: tempfile::TempDir,
    keeper: Option<Child>,
}

impl RedisServer {
    /// Starts one, or reports that the test is skipped; fails if Redis is required.
    pub fn start() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("way-redis-").tempdir_in("/tmp").expect("a folder");
        let mut server = Self { dir, keeper: None };
        match server.revive() {
            Ok(()) => Some(server),
            Err(why) => {
                assert!(!required("redis"), "Redis is required, but {why}");
                print_line(&format!("\nRedis: SKIPPED: {why}"));
                None
            }
        }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.dir.path().display())
    }

    /// Starts it again, empty.
    pub fn revive(&mut self) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(self.dir.path()).process_group(0);
        let mut keeper = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| why.to_string())?;
        let mut lines =
            BufReader::new(keeper.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let first = lines.next();
        if first.as_deref() != Some("ready") {
            return Err(format!("redis-server does not start: {first:?} {:?}", lines.collect::<Vec<_>>()));
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    /// Stops it at once; clients lose their connections.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ended = keeper.wait();
            let _gone = std::fs::remove_file(self.dir.path().join("redis.sock"));
        }
    }

    /// Deletes all data.
    pub fn empty(&self) {
        let done = Command::new("redis-cli")
            .arg("-s")
            .arg(self.dir.path().join("redis.sock"))
            .arg("FLUSHALL")
            .stdout(Stdio::null())
            .status();
        assert!(done.is_ok_and(|status| status.success()), "FLUSHALL");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
