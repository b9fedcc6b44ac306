//! Tagged unions and pages, as generators of clients need them: each variant is a schema with a name,
//! and a discriminator leads from the tag to it, so that an unknown tag does not parse as a variant
//! without members; a page refers to the schema of its items.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::{
    Discriminator, Object, OneOf, Ref, RefOr, Schema, Type,
    schema::{AdditionalProperties, AnyOf, ArrayItems, SchemaType},
};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Gives the variants of all unions among `schemas` a name: that of the tag before that of the union.
///
/// # Panics
/// If a variant would get the name of another schema: any test that makes the document shows it.
pub(crate) fn name_variants(schemas: &mut Schemas) {
    let mut named = Schemas::new();
    for (name, schema) in schemas.iter_mut() {
        if let RefOr::T(Schema::OneOf(union)) = schema
            && let Some(tag) = tag_of(union)
        {
            union.discriminator = Some(move_variants(name, &tag, union, &mut named));
        }
    }
    for (name, variant) in named {
        let before = schemas.insert(name.clone(), variant);
        assert!(before.is_none(), "{name} is a variant and another schema");
    }
}

fn move_variants(union_name: &str, tag: &str, union: &mut OneOf, named: &mut Schemas) -> Discriminator {
    let mut discriminator = Discriminator::new(tag);
    for item in &mut union.items {
        let Some(value) = object_of(item).and_then(|variant| tag_value(variant, tag)) else { continue };
        let name = in_capitals(value) + union_name;
        let reference = Ref::from_schema_name(&name);
        discriminator.mapping.insert(value.to_owned(), reference.ref_location.clone());
        let variant = std::mem::replace(item, reference.into());
        assert!(named.insert(name.clone(), variant).is_none(), "two variants are called {name}");
    }
    discriminator
}

/// Lets each variant require its tag by `dependentRequired`: whoever has the member that every such variant
/// has needs the tag as well. What is valid stays the same, but a generator for Rust takes the tag away
/// before it parses a variant, which may not list it as required then.
///
/// # Panics
/// If a variant requires nothing but its tag: any test that makes the document shows it.
pub(crate) fn require_tags(schemas: &mut Schemas) {
    let unions = schemas.values().filter_map(|schema| match schema {
        RefOr::T(Schema::OneOf(union)) => union.discriminator.as_ref(),
        _ => None,
    });
    let tags = unions.flat_map(|union| {
        let names = union.mapping.values().filter_map(|variant| variant.rsplit('/').next());
        names.map(|name| (name.to_owned(), union.property_name.clone()))
    });
    for (name, tag) in tags.collect::<Vec<_>>() {
        if let Some(RefOr::T(Schema::Object(variant))) = schemas.get_mut(&name) {
            variant.required.retain(|member| *member != tag);
            let other = variant.required.first().unwrap_or_else(|| panic!("{name} has only its tag"));
            // The builder has no place for this keyword. Extensions are written as members, in any
            // order: there may be only one.
            let keyword = [("dependentRequired", json!({ other: [tag] }))].into_iter().collect();
            let before = variant.extensions.replace(keyword);
            assert!(before.is_none(), "{name} has an extension");
        }
    }
}

/// Writes each schema that may also be null as `anyOf`: with `oneOf` a linter takes it for the
/// `nullable` that OpenAPI 3.1 no longer has.
pub(crate) fn allow_null_by_any_of(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            object.properties.values_mut().for_each(allow_null_by_any_of);
            if let Some(AdditionalProperties::RefOr(members)) = object.additional_properties.as_deref_mut() {
                allow_null_by_any_of(members);
            }
        }
        Schema::Array(list) => {
            if let ArrayItems::RefOrSchema(items) = &mut list.items {
                allow_null_by_any_of(items);
            }
        }
        Schema::OneOf(union) => {
            union.items.iter_mut().for_each(allow_null_by_any_of);
            if union.items.iter().any(is_null) {
                let mut any = AnyOf::new();
                any.items = std::mem::take(&mut union.items);
                any.description = union.description.take();
                any.default = union.default.take();
                *schema = Schema::AnyOf(any);
            }
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(allow_null_by_any_of),
        _ => {}
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    object_of(schema).is_some_and(|object| object.schema_type == SchemaType::Type(Type::Null))
}

/// The member that has exactly one value in each variant.
fn tag_of(union: &OneOf) -> Option<String> {
    let variants: Vec<&Object> = union.items.iter().map(object_of).collect::<Option<_>>()?;
    let members = variants.first()?.properties.keys();
    members.into_iter().find(|name| variants.iter().all(|one| tag_value(one, name).is_some())).cloned()
}

fn object_of(schema: &RefOr<Schema>) -> Option<&Object> {
    match schema {
        RefOr::T(Schema::Object(object)) => Some(object),
        RefOr::T(_) | RefOr::Ref(_) => None,
    }
}

fn tag_value<'v>(variant: &'v Object, tag: &str) -> Option<&'v str> {
    match object_of(variant.properties.get(tag)?)?.enum_values.as_deref()? {
        [only] => only.as_str(),
        _ => None,
    }
}

/// `consultation.accepted` -> `ConsultationAccepted`
pub(crate) fn in_capitals(words: &str) -> String {
    let words = words.split(['.', '_']).filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_uppercase() + rest).collect()
}

/// Lets the pages among `schemas` (`Page_StationView`) refer to the schema of their items, which the
/// derive of a generic type copies.
pub(crate) fn refer_to_items(schemas: &mut Schemas) {
    let names: Vec<String> = schemas.keys().cloned().collect();
    for (page, schema) in schemas.iter_mut() {
        if let Some(item) = page.strip_prefix("Page_").filter(|item| names.iter().any(|name| name == item))
            && let RefOr::T(Schema::Object(page)) = schema
            && let Some(RefOr::T(Schema::Array(list))) = page.properties.get_mut("items")
        {
            list.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}
