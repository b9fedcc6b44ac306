//! Whoever calls the API with an access token.

use std::fmt::Display;

use serde_json::Value;

use super::{Answer, TestApp};

/// A person or a machine that is signed in.
pub trait Caller {
    fn app(&self) -> &TestApp;

    fn token(&self) -> String;

    async fn get(&self, path: &str) -> Answer {
        self.app().get(&self.token(), path).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.app().post(&self.token(), path, body).await
    }

    /// PUT over a document of this version (`If-Match`).
    async fn put(&self, path: &str, version: &str, body: Value) -> Answer {
        self.app().put(&self.token(), path, version, body).await
    }

    /// A prescription, as this caller sees it.
    async fn prescription(&self, id: impl Display) -> Answer {
        self.get(&format!("/api/v1/prescriptions/{id}")).await
    }

    /// The items of a list.
    async fn list(&self, path: &str) -> Vec<Value> {
        let page = self.get(path).await.expect_ok();
        page["items"].as_array().expect("items").clone()
    }
}

/// The id of something in an answer, as text.
#[track_caller]
pub fn id_in(value: &Value) -> &str {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}"))
}
