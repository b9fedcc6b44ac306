//! A request of which the walker sets every part.

use serde_json::Value;

use super::trials::World;
use crate::{
    harness::{Answer, TestApp},
    screen::device_of,
};
use crypto::device::sign_request;
use domain::staff::role::Role;

#[derive(Debug, Clone)]
pub struct Ask {
    pub method: String,
    /// Path and query.
    pub url: String,
    pub token: Option<String>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
    pub signs: Signs,
}

/// What a device's signature is made over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signs {
    /// The request as it is sent.
    ThisRequest,
    /// The same one with another body.
    AnotherBody,
    /// No signature, or an invented one in the headers.
    Nothing,
}

const SIGNATURE: &str = "Waystation-Signature";

impl Ask {
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            token: None,
            headers: Vec::new(),
            body: Vec::new(),
            signs: Signs::ThisRequest,
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

    /// Sets a header, replacing one of this name.
    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self = self.without(name);
        self.headers.push((name, value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        if name == SIGNATURE {
            self.signs = Signs::Nothing;
        }
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

    /// Signed, but over another body.
    pub fn signed_for_another(mut self) -> Self {
        self.signs = Signs::AnotherBody;
        self
    }

    /// The signature of the device that has the token, for a request that changes something.
    fn signature(&self, app: &TestApp) -> Option<String> {
        let body = match self.signs {
            Signs::ThisRequest => self.body.clone(),
            Signs::AnotherBody => [&self.body[..], b" "].concat(),
            Signs::Nothing => return None,
        };
        let token = self.token.as_deref()?;
        let key = self.headers.iter().find(|(name, _)| *name == "Idempotency-Key");
        let key = key.map(|(_, key)| key.as_slice()).unwrap_or_default();
        let (role, device) = device_of(token)?;
        if role == Role::Station {
            return app.screen_signature(token, (&self.method, &self.url), key, &body);
        }
        let signer = app.keys.of(device).filter(|_| self.method != "GET")?;
        sign_request(&signer, device, &self.method, &self.url, &body).ok()
    }

    pub async fn send(self, app: &TestApp) -> Answer {
        let method = self.method.parse().expect("a method");
        let signature = self.signature(app);
        let mut request = app.client().request(method, format!("{}{}", app.base, self.url)).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        Answer::of(request.send().await.expect("answered")).await
    }
}
