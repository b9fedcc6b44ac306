//! Schemas: does everything that was valid in a request stay valid, and does an answer stay within
//! what callers know?

use std::collections::BTreeSet;

use serde_json::Value;

use super::changes::{Changes, Flow, items, members, reference, resolved};

/// Marks values or variants of answers that may grow within a version: callers were told to skip
/// those that they do not know.
const OPEN_SET: &str = "x-open-set";

pub fn compare_schemas(changes: &mut Changes<'_>, flow: Flow, place: &str, old: &Value, new: &Value) {
    let mut place = place;
    if let (Some(before), Some(now)) = (reference(old), reference(new)) {
        // Generated clients use the names of components.
        if before != now {
            return changes.add(place, format!("is {now} instead of {before}"));
        }
        if !changes.first_visit(before, flow) {
            return;
        }
        place = before.rsplit('/').next().unwrap_or(place);
    }
    let (before, now) = (variants(changes.old, old), variants(changes.new, new));
    if before.len() > 1 || now.len() > 1 {
        return compare_variants(changes, flow, place, resolved(changes.old, old), (&before, &now));
    }
    let (old, new) = (resolved(changes.old, old), resolved(changes.new, new));
    compare_types(changes, flow, place, old, new);
    compare_values(changes, flow, place, old, new);
    if flow == Flow::Request {
        compare_bounds(changes, place, old, new);
    }
    compare_members(changes, flow, place, old, new);
    if old["items"].is_object() && new["items"].is_object() {
        compare_schemas(changes, flow, &format!("{place}[]"), &old["items"], &new["items"]);
    }
    let (before, now) = (items(&old["allOf"]), items(&new["allOf"]));
    if before.len() != now.len() {
        changes.add(place, "is composed of other parts");
    }
    for (before, now) in before.iter().zip(now) {
        compare_schemas(changes, flow, place, before, now);
    }
}

/// The alternatives of a union; of any other schema itself.
fn variants<'d>(document: &'d Value, part: &'d Value) -> Vec<&'d Value> {
    let schema = resolved(document, part);
    let listed = ["oneOf", "anyOf"].into_iter().find_map(|name| schema[name].as_array());
    listed.map_or_else(|| vec![part], |listed| listed.iter().collect())
}

fn compare_variants(
    changes: &mut Changes<'_>,
    flow: Flow,
    place: &str,
    union: &Value,
    (before, now): (&[&Value], &[&Value]),
) {
    let find = |all: &[&Value], name: &str| all.iter().position(|variant| name_of(variant) == name);
    for variant in before {
        let name = name_of(variant);
        match find(now, &name) {
            None => changes.add(place, format!("is never {name} any more")),
            Some(at) => compare_schemas(changes, flow, &format!("{place}, {name}"), variant, now[at]),
        }
    }
    if flow == Flow::Answer && union[OPEN_SET] != true {
        for name in now.iter().map(|variant| name_of(variant)) {
            if find(before, &name).is_none() {
                changes.add(place, format!("may be {name} now"));
            }
        }
    }
}

/// What tells a variant from the others: its component, or its type and its fixed members.
fn name_of(variant: &Value) -> String {
    if let Some(name) = reference(variant) {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    let fixed = members(&variant["properties"]).filter_map(|(_, property)| match values_of(property) {
        Some(values) if values.len() == 1 => values.into_iter().next(),
        _ => None,
    });
    let fixed: Vec<String> = fixed.collect();
    if fixed.is_empty() { variant["type"].to_string() } else { fixed.join(" ") }
}

fn compare_types(changes: &mut Changes<'_>, flow: Flow, place: &str, old: &Value, new: &Value) {
    let (before, now) = (types_of(old), types_of(new));
    compare_sets(changes, flow, place, "type", (before, now));
    if old["format"] != new["format"] {
        changes.add(place, format!("has the format {} instead of {}", new["format"], old["format"]));
    }
}

/// The types of a schema; `None` if it may have any.
fn types_of(schema: &Value) -> Option<BTreeSet<String>> {
    match &schema["type"] {
        Value::String(name) => Some(BTreeSet::from([name.clone()])),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

fn compare_values(changes: &mut Changes<'_>, flow: Flow, place: &str, old: &Value, new: &Value) {
    if flow == Flow::Request || old[OPEN_SET] != true {
        compare_sets(changes, flow, place, "value", (values_of(old), values_of(new)));
    }
}

/// The values of a schema that lists them.
fn values_of(schema: &Value) -> Option<BTreeSet<String>> {
    match (&schema["enum"], schema.get("const")) {
        (Value::Array(values), _) => Some(values.iter().map(Value::to_string).collect()),
        (_, Some(value)) => Some(BTreeSet::from([value.to_string()])),
        _ => None,
    }
}

/// A request may lose nothing, an answer may gain nothing. `None` is the set of everything.
fn compare_sets(
    changes: &mut Changes<'_>,
    flow: Flow,
    place: &str,
    kind: &str,
    (before, now): (Option<BTreeSet<String>>, Option<BTreeSet<String>>),
) {
    let (limit, subject, change) = match flow {
        Flow::Request => (now, before, "is refused now"),
        Flow::Answer => (before, now, "may be answered now"),
    };
    let Some(limit) = limit else { return };
    match subject {
        None => changes.add(place, format!("every other {kind} {change}")),
        Some(subject) => {
            for value in subject.difference(&limit) {
                changes.add(place, format!("the {kind} {value} {change}"));
            }
        }
    }
}

fn compare_bounds(changes: &mut Changes<'_>, place: &str, old: &Value, new: &Value) {
    for name in ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"] {
        if let Some(now) = new[name].as_f64()
            && old[name].as_f64().is_none_or(|before| before < now)
        {
            changes.add(place, format!("{name} is {now} now"));
        }
    }
    for name in ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"] {
        if let Some(now) = new[name].as_f64()
            && old[name].as_f64().is_none_or(|before| before > now)
        {
            changes.add(place, format!("{name} is {now} now"));
        }
    }
    // Whether one pattern accepts all that another does cannot be seen from here.
    for name in ["pattern", "multipleOf", "uniqueItems"] {
        if !new[name].is_null() && old[name] != new[name] {
            changes.add(place, format!("{name} is {} now", new[name]));
        }
    }
}

fn compare_members(changes: &mut Changes<'_>, flow: Flow, place: &str, old: &Value, new: &Value) {
    for (name, property) in members(&old["properties"]) {
        let place = format!("{place}.{name}");
        match &new["properties"][name] {
            Value::Null => changes.add(&place, "is gone"),
            now => compare_schemas(changes, flow, &place, property, now),
        }
    }
    let (before, now) = (items(&old["required"]), items(&new["required"]));
    match flow {
        Flow::Request => {
            for name in now.iter().filter(|name| !before.contains(name)) {
                changes.add(place, format!("requires {name} now"));
            }
        }
        Flow::Answer => {
            for name in before.iter().filter(|name| !now.contains(name)) {
                changes.add(place, format!("may come without {name} now"));
            }
        }
    }
    let (before, now) = (&old["additionalProperties"], &new["additionalProperties"]);
    if before.is_object() && now.is_object() {
        compare_schemas(changes, flow, &format!("{place}.*"), before, now);
    } else if flow == Flow::Request && before != now && !now.is_null() && *now != true {
        changes.add(place, "refuses other members now");
    }
}
