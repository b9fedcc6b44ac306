//! The shape of a value, and the check of a value against it.

use chrono::{DateTime, NaiveDate};
use regex::Regex;
use serde_json::Value;

use super::wrong::{Problems, Wrong};
use domain::hidden::{has_hidden_characters, has_hidden_characters_in_name};

/// The expected type and bounds of a value.
#[derive(Debug)]
pub(crate) struct Shape {
    pub nullable: bool,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Any,
    Bool,
    /// Bounds are inclusive.
    Integer {
        least: i64,
        most: i64,
    },
    /// Any number; bounds are inclusive.
    Number {
        least: f64,
        most: f64,
    },
    /// A text that must be one of these values.
    Enum(Vec<String>),
    Text(Text),
    List {
        items: Box<Shape>,
        least: usize,
        most: usize,
    },
    /// An object with these members and no others.
    Record(Vec<Member>),
    /// An object whose member `tag` identifies the variant; `values` are the tags of all variants.
    Tagged {
        tag: String,
        variants: Vec<(String, Vec<Member>)>,
        values: Vec<String>,
    },
}

/// The bounds of a text.
#[derive(Debug)]
pub struct Text {
    /// Minimum number of characters.
    pub least: usize,
    /// Maximum number of characters.
    pub most: usize,
    pub pattern: Option<Regex>,
    pub format: Option<Format>,
    /// Whether a machine scanned it (schema format `scanned`). If a journal entry were refused for
    /// what is printed on a pack, it would be refused forever, so hidden characters are accepted
    /// here and the domain rules decide.
    pub scanned: bool,
}

/// A named format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `0190a5b4-...`
    Uuid,
    /// `2026-01-31`
    Date,
    /// `2026-01-31T08:00:00Z`
    Instant,
}

/// A member of an object.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: String,
    pub required: bool,
    pub shape: Shape,
}

impl Shape {
    /// Adds everything that is wrong with `value` to `problems`.
    pub fn check(&self, value: &Value, problems: &mut Problems) {
        if self.nullable && value.is_null() {
            return;
        }
        match &self.kind {
            Kind::Any => check_no_nul(value, problems),
            Kind::Bool if value.is_boolean() => {}
            Kind::Bool => problems.add(&Wrong::Type("布尔值", "true or false")),
            Kind::Integer { least, most } => check_integer(value, *least, *most, problems),
            Kind::Number { least, most } => match value.as_f64() {
                Some(number) if (*least..=*most).contains(&number) => {}
                Some(_) => problems.add(&Wrong::Between(*least, *most)),
                None => problems.add(&Wrong::Type("数字", "a number")),
            },
            Kind::Enum(values) => match value {
                Value::String(text) if values.contains(text) => {}
                Value::String(_) => problems.add(&Wrong::NotOneOf(values)),
                _ => problems.add(&TEXT),
            },
            Kind::Text(text) => match value {
                Value::String(value) => text.check(value, problems),
                _ => problems.add(&TEXT),
            },
            Kind::List { items, least, most } => match value {
                Value::Array(list) => check_list(list, items, *least, *most, problems),
                _ => problems.add(&Wrong::Type("列表", "a list")),
            },
            Kind::Record(members) => match value {
                Value::Object(object) => check_members(object, members, problems),
                _ => problems.add(&OBJECT),
            },
            Kind::Tagged { tag, variants, values } => match value {
                Value::Object(object) => match object.get(tag) {
                    None => problems.add_field(tag, &Wrong::Missing),
                    Some(Value::String(value)) => match variants.iter().find(|(known, _)| known == value) {
                        Some((_, members)) => check_members(object, members, problems),
                        None => problems.add_field(tag, &Wrong::NotOneOf(values)),
                    },
                    Some(_) => problems.add_field(tag, &TEXT),
                },
                _ => problems.add(&OBJECT),
            },
        }
    }
}

impl Shape {
    /// The same kind of value without its bounds.
    pub(crate) fn without_bounds(self, nullable: bool) -> Self {
        let kind = match self.kind {
            Kind::Integer { .. } => Kind::Integer { least: i64::MIN, most: i64::MAX },
            Kind::Number { .. } => Kind::Number { least: f64::MIN, most: f64::MAX },
            Kind::Text(text) if text.format.is_some() => Kind::Text(text),
            Kind::Text(text) => Kind::Text(Text::any(text.scanned)),
            Kind::Enum(_) => Kind::Text(Text::any(false)),
            other => other,
        };
        Self { nullable, kind }
    }
}

const TEXT: Wrong<'static> = Wrong::Type("文本", "a text");
const OBJECT: Wrong<'static> = Wrong::Type("对象", "an object");

impl Text {
    fn any(scanned: bool) -> Self {
        Self { least: 0, most: usize::MAX, pattern: None, format: None, scanned }
    }

    fn check(&self, value: &str, problems: &mut Problems) {
        let length = value.chars().count();
        if value.contains('\0') {
            problems.add(&Wrong::Nul);
        } else if !self.scanned
            && has_hidden_characters(value)
            && !problems.path.to_text().ends_with("password")
        {
            problems.add(&Wrong::Hidden);
        } else if length > self.most {
            problems.add(&Wrong::Long(self.most));
        } else if length < self.least {
            problems.add(&Wrong::Short(self.least));
        } else if let Some(format) = self.format.filter(|format| !format.fits(value)) {
            problems.add(&Wrong::Format(format));
        } else if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(value)) {
            // The pattern `\S` means "not blank": report it as empty.
            problems.add(&if pattern.as_str() == r"\S" {
                Wrong::Short(1)
            } else if has_hidden_characters_in_name(value) {
                // A kind of space that people cannot tell from another, or a line's end.
                Wrong::Hidden
            } else {
                Wrong::Pattern(pattern.as_str())
            });
        }
    }
}

impl Format {
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Uuid => value.len() == 36 && uuid::Uuid::try_parse(value).is_ok(),
            Self::Date => value.len() == 10 && value.parse::<NaiveDate>().is_ok(),
            Self::Instant => DateTime::parse_from_rfc3339(value).is_ok(),
        }
    }
}

fn check_integer(value: &Value, least: i64, most: i64, problems: &mut Problems) {
    let Value::Number(number) = value else { return problems.add(&Wrong::Type("整数", "a whole number")) };
    match number.as_i64() {
        Some(number) if (least..=most).contains(&number) => {}
        // An `f64` beyond 64 bits counts as an integer out of range.
        None if number.is_f64() && number.as_f64().is_some_and(|number| number.abs() < 9e18) => {
            problems.add(&Wrong::Type("整数", "a whole number"));
        }
        Some(_) | None => problems.add(&Wrong::Range(least, most)),
    }
}

fn check_list(list: &[Value], items: &Shape, least: usize, most: usize, problems: &mut Problems) {
    if list.len() > most {
        return problems.add(&Wrong::Many(most));
    }
    if list.len() < least {
        problems.add(&Wrong::Few(least));
    }
    for (index, item) in list.iter().enumerate() {
        problems.path.enter_item(index);
        items.check(item, problems);
        problems.path.leave();
    }
}

fn check_members(object: &serde_json::Map<String, Value>, members: &[Member], problems: &mut Problems) {
    for member in members {
        match object.get(&member.name) {
            None if member.required => problems.add_field(&member.name, &Wrong::Missing),
            None => {}
            Some(value) => {
                problems.path.enter_field(&member.name);
                member.shape.check(value, problems);
                problems.path.leave();
            }
        }
    }
    for name in object.keys().filter(|name| members.iter().all(|member| member.name != **name)) {
        problems.add_field(name, &Wrong::Unknown);
    }
}

fn check_no_nul(value: &Value, problems: &mut Problems) {
    match value {
        Value::String(text) if text.contains('\0') => problems.add(&Wrong::Nul),
        Value::Array(list) => list.iter().for_each(|value| check_no_nul(value, problems)),
        Value::Object(object) => {
            if object.keys().any(|key| key.contains('\0')) {
                problems.add(&Wrong::Nul);
            }
            object.values().for_each(|value| check_no_nul(value, problems));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
