//! Project-wide rules checked against files: which role may call which route, the
//! published OpenAPI document, and the minimum versions of libraries.

use std::path::{Path, PathBuf};

use crate::harness::TestApp;
use domain::{policy::Policy, refusal::Code, staff::role::Role};
use http::{api::routes, openapi};

fn root(path: &str) -> PathBuf {
    crate::harness::root().join(path)
}

/// Compares with a committed file; `UPDATE_GOLDEN=1` rewrites the file.
fn compare_with(path: &str, fresh: &str) {
    let file = root(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, fresh).expect("written");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        known == fresh,
        "{path} differs from what the code generates; review the change, then run the tests with UPDATE_GOLDEN=1"
    );
}

#[test]
fn the_role_and_route_table_is_committed_as_generated() {
    let mut table =
        String::from("# Who may call what. Generated from the handlers' signatures; read every change.\n");
    table += &format!("{:<8}{:<52}", "method", "route");
    for role in Role::ALL {
        table += &format!("{:<11}", role.as_str());
    }
    let routes = routes();
    let mut lines: Vec<_> = routes.lines().iter().collect();
    lines.sort_by_key(|line| (line.path, line.method.as_str().to_owned()));
    for line in lines {
        table = table.trim_end().to_owned();
        table += &format!("\n{:<8}{:<52}", line.method.as_str(), line.path);
        for role in Role::ALL {
            let mark = match line.roles {
                [] => "anyone",
                roles if roles.contains(role) => "yes",
                _ => "-",
            };
            table += &format!("{mark:<11}");
        }
    }
    compare_with("tests/golden/role_route.txt", &(table.trim_end().to_owned() + "\n"));
}

#[test]
fn the_document_is_committed_as_generated_and_covers_every_route() {
    let document = openapi::document(&Policy::default());
    let json = document.to_pretty_json().expect("JSON") + "\n";
    compare_with("api-spec/openapi.json", &json);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let routes = routes();
    let mut documented = 0;
    for line in routes.lines() {
        let method = line.method.as_str().to_lowercase();
        if value["paths"][line.path][&method].is_object() {
            documented += 1;
        } else {
            assert!(
                line.path == "/"
                    || line.path.starts_with("/docs")
                    || line.path.starts_with("/staff/")
                    || line.path.starts_with("/verify/")
                    || line.path.ends_with(".json")
                    || line.path.ends_with(".css")
                    || line.path.ends_with(".js"),
                "{method} {} is not in the document",
                line.path
            );
        }
    }
    let operations: usize = value["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|item| {
            ["get", "post", "put", "delete", "patch"]
                .iter()
                .filter(|method| item[**method].is_object())
                .count()
        })
        .sum();
    assert_eq!(documented, operations, "the document contains a route that does not exist");
}

#[actix_web::test]
async fn every_route_refuses_every_role_that_its_signature_does_not_name() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let tokens = Role::ALL.iter().map(|role| (role, seed.token(*role, &worker).to_owned()));
    let tokens: Vec<_> = tokens.collect();
    let mut tried = 0;
    for line in routes().lines().iter().filter(|line| !line.roles.is_empty()) {
        let path =
            line.path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{code}", "none");
        let url = format!("{}{path}", app.base);
        let ask = |token: Option<&String>| {
            let request = app.client().request(line.method.as_str().parse().expect("a method"), &url);
            match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let bare = ask(None).send().await.expect("answered");
        assert_eq!(bare.status(), 401, "{} {} without a token", line.method, line.path);
        for (role, token) in &tokens {
            if line.roles.contains(role) {
                continue;
            }
            let answer = ask(Some(token)).send().await.expect("answered");
            assert_eq!(answer.status(), 403, "{} {} as {role}", line.method, line.path);
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} refusals were tried");
}

#[test]
fn every_refusal_has_its_own_code_and_a_title_in_both_languages() {
    let mut codes = std::collections::HashSet::new();
    for code in Code::ALL {
        assert!(codes.insert(code.as_str()), "{} occurs twice", code.as_str());
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        let title = code.title();
        assert!(title.zh.chars().any(|c| c as u32 > 0x2e80), "{} has no Chinese sentence", code.as_str());
        assert!(title.en.is_ascii(), "{} has no English sentence", code.as_str());
    }
}

#[test]
fn libraries_meet_their_minimum_versions() {
    let text = std::fs::read_to_string(root("Cargo.lock")).expect("a lock file");
    let lock: toml::Value = toml::from_str(&text).expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    let version_of = |name: &str| -> Option<Vec<u64>> {
        let package = packages.iter().find(|package| package["name"].as_str() == Some(name))?;
        let version = package["version"].as_str()?.split(['+', '-']).next()?;
        Some(version.split('.').filter_map(|part| part.parse().ok()).collect())
    };
    let least = [
        ("jsonwebtoken", [10, 3, 0]),
        ("diesel", [2, 3, 10]),
        ("lettre", [0, 11, 22]),
        ("rustls-webpki", [0, 103, 13]),
        ("aws-lc-sys", [0, 39, 0]),
    ];
    for (name, least) in least {
        let found = version_of(name).unwrap_or_else(|| panic!("{name} is not in the lock file"));
        assert!(found.as_slice() >= least.as_slice(), "{name} {found:?} is older than {least:?}");
    }
    for unwanted in ["h2", "native-tls", "openssl-sys", "actix-governor"] {
        assert!(version_of(unwanted).is_none(), "{unwanted} must not be linked");
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn source_files_stay_below_450_lines() {
    let root = crate::harness::root().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let long: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("schema.rs"))
        .filter_map(|file| {
            let lines = std::fs::read_to_string(file).expect("readable").lines().count();
            (lines > 450).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
