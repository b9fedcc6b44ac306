//! What is collected while two documents are compared.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::operations::compare_operations;

/// Every change from `old` to `new` that callers of `old` cannot bear, in words.
pub fn breaking_changes(old: &Value, new: &Value) -> Vec<String> {
    let mut changes = Changes { old, new, found: BTreeSet::new(), compared: HashSet::new() };
    compare_operations(&mut changes);
    changes.found.into_iter().collect()
}

/// Who must understand a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The server reads what callers write: it may accept more, never less.
    Request,
    /// Callers read what the server writes: it may say less, never more.
    Answer,
}

/// Two documents, and what was found so far.
pub struct Changes<'d> {
    pub old: &'d Value,
    pub new: &'d Value,
    found: BTreeSet<String>,
    compared: HashSet<(String, Flow)>,
}

impl<'d> Changes<'d> {
    pub fn add(&mut self, place: &str, what: impl std::fmt::Display) {
        self.found.insert(format!("{place}: {what}"));
    }

    /// Whether this component was not compared yet in this direction; schemas may contain themselves.
    pub fn first_visit(&mut self, name: &str, flow: Flow) -> bool {
        self.compared.insert((name.to_owned(), flow))
    }
}

/// A part of a document, or what it refers to there.
pub fn resolved<'d>(document: &'d Value, part: &'d Value) -> &'d Value {
    match reference(part) {
        Some(name) => {
            let target = document.pointer(name.trim_start_matches('#'));
            target.unwrap_or_else(|| panic!("{name} is not there"))
        }
        None => part,
    }
}

pub fn reference(part: &Value) -> Option<&str> {
    part["$ref"].as_str()
}

/// The members of an object; none if it is not there.
pub fn members(part: &Value) -> impl Iterator<Item = (&String, &Value)> {
    part.as_object().into_iter().flatten()
}

/// The items of a list; none if it is not there.
pub fn items(part: &Value) -> &[Value] {
    part.as_array().map(Vec::as_slice).unwrap_or_default()
}
