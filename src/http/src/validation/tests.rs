use super::*;

#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read")]
struct Sample {
    #[schema(min_length = 1, max_length = 5)]
    name: String,
    id: uuid::Uuid,
    count: u32,
    #[schema(max_items = 3)]
    parts: Vec<Part>,
    day: Option<chrono::NaiveDate>,
}

#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read")]
struct Part {
    #[schema(minimum = 1, maximum = 9)]
    size: i64,
}

#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read")]
enum Choice {
    Left { depth: i32 },
    Right { width: i32 },
}

#[derive(Debug, serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read")]
struct Wanted {
    after: Option<uuid::Uuid>,
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    open: Option<bool>,
}

fn schemas() -> Schemas {
    Schemas::under(&domain::policy::Policy::default())
}

fn problems_of<T: DeserializeOwned + ToSchema + 'static>(json: &str) -> Vec<String> {
    match body::<T>(&schemas(), json.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(refusal) if refusal.fields.is_empty() => vec![refusal.code.as_str().to_owned()],
        Err(refusal) => refusal.fields.into_iter().map(|bad| format!("{} {}", bad.field, bad.code)).collect(),
    }
}

const GOOD: &str =
    r#"{"name":"x","id":"00000000-0000-7000-8000-000000000000","count":1,"parts":[{"size":1}],"day":null}"#;

#[test]
fn all_bad_fields_are_reported_at_once() {
    assert!(problems_of::<Sample>(GOOD).is_empty());
    let mut problems = problems_of::<Sample>(
        r#"{"nmae":"x","id":"no","count":-1,"parts":[{"size":1},{"size":"big","extra":0},[1]],"day":"2026-13-01"}"#,
    );
    problems.sort();
    assert_eq!(
        problems,
        [
            "count out_of_range",
            "day bad_format",
            "id bad_format",
            "name missing_field",
            "nmae unknown_field",
            "parts[1].extra unknown_field",
            "parts[1].size wrong_type",
            "parts[2] wrong_type"
        ]
    );
}

#[test]
fn invalid_json_is_malformed() {
    for json in ["{", "", "nul", "{}x", "[1,]", r#"{"name":"\ud800"}"#] {
        assert_eq!(problems_of::<Sample>(json), ["malformed_body"], "{json}");
    }
    assert!(
        body::<Sample>(&schemas(), b"{\"name\":\"\xff\"}")
            .is_err_and(|refusal| refusal.code == Code::MalformedBody)
    );
    let deep = "[".repeat(100_000);
    assert_eq!(problems_of::<Sample>(&deep), ["malformed_body"]);
}

#[test]
fn a_body_of_the_wrong_type_is_reported() {
    for json in ["[]", "3", "null", "\"x\""] {
        assert_eq!(problems_of::<Sample>(json), [" wrong_type"], "{json}");
    }
}

#[test]
fn bounds_of_numbers_and_texts() {
    let with = |from: &str, to: &str| problems_of::<Sample>(&GOOD.replace(from, to));
    for number in ["1.0", "1e2"] {
        assert!(with(r#""count":1"#, &format!(r#""count":{number}"#)).is_empty(), "{number}");
    }
    for number in ["1.5", "1e-2", "true", "\"1\"", "null"] {
        assert_eq!(with(r#""count":1"#, &format!(r#""count":{number}"#)), ["count wrong_type"], "{number}");
    }
    for number in ["99999999999999999999999", "-9223372036854775809", "4294967296", "18446744073709551615"] {
        assert_eq!(with(r#""count":1"#, &format!(r#""count":{number}"#)), ["count out_of_range"], "{number}");
    }
    assert_eq!(with(r#""name":"x""#, r#""name":"\u0000""#), ["name control_character"]);
    assert_eq!(with(r#""name":"x""#, r#""name":"""#), ["name too_short"]);
    assert_eq!(with(r#""name":"x""#, r#""name":"药药药药药药""#), ["name too_long"]);
    assert!(with(r#""name":"x""#, r#""name":"药药药药药""#).is_empty());
    let parts = with(r#"[{"size":1}]"#, r#"[{"size":1},{"size":1},{"size":1},{"size":1}]"#);
    assert_eq!(parts, ["parts too_many"]);
}

#[test]
fn a_repeated_member_is_refused() {
    assert_eq!(problems_of::<Sample>(&GOOD.replace('}', r#","size":2}"#)).len(), 2);
    let problems = problems_of::<Sample>(&GOOD.replace(r#"{"size":1}"#, r#"{"size":1,"size":2}"#));
    assert_eq!(problems, ["parts[0].size repeated"]);
}

#[test]
fn variants_are_distinguished_by_their_tag() {
    assert!(problems_of::<Choice>(r#"{"kind":"left","depth":1}"#).is_empty());
    assert_eq!(
        problems_of::<Choice>(r#"{"kind":"left","width":1}"#),
        ["depth missing_field", "width unknown_field"]
    );
    assert_eq!(problems_of::<Choice>(r#"{"kind":"up"}"#), ["kind unknown_value"]);
    assert_eq!(problems_of::<Choice>(r#"{"depth":1}"#), ["kind missing_field"]);
    assert_eq!(problems_of::<Choice>(r#"{"kind":7}"#), ["kind wrong_type"]);
}

#[test]
fn bad_parameters_are_reported_by_name() {
    let problems = |text: &str| match query::<Wanted>(text) {
        Ok(_) => Vec::new(),
        Err(refusal) => {
            assert_eq!(refusal.code, Code::InvalidParameter);
            refusal.fields.into_iter().map(|bad| format!("{} {}", bad.field, bad.code)).collect::<Vec<_>>()
        }
    };
    assert!(problems("").is_empty() && problems("limit=5&open=true").is_empty());
    assert_eq!(
        problems("limit=x&after=1&more=1"),
        ["limit wrong_type", "after bad_format", "more unknown_field"]
    );
    assert_eq!(problems("limit=1&limit=2"), ["limit repeated"]);
    assert_eq!(problems("limit=101"), ["limit out_of_range"]);
    assert_eq!(problems("limit=99999999999999999999"), ["limit out_of_range"]);
    assert_eq!(problems("limit=-99999999999999999999"), ["limit out_of_range"]);
    assert_eq!(problems("limit=&open=yes"), ["limit wrong_type", "open wrong_type"]);
}

#[test]
fn messages_contain_no_text_of_the_parser() {
    let refusal = body::<Sample>(&schemas(), br#"{"name":1,"id":2,"count":"x","parts":{},"zzz":1}"#)
        .expect_err("it is bad");
    for bad in &refusal.fields {
        for word in ["invalid type", "expected", "struct", "serde", "`"] {
            assert!(!bad.message.en.contains(word), "{bad:?}");
        }
        assert!(!bad.message.zh.is_ascii(), "{bad:?}");
    }
}

/// The number of stored values.
fn stored(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => 1 + list.iter().map(stored).sum::<usize>(),
        serde_json::Value::Object(object) => 1 + object.values().map(stored).sum::<usize>(),
        _ => 1,
    }
}

fn read_sample(text: &str) -> (serde_json::Value, Vec<String>) {
    json::read(text.as_bytes(), &compile::of_type::<Sample>(&[])).expect("JSON")
}

#[test]
fn values_without_a_place_are_not_stored_and_reported_up_to_the_limit() {
    let nested = "[{\"a\":0},".repeat(20) + "0" + &"]".repeat(20);
    for text in [
        format!("{{\"name\":[{}0]}}", "{\"a\":{\"b\":[]}},".repeat(6_000)),
        format!("{{\"parts\":[{}{{}}]}}", "{\"a\":{\"b\":[]}},".repeat(6_000)),
        format!("{{\"x\":[{}0]}}", format!("{nested},").repeat(400)),
        format!("[{}0]", "{},".repeat(19_000)),
    ] {
        let (value, _) = read_sample(&text);
        assert!(stored(&value) < 120, "{} values of {} bytes", stored(&value), text.len());
    }
    let many = format!("{{{}\"z\":0}}", (0..19_000).map(|n| format!("\"k{n}\":{{}},")).collect::<String>());
    let (value, _) = read_sample(&many);
    assert!(stored(&value) <= MAX_PROBLEMS + 1, "{}", stored(&value));
    assert_eq!(problems_of::<Sample>(&many).len(), MAX_PROBLEMS);
    let twice = format!("{{{}\"name\":\"x\"}}", "\"name\":\"x\",".repeat(19_000));
    assert_eq!(read_sample(&twice).1.len(), MAX_PROBLEMS);
    // Beyond the maximum number of values parsing stops.
    let beyond = format!("{{{}\"name\":\"x\"}}", "\"name\":\"x\",".repeat(20_000));
    assert!(json::read(beyond.as_bytes(), &compile::of_type::<Sample>(&[])).is_err());
    // What is skipped must still be valid JSON, and not too deep.
    assert_eq!(problems_of::<Sample>("{\"x\":[1,}"), ["malformed_body"]);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(problems_of::<Sample>(&deep), ["malformed_body"]);
    let repeated = format!("{{\"x\":0,{}\"x\":0}}", "\"x\":0,".repeat(3));
    assert!(problems_of::<Sample>(&repeated).contains(&"x repeated".to_owned()));
}

#[derive(Debug, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape is read")]
struct Loose {
    any: serde_json::Value,
}

#[test]
fn values_of_any_type_are_limited_too() {
    let with = |count: usize| format!("{{\"any\":[{}0]}}", "0,".repeat(count));
    assert!(problems_of::<Loose>(&with(1_000)).is_empty());
    assert_eq!(problems_of::<Loose>(&with(json::MAX_VALUES)), [" too_many"]);
}

#[test]
fn paths_and_names_are_shortened_in_answers() {
    let name = "药".repeat(10_000);
    for problem in problems_of::<Sample>(&format!("{{\"{name}\":0}}")) {
        assert!(problem.len() < 300, "{}", problem.len());
    }
    let mut path = wrong::Path::default();
    for _ in 0..100 {
        path.enter_field(&name);
    }
    assert!(path.to_text().len() < 600, "{}", path.to_text().len());
}

#[test]
fn a_query_is_limited_before_it_is_parsed() {
    let problems = |text: &str| query::<Wanted>(text).expect_err("refused").fields;
    let many = (0..10_000).map(|n| format!("a{n}=")).collect::<Vec<_>>().join("&");
    assert_eq!(problems(&many[..8_000])[0].code, "too_many");
    assert_eq!(problems(&many)[0].code, "too_long");
    assert_eq!(no_query(&many).expect_err("refused").fields.len(), 1);
    assert_eq!(problems(&"a=1&".repeat(63)).len(), 63);
}
