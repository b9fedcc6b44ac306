//! The document, as the walker reads it: from the code, not from a file.

use std::sync::LazyLock;

use serde_json::Value;

use domain::staff::role::Role;
use http::openapi;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(openapi::document()).expect("the document is JSON"));

/// One operation of the document.
#[derive(Debug, Clone)]
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    /// Who may call; empty means anyone.
    pub roles: Vec<Role>,
    /// The schema of its body.
    pub body: Option<Value>,
    pub parameters: Vec<Value>,
}

impl Operation {
    /// Whether it has this parameter, in the header or elsewhere.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter["name"] == name)
    }

    /// Whether callers of this role sign it: devices do.
    pub fn is_signed_by(&self, role: Option<Role>) -> bool {
        self.has("Waystation-Signature") && matches!(role, Some(Role::Station | Role::Cabinet))
    }

    pub fn is_interface(&self) -> bool {
        self.path.starts_with("/api/") || self.path.starts_with("/cabinet/")
    }
}

/// All operations.
pub fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for method in ["get", "put", "post", "delete", "patch"] {
            let operation = &item[method];
            if operation.is_object() {
                all.push(read(path, method, operation));
            }
        }
    }
    all
}

fn read(path: &str, method: &str, operation: &Value) -> Operation {
    let security = operation["security"].as_array().into_iter().flatten();
    let roles = security.flat_map(|any| any.as_object().into_iter().flatten());
    let content = operation["requestBody"]["content"].as_object();
    let body = content.map(|content| {
        assert_eq!(content.keys().collect::<Vec<_>>(), ["application/json"], "{method} {path}");
        content["application/json"]["schema"].clone()
    });
    Operation {
        id: operation["operationId"].as_str().expect("an id").to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        roles: roles.map(|(name, _)| Role::parse(name).expect("a role")).collect(),
        body,
        parameters: operation["parameters"].as_array().cloned().unwrap_or_default(),
    }
}

/// The paths, each once.
pub fn paths() -> Vec<String> {
    DOCUMENT["paths"].as_object().expect("paths").keys().cloned().collect()
}

/// The methods of a path, as the document has them.
pub fn methods(path: &str) -> Vec<String> {
    http::api::routes()
        .lines()
        .iter()
        .filter(|line| line.path == path)
        .map(|line| line.method.as_str().to_owned())
        .collect()
}

/// A path with `id` in the place of its parameter.
pub fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{code}", id)
}

/// What a schema refers to.
pub fn resolved(schema: &Value) -> &Value {
    match schema["$ref"].as_str() {
        Some(name) => {
            let target = DOCUMENT.pointer(name.trim_start_matches('#'));
            resolved(target.unwrap_or_else(|| panic!("{name} is not in the document")))
        }
        None => schema,
    }
}

/// The statuses that an operation's document promises.
pub fn statuses(id: &str) -> Vec<u16> {
    let items = DOCUMENT["paths"].as_object().expect("paths").values();
    let mut found = items.flat_map(|item| item.as_object().expect("an item").values());
    let operation = found.find(|operation| operation["operationId"] == id).expect("an operation");
    let statuses = operation["responses"].as_object().expect("responses").keys();
    statuses.map(|status| status.parse().expect("a status")).collect()
}
