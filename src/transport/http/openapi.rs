//! The OpenAPI document, generated from the handlers. What holds for every
//! route (who may call, problems, idempotency keys) is added from the table of
//! routes, so that it cannot be forgotten on one.

use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, Type,
        path::{Operation, ParameterBuilder, ParameterIn},
        schema::{KnownFormat, SchemaFormat},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{check_ins, routes};
use crate::{
    domain::{ids::Id, money::Fen, role::Role},
    transport::{
        pages,
        problem::{ProblemBody, ProblemField},
        routes::RouteLine,
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Waystation",
        description = "The backend of a network of health points for people who work outdoors."
    ),
    components(schemas(ProblemBody, ProblemField))
)]
struct Base;

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    for part in [check_ins::Doc::openapi(), pages::Doc::openapi()] {
        document.merge(part);
    }
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        "bearer".to_owned(),
        RefOr::T(SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build(),
        )),
    );
    for line in routes().lines() {
        if let Some(operation) = operation_mut(&mut document, line) {
            complete(operation, line);
        }
    }
    document
}

fn operation_mut<'d>(
    document: &'d mut utoipa::openapi::OpenApi,
    line: &RouteLine,
) -> Option<&'d mut Operation> {
    let item = document.paths.paths.get_mut(line.path)?;
    match line.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        _ => None,
    }
}

fn complete(operation: &mut Operation, line: &RouteLine) {
    if !line.roles.is_empty() {
        let roles: Vec<&str> = line.roles.iter().map(|role: &Role| role.as_str()).collect();
        operation.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>("bearer", [])]);
        let said = operation.description.take().unwrap_or_default();
        operation.description = Some(format!("{said}\n\nRoles: {}.", roles.join(", ")).trim().to_owned());
    }
    if takes_idempotency_key(line) {
        let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(8)).max_length(Some(128));
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("Chosen by the caller; the same key gives the same answer."))
            .schema(Some(schema.pattern(Some("^[!-~]+$")).build()))
            .build();
        operation.parameters.get_or_insert_default().push(RefOr::T(header));
    }
    let mut statuses = vec!["400", "404", "429", "500", "503"];
    if line.method != actix_web::http::Method::GET {
        statuses.extend(["409", "412", "413", "415", "422", "428"]);
    }
    if !line.roles.is_empty() {
        statuses.extend(["401", "403"]);
    } else if line.method == actix_web::http::Method::POST {
        statuses.push("401");
    }
    for status in statuses {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(problem_response(status)));
    }
}

/// Every POST that creates or moves something; not the token and cabinet
/// routes, and not the two that only compute.
pub fn takes_idempotency_key(line: &RouteLine) -> bool {
    let computes = ["/api/v1/triage/assess", "/api/v1/prescriptions/check"];
    line.method == actix_web::http::Method::POST
        && !line.path.starts_with("/api/v1/tokens/")
        && !line.path.starts_with("/cabinet/")
        && !line.path.ends_with("/token")
        && !computes.contains(&line.path)
}

fn problem_response(status: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
    let mut response = ResponseBuilder::new()
        .description("A problem (RFC 9457)")
        .content("application/problem+json", content);
    if status == "429" || status == "503" {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        response = response.header("Retry-After", HeaderBuilder::new().schema(Some(seconds)).build());
    }
    response.build()
}

// ---- how domain types look on the wire ----------------------------------------

impl<K> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let uuid = SchemaFormat::KnownFormat(KnownFormat::Uuid);
        ObjectBuilder::new().schema_type(Type::String).format(Some(uuid)).into()
    }
}
impl<K> ToSchema for Id<K> {}

impl PartialSchema for Fen {
    fn schema() -> RefOr<Schema> {
        let int64 = SchemaFormat::KnownFormat(KnownFormat::Int64);
        ObjectBuilder::new().schema_type(Type::Integer).format(Some(int64)).description(Some("fen")).into()
    }
}
impl ToSchema for Fen {}

/// A closed set of codes is an enumeration of strings.
macro_rules! text_enum_schemas {
    ($($name:ty),+ $(,)?) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let codes = <$name>::ALL.iter().map(|code| code.as_str());
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes)).into()
            }
        }
        impl ToSchema for $name {}
    )+};
}

text_enum_schemas!(crate::domain::network::Sex, crate::domain::words::Language,);
