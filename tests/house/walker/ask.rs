//! A request of which the walker chooses every part.

use serde_json::Value;
use waystation::{crypto::device::sign_request, domain::role::Role};

use super::trials::World;
use crate::{
    harness::{Answer, TestHouse},
    seed::Seed,
};

/// One request.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: String,
    /// Path and query.
    pub url: String,
    pub token: Option<String>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            token: None,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub fn by_role(self, world: &World<'_>, role: Role) -> Self {
        let token = world.token(role).to_owned();
        self.with_token(&token)
    }

    /// Puts a header in the place of one of this name.
    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string())
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", "application/json")
    }

    /// With a fresh idempotency key.
    pub fn keyed(self) -> Self {
        self.header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
    }

    /// Signed by the seeded cabinet, as it now stands.
    pub fn signed(self, seed: &Seed) -> Self {
        let signature =
            sign_request(&seed.cabinet_key, seed.cabinet_device, &self.method, &self.url, &self.body);
        self.header("Waystation-Signature", signature.expect("signed"))
    }

    pub async fn send(self, house: &TestHouse) -> Answer {
        let method = self.method.parse().expect("a method");
        let mut request =
            house.client().request(method, format!("{}{}", house.base, self.url)).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        Answer::of(request.send().await.expect("answered")).await
    }
}
