//! Every security check of the design has tests: `tests/SECURITY.md` is the table,
//! and this test checks that the tests named there exist.

use std::{collections::HashSet, fs, path::Path, process::Command};

const TABLE: &str = include_str!("../SECURITY.md");
/// A row about something that does not exist yet contains this instead of tests.
const NOT_BUILT: &str = "not built:";

/// Number and tests of each row of the table.
fn rows() -> Vec<(u32, Vec<&'static str>)> {
    TABLE
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let number = cells.first()?.parse().ok()?;
            let last = cells.last()?;
            // A reason is a sentence, which may contain commas.
            let tests: Vec<&str> =
                if last.starts_with(NOT_BUILT) { vec![*last] } else { last.split(',').collect() };
            Some((number, tests.into_iter().map(str::trim).filter(|name| !name.is_empty()).collect()))
        })
        .collect()
}

/// The tests of this binary.
fn tests_of_this_binary() -> HashSet<String> {
    let listed = Command::new(std::env::current_exe().expect("this binary"))
        .arg("--list")
        .output()
        .expect("the tests are listed");
    let text = String::from_utf8(listed.stdout).expect("text");
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Whether a file under `folder` has a test called `name`.
fn contains_test(folder: &Path, name: &str) -> bool {
    let signature = format!("fn {name}(");
    fs::read_dir(folder).expect("readable").any(|entry| {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            return contains_test(&path, name);
        }
        path.extension().is_some_and(|ending| ending == "rs")
            && fs::read_to_string(&path).expect("readable").contains(&signature)
    })
}

#[test]
fn every_security_check_names_tests_that_exist() {
    let numbers: Vec<u32> = rows().iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
    let here = tests_of_this_binary();
    let source = crate::harness::root().join("src");
    let mut missing = Vec::new();
    for (number, tests) in rows() {
        if tests.is_empty() {
            missing.push(format!("{number}: names no test"));
        }
        for test in tests.into_iter().filter(|test| !test.starts_with(NOT_BUILT)) {
            let exists = match test.strip_prefix("unit:") {
                Some(name) => contains_test(&source, name),
                None => here.contains(test),
            };
            if !exists {
                missing.push(format!("{number}: there is no {test}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
