//! Operations: paths, names, who may call, parameters, bodies and answers.

use serde_json::Value;

use super::{
    changes::{Changes, Flow, items, members, resolved},
    schemas::compare_schemas,
};

pub fn compare_operations(changes: &mut Changes<'_>) {
    let (old, new) = (changes.old, changes.new);
    for (path, item) in members(&old["paths"]) {
        for (method, operation) in members(item) {
            let place = format!("{} {path}", method.to_uppercase());
            match &new["paths"][path][method] {
                Value::Null => changes.add(&place, "is gone"),
                now => compare_operation(changes, &place, operation, now),
            }
        }
    }
}

fn compare_operation(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    if old["operationId"] != new["operationId"] {
        changes.add(place, format!("is called {} instead of {}", new["operationId"], old["operationId"]));
    }
    compare_security(changes, place, old, new);
    compare_parameters(changes, place, old, new);
    compare_bodies(changes, place, &old["requestBody"], &new["requestBody"]);
    compare_answers(changes, place, &old["responses"], &new["responses"]);
}

/// Each entry is one way to be let in; no entry means that everybody is.
fn compare_security(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    let ways = |document: &Value, operation: &Value| {
        let own = operation.get("security").or_else(|| document.get("security"));
        items(own.unwrap_or(&Value::Null)).to_vec()
    };
    let (before, now) = (ways(changes.old, old), ways(changes.new, new));
    if now.is_empty() {
        return;
    }
    if before.is_empty() {
        changes.add(place, "is not public any more");
    }
    for way in before.iter().filter(|way| !now.contains(way)) {
        changes.add(place, format!("is closed to {way}"));
    }
}

fn compare_parameters(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    let (before, now) = (parameters(changes.old, old), parameters(changes.new, new));
    for (key, parameter) in &before {
        let place = format!("{place}, {key}");
        match now.iter().find(|(other, _)| other == key) {
            None => changes.add(&place, "is gone"),
            Some((_, now)) => {
                if now["required"] == true && parameter["required"] != true {
                    changes.add(&place, "is required now");
                }
                compare_schemas(changes, Flow::Request, &place, &parameter["schema"], &now["schema"]);
            }
        }
    }
    for (key, parameter) in &now {
        if parameter["required"] == true && !before.iter().any(|(other, _)| other == key) {
            changes.add(place, format!("requires a new {key}"));
        }
    }
}

/// Parameters by what identifies them; header names are compared without case.
fn parameters<'d>(document: &'d Value, operation: &'d Value) -> Vec<(String, &'d Value)> {
    let all = items(&operation["parameters"]).iter().map(|parameter| resolved(document, parameter));
    all.map(|parameter| {
        let (place, name) = (parameter["in"].as_str(), parameter["name"].as_str());
        let (place, name) = (place.expect("where it is"), name.expect("its name"));
        let name = if place == "header" { name.to_lowercase() } else { name.to_owned() };
        (format!("{place} parameter {name}"), parameter)
    })
    .collect()
}

fn compare_bodies(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    let (old, new) = (resolved(changes.old, old), resolved(changes.new, new));
    if new["required"] == true && old["required"] != true {
        changes.add(place, "requires a body now");
    }
    compare_contents(changes, Flow::Request, &format!("{place}, the body"), old, new);
}

fn compare_answers(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    for (status, answer) in members(old) {
        let place = format!("{place}, answer {status}");
        let Some(now) = new.get(status) else {
            changes.add(&place, "is gone");
            continue;
        };
        let (answer, now) = (resolved(changes.old, answer), resolved(changes.new, now));
        for (name, header) in members(&answer["headers"]) {
            let place = format!("{place}, header {name}");
            let present = members(&now["headers"]).find(|(other, _)| other.eq_ignore_ascii_case(name));
            let Some((_, now)) = present else {
                changes.add(&place, "is gone");
                continue;
            };
            let (header, now) = (resolved(changes.old, header), resolved(changes.new, now));
            if header["required"] == true && now["required"] != true {
                changes.add(&place, "may be missing now");
            }
            compare_schemas(changes, Flow::Answer, &place, &header["schema"], &now["schema"]);
        }
        compare_contents(changes, Flow::Answer, &place, answer, now);
    }
    for (status, _) in members(new) {
        // A problem of another status is still a problem; another success is another meaning.
        if old.get(status).is_none() && status.starts_with(['1', '2', '3']) {
            changes.add(place, format!("may answer {status} now"));
        }
    }
}

fn compare_contents(changes: &mut Changes<'_>, flow: Flow, place: &str, old: &Value, new: &Value) {
    for (media, content) in members(&old["content"]) {
        match &new["content"][media] {
            Value::Null => changes.add(place, format!("is not {media} any more")),
            now => compare_schemas(changes, flow, place, &content["schema"], &now["schema"]),
        }
    }
}
