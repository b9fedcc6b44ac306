//! The OpenAPI schema of a journal entry.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::AdditionalProperties},
};

use super::{Body, JournalEntry};
use crate::vend::identity::{BootId, JournalHash};

/// The fields of every entry except its kind and body; for the OpenAPI document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct EntryFrame {
    /// From 1, without a gap, per epoch.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    seq: i64,
    /// The hash of the entry before; 64 zeros before the first.
    prev_hash: JournalHash,
    /// The hash of this entry.
    hash: JournalHash,
    /// The boot that wrote it.
    boot_id: BootId,
    /// Milliseconds since that boot began.
    #[schema(minimum = 0, maximum = 9007199254740991_i64)]
    mono_ms: i64,
    /// The cabinet's wall clock.
    wall: chrono::DateTime<chrono::Utc>,
}

/// Each kind of entry is a schema of its own: the common fields, one kind, its body.
impl PartialSchema for JournalEntry {
    fn schema() -> RefOr<Schema> {
        let (RefOr::T(Schema::Object(frame)), RefOr::T(Schema::OneOf(mut kinds))) =
            (EntryFrame::schema(), Body::schema())
        else {
            unreachable!("a struct is an object, an enum is one of several")
        };
        for kind in &mut kinds.items {
            if let RefOr::T(Schema::Object(kind)) = kind {
                // `door_close` has no fields: an object without members.
                if let Some(RefOr::T(Schema::Object(body))) = kind.properties.get_mut("body") {
                    body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
                }
                kind.properties.extend(frame.properties.clone());
                kind.required.extend(frame.required.clone());
            }
        }
        RefOr::T(Schema::OneOf(kinds))
    }
}

impl ToSchema for JournalEntry {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        EntryFrame::schemas(schemas);
        Body::schemas(schemas);
    }
}
