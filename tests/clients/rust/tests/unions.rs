//! A kind that the document does not name is an error of the parser, never an object without members.

use serde_json::{from_value, json, to_value};
use waystation_client::models::{EventView, WorkItem};

const ATTEMPT: &str = "01920000-0000-7000-8000-000000000001";

#[test]
fn known_kinds_are_parsed_as_what_they_are_and_written_alike() {
    let sent = json!({"kind": "void", "attempt": ATTEMPT});
    let item: WorkItem = from_value(sent.clone()).expect("a kind of work");
    assert!(matches!(&item, WorkItem::Void(void) if void.attempt.to_string() == ATTEMPT));
    assert_eq!(to_value(item).expect("JSON"), sent);
}

#[test]
fn an_unknown_kind_is_refused() {
    let unknown = from_value::<WorkItem>(json!({"kind": "teleport", "attempt": ATTEMPT}));
    assert!(unknown.unwrap_err().to_string().contains("teleport"));
    assert!(from_value::<WorkItem>(json!({"attempt": ATTEMPT})).is_err());
    let event = json!({
        "kind": "order.teleported", "position": 1, "stream": "order", "stream_id": ATTEMPT,
        "at": "2026-11-18T11:06:40Z", "payload": {},
    });
    assert!(from_value::<EventView>(event).unwrap_err().to_string().contains("order.teleported"));
}

#[test]
fn a_variant_without_its_members_is_refused() {
    let bare = from_value::<WorkItem>(json!({"kind": "vend", "attempt": ATTEMPT}));
    assert!(bare.unwrap_err().to_string().contains("authorization"));
}
