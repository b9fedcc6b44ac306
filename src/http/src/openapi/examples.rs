//! Examples of request bodies: `examples.json` has at least one of each operation, and together they
//! have every member. The first is what an ordinary caller sends; tests send all of them.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::{RefOr, example::ExampleBuilder, path::Operation};

const EXAMPLES: &str = include_str!("examples.json");

/// All examples, by the id of their operation.
pub(crate) fn all() -> BTreeMap<String, Vec<Value>> {
    serde_json::from_str(EXAMPLES).expect("the file is compiled in, and tested")
}

/// Adds its examples to the body of an operation: `default`, and the others by number.
pub(crate) fn add(operation: &mut Operation, all: &BTreeMap<String, Vec<Value>>) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    let known = operation.operation_id.as_ref().and_then(|id| all.get(id));
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        for (number, value) in known.into_iter().flatten().enumerate() {
            let name = if number == 0 { "default".to_owned() } else { format!("other_{number}") };
            let example = ExampleBuilder::new().value(Some(value.clone())).build();
            content.examples.insert(name, RefOr::T(example));
        }
    }
}
