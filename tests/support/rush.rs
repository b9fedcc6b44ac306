//! The same request many times at once, and the sum of the answers.

use std::collections::BTreeMap;

use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Answer, TestApp};
use service::Actor;
use storage::{on_backend, schema::event};

impl TestApp {
    /// A server with connections for many callers at once, which lets one person have
    /// any number of unpaid orders.
    pub async fn open_crowded() -> Self {
        Self::open_with(|config| {
            config.database_connections = 12;
            let limits = json!({"unpaid_orders": 100, "unpaid_packs": 100});
            config.policy.insert("vending".to_owned(), limits);
        })
        .await
    }

    /// The number of events of a kind.
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

/// The number of answers of each status and code.
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
pub fn expect_tally(answers: &[Answer], wanted: &[(&str, usize)]) {
    let wanted: BTreeMap<String, usize> = wanted
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| ((*what).to_owned(), *count))
        .collect();
    assert_eq!(tally(answers), wanted);
}

/// All bodies are equal, except for the id of the request that each answers.
#[track_caller]
pub fn expect_equal(answers: &[Answer]) {
    let without_id = |answer: &Answer| {
        let mut body = answer.body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("request_id");
        }
        body
    };
    for answer in answers {
        assert_eq!(without_id(answer), without_id(&answers[0]));
    }
}
