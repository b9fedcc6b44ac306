//! Many callers at the same moment. Each story says exactly who wins, what the
//! others are told, and what must hold afterwards; nobody ever meets a fault.

mod cabinet;
mod care;
mod consent;
mod devices;
mod people;
mod vend;

use std::collections::BTreeMap;

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    harness::{Answer, TestApp},
    seed::Seed,
    vending::Visit,
};
use service::Actor;
use storage::{on_backend, schema::event};

/// A house whose database is really asked by many at once.
pub async fn crowded() -> TestApp {
    TestApp::open_with(|config| {
        config.database_connections = 12;
        // How many one person may hold is told elsewhere.
        config
            .policy
            .insert("vending".to_owned(), serde_json::json!({"unpaid_orders": 100, "unpaid_packs": 100}));
    })
    .await
}

/// The same, with the small network.
pub async fn peopled() -> (TestApp, Seed) {
    let app = crowded().await;
    let seed = app.seed().await;
    (app, seed)
}

/// The same, and the worker is checked in.
pub async fn at_the_screen() -> (TestApp, Seed, String) {
    let (app, seed) = peopled().await;
    let worker = app.check_in(&seed).await;
    (app, seed, worker)
}

/// The same, before a cabinet that is filled.
pub async fn at_the_cabinet() -> (TestApp, Seed, Visit) {
    let (app, seed) = peopled().await;
    app.fill(&seed).await;
    let visit = app.visit(&seed).await;
    (app, seed, visit)
}

impl TestApp {
    /// How often something was logged.
    pub async fn logged(&self, kind: &'static str) -> i64 {
        self.state
            .read(Actor::System, move |conn, _| {
                Ok(on_backend!(conn, c => event::table.filter(event::kind.eq(kind)).count().get_result(c))?)
            })
            .await
            .expect("read")
    }

    /// The same request, with one key, from `many` callers at once.
    pub async fn rush_with_key(
        &self,
        many: usize,
        token: &str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Vec<Answer> {
        join_all((0..many).map(|_| self.post_with_key(token, path, key, body.clone()))).await
    }

    /// The same request from `many` callers at once, each with a key of its own.
    pub async fn rush(&self, many: usize, token: &str, path: &str, body: &Value) -> Vec<Answer> {
        join_all((0..many).map(|_| self.post(token, path, body.clone()))).await
    }
}

/// How often each answer was given: status and code of the refusal.
#[track_caller]
pub fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        assert!(answer.status.as_u16() < 500, "{}: {}", answer.status, answer.body);
        let code = if answer.status.is_success() { None } else { answer.body["code"].as_str() };
        let code = code.unwrap_or("done");
        *counts.entry(format!("{} {code}", answer.status.as_u16())).or_default() += 1;
    }
    counts
}

/// Asserts the whole tally.
#[track_caller]
pub fn told(answers: &[Answer], wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<String, usize> = wanted
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| ((*what).to_owned(), *count))
        .collect();
    assert_eq!(tally(answers), wanted);
}

/// All bodies are one and the same, but for the id of the request that each answers.
#[track_caller]
pub fn all_alike(answers: &[Answer]) {
    let said = |answer: &Answer| {
        let mut body = answer.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        body
    };
    for answer in answers {
        assert_eq!(said(answer), said(&answers[0]));
    }
}
