//! The tests run on SQLite and, once more, on PostgreSQL; `support::engines` has the
//! settings.

use std::process::{Command, Stdio};

pub use crate::support::engines::{Database, Engine, binaries, engine, print_line, required, somebody_else};
use crate::support::engines::{
    ENGINE, SERVER,
    cluster::Cluster,
    fresh::{version_of, with_database},
};

/// Tests that start no server, and tests of SQLite alone.
const OF_NO_ENGINE: [&str; 9] = [
    "engines::the_same_suite",
    "engines::a_private_server",
    "writer::",
    "smtp::",
    "coordination::",
    "postgres_tls::",
    "backup::",
    "settings::",
    "shutdown::",
];

/// The whole suite once more, on PostgreSQL.
#[test]
fn the_same_suite_on_postgresql() {
    if engine() == Engine::Postgres {
        return;
    }
    // A separate cluster, so that it ends with this test.
    let (url, _cluster) = match std::env::var(SERVER) {
        Ok(url) if !url.is_empty() => (url, None),
        _ => match Cluster::start() {
            Ok(cluster) => (cluster.url().to_owned(), Some(cluster)),
            Err(why) => {
                assert!(!required("postgres"), "PostgreSQL is required, but {why}");
                print_line(&format!("\nPostgreSQL: SKIPPED, the suite ran on SQLite only: {why}"));
                return;
            }
        },
    };
    let version = version_of(&url).unwrap_or_else(|why| panic!("{SERVER}: {why}"));
    let run = Command::new(std::env::current_exe().expect("this test"))
        .args(OF_NO_ENGINE.iter().flat_map(|name| ["--skip", name]))
        .env(ENGINE, "postgres")
        .env(SERVER, &url)
        .stdin(Stdio::null())
        .output()
        .expect("the suite starts");
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "on {version}:\n{output}\n{}", String::from_utf8_lossy(&run.stderr));
    let result = output.lines().rev().find(|line| line.starts_with("test result:")).expect("a result");
    let passed = result.split_whitespace().skip_while(|word| *word != "ok.").nth(1);
    let passed: u32 = passed.and_then(|count| count.parse().ok()).expect("a count");
    assert!(passed > 50, "only {passed} tests ran on {version}: {result}");
    print_line(&format!("\n{version}: {passed} tests passed, the same as on SQLite"));
}

#[test]
fn a_private_server_is_gone_with_its_owner() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(why) if required("postgres") => panic!("PostgreSQL is required, but {why}"),
        Err(_) => return,
    };
    let dir = cluster.dir().to_owned();
    assert!(version_of(cluster.url()).expect("it answers").starts_with("PostgreSQL "));
    drop(cluster);
    assert!(!dir.exists(), "the folder is still there");
}

#[test]
fn a_url_is_led_to_another_database() {
    for (from, to) in [
        ("postgres://u@h:1/a", "postgres://u@h:1/b"),
        ("postgres://u@h:1", "postgres://u@h:1/b"),
        ("postgres://u@/a?host=%2Ftmp%2Fx", "postgres://u@/b?host=%2Ftmp%2Fx"),
        ("postgresql://h?sslmode=require", "postgresql://h/b?sslmode=require"),
    ] {
        assert_eq!(with_database(from, "b"), to);
    }
}
