//! The comparison itself: each kind of change, made to the real document.

use serde_json::{Value, json};

use super::{CURRENT, changes::breaking_changes, parsed, read, unannounced};

/// What is found when `change` is made to the current document.
#[track_caller]
fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let old = parsed(&read(CURRENT));
    let mut new = old.clone();
    change(&mut new);
    assert_ne!(old, new, "the change changes nothing");
    breaking_changes(&old, &new)
}

/// The part of a document at a pointer, which must be there.
#[track_caller]
fn at<'d>(document: &'d mut Value, pointer: &str) -> &'d mut Value {
    document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there"))
}

#[track_caller]
fn remove(document: &mut Value, pointer: &str, name: &str) {
    let members = at(document, pointer).as_object_mut().expect("an object");
    members.remove(name).unwrap_or_else(|| panic!("{pointer} has no {name}"));
}

fn push(document: &mut Value, pointer: &str, value: Value) {
    at(document, pointer).as_array_mut().expect("a list").push(value);
}

const ORDER: &str = "/components/schemas/OrderView";
const ORDER_INPUT: &str = "/components/schemas/OrderInput";
const PAY: &str = "/paths/~1api~1v1~1orders~1{id}~1pay/post";
const SHIFTS: &str = "/paths/~1api~1v1~1shifts/get";

#[test]
fn nothing_is_found_where_nothing_changed() {
    let document = parsed(&read(CURRENT));
    assert_eq!(breaking_changes(&document, &document), Vec::<String>::new());
}

#[test]
fn what_breaks_callers_is_found() {
    type Change = fn(&mut Value);
    let changes: &[(&str, Change)] = &[
        ("POST /api/v1/orders/{id}/pay: is gone", |new| remove(new, "/paths", "/api/v1/orders/{id}/pay")),
        ("POST /api/v1/orders/{id}/pay: is called \"settle\"", |new| {
            at(new, PAY)["operationId"] = json!("settle");
        }),
        ("is closed to", |new| at(new, PAY)["security"] = json!([{"bearer": ["operator"]}])),
        ("POST /api/v1/tokens/staff: is not public any more", |new| {
            at(new, "/paths/~1api~1v1~1tokens~1staff/post")["security"] = json!([{"bearer": ["doctor"]}]);
        }),
        ("POST /api/v1/orders/{id}/pay, answer 200: is gone", |new| {
            remove(new, &format!("{PAY}/responses"), "200");
        }),
        ("POST /api/v1/orders/{id}/pay: may answer 202 now", |new| {
            at(new, PAY)["responses"]["202"] = json!({"description": "Paid later"});
        }),
        ("header Idempotency-Replayed: is gone", |new| {
            remove(new, &format!("{PAY}/responses/200/headers"), "Idempotency-Replayed");
        }),
        ("GET /api/v1/shifts: requires a new query parameter week", |new| {
            push(
                new,
                &format!("{SHIFTS}/parameters"),
                json!({"name": "week", "in": "query", "required": true, "schema": {"type": "string"}}),
            );
        }),
        ("POST /api/v1/orders/{id}/pay: requires a new header parameter x-till", |new| {
            push(
                new,
                &format!("{PAY}/parameters"),
                json!({"name": "X-Till", "in": "header", "required": true, "schema": {"type": "string"}}),
            );
        }),
        ("query parameter limit: maximum is 10 now", |new| {
            let parameters = at(new, &format!("{SHIFTS}/parameters")).as_array_mut().expect("a list");
            let limit = parameters.iter_mut().find(|parameter| parameter["name"] == "limit");
            limit.expect("a limit")["schema"]["maximum"] = json!(10);
        }),
        ("OrderInput: requires \"till\" now", |new| {
            at(new, ORDER_INPUT)["properties"]["till"] = json!({"type": "string"});
            at(new, ORDER_INPUT)["required"] = json!(["till"]);
        }),
        ("OrderInput.prescription_id: is gone", |new| {
            remove(new, &format!("{ORDER_INPUT}/properties"), "prescription_id");
        }),
        ("the value \"subsidy\" is refused now", |new| {
            at(new, "/components/schemas/PayMethod")["enum"] = json!(["none"]);
        }),
        ("OrderView.units: is gone", |new| remove(new, &format!("{ORDER}/properties"), "units")),
        ("OrderView: may come without \"total_fen\" now", |new| {
            let required = at(new, &format!("{ORDER}/required")).as_array_mut().expect("a list");
            required.retain(|name| name != "total_fen");
        }),
        ("OrderState: the value \"lost\" may be answered now", |new| {
            push(new, "/components/schemas/OrderState/enum", json!("lost"));
        }),
        ("OrderView.total_fen: the type string may be answered now", |new| {
            at(new, &format!("{ORDER}/properties"))["total_fen"] =
                json!({"type": "string", "format": "int64"});
        }),
        ("WorkItem: may be LightWorkItem now", |new| {
            at(new, "/components/schemas")["LightWorkItem"] = json!({"type": "object"});
            let variant = json!({"$ref": "#/components/schemas/LightWorkItem"});
            push(new, "/components/schemas/WorkItem/oneOf", variant);
        }),
        ("StaffDocument.doctor: is gone", |new| {
            remove(new, "/components/schemas/StaffDocument/allOf/1/properties", "doctor");
        }),
        ("ReadingInput: is never", |new| {
            at(new, "/components/schemas/ReadingInput/oneOf").as_array_mut().expect("a list").remove(0);
        }),
    ];
    for (expected, change) in changes {
        let found = after(change);
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn what_callers_need_not_notice_passes() {
    type Change = fn(&mut Value);
    let changes: &[(&str, Change)] = &[
        ("a new operation", |new| {
            at(new, "/paths")["/api/v1/lights"] = json!({"get": {"operationId": "listLights"}});
        }),
        ("a new role", |new| push(new, &format!("{PAY}/security"), json!({"bearer": ["finance"]}))),
        ("another problem", |new| {
            at(new, PAY)["responses"]["451"] = json!({"$ref": "#/components/responses/Problem404"});
        }),
        ("an optional parameter", |new| {
            let week =
                json!({"name": "week", "in": "query", "required": false, "schema": {"type": "string"}});
            push(new, &format!("{SHIFTS}/parameters"), week);
        }),
        ("an optional member of a request", |new| {
            at(new, ORDER_INPUT)["properties"]["till"] = json!({"type": "string"});
        }),
        ("one more accepted value", |new| {
            push(new, "/components/schemas/PayMethod/enum", json!("card"));
        }),
        ("a member of an answer", |new| {
            at(new, ORDER)["properties"]["till"] = json!({"type": "string"});
            push(new, &format!("{ORDER}/required"), json!("till"));
        }),
        ("a member of an answer that is composed", |new| {
            at(new, "/components/schemas/StaffDocument/allOf/1/properties")["till"] =
                json!({"type": "string"});
        }),
        ("a kind of event", |new| {
            at(new, "/components/schemas")["LightOnEvent"] = json!({"type": "object"});
            let variant = json!({"$ref": "#/components/schemas/LightOnEvent"});
            push(new, "/components/schemas/EventView/oneOf", variant);
        }),
        ("other words", |new| at(new, PAY)["description"] = json!("Pay.")),
    ];
    for (name, change) in changes {
        assert_eq!(after(change), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_raised_version_announces_what_breaks() {
    let mut old = parsed(&read(CURRENT));
    let mut new = old.clone();
    remove(&mut new, "/paths", "/api/v1/orders/{id}/pay");
    old["info"]["version"] = json!("1.9.0");
    for (version, announced) in [("1.9.0", false), ("1.9.1", true), ("1.10.0", true), ("2.0.0", true)] {
        new["info"]["version"] = json!(version);
        assert_eq!(unannounced(&old, &new).is_empty(), announced, "{version}");
    }
}
