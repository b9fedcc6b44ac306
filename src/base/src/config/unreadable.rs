//! serde's errors about a setting, by key and without the value, which may be a
//! secret.
//!
//! serde_json gives no error kinds, only messages in the forms of
//! `serde::de::Error`. A message in any other form is not shown.

use serde_path_to_error::{Error, Segment};

/// Settings whose value is never shown.
pub(super) const SECRETS: &[&str] = &["master_secret", "database_url", "redis_url", "metrics_token"];

/// Parser messages that contain no value.
const PLAIN: &[&str] = &["invalid socket address syntax", "invalid IP address syntax"];

/// One setting that is unknown, missing or of the wrong kind.
pub(super) struct Unreadable {
    /// Keys of tables and indices of lists, from the root.
    pub(super) path: Vec<String>,
    pub(super) why: String,
    /// There is no setting with this name.
    pub(super) is_unknown: bool,
}

impl Unreadable {
    pub(super) fn key(&self) -> String {
        if self.path.is_empty() { "the settings".to_owned() } else { self.path.join(".") }
    }
}

impl From<Error<serde_json::Error>> for Unreadable {
    fn from(error: Error<serde_json::Error>) -> Self {
        let words = error.inner().to_string();
        let message = Message::of(&words);
        let mut path: Vec<String> = error
            .path()
            .iter()
            .map_while(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        match &message {
            Message::Missing { field } => path.push((*field).to_owned()),
            // serde's path ends at the field, but for our own tables at the table.
            Message::Unknown { field, .. } if path.last().is_none_or(|last| last != field) => {
                path.push((*field).to_owned());
            }
            _ => {}
        }
        // serde also accepts a list for a struct. No list setting has fixed choices,
        // so a value in a list may be anything and is not shown.
        let in_list = matches!(error.path().iter().next_back(), Some(Segment::Seq { .. }));
        let is_secret = in_list || path.first().is_some_and(|key| SECRETS.contains(&key.as_str()));
        Self { why: message.why(is_secret), is_unknown: matches!(message, Message::Unknown { .. }), path }
    }
}

enum Message<'a> {
    Unknown { field: &'a str, known: Vec<&'a str> },
    Missing { field: &'a str },
    NoVariant { found: &'a str, known: Vec<&'a str> },
    Wrong { found: &'a str, wanted: &'a str },
    Plain(&'a str),
    Other,
}

impl<'a> Message<'a> {
    /// The expected type is last in a message: whatever the value contains, it starts
    /// at the last " expected ".
    fn of(words: &'a str) -> Self {
        let named = |start: &str| words.strip_prefix(start)?.rsplit_once("`, expected ");
        let wrong = |start: &str| words.strip_prefix(start)?.rsplit_once(", expected ");
        if let Some((field, known)) = named("unknown field `") {
            return Self::Unknown { field, known: quoted(known) };
        }
        if let Some((found, known)) = named("unknown variant `") {
            return Self::NoVariant { found, known: quoted(known) };
        }
        if let Some((found, wanted)) = wrong("invalid type: ").or_else(|| wrong("invalid value: ")) {
            return Self::Wrong { found, wanted };
        }
        if let Some(field) = words.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            return Self::Missing { field };
        }
        if PLAIN.contains(&words) { Self::Plain(words) } else { Self::Other }
    }

    fn why(&self, is_secret: bool) -> String {
        match self {
            Self::Unknown { known, .. } => {
                format!("there is no such setting; there are {}", known.join(", "))
            }
            Self::Missing { .. } => "it is missing".to_owned(),
            Self::NoVariant { found, known } if !is_secret => {
                format!("`{found}` is none of {}", known.join(", "))
            }
            Self::Wrong { found, wanted } => {
                // How serde_json names an expected enum variant.
                let is_choice = matches!(*wanted, "string or map" | "map with a single key" | "unit");
                let wanted = if is_choice { "a text" } else { wanted };
                format!("it must be {wanted}, and is {}", kind(found))
            }
            Self::Plain(words) => (*words).to_owned(),
            Self::NoVariant { .. } | Self::Other => "it cannot be read".to_owned(),
        }
    }
}

/// The names in "one of `a`, `b`".
fn quoted(words: &str) -> Vec<&str> {
    words.split('`').skip(1).step_by(2).collect()
}

/// The kind of a value, from "string \"..\"" and the like.
fn kind(found: &str) -> &'static str {
    match found.split([' ', ',']).next() {
        Some("boolean") => "true or false",
        Some("integer") => "a number (in a file, texts stand in quotes)",
        Some("floating") => "a number with a point (in a file, texts stand in quotes)",
        Some("character" | "string") => "a text",
        Some("sequence") => "a list",
        Some("map") => "a table",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(words: &str) -> String {
        Message::of(words).why(false)
    }

    #[test]
    fn a_value_is_not_shown_whatever_it_contains() {
        for words in [
            "invalid type: string \"hunter2, expected u16\", expected u32",
            "invalid value: string \"hunter2`, expected \\\", expected `x`\", expected u32",
        ] {
            assert_eq!(why(words), "it must be u32, and is a text");
        }
        for words in [
            "the secret hunter2 is bad",
            "invalid type: hunter2",
            "unknown field `hunter2`",
            "invalid socket address syntax: hunter2",
            "missing field `hunter2` of hunter2",
            "duplicate field `hunter2`",
        ] {
            assert_eq!(why(words), "it cannot be read");
        }
    }

    #[test]
    fn the_name_of_an_unknown_field_ends_where_the_known_ones_begin() {
        let odd = "unknown field `a`, expected `b`, expected one of `c`, `d`, `e`";
        let Message::Unknown { field, known } = Message::of(odd) else { panic!("{odd}") };
        assert_eq!((field, known), ("a`, expected `b", vec!["c", "d", "e"]));
    }

    #[test]
    fn a_secret_has_no_variants_to_show() {
        let words = "unknown variant `hunter2`, expected `a` or `b`";
        assert_eq!(why(words), "`hunter2` is none of a, b");
        assert_eq!(Message::of(words).why(true), "it cannot be read");
    }
}
