//! The layers that settings come from: each overrides those before it.

use serde_json::{Map, Value};

/// The settings of each source, the highest priority last.
#[derive(Default)]
pub(super) struct Layers(Vec<Layer>);

struct Layer {
    name: String,
    settings: Value,
}

impl Layers {
    /// `name` is shown after "in ..".
    pub(super) fn add(&mut self, name: impl Into<String>, settings: Value) {
        self.0.push(Layer { name: name.into(), settings });
    }

    pub(super) fn merged(&self) -> Value {
        let mut merged = Value::Object(Map::new());
        for layer in &self.0 {
            merge(&mut merged, layer.settings.clone());
        }
        merged
    }

    /// The layer of highest priority that sets `path` or, if none does, the nearest
    /// table above it.
    pub(super) fn origin(&self, path: &[String]) -> Option<&str> {
        let nearest_first = (1..=path.len()).rev().map(|length| &path[..length]);
        nearest_first
            .flat_map(|path| self.0.iter().rev().find(|layer| at(&layer.settings, path).is_some()))
            .map(|layer| layer.name.as_str())
            .next()
    }
}

/// Tables are merged key by key; any other value replaces the one before it.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The value at `path`: keys of tables and indices of lists.
pub(super) fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    })
}

/// Sets `new` at `path`, or removes the value there. Does nothing if there is no
/// table or list to contain it.
pub(super) fn put(value: &mut Value, path: &[String], new: Option<Value>) {
    match (value, path, new) {
        (value, [], Some(new)) => *value = new,
        (Value::Object(table), [key], None) => {
            table.remove(key);
        }
        (Value::Object(table), [key], Some(new)) => {
            table.insert(key.clone(), new);
        }
        (Value::Object(table), [key, below @ ..], new) => {
            if let Some(inner) = table.get_mut(key) {
                put(inner, below, new);
            }
        }
        (Value::Array(list), [index, below @ ..], new) => {
            let Some(index) = index.parse::<usize>().ok().filter(|index| *index < list.len()) else { return };
            if below.is_empty() && new.is_none() {
                list.remove(index);
            } else {
                put(&mut list[index], below, new);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn tables_are_joined_at_any_depth_and_other_values_are_replaced() {
        let mut merged =
            json!({"list": [1, 2], "a": {"b": {"c": 1, "d": 2}}, "text": "x", "table": {"k": 1}});
        merge(
            &mut merged,
            json!({"list": [3], "a": {"b": {"c": 9}, "new": true}, "text": {"k": 1}, "table": "x"}),
        );
        assert_eq!(
            merged,
            json!({"list": [3], "a": {"b": {"c": 9, "d": 2}, "new": true}, "text": {"k": 1}, "table": "x"})
        );
    }

    #[test]
    fn a_value_comes_from_the_highest_layer_that_sets_it() {
        let mut layers = Layers::default();
        layers.add("the defaults", json!({"mail": {"from": "a"}, "log": "text"}));
        layers.add("a file", json!({"mail": {"host": "b", "from": "c"}, "list": [1, 2]}));
        layers.add("the environment", json!({"mail": {"from": "d"}}));
        assert_eq!(layers.merged()["mail"], json!({"from": "d", "host": "b"}));
        for (key, origin) in [
            ("log", Some("the defaults")),
            ("mail.host", Some("a file")),
            ("list.1", Some("a file")),
            ("mail.from", Some("the environment")),
            ("mail.port", Some("the environment")),
            ("nowhere", None),
        ] {
            assert_eq!(layers.origin(&path(key)), origin, "{key}");
        }
    }

    #[test]
    fn a_value_is_set_or_removed_at_its_path() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "list": [1, 2, 3]});
        put(&mut value, &path("a.b"), None);
        put(&mut value, &path("a.d"), Some(json!(4)));
        put(&mut value, &path("list.1"), Some(json!(9)));
        put(&mut value, &path("list.0"), None);
        put(&mut value, &path("list.7"), Some(json!(9)));
        put(&mut value, &path("a.c.e"), Some(json!(9)));
        assert_eq!(value, json!({"a": {"c": 2, "d": 4}, "list": [9, 3]}));
    }
}
