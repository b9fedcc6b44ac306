//! What the route table adds to an operation: its id, the allowed roles, its
//! headers, and the problems that it can answer with.

use actix_web::http::StatusCode;
use utoipa::openapi::{
    HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Schema, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::SchemaType,
    security::SecurityRequirement,
};

use super::{operation_id, problems};
use crate::{
    routes::{IF_MATCH, KEY, RouteLine, SCREEN_SIGNATURE, SIGNATURE},
    signed::SIGNATURE_HEADER,
};
use domain::{spelling::IDEMPOTENCY_KEY_CHARS, staff::role::Role};

pub fn complete(operation: &mut Operation, line: &RouteLine) {
    operation.operation_id = Some(operation_id(line));
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter {
            remove_null(parameter);
        }
    }
    if !line.roles.is_empty() {
        let any_of = line
            .roles
            .iter()
            .map(|role| SecurityRequirement::new::<_, [String; 0], String>(role.as_str(), []));
        operation.security = Some(any_of.collect());
        let roles: Vec<&str> = line.roles.iter().map(|role: &Role| role.as_str()).collect();
        let described = operation.description.take().unwrap_or_default();
        operation.description =
            Some(format!("{described}\n\nRoles: {}.", roles.join(", ")).trim().to_owned());
    }
    let headers = [(KEY, idempotency_key as fn() -> Parameter), (SIGNATURE, signature), (IF_MATCH, if_match)];
    for (_, header) in headers.iter().filter(|(what, _)| line.takes(*what)) {
        operation.parameters.get_or_insert_default().push(RefOr::T(header()));
    }
    if line.takes(SCREEN_SIGNATURE) {
        let screens_only = line.roles == [Role::Station];
        operation.parameters.get_or_insert_default().push(RefOr::T(screen_signature(screens_only)));
    }
    add_response_headers(operation, line);
    describe_responses(operation);
    for status in problems::statuses(line) {
        let response = RefOr::Ref(Ref::from_response_name(problems::name_of(status)));
        operation.responses.responses.entry(status.to_string()).or_insert(response);
    }
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

fn header(name: &str, description: &str, text: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(text.schema_type(Type::String).build()))
        .build()
}

fn idempotency_key() -> Parameter {
    let (least, most) = (*IDEMPOTENCY_KEY_CHARS.start(), *IDEMPOTENCY_KEY_CHARS.end());
    let text = ObjectBuilder::new().min_length(Some(least)).max_length(Some(most)).pattern(Some("^[!-~]+$"));
    header("Idempotency-Key", "Chosen by the caller; the same key gives the same answer.", text)
}

fn signature() -> Parameter {
    let description = "A compact JWS with detached payload (`header..signature`, EdDSA by the device's key, \
                header members `alg`, `kid` = the device's id, `typ` = `request+jws`). Its payload is the \
                text `waystation-request-v1`, the method, path and query exactly as sent, and the body's SHA-256 \
                in lower hex, each on a line of its own, joined by `\\n`.";
    let text =
        ObjectBuilder::new().max_length(Some(1024)).pattern(Some(r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$"));
    header(SIGNATURE_HEADER, description, text)
}

/// Optional in the document where other roles may call too; a screen must sign in any case.
fn screen_signature(screens_only: bool) -> Parameter {
    let description = "From a station's screen: a compact JWS with detached payload (`header..signature`, \
                EdDSA by the device's key, header members `alg`, `kid` = the device's id, `typ` = \
                `request+jws`). Its payload is the text `waystation-request-v2`, the method, path and query \
                exactly as sent, and \
                the SHA-256 in lower hex of the body, of the access token and of the `Idempotency-Key`, each \
                on a line of its own, joined by `\\n`. The key that is signed makes a repeated request do \
                nothing; the token that is signed ends the signature with itself.";
    let text =
        ObjectBuilder::new().max_length(Some(1024)).pattern(Some(r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$"));
    let mut parameter = header(SIGNATURE_HEADER, description, text);
    if !screens_only {
        parameter.required = Required::False;
    }
    parameter
}

fn if_match() -> Parameter {
    let text = ObjectBuilder::new()
        .min_length(Some(1))
        .max_length(Some(500))
        .pattern(Some(r#"^(\*|(W/)?"[0-9]+"( *, *(W/)?"[0-9]+")*)$"#));
    let description = "The version that was read, from its `ETag`; a list of versions; or `*` for \
                any. A weak tag (`W/\"3\"`) means its version.";
    header("If-Match", description, text)
}

/// Routes that answer with the version of a document in the `ETag` header.
const VERSIONED: [&str; 4] =
    ["/api/v1/me/profile", "/api/v1/prescriptions/{id}", "/api/v1/staff/{id}", "/api/v1/shifts/{id}"];

fn add_response_headers(operation: &mut Operation, line: &RouteLine) {
    let successful = operation.responses.responses.iter_mut().filter(|(status, _)| status.starts_with('2'));
    for (_, response) in successful {
        let RefOr::T(response) = response else { continue };
        let mut add_header = |name: &str, description: &str| {
            let text = ObjectBuilder::new().schema_type(Type::String).build();
            let header = HeaderBuilder::new().schema(Some(text)).description(Some(description)).build();
            response.headers.insert(name.to_owned(), RefOr::T(header));
        };
        if line.takes(KEY) {
            add_header("Idempotency-Replayed", "`true` where this is the answer of an earlier request.");
        }
        if VERSIONED.contains(&line.path) {
            add_header("ETag", "The version of the document.");
        }
    }
}
