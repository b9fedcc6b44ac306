//! The walker: it reads the OpenAPI document, and tries every kind of bad input on
//! every route, for every role. Each must get a problem with a stable code that
//! names what is wrong, and change nothing. A route that is missing from the table
//! of good requests makes it fail.

mod ask;
mod document;
mod journey;
mod mutate;
mod roster;
mod state;
mod tokens;
mod trials;
mod walk;

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::TestApp;
use ask::Ask;
use domain::{refusal::Code, staff::role::Role};
use trials::World;

/// Concurrent requests: none of them changes anything.
const AT_ONCE: usize = 16;

#[actix_web::test]
async fn every_route_refuses_every_kind_of_bad_input() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let world = World::open(&app, &seed).await;
    let mut tried = 0;
    for operation in document::operations() {
        let before = state::digest(&app).await;
        let trials = trials::of(&world, &operation);
        for chunk in trials.chunks(AT_ONCE) {
            tried += chunk.len();
            futures_util::future::join_all(chunk.iter().map(|trial| trial.run(&app))).await;
        }
        assert_eq!(before, state::digest(&app).await, "{} changed something", operation.id);
    }
    println!("{tried} bad requests were refused, and nothing was changed");
    assert!(tried > 3000, "only {tried} were tried");
}

#[actix_web::test]
async fn every_route_accepts_a_good_request_and_refuses_a_strangers() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let taken: BTreeSet<String> = journey::walk(&app, &seed).await;
    let known: BTreeSet<String> = document::operations().into_iter().map(|operation| operation.id).collect();
    assert_eq!(taken, known, "the journey must call every route of the document, and no other");
}

#[actix_web::test]
async fn unknown_methods_and_paths_are_refused() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let world = World::open(&app, &seed).await;
    for path in document::paths() {
        let url = document::filled(&path, "00000000-0000-7000-8000-000000000000");
        let allowed = document::methods(&path);
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH", "TRACE"] {
            if allowed.contains(&method.to_owned()) {
                continue;
            }
            let answer = Ask::new(method, &url).by_role(&world, Role::Operator).send(&app).await;
            assert_eq!(
                answer.headers["allow"].to_str().expect("text").split(", ").next(),
                allowed.first().map(String::as_str)
            );
            answer.problem(405, "method_not_allowed");
        }
        let options = Ask::new("OPTIONS", &url).send(&app).await;
        assert_eq!(options.status, 204, "OPTIONS {path}");
        let allow = options.headers["allow"].to_str().expect("text").to_owned();
        assert!(
            allowed.iter().all(|method| allow.split(", ").any(|known| known == method)),
            "{path}: {allow}"
        );
        if allowed.contains(&"GET".to_owned()) {
            let roles = document::operations()
                .into_iter()
                .find(|op| op.path == path && op.method == "GET")
                .expect("it is there")
                .roles;
            let role = roles.first().copied().unwrap_or(Role::Worker);
            let head = Ask::new("HEAD", &url).by_role(&world, role).send(&app).await;
            let status = head.status.as_u16();
            let known = [200, 400, 404].contains(&status) || fails_with_test_clock(&path, status);
            assert!(known, "HEAD {path}: {status}");
            assert_eq!(head.body, json!(""), "HEAD {path} has a body");
        }
    }
    for url in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nowhere",
        "/cabinet/v1/nowhere",
        "/api/v1/orders/",
        "/%00",
        "/%ff%fe",
    ] {
        let answer = Ask::new("GET", url).send(&app).await;
        answer.problem(404, Code::RouteNotFound.as_str());
    }
}

/// The schemas of requests must have a bound for everything.
#[test]
fn everything_in_a_request_is_bounded() {
    let mut unbounded = Vec::new();
    for operation in document::operations() {
        if let Some(schema) = &operation.body {
            mutate::find_unbounded(schema, &operation.id, &mut unbounded);
        }
        for parameter in operation.parameters.iter().filter(|parameter| parameter["in"] == "query") {
            mutate::find_unbounded(
                &parameter["schema"],
                &format!("{}?{}", operation.id, parameter["name"]),
                &mut unbounded,
            );
        }
    }
    unbounded.sort();
    unbounded.dedup();
    assert!(unbounded.is_empty(), "no bound: {unbounded:#?}");
}

/// A PostgreSQL server has its own time, so an application with a test clock
/// is not ready: its clock differs from the database's.
fn fails_with_test_clock(route: &str, status: u16) -> bool {
    (route == "checkReadiness" || route.ends_with("readyz"))
        && status == 503
        && crate::engines::engine() == crate::engines::Engine::Postgres
}
