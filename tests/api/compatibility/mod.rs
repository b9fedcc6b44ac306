//! A change of the API document that breaks callers needs a raised `info.version`.
//!
//! The document is compared with every earlier one that callers may hold: `api-spec/released.json`,
//! which is the last one published and is there in any clone, and, where git knows them, the published
//! one before it and each document since. Those of an older version are exempt: the raised number is
//! what tells callers to read `api-spec/CHANGES.md`.

mod changes;
mod operations;
mod schemas;
mod trials;

use std::{path::Path, process::Command};

use serde_json::Value;

use changes::breaking_changes;

const CURRENT: &str = "api-spec/openapi.json";
const RELEASED: &str = "api-spec/released.json";

#[test]
fn a_change_that_breaks_callers_raises_the_version() {
    let current = parsed(&read(CURRENT));
    let mut earlier = vec![("the published document".to_owned(), parsed(&read(RELEASED)))];
    earlier.extend(documents_in_git());
    for (name, document) in &earlier {
        let version = version_of(document);
        assert!(version <= version_of(&current), "{name} is of version {version:?}: it never falls");
        let broken = unannounced(document, &current);
        assert!(
            broken.is_empty(),
            "callers of {name} break; raise `info.version` and say in api-spec/CHANGES.md what they must \
             change, or keep it as it was:\n- {}",
            broken.join("\n- ")
        );
    }
}

/// What breaks callers of `old` without a raised version.
fn unannounced(old: &Value, new: &Value) -> Vec<String> {
    if version_of(new) > version_of(old) { Vec::new() } else { breaking_changes(old, new) }
}

/// `info.version`, three numbers.
fn version_of(document: &Value) -> [u32; 3] {
    let text = document["info"]["version"].as_str().expect("a version");
    let numbers: Vec<u32> = text.split('.').map(|part| part.parse().expect("a number")).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{text} is not of three numbers"))
}

/// Documents of the history, with their commits; none where there is no git or no history.
fn documents_in_git() -> Vec<(String, Value)> {
    let published = commits(&["-n", "2", "--", RELEASED]);
    let since = published.first().map(|last| commits(&[&format!("{last}..HEAD"), "--", CURRENT]));
    let published = published.iter().map(|commit| (commit, RELEASED));
    let since = since.iter().flatten().map(|commit| (commit, CURRENT));
    published
        .chain(since)
        .filter_map(|(commit, path)| {
            let name = format!("{commit}:{path}");
            let text = git(&["show", &name])?;
            Some((name, parsed(&text)))
        })
        .collect()
}

fn commits(arguments: &[&str]) -> Vec<String> {
    let log = git(&[&["log", "--format=%h"], arguments].concat()).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

/// What git prints; `None` where it fails, e.g. outside of a clone.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).expect("UTF-8"))
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("a JSON document")
}
