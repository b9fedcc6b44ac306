//! What the route table adds to an operation: the allowed roles, its headers, and the problems that
//! it can answer with.

use actix_web::http::StatusCode;
use utoipa::openapi::{
    Components, Ref, RefOr, Schema, Type,
    path::{Operation, Parameter},
    schema::SchemaType,
    security::SecurityRequirement,
};

use super::{BEARER, headers, problems};
use crate::routes::RouteLine;
use domain::staff::role::Role;

/// `editable` says whether people edit the document at the path of the operation.
pub fn complete(operation: &mut Operation, line: &RouteLine, editable: bool, components: &Components) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            remove_null(parameter);
        }
    }
    operation.security = Some(security(line));
    let roles: Vec<&str> = line.roles.iter().map(|role: &Role| role.as_str()).collect();
    let who = if roles.is_empty() {
        "Public: no token is read.".to_owned()
    } else {
        format!("Roles: {}.", roles.join(", "))
    };
    let described = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{described}\n\n{who}").trim().to_owned());
    headers::refer(operation, line, editable, components);
    describe_responses(operation);
    for status in problems::statuses(line) {
        let response = RefOr::Ref(Ref::from_response_name(problems::name_of(status)));
        operation.responses.responses.entry(status.to_string()).or_insert(response);
    }
}

/// Any of the allowed roles; empty, where anyone may call.
fn security(line: &RouteLine) -> Vec<SecurityRequirement> {
    line.roles.iter().map(|role| SecurityRequirement::new(BEARER, [role.as_str()])).collect()
}

/// Every response needs a description; that of a success is its status.
fn describe_responses(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status = StatusCode::from_bytes(status.as_bytes()).ok();
            response.description =
                status.and_then(|status| status.canonical_reason()).unwrap_or_default().to_owned();
        }
    }
}

/// A query parameter is present or absent, but never null.
fn remove_null(parameter: &mut Parameter) {
    let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema else { return };
    if let SchemaType::Array(types) = &object.schema_type
        && let [one] = types.iter().filter(|kind| **kind != Type::Null).collect::<Vec<_>>()[..]
    {
        object.schema_type = SchemaType::Type(one.clone());
    }
}
