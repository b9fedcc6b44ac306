//! Laws of the published API document: what its readers and the generators of clients rely on.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use domain::{policy::Policy, refusal::Code, staff::role::Role, words::Language};
use http::{api::routes, openapi};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(openapi::document(&Policy::default())).expect("JSON"));

/// Every operation, with a name for messages.
fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    let items = DOCUMENT["paths"].as_object().expect("paths").iter();
    items.flat_map(|(path, item)| {
        let operations = item.as_object().expect("operations").iter();
        operations.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

/// A part of the document, or what it refers to.
fn resolved(part: &'static Value) -> &'static Value {
    match part["$ref"].as_str() {
        Some(name) => DOCUMENT.pointer(&name[1..]).unwrap_or_else(|| panic!("{name} is not there")),
        None => part,
    }
}

#[test]
fn every_answer_has_a_description() {
    for (name, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let text = resolved(response)["description"].as_str();
            assert!(text.is_some_and(|text| !text.is_empty()), "{name} {status} has no description");
        }
    }
}

/// `acceptOffer`: at least two words, of letters only, the first of them what is done.
#[test]
fn every_operation_has_a_name_of_its_own_that_people_would_choose() {
    let mut known = BTreeSet::new();
    for (name, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        let first = id.split(|c: char| c.is_ascii_uppercase()).next().expect("a word");
        assert!(id.chars().all(|c| c.is_ascii_alphabetic()), "{name}: {id}");
        assert!(first.len() > 1 && first != id, "{name}: {id} is one word");
        assert!(!["post", "put", "api", "cabinet"].contains(&first), "{name}: {id} is a method or a path");
        assert!(first != "get" || name.starts_with("get "), "{name}: {id} does more than get something");
        assert!(known.insert(id), "{id} names two operations");
    }
}

#[test]
fn one_scheme_says_with_role_names_who_may_call_what() {
    let schemes = DOCUMENT["components"]["securitySchemes"].as_object().expect("schemes");
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer"]);
    for role in Role::ALL {
        let text = schemes["bearer"]["description"].as_str().expect("a text");
        assert!(text.contains(&format!("`{role}`")), "{role} is not explained");
    }
    let mut compared = 0;
    for line in routes().lines() {
        let operation = &DOCUMENT["paths"][line.path][line.method.as_str().to_lowercase()];
        if operation.is_object() {
            let roles = line.roles.iter().map(|role| json!({"bearer": [role.as_str()]}));
            assert_eq!(operation["security"], roles.collect::<Value>(), "{} {}", line.method, line.path);
            compared += 1;
        }
    }
    assert_eq!(compared, operations().count());
}

#[test]
fn every_union_has_named_variants_and_a_discriminator() {
    fn unions<'v>(part: &'v Value, at: &str, found: &mut Vec<(String, &'v Value)>) {
        if part["oneOf"].is_array() {
            found.push((at.to_owned(), part));
        }
        match part {
            Value::Object(members) => {
                members.iter().for_each(|(name, part)| unions(part, &format!("{at}/{name}"), found));
            }
            Value::Array(items) => items.iter().for_each(|part| unions(part, at, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    unions(&DOCUMENT["components"]["schemas"], "", &mut found);
    let mut tagged = 0;
    for (at, union) in found {
        let options = union["oneOf"].as_array().expect("options");
        let tag =
            union["discriminator"]["propertyName"].as_str().unwrap_or_else(|| panic!("{at} has no tag"));
        let mapping = union["discriminator"]["mapping"].as_object().expect("a mapping");
        for option in options {
            let variant = resolved(option);
            let value = variant["properties"][tag]["enum"].as_array().expect("a value");
            assert_eq!(value.len(), 1, "{at}");
            assert_eq!(mapping[value[0].as_str().expect("text")], option["$ref"], "{at}");
            let required = variant["required"].as_array().expect("members");
            let needs =
                |member: &Value| variant["dependentRequired"][member.as_str().expect("text")] == json!([tag]);
            assert!(required.iter().any(needs), "{at}: a variant without its tag would be valid");
        }
        assert_eq!(mapping.len(), options.len(), "{at}");
        tagged += 1;
    }
    assert!(tagged >= 5, "{tagged} unions");
}

#[test]
fn every_page_refers_to_the_schema_of_its_items() {
    let mut pages = 0;
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().expect("schemas") {
        if schema["properties"]["next_after"].is_object() {
            assert!(schema["properties"]["items"]["items"]["$ref"].is_string(), "{name}");
            pages += 1;
        }
    }
    assert!(pages > 12, "{pages} pages");
}

/// An operation that takes `after` answers with a `Link` to the next page; one that changes a document
/// takes `If-Match`, and all that show it send its `ETag`.
#[test]
fn headers_are_declared_where_they_are_used() {
    let names =
        |part: &Value| part["parameters"].as_array().into_iter().flatten().cloned().collect::<Vec<_>>();
    let (mut pages, mut editable) = (0, 0);
    for (name, operation) in operations() {
        let parameters = names(operation);
        let has = |wanted: &str| parameters.iter().any(|one| one["name"] == wanted);
        let refers =
            |to: &str| parameters.contains(&json!({"$ref": format!("#/components/parameters/{to}")}));
        assert!(refers("AcceptLanguage"), "{name}");
        assert!(
            !refers("ScreenSignature") || operation["security"] == json!([{"bearer": ["station"]}]),
            "{name}"
        );
        let responses = operation["responses"].as_object().expect("responses");
        for (status, response) in responses {
            let headers = &resolved(response)["headers"];
            assert!(headers["X-Request-Id"].is_object(), "{name} {status}");
            let later = response["$ref"].is_string() && ["429", "503"].contains(&status.as_str());
            assert!(headers["Retry-After"].is_object() || !later, "{name} {status}");
            if !status.starts_with('2') {
                continue;
            }
            let schema = resolved(&response["content"]["application/json"]["schema"]);
            let whole = schema["allOf"][0]["$ref"].is_string().then(|| resolved(&schema["allOf"][0]));
            let shows = |member| {
                [Some(schema), whole].into_iter().flatten().any(|one| one["properties"][member].is_object())
            };
            assert_eq!(headers["Link"].is_object(), has("after") && shows("next_after"), "{name}");
            assert_eq!(
                headers["ETag"].is_object(),
                shows("version") || name.ends_with("/me/profile"),
                "{name}"
            );
            assert!(headers["ETag"].is_object() || !refers("IfMatch"), "{name}");
            pages += usize::from(headers["Link"].is_object());
            editable += usize::from(headers["ETag"].is_object());
        }
    }
    assert!(pages > 12 && editable > 15, "{pages} pages, {editable} documents");
    assert!(
        names(&DOCUMENT["paths"]["/api/v1/events"]["get"]).iter().any(|one| one["name"] == "Last-Event-ID")
    );
}

/// The examples of an operation have together every member that its body may have.
#[test]
fn every_body_has_full_examples() {
    fn missing(schema: &'static Value, values: &[&Value], at: &str, found: &mut Vec<String>) {
        let schema = resolved(schema);
        if let Some(options) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let mut options = options.iter().filter(|option| option["type"] != "null");
            if let (Some(only), None) = (options.next(), options.next()) {
                missing(only, values, at, found);
            }
            return;
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            let given: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
            if given.is_empty() {
                found.push(at);
            } else {
                let given: Vec<&Value> = given.into_iter().filter(|value| !value.is_null()).collect();
                if !given.is_empty() {
                    missing(property, &given, &at, found);
                }
            }
        }
        if schema["items"].is_object() {
            let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
            if !items.is_empty() {
                missing(&schema["items"], &items, at, found);
            }
        }
    }
    let (mut bodies, mut found) = (0, Vec::new());
    for (_, operation) in operations().filter(|(_, operation)| operation["requestBody"].is_object()) {
        let id = operation["operationId"].as_str().expect("an id");
        let content = &operation["requestBody"]["content"]["application/json"];
        let examples = content["examples"].as_object().unwrap_or_else(|| panic!("{id} has no example"));
        let values: Vec<&Value> = examples.values().map(|example| &example["value"]).collect();
        missing(&content["schema"], &values, id, &mut found);
        bodies += 1;
    }
    assert!(found.is_empty(), "in no example: {found:#?}");
    assert!(bodies > 50, "{bodies} bodies");
}

/// Whatever the `type` of a problem says can be read, in both languages, by programs and by people.
#[actix_web::test]
async fn every_problem_is_explained_where_its_type_points() {
    let app = TestApp::open().await;
    for code in Code::ALL {
        for language in [Language::Chinese, Language::English] {
            let ask = |accept: &str| {
                let request = app.client().get(format!("{}/problems/{}", app.base, code.as_str()));
                request.header("Accept", accept).header("Accept-Language", language.as_str()).send()
            };
            let json = Answer::of(ask("application/json").await.expect("answered")).await;
            assert_eq!(json.status, 200, "{}", code.as_str());
            assert_eq!(json.headers["content-language"], language.as_str());
            assert_eq!(json.body["type"], format!("/problems/{}", code.as_str()));
            assert_eq!(json.body["code"], code.as_str());
            assert_eq!(json.body["title"], code.title().in_language(language));
            let advice = json.body["advice"].as_str().expect("advice").to_owned();
            assert_eq!(advice.is_ascii(), language == Language::English, "{advice}");
            let page =
                Answer::of(ask("text/html,application/xhtml+xml,*/*;q=0.8").await.expect("answered")).await;
            assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
            let text = page.body.as_str().expect("a page").replace("&quot;", "\"");
            assert!(text.contains(&format!("lang=\"{}\"", language.as_str())), "{text}");
            assert!(
                text.contains(code.as_str()) && text.contains(code.title().in_language(language)),
                "{text}"
            );
        }
    }
    let refused =
        Answer::of(app.client().get(format!("{}/api/v1/orders", app.base)).send().await.expect("answered"))
            .await;
    let target = refused.body["type"].as_str().expect("a type");
    let explained = app.client().get(format!("{}{target}", app.base)).send().await.expect("answered");
    assert_eq!(explained.status(), 200, "{target}");
    app.get("", "/problems/no_such_code").await.problem(404, "not_found");
}

/// A kind that the server does not know is refused by name, wherever a request has a union.
#[actix_web::test]
async fn an_unknown_kind_is_refused_and_named() {
    let app = TestApp::open().await;
    let seed = app.seed().await;
    let worker = app.check_in(&seed).await;
    let reading = json!({"readings": [{"kind": "mood", "value": 3, "unit": "1", "device": "cuff"}]});
    let refused = app.post(&worker, "/api/v1/readings", reading).await.problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "readings[0].kind", "{refused}");
    let line =
        json!({"product_code": "PCM-T500", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3});
    let check = json!({"profile": {}, "taking": [{"kind": "imagined"}], "lines": [line]});
    let refused = app
        .post(&seed.doctor.token, "/api/v1/prescriptions/check", check)
        .await
        .problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["field"], "taking[0].kind", "{refused}");
}
