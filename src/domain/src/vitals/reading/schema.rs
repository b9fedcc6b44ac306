//! The OpenAPI schema of a reading: each kind with its own unit and range.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, OneOfBuilder, RefOr, Schema, Type,
        extensions::ExtensionsBuilder,
        schema::{AdditionalProperties, KnownFormat, SchemaFormat, SchemaType},
    },
};

use crate::{
    spelling::DeviceName,
    vitals::{Beyond, ReadingInput, ReadingKind},
};

impl PartialSchema for ReadingInput {
    fn schema() -> RefOr<Schema> {
        let kinds = ReadingKind::ALL.iter().map(|kind| of_kind(*kind));
        // The domain rules report ranges and units with their own messages.
        let extension = ExtensionsBuilder::new().add("x-told-by-rule", true).build();
        let one_of = kinds.fold(OneOfBuilder::new(), |one_of, kind| one_of.item(kind));
        one_of
            .description(Some("One reading as a station sends it: the unit (UCUM) says the scale."))
            .extensions(Some(extension))
            .into()
    }
}
impl ToSchema for ReadingInput {}

fn of_kind(kind: ReadingKind) -> ObjectBuilder {
    let range = kind.range();
    let constant = |value: &str| ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value]));
    let nullable = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::from_iter([kind, Type::Null]));
    let instant = SchemaFormat::KnownFormat(KnownFormat::DateTime);
    let mut object = ObjectBuilder::new()
        .description(Some(kind.label().en.clone()))
        .property("kind", constant(kind.as_str()))
        .property(
            "value",
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
                .minimum(Some(range.min))
                .maximum(Some(range.max))
                .description(Some("In whole steps of `unit`; absent where `beyond` is given.")),
        )
        .property("unit", constant(range.unit))
        .property("device", DeviceName::schema())
        .property(
            "measured_at",
            nullable(Type::String).format(Some(instant)).description(Some("Now, where absent.")),
        );
    if !kind.beyond().is_empty() {
        let beyond = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .enum_values(Some(
                kind.beyond().iter().map(|beyond: &Beyond| Some(beyond.as_str())).chain([None]),
            ))
            .description(Some("What the device shows instead of a number: HI (`high`) or LO (`low`)."));
        object = object.property("beyond", beyond);
    }
    for name in ["kind", "unit", "device"] {
        object = object.required(name);
    }
    if let Some((least, most)) = range.second {
        let diastolic = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
            .minimum(Some(least))
            .maximum(Some(most))
            .description(Some("The diastolic; below the systolic. Only with a value."));
        object = object.property("second", diastolic);
    }
    if kind == ReadingKind::Glucose {
        let fasting = nullable(Type::Boolean).description(Some("Whether the worker had fasted."));
        object = object.property("fasting", fasting);
    }
    object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}
