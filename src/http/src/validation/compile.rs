//! Compiles a schema of the OpenAPI document to a [`Shape`].

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AdditionalProperties, ArrayItems},
    },
};

use super::{
    schemas::set_bounds,
    shape::{Format, Kind, Member, Shape, Text},
};
use service::bounds::PolicyBound;

/// Schema extension: a domain rule checks ranges, units and combinations, with better messages
/// than a schema allows, so only the types are checked here.
const CHECKED_BY_RULE: &str = "x-told-by-rule";

/// Schemas by their names in the document.
pub type Named = HashMap<String, Value>;

/// Sets `additionalProperties: false` on the objects of a request. The derive omits it on the
/// variants of an enum, although serde refuses unknown fields there as well.
pub(crate) fn close_variants(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            if !object.properties.is_empty() {
                object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
            object.properties.values_mut().for_each(close_variants);
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                close_variants(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(close_variants),
        Schema::AllOf(all) => all.items.iter_mut().for_each(close_variants),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(close_variants),
        _ => {}
    }
}

pub(crate) fn of_type<T: ToSchema>(bounds: &[PolicyBound]) -> Shape {
    let bounded = |name: &str, mut schema: RefOr<Schema>| {
        set_bounds(bounds, name, &mut schema);
        as_json(&schema)
    };
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let named = schemas.into_iter().map(|(name, schema)| (name.clone(), bounded(&name, schema))).collect();
    of_schema(&bounded(&T::name(), T::schema()), &named)
}

/// The shape of a schema that refers to nothing else.
pub(crate) fn of_plain(schema: &RefOr<Schema>) -> Shape {
    of_schema(&as_json(schema), &Named::new())
}

fn as_json(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).expect("a schema is plain JSON")
}

/// The shape of a schema among those that it may refer to.
pub(crate) fn of_schema(schema: &Value, named: &Named) -> Shape {
    let schema = resolved(schema, named);
    if let Some(options) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let checked_by_rule = schema[CHECKED_BY_RULE] == true;
        return if checked_by_rule { merge_variants(options, named) } else { of_options(options, named) };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = types.contains(&"null");
    let kind = match types.iter().find(|kind| **kind != "null") {
        Some(&"boolean") => Kind::Bool,
        Some(&"integer") => of_integer(schema),
        Some(&"number") => Kind::Number {
            least: schema["minimum"].as_f64().unwrap_or(f64::MIN),
            most: schema["maximum"].as_f64().unwrap_or(f64::MAX),
        },
        Some(&"string") => of_text(schema),
        Some(&"array") => Kind::List {
            items: Box::new(of_schema(&schema["items"], named)),
            least: count(&schema["minItems"]).unwrap_or(0),
            most: count(&schema["maxItems"]).unwrap_or(usize::MAX),
        },
        Some(&"object") => Kind::Record(members(schema, named)),
        Some(_) | None => Kind::Any,
    };
    Shape { nullable, kind }
}

/// The schema itself, or the one that it refers to.
fn resolved<'s>(schema: &'s Value, named: &'s Named) -> &'s Value {
    let Some(name) = schema["$ref"].as_str() else { return schema };
    let target = named.get(name.rsplit('/').next().unwrap_or_default());
    // The test `every_body_of_the_document_compiles_to_a_shape_that_accepts_its_examples` follows all
    // references.
    resolved(target.expect("a type's schemas hold all that they refer to"), named)
}

/// `oneOf` is either null and one other schema, or variants distinguished by a tag.
fn of_options(options: &[Value], named: &Named) -> Shape {
    let (nulls, others): (Vec<&Value>, Vec<&Value>) =
        options.iter().map(|option| resolved(option, named)).partition(|option| option["type"] == "null");
    if let [only] = others[..] {
        let shape = of_schema(only, named);
        return Shape { nullable: shape.nullable || !nulls.is_empty(), ..shape };
    }
    let tag = tag_of(&others);
    let variants: Vec<(String, Vec<Member>)> = others
        .iter()
        .map(|other| (tag_value(other, &tag).unwrap_or_default(), members(other, named)))
        .collect();
    let values = variants.iter().map(|(value, _)| value.clone()).collect();
    Shape { nullable: !nulls.is_empty(), kind: Kind::Tagged { tag, variants, values } }
}

/// The member that identifies the variant: every variant has exactly one value for it.
fn tag_of(variants: &[&Value]) -> String {
    let first = variants.first().and_then(|first| first["properties"].as_object());
    first
        .and_then(|known| {
            known.keys().find(|name| variants.iter().all(|other| tag_value(other, name).is_some()))
        })
        .expect("the variants of a request are distinguished by a tag")
        .clone()
}

/// All variants merged into one object: their members without bounds.
fn merge_variants(options: &[Value], named: &Named) -> Shape {
    let options: Vec<&Value> = options.iter().map(|option| resolved(option, named)).collect();
    let tag = tag_of(&options);
    let values = options.iter().filter_map(|variant| tag_value(variant, &tag)).collect();
    let kind = Shape { nullable: false, kind: Kind::Enum(values) };
    let mut all = vec![Member { name: tag, required: true, shape: kind }];
    for mut member in options.iter().flat_map(|option| members(option, named)) {
        if all.iter().all(|known| known.name != member.name) {
            member.required = options.iter().all(|option| is_required(option, &member.name));
            member.shape = member.shape.without_bounds(!member.required);
            all.push(member);
        }
    }
    Shape { nullable: false, kind: Kind::Record(all) }
}

fn tag_value(schema: &Value, name: &str) -> Option<String> {
    match schema["properties"][name]["enum"].as_array()?.as_slice() {
        [Value::String(value)] => Some(value.clone()),
        _ => None,
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name))
}

fn members(schema: &Value, named: &Named) -> Vec<Member> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Member {
            name: name.clone(),
            required: is_required(schema, name),
            shape: of_schema(property, named),
        })
        .collect()
}

fn of_integer(schema: &Value) -> Kind {
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    Kind::Integer {
        least: schema["minimum"].as_i64().unwrap_or(least),
        most: schema["maximum"].as_i64().unwrap_or(most),
    }
}

fn of_text(schema: &Value) -> Kind {
    if let Some(values) = schema["enum"].as_array() {
        return Kind::Enum(values.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    Kind::Text(Text {
        least: count(&schema["minLength"]).unwrap_or(0),
        most: count(&schema["maxLength"]).unwrap_or(usize::MAX),
        pattern: schema["pattern"].as_str().map(|text| Regex::new(text).expect("a pattern that is tested")),
        format: match schema["format"].as_str() {
            Some("uuid") => Some(Format::Uuid),
            Some("date") => Some(Format::Date),
            Some("date-time") => Some(Format::Instant),
            Some(_) | None => None,
        },
        scanned: schema["format"] == "scanned",
    })
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|count| usize::try_from(count).ok())
}
