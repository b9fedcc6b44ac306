//! Makes bodies that are wrong in one place each from a good body and its schema.

use serde_json::{Map, Value, json};

use super::document::resolved;

/// A body that is wrong in one place.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// The kind of error.
    pub kind: &'static str,
    /// The field that must be named.
    pub field: String,
    pub body: Value,
}

/// All bodies that differ from `good` in one wrong place.
pub fn wrong_bodies(schema: &Value, good: &Value) -> Vec<Wrong> {
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), good, good, &mut found);
    for other in [json!([]), json!("text"), json!(7), Value::Null] {
        found.push(Wrong { kind: "wrong type", field: String::new(), body: other });
    }
    found
}

#[derive(Debug, Clone)]
enum Step {
    Field(String),
    Item(usize),
}

fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => text.push_str(&format!(".{name}")),
            Step::Item(at) => text.push_str(&format!("[{at}]")),
        }
    }
    text
}

/// `good` with another value, or none, at `path`.
fn with(good: &Value, path: &[Step], value: Option<Value>) -> Value {
    let mut body = good.clone();
    let (last, above) = path.split_last().expect("a place");
    let mut place = &mut body;
    for step in above {
        place = match step {
            Step::Field(name) => &mut place[name.as_str()],
            Step::Item(at) => &mut place[*at],
        };
    }
    match (last, value) {
        (Step::Field(name), Some(value)) => place[name.as_str()] = value,
        (Step::Field(name), None) => {
            place.as_object_mut().expect("an object").remove(name);
        }
        (Step::Item(at), Some(value)) => place[*at] = value,
        (Step::Item(_), None) => unreachable!("entries are not left out"),
    }
    body
}

/// The schema without null and with its references resolved; of several variants the one whose tag matches.
fn plain<'s>(schema: &'s Value, current: &Value) -> &'s Value {
    let schema = resolved(schema);
    let Some(options) = options_of(schema) else { return schema };
    let mut options = options.iter().map(resolved).filter(|option| option["type"] != "null");
    let fits = |option: &&Value| {
        let mut properties = option["properties"].as_object().into_iter().flatten();
        properties.all(|(name, property)| match property["enum"].as_array().map(Vec::as_slice) {
            Some([only]) => current[name] == *only,
            _ => true,
        })
    };
    let first = options.clone().next().expect("an option");
    options.find(fits).unwrap_or(first)
}

/// The alternatives of a union, and of a schema that may be null.
fn options_of(schema: &Value) -> Option<&Vec<Value>> {
    ["oneOf", "anyOf"].into_iter().find_map(|name| schema[name].as_array())
}

fn is_of(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

fn walk(schema: &Value, path: &mut Vec<Step>, current: &Value, good: &Value, found: &mut Vec<Wrong>) {
    let schema = plain(schema, current);
    if !path.is_empty() {
        for (kind, value) in wrong_values(schema, current) {
            found.push(Wrong { kind, field: path_text(path), body: with(good, path, Some(value)) });
        }
    }
    if let Some(properties) = schema["properties"].as_object()
        && current.is_object()
    {
        walk_members(schema, properties, path, current, good, found);
    }
    if is_of(schema, "array")
        && let Some(first) = current.get(0)
    {
        path.push(Step::Item(0));
        walk(&schema["items"], path, first, good, found);
        path.pop();
    }
}

fn walk_members(
    schema: &Value,
    properties: &Map<String, Value>,
    path: &mut Vec<Step>,
    current: &Value,
    good: &Value,
    found: &mut Vec<Wrong>,
) {
    let required = schema["required"].as_array();
    for (name, property) in properties {
        path.push(Step::Field(name.clone()));
        if required.is_some_and(|required| required.iter().any(|known| known == name)) {
            found.push(Wrong { kind: "missing field", field: path_text(path), body: with(good, path, None) });
        }
        walk(property, path, current.get(name).unwrap_or(&Value::Null), good, found);
        path.pop();
    }
    path.push(Step::Field("nobody_asked".to_owned()));
    found.push(Wrong {
        kind: "unknown field",
        field: path_text(path),
        body: with(good, path, Some(json!(1))),
    });
    path.pop();
}

fn wrong_values(schema: &Value, current: &Value) -> Vec<(&'static str, Value)> {
    let number = |name: &str| schema[name].as_i64();
    let mut wrong = Vec::new();
    if is_of(schema, "string") {
        wrong.push(("wrong type", json!(7)));
        wrong.push(("wrong type", json!({"a": 1})));
        wrong.extend(wrong_texts(schema).into_iter().map(|text| ("out of range", Value::from(text))));
    } else if is_of(schema, "integer") {
        wrong.extend([json!("7"), json!(1.5), json!([1])].map(|value| ("wrong type", value)));
        wrong.push(("out of range", json!(1e30)));
        wrong.extend(
            number("minimum")
                .and_then(|least| least.checked_sub(1))
                .map(|less| ("out of range", json!(less))),
        );
        wrong.extend(
            number("maximum").and_then(|most| most.checked_add(1)).map(|more| ("out of range", json!(more))),
        );
    } else if is_of(schema, "number") {
        wrong.extend([json!("7"), json!([1])].map(|value| ("wrong type", value)));
        let bound = |name: &str| schema[name].as_f64();
        wrong.extend(bound("minimum").map(|least| ("out of range", json!(least - 0.5))));
        wrong.extend(bound("maximum").map(|most| ("out of range", json!(most + 0.5))));
    } else if is_of(schema, "boolean") {
        wrong.extend([json!("true"), json!(1)].map(|value| ("wrong type", value)));
    } else if is_of(schema, "array") {
        wrong.extend([json!("x"), json!({})].map(|value| ("wrong type", value)));
        if number("minItems").is_some_and(|least| least > 0) {
            wrong.push(("out of range", json!([])));
        }
        if let (Some(most), Some(first)) = (schema["maxItems"].as_u64(), current.get(0)) {
            let many = vec![first.clone(); usize::try_from(most).expect("a count") + 1];
            wrong.push(("out of range", Value::from(many)));
        }
    } else if is_of(schema, "object") {
        wrong.extend([json!("x"), json!([]), json!(1)].map(|value| ("wrong type", value)));
    }
    wrong
}

fn wrong_texts(schema: &Value) -> Vec<String> {
    if schema["enum"].is_array() {
        return vec!["no_such_word".to_owned(), String::new(), "\0".to_owned()];
    }
    match schema["format"].as_str() {
        Some("uuid") => {
            return ["", "no-uuid", "00000000-0000-7000-8000-00000000000g"].map(str::to_owned).to_vec();
        }
        Some("date") => return ["2026-02-30", "tomorrow", "2026-1-1"].map(str::to_owned).to_vec(),
        Some("date-time") => {
            return ["now", "2026-01-01", "2026-01-01T25:00:00Z"].map(str::to_owned).to_vec();
        }
        _ => {}
    }
    let count = |name: &str| schema[name].as_u64().and_then(|count| usize::try_from(count).ok());
    let (least, most) = (count("minLength").unwrap_or(0), count("maxLength").unwrap_or(0));
    let mut texts = vec![format!("{}\0", "a".repeat(most.saturating_sub(1)))];
    texts.push("a".repeat(most + 1));
    if least > 0 {
        texts.push("a".repeat(least - 1));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let pattern = regex::Regex::new(pattern).expect("a pattern");
        let length = least.max(1);
        let mut ugly = ["!", " ", "\u{1}"].into_iter().map(|one| one.repeat(length));
        texts.extend(ugly.find(|text| !pattern.is_match(text)));
    }
    texts
}

/// Collects the parts of a schema that have no bound.
pub fn find_unbounded(schema: &Value, place: &str, unbounded: &mut Vec<String>) {
    let schema = resolved(schema);
    for option in options_of(schema).into_iter().flatten() {
        find_unbounded(option, place, unbounded);
    }
    let open = |name: &str| schema[name].is_null();
    let mut add = |what: &str| unbounded.push(format!("{place}: {what}"));
    if is_of(schema, "string") && open("enum") && open("format") && open("maxLength") {
        add("a text of any length");
    }
    if is_of(schema, "integer") && schema["format"] != "int32" && (open("minimum") || open("maximum")) {
        add("a number without bounds");
    }
    if is_of(schema, "number") && (open("minimum") || open("maximum")) {
        add("a number without bounds");
    }
    if is_of(schema, "array") && open("maxItems") {
        add("a list of any length");
    }
    if is_of(schema, "object") && schema["additionalProperties"] != false {
        add("an object that takes anything");
    }
    if schema["items"].is_object() {
        find_unbounded(&schema["items"], &format!("{place}[]"), unbounded);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(property, &format!("{place}.{name}"), unbounded);
    }
}
