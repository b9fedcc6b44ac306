//! The schema of an event: a union of all kinds, each with its payload. A client chooses the variant
//! by `kind`.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Discriminator, KnownFormat, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat,
        Type, schema::AnyOfBuilder,
    },
};

use super::EventView;
use crate::openapi::{schemas::open_set, unions::in_capitals};
use domain::event::{AnyId, Event, Stream};

impl PartialSchema for EventView {
    fn schema() -> RefOr<Schema> {
        let (mut union, mut discriminator) = (OneOfBuilder::new(), Discriminator::new("kind"));
        for (kind, _) in Event::kinds() {
            let variant = Ref::from_schema_name(component(kind));
            discriminator.mapping.insert(kind.to_owned(), variant.ref_location.clone());
            union = union.item(variant);
        }
        let what = "One event, as the `data` of the stream; `kind` says which. Kinds are added without a new \
            version: skip those that you do not know.";
        let union = union.description(Some(what)).discriminator(Some(discriminator));
        union.extensions(Some(open_set())).into()
    }
}

/// The schema of a frame's data: on the wire the event as JSON, behind a parser of streams the event.
/// Generators overlook what only a `contentSchema` refers to.
pub(super) fn data() -> Schema {
    let event = || Ref::from_schema_name(EventView::name());
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("An `EventView` as JSON."))
        .content_media_type("application/json")
        .content_schema(Some(event()));
    AnyOfBuilder::new().item(text).item(event()).into()
}

impl ToSchema for EventView {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Event::schemas(schemas);
        schemas.push((Stream::name().into(), Stream::schema()));
        schemas.push((AnyId::name().into(), AnyId::schema()));
        let RefOr::T(Schema::OneOf(variants)) = Event::schema() else { return };
        // The variants are in the order of the kinds: both follow the declarations.
        for ((kind, _), variant) in Event::kinds().zip(variants.items) {
            if let RefOr::T(Schema::Object(variant)) = variant {
                schemas.push((component(kind), RefOr::T(view_of(variant))));
            }
        }
    }
}

/// A variant with what every event has.
fn view_of(mut variant: Object) -> Schema {
    if let Some(RefOr::T(Schema::Object(payload))) = variant.properties.get_mut("payload") {
        // It repeats that of the event.
        payload.description = None;
    }
    let plain = |of: Type, format, what: &str| {
        let format = SchemaFormat::KnownFormat(format);
        ObjectBuilder::new().schema_type(of).format(Some(format)).description(Some(what))
    };
    let position = plain(Type::Integer, KnownFormat::Int64, "Position in the global log; resume after it.");
    let common = ObjectBuilder::from(variant)
        .property("position", position)
        .property("stream", Ref::from_schema_name(Stream::name()))
        .property("stream_id", Ref::from_schema_name(AnyId::name()))
        .property("at", plain(Type::String, KnownFormat::DateTime, "When it happened."));
    ["position", "stream", "stream_id", "at"].into_iter().fold(common, ObjectBuilder::required).into()
}

fn component(kind: &str) -> String {
    in_capitals(kind) + "Event"
}
