//! How a route is called: first by a stranger, then by its owner, then again with
//! the same key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ask::Ask,
    document::{self, Operation, filled, good_body},
    state,
};
use crate::{
    harness::TestApp,
    seed::{Person, Seed},
};
use crypto::totp::{TotpSecret, code_at, step_of};

/// The state of a walk, and the operations called so far.
pub struct Walk<'h> {
    pub app: &'h TestApp,
    pub seed: &'h Seed,
    pub operations: BTreeMap<String, Operation>,
    pub taken: BTreeSet<String>,
    /// The version of the document in the last answer.
    pub etag: Option<String>,
}

#[derive(Default, Clone)]
pub struct Good<'g> {
    pub token: &'g str,
    /// The token of somebody of the same role who has no right to the resource.
    pub stranger: Option<&'g str>,
    pub id: &'g str,
    pub query: &'g str,
    pub body: Option<Value>,
    pub version: Option<String>,
}

pub fn of<'g>(token: &'g str, id: &'g str) -> Good<'g> {
    Good { token, id, ..Good::default() }
}

pub fn with(token: &str, body: Value) -> Good<'_> {
    Good { token, body: Some(body), ..Good::default() }
}

pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

impl Walk<'_> {
    pub fn ask(&self, name: &str, good: &Good<'_>) -> Ask {
        let operation = self.operations.get(name).unwrap_or_else(|| panic!("{name} is not in the document"));
        let mut url = filled(&operation.path, good.id);
        if !good.query.is_empty() {
            url = format!("{url}?{}", good.query);
        }
        let mut ask = Ask::new(&operation.method, &url);
        if !good.token.is_empty() {
            ask = ask.with_token(good.token);
        }
        if operation.body.is_some() {
            ask = ask.json(good.body.as_ref().unwrap_or(&good_body(name)));
        }
        if operation.has("Idempotency-Key") {
            ask = ask.keyed();
        }
        if let Some(version) = &good.version {
            ask = ask.header("If-Match", version.clone());
        }
        ask
    }

    /// Calls a route with a good request; returns the answer's body.
    pub async fn take(&mut self, name: &str, good: Good<'_>) -> Value {
        let ask = self.ask(name, &good);
        if let Some(stranger) = good.stranger {
            let before = state::digest(self.app).await;
            let theirs = self.ask(name, &Good { token: stranger, ..good.clone() });
            theirs.send(self.app).await.problem(404, "not_found");
            assert_eq!(before, state::digest(self.app).await, "{name}: a stranger changed something");
        }
        let answer = ask.clone().send(self.app).await;
        let good = answer.status.is_success() || super::fails_with_test_clock(name, answer.status.as_u16());
        assert!(good, "{name}: {} {}", answer.status, answer.body);
        assert!(document::statuses(name).contains(&answer.status.as_u16()), "{name}: {}", answer.status);
        document::check_headers(name, &answer);
        self.etag = answer.headers.get("etag").map(|value| value.to_str().expect("text").to_owned());
        self.taken.insert(name.to_owned());
        if self.operations[name].has("Idempotency-Key") {
            self.repeat(name, ask, &answer.body).await;
        }
        answer.body
    }

    async fn repeat(&self, name: &str, ask: Ask, first: &Value) {
        let before = state::digest(self.app).await;
        let again = ask.clone().send(self.app).await;
        // After signing out, the repeated request has a session that has ended.
        if name != "signOut" {
            assert_eq!(
                again.headers.get("idempotency-replayed").map(|value| value.as_bytes()),
                Some(&b"true"[..])
            );
            document::check_headers(name, &again);
            assert_eq!(
                again.headers.get("etag").map(|value| value.as_bytes()),
                self.etag.as_deref().map(str::as_bytes)
            );
            assert_eq!(again.body, *first, "{name}: the same key, another answer");
            let mut other = ask;
            other.body.push(b' ');
            other.send(self.app).await.problem(422, "idempotency_key_reused");
        }
        assert_eq!(before, state::digest(self.app).await, "{name}: done twice");
    }

    /// Sends a request that is no longer possible; it must get 409 with `code`.
    pub async fn too_late(&self, name: &str, good: Good<'_>, code: &str) {
        let before = state::digest(self.app).await;
        let answer = self.ask(name, &good).send(self.app).await;
        document::check_headers(name, &answer);
        answer.problem(409, code);
        assert_eq!(before, state::digest(self.app).await, "{name}: refused, but something changed");
    }

    pub fn totp(&self, person: &Person, ahead: u64) -> String {
        let secret = TotpSecret::from_bytes(&person.totp).expect("a secret");
        code_at(&secret, step_of(self.app.now()) + ahead - 1)
    }
}
