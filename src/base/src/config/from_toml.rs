//! Converts TOML to the JSON value that all layers use.
//!
//! Only the parser of `toml` is used. Its messages are fixed texts, while its
//! deserializer quotes the refused value, which may be a secret.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

struct Fault {
    why: String,
    span: Option<Range<usize>>,
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self { why: error.message().to_owned(), span: error.span() }
    }
}

/// Parses a whole file.
///
/// # Errors
/// The syntax error with line and column, without any of the file's text.
pub(super) fn document(text: &str) -> Result<Value, String> {
    let parsed = DeTable::parse(text).map_err(Fault::from);
    let parsed = parsed.and_then(|document| table(document.get_ref()));
    parsed.map_err(|Fault { why, span }| match span {
        Some(span) => {
            let (line, column) = position(text, span.start);
            format!("TOML parse error at line {line}, column {column}: {why}")
        }
        None => format!("TOML parse error: {why}"),
    })
}

/// Parses one value, as it may follow a `=`. `None` if it is not TOML.
pub(super) fn value(text: &str) -> Option<Value> {
    json(&DeValue::parse(text).ok()?).ok()
}

fn json(value: &Spanned<DeValue<'_>>) -> Result<Value, Fault> {
    let fault = |why: &str| Fault { why: why.to_owned(), span: Some(value.span()) };
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Integer(number) => {
            Value::Number(integer(number).ok_or_else(|| fault("the number is too large"))?)
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or_else(|| fault("the number is not finite"))?)
        }
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(list) => Value::Array(list.iter().map(json).collect::<Result<_, _>>()?),
        DeValue::Table(inner) => table(inner)?,
    })
}

fn table(table: &DeTable<'_>) -> Result<Value, Fault> {
    let entries = table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value)?)));
    Ok(Value::Object(entries.collect::<Result<Map<_, _>, Fault>>()?))
}

fn integer(number: &DeInteger<'_>) -> Option<Number> {
    let (digits, radix) = (number.as_str(), number.radix());
    let signed = i64::from_str_radix(digits, radix).map(Number::from);
    signed.or_else(|_| u64::from_str_radix(digits, radix).map(Number::from)).ok()
}

/// Line and column (in characters) of the byte at `index`; both from 1.
fn position(text: &str, index: usize) -> (usize, usize) {
    let before = text.get(..index).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_has_its_json() {
        let text = "t = 'x'\nb = true\ni = -5\nh = 0x1F\nu = 18446744073709551615\nf = 2.50\n\
                    d = 2026-11-29\nl = [1, [2]]\n[a.b]\nc = {d = 1_000}";
        let wanted = json!({
            "t": "x", "b": true, "i": -5, "h": 31, "u": u64::MAX, "f": 2.5,
            "d": "2026-11-29", "l": [1, [2]], "a": {"b": {"c": {"d": 1000}}},
        });
        assert_eq!(document(text).expect("TOML"), wanted);
    }

    #[test]
    fn an_error_gives_its_position_and_quotes_nothing() {
        let digits = "843219843219843219";
        for (text, place) in [
            (format!("a = 1\n  {digits}{digits}"), "line 2, column "),
            (format!("master_secret = {digits}{digits}"), "line 1, column 17: the number is too large"),
            (format!("number = -{digits}{digits}{digits}"), "line 1, column 10: the number is too large"),
            (format!("master_secret = \"{digits}"), "line 1, column "),
            (format!("master_secret = '{digits}\nlog = 1"), "line 1, column "),
            (format!("mail = {{ password = \"{digits} }}"), "line 1, column "),
            (format!("database_url = postgres://u:{digits}@db/x"), "line 1, column "),
            (format!("密 = 1\n\"{digits}\" = \"{digits}\" x"), "line 2, column "),
            (format!("[policy]\na{digits} = 1\na{digits} = 2"), "line 3, column 1: duplicate key"),
            (format!("a = 1\n[a.a{digits}]\n"), "line 2, column "),
            (format!("key = \"\\q{digits}\""), "line 1, column "),
            (format!("key = {digits}.{digits}.1"), "line 1, column "),
            (format!("key = 2026-13-{digits}"), "line 1, column "),
            (format!("[{digits}"), "line 1, column "),
            ("f = nan".to_owned(), "line 1, column 5: the number is not finite"),
            (format!("f = {digits}e{digits}"), "line 1, column 5: the number is not finite"),
        ] {
            let why = document(&text).expect_err("no TOML");
            assert!(why.contains(place), "{text}: {why}");
            assert!(!why.contains("8432") && !why.contains("3219"), "{text}: {why}");
        }
    }
}
