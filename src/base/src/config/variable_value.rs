//! Parses the text of an environment variable into a value.

use serde_json::{Number, Value};

use super::from_toml;

/// `true`, `5`, `0.5`, `"quoted"`, `[1, 2]` and `{a = 1}` are parsed as TOML; in a
/// list, texts need no quotes. Anything else is a text.
pub(super) fn value(text: &str) -> Value {
    let text = text.trim();
    let list = || items(text).map(|items| items.into_iter().map(item).collect());
    plain(text).or_else(list).unwrap_or_else(|| Value::from(text))
}

fn item(text: &str) -> Value {
    plain(text).unwrap_or_else(|| Value::from(text))
}

fn plain(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::from(true)),
        "false" => Some(Value::from(false)),
        // Only delimited values: TOML would read bare texts as dates, and
        // versions like 2026_11 as numbers.
        _ if text.starts_with(['[', '{', '"', '\'']) => from_toml::value(text),
        _ => number(text).map(Value::Number),
    }
}

/// Unlike in TOML, `05` is a number too.
fn number(text: &str) -> Option<Number> {
    let whole = text.parse::<u64>().map(Number::from);
    let whole = whole.or_else(|_| text.parse::<i64>().map(Number::from));
    let with_point = || Number::from_f64(text.contains('.').then(|| text.parse().ok())??);
    whole.ok().or_else(with_point)
}

/// The items of `[a, b]`, split at the commas outside quotes and brackets. `None`
/// if it is not a list.
fn items(text: &str) -> Option<Vec<&str>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let (mut items, mut start, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_usize, None, false);
    for (index, letter) in inner.char_indices() {
        match (quote, letter) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                items.push(inner[start..index].trim());
                start = index + 1;
            }
            (None, _) => {}
        }
    }
    items.push(inner[start..].trim());
    // A comma may follow the last item.
    items.pop_if(|last| last.is_empty());
    (depth == 0 && quote.is_none()).then_some(items)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_parsed_by_its_form() {
        for (text, wanted) in [
            ("true", json!(true)),
            (" false ", json!(false)),
            ("5", json!(5)),
            ("05", json!(5)),
            ("-5", json!(-5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0.5", json!(0.5)),
            ("[1, 2]", json!([1, 2])),
            ("[]", json!([])),
            ("[\"172.30.77.0/24\"]", json!(["172.30.77.0/24"])),
            ("[127.0.0.0/8, ::1/128]", json!(["127.0.0.0/8", "::1/128"])),
            ("[127.0.0.0/8,]", json!(["127.0.0.0/8"])),
            ("[1, true, hi, \"a, b\", [2, 3], {a = 1}]", json!([1, true, "hi", "a, b", [2, 3], {"a": 1}])),
            ("{a=1, b = {c = \"x\"}}", json!({"a": 1, "b": {"c": "x"}})),
            ("\"quoted\"", json!("quoted")),
            ("\"5\"", json!("5")),
            ("'5'", json!("5")),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    #[test]
    fn anything_else_is_a_text() {
        for text in [
            "",
            "many",
            "127.0.0.1:8080",
            "[::1]:8080",
            "[a]:[b]",
            "[a",
            "[\"a]",
            "1.2.3",
            "2026-11",
            "2026-11-29",
            "2026_11",
            "1e5",
            "0x1F",
            "inf",
            "nan",
            "true # so",
            "5\nlisten = 6",
            "\"a\" b",
            "{a=b}",
            "340282366920938463463374607431768211456",
        ] {
            assert_eq!(value(text), json!(text), "{text}");
        }
        assert_eq!(value(" json \n"), json!("json"));
    }
}
