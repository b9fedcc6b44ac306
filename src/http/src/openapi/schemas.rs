//! Schemas of the document: closed request objects, the list of problem codes.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OpenApi, RefOr, Schema, Type, extensions::Extensions, schema::ArrayItems},
};

use crate::{problem::ProblemCode, validation};
use domain::refusal::Code;

/// Sets `additionalProperties: false` on every object in a request body, which is how it is read.
pub(crate) fn close_requests(document: &mut OpenApi) {
    let mut wanted = Vec::new();
    for item in document.paths.paths.values() {
        for operation in [&item.get, &item.post, &item.put].into_iter().flatten() {
            let Some(RefOr::T(body)) = &operation.request_body else { continue };
            let content = body.content.values();
            content
                .filter_map(|content| match content {
                    RefOr::T(content) => content.schema.as_ref(),
                    RefOr::Ref(_) => None,
                })
                .for_each(|schema| collect_references(schema, &mut wanted));
        }
    }
    let Some(components) = document.components.as_mut() else { return };
    let mut done = std::collections::HashSet::new();
    while let Some(name) = wanted.pop() {
        if done.insert(name.clone())
            && let Some(schema) = components.schemas.get_mut(&name)
        {
            validation::close_variants(schema);
            collect_references(schema, &mut wanted);
        }
    }
}

/// Adds the names of the schemas that `schema` refers to.
fn collect_references(schema: &RefOr<Schema>, names: &mut Vec<String>) {
    match schema {
        RefOr::Ref(target) => {
            names.extend(target.ref_location.rsplit('/').next().map(str::to_owned));
        }
        RefOr::T(Schema::Object(object)) => {
            object.properties.values().for_each(|property| collect_references(property, names));
        }
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &array.items {
                collect_references(items, names);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter().for_each(|item| collect_references(item, names)),
        RefOr::T(Schema::AllOf(all)) => all.items.iter().for_each(|item| collect_references(item, names)),
        RefOr::T(Schema::AnyOf(any)) => any.items.iter().for_each(|item| collect_references(item, names)),
        RefOr::T(_) => {}
    }
}

/// Marks a set of an answer that grows without a new version of the document; callers treat what they
/// do not know as `api-spec/CHANGES.md` says.
pub(crate) fn open_set() -> Extensions {
    [("x-open-set", true)].into_iter().collect()
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The stable code for programs. Codes are added without a new version: treat one that you \
                 do not know by its status.",
            ))
            .enum_values(Some(Code::ALL.iter().map(|code| code.as_str())))
            .extensions(Some(open_set()))
            .into()
    }
}
impl ToSchema for ProblemCode {}
